// reduce: the operand's producers become its prologue; long reductions to few results run in two stages.
#include <algorithm>
#include <numeric>

#include "base/error.hpp"
#include "dnn/reduce.hpp"
#include "lowering/block.hpp"
#include "lowering/region.hpp"

namespace tt::lowering {

using ir::Attr;
using ir::Op;

namespace {

// The order of an operand's dimensions in the iteration space: kept, reduced, kept after the last reduced one.
struct Order {
  Dims permutation;
  int64_t outer = 1, reduced = 1, inner = 1;
};

Order order_of(const Dims& dims, const Dims& reduced) {
  Order order;
  const auto is_reduced = [&](size_t d) { return std::find(reduced.begin(), reduced.end(), static_cast<int64_t>(d)) != reduced.end(); };
  size_t inner = dims.size();
  while (inner > 0 && !is_reduced(inner - 1)) --inner;
  for (size_t d = 0; d < inner; ++d) {
    if (is_reduced(d)) continue;
    order.permutation.push_back(static_cast<int64_t>(d));
    order.outer *= dims[d];
  }
  for (size_t d = 0; d < inner; ++d) {
    if (!is_reduced(d)) continue;
    order.permutation.push_back(static_cast<int64_t>(d));
    order.reduced *= dims[d];
  }
  for (size_t d = inner; d < dims.size(); ++d) {
    order.permutation.push_back(static_cast<int64_t>(d));
    order.inner *= dims[d];
  }
  return order;
}

// Reduced dimensions first, when that is how the operand lies in memory: rows are then read as they are.
void reduce_outer(Order& order, const Dims& dims, const Dims& reduced) {
  Order turned;
  for (int64_t d : reduced) {
    turned.permutation.push_back(d);
    turned.reduced *= dims[static_cast<size_t>(d)];
  }
  std::sort(turned.permutation.begin(), turned.permutation.end());
  for (size_t d = 0; d < dims.size(); ++d) {
    if (std::find(reduced.begin(), reduced.end(), static_cast<int64_t>(d)) != reduced.end()) continue;
    turned.permutation.push_back(static_cast<int64_t>(d));
    turned.inner *= dims[d];
  }
  order = std::move(turned);
}

// Does the innermost reduced dimension jump through memory while the innermost kept one is contiguous?
bool lies_reduced_outer(const Source& source, const Order& order) {
  if (order.inner != 1 || order.outer == 1 || source.storage == kNoStorage) return false;
  const auto& dims = source.map.dims;
  const auto kept = std::find_if(dims.rbegin(), dims.rend(), [](const auto& dim) { return dim.size > 1 && dim.stride == 1; });
  if (kept == dims.rend()) return false;
  const auto contiguous = static_cast<int64_t>(dims.rend() - kept) - 1;
  // The reduced dimensions are the last ones of the permutation.
  int64_t outer = 1;
  for (int64_t d : order.permutation) {
    outer *= dims[static_cast<size_t>(d)].size;
    if (d == contiguous) return outer <= order.outer && dims[static_cast<size_t>(d)].size >= 16;
  }
  return false;
}

emulator::TileProgram pass_on(const std::vector<DataType>& types) {
  ChainBuilder chain;
  for (DataType type : types) chain.input(type);
  for (size_t i = 0; i < types.size(); ++i) chain.output(static_cast<uint16_t>(i), types[i]);
  return chain.finish();
}

void emit_reduce(PlanBuilder& builder, dnn::ReduceSpec spec, const std::vector<Source>& sources, const std::vector<Source>& inits,
                 const std::vector<StorageId>& outputs, Sequence& steps) {
  BufferTable table(builder.plan);
  for (const Source& source : sources) spec.operands.push_back(table.operand(source));
  for (const Source& init : inits) spec.inits.push_back(table.operand(init));
  const int64_t dims[2] = {spec.outer, spec.inner};
  for (size_t v = 0; v < outputs.size(); ++v) {
    spec.results.push_back(dense_result(v, spec.combine.outputs[v].type, dims));
    spec.output_bytes.push_back(builder.plan.storages[outputs[v]].bytes);
  }
  spec.input_bytes = table.bytes();
  RunStep run;
  run.slots = table.storages();
  run.slots.insert(run.slots.end(), outputs.begin(), outputs.end());
  run.program = std::make_shared<const metal::Program>(dnn::reduce(spec, builder.chip));
  steps.push_back({std::move(run)});
}

// The operation that folds rows on the engines: one step on both elements, in f32, or exact in a narrower type.
std::optional<emulator::TileOp> fold_of(const emulator::TileProgram& combine) {
  if (combine.ops.size() != 1 || combine.inputs.size() != 2 || combine.outputs.size() != 1) return std::nullopt;
  const emulator::TileOp& op = combine.ops[0];
  const bool both = (op.a == 0 && op.b == 1) || (op.a == 1 && op.b == 0);
  if (!both || combine.outputs[0].reg != op.dst || op.lane != emulator::Lane::kF32 || combine.inputs[0] != op.type) return std::nullopt;
  const bool chooses = op.code == emulator::TileOpcode::kMax || op.code == emulator::TileOpcode::kMin;
  const bool sums = op.code == emulator::TileOpcode::kAdd || op.code == emulator::TileOpcode::kMul;
  return chooses || (sums && op.type == DataType::kF32) ? std::optional(op) : std::nullopt;
}

bool is_identity_splat(const BlockLowering& block, const ir::Value* init, const emulator::TileProgram& combine) {
  const auto* splat = std::get_if<Splat>(&block.ref(init));
  return splat != nullptr && is_identity(combine, *splat);
}

// The value with dimensions of size 1 left out or put in.
Ref reshaped(BlockLowering& block, const ir::Value* value, const Dims& dims) {
  const Ref& ref = block.ref(value);
  if (const auto* source = std::get_if<Source>(&ref)) {
    if (auto view = reshape(*source, dims)) return *std::move(view);
    return Source::dense(block.dense(value), value->type().element, dims);
  }
  return ref;
}

// A reduction of whole rows stays virtual, so that it can become one program with what it reads and what reads it.
bool lower_fold(BlockLowering& block, const ir::Operation& operation, const emulator::TileProgram& combine, const Order& order) {
  const ir::Value *operand = operation.operand(0), *init = operation.operand(1);
  const std::optional<emulator::TileOp> op = operation.results().size() == 1 ? fold_of(combine) : std::nullopt;
  const bool in_order = std::is_sorted(order.permutation.begin(), order.permutation.end()) && order.inner == 1;
  if (op && order.reduced == 1 && is_identity_splat(block, init, combine)) {  // nothing to combine
    block.set(operation.result(), reshaped(block, operand, operation.result()->type().dims));
    return true;
  }
  if (!block.context.fusions.fuse_rows || !op || !in_order || order.reduced < 2 || order.reduced > kMaxFusedRow) return false;
  const Ref& ref = block.ref(operand);
  const auto* source = std::get_if<Source>(&ref);
  if (source == nullptr && !std::holds_alternative<NodeId>(ref)) return false;
  if (source != nullptr && (source->storage == kNoStorage || lies_reduced_outer(*source, order))) return false;
  const NodeId fold = block.graph.add_fold(*op, order.outer, order.reduced, ref);
  const Ref& start = block.ref(init);
  const auto* splat = std::get_if<Splat>(&start);
  if (is_identity_splat(block, init, combine)) {
    block.set(operation.result(), fold);
    return true;
  }
  const Dims dims{order.outer};
  const Ref first = splat != nullptr ? start : Ref(*broadcast_in_dim(block.source(init), {}, dims));
  block.set(operation.result(), block.elementwise(*op, order.outer, {first, fold}));
  return true;
}

void lower_reduce(BlockLowering& block, const ir::Operation& operation) {
  const size_t k = operation.results().size();
  const ir::Type& type = operation.operand(0)->type();
  emulator::TileProgram combine = region_chain(operation.region());
  std::vector<Ref> roots;
  std::vector<DataType> types;
  int level = 0;
  for (size_t v = 0; v < k; ++v) {
    roots.push_back(block.ref(operation.operand(v)));
    types.push_back(operation.operand(v)->type().element);
  }
  if (operation.result()->type().num_elements() == 0) {
    for (const auto& result : operation.results()) block.new_result(result.get(), 0);
    return;
  }
  Order order = order_of(type.dims, operation.ints(Attr::kDimensions));
  if (order.reduced == 0) {
    for (size_t v = 0; v < k; ++v) {
      const ir::Value* init = operation.operand(k + v);
      const Ref& value = block.ref(init);
      block.set(operation.result(v), std::holds_alternative<Splat>(value)
                                         ? value
                                         : Ref(*broadcast_in_dim(block.source(init), {}, operation.result(v)->type().dims)));
    }
    return;
  }
  if (lower_fold(block, operation, combine, order)) return;
  std::vector<Source> inits;
  for (size_t v = 0; v < k; ++v) inits.push_back(block.source(operation.operand(k + v)));
  for (size_t v = 0; v < 2 * k; ++v) level = std::max(level, block.level_of(operation.operand(v)));
  Prologue prologue = block.graph.absorb(roots, types, type.dims);
  if (!prologue.sources.empty() && lies_reduced_outer(prologue.sources[0], order))
    reduce_outer(order, type.dims, operation.ints(Attr::kDimensions));
  for (Source& source : prologue.sources) source = *transpose(source, order.permutation);
  std::vector<StorageId> outputs;
  for (const auto& result : operation.results()) outputs.push_back(block.new_result(result.get(), level));

  dnn::ReduceSpec spec;
  spec.name = "reduce";
  spec.outer = order.outer;
  spec.reduced = order.reduced;
  spec.inner = order.inner;
  spec.prologue = std::move(prologue.chain);
  spec.combine = std::move(combine);
  const int64_t parts = dnn::reduce_parts(order.outer, order.reduced, order.inner);
  std::vector<StorageId> partial;
  for (size_t v = 0; v < k && parts > 1; ++v)
    partial.push_back(block.new_temporary(order.outer * parts * order.inner * size_of(types[v]), level));
  block.graph.at_level(level, [&block, spec = std::move(spec), sources = std::move(prologue.sources), inits, outputs, partial, parts,
                               types](Sequence& steps) {
    if (parts == 1) return emit_reduce(block.builder, spec, sources, inits, outputs, steps);
    dnn::ReduceSpec first = spec;
    first.name = "reduce_parts";
    first.outer *= parts;
    first.reduced /= parts;
    emit_reduce(block.builder, first, sources, {}, partial, steps);
    dnn::ReduceSpec second = spec;
    second.reduced = parts;
    second.prologue = pass_on(types);
    std::vector<Source> parts_sources;
    for (size_t v = 0; v < partial.size(); ++v) {
      const int64_t dims[3] = {spec.outer, parts, spec.inner};
      parts_sources.push_back(Source::dense(partial[v], types[v], dims));
    }
    emit_reduce(block.builder, second, parts_sources, inits, outputs, steps);
  });
}

}  // namespace

bool lower_reduction(BlockLowering& block, const ir::Operation& operation) {
  if (operation.op() != Op::kReduce) return false;
  lower_reduce(block, operation);
  return true;
}

}  // namespace tt::lowering
