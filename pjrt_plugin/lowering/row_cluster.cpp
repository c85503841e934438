// Operations are dealt to stages: what is computed over all elements, then the folds of it, then what is computed over one element per row,
// which the next stage may spread along the rows again.
#include "lowering/row_cluster.hpp"

#include <algorithm>
#include <map>
#include <unordered_map>

#include "base/error.hpp"
#include "dnn/fused_rows.hpp"
#include "dnn/program_cache.hpp"
#include "dnn/row_plan.hpp"
#include "lowering/chain.hpp"
#include "lowering/cluster.hpp"

namespace tt::lowering {
namespace {

using dnn::RowSpec;
using dnn::RowStep;
using dnn::RowValue;
using emulator::TileOpcode;
using Kind = RowValue::Kind;

constexpr int kBefore = -1;  // the stage of what is computed per row from memory alone

class RowCluster {
 public:
  RowCluster(PlanBuilder& builder, std::span<const std::pair<NodeId, Node>> nodes, int64_t rows, int64_t length)
      : builder_(builder), nodes_(nodes), table_(builder.plan) {
    spec_.rows = rows;
    spec_.n = length;
    for (size_t i = 0; i < nodes.size(); ++i) position_[nodes[i].first] = i;
  }

  // What the program's slots are bound to, and which values of it lie in memory.
  struct Built {
    RowSpec spec;
    std::vector<Source> sources;  // of the operands
    std::vector<StorageId> inputs, outputs;
  };

  Built build() {
    find_stages();
    find_values();
    spec_.name = name();
    if (std::any_of(stage_.begin(), stage_.end(), [](int stage) { return stage == kBefore; })) add_elements(kBefore);
    for (int stage = 0; stage <= last_; ++stage) {
      add_pages(stage);
      add_folds(stage);
      add_elements(stage);
    }
    spec_.input_bytes = table_.bytes();
    return {std::move(spec_), operand_sources_, table_.storages(), outputs_};
  }

 private:
  const Node& node(size_t i) const { return nodes_[i].second; }
  bool is_full(size_t i) const { return node(i).fold == 0 && node(i).elements == spec_.rows * spec_.n; }
  DataType carried(size_t i) const { return carrier(emulator::lane_of(node(i).op.type)); }

  // ---- stages

  void find_stages() {
    stage_.assign(nodes_.size(), kBefore);
    for (size_t i = 0; i < nodes_.size(); ++i) {
      int stage = is_full(i) || node(i).fold != 0 ? 0 : kBefore;
      for (const Ref& ref : node(i).operands) {
        if (const auto* id = std::get_if<NodeId>(&ref)) stage = std::max(stage, stage_[position_.at(*id)]);
        if (const auto* spread = std::get_if<Spread>(&ref)) stage = std::max(stage, stage_[position_.at(spread->node)] + 1);
      }
      stage_[i] = stage;
      last_ = std::max(last_, stage);
    }
    delay();
  }

  // What only a later stage reads is computed there: nothing is to be kept.
  void delay() {
    constexpr int kNever = 1 << 30;
    std::vector<int> first(nodes_.size(), kNever);
    for (size_t i = nodes_.size(); i-- > 0;) {
      if (is_full(i) && node(i).storage == kNoStorage && first[i] != kNever) stage_[i] = std::max(stage_[i], first[i]);
      for (const Ref& ref : node(i).operands) {
        const auto* id = std::get_if<NodeId>(&ref);
        if (id == nullptr) continue;
        int& earliest = first[position_.at(*id)];
        earliest = std::min(earliest, stage_[i]);
      }
    }
  }

  // ---- values

