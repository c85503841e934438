// Chains of several reductions side by side, and the programs that run them.
#include "lowering/reducer.hpp"

#include <algorithm>
#include <variant>

#include "base/error.hpp"
#include "dnn/program_cache.hpp"
#include "dnn/reduce.hpp"
#include "dnn/row_fold.hpp"
#include "lowering/assembly.hpp"
#include "lowering/cluster.hpp"

namespace tt::lowering {

using emulator::TileProgram;

bool Reduction::joins(const Reduction& other) const {
  const auto by_rows = [](const Reduction& r) { return dnn::row_fold_opcode(r.combine, 0).has_value(); };
  const bool same_fold = inner > 1 || by_rows(*this) == by_rows(other);  // else the sums would have another order
  return outer == other.outer && reduced == other.reduced && inner == other.inner && same_fold;
}

namespace {

TileProgram pass_on(const TileProgram& combine) {
  ChainBuilder chain;
  const size_t k = combine.outputs.size();
  for (size_t v = 0; v < k; ++v) chain.input(combine.inputs[v]);
  for (size_t v = 0; v < k; ++v) chain.output(static_cast<uint16_t>(v), combine.inputs[v]);
  return chain.finish();
}

// A reduction with its operands and results in memory.
class Assembled {
 public:
  Assembled(PlanBuilder& builder, const ReductionStep& step, std::string name, const std::vector<Source>& sources)
      : builder_(builder), table_(builder.plan) {
    spec_.name = std::move(name);
    spec_.outer = step.outer;
    spec_.reduced = step.reduced;
    spec_.inner = step.inner;
    round().prologue = step.prologue;
    round().combine = step.combine;
    for (const Source& source : sources) round().operands.push_back(table_.operand(source));
  }

  void set_results(const std::vector<TileProgram::Output>& types, const std::vector<StorageId>& outputs) {
    const int64_t dims[2] = {spec_.outer, spec_.inner};
    for (size_t o = 0; o < outputs.size(); ++o) {
      round().results.push_back(dense_result(o, types[o].type, dims));
      spec_.output_bytes.push_back(builder_.plan.storages[outputs[o]].bytes);
    }
    outputs_ = outputs;
  }
  void set_epilogue(const ReductionStep& step) {
    for (const Source& extra : step.extras) round().extras.push_back(table_.operand(extra));
    round().epilogue = step.epilogue;
    set_results(step.epilogue.outputs, step.outputs);
  }
  dnn::ReduceSpec& spec() { return spec_; }
  dnn::ReduceRound& round() { return spec_.rounds[0]; }

  bool fits() const { return dnn::fits(spec_, builder_.chip); }
  void emit(Sequence& steps) {
    spec_.input_bytes = table_.bytes();
    RunStep run;
    run.slots = table_.storages();
    run.slots.insert(run.slots.end(), outputs_.begin(), outputs_.end());
    run.program = dnn::shared_program(dnn::reduce, spec_, builder_.chip);
    run.reduction = std::make_shared<const dnn::ReduceSpec>(std::move(spec_));
    steps.push_back({std::move(run)});
  }

