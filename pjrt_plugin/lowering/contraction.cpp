// dot_general and convolution as blocked matrix products: operands are views of what lies in memory.
#include <algorithm>

#include "base/error.hpp"
#include "dnn/conv.hpp"
#include "dnn/matmul.hpp"
#include "dnn/matmul_tiles.hpp"
#include "dnn/program_cache.hpp"
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
    run.program = make(spec, builder.chip);
    if constexpr (std::is_same_v<Spec, dnn::MatmulSpec>) {
      run.product = std::make_shared<const Spec>(std::move(spec));
    }
    return {std::move(run)};
  }

 protected:
  virtual void bind(Spec& spec, dnn::Operand lhs, dnn::Operand rhs) const = 0;
  virtual AccessMap result_map() const = 0;
  virtual std::shared_ptr<const metal::Program> make(const Spec& spec, const emulator::ChipSpec& chip) const = 0;

  Spec spec_;

 private:
  Source lhs_, rhs_;
};

class MatrixProduct : public ProductOf<dnn::MatmulSpec> {
 public:
  using ProductOf::ProductOf;
  MatrixProduct(dnn::MatmulSpec spec, Source lhs, Source rhs, AccessMap to)
      : ProductOf(std::move(spec), std::move(lhs), std::move(rhs)), to_(std::move(to)) {}

  size_t parts() const override { return static_cast<size_t>(spec_.parts); }

  std::optional<Source> extra(const Source& source) const override {
    if (source.storage == kNoStorage) return std::nullopt;
    if (std::optional<Source> view = reshape(source, dims())) return view;
    return dnn::split_dims(source.map, dims()) ? std::optional(source) : std::nullopt;  // a mask that some of the batches share
  }

 protected:
  void bind(dnn::MatmulSpec& spec, dnn::Operand lhs, dnn::Operand rhs) const override {
    spec.a = std::move(lhs);
    spec.b = std::move(rhs);
  }
  AccessMap result_map() const override { return to_ ? *to_ : AccessMap::contiguous(dims()); }
  std::shared_ptr<const metal::Program> make(const dnn::MatmulSpec& spec, const emulator::ChipSpec& chip) const override {
    return dnn::shared_program(dnn::matmul, spec, chip);
  }

 private:
  Dims dims() const { return {spec_.batch, spec_.m, spec_.n}; }
  std::optional<AccessMap> to_;  // where not row-major
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
  std::shared_ptr<const metal::Program> make(const dnn::ConvSpec& spec, const emulator::ChipSpec& chip) const override {
    return dnn::shared_program(dnn::conv, spec, chip);
  }

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

// A dot_general as a batched matrix product of views.
struct Dot {
  dnn::MatmulSpec spec{};
  Dims lhs_order, rhs_order;  // permutations of the operands' dimensions to [batch, m, k] and [batch, k, n]
};

Dot dot_of(const ir::Operation& operation) {
  const Dims &lb = operation.ints(Attr::kLhsBatchingDimensions), &rb = operation.ints(Attr::kRhsBatchingDimensions);
  const Dims &lc = operation.ints(Attr::kLhsContractingDimensions), &rc = operation.ints(Attr::kRhsContractingDimensions);
  const Dims &ld = operation.operand(0)->type().dims, &rd = operation.operand(1)->type().dims;
  const Dims lf = free_dims(ld, lb, lc), rf = free_dims(rd, rb, rc);
  Dot dot;
  dot.spec.name = "matmul";
  dot.spec.batch = volume_of(ld, lb);
  dot.spec.m = volume_of(ld, lf);
  dot.spec.k = volume_of(ld, lc);
  dot.spec.n = volume_of(rd, rf);
  dot.spec.compute_type = compute_type(operation);
  dot.lhs_order = joined(lb, lf, lc);
  dot.rhs_order = joined(rb, rc, rf);
  return dot;
}

// Tiles of second operands side by side, made before the loop whose every turn reads them.
class TilesBefore {
 public:
  // `step`: from a tile column of one to its next; other than 1, they are in turn.
  TilesBefore(BlockLowering& block, const dnn::MatmulSpec& product, int64_t across, int64_t step = 1)
      : block_(block), spec_{product.batch, product.k, product.n, 0, across, step, {}, product.compute_type, {}} {
    storage_ = block.builder.temporary(dnn::tiles_bytes(spec_));
    block.builder.plan.storages[storage_].in_tiles = true;
  }

