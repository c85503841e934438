// Works on steps: moments = reduce(x); y = elementwise(x, moments) become the rounds of one program, which sends the moments to all cores.
// In a gradient a second reduction reads the moments, and the last step the results of both.
#include "lowering/norms.hpp"

#include <algorithm>
#include <map>
#include <optional>

#include "dnn/eltwise.hpp"
#include "dnn/program_cache.hpp"
#include "dnn/reduce.hpp"
#include "lowering/mentions.hpp"
#include "metal/device.hpp"

namespace tt::lowering {
namespace {

using dnn::AccessMap;
using dnn::Operand;
using dnn::ReduceRound;
using dnn::ReduceSpec;
using dnn::RoundResult;
using emulator::BufferType;

class Fusion {
 public:
  Fusion(const RunStep& first, const RunStep& second) : a_(first), b_(second), spec_(*first.reduction) {}

  // One program for both, unless they cannot be joined. `is_read`: whether others than the two read a storage.
  template <class IsRead>
  std::optional<RunStep> build(const emulator::ChipSpec& chip, const std::vector<StorageId>& near, const IsRead& is_read) {
    if (!agree()) return std::nullopt;
    keep_inputs();
    keep_results(is_read);
    if (!add_rounds() || !reads_earlier_) return std::nullopt;
    spec_.name = a_.program->name() + "," + b_.program->name();
    for (const StorageId storage : near) {
      if (std::find(slots_.begin(), slots_.end(), storage) != slots_.end() ||
          std::find(outputs_.begin(), outputs_.end(), storage) != outputs_.end()) {
        spec_.l1_use += emulator::l1_share(bytes_of(storage), chip);
      }
    }
    if (!dnn::fits(spec_, chip) || (is_long(chip) && !dnn::stays_in_l1(spec_, chip))) return std::nullopt;
    RunStep step;
    step.slots = slots_;
    step.slots.insert(step.slots.end(), outputs_.begin(), outputs_.end());
    step.program = dnn::shared_program(dnn::reduce, spec_, chip);
    step.in_place = in_place();
    spec_.l1_use = 0;
    step.reduction = std::make_shared<const ReduceSpec>(std::move(spec_));
    return step;
  }

 private:
  int64_t space() const { return spec_.outer * spec_.reduced * spec_.inner; }

  // So that starting a program is nothing beside its work: one for both gains only by what stays in L1, and estimates take their time.
  bool is_long(const emulator::ChipSpec& chip) const {
    constexpr auto kPagesPerCore = 256;
    return space() > kPagesPerCore * static_cast<int64_t>(emulator::kTileElements) * emulator::num_compute_cores(chip);
  }

  bool agree() const {
    if (!dnn::has_rounds(spec_.outer, spec_.reduced, spec_.inner, spec_.parts)) return false;
    if (const ReduceSpec* b = b_.reduction.get()) {
      return b->outer == spec_.outer && b->reduced == spec_.reduced && b->inner == spec_.inner && b->parts == spec_.parts;
    }
    const auto same_space = [&](const dnn::EltwisePart& part) {
      return part.elements == space() &&
             std::all_of(part.results.begin(), part.results.end(), [](const dnn::Result& result) { return result.indices.empty(); });
    };
    return std::all_of(b_.elementwise->parts.begin(), b_.elementwise->parts.end(), same_space);
  }

  int64_t bytes_of(StorageId storage) const {
    for (const RunStep* step : {&a_, &b_}) {
      const auto found = std::find(step->slots.begin(), step->slots.end(), storage);
      if (found != step->slots.end()) return step->program->slots()[static_cast<size_t>(found - step->slots.begin())].bytes;
    }
    return 0;
  }

  void keep_inputs() {
    slots_.assign(a_.slots.begin(), a_.slots.begin() + static_cast<std::ptrdiff_t>(a_.inputs()));
    for (ReduceRound& round : spec_.rounds) {
      round.operands_from.resize(round.operands.size());
      round.extras_from.resize(round.extras.size());
    }
  }

  // Results of the first step that others read stay in memory, the rest is for the second step alone.
  template <class IsRead>
  void keep_results(const IsRead& is_read) {
    spec_.output_bytes.clear();
    for (size_t r = 0; r < spec_.rounds.size(); ++r) {
      for (size_t i = 0; i < spec_.rounds[r].results.size(); ++i) {
        dnn::Result& result = spec_.rounds[r].results[i];
        if (result.buffer == dnn::kNoBuffer) continue;
        const StorageId storage = a_.slots[a_.inputs() + result.buffer];
        made_[storage] = {r, i};
        result.buffer = dnn::kNoBuffer;
        if (is_read(storage) || !mentions(b_, storage)) add_output(result, storage);
      }
    }
  }
  void add_output(dnn::Result& result, StorageId storage) {
    result.buffer = outputs_.size();
    outputs_.push_back(storage);
    spec_.output_bytes.push_back(bytes_of(storage));
  }

