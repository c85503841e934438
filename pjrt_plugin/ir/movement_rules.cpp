// Rules of operations that move elements.
#include <algorithm>
#include <array>

#include "ir/rule_helpers.hpp"

namespace tt::ir::rules {

void broadcast(const Operation& op) {
  Dims expected = ints(op, Attr::kBroadcastSizes);
  expected.insert(expected.end(), operand(op, 0).dims.begin(), operand(op, 0).dims.end());
  need_type(op, result(op), Type::tensor(operand(op, 0).element, expected), "the result");
}

void broadcast_in_dim(const Operation& op) {
  const Dims& dims = need_dimensions(op, ints(op, Attr::kBroadcastDimensions), rank(result(op)), Attr::kBroadcastDimensions);
  need_size(op, dims, rank(operand(op, 0)), Attr::kBroadcastDimensions);
  need_element(op, result(op), operand(op, 0).element, "the result");
  for (size_t d = 0; d < dims.size(); ++d) {
    const int64_t from = operand(op, 0).dims[d], to = result(op).dims[static_cast<size_t>(dims[d])];
    need(op, from == 1 || from == to, "dimension ", d, " of ", show(operand(op, 0)), " is neither 1 nor ", to);
  }
}

void concatenate(const Operation& op) {
  need_operands(op, 1);
  const int64_t along = integer(op, Attr::kDimension);
  need_index(op, along, rank(result(op)), Attr::kDimension);
  int64_t sum = 0;
  for (size_t i = 0; i < op.operands().size(); ++i) {
    Dims expected = result(op).dims;
    need(op, rank(operand(op, i)) == rank(result(op)), "operand ", i, " is ", show(operand(op, i)), ", the result ", show(result(op)));
    sum += expected[static_cast<size_t>(along)] = operand(op, i).dims[static_cast<size_t>(along)];
    need_dims(op, operand(op, i), expected, Which{"operand", i});
    need_element(op, operand(op, i), result(op).element, Which{"operand", i});
  }
  need(op, sum == result(op).dims[static_cast<size_t>(along)], "the operands have ", sum, " elements along dimension ", along,
       ", the result ", result(op).dims[static_cast<size_t>(along)]);
}

void constant(const Operation& op) {
  const auto& value = attribute<DenseElements>(op, Attr::kValue, "an array");
  need_type(op, value.type, result(op), "the value");
  const int64_t elements = value.splat ? 1 : value.type.num_elements();
  need(op, value.bytes != nullptr && static_cast<int64_t>(value.bytes->size()) >= elements * size_of(value.type.element), "the value has ",
       value.bytes == nullptr ? 0 : value.bytes->size(), " bytes for ", show(value.type));
}

void dynamic_slice(const Operation& op) {
  need_operands(op, 1);
  need(op, static_cast<int64_t>(op.operands().size()) == 1 + rank(operand(op, 0)), op.operands().size() - 1, " start indices for ",
       show(operand(op, 0)));
  for (size_t i = 1; i < op.operands().size(); ++i) need_scalar_index(op, i);
  const Dims& sizes = ints(op, Attr::kSliceSizes);
  need_size(op, sizes, rank(operand(op, 0)), Attr::kSliceSizes);
  for (size_t d = 0; d < sizes.size(); ++d) need_index(op, sizes[d], operand(op, 0).dims[d] + 1, Attr::kSliceSizes);
  need_type(op, result(op), Type::tensor(operand(op, 0).element, sizes), "the result");
}

void dynamic_update_slice(const Operation& op) {
  need_operands(op, 2);
  const Type &into = operand(op, 0), &update = operand(op, 1);
  need(op, static_cast<int64_t>(op.operands().size()) == 2 + rank(into), op.operands().size() - 2, " start indices for ", show(into));
  for (size_t i = 2; i < op.operands().size(); ++i) need_scalar_index(op, i);
  need_element(op, update, into.element, "the update");
  need(op, rank(update) == rank(into), "the update is ", show(update), ", expected rank ", rank(into));
  for (size_t d = 0; d < into.dims.size(); ++d)
    need(op, update.dims[d] <= into.dims[d], "the update ", show(update), " exceeds ", show(into));
  need_type(op, result(op), into, "the result");
}

void get_dimension_size(const Operation& op) {
  need_index(op, integer(op, Attr::kDimension), rank(operand(op, 0)), Attr::kDimension);
  need_type(op, result(op), scalar(DataType::kS32), "the result");
}

void set_dimension_size(const Operation& op) {
  need_index(op, integer(op, Attr::kDimension), rank(operand(op, 0)), Attr::kDimension);
  need_type(op, operand(op, 1), scalar(DataType::kS32), "the size");
  need_type(op, result(op), operand(op, 0), "the result");
}

void iota(const Operation& op) { need_index(op, integer(op, Attr::kIotaDimension), rank(result(op)), Attr::kIotaDimension); }

void pad(const Operation& op) {
  const Type& from = operand(op, 0);
  const std::array<const Dims*, 3> edges{&ints(op, Attr::kEdgePaddingLow), &ints(op, Attr::kEdgePaddingHigh),
                                         &ints(op, Attr::kInteriorPadding)};
  need_size(op, *edges[0], rank(from), Attr::kEdgePaddingLow);
  need_size(op, *edges[1], rank(from), Attr::kEdgePaddingHigh);
  need_size(op, *edges[2], rank(from), Attr::kInteriorPadding);
  need_type(op, operand(op, 1), scalar(from.element), "the padding value");
  Dims expected;
  for (size_t d = 0; d < from.dims.size(); ++d) {
    const int64_t interior = (*edges[2])[d];
    need(op, interior >= 0, "attribute interior_padding holds ", interior);
    const int64_t size = (*edges[0])[d] + from.dims[d] + std::max<int64_t>(from.dims[d] - 1, 0) * interior + (*edges[1])[d];
    expected.push_back(size);
  }
  need_type(op, result(op), Type::tensor(from.element, expected), "the result");
}

void reshape(const Operation& op) {
  need_element(op, result(op), operand(op, 0).element, "the result");
  need(op, result(op).num_elements() == operand(op, 0).num_elements(), show(operand(op, 0)), " as ", show(result(op)));
}

void reverse(const Operation& op) {
  need_dimensions(op, ints(op, Attr::kDimensions), rank(result(op)), Attr::kDimensions);
  need_type(op, operand(op, 0), result(op), "operand 0");
}

void slice(const Operation& op) {
  const Type& from = operand(op, 0);
  const Dims &start = ints(op, Attr::kStartIndices), &limit = ints(op, Attr::kLimitIndices), &stride = ints(op, Attr::kStrides);
  need_size(op, start, rank(from), Attr::kStartIndices);
  need_size(op, limit, rank(from), Attr::kLimitIndices);
  need_size(op, stride, rank(from), Attr::kStrides);
  Dims expected;
  for (size_t d = 0; d < start.size(); ++d) {
    need(op, start[d] >= 0 && start[d] <= limit[d] && limit[d] <= from.dims[d] && stride[d] >= 1, "elements ", start[d], ":", limit[d], ":",
         stride[d], " of dimension ", d, " of ", show(from));
    expected.push_back(div_up(limit[d] - start[d], stride[d]));
  }
  need_type(op, result(op), Type::tensor(from.element, expected), "the result");
}

void torch_index_select(const Operation& op) {
  const int64_t dim = integer(op, Attr::kDim), batch = integer(op, Attr::kBatchDims);
  need_index(op, dim, rank(operand(op, 0)), Attr::kDim);
  need_index(op, batch, std::min(dim, rank(operand(op, 1))) + 1, Attr::kBatchDims);
}

void transpose(const Operation& op) {
  const Type& from = operand(op, 0);
  const Dims& order = need_dimensions(op, ints(op, Attr::kPermutation), rank(from), Attr::kPermutation);
  need_size(op, order, rank(from), Attr::kPermutation);
  Dims expected;
  for (const int64_t d : order) expected.push_back(from.dims[static_cast<size_t>(d)]);
  need_type(op, result(op), Type::tensor(from.element, expected), "the result");
}

// Dimensions of gather and scatter that run over a window, and those that run over the indices.
struct WindowDims {
  Attr offset, collapsed, batching, indices_batching, to_operand;
};

void window_dims(const Operation& op, const WindowDims& keys, const Type& whole, const Type& indices, const Type& windows,
                 const Dims* sizes) {
  const Dims offset = need_dimensions(op, ints(op, keys.offset), rank(windows), keys.offset);
  const Dims collapsed = need_dimensions(op, ints(op, keys.collapsed), rank(whole), keys.collapsed);
  const Dims batching = need_dimensions(op, ints_or_empty(op, keys.batching), rank(whole), keys.batching);
  const Dims indices_batching = need_dimensions(op, ints_or_empty(op, keys.indices_batching), rank(indices), keys.indices_batching);
  const Dims to_operand = need_dimensions(op, ints(op, keys.to_operand), rank(whole), keys.to_operand);
  const int64_t vector = integer(op, Attr::kIndexVectorDim);
  need(op, is_integer(indices.element), "the indices are ", show(indices), ", expected integers");
  need(op, vector >= 0 && vector <= rank(indices), "index_vector_dim is ", vector, " for ", show(indices));
  const int64_t components = vector == rank(indices) ? 1 : indices.dims[static_cast<size_t>(vector)];
  need_size(op, to_operand, components, keys.to_operand);
  need_size(op, indices_batching, static_cast<int64_t>(batching.size()), keys.indices_batching);
  need(op, std::is_sorted(offset.begin(), offset.end()), "attribute ", name(keys.offset), " is not sorted");
  need(op, offset.size() + collapsed.size() + batching.size() == whole.dims.size(), "the window has ", offset.size(), " dimensions, ",
       show(whole), " without its collapsed and batching ones ", whole.dims.size() - collapsed.size() - batching.size());
  Dims expected_batch;
  for (int64_t d = 0; d < rank(indices); ++d) {
    if (d != vector) expected_batch.push_back(indices.dims[static_cast<size_t>(d)]);
  }
  need(op, expected_batch.size() + offset.size() == windows.dims.size(), "windows of ", show(windows), " for indices ", show(indices));
  size_t next_offset = 0, next_batch = 0, next_kept = 0;
  Dims kept;
  for (int64_t d = 0; d < rank(whole); ++d) {
    const bool dropped = std::count(collapsed.begin(), collapsed.end(), d) + std::count(batching.begin(), batching.end(), d) > 0;
    const int64_t size = sizes == nullptr ? whole.dims[static_cast<size_t>(d)] : (*sizes)[static_cast<size_t>(d)];
    if (!dropped) kept.push_back(size);
    if (dropped && sizes != nullptr) need(op, size <= 1, "slice_sizes of collapsed or batching dimension ", d, " is ", size);
  }
  for (int64_t d = 0; d < rank(windows); ++d) {
    const int64_t have = windows.dims[static_cast<size_t>(d)];
    if (next_offset < offset.size() && offset[next_offset] == d) {
      const int64_t want = kept[next_kept++];
      ++next_offset;
      need(op, sizes == nullptr ? have <= want : have == want, "dimension ", d, " of ", show(windows), " is over a window of ", want);
    } else {
      need(op, have == expected_batch[next_batch], "dimension ", d, " of ", show(windows), ", expected ", expected_batch[next_batch]);
      ++next_batch;
    }
  }
  for (size_t i = 0; i < batching.size(); ++i) {
    need(op, whole.dims[static_cast<size_t>(batching[i])] == indices.dims[static_cast<size_t>(indices_batching[i])], "batching dimension ",
         i, " of ", show(whole), " and ", show(indices), " differ");
  }
}

void gather(const Operation& op) {
  const Dims& sizes = ints(op, Attr::kSliceSizes);
  need_size(op, sizes, rank(operand(op, 0)), Attr::kSliceSizes);
  for (size_t d = 0; d < sizes.size(); ++d) need_index(op, sizes[d], operand(op, 0).dims[d] + 1, Attr::kSliceSizes);
  need_element(op, result(op), operand(op, 0).element, "the result");
  window_dims(
      op, {Attr::kOffsetDims, Attr::kCollapsedSliceDims, Attr::kOperandBatchingDims, Attr::kStartIndicesBatchingDims, Attr::kStartIndexMap},
      operand(op, 0), operand(op, 1), result(op), &sizes);
}

void scatter(const Operation& op) {
  const size_t k = op.results().size();
  need(op, k > 0 && op.operands().size() == 2 * k + 1, op.operands().size(), " operands for ", k, " results, expected ", 2 * k + 1);
  for (size_t i = 0; i < k; ++i) {
    need_type(op, result(op, i), operand(op, i), Which{"result", i});
    need_dims(op, operand(op, i), operand(op, 0).dims, Which{"operand", i});
    need_dims(op, operand(op, k + 1 + i), operand(op, k + 1).dims, Which{"update", i});
    need_element(op, operand(op, k + 1 + i), operand(op, i).element, Which{"update", i});
  }
  window_dims(op,
              {Attr::kUpdateWindowDims, Attr::kInsertedWindowDims, Attr::kInputBatchingDims, Attr::kScatterIndicesBatchingDims,
               Attr::kScatterDimsToOperandDims},
              operand(op, 0), operand(op, k), operand(op, k + 1), nullptr);
  need_region(op, 0, scalars_of(op, 0, k, 2), scalars_of(op, 0, k, 1));
}

}  // namespace tt::ir::rules
