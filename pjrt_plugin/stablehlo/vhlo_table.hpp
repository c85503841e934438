// VHLO's operations: which StableHLO operation each version of them is, and the order of its properties in the payload.
#pragma once

#include <algorithm>
#include <span>
#include <string_view>

#include "ir/op_table.hpp"

namespace tt::stablehlo {

struct VhloOp {
  std::string_view name;  // without "vhlo."
  ir::Op op;
  std::string_view properties;  // separated by spaces, in the payload's (alphabetical) order
};

using ir::Op;

inline constexpr VhloOp kVhloOps[] = {
    {"abs_v1", Op::kAbs, ""},
    {"add_v1", Op::kAdd, ""},
    {"after_all_v1", Op::kAfterAll, ""},
    {"all_gather_v1", Op::kAllGather, "all_gather_dim channel_id replica_groups use_global_device_ids"},
    {"all_gather_v2", Op::kAllGather, "all_gather_dim channel_id replica_groups use_global_device_ids"},
    {"all_reduce_v1", Op::kAllReduce, "channel_id replica_groups use_global_device_ids"},
    {"all_reduce_v2", Op::kAllReduce, "channel_id replica_groups use_global_device_ids"},
    {"all_to_all_v1", Op::kAllToAll, "channel_id concat_dimension replica_groups split_count split_dimension"},
    {"all_to_all_v2", Op::kAllToAll, "channel_id concat_dimension replica_groups split_count split_dimension"},
    {"and_v1", Op::kAnd, ""},
    {"atan2_v1", Op::kAtan2, ""},
    {"batch_norm_grad_v1", Op::kBatchNormGrad, "epsilon feature_index"},
    {"batch_norm_inference_v1", Op::kBatchNormInference, "epsilon feature_index"},
    {"batch_norm_training_v1", Op::kBatchNormTraining, "epsilon feature_index"},
    {"bitcast_convert_v1", Op::kBitcastConvert, ""},
    {"broadcast_in_dim_v1", Op::kBroadcastInDim, "broadcast_dimensions"},
    {"broadcast_v1", Op::kBroadcast, "broadcast_sizes"},
    {"call_v1", Op::kCall, "callee"},
    {"case_v1", Op::kCase, ""},
    {"cbrt_v1", Op::kCbrt, ""},
    {"cbrt_v2", Op::kCbrt, "result_accuracy"},
    {"ceil_v1", Op::kCeil, ""},
    {"cholesky_v1", Op::kCholesky, "lower"},
    {"clamp_v1", Op::kClamp, ""},
    {"collective_broadcast_v1", Op::kCollectiveBroadcast, "channel_id replica_groups"},
    {"collective_permute_v1", Op::kCollectivePermute, "channel_id source_target_pairs"},
    {"compare_v1", Op::kCompare, "compare_type comparison_direction"},
    {"complex_v1", Op::kComplex, ""},
    {"composite_v1", Op::kComposite, "composite_attributes decomposition name version"},
    {"composite_v2", Op::kComposite, "composite_attributes decomposition name version"},
    {"concatenate_v1", Op::kConcatenate, "dimension"},
    {"constant_v1", Op::kConstant, "value"},
    {"convert_v1", Op::kConvert, ""},
    {"convolution_v1", Op::kConvolution,
     "batch_group_count feature_group_count input_batch_dimension input_feature_dimension input_spatial_dimensions "
     "kernel_input_feature_dimension kernel_output_feature_dimension kernel_spatial_dimensions lhs_dilation output_batch_dimension "
     "output_feature_dimension output_spatial_dimensions padding precision_config rhs_dilation window_reversal window_strides"},
    {"cosine_v1", Op::kCosine, ""},
    {"cosine_v2", Op::kCosine, "result_accuracy"},
    {"count_leading_zeros_v1", Op::kCountLeadingZeros, ""},
    {"create_token_v1", Op::kCreateToken, ""},
    {"custom_call_v1", Op::kCustomCall,
     "api_version backend_config call_target_name called_computations has_side_effect operand_layouts output_operand_aliases "
     "result_layouts"},
    {"divide_v1", Op::kDivide, ""},
    {"dot_general_v1", Op::kDotGeneral,
     "lhs_batching_dimensions lhs_contracting_dimensions precision_config rhs_batching_dimensions rhs_contracting_dimensions"},
    {"dot_general_v2", Op::kDotGeneral,
     "accumulation_type allow_imprecise_accumulation lhs_batching_dimensions lhs_component_count lhs_contracting_dimensions "
     "lhs_precision_type num_primitive_operations precision_config rhs_batching_dimensions rhs_component_count rhs_contracting_dimensions "
     "rhs_precision_type"},
    {"dot_v1", Op::kDot, "precision_config"},
    {"dynamic_broadcast_in_dim_v1", Op::kDynamicBroadcastInDim,
     "broadcast_dimensions known_expanding_dimensions known_nonexpanding_dimensions"},
    {"dynamic_conv_v2", Op::kDynamicConv,
     "batch_group_count feature_group_count input_batch_dimension input_feature_dimension input_spatial_dimensions "
     "kernel_input_feature_dimension kernel_output_feature_dimension kernel_spatial_dimensions lhs_dilation output_batch_dimension "
     "output_feature_dimension output_spatial_dimensions precision_config rhs_dilation window_reversal window_strides"},
    {"dynamic_gather_v1", Op::kDynamicGather, "collapsed_slice_dims index_vector_dim indices_are_sorted offset_dims start_index_map"},
    {"dynamic_gather_v2", Op::kDynamicGather,
     "collapsed_slice_dims index_vector_dim indices_are_sorted offset_dims operand_batching_dims start_index_map "
     "start_indices_batching_dims"},
    {"dynamic_iota_v1", Op::kDynamicIota, "iota_dimension"},
    {"dynamic_pad_v1", Op::kDynamicPad, ""},
    {"dynamic_reshape_v1", Op::kDynamicReshape, ""},
    {"dynamic_slice_v1", Op::kDynamicSlice, "slice_sizes"},
    {"dynamic_update_slice_v1", Op::kDynamicUpdateSlice, ""},
    {"einsum_v1", Op::kEinsum, "einsum_config"},
    {"exponential_minus_one_v1", Op::kExponentialMinusOne, ""},
    {"exponential_minus_one_v2", Op::kExponentialMinusOne, "result_accuracy"},
    {"exponential_v1", Op::kExponential, ""},
    {"exponential_v2", Op::kExponential, "result_accuracy"},
    {"fft_v1", Op::kFft, "fft_length fft_type"},
    {"floor_v1", Op::kFloor, ""},
    {"gather_v1", Op::kGather, "collapsed_slice_dims index_vector_dim indices_are_sorted offset_dims slice_sizes start_index_map"},
    {"gather_v2", Op::kGather,
     "collapsed_slice_dims index_vector_dim indices_are_sorted offset_dims operand_batching_dims slice_sizes start_index_map "
     "start_indices_batching_dims"},
    {"get_dimension_size_v1", Op::kGetDimensionSize, "dimension"},
    {"get_tuple_element_v1", Op::kGetTupleElement, "index"},
    {"if_v1", Op::kIf, ""},
    {"imag_v1", Op::kImag, ""},
    {"infeed_v1", Op::kInfeed, "infeed_config layout"},
    {"iota_v1", Op::kIota, "iota_dimension"},
    {"is_finite_v1", Op::kIsFinite, ""},
    {"log_plus_one_v1", Op::kLogPlusOne, ""},
    {"log_plus_one_v2", Op::kLogPlusOne, "result_accuracy"},
    {"log_v1", Op::kLog, ""},
    {"log_v2", Op::kLog, "result_accuracy"},
    {"logistic_v1", Op::kLogistic, ""},
    {"logistic_v2", Op::kLogistic, "result_accuracy"},
    {"map_v1", Op::kMap, "dimensions"},
    {"maximum_v1", Op::kMaximum, ""},
    {"minimum_v1", Op::kMinimum, ""},
    {"multiply_v1", Op::kMultiply, ""},
    {"negate_v1", Op::kNegate, ""},
    {"not_v1", Op::kNot, ""},
    {"optimization_barrier_v1", Op::kOptimizationBarrier, ""},
    {"or_v1", Op::kOr, ""},
    {"outfeed_v1", Op::kOutfeed, "outfeed_config"},
    {"pad_v1", Op::kPad, "edge_padding_high edge_padding_low interior_padding"},
    {"partition_id_v1", Op::kPartitionId, ""},
    {"popcnt_v1", Op::kPopcnt, ""},
    {"power_v1", Op::kPower, ""},
    {"real_dynamic_slice_v1", Op::kRealDynamicSlice, ""},
    {"real_v1", Op::kReal, ""},
    {"recv_v1", Op::kRecv, "channel_id channel_type is_host_transfer"},
    {"recv_v2", Op::kRecv, "channel_id channel_type is_host_transfer source_target_pairs"},
    {"reduce_precision_v1", Op::kReducePrecision, "exponent_bits mantissa_bits"},
    {"reduce_scatter_v1", Op::kReduceScatter, "channel_id replica_groups scatter_dimension use_global_device_ids"},
    {"reduce_v1", Op::kReduce, "dimensions"},
    {"reduce_window_v1", Op::kReduceWindow, "base_dilations padding window_dilations window_dimensions window_strides"},
    {"remainder_v1", Op::kRemainder, ""},
    {"replica_id_v1", Op::kReplicaId, ""},
    {"reshape_v1", Op::kReshape, ""},
    {"return_v1", Op::kReturn, ""},
    {"reverse_v1", Op::kReverse, "dimensions"},
    {"rng_bit_generator_v1", Op::kRngBitGenerator, "rng_algorithm"},
    {"rng_v1", Op::kRng, "rng_distribution"},
    {"round_nearest_afz_v1", Op::kRoundNearestAfz, ""},
    {"round_nearest_even_v1", Op::kRoundNearestEven, ""},
    {"rsqrt_v1", Op::kRsqrt, ""},
    {"rsqrt_v2", Op::kRsqrt, "result_accuracy"},
    {"scatter_v1", Op::kScatter,
     "index_vector_dim indices_are_sorted inserted_window_dims scatter_dims_to_operand_dims unique_indices update_window_dims"},
    {"scatter_v2", Op::kScatter,
     "index_vector_dim indices_are_sorted input_batching_dims inserted_window_dims scatter_dims_to_operand_dims "
     "scatter_indices_batching_dims unique_indices update_window_dims"},
    {"select_and_scatter_v1", Op::kSelectAndScatter, "padding window_dimensions window_strides"},
    {"select_v1", Op::kSelect, ""},
    {"send_v1", Op::kSend, "channel_id channel_type is_host_transfer"},
    {"send_v2", Op::kSend, "channel_id channel_type is_host_transfer source_target_pairs"},
    {"set_dimension_size_v1", Op::kSetDimensionSize, "dimension"},
    {"shift_left_v1", Op::kShiftLeft, ""},
    {"shift_right_arithmetic_v1", Op::kShiftRightArithmetic, ""},
    {"shift_right_logical_v1", Op::kShiftRightLogical, ""},
    {"sign_v1", Op::kSign, ""},
    {"sine_v1", Op::kSine, ""},
    {"sine_v2", Op::kSine, "result_accuracy"},
    {"slice_v1", Op::kSlice, "limit_indices start_indices strides"},
    {"sort_v1", Op::kSort, "dimension is_stable"},
    {"sqrt_v1", Op::kSqrt, ""},
    {"sqrt_v2", Op::kSqrt, "result_accuracy"},
    {"subtract_v1", Op::kSubtract, ""},
    {"tan_v1", Op::kTan, ""},
    {"tan_v2", Op::kTan, "result_accuracy"},
    {"tanh_v1", Op::kTanh, ""},
    {"tanh_v2", Op::kTanh, "result_accuracy"},
    {"torch_index_select_v1", Op::kTorchIndexSelect, "batch_dims dim"},
    {"transpose_v1", Op::kTranspose, "permutation"},
    {"triangular_solve_v1", Op::kTriangularSolve, "left_side lower transpose_a unit_diagonal"},
    {"tuple_v1", Op::kTuple, ""},
    {"unary_einsum_v1", Op::kUnaryEinsum, "einsum_config"},
    {"while_v1", Op::kWhile, ""},
    {"xor_v1", Op::kXor, ""},
};

// Shardy's operations that a program may hold beside VHLO's.
inline constexpr VhloOp kShardyOps[] = {
    {"manual_computation", Op::kManualComputation, "in_shardings manual_axes out_shardings"},
    {"return", Op::kReturn, ""},
    {"sharding_constraint", Op::kShardingConstraint, "sharding"},
    {"sharding_group", Op::kShardingGroup, "group_id"},
};

// By its name in the payload: "vhlo.add_v1", "sdy.return"; null when the IR has no counterpart.
inline const VhloOp* find_row(std::string_view name) {
  const bool shardy = name.starts_with("sdy.");
  if (!shardy && !name.starts_with("vhlo.")) return nullptr;
  name.remove_prefix(shardy ? 4 : 5);
  const std::span<const VhloOp> rows = shardy ? std::span<const VhloOp>(kShardyOps) : std::span<const VhloOp>(kVhloOps);
  const auto found = std::lower_bound(rows.begin(), rows.end(), name, [](const VhloOp& row, std::string_view n) { return row.name < n; });
  return found != rows.end() && found->name == name ? &*found : nullptr;
}

}  // namespace tt::stablehlo