  // Which nodes are read outside the chain that computes them, and where they are then.
  void find_values() {
    std::vector<bool> kept(nodes_.size(), false);
    for (size_t i = 0; i < nodes_.size(); ++i) {
      for (const Ref& ref : node(i).operands) {
        if (const auto* spread = std::get_if<Spread>(&ref)) kept[position_.at(spread->node)] = true;
        const auto* id = std::get_if<NodeId>(&ref);
        if (id == nullptr) continue;
        const size_t from = position_.at(*id);
        kept[from] = kept[from] || node(i).fold != 0 || node(from).fold != 0 || stage_[from] != stage_[i];
      }
    }
    values_.resize(nodes_.size());
    for (size_t i = 0; i < nodes_.size(); ++i) {
      const bool stored = node(i).storage != kNoStorage;
      if (is_full(i)) {
        if (stored && !must_be_carried(i)) {
          values_[i] = result(i);
        } else if (kept[i]) {
          values_[i] = {Kind::kPages, spec_.pages.size()};
          spec_.pages.push_back(carried(i));
        }
      } else if (kept[i] || node(i).fold != 0) {
        values_[i] = {Kind::kElements, spec_.elements.size()};
        spec_.elements.push_back(carried(i));
      }
      if (stored && !(values_[i] && values_[i]->kind == Kind::kResult)) also_stored_[i] = result(i);
    }
  }

  // Folds take f32: a narrower result is kept as registers hold it, beside what is stored.
  bool must_be_carried(size_t i) const {
    if (carried(i) == node(i).op.type) return false;
    return std::any_of(nodes_.begin(), nodes_.end(), [&](const auto& entry) {
      const auto* id = std::get_if<NodeId>(&entry.second.operands[0]);
      return entry.second.fold != 0 && id != nullptr && position_.at(*id) == i;
    });
  }

  RowValue result(size_t i) {
    const DataType type = node(i).op.type;
    const int64_t dims[2] = {spec_.rows, spec_.n};
    spec_.results.push_back(dense_result(outputs_.size(), type, std::span(dims, is_full(i) ? 2 : 1)));
    spec_.output_bytes.push_back(node(i).elements * size_of(type));
    outputs_.push_back(node(i).storage);
    return {Kind::kResult, spec_.results.size() - 1};
  }

  // An operand over [rows, n], or over [rows] where the source has one element per row.
  RowValue operand(const Source& source) {
    const int64_t dims[2] = {spec_.rows, spec_.n};
    std::optional<Source> view = reshape(source, dims);
    if (!view) return add_operand(source);
    const auto &outer = view->map.dims[0], &along = view->map.dims[1];
    const bool repeats = along.stride == 0 && outer.stride != 0 && !view->map.is_padded() && source.storage != kNoStorage;
    if (repeats && can_spread(source.type) && size_of(source.type) >= 4)
      view->map.dims.pop_back();  // narrower ones are repeated by the reader
    return add_operand(*view);
  }
  RowValue add_operand(const Source& view) {
    for (size_t i = 0; i < operand_sources_.size(); ++i) {
      if (operand_sources_[i] == view) return {Kind::kOperand, i};
    }
    operand_sources_.push_back(view);
    spec_.operands.push_back(table_.operand(view));
    return {Kind::kOperand, spec_.operands.size() - 1};
  }

  // ---- steps

  DataType type_of(const RowValue& value) const {
    switch (value.kind) {
      case Kind::kOperand: return spec_.operands[value.index].type;
      case Kind::kResult: return spec_.results[value.index].type;
      case Kind::kPages: return spec_.pages[value.index];
      case Kind::kElements: return spec_.elements[value.index];
    }
    return DataType::kF32;
  }

  // Where an operand of a node comes from, if not from the chain itself or a constant.
  std::optional<RowValue> outside(const Ref& ref, const std::vector<size_t>& members, bool per_row) {
    if (const auto* source = std::get_if<Source>(&ref)) return per_row ? add_operand(*source) : operand(*source);
    if (const auto* spread = std::get_if<Spread>(&ref)) return values_[position_.at(spread->node)];
    const auto* id = std::get_if<NodeId>(&ref);
    if (id == nullptr) return std::nullopt;
    const size_t from = position_.at(*id);
    return std::binary_search(members.begin(), members.end(), from) ? std::nullopt : values_[from];
  }

