// gather, scatter and sort: data-movement kernels on row-major arrays.
#include <algorithm>

#include "base/error.hpp"
#include "dnn/gather.hpp"
#include "dnn/scatter.hpp"
#include "dnn/sort.hpp"
#include "lowering/block.hpp"
#include "lowering/chain.hpp"

namespace tt::lowering {

using ir::Attr;
using ir::Op;

namespace {

Dims ints_or_empty(const ir::Operation& operation, Attr key) { return operation.find(key) == nullptr ? Dims{} : operation.ints(key); }

void lower_gather(BlockLowering& block, const ir::Operation& operation) {
  const ir::Value *operand = operation.operand(0), *indices = operation.operand(1);
  dnn::GatherSpec spec;
  spec.type = operand->type().element;
  spec.operand_dims = operand->type().dims;
  spec.index_type = indices->type().element;
  spec.indices_dims = indices->type().dims;
  spec.offset_dims = ints_or_empty(operation, Attr::kOffsetDims);
  spec.collapsed_slice_dims = ints_or_empty(operation, Attr::kCollapsedSliceDims);
  spec.operand_batching_dims = ints_or_empty(operation, Attr::kOperandBatchingDims);
  spec.start_indices_batching_dims = ints_or_empty(operation, Attr::kStartIndicesBatchingDims);
  spec.start_index_map = ints_or_empty(operation, Attr::kStartIndexMap);
  spec.index_vector_dim = operation.integer(Attr::kIndexVectorDim);
  spec.slice_sizes = operation.ints(Attr::kSliceSizes);
  const StorageId from = block.dense(operand), at = block.dense(indices);
  const int level = std::max(block.builder.available(from), block.builder.available(at));
  const StorageId to = block.new_result(operation.result(), level);
  if (operation.result()->type().num_elements() > 0) block.run_at(level, dnn::gather(spec, block.builder.chip), {from, at, to});
}

void lower_scatter(BlockLowering& block, const ir::Operation& operation) {
  const size_t k = operation.results().size();
  const ir::Value *operand = operation.operand(0), *indices = operation.operand(k), *update = operation.operand(k + 1);
  dnn::ScatterSpec spec;
  spec.operand_dims = operand->type().dims;
  spec.index_type = indices->type().element;
  spec.indices_dims = indices->type().dims;
  spec.update_dims = update->type().dims;
  spec.update_window_dims = ints_or_empty(operation, Attr::kUpdateWindowDims);
  spec.inserted_window_dims = ints_or_empty(operation, Attr::kInsertedWindowDims);
  spec.input_batching_dims = ints_or_empty(operation, Attr::kInputBatchingDims);
  spec.scatter_indices_batching_dims = ints_or_empty(operation, Attr::kScatterIndicesBatchingDims);
  spec.scatter_dims_to_operand_dims = ints_or_empty(operation, Attr::kScatterDimsToOperandDims);
  spec.index_vector_dim = operation.integer(Attr::kIndexVectorDim);
  spec.region = region_chain(operation.region());
  RunStep run;
  int level = 0;
  for (const ir::Value* value : operation.operands()) {
    run.slots.push_back(block.dense(value));
    level = std::max(level, block.builder.available(run.slots.back()));
  }
  for (size_t v = 0; v < k; ++v) {
    spec.types.push_back(operation.operand(v)->type().element);
    run.in_place.emplace_back(v, run.slots.size());
    run.slots.push_back(block.new_result(operation.result(v), level));
  }
  if (operand->type().num_elements() == 0) return;
  run.program = std::make_shared<const metal::Program>(dnn::scatter(spec, block.builder.chip));
  block.graph.at_level(level, [run = std::move(run)](Sequence& steps) { steps.push_back({run}); });
}

// Whether the value is each element's position along a dimension.
bool is_position(const Ref& ref, size_t dimension) {
  const auto* source = std::get_if<Source>(&ref);
  if (source == nullptr || source->storage != kNoStorage || !is_integer(source->type) || !source->indices.empty()) return false;
  if (source->map.offset != 0 || source->map.is_padded()) return false;
  for (size_t d = 0; d < source->map.dims.size(); ++d) {
    const AccessMap::Dim& dim = source->map.dims[d];
    if (dim.size != 1 && dim.stride != (d == dimension ? 1 : 0)) return false;
  }
  return true;
}

// How many elements along a dimension the readers of a value read, from the first: all, unless every reader is a slice of just these.
int64_t elements_read(BlockLowering& block, const ir::Value* value, size_t dimension) {
  const Dims& dims = value->type().dims;
  const auto uses = block.context.uses.find(value);
  if (uses == block.context.uses.end()) return 0;
  const auto readers = block.readers(value);
  if (static_cast<int64_t>(readers.size()) != uses->second) return dims[dimension];
  int64_t most = 0;
  for (const ir::Operation* reader : readers) {
    if (reader->op() != Op::kSlice || reader->ints(Attr::kStartIndices) != Dims(dims.size(), 0)) return dims[dimension];
    if (reader->ints(Attr::kStrides) != Dims(dims.size(), 1)) return dims[dimension];
    most = std::max(most, reader->ints(Attr::kLimitIndices)[dimension]);
  }
  return most;
}

void lower_sort(BlockLowering& block, const ir::Operation& operation) {
  dnn::SortSpec spec;
  spec.dims = operation.operand(0)->type().dims;
  spec.dimension = operation.integer(Attr::kDimension);
  spec.comparator = region_chain(operation.region());
  const auto d = static_cast<size_t>(spec.dimension);
  const std::optional<dnn::KeyOrder> keys = dnn::recognise_comparator(spec.comparator);
  std::vector<StorageId> slots;
  int level = 0;
  for (const ir::Value* value : operation.operands()) {
    const size_t i = spec.types.size();
    spec.types.push_back(value->type().element);
    spec.positions.push_back(keys && !dnn::is_key(*keys, i) && is_position(block.ref(value), d));
    if (spec.positions.back()) continue;
    slots.push_back(block.dense(value));
    level = std::max(level, block.builder.available(slots.back()));
  }
  Dims dims = spec.dims;  // of what is read of the results
  dims[d] = 0;
  for (const auto& result : operation.results()) dims[d] = std::max(dims[d], elements_read(block, result.get(), d));
  spec.first = dims[d];
  for (const auto& result : operation.results()) {
    const DataType type = stored(result->type()).element;
    spec.unread.push_back(elements_read(block, result.get(), d) == 0);
    const StorageId storage = spec.unread.back() ? kNoStorage : block.new_temporary(volume(dims) * size_of(type), level);
    Source source = Source::dense(storage, type, dims);
    source.map.dims[d].size = spec.dims[d];
    block.set(result.get(), std::move(source));
    if (storage == kNoStorage) continue;
    block.graph.own(storage);
    slots.push_back(storage);
  }
  if (volume(dims) > 0) block.run_at(level, dnn::sort(spec, block.builder.chip), std::move(slots));
}

}  // namespace

bool lower_indexing(BlockLowering& block, const ir::Operation& operation) {
  switch (operation.op()) {
    case Op::kGather: lower_gather(block, operation); return true;
    case Op::kSort: lower_sort(block, operation); return true;
    case Op::kScatter: lower_scatter(block, operation); return true;
    default: return false;
  }
}

}  // namespace tt::lowering
