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

void lower_sort(BlockLowering& block, const ir::Operation& operation) {
  dnn::SortSpec spec;
  spec.dims = operation.operand(0)->type().dims;
  spec.dimension = operation.integer(Attr::kDimension);
  spec.comparator = region_chain(operation.region());
  std::vector<StorageId> slots;
  int level = 0;
  for (const ir::Value* value : operation.operands()) {
    spec.types.push_back(value->type().element);
    slots.push_back(block.dense(value));
    level = std::max(level, block.builder.available(slots.back()));
  }
  for (const auto& result : operation.results()) slots.push_back(block.new_result(result.get(), level));
  if (volume(spec.dims) > 0) block.run_at(level, dnn::sort(spec, block.builder.chip), std::move(slots));
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