  int64_t add(const Source& b, int64_t n) {  // the first column
    const int64_t column = spec_.first * dnn::kTileSide;
    BufferTable table(block_.builder.plan);
    spec_.n = n;
    spec_.operand = table.operand(b);
    spec_.input_bytes = table.bytes();
    RunStep run;
    run.slots = table.storages();
    run.slots.push_back(storage_);
    run.program = std::make_shared<const metal::Program>(dnn::tilize_operand(spec_, block_.builder.chip));
    run.moves = true;
    block_.loop->before.push_back({std::move(run)});
    spec_.first += spec_.step == 1 ? div_up(n, dnn::kTileSide) : 1;
    return column;
  }
  Source source(int64_t n) const {
    const int64_t dims[3] = {spec_.batch, spec_.k, n};
    return Source::dense(storage_, emulator::matmul_operand_type(spec_.compute_type), dims);
  }

 private:
  BlockLowering& block_;
  dnn::TilizeSpec spec_;
  StorageId storage_;
};

// The second operand where it is the same in every turn of the loop.
std::optional<Source> invariant_rhs(BlockLowering& block, const ir::Operation& operation, const Dot& dot) {
  if (block.loop == nullptr || !block.context.fusions.hoist_tiles) return std::nullopt;
  const auto found = block.context.refs.find(operation.operand(1));
  if (found == block.context.refs.end()) return std::nullopt;
  const auto* source = std::get_if<Source>(&found->second);
  if (source == nullptr || !block.loop->is_invariant(block.builder, *source)) return std::nullopt;
  return *transpose(*source, dot.rhs_order);
}

// A second operand that is a constant, in tiles.
std::optional<Source> constant_rhs(BlockLowering& block, const ir::Operation& operation, const Dot& dot) {
  if (!block.context.fusions.assign_layouts) return std::nullopt;
  const auto* source = std::get_if<Source>(&block.ref(operation.operand(1)));
  if (source == nullptr || source->storage == kNoStorage || !source->indices.empty() || source->map.is_padded()) return std::nullopt;
  const Storage& storage = block.builder.plan.storages[source->storage];
  if (storage.kind != Storage::Kind::kConstant) return std::nullopt;
  const dnn::MatmulSpec& product = dot.spec;
  const Source view = *transpose(*source, dot.rhs_order);
  const dnn::TilizeSpec spec{product.batch, product.k, product.n, 0, 0, 1, {}, product.compute_type, {0, view.type, view.map}};
  const int64_t dims[3] = {product.batch, product.k, product.n};
  const DataType type = emulator::matmul_operand_type(product.compute_type);
  for (const auto& [rows, tiled] : block.context.constant_tiles) {
    if (rows == view && tiled.type == type && tiled.map == AccessMap::contiguous(dims)) return tiled;
  }
  const StorageId tiles =
      block.builder.constant(std::make_shared<const std::vector<std::byte>>(dnn::tilize_constant(spec, storage.data->data())));
  block.builder.plan.storages[tiles].in_tiles = true;
  block.builder.set_available(tiles, 0);
  return block.context.constant_tiles.emplace_back(view, Source::dense(tiles, type, dims)).second;
}

// In a loop, small products of one first operand with invariant second ones are one program: of equal widths, such as the gates of a
// recurrent layer, each gives a sum to one epilogue; others lie side by side, each from a tile on:
// dot(x, w), dot(x, v)  ->  slices of dot(x, [w v]).
bool lower_side_by_side(BlockLowering& block, const ir::Operation& operation, const Dot& dot) {
  constexpr int64_t kSmall = 512;  // tile products of each
  const auto small = [](const dnn::MatmulSpec& s) {
    return s.batch * div_up(s.m, dnn::kTileSide) * div_up(s.k, dnn::kTileSide) * div_up(s.n, dnn::kTileSide) <= kSmall;
  };
  if (!block.context.fusions.fuse_epilogues || !small(dot.spec)) return false;
  struct Part {
    const ir::Operation* operation;
    Source b;
    int64_t n;
  };
  std::vector<Part> parts;
  int64_t across = 0;
  for (const ir::Operation* other : block.readers(operation.operand(0))) {
    if (other->op() != Op::kDotGeneral || other->operand(0) != operation.operand(0) || block.context.refs.contains(other->result()))
      continue;
    const Dot twin = dot_of(*other);
    const bool alike = twin.lhs_order == dot.lhs_order && twin.spec.batch == dot.spec.batch && twin.spec.m == dot.spec.m &&
                       twin.spec.compute_type == dot.spec.compute_type &&
                       other->result()->type().element == operation.result()->type().element;
    if (!alike || !small(twin.spec) || twin.spec.n == 0) continue;
    if (auto b = invariant_rhs(block, *other, twin)) {
      parts.push_back({other, *std::move(b), twin.spec.n});
      across += div_up(twin.spec.n, dnn::kTileSide);
    }
  }
  if (parts.size() < 2) return false;
  const Source a = permuted(block, operation.operand(0), dot.lhs_order);
  dnn::MatmulSpec spec = dot.spec;
  spec.b_in_tiles = true;
  const bool equal = std::all_of(parts.begin(), parts.end(), [&](const Part& part) { return part.n == spec.n; });
  if (equal && parts.size() <= dnn::kMaxParts) {
    spec.parts = static_cast<int64_t>(parts.size());
    TilesBefore tiles(block, spec, across, spec.parts);
    for (const Part& part : parts) tiles.add(part.b, part.n);
    const ir::Type& type = operation.result()->type();
    const Source b = tiles.source(across * dnn::kTileSide);
    const NodeId first = block.graph.add_product(std::make_shared<MatrixProduct>(spec, a, b), type.element, type.num_elements(), {a, b});
    for (NodeId i = 0; i < parts.size(); ++i) block.set(parts[i].operation->result(), first + i);
    return true;
  }
  spec.n = across * dnn::kTileSide;
  TilesBefore tiles(block, spec, across);
  Dims columns;
  for (const Part& part : parts) columns.push_back(tiles.add(part.b, part.n));
  const Source b = tiles.source(spec.n);
  const DataType type = operation.result()->type().element;
  const Dims dims{spec.batch, spec.m, spec.n};
  const NodeId node = block.graph.add_product(std::make_shared<MatrixProduct>(spec, a, b), type, volume(dims), {a, b});
  const Source whole = Source::dense(block.graph.store(node), type, dims);
  for (size_t i = 0; i < parts.size(); ++i) {
    const Source part = *slice(whole, Dims{0, 0, columns[i]}, Dims{spec.batch, spec.m, columns[i] + parts[i].n}, Dims(3, 1));
    block.set(parts[i].operation->result(), *reshape(part, parts[i].operation->result()->type().dims));
  }
  return true;
}

// The size and the dimension of slices of a value side by side, where nothing else reads it.
struct Slices {
  size_t along;
  int64_t size;
};
std::optional<Slices> only_slices(BlockLowering& block, const ir::Value* value) {
  const auto readers = block.readers(value);
  const auto uses = block.context.uses.find(value);
  if (readers.size() < 2 || uses == block.context.uses.end() || uses->second != static_cast<int64_t>(readers.size())) return std::nullopt;
  const Dims& dims = value->type().dims;
  std::optional<Slices> slices;
  for (const ir::Operation* reader : readers) {
    if (reader->op() != Op::kSlice) return std::nullopt;
    const Dims &start = reader->ints(Attr::kStartIndices), &strides = reader->ints(Attr::kStrides);
    const Dims& part = reader->result()->type().dims;
    const auto along = static_cast<size_t>(std::mismatch(part.begin(), part.end(), dims.begin()).first - part.begin());
    if (along == dims.size() || part[along] == 0 || dims[along] % part[along] != 0 || start[along] % part[along] != 0) return std::nullopt;
    if (!std::equal(part.begin() + static_cast<ptrdiff_t>(along) + 1, part.end(), dims.begin() + static_cast<ptrdiff_t>(along) + 1) ||
        strides[along] != 1)
      return std::nullopt;
    if (slices && (slices->along != along || slices->size != part[along])) return std::nullopt;
    slices = {along, part[along]};
  }
  return slices;
}

// What only slices read is stored slice by slice, so that each lies in memory as it is.
bool lower_in_slices(BlockLowering& block, const ir::Operation& operation, const dnn::MatmulSpec& spec, const Source& a, const Source& b) {
  const auto slices = block.context.fusions.fuse_writes ? only_slices(block, operation.result()) : std::nullopt;
  if (!slices) return false;
  const ir::Type& type = operation.result()->type();
  Dims part = type.dims;
  part[slices->along] = slices->size;
  const Source first = Source::dense(kNoStorage, type.element, part);
  AccessMap to = first.map;
  to.dims.insert(to.dims.begin() + static_cast<ptrdiff_t>(slices->along), {type.dims[slices->along] / slices->size, volume(part)});
  const NodeId node =
      block.graph.add_product(std::make_shared<MatrixProduct>(spec, a, b, std::move(to)), type.element, type.num_elements(), {a, b});
  const StorageId storage = block.graph.store(node);
  for (const ir::Operation* reader : block.readers(operation.result())) {
    Source slice = first;
    slice.storage = storage;
    slice.map.offset = reader->ints(Attr::kStartIndices)[slices->along] / slices->size * volume(part);
    block.set(reader->result(), std::move(slice));
  }
  return true;
}

void set_matrix_product(BlockLowering& block, const ir::Operation& operation, const dnn::MatmulSpec& spec, const Source& a,
                        const Source& b) {
  if (lower_in_slices(block, operation, spec, a, b)) return;
  set_product(block, operation, std::make_shared<MatrixProduct>(spec, a, b), a, b);
}

void lower_dot_general(BlockLowering& block, const ir::Operation& operation) {
  if (block.context.refs.contains(operation.result())) return;  // came with another
  Dot dot = dot_of(operation);
  dnn::MatmulSpec& spec = dot.spec;
  if (spec.batch * spec.m * spec.n == 0) {
    block.new_result(operation.result(), 0);
    return;
  }
  if (spec.k == 0) return block.set(operation.result(), Splat{operation.result()->type().element, {}});
  const std::optional<Source> invariant = invariant_rhs(block, operation, dot);
  if (invariant && lower_side_by_side(block, operation, dot)) return;
  if (const auto tiles = constant_rhs(block, operation, dot)) {
    spec.b_in_tiles = true;
    const Source a = permuted(block, operation.operand(0), dot.lhs_order);
    return set_matrix_product(block, operation, spec, a, *tiles);
  }
  const Source a = permuted(block, operation.operand(0), dot.lhs_order);
  Source b;
  if (invariant) {
    TilesBefore tiles(block, spec, 0);
    tiles.add(*invariant, spec.n);
    b = tiles.source(spec.n);
    spec.b_in_tiles = true;
  } else {
    b = permuted(block, operation.operand(1), dot.rhs_order);
  }
  set_matrix_product(block, operation, spec, a, b);
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
