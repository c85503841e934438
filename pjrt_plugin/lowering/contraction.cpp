// dot_general and convolution as blocked matrix products: operands are views of what lies in memory.
#include <algorithm>

#include "base/error.hpp"
#include "dnn/conv.hpp"
#include "dnn/matmul.hpp"
#include "dnn/tilize_operand.hpp"
#include "emulator/fpu.hpp"
#include "lowering/block.hpp"
#include "lowering/product.hpp"

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

DataType compute_type(const ir::Operation& operation) {
  const DataType a = operation.operand(0)->type().element, b = operation.operand(1)->type().element;
  return a == b ? a : operation.result()->type().element;
}

// A product whose spec lacks its operands' buffers, its epilogue and its results.
template <class Spec>
class ProductOf : public Product {
 public:
  ProductOf(Spec spec, Source lhs, Source rhs) : spec_(std::move(spec)), lhs_(std::move(lhs)), rhs_(std::move(rhs)) {}

  DataType accumulator() const override { return emulator::matmul_accumulator_type(spec_.compute_type); }

  Step build(PlanBuilder& builder, const Epilogue& epilogue, std::span<const StorageId> results) const override {
    BufferTable table(builder.plan);
    Spec spec = spec_;
    bind(spec, table.operand(lhs_), table.operand(rhs_));
    for (const Source& extra : epilogue.extras) spec.extras.push_back(table.operand(extra));
    spec.epilogue = epilogue.chain;
    for (size_t i = 0; i < results.size(); ++i) {
      spec.results.push_back({i, epilogue.types[i], result_map(), {}});
      spec.output_bytes.push_back(builder.plan.storages[results[i]].bytes);
    }
    spec.input_bytes = table.bytes();
    spec.name += epilogue.name;
    RunStep run;
    run.slots = table.storages();
    run.slots.insert(run.slots.end(), results.begin(), results.end());
    run.program = std::make_shared<const metal::Program>(make(spec, builder.chip));
    return {std::move(run)};
  }

 protected:
  virtual void bind(Spec& spec, dnn::Operand lhs, dnn::Operand rhs) const = 0;
  virtual AccessMap result_map() const = 0;
  virtual metal::Program make(const Spec& spec, const emulator::ChipSpec& chip) const = 0;

  Spec spec_;

 private:
  Source lhs_, rhs_;
};

class MatrixProduct : public ProductOf<dnn::MatmulSpec> {
 public:
  using ProductOf::ProductOf;

  std::optional<Source> extra(const Source& source) const override {
    return source.storage == kNoStorage ? std::nullopt : reshape(source, dims());
  }

 protected:
  void bind(dnn::MatmulSpec& spec, dnn::Operand lhs, dnn::Operand rhs) const override {
    spec.a = std::move(lhs);
    spec.b = std::move(rhs);
  }
  AccessMap result_map() const override { return AccessMap::contiguous(dims()); }
  metal::Program make(const dnn::MatmulSpec& spec, const emulator::ChipSpec& chip) const override { return dnn::matmul(spec, chip); }

 private:
  Dims dims() const { return {spec_.batch, spec_.m, spec_.n}; }
};

// `dims` are those of the result as the program has it, `order` puts them as the spec has them.
class Convolution : public ProductOf<dnn::ConvSpec> {
 public:
  Convolution(dnn::ConvSpec spec, Source input, Source kernel, Dims dims, Dims order)
      : ProductOf(std::move(spec), std::move(input), std::move(kernel)), dims_(std::move(dims)), order_(std::move(order)) {}

  std::optional<Source> extra(const Source& source) const override {
    std::optional<Source> view = source.storage == kNoStorage ? std::nullopt : reshape(source, dims_);
    if (view) view = transpose(*view, order_);
    return view && dnn::takes_extra(spec_, view->map) ? view : std::nullopt;
  }

 protected:
  void bind(dnn::ConvSpec& spec, dnn::Operand lhs, dnn::Operand rhs) const override {
    spec.input = std::move(lhs);
    spec.kernel = std::move(rhs);
  }
  AccessMap result_map() const override { return transpose(Source::dense(kNoStorage, DataType::kF32, dims_), order_)->map; }
  metal::Program make(const dnn::ConvSpec& spec, const emulator::ChipSpec& chip) const override { return dnn::conv(spec, chip); }

 private:
  Dims dims_, order_;
};

// The product stays virtual, so that what reads it can become its epilogue; or it is stored at once.
void set_product(BlockLowering& block, const ir::Operation& operation, std::shared_ptr<const Product> product, const Source& lhs,
                 const Source& rhs) {
  const ir::Type& type = operation.result()->type();
  const NodeId node = block.graph.add_product(std::move(product), type.element, type.num_elements(), {lhs, rhs});
  if (block.context.fusions.fuse_epilogues) return block.set(operation.result(), node);
  block.set(operation.result(), Source::dense(block.graph.store(node), type.element, type.dims));
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

// The second operand in tiles, made before the loop whose every turn reads it.
Source tilized_before(BlockLowering& block, const dnn::MatmulSpec& product, const Source& b) {
  BufferTable table(block.builder.plan);
  dnn::TilizeSpec spec{product.batch, product.k, product.n, {}, product.compute_type, table.operand(b)};
  spec.input_bytes = table.bytes();
  RunStep run;
  run.slots = table.storages();
  const StorageId tiles = block.builder.temporary(dnn::tiles_bytes(spec));
  run.slots.push_back(tiles);
  run.program = std::make_shared<const metal::Program>(dnn::tilize_operand(spec, block.builder.chip));
  block.loop->before.push_back({std::move(run)});
  const int64_t dims[3] = {spec.batch, spec.k, spec.n};
  return Source::dense(tiles, emulator::matmul_operand_type(spec.compute_type), dims);
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
  const Source a = permuted(block, lhs, joined(lb, lf, lc));
  Source b = permuted(block, rhs, joined(rb, rc, rf));
  spec.compute_type = compute_type(operation);
  if (block.loop != nullptr && block.context.fusions.hoist_tiles && block.loop->is_invariant(block.builder, b)) {
    b = tilized_before(block, spec, b);
    spec.b_in_tiles = true;
  }
  set_product(block, operation, std::make_shared<MatrixProduct>(std::move(spec), a, b), a, b);
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
  spec.compute_type = compute_type(operation);
  const Dims order = joined({operation.integer(Attr::kOutputBatchDimension)}, out_spatial, {out_feature});
  set_product(block, operation, std::make_shared<Convolution>(std::move(spec), input, kernel, result.dims, order), input, kernel);
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
