// dot_general and convolution as blocked matrix products.
#include <algorithm>

#include "base/error.hpp"
#include "dnn/matmul.hpp"
#include "lowering/block.hpp"

namespace tt::lowering {

using emulator::TileOpcode;
using ir::Attr;
using ir::Op;

namespace {

bool is_plain(const Source& source) { return source.storage != kNoStorage && source.indices.empty() && !source.map.is_padded(); }

// The value copied to memory in the order of `source`'s dimensions.
Source packed(BlockLowering& block, const Source& source) {
  Dims dims;
  for (const AccessMap::Dim& dim : source.map.dims) dims.push_back(dim.size);
  const NodeId copy = block.graph.add({TileOpcode::kCopy, emulator::lane_of(source.type), source.type, 0}, source.map.size(), {source});
  return Source::dense(block.graph.store(copy), source.type, dims);
}

// The value in memory with its dimensions permuted, plain.
Source permuted(BlockLowering& block, const ir::Value* value, const Dims& permutation) {
  const Source source = *transpose(block.source(value), permutation);
  return is_plain(source) ? source : packed(block, source);
}

dnn::MatrixOperand matrix(BlockLowering& block, const ir::Value* value, const Dims& permutation, const Dims& grouped, int& level,
                          StorageId& storage) {
  Source source = permuted(block, value, permutation);
  std::optional<Source> view = reshape(source, grouped);
  if (!view) view = reshape(packed(block, source), grouped);
  storage = view->storage;
  level = std::max(level, block.builder.available(storage));
  dnn::MatrixOperand operand{0, view->type, view->map.offset, {}};
  for (size_t d = 0; d < 3; ++d) operand.strides[d] = view->map.dims[d].stride;
  return operand;
}

DataType compute_type(const ir::Operation& operation) {
  const DataType a = operation.operand(0)->type().element, b = operation.operand(1)->type().element;
  return a == b ? a : operation.result()->type().element;
}

// Binds buffers and schedules the product.
void run_product(BlockLowering& block, const ir::Operation& operation, dnn::MatmulSpec spec, StorageId a, StorageId b, int level) {
  const StorageId out = block.new_result(operation.result(), level);
  BufferTable table(block.builder.plan);
  spec.a.buffer = table.buffer(a);
  spec.b.buffer = table.buffer(b);
  spec.input_bytes = table.bytes();
  spec.type = operation.result()->type().element;
  spec.compute_type = compute_type(operation);
  spec.output_bytes = operation.result()->type().num_bytes();
  std::vector<StorageId> slots = table.storages();
  slots.push_back(out);
  block.run_at(level, dnn::matmul(spec, block.builder.chip), std::move(slots));
}

void lower_dot_general(BlockLowering& block, const ir::Operation& operation) {
  const ir::Value *lhs = operation.operand(0), *rhs = operation.operand(1);
  const Dims &lb = operation.ints(Attr::kLhsBatchingDimensions), &rb = operation.ints(Attr::kRhsBatchingDimensions);
  const Dims &lc = operation.ints(Attr::kLhsContractingDimensions), &rc = operation.ints(Attr::kRhsContractingDimensions);
  const auto free_dims = [](const Dims& dims, const Dims& batch, const Dims& contracting) {
    Dims free;
    for (int64_t d = 0; d < static_cast<int64_t>(dims.size()); ++d) {
      const bool used = std::find(batch.begin(), batch.end(), d) != batch.end() ||
                        std::find(contracting.begin(), contracting.end(), d) != contracting.end();
      if (!used) free.push_back(d);
    }
    return free;
  };
  const auto size_of_dims = [](const Dims& dims, const Dims& which) {
    int64_t size = 1;
    for (int64_t d : which) size *= dims[static_cast<size_t>(d)];
    return size;
  };
  const Dims &ld = lhs->type().dims, &rd = rhs->type().dims;
  const Dims lf = free_dims(ld, lb, lc), rf = free_dims(rd, rb, rc);
  dnn::MatmulSpec spec;
  spec.name = "matmul";
  spec.batch = size_of_dims(ld, lb);
  spec.m = size_of_dims(ld, lf);
  spec.k = size_of_dims(ld, lc);
  spec.n = size_of_dims(rd, rf);
  if (spec.batch * spec.m * spec.n == 0) {
    block.new_result(operation.result(), 0);
    return;
  }
  const auto joined = [](const Dims& a, const Dims& b, const Dims& c) {
    Dims all = a;
    all.insert(all.end(), b.begin(), b.end());
    all.insert(all.end(), c.begin(), c.end());
    return all;
  };
  if (spec.k == 0) return block.set(operation.result(), Splat{operation.result()->type().element, {}});
  int level = 0;
  StorageId a = kNoStorage, b = kNoStorage;
  spec.a = matrix(block, lhs, joined(lb, lf, lc), {spec.batch, spec.m, spec.k}, level, a);
  spec.b = matrix(block, rhs, joined(rb, rc, rf), {spec.batch, spec.k, spec.n}, level, b);
  const int64_t dims[3] = {spec.batch, spec.m, spec.n};
  spec.result = AccessMap::contiguous(dims);
  run_product(block, operation, std::move(spec), a, b, level);
}

void lower_convolution(BlockLowering& block, const ir::Operation& operation) {
  const ir::Value *lhs = operation.operand(0), *rhs = operation.operand(1);
  const ir::Type& result = operation.result()->type();
  if (result.num_elements() == 0) {
    block.new_result(operation.result(), 0);
    return;
  }
  const auto at = [](const Dims& dims, int64_t d) { return dims[static_cast<size_t>(d)]; };
  const int64_t feature_groups = operation.integer(Attr::kFeatureGroupCount), batch_groups = operation.integer(Attr::kBatchGroupCount);
  const int64_t groups = std::max(feature_groups, batch_groups);
  const Dims &in_spatial = operation.ints(Attr::kInputSpatialDimensions), &kernel_spatial = operation.ints(Attr::kKernelSpatialDimensions),
             &out_spatial = operation.ints(Attr::kOutputSpatialDimensions);
  const int64_t in_batch = operation.integer(Attr::kInputBatchDimension), in_feature = operation.integer(Attr::kInputFeatureDimension);
  const int64_t kernel_in = operation.integer(Attr::kKernelInputFeatureDimension),
                kernel_out = operation.integer(Attr::kKernelOutputFeatureDimension);
  const int64_t out_batch = operation.integer(Attr::kOutputBatchDimension), out_feature = operation.integer(Attr::kOutputFeatureDimension);
  const size_t rank = in_spatial.size();
  if (rank > 4) return block.refuse(operation, cat(rank, " spatial dimensions"));
  const auto spatial_ints = [&](Attr key, size_t d, int64_t otherwise) {
    return operation.find(key) == nullptr || operation.ints(key).empty() ? otherwise : operation.ints(key)[d];
  };

  // The input, channels last when that makes long runs.
  const Dims& ld = lhs->type().dims;
  Dims order{in_batch};
  order.insert(order.end(), in_spatial.begin(), in_spatial.end());
  order.push_back(in_feature);
  Source input = permuted(block, lhs, order);
  if (at(ld, in_feature) >= 4 && input.map.dims.back().stride != 1) input = packed(block, input);
  const std::vector<AccessMap::Dim>& strides = input.map.dims;

  dnn::Patches patches;
  patches.channels = at(ld, in_feature) / feature_groups;
  patches.image_stride = strides[0].stride;
  patches.channel_stride = strides.back().stride;
  patches.group_stride =
      feature_groups > 1 ? patches.channels * patches.channel_stride : at(ld, in_batch) / batch_groups * patches.image_stride;
  dnn::MatmulSpec spec;
  spec.name = "convolution";
  spec.batch = groups;
  spec.m = at(ld, in_batch) / batch_groups;
  spec.k = patches.channels;
  const Dims& rd = rhs->type().dims;
  spec.n = at(rd, kernel_out) / groups;
  const Dims out_strides = row_major_strides(result.dims);
  AccessMap map;
  map.dims.push_back({groups, spec.n * at(out_strides, out_feature)});
  map.dims.push_back({spec.m, at(out_strides, out_batch)});
  Dims reversed;
  for (size_t d = 0; d < rank; ++d) {
    const int64_t window = at(rd, kernel_spatial[d]), output = at(result.dims, out_spatial[d]);
    patches.spatial.push_back({at(ld, in_spatial[d]), output, window, spatial_ints(Attr::kWindowStrides, d, 1),
                               spatial_ints(Attr::kPadding, 2 * d, 0), spatial_ints(Attr::kLhsDilation, d, 1),
                               spatial_ints(Attr::kRhsDilation, d, 1), strides[d + 1].stride});
    if (spatial_ints(Attr::kWindowReversal, d, 0) != 0) reversed.push_back(kernel_spatial[d]);
    spec.m *= output;
    spec.k *= window;
    map.dims.push_back({output, at(out_strides, out_spatial[d])});
  }
  map.dims.push_back({spec.n, at(out_strides, out_feature)});
  if (spec.k == 0) return block.set(operation.result(), Splat{result.element, {}});

  // The kernel as [group, window..., channel, feature].
  Source kernel = block.source(rhs);
  if (!is_plain(kernel)) kernel = packed(block, kernel);
  kernel = *reverse(kernel, reversed);
  Dims kernel_order{kernel_out};
  kernel_order.insert(kernel_order.end(), kernel_spatial.begin(), kernel_spatial.end());
  kernel_order.push_back(kernel_in);
  kernel = *transpose(kernel, kernel_order);
  const AccessMap::Dim features = kernel.map.dims[0];
  kernel.map.dims[0] = {groups, features.stride * spec.n};
  kernel.map.dims.push_back({spec.n, features.stride});
  std::optional<Source> flat = reshape(kernel, Dims{groups, spec.k, spec.n});
  if (!flat) flat = reshape(packed(block, kernel), Dims{groups, spec.k, spec.n});
  spec.b = {0, flat->type, flat->map.offset, {flat->map.dims[0].stride, flat->map.dims[1].stride, flat->map.dims[2].stride}};
  spec.a = {0, input.type, input.map.offset, {}};
  spec.patches = std::move(patches);
  spec.result = std::move(map);
  const int level = std::max(block.builder.available(input.storage), block.builder.available(flat->storage));
  run_product(block, operation, std::move(spec), input.storage, flat->storage, level);
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