  bool add_rounds() {
    const size_t before = spec_.rounds.size();
    if (b_.reduction != nullptr) {
      for (ReduceRound round : b_.reduction->rounds) {
        for (auto* values : {&round.operands_from, &round.extras_from}) {
          for (std::optional<RoundResult>& value : *values) {
            if (value) value->round += before;
          }
        }
        if (!add_round(std::move(round))) return false;
      }
      return true;
    }
    for (const dnn::EltwisePart& part : b_.elementwise->parts) {
      if (!add_round({part.operands, b_.elementwise->chain, {}, {}, {}, part.results})) return false;
    }
    return true;
  }

  bool add_round(ReduceRound round) {
    round.operands_from.resize(round.operands.size());
    round.extras_from.resize(round.extras.size());
    for (size_t i = 0; i < round.operands.size(); ++i) {
      if (!round.operands_from[i] && !bind(round.operands[i], round.operands_from[i], /*extra=*/false)) return false;
    }
    for (size_t e = 0; e < round.extras.size(); ++e) {
      if (!round.extras_from[e] && !bind(round.extras[e], round.extras_from[e], /*extra=*/true)) return false;
    }
    for (dnn::Result& result : round.results) {
      if (result.buffer != dnn::kNoBuffer) add_output(result, b_.slots[b_.inputs() + result.buffer]);
    }
    spec_.rounds.push_back(std::move(round));
    return true;
  }

  // Whether a page of the operand needs what the core has of the earlier result: of one that is reduced every element where it belongs, of
  // an elementwise one the same page.
  bool reads_as_made(const Operand& operand, const RoundResult& made, bool extra) const {
    const ReduceRound& round = spec_.rounds[made.round];
    const dnn::Result& result = round.results[made.result];
    AccessMap expected;
    if (!round.reduces()) {
      expected.dims = {{space(), 1}};
      if (extra || result.map.coalesced() != expected) return false;
    } else if (extra) {
      expected.dims = {{spec_.outer * spec_.inner, 1}};
    } else {
      expected.dims = {{spec_.outer, spec_.inner}, {spec_.reduced, 0}, {spec_.inner, 1}};
    }
    return operand.indices.empty() && operand.type == result.type && operand.map.coalesced() == expected.coalesced();
  }

  // Finds the operand among the inputs of the whole, or among what earlier rounds have left.
  bool bind(Operand& operand, std::optional<RoundResult>& value, bool extra) {
    if (operand.buffer != dnn::kNoBuffer) {
      const StorageId storage = b_.slots[operand.buffer];
      if (const auto found = made_.find(storage); found != made_.end()) {
        value = found->second;
        operand.buffer = dnn::kNoBuffer;
        reads_earlier_ = true;
        return reads_as_made(operand, *value, extra);
      }
      if (writes(a_, storage)) return false;
      operand.buffer = buffer(storage);
    }
    for (dnn::DynamicIndex& index : operand.indices) {
      const StorageId storage = b_.slots[index.buffer];
      if (writes(a_, storage)) return false;
      index.buffer = buffer(storage);
    }
    return true;
  }
  size_t buffer(StorageId storage) {
    const auto found = std::find(slots_.begin(), slots_.end(), storage);
    if (found != slots_.end()) return static_cast<size_t>(found - slots_.begin());
    slots_.push_back(storage);
    spec_.input_bytes.push_back(bytes_of(storage));
    return slots_.size() - 1;
  }

  // Whether all rounds read the buffer page by page in order, and nothing else of it: each core then reads only what it writes itself.
  bool reads_in_order(size_t buffer) const {
    const auto in_order = [&](const Operand& operand) {
      const bool by_index =
          std::any_of(operand.indices.begin(), operand.indices.end(), [&](const auto& index) { return index.buffer == buffer; });
      const bool plain = operand.map.offset == 0 && operand.indices.empty() && operand.map.is_contiguous() && operand.map.size() == space();
      return !by_index && (operand.buffer != buffer || plain);
    };
    return std::all_of(spec_.rounds.begin(), spec_.rounds.end(), [&](const ReduceRound& round) {
      return std::all_of(round.operands.begin(), round.operands.end(), in_order) &&
             std::none_of(round.extras.begin(), round.extras.end(), [&](const Operand& extra) { return extra.buffer == buffer; });
    });
  }

  // What the second step may overwrite it may overwrite still; what the first one may, unless the second reads it.
  std::vector<std::pair<uint16_t, uint16_t>> in_place() const {
    std::vector<std::pair<uint16_t, uint16_t>> slots;
    const auto place = [](const std::vector<StorageId>& list, StorageId storage) {
      return static_cast<size_t>(std::find(list.begin(), list.end(), storage) - list.begin());
    };
    for (const RunStep* step : {&a_, &b_}) {
      for (const auto& [input, output] : step->in_place) {
        const size_t from = place(slots_, step->slots[input]), to = place(outputs_, step->slots[output]);
        if (from == slots_.size() || to == outputs_.size() || !reads_in_order(from)) continue;
        if (step == &a_ && mentions(b_, a_.slots[input])) continue;
        slots.emplace_back(from, slots_.size() + to);
      }
    }
    return slots;
  }