  // The chain that computes `members` (and passes on what `wanted` names), over all elements or over one per row.
  void add_chain(RowStep::Kind kind, const std::vector<size_t>& members, const std::vector<std::pair<Ref, RowValue>>& wanted) {
    const bool per_row = kind == RowStep::Kind::kElements;
    ChainAssembly<RowValue> assembly([&](const Ref& ref) { return outside(ref, members, per_row); },
                                     [&](const RowValue& value) { return type_of(value); });
    for (size_t i : members) assembly.add(nodes_[i].first, node(i));
    RowStep step{kind, {}, TileOpcode::kAdd, {}, {}};
    for (const auto& [ref, to] : wanted) {
      assembly.output(ref, type_of(to));
      step.outputs.push_back(to);
    }
    step.chain = assembly.finish();
    step.inputs = assembly.inputs();
    spec_.steps.push_back(std::move(step));
  }

  void add_pages(int stage) {
    std::vector<size_t> members;
    std::vector<std::pair<Ref, RowValue>> wanted;
    for (size_t i = 0; i < nodes_.size(); ++i) {
      if (!is_full(i) || stage_[i] != stage) continue;
      members.push_back(i);
      if (values_[i]) wanted.emplace_back(nodes_[i].first, *values_[i]);
      if (const auto also = also_stored_.find(i); also != also_stored_.end()) wanted.emplace_back(nodes_[i].first, also->second);
    }
    // Sources that are folded and are not f32 as they lie there.
    for (size_t i = 0; i < nodes_.size(); ++i) {
      if (node(i).fold == 0 || stage_[i] != stage) continue;
      const auto* source = std::get_if<Source>(&node(i).operands[0]);
      if (source == nullptr) continue;
      const RowValue value = operand(*source);
      const bool spread = spec_.operands[value.index].map.size() == spec_.rows;
      if (type_of(value) == DataType::kF32 && !spread) continue;
      const RowValue page{Kind::kPages, spec_.pages.size()};
      spec_.pages.push_back(DataType::kF32);
      folded_sources_[i] = page;
      wanted.emplace_back(*source, page);
    }
    if (!wanted.empty()) add_chain(RowStep::Kind::kPages, members, wanted);
  }

  void add_folds(int stage) {
    for (size_t i = 0; i < nodes_.size(); ++i) {
      if (node(i).fold == 0 || stage_[i] != stage) continue;
      const Ref& ref = node(i).operands[0];
      RowValue from;
      if (const auto converted = folded_sources_.find(i); converted != folded_sources_.end()) {
        from = converted->second;
      } else if (const auto* id = std::get_if<NodeId>(&ref)) {
        from = *values_[position_.at(*id)];
      } else {
        from = operand(std::get<Source>(ref));
      }
      spec_.steps.push_back({RowStep::Kind::kFold, {}, node(i).op.code, {from}, {*values_[i]}});
    }
  }

  void add_elements(int stage) {
    std::vector<size_t> members;
    std::vector<std::pair<Ref, RowValue>> wanted;
    for (size_t i = 0; i < nodes_.size(); ++i) {
      if (is_full(i) || stage_[i] != stage) continue;
      if (node(i).fold == 0) members.push_back(i);
      if (values_[i] && node(i).fold == 0) wanted.emplace_back(nodes_[i].first, *values_[i]);
      if (const auto also = also_stored_.find(i); also != also_stored_.end()) wanted.emplace_back(nodes_[i].first, also->second);
    }
    if (!wanted.empty()) add_chain(RowStep::Kind::kElements, members, wanted);
  }

  std::string name() const {
    std::vector<std::pair<NodeId, const Node*>> nodes;
    for (const auto& [id, node] : nodes_) nodes.emplace_back(id, &node);
    return "rows:" + name_of(nodes);
  }

  PlanBuilder& builder_;
  std::span<const std::pair<NodeId, Node>> nodes_;
  std::unordered_map<NodeId, size_t> position_;
  std::vector<int> stage_;
  int last_ = 0;
  std::vector<std::optional<RowValue>> values_;
  std::map<size_t, RowValue> also_stored_, folded_sources_;
  std::vector<Source> operand_sources_;
  RowSpec spec_;
  BufferTable table_;
  std::vector<StorageId> outputs_;
};

}  // namespace

namespace {

// One step as a program of its own: what it reads and writes lies in memory.
class SingleStep {
 public:
  SingleStep(PlanBuilder& builder, const RowCluster::Built& built, std::span<const StorageId> pages, std::span<const StorageId> elements)
      : builder_(builder), built_(built), pages_(pages), elements_(elements), table_(builder.plan) {}

