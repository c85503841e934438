// Works on steps, which say exactly who reads and writes which storage: scores = a x b; weights = rows of scores; result = weights x
// values, or its transpose = values x weights.
#include "lowering/attention.hpp"

#include <algorithm>
#include <array>
#include <map>
#include <optional>

#include "dnn/attention.hpp"
#include "dnn/matmul.hpp"
#include "dnn/matmul_view.hpp"

namespace tt::lowering {
namespace {

using dnn::AccessMap;
using dnn::Operand;

// How often the steps name each storage.
class Mentions {
 public:
  explicit Mentions(const Plan& plan) {
    visit(plan.steps);
    for (const StorageId storage : plan.parameters) ++count_[storage];
    for (const StorageId storage : plan.results) ++count_[storage];
  }
  int64_t operator()(StorageId storage) const {
    const auto found = count_.find(storage);
    return found == count_.end() ? 0 : found->second;
  }

 private:
  void visit(const Sequence& steps) {
    for (const Step& step : steps) {
      if (const auto* run = std::get_if<RunStep>(&step.action)) {
        for (const StorageId storage : run->slots) ++count_[storage];
      } else if (const auto* loop = std::get_if<WhileStep>(&step.action)) {
        ++count_[loop->predicate];
        for (const auto& [argument, next] : loop->carried) {
          ++count_[argument];
          ++count_[next];
        }
        visit(*loop->condition);
        visit(*loop->body);
      } else {
        const auto& branches = std::get<CaseStep>(step.action);
        ++count_[branches.selector];
        for (const auto& branch : branches.branches) visit(*branch);
      }
    }
  }
  std::map<StorageId, int64_t> count_;
};

// The map over [d0, d2, d1] of one over [d0, d1, d2].
std::optional<AccessMap> transposed(const AccessMap& map, const std::array<int64_t, 3>& dims) {
  auto split = dnn::split_dims(map, dims);
  if (!split) return std::nullopt;
  AccessMap out;
  out.offset = map.offset;
  for (const size_t group : {0, 2, 1}) {
    int64_t size = 1;
    for (const AccessMap::Dim& dim : (*split)[group]) size *= dim.size;
    if (size != dims[group]) out.dims.push_back({dims[group] / size, 0});
    out.dims.insert(out.dims.end(), (*split)[group].begin(), (*split)[group].end());
  }
  return out;
}

bool is_plain(const Operand& operand, const AccessMap& map) { return operand.indices.empty() && map.offset == 0 && map.is_contiguous(); }
bool is_plain(const Operand& operand) { return is_plain(operand, operand.map); }

bool only_converts(const dnn::TileProgram& epilogue) {
  return epilogue.ops.empty() || (epilogue.ops.size() == 1 && epilogue.ops[0].code == emulator::TileOpcode::kConvert);
}

class Fusion {
 public:
  Fusion(const RunStep& scores, const RunStep& rows, const RunStep& last)
      : scores_(scores), rows_(rows), last_(last), a_(*scores.product), r_(*rows.rows), b_(*last.product) {}

  std::optional<RunStep> build(const emulator::ChipSpec& chip) {
    if (!agree() || !bind_rows() || !bind_values()) return std::nullopt;
    spec_.queries = bound(a_.a, scores_);
    spec_.keys = bound(a_.b, scores_);
    for (const Operand& extra : a_.extras) spec_.extras.push_back(bound(extra, scores_));
    spec_.name = "attention:" + a_.name + "," + r_.name;
    if (!dnn::fits(spec_, chip)) return std::nullopt;
    spec_.output_bytes = b_.output_bytes;
    RunStep step;
    step.program = std::make_shared<const metal::Program>(dnn::attention(spec_, chip));
    step.slots = std::move(slots_);
    step.slots.push_back(last_.slots.back());
    return step;
  }

