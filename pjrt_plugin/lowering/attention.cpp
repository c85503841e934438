// Works on steps, which say exactly who reads and writes which storage: scores = a x b; weights = rows of scores; result = weights x
// values, or its transpose = values x weights. What the rows leave for others too (for a gradient: the weights) is written as well.
#include "lowering/attention.hpp"

#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <utility>

#include "dnn/attention.hpp"
#include "dnn/chain_builder.hpp"
#include "dnn/matmul.hpp"
#include "dnn/matmul_view.hpp"
#include "dnn/program_cache.hpp"
#include "emulator/fpu.hpp"
#include "lowering/mentions.hpp"
#include "metal/device.hpp"

namespace tt::lowering {
namespace {

using dnn::AccessMap;
using dnn::Operand;

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

using Verdicts = std::map<std::string, bool>;  // whether a program is faster than its parts, by its listing

StorageId output(const RunStep& step, size_t result) { return step.slots[step.inputs() + result]; }

class Fusion {
 public:
  // `is_read`: whether others than these three steps read a storage.
  template <class IsRead>
  Fusion(const RunStep& scores, const RunStep& rows, const RunStep& last, const IsRead& is_read)
      : scores_(scores), rows_(rows), last_(last), a_(*scores.product), r_(*rows.rows), b_(*last.product) {
    for (size_t i = 0; i < r_.results.size(); ++i) kept_.push_back(is_read(output(rows, r_.results[i].buffer)));
  }

  // Nothing where the parts cannot be joined, or where they take less time apart.
  // `between_in_l1`: what lies between the parts would be in L1 where it fits.
  std::optional<RunStep> build(const emulator::ChipSpec& chip, bool between_in_l1, Verdicts& verdicts) {
    if (!agree() || !bind_scores() || !bind_rows() || !bind_values() || !bind_results()) return std::nullopt;
    spec_.name = "attention:" + a_.name + "," + r_.name;
    if (!dnn::fits(spec_, chip)) return std::nullopt;
    RunStep step;
    step.program = dnn::shared_program(dnn::attention, spec_, chip);
    step.slots = std::move(slots_);
    step.slots.insert(step.slots.end(), outputs_.begin(), outputs_.end());
    const std::vector<StorageId> near = between_in_l1 ? between_that_fits(chip) : std::vector<StorageId>();
    return pays(*step.program, near, chip, verdicts) ? std::optional(std::move(step)) : std::nullopt;
  }

 private:
  // The values that nobody else reads and for which there is room in L1 beside the parts: the scores first.
  std::vector<StorageId> between_that_fits(const emulator::ChipSpec& chip) const {
    std::vector<StorageId> scores(scores_.slots.begin() + static_cast<std::ptrdiff_t>(scores_.inputs()), scores_.slots.end()), weights;
    int64_t scores_share = 0, weights_share = 0;
    for (const dnn::Result& result : a_.results) scores_share += emulator::l1_share(a_.output_bytes[result.buffer], chip);
    for (size_t i = 0; i < r_.results.size(); ++i) {
      if (kept_[i]) continue;
      weights.push_back(output(rows_, r_.results[i].buffer));
      weights_share += emulator::l1_share(r_.output_bytes[r_.results[i].buffer], chip);
    }
    const auto room = [&](const RunStep& step) { return chip.l1_usable - step.program->l1_bytes(); };
    if (scores_share > std::min(room(scores_), room(rows_))) {
      scores.clear();
      scores_share = 0;
    }
    if (weights_share <= std::min(room(last_), room(rows_) - scores_share)) scores.insert(scores.end(), weights.begin(), weights.end());
    return scores;
  }

  bool pays(const metal::Program& whole, const std::vector<StorageId>& near, const emulator::ChipSpec& chip, Verdicts& verdicts) const {
    const auto [verdict, is_new] = verdicts.try_emplace(whole.text());
    if (!is_new) return verdict->second;
    uint64_t apart = 0;
    for (const RunStep* step : {&scores_, &rows_, &last_}) {
      std::vector<emulator::BufferType> placement;
      for (const StorageId storage : step->slots) {
        const bool is_near = std::find(near.begin(), near.end(), storage) != near.end();
        placement.push_back(is_near ? emulator::BufferType::kL1 : emulator::BufferType::kDram);
      }
      apart += metal::estimate(*step->program, chip, placement).cycles;
    }
    return verdict->second = metal::estimate(whole, chip).cycles <= apart;
  }