  std::optional<Step> emit(const RowStep& step) {
    spec_.name = built_.spec.name;
    spec_.rows = built_.spec.rows;
    spec_.n = built_.spec.n;
    RowStep alone = step;
    for (RowValue& value : alone.inputs) value = input(value);
    for (RowValue& value : alone.outputs) value = output(value);
    spec_.steps = {std::move(alone)};
    spec_.input_bytes = table_.bytes();
    if (!dnn::fits(spec_, builder_.chip)) return std::nullopt;
    RunStep run;
    run.slots = table_.storages();
    run.slots.insert(run.slots.end(), outputs_.begin(), outputs_.end());
    run.program = dnn::shared_program(dnn::fused_rows, spec_, builder_.chip);
    return Step{std::move(run)};
  }

 private:
  struct Place {
    StorageId storage;
    DataType type;
    bool per_row;
  };
  Place place(const RowValue& value) const {
    const RowSpec& whole = built_.spec;
    switch (value.kind) {
      case Kind::kPages: return {pages_[value.index], whole.pages[value.index], false};
      case Kind::kElements: return {elements_[value.index], whole.elements[value.index], true};
      default: break;
    }
    const dnn::Result& result = whole.results[value.index];
    return {built_.outputs[result.buffer], result.type, result.map.size() == whole.rows};
  }
  std::span<const int64_t> dims(bool per_row) const { return std::span(dims_).first(per_row ? 1 : 2); }

  RowValue input(const RowValue& value) {
    Source source = value.kind == Kind::kOperand ? built_.sources[value.index] : Source{};
    if (value.kind != Kind::kOperand) {
      const Place at = place(value);
      source = Source::dense(at.storage, at.type, dims(at.per_row));
    }
    spec_.operands.push_back(table_.operand(source));
    return {Kind::kOperand, spec_.operands.size() - 1};
  }
  RowValue output(const RowValue& value) {
    const Place at = place(value);
    spec_.results.push_back(dense_result(outputs_.size(), at.type, dims(at.per_row)));
    spec_.output_bytes.push_back(builder_.plan.storages[at.storage].bytes);
    outputs_.push_back(at.storage);
    return {Kind::kResult, spec_.results.size() - 1};
  }

  PlanBuilder& builder_;
  const RowCluster::Built& built_;
  std::span<const StorageId> pages_, elements_;
  BufferTable table_;
  RowSpec spec_;
  std::vector<StorageId> outputs_;
  std::array<int64_t, 2> dims_{built_.spec.rows, built_.spec.n};
};

}  // namespace

bool emit_rows(PlanBuilder& builder, std::span<const std::pair<NodeId, Node>> nodes, int64_t rows, int64_t length, Sequence& steps) {
  const RowCluster::Built built = RowCluster(builder, nodes, rows, length).build();
  if (dnn::fits(built.spec, builder.chip)) {
    RunStep run;
    run.slots = built.inputs;
    run.slots.insert(run.slots.end(), built.outputs.begin(), built.outputs.end());
    run.program = dnn::shared_program(dnn::fused_rows, built.spec, builder.chip);
    run.rows = std::make_shared<const RowSpec>(built.spec);
    steps.push_back({std::move(run)});
    return true;
  }
  if (built.spec.operands.size() + built.spec.results.size() > dnn::kMaxRowBuffers) return false;
  std::vector<StorageId> pages, elements;
  for (const DataType type : built.spec.pages) pages.push_back(builder.temporary(rows * length * size_of(type)));
  for (const DataType type : built.spec.elements) elements.push_back(builder.temporary(rows * size_of(type)));
  Sequence alone;
  for (const RowStep& step : built.spec.steps) {
    auto single = SingleStep(builder, built, pages, elements).emit(step);
    if (!single) return false;
    alone.push_back(*std::move(single));
  }
  steps.insert(steps.end(), alone.begin(), alone.end());
  return true;
}

}  // namespace tt::lowering