 private:
  PlanBuilder& builder_;
  BufferTable table_;
  dnn::ReduceSpec spec_;
  std::vector<StorageId> outputs_;
};

bool emit_apart(PlanBuilder& builder, const ReductionStep& step, int64_t parts, Sequence& steps) {
  const size_t k = step.combine.outputs.size();
  std::vector<StorageId> partial;
  std::vector<Source> sources;
  for (size_t v = 0; v < k; ++v) {
    const DataType type = step.combine.outputs[v].type;
    const int64_t dims[3] = {step.outer, parts, step.inner};
    partial.push_back(builder.temporary(volume(dims) * size_of(type)));
    sources.push_back(Source::dense(partial.back(), type, dims));
  }
  Assembled first(builder, step, "reduce_parts", step.sources), second(builder, step, step.name, sources);
  first.spec().outer *= parts;
  first.spec().reduced /= parts;
  first.set_results(step.combine.outputs, partial);
  second.spec().reduced = parts;
  second.round().prologue = pass_on(step.combine);
  second.set_epilogue(step);
  if (!first.fits() || !second.fits()) return false;
  first.emit(steps);
  second.emit(steps);
  return true;
}

}  // namespace

bool emit_reduction(PlanBuilder& builder, const ReductionStep& step, bool fuse_parts, Sequence& steps) {
  const int64_t parts = dnn::reduce_parts(step.outer, step.reduced, step.inner);
  Assembled whole(builder, step, step.name, step.sources);
  whole.spec().parts = parts;
  whole.set_epilogue(step);
  if ((parts > 1 && !fuse_parts) || !whole.fits()) return parts > 1 && emit_apart(builder, step, parts, steps);
  whole.emit(steps);
  return true;
}

namespace {

// The prologues side by side, each source read once.
void join_prologues(const std::vector<const Node*>& reductions, ReductionStep& step) {
  ChainBuilder chain;
  std::vector<std::vector<uint16_t>> inputs(reductions.size());
  for (size_t r = 0; r < reductions.size(); ++r) {
    for (const Ref& ref : reductions[r]->operands) {
      const auto& source = std::get<Source>(ref);
      const auto found = std::find(step.sources.begin(), step.sources.end(), source);
      inputs[r].push_back(static_cast<uint16_t>(found - step.sources.begin()));
      if (found != step.sources.end()) continue;
      step.sources.push_back(source);
      chain.input(source.type);
    }
  }
  for (size_t r = 0; r < reductions.size(); ++r) {
    const TileProgram& prologue = reductions[r]->reduction->prologue;
    chain.output(chain.append(prologue, inputs[r])[0], prologue.outputs[0].type);
  }
  step.prologue = chain.finish();
}

void join_combinations(const std::vector<const Node*>& reductions, ReductionStep& step) {
  ChainBuilder chain;
  const size_t k = reductions.size();
  for (size_t i = 0; i < 2 * k; ++i) chain.input(reductions[i % k]->reduction->combine.inputs[0]);
  for (size_t v = 0; v < k; ++v) {
    const TileProgram& combine = reductions[v]->reduction->combine;
    const uint16_t inputs[2] = {static_cast<uint16_t>(v), static_cast<uint16_t>(k + v)};
    chain.output(chain.append(combine, inputs)[0], combine.outputs[0].type);
  }
  step.combine = chain.finish();
}

}  // namespace

bool emit_reduction(PlanBuilder& builder, std::span<const std::pair<NodeId, Node>> nodes, bool fuse_parts, Sequence& steps) {
  using Key = std::variant<NodeId, Source>;  // a reduced value, or memory
  std::vector<const Node*> reductions;
  std::vector<NodeId> ids;
  for (const auto& [id, node] : nodes) {
    if (node.reduction == nullptr) continue;
    reductions.push_back(&node);
    ids.push_back(id);
  }
  const Reduction& first = *reductions[0]->reduction;
  if (first.outer * first.inner == 0) return true;
  const auto outside = [&](const Ref& ref) -> std::optional<Key> {
    if (const auto* source = std::get_if<Source>(&ref)) return *source;
    const auto* id = std::get_if<NodeId>(&ref);
    return id != nullptr && std::find(ids.begin(), ids.end(), *id) != ids.end() ? std::optional<Key>(*id) : std::nullopt;
  };
  const auto type_of = [&](const Key& key) {
    const auto* source = std::get_if<Source>(&key);
    if (source != nullptr) return source->type;
    return reductions[static_cast<size_t>(std::find(ids.begin(), ids.end(), std::get<NodeId>(key)) - ids.begin())]->op.type;
  };
  ReductionStep step{"reduce", first.outer, first.reduced, first.inner, {}, {}, {}, {}, {}, {}};
  ChainAssembly<Key> epilogue(outside, type_of);
  for (const NodeId id : ids) epilogue.input(id);
  for (const auto& [id, node] : nodes) {
    if (node.reduction == nullptr) epilogue.add(id, node);
    if (node.storage == kNoStorage) continue;
    epilogue.output(id, node.op.type);
    step.outputs.push_back(node.storage);
  }
  if (!epilogue.nodes().empty()) step.name += "+" + name_of(epilogue.nodes());
  for (size_t i = ids.size(); i < epilogue.inputs().size(); ++i) step.extras.push_back(std::get<Source>(epilogue.inputs()[i]));
  step.epilogue = epilogue.finish();
  join_prologues(reductions, step);
  join_combinations(reductions, step);
  return emit_reduction(builder, step, fuse_parts, steps);
}

}  // namespace tt::lowering