  bool agree() {
    spec_.batch = a_.batch;
    spec_.m = a_.m;
    spec_.k = a_.k;
    spec_.n = a_.n;
    spec_.scores_type = a_.compute_type;
    spec_.last_type = b_.compute_type;
    spec_.scores = a_.epilogue;
    spec_.last = b_.epilogue;
    if (b_.epilogue.outputs.empty()) {
      spec_.last = dnn::conversion(emulator::matmul_accumulator_type(b_.compute_type), b_.results[0].type);
    }
    const bool plain = !a_.b_in_tiles && !b_.b_in_tiles && a_.epilogue.outputs.size() == a_.results.size() && b_.results.size() == 1 &&
                       b_.results[0].indices.empty() &&
                       std::all_of(a_.results.begin(), a_.results.end(), [](const auto& result) { return result.map.is_contiguous(); });
    return plain && r_.rows == a_.batch * a_.m && r_.n == a_.n && a_.batch == b_.batch;
  }

  // Whether a step reads by the operand what one before it makes: that is not in memory while the program runs.
  bool reads_made(const RunStep& step, const Operand& operand) const {
    const auto is_made = [&](size_t buffer) { return writes(scores_, step.slots[buffer]) || writes(rows_, step.slots[buffer]); };
    return (operand.buffer != dnn::kNoBuffer && is_made(operand.buffer)) ||
           std::any_of(operand.indices.begin(), operand.indices.end(), [&](const auto& index) { return is_made(index.buffer); });
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

  bool bind_scores() {
    spec_.queries = bound(a_.a, scores_);
    spec_.keys = bound(a_.b, scores_);
    for (const Operand& extra : a_.extras) spec_.score_extras.push_back(bound(extra, scores_));
    return true;
  }

  // Scores become the first operands of the rows, in their order.
  bool bind_rows() {
    const auto scores_begin = scores_.slots.begin() + static_cast<std::ptrdiff_t>(scores_.inputs());
    std::vector<size_t> order(a_.results.size(), r_.operands.size());  // which operand of the rows comes at each place
    std::vector<size_t> others;
    for (size_t i = 0; i < r_.operands.size(); ++i) {
      const Operand& operand = r_.operands[i];
      const auto found = operand.buffer == dnn::kNoBuffer ? scores_.slots.end()
                                                          : std::find(scores_begin, scores_.slots.end(), rows_.slots[operand.buffer]);
      if (found == scores_.slots.end()) {
        if (reads_made(rows_, operand)) return false;
        others.push_back(i);
        continue;
      }
      size_t& at = order[static_cast<size_t>(found - scores_begin)];
      if (at != r_.operands.size() || !is_plain(operand) || operand.map.size() != r_.rows * r_.n) return false;
      at = i;
    }
    if (std::find(order.begin(), order.end(), r_.operands.size()) != order.end()) return false;
    order.insert(order.end(), others.begin(), others.end());
    spec_.rows = r_;
    std::vector<size_t> place(order.size());
    for (size_t i = 0; i < order.size(); ++i) {
      place[order[i]] = i;
      spec_.rows.operands[i] = r_.operands[order[i]];
      if (i >= a_.results.size()) spec_.rows.operands[i] = bound(spec_.rows.operands[i], rows_);
      if (i < a_.results.size()) spec_.rows.operands[i].buffer = dnn::kNoBuffer;
    }
    for (dnn::RowStep& step : spec_.rows.steps) {
      for (dnn::RowValue& value : step.inputs) {
        if (value.kind == dnn::RowValue::Kind::kOperand) value.index = place[value.index];
      }
    }
    return true;
  }

  // Which result of the rows an operand of the last product is, if any.
  std::optional<size_t> weights(const Operand& operand) const {
    if (operand.buffer == dnn::kNoBuffer) return std::nullopt;
    for (size_t i = 0; i < r_.results.size(); ++i) {
      const dnn::Result& result = r_.results[i];
      const bool is_full = result.map.is_contiguous() && result.map.size() == r_.rows * r_.n;
      if (is_full && last_.slots[operand.buffer] == output(rows_, result.buffer)) return i;
    }
    return std::nullopt;
  }

  bool bind_values() {
    spec_.result = b_.results[0];
    spec_.last_extras = b_.extras;
    const auto left = weights(b_.a), right = weights(b_.b);
    if (left.has_value() == right.has_value()) return false;
    spec_.weights = left ? *left : *right;
    spec_.v = left ? b_.n : b_.m;
    spec_.values = left ? b_.b : b_.a;
    if (b_.k != a_.n || (left ? b_.m : b_.n) != a_.m) return false;
    if (right && !transpose_last()) return false;
    if (left && !is_plain(b_.a)) return false;
    const auto is_made = [&](const Operand& operand) { return reads_made(last_, operand); };
    if (is_made(spec_.values) || std::any_of(b_.extras.begin(), b_.extras.end(), is_made)) return false;
    spec_.values = bound(spec_.values, last_);
    for (Operand& extra : spec_.last_extras) extra = bound(extra, last_);
    return true;
  }

  // values x weights, read and written the other way round.
  bool transpose_last() {
    const auto side = transposed(b_.b.map, {b_.batch, b_.k, b_.n}), values = transposed(b_.a.map, {b_.batch, b_.m, b_.k}),
               result = transposed(b_.results[0].map, {b_.batch, b_.m, b_.n});
    if (!side || !values || !result || !is_plain(b_.b, *side)) return false;
    spec_.values.map = *values;
    spec_.result.map = *result;
    for (Operand& extra : spec_.last_extras) {
      const auto map = transposed(extra.map, {b_.batch, b_.m, b_.n});
      if (!map) return false;
      extra.map = *map;
    }
    return true;
  }

  // Those of the rows that others read, then that of the last product.
  bool bind_results() {
    for (size_t i = 0; i < r_.results.size(); ++i) {
      dnn::Result& result = spec_.rows.results[i];
      if (i != spec_.weights && !kept_[i]) return false;  // nobody reads it: the program was not made for this
      const size_t buffer = std::exchange(result.buffer, kept_[i] ? outputs_.size() : dnn::kNoBuffer);
      if (kept_[i]) add_output(output(rows_, buffer), r_.output_bytes[buffer]);
    }
    spec_.result.buffer = outputs_.size();
    add_output(output(last_, 0), b_.output_bytes[0]);
    spec_.rows.input_bytes = spec_.input_bytes;  // its slots are those of the whole
    return true;
  }
  void add_output(StorageId storage, int64_t bytes) {
    outputs_.push_back(storage);
    spec_.output_bytes.push_back(bytes);
  }

  const RunStep &scores_, &rows_, &last_;
  const dnn::MatmulSpec& a_;
  const dnn::RowSpec& r_;
  const dnn::MatmulSpec& b_;
  std::vector<bool> kept_;  // results of the rows
  dnn::AttentionSpec spec_{};
  std::vector<StorageId> slots_, outputs_;
};

class Pass {
 public:
  Pass(const Plan& plan, const emulator::ChipSpec& chip, bool between_in_l1)
      : plan_(plan), chip_(chip), between_in_l1_(between_in_l1), mentions_(plan) {}