  const RunStep &a_, &b_;
  ReduceSpec spec_;
  std::map<StorageId, RoundResult> made_;  // by the first step
  std::vector<StorageId> slots_, outputs_;
  bool reads_earlier_ = false;
};

class Pass {
 public:
  Pass(const Plan& plan, const emulator::ChipSpec& chip, bool temporaries_in_l1)
      : plan_(plan), chip_(chip), temporaries_in_l1_(temporaries_in_l1), mentions_(plan) {}

  void run(Sequence& steps) {
    fuse_steps(steps, [&](Sequence& all, size_t at, std::vector<bool>& gone, Writers& writers) {
      const auto& step = std::get<RunStep>(all[at].action);
      if (step.reduction != nullptr || step.elementwise != nullptr) fuse(all, at, gone, writers);
    });
  }

 private:
  // Makes one program of the step and reductions that it reads, as long as there is one with which that is faster.
  void fuse(Sequence& steps, size_t at, std::vector<bool>& gone, Writers& writers) {
    const auto step = [&](size_t i) -> RunStep& { return std::get<RunStep>(steps[i].action); };
    for (bool joined = true; joined;) {
      joined = false;
      for (const size_t first : writers.before(step(at))) {
        if (first == at || step(first).reduction == nullptr) continue;
        const bool here = can_move(steps, first, at, gone);
        if (!here && !can_move(steps, at, first, gone)) continue;
        std::optional<RunStep> whole = join(step(first), step(at));
        if (!whole) continue;
        mentions_.replace(step(first), step(at), *whole);
        const size_t place = here ? at : first;
        gone[here ? first : at] = true;
        step(place) = *std::move(whole);
        writers.note(step(place), place);
        at = place;
        joined = true;
        break;
      }
    }
  }

  std::optional<RunStep> join(const RunStep& first, const RunStep& second) {
    const auto is_read = [&](StorageId storage) {
      const int64_t by_both =
          std::count(first.slots.begin(), first.slots.end(), storage) + std::count(second.slots.begin(), second.slots.end(), storage);
      return !plan_.storages[storage].is_internal() || mentions_(storage) > by_both;
    };
    const std::vector<StorageId> near = likely_in_l1(first, second);
    std::optional<RunStep> whole = Fusion(first, second).build(chip_, near, is_read);
    return whole && pays(first, second, *whole, near) ? std::move(whole) : std::nullopt;
  }

  // Temporaries for which there is room beside both programs as they are.
  std::vector<StorageId> likely_in_l1(const RunStep& first, const RunStep& second) const {
    std::vector<StorageId> near;
    int64_t room = chip_.l1_usable - std::max(first.program->l1_bytes(), second.program->l1_bytes());
    for (const RunStep* step : {&first, &second}) {
      for (const StorageId storage : step->slots) {
        const Storage& memory = plan_.storages[storage];
        const int64_t share = emulator::l1_share(memory.bytes, chip_);
        if (!temporaries_in_l1_ || !memory.is_internal() || share > room) continue;
        if (std::find(near.begin(), near.end(), storage) != near.end()) continue;
        near.push_back(storage);
        room -= share;
      }
    }
    return near;
  }

  bool pays(const RunStep& first, const RunStep& second, const RunStep& whole, const std::vector<StorageId>& near) {
    return cycles(whole, near) <= cycles(first, near) + cycles(second, near);
  }

  uint64_t cycles(const RunStep& step, const std::vector<StorageId>& near) {
    std::vector<BufferType> placement;
    std::string key = step.program->text();
    for (const StorageId storage : step.slots) {
      const bool is_near = std::find(near.begin(), near.end(), storage) != near.end();
      placement.push_back(is_near ? BufferType::kL1 : BufferType::kDram);
      key += is_near ? '1' : '0';
    }
    const auto [found, is_new] = cycles_.try_emplace(std::move(key));
    if (is_new) found->second = metal::estimate(*step.program, chip_, placement).cycles;
    return found->second;
  }

  const Plan& plan_;
  const emulator::ChipSpec& chip_;
  bool temporaries_in_l1_;
  Mentions mentions_;
  std::map<std::string, uint64_t> cycles_;  // of a program, by its listing and where its slots lie
};

}  // namespace

void fuse_norms(Plan& plan, const emulator::ChipSpec& chip, bool temporaries_in_l1) { Pass(plan, chip, temporaries_in_l1).run(plan.steps); }

}  // namespace tt::lowering
