// THE table of StableHLO operations: opcode, name, number of operands, results and regions, and what passes may assume.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace tt::ir {

enum class Op : uint8_t {
  // Elementwise, one operand.
  kAbs, kCbrt, kCeil, kConvert, kCosine, kCountLeadingZeros, kExponential, kExponentialMinusOne, kFloor, kImag, kIsFinite, kLog,
  kLogPlusOne, kLogistic, kNegate, kNot, kPopcnt, kReal, kReducePrecision, kRoundNearestAfz, kRoundNearestEven, kRsqrt, kSign, kSine,
  kSqrt, kTan, kTanh, kBitcastConvert,
  // Elementwise, two and three operands.
  kAdd, kAnd, kAtan2, kCompare, kComplex, kDivide, kMaximum, kMinimum, kMultiply, kOr, kPower, kRemainder, kShiftLeft,
  kShiftRightArithmetic, kShiftRightLogical, kSubtract, kXor, kClamp, kSelect,
  // Movement.
  kBroadcastInDim, kConcatenate, kConstant, kDynamicSlice, kDynamicUpdateSlice, kGather, kIota, kPad, kReshape, kReverse, kScatter,
  kSlice, kTranspose,
  // Contraction, reduction, windows, ordering, random bits, linear algebra.
  kBatchNormGrad, kBatchNormInference, kBatchNormTraining, kCholesky, kConvolution, kDotGeneral, kFft, kMap, kReduce, kReduceWindow,
  kRng, kRngBitGenerator, kSelectAndScatter, kSort, kTriangularSolve,
  // Control flow, calls and structure.
  kCall, kCase, kComposite, kCustomCall, kFunc, kGetTupleElement, kIf, kOptimizationBarrier, kReturn, kTuple, kWhile,
  // Effects, devices and communication.
  kAfterAll, kAllGather, kAllReduce, kAllToAll, kCollectiveBroadcast, kCollectivePermute, kCreateToken, kInfeed, kOutfeed,
  kPartitionId, kRecv, kReduceScatter, kReplicaId, kSend,
  // Shardy's annotations: identities on one device (passes::inline_calls removes them).
  kShardingConstraint, kManualComputation,
};
inline constexpr int kNumOps = static_cast<int>(Op::kManualComputation) + 1;

enum class OpClass : uint8_t { kElementwise, kMovement, kCompute, kControl, kEffect };

struct OpInfo {
  Op op;
  std::string_view name;  // without the "stablehlo." (or "sdy.") prefix
  int8_t operands;        // -1: any number
  int8_t results;         // -1: any number
  int8_t regions;         // -1: any number
  OpClass op_class;
  bool same_type;         // operands and result share one type: printed as "stablehlo.add %0, %1 : type"
};

const OpInfo& info(Op op);
inline std::string_view name(Op op) { return info(op).name; }
inline bool is_elementwise(Op op) { return info(op).op_class == OpClass::kElementwise; }
std::optional<Op> find_op(std::string_view name);

// The attributes (MLIR: properties) that operations may carry, under StableHLO's names.
enum class Attr : uint8_t {
  kApiVersion, kBackendConfig, kBaseDilations, kBatchGroupCount, kBroadcastDimensions, kCalledComputations, kCallTargetName, kCallee,
  kChannelHandle, kCompareType, kComparisonDirection, kCompositeAttributes, kDecomposition, kDimension, kDimensionNumbers, kDimensions,
  kEdgePaddingHigh, kEdgePaddingLow, kEpsilon, kExponentBits, kFeatureGroupCount, kFeatureIndex, kFftLength, kFftType,
  kHasSideEffect, kIndex, kIndicesAreSorted, kInteriorPadding, kIotaDimension, kIsStable, kLeftSide, kLhsDilation, kLimitIndices,
  kLower, kMantissaBits, kName, kOperandLayouts, kOutputOperandAliases, kPadding, kPermutation, kPrecisionConfig, kReplicaGroups,
  kResultAccuracy, kResultLayouts, kRhsDilation, kRngAlgorithm, kRngDistribution, kSliceSizes, kSourceTargetPairs, kStartIndices,
  kStrides, kTransposeA, kUniqueIndices, kUnitDiagonal, kUseGlobalDeviceIds, kValue, kVersion, kWindowDilations, kWindowDimensions,
  kWindowReversal, kWindowStrides, kAllGatherDim, kConcatDimension, kScatterDimension, kSplitCount, kSplitDimension,
  // dimension_numbers of dot_general, gather, scatter and convolution, flattened
  kLhsBatchingDimensions, kLhsContractingDimensions, kRhsBatchingDimensions, kRhsContractingDimensions, kDotAlgorithm,
  kOffsetDims, kCollapsedSliceDims, kOperandBatchingDims, kStartIndicesBatchingDims, kStartIndexMap, kIndexVectorDim,
  kUpdateWindowDims, kInsertedWindowDims, kInputBatchingDims, kScatterIndicesBatchingDims, kScatterDimsToOperandDims,
  kInputBatchDimension, kInputFeatureDimension, kInputSpatialDimensions, kKernelInputFeatureDimension,
  kKernelOutputFeatureDimension, kKernelSpatialDimensions, kOutputBatchDimension, kOutputFeatureDimension,
  kOutputSpatialDimensions,
  kInfeedConfig, kOutfeedConfig, kLayout, kIsHostTransfer, kChannelType,
  kSharding, kInShardings, kOutShardings, kManualAxes,
};
inline constexpr int kNumAttrs = static_cast<int>(Attr::kManualAxes) + 1;

std::string_view name(Attr attr);  // "broadcast_dimensions"

}  // namespace tt::ir
