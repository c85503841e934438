// Types of the IR have all their sizes: operations that take sizes as values become those that have them as attributes.
//   %n = constant [2, 4]; %r = dynamic_broadcast_in_dim %x, %n, dims = [1]  ->  %r = broadcast_in_dim %x, dims = [1]
//   %n = get_dimension_size %x, dim = 0                                     ->  %n = constant 4
// What needs a size that the program computes is left, and refused by the lowering.
#include <algorithm>
#include <optional>

#include "ir/attribute_text.hpp"
#include "passes/pass.hpp"
#include "passes/replace.hpp"

namespace tt::passes {
namespace {

using ir::Attr;
using ir::Op;
using ir::Operation;
using ir::Type;
using ir::Value;

// The integers of a constant that can be sizes.
std::optional<Dims> known(const Value* value) {
  constexpr int64_t kMost = 256;
  const Type& type = value->type();
  const Operation* definer = value->definer();
  if (definer == nullptr || definer->op() != Op::kConstant || !is_integer(type.element) || type.num_elements() > kMost) return std::nullopt;
  const ir::DenseElements& elements = definer->elements();
  const auto size = static_cast<size_t>(size_of(type.element));
  Dims integers(static_cast<size_t>(type.num_elements()));
  for (size_t i = 0; i < integers.size(); ++i)
    integers[i] = ir::element_as_integer(elements.bytes->data() + (elements.splat ? 0 : i * size), type.element);
  return integers;
}

// The operation that has its sizes: with some of the operands and attributes, and with operands that became attributes.
struct Sized {
  Op op;
  std::vector<Value*> operands;
  std::vector<Attr> attributes;
  std::vector<std::pair<Attr, Value*>> sizes;
};

std::vector<Value*> resolve(const Operation& operation, Builder& builder, const Sized& sized) {
  Builder::Attributes attributes;
  for (const Attr attr : sized.attributes) {
    if (const ir::Attribute* value = operation.find(attr)) attributes.emplace_back(attr, *value);
  }
  for (const auto& [attr, value] : sized.sizes) {
    std::optional<Dims> sizes = known(value);
    if (!sizes) return {};
    attributes.emplace_back(attr, ir::Attribute{*std::move(sizes), {}});
  }
  return {builder.make(sized.op, sized.operands, operation.result()->type(), std::move(attributes))};
}

std::vector<Value*> broadcast_in_dim(const Operation& operation, Builder& builder) {
  return resolve(operation, builder, {Op::kBroadcastInDim, {operation.operand(0)}, {Attr::kBroadcastDimensions}, {}});
}

std::vector<Value*> reshape(const Operation& operation, Builder& builder) {
  return resolve(operation, builder, {Op::kReshape, {operation.operand(0)}, {}, {}});
}

std::vector<Value*> iota(const Operation& operation, Builder& builder) {
  return resolve(operation, builder, {Op::kIota, {}, {Attr::kIotaDimension}, {}});
}

std::vector<Value*> pad(const Operation& operation, Builder& builder) {
  return resolve(operation, builder,
                 {Op::kPad,
                  {operation.operand(0), operation.operand(1)},
                  {},
                  {{Attr::kEdgePaddingLow, operation.operand(2)},
                   {Attr::kEdgePaddingHigh, operation.operand(3)},
                   {Attr::kInteriorPadding, operation.operand(4)}}});
}

std::vector<Value*> slice(const Operation& operation, Builder& builder) {
  return resolve(
      operation, builder,
      {Op::kSlice,
       {operation.operand(0)},
       {},
       {{Attr::kStartIndices, operation.operand(1)}, {Attr::kLimitIndices, operation.operand(2)}, {Attr::kStrides, operation.operand(3)}}});
}

std::vector<Value*> gather(const Operation& operation, Builder& builder) {
  return resolve(operation, builder,
                 {Op::kGather,
                  {operation.operand(0), operation.operand(1)},
                  {Attr::kOffsetDims, Attr::kCollapsedSliceDims, Attr::kOperandBatchingDims, Attr::kStartIndicesBatchingDims,
                   Attr::kStartIndexMap, Attr::kIndexVectorDim, Attr::kIndicesAreSorted},
                  {{Attr::kSliceSizes, operation.operand(2)}}});
}

std::vector<Value*> convolution(const Operation& operation, Builder& builder) {
  return resolve(operation, builder,
                 {Op::kConvolution,
                  {operation.operand(0), operation.operand(1)},
                  {Attr::kBatchGroupCount, Attr::kFeatureGroupCount, Attr::kInputBatchDimension, Attr::kInputFeatureDimension,
                   Attr::kInputSpatialDimensions, Attr::kKernelInputFeatureDimension, Attr::kKernelOutputFeatureDimension,
                   Attr::kKernelSpatialDimensions, Attr::kLhsDilation, Attr::kOutputBatchDimension, Attr::kOutputFeatureDimension,
                   Attr::kOutputSpatialDimensions, Attr::kPrecisionConfig, Attr::kRhsDilation, Attr::kWindowReversal, Attr::kWindowStrides},
                  {{Attr::kPadding, operation.operand(2)}}});
}

int64_t named_size(const Operation& operation) {
  return operation.operand(0)->type().dims[static_cast<size_t>(operation.integer(Attr::kDimension))];
}

std::vector<Value*> size_of_dimension(const Operation& operation, Builder& builder) {
  return {builder.constant(operation.result()->type(), static_cast<double>(named_size(operation)))};
}

std::vector<Value*> size_as_it_is(const Operation& operation, Builder&) {
  return known(operation.operand(1)) == Dims{named_size(operation)} ? std::vector{operation.operand(0)} : std::vector<Value*>{};
}

constexpr Replacement kReplacements[] = {
    {Op::kDynamicBroadcastInDim, broadcast_in_dim},
    {Op::kDynamicConv, convolution},
    {Op::kDynamicGather, gather},
    {Op::kDynamicIota, iota},
    {Op::kDynamicPad, pad},
    {Op::kDynamicReshape, reshape},
    {Op::kGetDimensionSize, size_of_dimension},
    {Op::kRealDynamicSlice, slice},
    {Op::kSetDimensionSize, size_as_it_is},
};

}  // namespace

void resolve_sizes(ir::Module& module) { replace_operations(module, kReplacements); }

}  // namespace tt::passes
