// Movement: views where a map can say it, copies where not, writes through maps for what assembles a value from parts.
#include <algorithm>
#include <cstring>

#include "base/error.hpp"
#include "dnn/eltwise.hpp"
#include "dnn/program_cache.hpp"
#include "lowering/block.hpp"

namespace tt::lowering {

using emulator::TileOp;
using emulator::TileOpcode;
using ir::Attr;
using ir::Op;

namespace {

bool is_splat(const Ref& ref) { return std::holds_alternative<Splat>(ref); }

// Sets the result to view(operand), or to view(copy of operand) when one map cannot express it.
template <class View>
void set_view(BlockLowering& block, const ir::Operation& operation, const View& view) {
  const ir::Value* operand = operation.operand(0);
  if (is_splat(block.ref(operand))) return block.set(operation.result(), block.ref(operand));
  std::optional<Source> result = view(block.source(operand));
  if (!result) result = view(Source::dense(block.dense(operand), operand->type().element, operand->type().dims));
  check(result.has_value(), "[", ir::name(operation.op()), "] no view of a row-major value");
  block.set(operation.result(), std::move(*result));
}

void lower_reshape(BlockLowering& block, const ir::Operation& operation) {
  const Ref& operand = block.ref(operation.operand(0));
  if (producer(operand) != nullptr) return block.set(operation.result(), operand);
  set_view(block, operation, [&](const Source& source) { return reshape(source, operation.result()->type().dims); });
}

// Whether the elements stay in order: only dimensions of one element move.
bool keeps_order(const Dims& dims, const Dims& permutation) {
  Dims moved;
  for (const int64_t d : permutation) {
    if (dims[static_cast<size_t>(d)] != 1) moved.push_back(d);
  }
  return std::is_sorted(moved.begin(), moved.end());
}

void lower_transpose(BlockLowering& block, const ir::Operation& operation) {
  const Dims& permutation = operation.ints(Attr::kPermutation);
  if (keeps_order(operation.operand(0)->type().dims, permutation)) return lower_reshape(block, operation);
  set_view(block, operation, [&](const Source& source) { return transpose(source, permutation); });
}

// How often each element of the operand stands side by side in the result, when all of them do so in order; 0: they do not.
int64_t times_along_rows(const Dims& operand, const Dims& dimensions, const Dims& result) {
  size_t leading = 0;  // dimensions of the result that are those of the operand
  for (size_t i = 0; i < operand.size(); ++i) {
    const auto d = static_cast<size_t>(dimensions[i]);
    if (operand[i] == 1) continue;
    while (leading < d && result[leading] == 1) ++leading;
    if (d != leading || operand[i] != result[d]) return 0;
    ++leading;
  }
  return volume(std::span(result).subspan(leading));
}

void lower_broadcast(BlockLowering& block, const ir::Operation& operation) {
  const ir::Value* operand = operation.operand(0);
  const Dims& dims = operation.result()->type().dims;
  if (const auto* id = std::get_if<NodeId>(&block.ref(operand));
      id != nullptr && block.context.fusions.fuse_rows && can_spread(operand->type().element)) {
    const int64_t times = times_along_rows(operand->type().dims, operation.ints(Attr::kBroadcastDimensions), dims);
    if (times == 1) return block.set(operation.result(), *id);
    const bool along_row = block.graph.node(*id).elements > 1 || block.graph.node(*id).only_row == times;
    if (times > 1 && times <= kMaxFusedRow && along_row) return block.set(operation.result(), Spread{*id, times});
  }
  set_view(block, operation, [&](const Source& s) { return broadcast_in_dim(s, operation.ints(Attr::kBroadcastDimensions), dims); });
}

void lower_constant(BlockLowering& block, const ir::Operation& operation) {
  const ir::DenseElements& elements = operation.elements();
  const ir::Type& type = operation.result()->type();
  if (elements.splat || type.num_elements() == 1) return block.set(operation.result(), splat_of(elements));
  block.set(operation.result(), Source::dense(block.builder.constant(elements.bytes), type.element, type.dims));
}

void lower_iota(BlockLowering& block, const ir::Operation& operation) {
  const ir::Type& type = operation.result()->type();
  const int64_t along = operation.integer(Attr::kIotaDimension);
  Source source;
  source.type = type.element;
  for (size_t d = 0; d < type.dims.size(); ++d) source.map.dims.push_back({type.dims[d], static_cast<int64_t>(d) == along ? 1 : 0});
  block.set(operation.result(), std::move(source));
}

Splat one_of(DataType type, bool value) {
  Splat splat;
  splat.type = type;
  splat.bits[0] = static_cast<std::byte>(value);
  return splat;
}

void lower_pad(BlockLowering& block, const ir::Operation& operation) {
  const Source source = block.source(operation.operand(0));
  block.set(operation.result(), padded(block, source, operation.ints(Attr::kEdgePaddingLow), operation.ints(Attr::kEdgePaddingHigh),
                                       operation.ints(Attr::kInteriorPadding), operation.operand(1)));
}

// Whether the value lies in memory that no program writes, as it is.
bool is_given(const BlockLowering& block, const ir::Value* value) {
  const auto* source = std::get_if<Source>(&block.ref(value));
  if (source == nullptr || source->storage == kNoStorage || source->map.is_padded() || value->type().num_elements() < 2) return false;
  const Storage::Kind kind = block.builder.plan.storages[source->storage].kind;
  return (kind == Storage::Kind::kParameter || kind == Storage::Kind::kConstant) && distinct_elements(*source) > 1;
}

// Copies to `out` as one program.
void copy_parts(BlockLowering& block, std::vector<std::pair<Source, AccessMap>> copies, StorageId out, int level) {
  block.graph.at_level(level, [&builder = block.builder, copies = std::move(copies), out](Sequence& steps) {
    ClusterChain chain(copies[0].first.map.size());
    chain.output(Ref(copies[0].first), copies[0].first.type);
    dnn::EltwiseSpec spec;
    spec.name = "copy";
    spec.chain = chain.finish();
    BufferTable table(builder.plan);
    for (const auto& [from, to] : copies) spec.parts.push_back({from.map.size(), {table.operand(from)}, {{0, from.type, to, {}}}});
    spec.input_bytes = table.bytes();
    spec.output_bytes = {builder.plan.storages[out].bytes};
    RunStep run;
    run.slots = table.storages();
    run.slots.push_back(out);
    run.program = dnn::shared_program(dnn::eltwise, spec, builder.chip);
    run.elementwise = std::make_shared<const dnn::EltwiseSpec>(std::move(spec));
    steps.push_back({std::move(run)});
  });
}

// What programs make is written by them; the rest is copied by one.
void lower_concatenate(BlockLowering& block, const ir::Operation& operation) {
  const ir::Type& type = operation.result()->type();
  const auto along = static_cast<size_t>(operation.integer(Attr::kDimension));
  int level = 0;
  for (const ir::Value* value : operation.operands()) level = std::max(level, block.level_of(value));
  const StorageId out = block.new_result(operation.result(), level);
  AccessMap map = AccessMap::contiguous(type.dims);
  std::vector<std::pair<Source, AccessMap>> copies;
  for (const ir::Value* value : operation.operands()) {
    map.dims[along].size = value->type().dims[along];
    if (block.context.fusions.batch_chains && is_given(block, value)) {
      copies.emplace_back(block.source(value), map);
    } else {
      block.write_view(value, out, map, {}, level);
    }
    map.offset += map.dims[along].size * map.dims[along].stride;
  }
  if (!copies.empty()) copy_parts(block, std::move(copies), out, level);
}

int64_t read_index(const Splat& splat) {
  int64_t value = 0;
  emulator::convert_elements(splat.type, splat.bits.data(), DataType::kS64, reinterpret_cast<std::byte*>(&value), 1);
  return value;
}

// Adds start indices (scalars) to a map whose dimensions have the given strides: constants at once, others when the program runs.
void add_indices(BlockLowering& block, std::span<ir::Value* const> starts, const Dims& extent, const Dims& size, const Dims& strides,
                 int64_t& offset, std::vector<SourceIndex>& indices) {
  for (size_t d = 0; d < starts.size(); ++d) {
    const int64_t limit = extent[d] - size[d];
    if (limit == 0) continue;
    const Ref& ref = block.ref(starts[d]);
    if (const auto* splat = std::get_if<Splat>(&ref)) {
      offset += std::clamp<int64_t>(read_index(*splat), 0, limit) * strides[d];
      continue;
    }
    const DataType type = starts[d]->type().element;
    const auto* source = std::get_if<Source>(&ref);
    const bool plain = source != nullptr && source->storage != kNoStorage && source->indices.empty() && !source->map.is_padded();
    if (plain) {
      indices.push_back({source->storage, source->map.offset, type, strides[d], limit});
    } else {
      indices.push_back({block.dense(starts[d]), 0, type, strides[d], limit});
    }
  }
}

Dims strides_of(const AccessMap& map) {
  Dims strides;
  for (const AccessMap::Dim& dim : map.dims) strides.push_back(dim.stride);
  return strides;
}

void lower_dynamic_slice(BlockLowering& block, const ir::Operation& operation) {
  const ir::Value* operand = operation.operand(0);
  const ir::Type& type = operation.result()->type();
  if (is_splat(block.ref(operand))) return block.set(operation.result(), block.ref(operand));
  Source source = block.source(operand);
  if (source.map.is_padded()) source = Source::dense(block.dense(operand), type.element, operand->type().dims);
  const Dims strides = strides_of(source.map);
  add_indices(block, operation.operands().subspan(1), operand->type().dims, type.dims, strides, source.map.offset, source.indices);
  for (size_t d = 0; d < type.dims.size(); ++d) source.map.dims[d].size = type.dims[d];
  block.set(operation.result(), std::move(source));
}

void lower_dynamic_update_slice(BlockLowering& block, const ir::Operation& operation) {
  const ir::Value *operand = operation.operand(0), *update = operation.operand(1);
  const ir::Type& type = operation.result()->type();
  AccessMap map = AccessMap::contiguous(type.dims);
  std::vector<SourceIndex> indices;
  add_indices(block, operation.operands().subspan(2), type.dims, update->type().dims, strides_of(map), map.offset, indices);
  for (size_t d = 0; d < type.dims.size(); ++d) map.dims[d].size = update->type().dims[d];
  int level = std::max(block.level_of(operand), block.level_of(update));
  for (const SourceIndex& index : indices) level = std::max(level, block.builder.available(index.storage));
  const StorageId out = block.copy_to_result(operation.operand(0), operation.result(), level);
  block.write_view(update, out, std::move(map), std::move(indices), level);
}

void lower_bitcast(BlockLowering& block, const ir::Operation& operation) {
  const ir::Value* operand = operation.operand(0);
  const ir::Type& type = operation.result()->type();
  const auto* source = std::get_if<Source>(&block.ref(operand));
  const bool same_width = size_of(operand->type().element) == size_of(type.element);
  if (same_width && (source == nullptr || source->storage == kNoStorage)) {
    const auto op = tile_op(operation);
    if (!op) return block.refuse(operation, cat("on ", to_string(operand->type())));
    return block.set(operation.result(), block.elementwise(*op, type.num_elements(), {block.ref(operand)}));
  }
  if (same_width) {
    Source view = *source;
    view.type = type.element;
    return block.set(operation.result(), std::move(view));
  }
  if (info(type.element).bits < 8 || info(operand->type().element).bits < 8) {
    return block.refuse(operation, cat("from ", to_string(operand->type()), " to ", to_string(type)));
  }
  block.set(operation.result(), Source::dense(block.dense(operand), type.element, type.dims));
}

}  // namespace

Ref padded(BlockLowering& block, const Source& source, const Dims& low, const Dims& high, const Dims& interior, const ir::Value* scalar) {
  const DataType type = scalar->type().element;
  const Dims dims = dims_of(source);
  const auto with = [&](const Source& from, std::vector<std::byte> value) {
    if (auto view = pad(from, low, high, interior, value)) return std::move(*view);
    return *pad(Source::dense(block.graph.dense(from, from.type, dims), from.type, dims), low, high, interior, std::move(value));
  };
  const auto size = static_cast<ptrdiff_t>(size_of(type));
  if (const auto* splat = std::get_if<Splat>(&block.ref(scalar))) return with(source, {splat->bits.begin(), splat->bits.begin() + size});
  // A mask chooses between the operand and the scalar.
  const Source view = with(source, std::vector<std::byte>(static_cast<size_t>(size)));
  if (!view.map.is_padded()) return view;
  const Source mask = with(block.graph.as_source(one_of(DataType::kPred, true), DataType::kPred, dims), {std::byte{0}});
  return block.elementwise({TileOpcode::kSelect, emulator::lane_of(type), type, 0}, view.map.size(),
                           {mask, view, block.everywhere(scalar, dims_of(view))});
}

bool lower_movement(BlockLowering& block, const ir::Operation& operation) {
  switch (operation.op()) {
    case Op::kConstant: lower_constant(block, operation); return true;
    case Op::kIota: lower_iota(block, operation); return true;
    case Op::kReshape: lower_reshape(block, operation); return true;
    case Op::kBroadcastInDim: lower_broadcast(block, operation); return true;
    case Op::kTranspose: lower_transpose(block, operation); return true;
    case Op::kSlice:
      if (block.context.refs.contains(operation.result())) return true;  // came with the product that it is a slice of
      set_view(block, operation, [&](const Source& s) {
        return slice(s, operation.ints(Attr::kStartIndices), operation.ints(Attr::kLimitIndices), operation.ints(Attr::kStrides));
      });
      return true;
    case Op::kReverse:
      set_view(block, operation, [&](const Source& s) { return reverse(s, operation.ints(Attr::kDimensions)); });
      return true;
    case Op::kPad: lower_pad(block, operation); return true;
    case Op::kConcatenate: lower_concatenate(block, operation); return true;
    case Op::kDynamicSlice: lower_dynamic_slice(block, operation); return true;
    case Op::kDynamicUpdateSlice: lower_dynamic_update_slice(block, operation); return true;
    case Op::kBitcastConvert: lower_bitcast(block, operation); return true;
    case Op::kDynamicConv:  // passes::resolve_sizes has taken those whose sizes are constants
    case Op::kDynamicGather:
    case Op::kDynamicPad:
    case Op::kRealDynamicSlice:
    case Op::kSetDimensionSize: block.refuse(operation, "with sizes that are not constants"); return true;
    default: return false;
  }
}

}  // namespace tt::lowering