 private:
  bool agree() {
    spec_.batch = a_.batch;
    spec_.m = a_.m;
    spec_.k = a_.k;
    spec_.n = a_.n;
    spec_.compute_type = a_.compute_type;
    spec_.scores = a_.epilogue;
    const bool plain = !a_.b_in_tiles && !b_.b_in_tiles && b_.extras.empty() && only_converts(b_.epilogue) &&
                       a_.epilogue.outputs.size() == 1 && a_.results.size() == 1 && b_.results.size() == 1 && r_.results.size() == 1;
    return plain && a_.results[0].map.is_contiguous() && b_.results[0].indices.empty() && r_.results[0].map.is_contiguous() &&
           r_.rows == a_.batch * a_.m && r_.n == a_.n && a_.compute_type == b_.compute_type && a_.batch == b_.batch;
  }

  // The operand with its buffers among those of the whole.
  Operand bound(Operand operand, const RunStep& from) {
    if (operand.buffer != dnn::kNoBuffer) operand.buffer = buffer(from.slots[operand.buffer], from, operand.buffer);
    for (dnn::DynamicIndex& index : operand.indices) index.buffer = buffer(from.slots[index.buffer], from, index.buffer);
    return operand;
  }
  size_t buffer(StorageId storage, const RunStep& from, size_t slot) {
    const auto found = std::find(slots_.begin(), slots_.end(), storage);
    if (found != slots_.end()) return static_cast<size_t>(found - slots_.begin());
    slots_.push_back(storage);
    spec_.input_bytes.push_back(from.program->slots()[slot].bytes);
    return slots_.size() - 1;
  }

  // Scores become the first operand of the rows.
  bool bind_rows() {
    const StorageId scores = scores_.slots.back();
    spec_.rows = r_;
    std::optional<size_t> at;
    for (size_t i = 0; i < r_.operands.size(); ++i) {
      const Operand& operand = r_.operands[i];
      const bool is_scores = operand.buffer != dnn::kNoBuffer && rows_.slots[operand.buffer] == scores;
      if (is_scores && (at || !is_plain(operand) || operand.map.size() != r_.rows * r_.n)) return false;
      if (is_scores) at = i;
    }
    if (!at) return false;
    auto& operands = spec_.rows.operands;
    for (size_t i = 0; i < operands.size(); ++i) {
      if (i != *at) operands[i] = bound(operands[i], rows_);
    }
    operands[*at].buffer = dnn::kNoBuffer;
    std::swap(operands[0], operands[*at]);
    for (dnn::RowStep& step : spec_.rows.steps) {
      for (dnn::RowValue& value : step.inputs) {
        if (value.kind != dnn::RowValue::Kind::kOperand) continue;
        value.index = value.index == 0 ? *at : value.index == *at ? 0 : value.index;
      }
    }
    return true;
  }

  bool bind_values() {
    const StorageId weights = rows_.slots.back();
    const auto is_weights = [&](const Operand& operand) {
      return operand.buffer != dnn::kNoBuffer && last_.slots[operand.buffer] == weights;
    };
    spec_.result = b_.results[0];
    if (is_weights(b_.a)) {
      spec_.v = b_.n;
      spec_.values = b_.b;
      if (b_.m != a_.m || b_.k != a_.n || !is_plain(b_.a) || is_weights(b_.b)) return false;
    } else {
      const auto side = transposed(b_.b.map, {b_.batch, b_.k, b_.n}), values = transposed(b_.a.map, {b_.batch, b_.m, b_.k}),
                 result = transposed(b_.results[0].map, {b_.batch, b_.m, b_.n});
      spec_.v = b_.m;
      spec_.values = b_.a;
      if (b_.n != a_.m || b_.k != a_.n || !side || !values || !result || !is_plain(b_.b, *side)) return false;
      spec_.values.map = *values;
      spec_.result.map = *result;
    }
    spec_.values = bound(spec_.values, last_);
    return true;
  }

