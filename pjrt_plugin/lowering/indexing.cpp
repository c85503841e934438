// gather and scatter: data-movement kernels on row-major arrays.
#include <algorithm>

#include "base/error.hpp"
#include "dnn/gather.hpp"
#include "lowering/block.hpp"

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

}  // namespace

bool lower_indexing(BlockLowering& block, const ir::Operation& operation) {
  switch (operation.op()) {
    case Op::kGather: lower_gather(block, operation); return true;
    default: return false;
  }
}

}  // namespace tt::lowering