  void run(Sequence& steps) {
    fuse_steps(steps, [&](Sequence& all, size_t at, std::vector<bool>& gone, Writers& writers) {
      const auto& step = std::get<RunStep>(all[at].action);
      if (step.product != nullptr) fuse(all, at, gone, writers);
    });
  }

 private:
  // Makes one program of the product at `at`, the program over rows that it reads, and the product that this one reads.
  void fuse(Sequence& steps, size_t at, std::vector<bool>& gone, Writers& writers) {
    const auto step = [&](size_t i) -> RunStep& { return std::get<RunStep>(steps[i].action); };
    for (const size_t rows : writers.before(step(at))) {
      if (step(rows).rows == nullptr) continue;
      for (const size_t scores : writers.before(step(rows))) {
        if (scores > rows || step(scores).product == nullptr || !all_between(step(scores))) continue;
        const auto place = meeting_place(steps, scores, rows, at, gone);
        if (!place) continue;
        const auto is_read = [&](StorageId storage) { return !is_between(storage) || !reads(step(at), storage); };
        auto whole = Fusion(step(scores), step(rows), step(at), is_read).build(chip_, between_in_l1_, verdicts_);
        if (!whole) continue;
        gone[scores] = gone[rows] = gone[at] = true;
        gone[*place] = false;
        step(*place) = *std::move(whole);
        return writers.note(step(*place), *place);
      }
    }
  }

  static bool reads(const RunStep& run, StorageId storage) {
    return std::find(run.slots.begin(), run.slots.begin() + static_cast<std::ptrdiff_t>(run.inputs()), storage) !=
           run.slots.begin() + static_cast<std::ptrdiff_t>(run.inputs());
  }

  // Whether only one step writes the storage, and only one reads it.
  bool is_between(StorageId storage) const { return plan_.storages[storage].is_internal() && mentions_.only_between(storage); }

  bool all_between(const RunStep& run) const {
    return std::all_of(run.slots.begin() + static_cast<std::ptrdiff_t>(run.inputs()), run.slots.end(),
                       [&](StorageId storage) { return is_between(storage); });
  }

  // Where the three can run together: at the last, or where the rows are made.
  static std::optional<size_t> meeting_place(const Sequence& steps, size_t scores, size_t rows, size_t last,
                                             const std::vector<bool>& gone) {
    if (can_move(steps, rows, last, gone) && can_move(steps, scores, last, gone, rows)) return last;
    if (can_move(steps, last, rows, gone) && can_move(steps, scores, rows, gone)) return rows;
    return std::nullopt;
  }

  const Plan& plan_;
  const emulator::ChipSpec& chip_;
  bool between_in_l1_;
  Mentions mentions_;
  Verdicts verdicts_;
};

}  // namespace

void fuse_attention(Plan& plan, const emulator::ChipSpec& chip, bool between_in_l1) { Pass(plan, chip, between_in_l1).run(plan.steps); }

}  // namespace tt::lowering