  const RunStep &scores_, &rows_, &last_;
  const dnn::MatmulSpec& a_;
  const dnn::RowSpec& r_;
  const dnn::MatmulSpec& b_;
  dnn::AttentionSpec spec_{};
  std::vector<StorageId> slots_;
};

class Pass {
 public:
  Pass(const Plan& plan, const emulator::ChipSpec& chip) : plan_(plan), chip_(chip), mentions_(plan) {}

  void run(Sequence& steps) {
    std::vector<bool> gone(steps.size(), false);
    for (size_t i = 0; i < steps.size(); ++i) {
      if (const auto* loop = std::get_if<WhileStep>(&steps[i].action)) {
        run(*loop->body);
        continue;
      }
      if (const auto* branches = std::get_if<CaseStep>(&steps[i].action)) {
        for (const auto& branch : branches->branches) run(*branch);
        continue;
      }
      auto& last = std::get<RunStep>(steps[i].action);
      if (last.product == nullptr) continue;
      const auto [rows, scores] = before(steps, i, gone);
      if (!rows || !scores) continue;
      auto whole = Fusion(std::get<RunStep>(steps[*scores].action), std::get<RunStep>(steps[*rows].action), last).build(chip_);
      if (!whole) continue;
      last = *std::move(whole);
      gone[*rows] = gone[*scores] = true;
    }
    size_t kept = 0;
    for (size_t i = 0; i < steps.size(); ++i) {
      if (!gone[i] && kept++ != i) steps[kept - 1] = std::move(steps[i]);
    }
    steps.resize(kept);
  }

 private:
  using Index = std::optional<size_t>;

  // The program over rows that a product reads, and the product that this one reads, when both can wait until then.
  std::pair<Index, Index> before(const Sequence& steps, size_t at, const std::vector<bool>& gone) const {
    const auto rows = writer(steps, at, gone, [](const RunStep& run) { return run.rows != nullptr; });
    if (!rows) return {};
    const auto scores = writer(steps, *rows, gone, [](const RunStep& run) { return run.product != nullptr; });
    if (!scores || !can_wait(steps, *scores, at) || !can_wait(steps, *rows, at)) return {};
    return {rows, scores};
  }

  // The step of the kind that writes what only step `reader` reads.
  template <class Kind>
  Index writer(const Sequence& steps, size_t reader, const std::vector<bool>& gone, const Kind& kind) const {
    const auto& slots = std::get<RunStep>(steps[reader].action).slots;
    for (size_t i = reader; i-- > 0;) {
      const auto* run = std::get_if<RunStep>(&steps[i].action);
      if (run == nullptr || gone[i] || !kind(*run)) continue;
      const StorageId written = run->slots.back();
      const bool between = plan_.storages[written].kind == Storage::Kind::kTemporary && mentions_(written) == 2;
      if (between && std::find(slots.begin(), slots.end() - 1, written) != slots.end() - 1) return i;
    }
    return std::nullopt;
  }

  // Whether nobody overwrites on the way what the step reads.
  static bool can_wait(const Sequence& steps, size_t from, size_t to) {
    const auto& reads = std::get<RunStep>(steps[from].action).slots;
    for (size_t i = from + 1; i < to; ++i) {
      const auto* run = std::get_if<RunStep>(&steps[i].action);
      if (run == nullptr) return false;
      for (size_t slot = 0; slot < run->slots.size(); ++slot) {
        const bool written = run->program->slots()[slot].is_output;
        if (written && std::find(reads.begin(), reads.end() - 1, run->slots[slot]) != reads.end() - 1) return false;
      }
    }
    return true;
  }

  const Plan& plan_;
  const emulator::ChipSpec& chip_;
  Mentions mentions_;
};

}  // namespace

void fuse_attention(Plan& plan, const emulator::ChipSpec& chip) { Pass(plan, chip).run(plan.steps); }

}  // namespace tt::lowering
