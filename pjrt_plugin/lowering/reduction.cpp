// reduce: the operand's producers become its prologue; long reductions to few results run in two stages. What does not commute is reduced
// by pairs of neighbours.
#include <algorithm>
#include <numeric>

#include "base/error.hpp"
#include "lowering/block.hpp"
#include "lowering/chain.hpp"
#include "lowering/reducer.hpp"
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
  if (operation.results().size() == 1 && order.reduced == 1 && is_identity_splat(block, init, combine)) {  // nothing to combine
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

// Whether a region combines one value by one operation.
bool single_step(const emulator::TileProgram& combine) {
  if (combine.ops.size() != 1 || combine.inputs.size() != 2 || combine.outputs.size() != 1) return false;
  const emulator::TileOp& op = combine.ops[0];
  return ((op.a == 0 && op.b == 1) || (op.a == 1 && op.b == 0)) && combine.outputs[0].reg == op.dst;
}

// A reduction of one value stays virtual: siblings and what reads its result become part of its program.
void lower_single(BlockLowering& block, const ir::Operation& operation, const Order& order, Prologue prologue,
                  emulator::TileProgram combine) {
  const ir::Type& type = operation.result()->type();
  const emulator::TileOp op = combine.ops[0];
  const Ref init = block.everywhere(operation.operand(1), type.dims);
  const Reduction reduction{order.outer, order.reduced, order.inner, std::move(prologue.chain), std::move(combine)};
  const NodeId sum = block.graph.add_reduction(std::make_shared<const Reduction>(reduction),
                                               std::vector<Ref>(prologue.sources.begin(), prologue.sources.end()));
  const NodeId result = block.elementwise(op, type.num_elements(), {op.a == 0 ? init : Ref(sum), op.a == 0 ? Ref(sum) : init});
  if (block.context.fusions.fuse_reductions) return block.set(operation.result(), result);
  block.set(operation.result(), Source::dense(block.graph.store(result), type.element, type.dims));
}

// Several values that are reduced together.
void lower_several(BlockLowering& block, const ir::Operation& operation, const Order& order, Prologue prologue,
                   emulator::TileProgram combine) {
  const size_t k = operation.results().size();
  ReductionStep step{
      "reduce", order.outer, order.reduced, order.inner, std::move(prologue.chain), std::move(combine), {}, std::move(prologue.sources),
      {},       {}};
  int level = 0;
  for (const Source& source : step.sources) level = std::max(level, block.graph.level_of(source));
  // The epilogue combines the initial values with what has been reduced.
  ChainBuilder epilogue;
  std::vector<uint16_t> values(k);
  for (size_t v = 0; v < k; ++v) values.push_back(epilogue.input(step.combine.inputs[v]));
  for (size_t v = 0; v < k; ++v) {
    const ir::Value* init = operation.operand(k + v);
    if (std::holds_alternative<Splat>(block.ref(init))) continue;
    step.extras.push_back(std::get<Source>(block.everywhere(init, operation.result(v)->type().dims)));
    level = std::max(level, block.graph.level_of(step.extras.back()));
    values[v] = epilogue.input(step.extras.back().type);
  }
  for (size_t v = 0; v < k; ++v) {
    if (const auto* splat = std::get_if<Splat>(&block.ref(operation.operand(k + v)))) values[v] = fill(epilogue, *splat);
  }
  const std::vector<uint16_t> results = epilogue.append(step.combine, values);
  for (size_t v = 0; v < k; ++v) {
    epilogue.output(results[v], step.combine.outputs[v].type);
    step.outputs.push_back(block.new_result(operation.result(v), level));
  }
  step.epilogue = epilogue.finish();
  block.graph.at_level(level, [&block, step = std::move(step)](Sequence& steps) {
    check(emit_reduction(block.builder, step, block.context.fusions.fuse_parts, steps), "[reduce] ", step.combine.outputs.size(),
          " values do not fit a program");
  });
}

// An associative operation that does not commute: neighbours are combined until one value is left, so that all stay in order.
class InOrder {
 public:
  InOrder(BlockLowering& block, const ir::Operation& operation, const Order& order) : block_(block), operation_(operation), order_(order) {}

  void lower() {
    std::vector<Source> values, rest;  // `rest` follows the values, where their number was odd
    for (size_t v = 0; v < operation_.results().size(); ++v) values.push_back(flat(operation_.operand(v)));
    for (int64_t n = order_.reduced; n > 1; n /= 2) {
      const int64_t even = n / 2 * 2;
      if (n != even) {
        const std::vector<Source> last = slices(values, even, n, 1);
        rest = rest.empty() ? last : combined(last, rest, 1);
      }
      values = combined(slices(values, 0, even, 2), slices(values, 1, even, 2), n / 2);
    }
    if (!rest.empty()) values = combined(values, rest, 1);
    const Dims& dims = operation_.result()->type().dims;
    std::vector<Ref> arguments;
    for (size_t v = 0; v < values.size(); ++v) arguments.push_back(block_.everywhere(operation_.operand(values.size() + v), dims));
    for (const Source& value : values) arguments.push_back(in(value, dims));
    const std::vector<Ref> results = apply_region(block_, operation_.region(), arguments, volume(dims));
    for (size_t v = 0; v < values.size(); ++v) block_.set(operation_.result(v), results[v]);
  }

 private:
  Source flat(const ir::Value* value) {
    return in(*transpose(block_.source(value), order_.permutation), {order_.outer, order_.reduced, order_.inner});
  }

  // Under these dimensions, copied where no view has them.
  Source in(const Source& source, const Dims& dims) {
    if (auto view = reshape(source, dims)) return *std::move(view);
    const emulator::TileOp copy{emulator::TileOpcode::kCopy, emulator::lane_of(source.type), source.type, 0};
    return block_.graph.as_source(block_.elementwise(copy, source.map.size(), {source}), source.type, dims);
  }

  std::vector<Source> slices(const std::vector<Source>& values, int64_t start, int64_t limit, int64_t stride) const {
    std::vector<Source> result;
    for (const Source& value : values)
      result.push_back(*slice(value, Dims{0, start, 0}, Dims{order_.outer, limit, order_.inner}, Dims{1, stride, 1}));
    return result;
  }

  std::vector<Source> combined(const std::vector<Source>& left, const std::vector<Source>& right, int64_t n) {
    std::vector<Ref> arguments(left.begin(), left.end());
    arguments.insert(arguments.end(), right.begin(), right.end());
    const Dims dims{order_.outer, n, order_.inner};
    const std::vector<Ref> results = apply_region(block_, operation_.region(), arguments, volume(dims));
    std::vector<Source> stored;
    for (size_t v = 0; v < left.size(); ++v) stored.push_back(block_.graph.as_source(results[v], left[v].type, dims));
    return stored;
  }

  BlockLowering& block_;
  const ir::Operation& operation_;
  const Order& order_;
};

void lower_reduce(BlockLowering& block, const ir::Operation& operation) {
  const size_t k = operation.results().size();
  const ir::Type& type = operation.operand(0)->type();
  emulator::TileProgram combine = region_chain(operation.region());
  std::vector<Ref> roots;
  std::vector<DataType> types;
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
  const bool single = k == 1 && single_step(combine);
  if (!single && !commutes(combine)) return InOrder(block, operation, order).lower();
  Prologue prologue = block.graph.absorb(roots, types, type.dims, block.context.fusions.recompute);
  if (!prologue.sources.empty() && lies_reduced_outer(prologue.sources[0], order))
    reduce_outer(order, type.dims, operation.ints(Attr::kDimensions));
  for (Source& source : prologue.sources) source = *transpose(source, order.permutation);
  if (single) {
    lower_single(block, operation, order, std::move(prologue), std::move(combine));
  } else {
    lower_several(block, operation, order, std::move(prologue), std::move(combine));
  }
}

}  // namespace

bool lower_reduction(BlockLowering& block, const ir::Operation& operation) {
  if (operation.op() != Op::kReduce) return false;
  lower_reduce(block, operation);
  return true;
}

}  // namespace tt::lowering
