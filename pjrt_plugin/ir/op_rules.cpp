// One rule per operation, found by a table.
#include "ir/op_rules.hpp"

#include <algorithm>
#include <array>

#include "ir/attribute_text.hpp"
#include "ir/rule_helpers.hpp"

namespace tt::ir {
namespace {

using namespace rules;

// ---- elementwise

void elementwise(const Operation& op) {
  for (size_t i = 0; i < op.operands().size(); ++i) {
    if (info(op.op()).same_type && op.op() != Op::kConvert && op.op() != Op::kReal && op.op() != Op::kImag && op.op() != Op::kAbs) {
      need_element(op, operand(op, i), result(op).element, Which{"operand", i});
    }
    need_dims(op, operand(op, i), result(op).dims, Which{"operand", i});
  }
}

void compare(const Operation& op) {
  elementwise(op);
  need_element(op, operand(op, 1), operand(op, 0).element, "operand 1");
  need_element(op, result(op), DataType::kPred, "the result");
  text(op, Attr::kComparisonDirection);
}

void complex_op(const Operation& op) {
  elementwise(op);
  for (size_t i = 0; i < 2; ++i) need_element(op, operand(op, i), real_part(result(op).element), Which{"operand", i});
}

void real_or_imag(const Operation& op) {
  elementwise(op);
  need_element(op, result(op), real_part(operand(op, 0).element), "the result");
}

void select(const Operation& op) {
  need_type(op, operand(op, 1), result(op), "operand 1");
  need_type(op, operand(op, 2), result(op), "operand 2");
  need_element(op, operand(op, 0), DataType::kPred, "operand 0");
  if (!operand(op, 0).dims.empty()) need_dims(op, operand(op, 0), result(op).dims, "operand 0");
}

void clamp(const Operation& op) {
  need_type(op, operand(op, 1), result(op), "operand 1");
  for (const size_t i : {0, 2}) {
    need_element(op, operand(op, i), result(op).element, Which{"operand", i});
    if (!operand(op, i).dims.empty()) need_dims(op, operand(op, i), result(op).dims, Which{"operand", i});
  }
}

void reduce_precision(const Operation& op) {
  elementwise(op);
  need(op, integer(op, Attr::kExponentBits) >= 1 && integer(op, Attr::kMantissaBits) >= 0, "exponent_bits ",
       integer(op, Attr::kExponentBits), " and mantissa_bits ", integer(op, Attr::kMantissaBits));
}

void bitcast_convert(const Operation& op) {
  const Type &from = operand(op, 0), &to = result(op);
  const int64_t from_bits = info(from.element).bits, to_bits = info(to.element).bits;
  Dims expected = from.dims;
  if (from_bits > to_bits) {
    expected.push_back(from_bits / to_bits);
  } else if (from_bits < to_bits) {
    need(op, !expected.empty() && expected.back() * from_bits == to_bits, "the last dimension of ", show(from), " does not make up ",
         to_bits, " bits");
    expected.pop_back();
  }
  need(op, std::max(from_bits, to_bits) % std::min(from_bits, to_bits) == 0, show(from), " as ", show(to));
  need_dims(op, to, expected, "the result");
}

// Arrays that are combined by a region: k operands, k initial values.
size_t need_pairs(const Operation& op) {
  const size_t k = op.results().size();
  need(op, k > 0 && op.operands().size() == 2 * k, op.operands().size(), " operands for ", k, " results, expected twice as many");
  for (size_t i = 0; i < k; ++i) {
    need_dims(op, operand(op, i), operand(op, 0).dims, Which{"operand", i});
    need_type(op, operand(op, k + i), scalar(operand(op, i).element), Which{"initial value", i});
    need_element(op, result(op, i), operand(op, i).element, Which{"result", i});
  }
  need_region(op, 0, scalars_of(op, 0, k, 2), scalars_of(op, 0, k, 1));
  return k;
}

// ---- contraction, reduction, windows, order

void dot_general(const Operation& op) {
  const Type &a = operand(op, 0), &b = operand(op, 1);
  const Dims lb = need_dimensions(op, ints(op, Attr::kLhsBatchingDimensions), rank(a), Attr::kLhsBatchingDimensions);
  const Dims rb = need_dimensions(op, ints(op, Attr::kRhsBatchingDimensions), rank(b), Attr::kRhsBatchingDimensions);
  const Dims lc = need_dimensions(op, ints(op, Attr::kLhsContractingDimensions), rank(a), Attr::kLhsContractingDimensions);
  const Dims rc = need_dimensions(op, ints(op, Attr::kRhsContractingDimensions), rank(b), Attr::kRhsContractingDimensions);
  need_size(op, rb, static_cast<int64_t>(lb.size()), Attr::kRhsBatchingDimensions);
  need_size(op, rc, static_cast<int64_t>(lc.size()), Attr::kRhsContractingDimensions);
  Dims expected;
  const auto match = [&](const Dims& left, const Dims& right, std::string_view what) {
    for (size_t i = 0; i < left.size(); ++i) {
      const int64_t l = a.dims[static_cast<size_t>(left[i])], r = b.dims[static_cast<size_t>(right[i])];
      need(op, l == r, what, " dimensions differ: ", show(a), " has ", l, ", ", show(b), " has ", r);
    }
  };
  match(lb, rb, "batching");
  match(lc, rc, "contracting");
  for (const int64_t d : lb) expected.push_back(a.dims[static_cast<size_t>(d)]);
  const auto free = [&](const Type& type, const Dims& batching, const Dims& contracting, Attr key) {
    Dims used = batching;
    used.insert(used.end(), contracting.begin(), contracting.end());
    need_dimensions(op, used, rank(type), key);
    for (int64_t d = 0; d < rank(type); ++d) {
      if (std::count(used.begin(), used.end(), d) == 0) expected.push_back(type.dims[static_cast<size_t>(d)]);
    }
  };
  free(a, lb, lc, Attr::kLhsContractingDimensions);
  free(b, rb, rc, Attr::kRhsContractingDimensions);
  need_dims(op, result(op), expected, "the result");
}

int64_t windows_over(int64_t size, int64_t window, int64_t stride) { return size < window ? 0 : (size - window) / stride + 1; }
int64_t dilated(int64_t size, int64_t dilation) { return size == 0 ? 0 : (size - 1) * dilation + 1; }

Dims per_dimension(const Operation& op, Attr key, int64_t count, int64_t otherwise, int64_t least) {
  Dims values = ints_or_empty(op, key);
  if (values.empty()) values.assign(static_cast<size_t>(count), otherwise);
  need_size(op, values, count, key);
  for (const int64_t v : values) need(op, v >= least, "attribute ", name(key), " holds ", v, ", expected at least ", least);
  return values;
}

constexpr int64_t kAnyPadding = int64_t{-1} << 40;

void convolution(const Operation& op) {
  const Type &in = operand(op, 0), &kernel = operand(op, 1), &out = result(op);
  const int64_t n = rank(in) - 2;
  need(op, n >= 0 && rank(kernel) == n + 2 && rank(out) == n + 2, show(in), " by ", show(kernel), " gives ", show(out));
  struct Numbers {
    Attr first, second, spatial;
  };
  constexpr Numbers kNumbers[] = {
      {Attr::kInputBatchDimension, Attr::kInputFeatureDimension, Attr::kInputSpatialDimensions},
      {Attr::kKernelInputFeatureDimension, Attr::kKernelOutputFeatureDimension, Attr::kKernelSpatialDimensions},
      {Attr::kOutputBatchDimension, Attr::kOutputFeatureDimension, Attr::kOutputSpatialDimensions},
  };
  for (const Numbers& keys : kNumbers) {
    Dims all = ints(op, keys.spatial);
    need_size(op, all, n, keys.spatial);
    all.push_back(integer(op, keys.first));
    all.push_back(integer(op, keys.second));
    need_dimensions(op, all, n + 2, keys.spatial);
  }
  const auto at = [](const Type& type, int64_t d) { return type.dims[static_cast<size_t>(d)]; };
  const int64_t groups = integer(op, Attr::kFeatureGroupCount), batch_groups = integer(op, Attr::kBatchGroupCount);
  need(op, groups >= 1 && batch_groups >= 1 && (groups == 1 || batch_groups == 1), "feature_group_count ", groups, ", batch_group_count ",
       batch_groups);
  const int64_t batch = at(in, integer(op, Attr::kInputBatchDimension)), features = at(in, integer(op, Attr::kInputFeatureDimension));
  const int64_t outputs = at(kernel, integer(op, Attr::kKernelOutputFeatureDimension));
  need(op, features == groups * at(kernel, integer(op, Attr::kKernelInputFeatureDimension)), show(in), " has ", features, " features, ",
       show(kernel), " takes ", groups, " groups of ", at(kernel, integer(op, Attr::kKernelInputFeatureDimension)));
  need(op, batch % batch_groups == 0 && outputs % (groups * batch_groups) == 0, "groups do not divide ", show(in), " and ", show(kernel));
  need(op,
       at(out, integer(op, Attr::kOutputBatchDimension)) == batch / batch_groups &&
           at(out, integer(op, Attr::kOutputFeatureDimension)) == outputs,
       "the result is ", show(out), ", expected a batch of ", batch / batch_groups, " and ", outputs, " features");
  const Dims strides = per_dimension(op, Attr::kWindowStrides, n, 1, 1), padding = per_dimension(op, Attr::kPadding, 2 * n, 0, kAnyPadding);
  const Dims in_dilation = per_dimension(op, Attr::kLhsDilation, n, 1, 1), dilation = per_dimension(op, Attr::kRhsDilation, n, 1, 1);
  per_dimension(op, Attr::kWindowReversal, n, 0, 0);
  for (int64_t i = 0; i < n; ++i) {
    const auto d = static_cast<size_t>(i);
    const int64_t size = dilated(at(in, ints(op, Attr::kInputSpatialDimensions)[d]), in_dilation[d]) + padding[2 * d] + padding[2 * d + 1];
    const int64_t window = dilated(at(kernel, ints(op, Attr::kKernelSpatialDimensions)[d]), dilation[d]);
    const int64_t have = at(out, ints(op, Attr::kOutputSpatialDimensions)[d]), want = windows_over(size, window, strides[d]);
    need(op, have == want, "spatial dimension ", i, " of the result is ", have, ", expected ", want);
  }
}

void reduce(const Operation& op) {
  const size_t k = need_pairs(op);
  const Dims& dims = need_dimensions(op, ints(op, Attr::kDimensions), rank(operand(op, 0)), Attr::kDimensions);
  Dims expected;
  for (int64_t d = 0; d < rank(operand(op, 0)); ++d) {
    if (std::count(dims.begin(), dims.end(), d) == 0) expected.push_back(operand(op, 0).dims[static_cast<size_t>(d)]);
  }
  for (size_t i = 0; i < k; ++i) need_dims(op, result(op, i), expected, Which{"result", i});
}

Dims window_result(const Operation& op, const Type& in) {
  const int64_t n = rank(in);
  need_size(op, ints(op, Attr::kWindowDimensions), n, Attr::kWindowDimensions);
  const Dims window = per_dimension(op, Attr::kWindowDimensions, n, 1, 1), strides = per_dimension(op, Attr::kWindowStrides, n, 1, 1);
  const Dims base = per_dimension(op, Attr::kBaseDilations, n, 1, 1), dilation = per_dimension(op, Attr::kWindowDilations, n, 1, 1);
  const Dims padding = per_dimension(op, Attr::kPadding, 2 * n, 0, kAnyPadding);
  Dims expected;
  for (size_t d = 0; d < in.dims.size(); ++d) {
    const int64_t size = dilated(in.dims[d], base[d]) + padding[2 * d] + padding[2 * d + 1];
    expected.push_back(windows_over(size, dilated(window[d], dilation[d]), strides[d]));
  }
  return expected;
}

void reduce_window(const Operation& op) {
  const size_t k = need_pairs(op);
  const Dims expected = window_result(op, operand(op, 0));
  for (size_t i = 0; i < k; ++i) need_dims(op, result(op, i), expected, Which{"result", i});
}

void select_and_scatter(const Operation& op) {
  const Type element = scalar(operand(op, 0).element);
  need_type(op, result(op), operand(op, 0), "the result");
  need_type(op, operand(op, 2), element, "the initial value");
  need_type(op, operand(op, 1), Type::tensor(element.element, window_result(op, operand(op, 0))), "the source");
  need_region(op, 0, {element, element}, {scalar(DataType::kPred)});
  need_region(op, 1, {element, element}, {element});
}

void sort(const Operation& op) {
  const size_t k = op.operands().size();
  need(op, k > 0 && op.results().size() == k, k, " operands, ", op.results().size(), " results");
  std::vector<Type> arguments;
  for (size_t i = 0; i < k; ++i) {
    need_dims(op, operand(op, i), operand(op, 0).dims, Which{"operand", i});
    need_type(op, result(op, i), operand(op, i), Which{"result", i});
    arguments.insert(arguments.end(), 2, scalar(operand(op, i).element));
  }
  const int64_t dimension = integer(op, Attr::kDimension), limit = rank(operand(op, 0));
  need(op, dimension >= -limit && dimension < limit, "attribute dimension holds ", dimension, " for ", show(operand(op, 0)));
  need_region(op, 0, arguments, {scalar(DataType::kPred)});
}

void map(const Operation& op) {
  for (size_t i = 0; i < op.operands().size(); ++i) need_dims(op, operand(op, i), result(op).dims, Which{"operand", i});
  need_region(op, 0, scalars_of(op, 0, op.operands().size(), 1), {scalar(result(op).element)});
}

void need_square(const Operation& op, const Type& type) {
  const auto n = type.dims.size();
  need(op, n >= 2 && type.dims[n - 1] == type.dims[n - 2], show(type), " is no array of square matrices");
}

void cholesky(const Operation& op) {
  flag(op, Attr::kLower);
  need_square(op, operand(op, 0));
  need_type(op, result(op), operand(op, 0), "the result");
}

void triangular_solve(const Operation& op) {
  const Type &a = operand(op, 0), &b = operand(op, 1);
  need_square(op, a);
  need_type(op, result(op), b, "the result");
  need(op, rank(a) == rank(b) && a.element == b.element, show(a), " and ", show(b));
  const size_t n = a.dims.size();
  need(op, std::equal(a.dims.begin(), a.dims.end() - 2, b.dims.begin()), "batches differ: ", show(a), " and ", show(b));
  const bool left = flag(op, Attr::kLeftSide);
  flag(op, Attr::kLower);
  flag(op, Attr::kUnitDiagonal);
  text(op, Attr::kTransposeA);
  need(op, b.dims[left ? n - 2 : n - 1] == a.dims[n - 1], show(a), " does not fit ", show(b));
}

void fft(const Operation& op) {
  const Dims& length = ints(op, Attr::kFftLength);
  const auto n = static_cast<int64_t>(length.size());
  need(op, n >= 1 && n <= 3 && n <= rank(operand(op, 0)) && rank(result(op)) == rank(operand(op, 0)), "fft_length ", show(length), " of ",
       show(operand(op, 0)));
  const std::string& type = text(op, Attr::kFftType);
  Dims in = operand(op, 0).dims, out = in;
  for (int64_t i = 0; i < n; ++i) {
    const auto d = static_cast<size_t>(rank(operand(op, 0)) - n + i);
    in[d] = out[d] = length[static_cast<size_t>(i)];
  }
  if (type == "RFFT") out.back() = length.back() / 2 + 1;
  if (type == "IRFFT") in.back() = length.back() / 2 + 1;
  need_dims(op, operand(op, 0), in, "operand 0");
  need_dims(op, result(op), out, "the result");
  need(op, is_complex(operand(op, 0).element) == (type != "RFFT") && is_complex(result(op).element) == (type != "IRFFT"), type, " of ",
       show(operand(op, 0)), " gives ", show(result(op)));
}

void batch_norm(const Operation& op) {
  attribute<double>(op, Attr::kEpsilon, "a number");
  const int64_t feature = integer(op, Attr::kFeatureIndex);
  need_index(op, feature, rank(operand(op, 0)), Attr::kFeatureIndex);
  need_type(op, result(op), operand(op, 0), "result 0");
  const Dims features{operand(op, 0).dims[static_cast<size_t>(feature)]};
  for (size_t i = 1; i < op.operands().size(); ++i) {
    need_dims(op, operand(op, i), op.op() == Op::kBatchNormGrad && i == 4 ? operand(op, 0).dims : features, Which{"operand", i});
  }
  for (size_t i = 1; i < op.results().size(); ++i) need_dims(op, result(op, i), features, Which{"result", i});
}

void rng(const Operation& op) {
  text(op, Attr::kRngDistribution);
  for (const size_t i : {0, 1}) need_type(op, operand(op, i), scalar(result(op).element), Which{"operand", i});
}

void rng_bit_generator(const Operation& op) {
  text(op, Attr::kRngAlgorithm);
  need_type(op, result(op), operand(op, 0), "the new state");
}

// ---- control

std::vector<Type> types_of(std::span<const std::unique_ptr<Value>> values) {
  std::vector<Type> types;
  for (const auto& value : values) types.push_back(value->type());
  return types;
}

void while_loop(const Operation& op) {
  need(op, op.operands().size() == op.results().size(), op.operands().size(), " operands, ", op.results().size(), " results");
  const std::vector<Type> carried = types_of(op.results());
  for (size_t i = 0; i < carried.size(); ++i) need_type(op, operand(op, i), carried[i], Which{"operand", i});
  need_region(op, 0, carried, {scalar(DataType::kPred)});
  need_region(op, 1, carried, carried);
}

void branches(const Operation& op) {
  need_type(op, operand(op, 0), scalar(op.op() == Op::kIf ? DataType::kPred : DataType::kS32),
            op.op() == Op::kIf ? "the predicate" : "the index");
  need(op, !op.regions().empty(), "no branches");
  const std::vector<Type> results = types_of(op.results());
  for (size_t i = 0; i < op.regions().size(); ++i) need_region(op, i, {}, results);
}

void optimization_barrier(const Operation& op) {
  need(op, op.operands().size() == op.results().size(), op.operands().size(), " operands, ", op.results().size(), " results");
  for (size_t i = 0; i < op.results().size(); ++i) need_type(op, result(op, i), operand(op, i), Which{"result", i});
}

void tuple(const Operation& op) {
  std::vector<Type> members;
  for (const Value* value : op.operands()) members.push_back(value->type());
  need(op, result(op).kind == Type::Kind::kTuple && result(op).members == members, "the result is ", show(result(op)),
       ", expected a tuple of the operands");
}

void get_tuple_element(const Operation& op) {
  need(op, operand(op, 0).kind == Type::Kind::kTuple, "operand 0 is ", show(operand(op, 0)), ", expected a tuple");
  const int64_t index = integer(op, Attr::kIndex);
  need_index(op, index, static_cast<int64_t>(operand(op, 0).members.size()), Attr::kIndex);
  need_type(op, result(op), operand(op, 0).members[static_cast<size_t>(index)], "the result");
}

void einsum(const Operation& op) { text(op, Attr::kEinsumConfig); }

void need_distinct(const Operation& op, Dims devices, Attr key) {
  std::sort(devices.begin(), devices.end());
  need(op, std::adjacent_find(devices.begin(), devices.end()) == devices.end(), "attribute ", name(key), " names a device twice");
  need(op, devices.empty() || devices.front() >= 0, "attribute ", name(key), " names device ", devices.empty() ? 0 : devices.front());
}

const DenseElements& pairs_or_groups(const Operation& op, Attr key) {
  const DenseElements& elements = attribute<DenseElements>(op, key, "an array of elements");
  need(op, rank(elements.type) == 2 && elements.type.element == DataType::kS64, "attribute ", name(key), " is ", show(elements.type),
       ", expected two dimensions of i64");
  return elements;
}

// Groups shorter than the longest are filled up with -1.
void replica_groups(const Operation& op) {
  Dims devices = integers(pairs_or_groups(op, Attr::kReplicaGroups));
  std::erase(devices, -1);
  need_distinct(op, std::move(devices), Attr::kReplicaGroups);
}

// Every operand has the dimensions that the attributes name, and a result of its own.
void need_operand_dimensions(const Operation& op, std::initializer_list<Attr> keys) {
  need(op, op.operands().size() == op.results().size(), op.operands().size(), " operands and ", op.results().size(), " results");
  for (const Attr key : keys) {
    for (const Value* value : op.operands()) need_index(op, integer(op, key), rank(value->type()), key);
  }
}

void need_combination(const Operation& op) {
  const Block& region = op.region();
  need(op, region.arguments().size() == 2, "region 0 takes ", region.arguments().size(), " values, expected 2");
  need(op, region.terminator().operands().size() == 1, "region 0 returns ", region.terminator().operands().size(), " values, expected 1");
}

void all_gather(const Operation& op) {
  replica_groups(op);
  need_operand_dimensions(op, {Attr::kAllGatherDim});
}

void all_reduce(const Operation& op) {
  replica_groups(op);
  need_operand_dimensions(op, {});
  need_combination(op);
}

void all_to_all(const Operation& op) {
  replica_groups(op);
  need_operand_dimensions(op, {Attr::kSplitDimension, Attr::kConcatDimension});
  need(op, integer(op, Attr::kSplitCount) > 0, "attribute split_count is ", integer(op, Attr::kSplitCount));
}

void reduce_scatter(const Operation& op) {
  replica_groups(op);
  need_operand_dimensions(op, {Attr::kScatterDimension});
  need_combination(op);
}

void collective_broadcast(const Operation& op) {
  replica_groups(op);
  need_type(op, result(op), operand(op, 0), "the result");
}

void collective_permute(const Operation& op) {
  const DenseElements& pairs = pairs_or_groups(op, Attr::kSourceTargetPairs);
  need(op, pairs.type.dims[1] == 2, "attribute source_target_pairs is ", show(pairs.type), ", expected pairs");
  Dims sources, targets;
  const Dims all = integers(pairs);
  for (size_t i = 0; i < all.size(); i += 2) {
    sources.push_back(all[i]);
    targets.push_back(all[i + 1]);
  }
  need_distinct(op, std::move(sources), Attr::kSourceTargetPairs);
  need_distinct(op, std::move(targets), Attr::kSourceTargetPairs);
  need_type(op, result(op), operand(op, 0), "the result");
}

void custom_call(const Operation& op) { text(op, Attr::kCallTargetName); }

struct Row {
  Op op;
  void (*rule)(const Operation&);
};

constexpr Row kRules[] = {
    {Op::kAbs, real_or_imag},
    {Op::kReal, real_or_imag},
    {Op::kImag, real_or_imag},
    {Op::kCompare, compare},
    {Op::kComplex, complex_op},
    {Op::kSelect, select},
    {Op::kClamp, clamp},
    {Op::kReducePrecision, reduce_precision},
    {Op::kBitcastConvert, bitcast_convert},
    {Op::kBroadcast, broadcast},
    {Op::kBroadcastInDim, broadcast_in_dim},
    {Op::kConcatenate, concatenate},
    {Op::kConstant, constant},
    {Op::kDynamicSlice, dynamic_slice},
    {Op::kDynamicUpdateSlice, dynamic_update_slice},
    {Op::kGather, gather},
    {Op::kGetDimensionSize, get_dimension_size},
    {Op::kIota, iota},
    {Op::kPad, pad},
    {Op::kReshape, reshape},
    {Op::kReverse, reverse},
    {Op::kScatter, scatter},
    {Op::kSetDimensionSize, set_dimension_size},
    {Op::kSlice, slice},
    {Op::kTorchIndexSelect, torch_index_select},
    {Op::kTranspose, transpose},
    {Op::kBatchNormGrad, batch_norm},
    {Op::kBatchNormInference, batch_norm},
    {Op::kBatchNormTraining, batch_norm},
    {Op::kCholesky, cholesky},
    {Op::kConvolution, convolution},
    {Op::kDotGeneral, dot_general},
    {Op::kEinsum, einsum},
    {Op::kUnaryEinsum, einsum},
    {Op::kFft, fft},
    {Op::kMap, map},
    {Op::kReduce, reduce},
    {Op::kReduceWindow, reduce_window},
    {Op::kRng, rng},
    {Op::kRngBitGenerator, rng_bit_generator},
    {Op::kSelectAndScatter, select_and_scatter},
    {Op::kSort, sort},
    {Op::kTriangularSolve, triangular_solve},
    {Op::kCase, branches},
    {Op::kIf, branches},
    {Op::kWhile, while_loop},
    {Op::kOptimizationBarrier, optimization_barrier},
    {Op::kTuple, tuple},
    {Op::kGetTupleElement, get_tuple_element},
    {Op::kAllGather, all_gather},
    {Op::kAllReduce, all_reduce},
    {Op::kAllToAll, all_to_all},
    {Op::kReduceScatter, reduce_scatter},
    {Op::kCollectiveBroadcast, collective_broadcast},
    {Op::kCollectivePermute, collective_permute},
    {Op::kCustomCall, custom_call},
};

constexpr auto kRuleOf = [] {
  std::array<void (*)(const Operation&), kNumOps> rules{};
  for (const Row& row : kRules) rules[static_cast<size_t>(row.op)] = row.rule;
  return rules;
}();

}  // namespace

std::ostream& operator<<(std::ostream& out, const Which& which) {
  out << which.name;
  if (which.index != Which::kNone) out << " " << which.index;
  if (which.inside != nullptr) out << " " << which.inside << " " << which.outer;
  return out;
}

void broken(const Operation& op, const std::string& what) {
  const std::string where = to_string(op.location());
  fail(ErrorCategory::kInvalidArgument, "[verify] stablehlo.", name(op.op()), where.empty() ? "" : " at ", where, ": ", what);
}

void check_rules(const Operation& op) {
  if (const auto rule = kRuleOf[static_cast<size_t>(op.op())]) return rule(op);
  if (is_elementwise(op.op())) elementwise(op);
}

}  // namespace tt::ir
