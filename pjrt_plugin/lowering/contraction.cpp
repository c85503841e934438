// dot_general and convolution as blocked matrix products: operands are views of what lies in memory.
#include <algorithm>

#include "base/error.hpp"
#include "dnn/conv.hpp"
#include "dnn/matmul.hpp"
#include "lowering/block.hpp"

namespace tt::lowering {

using emulator::TileOpcode;
using ir::Attr;
using ir::Op;

namespace {

// The value copied to memory in the order of `source`'s dimensions.
Source packed(BlockLowering& block, const Source& source) {
  Dims dims;
  for (const AccessMap::Dim& dim : source.map.dims) dims.push_back(dim.size);
  const NodeId copy = block.graph.add({TileOpcode::kCopy, emulator::lane_of(source.type), source.type, 0}, source.map.size(), {source});
  return Source::dense(block.graph.store(copy), source.type, dims);
}

// The value with its dimensions permuted.
Source permuted(BlockLowering& block, const ir::Value* value, const Dims& permutation) {
  const Source source = *transpose(block.source(value), permutation);
  return source.storage == kNoStorage ? packed(block, source) : source;
}

int available(const BlockLowering& block, const Source& source) {
  int level = block.builder.available(source.storage);
  for (const SourceIndex& index : source.indices) level = std::max(level, block.builder.available(index.storage));
  return level;
}

DataType compute_type(const ir::Operation& operation) {
  const DataType a = operation.operand(0)->type().element, b = operation.operand(1)->type().element;
  return a == b ? a : operation.result()->type().element;
}

// Binds the operands' buffers and schedules the program that `build` makes of the completed spec.
template <class Spec, class Build>
void run_product(BlockLowering& block, const ir::Operation& operation, Spec spec, const Source& lhs, dnn::Operand Spec::*a,
                 const Source& rhs, dnn::Operand Spec::*b, AccessMap result, Build build) {
  const ir::Type& type = operation.result()->type();
  const int level = std::max(available(block, lhs), available(block, rhs));
  const StorageId out = block.new_result(operation.result(), level);
  BufferTable table(block.builder.plan);
  spec.*a = table.operand(lhs);
  spec.*b = table.operand(rhs);
  spec.input_bytes = table.bytes();
  spec.output_bytes = {type.num_bytes()};
  spec.compute_type = compute_type(operation);
  spec.results = {{0, type.element, std::move(result), {}}};
  std::vector<StorageId> slots = table.storages();
  slots.push_back(out);
  block.run_at(level, build(spec, block.builder.chip), std::move(slots));
}

Dims joined(const Dims& a, const Dims& b, const Dims& c) {
  Dims all = a;
  all.insert(all.end(), b.begin(), b.end());
  all.insert(all.end(), c.begin(), c.end());
  return all;
}

Dims free_dims(const Dims& dims, const Dims& batch, const Dims& contracting) {
  Dims free;
  for (int64_t d = 0; d < static_cast<int64_t>(dims.size()); ++d) {
    const bool used = std::find(batch.begin(), batch.end(), d) != batch.end() ||
                      std::find(contracting.begin(), contracting.end(), d) != contracting.end();
    if (!used) free.push_back(d);
  }
  return free;
}

int64_t volume_of(const Dims& dims, const Dims& which) {
  int64_t size = 1;
  for (int64_t d : which) size *= dims[static_cast<size_t>(d)];
  return size;
}

void lower_dot_general(BlockLowering& block, const ir::Operation& operation) {
  const ir::Value *lhs = operation.operand(0), *rhs = operation.operand(1);
  const Dims &lb = operation.ints(Attr::kLhsBatchingDimensions), &rb = operation.ints(Attr::kRhsBatchingDimensions);
  const Dims &lc = operation.ints(Attr::kLhsContractingDimensions), &rc = operation.ints(Attr::kRhsContractingDimensions);
  const Dims &ld = lhs->type().dims, &rd = rhs->type().dims;
  const Dims lf = free_dims(ld, lb, lc), rf = free_dims(rd, rb, rc);
  dnn::MatmulSpec spec{};
  spec.name = "matmul";
  spec.batch = volume_of(ld, lb);
  spec.m = volume_of(ld, lf);
  spec.k = volume_of(ld, lc);
  spec.n = volume_of(rd, rf);
  if (spec.batch * spec.m * spec.n == 0) {
    block.new_result(operation.result(), 0);
    return;
  }
  if (spec.k == 0) return block.set(operation.result(), Splat{operation.result()->type().element, {}});
  const Source a = permuted(block, lhs, joined(lb, lf, lc)), b = permuted(block, rhs, joined(rb, rc, rf));
  const int64_t dims[3] = {spec.batch, spec.m, spec.n};
  run_product(block, operation, std::move(spec), a, &dnn::MatmulSpec::a, b, &dnn::MatmulSpec::b, AccessMap::contiguous(dims),
              [](const dnn::MatmulSpec& s, const emulator::ChipSpec& chip) { return dnn::matmul(s, chip); });
}

void lower_convolution(BlockLowering& block, const ir::Operation& operation) {
  const ir::Value *lhs = operation.operand(0), *rhs = operation.operand(1);
  const ir::Type& result = operation.result()->type();
  if (result.num_elements() == 0) {
    block.new_result(operation.result(), 0);
    return;
  }
  const auto at = [](const Dims& dims, int64_t d) { return dims[static_cast<size_t>(d)]; };
  const Dims &ld = lhs->type().dims, &rd = rhs->type().dims;
  const Dims &in_spatial = operation.ints(Attr::kInputSpatialDimensions), &kernel_spatial = operation.ints(Attr::kKernelSpatialDimensions),
             &out_spatial = operation.ints(Attr::kOutputSpatialDimensions);
  const int64_t in_batch = operation.integer(Attr::kInputBatchDimension), in_feature = operation.integer(Attr::kInputFeatureDimension);
  const int64_t out_feature = operation.integer(Attr::kOutputFeatureDimension);
  const size_t rank = in_spatial.size();
  if (rank > dnn::kMaxConvSpatial) return block.refuse(operation, cat(rank, " spatial dimensions, at most ", dnn::kMaxConvSpatial, " fit"));
  const auto spatial_int = [&](Attr key, size_t d, int64_t otherwise) {
    return operation.find(key) == nullptr || operation.ints(key).empty() ? otherwise : operation.ints(key)[d];
  };

  dnn::ConvSpec spec{};
  spec.name = "convolution";
  spec.batch = at(ld, in_batch);
  spec.in_features = at(ld, in_feature);
  spec.out_features = at(result.dims, out_feature);
  spec.feature_groups = operation.integer(Attr::kFeatureGroupCount);
  spec.batch_groups = operation.integer(Attr::kBatchGroupCount);
  int64_t k = at(rd, operation.integer(Attr::kKernelInputFeatureDimension));
  for (size_t d = 0; d < rank; ++d) {
    spec.spatial.push_back({at(ld, in_spatial[d]), at(rd, kernel_spatial[d]), at(result.dims, out_spatial[d]),
                            spatial_int(Attr::kWindowStrides, d, 1), spatial_int(Attr::kPadding, 2 * d, 0),
                            spatial_int(Attr::kLhsDilation, d, 1), spatial_int(Attr::kRhsDilation, d, 1),
                            spatial_int(Attr::kWindowReversal, d, 0) != 0});
    k *= spec.spatial.back().window;
  }
  if (k == 0 || lhs->type().num_elements() == 0) return block.set(operation.result(), Splat{result.element, {}});

  Source input = permuted(block, lhs, joined({in_batch}, in_spatial, {in_feature}));
  if (input.map.is_padded()) input = packed(block, input);
  Source kernel = permuted(block, rhs,
                           joined(kernel_spatial, {operation.integer(Attr::kKernelInputFeatureDimension)},
                                  {operation.integer(Attr::kKernelOutputFeatureDimension)}));
  if (kernel.map.is_padded()) kernel = packed(block, kernel);
  const Dims strides = row_major_strides(result.dims);
  AccessMap map;
  for (int64_t d : joined({operation.integer(Attr::kOutputBatchDimension)}, out_spatial, {out_feature})) {
    map.dims.push_back({at(result.dims, d), at(strides, d)});
  }
  run_product(block, operation, std::move(spec), input, &dnn::ConvSpec::input, kernel, &dnn::ConvSpec::kernel, std::move(map),
              [](const dnn::ConvSpec& s, const emulator::ChipSpec& chip) { return dnn::conv(s, chip); });
}

}  // namespace

bool lower_contraction(BlockLowering& block, const ir::Operation& operation) {
  if (operation.op() == Op::kDotGeneral) {
    lower_dot_general(block, operation);
  } else if (operation.op() == Op::kConvolution) {
    lower_convolution(block, operation);
  } else {
    return false;
  }
  return true;
}

}  // namespace tt::lowering
