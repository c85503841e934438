// In-place aliasing by last use, and placement of temporaries by lifetime. One walk over the steps each.
#include "lowering/memory.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <unordered_map>

#include "lowering/accesses.hpp"
#include "lowering/placement.hpp"

namespace tt::lowering {
namespace {

using Position = int64_t;
constexpr Position kNever = std::numeric_limits<Position>::max();

struct LoopExtent {
  Position begin, end;
};

// What one storage sees of the program's linear order.
struct Life {
  Position first = kNever, last = -1;
  bool swapped = false;  // exchanged with another at the end of an iteration
  bool carried = false;  // by the loop that is being planned
  bool taken = false;    // it has taken over another's memory
};

// The loop whose body is being planned: what becomes of its arguments.
struct LoopContext {
  std::unordered_map<StorageId, StorageId> next;
  Accesses accesses;
};

class MemoryPlan {
 public:
  MemoryPlan(Plan& plan, std::span<const uint8_t> donated, const emulator::ChipSpec& chip)
      : plan_(plan), donated_(donated), chip_(chip), lives_(plan.storages.size()), parent_(plan.storages.size()) {
    std::iota(parent_.begin(), parent_.end(), 0);
    group_ = parent_;
  }

  void run(bool use_l1) {
    plan_.donors.assign(plan_.results.size(), -1);
    Position at = 0;
    for (StorageId parameter : plan_.parameters) mention(parameter, at);
    measure(plan_.steps, ++at);
    visits_.resize(static_cast<size_t>(at) + 1);
    for (StorageId result : plan_.results) mention(result, kNever - 1);
    at = 1;
    alias(plan_.steps, at, nullptr);
    rename(plan_.steps);
    for (StorageId& result : plan_.results) result = find(result);
    join_exchanged();
    if (use_l1) choose_l1();
    place();
    drop_noops(plan_.steps);
  }

 private:
  static StorageId root(std::vector<StorageId>& parent, StorageId id) {
    while (parent[id] != id) id = parent[id] = parent[parent[id]];
    return id;
  }
  StorageId find(StorageId id) { return root(parent_, id); }   // whose memory it has
  StorageId leader(StorageId id) { return root(group_, id); }  // of those that exchange their memory

  void mention(StorageId id, Position at) {
    Life& life = lives_[id];
    life.first = std::min(life.first, at);
    life.last = std::max(life.last, at);
  }

  void mention_state(const WhileStep& loop, Position at) {
    for (const auto& [argument, next] : loop.carried) {
      mention(argument, at);
      mention(next, at);
    }
    for (const Counter& counter : loop.counters) mention(counter.storage, at);
  }

  void measure(Sequence& steps, Position& at) {
    for (Step& step : steps) {
      if (auto* run = std::get_if<RunStep>(&step.action)) {
        for (StorageId slot : run->slots) read(slot, at);
        visits_.resize(static_cast<size_t>(at));
        visits_.push_back({run, loops_.size()});
        ++at;
      } else if (const auto* loop = std::get_if<WhileStep>(&step.action)) {
        mention_state(*loop, at);
        loops_.push_back({at, kNever});
        const size_t depth = loops_.size();
        outer_.emplace_back();
        ++at;
        measure(*loop->condition, at);
        read(loop->predicate, at);
        measure(*loop->body, at);
        const std::vector<StorageId> outer = std::move(outer_.back());
        outer_.pop_back();
        loops_.resize(depth - 1);
        // What the loop found in place must survive every iteration.
        for (StorageId id : outer) read(id, at);
        mention_state(*loop, at);
        ++at;
      } else {
        const auto& branch_step = std::get<CaseStep>(step.action);
        read(branch_step.selector, at);
        ++at;
        for (const auto& branch : branch_step.branches) measure(*branch, at);
      }
    }
  }

  void read(StorageId id, Position at) {
    mention(id, at);
    if (!loops_.empty() && lives_[id].first <= loops_.back().begin) outer_.back().push_back(id);
  }

  // May `out`, first written by the step at `at`, take over the memory of `in`?
  bool may_merge(StorageId in, StorageId out, Position at, const LoopContext* loop) {
    const Storage& from = plan_.storages[in];
    const Storage& to = plan_.storages[out];
    if (in == out || from.bytes != to.bytes || from.bytes == 0 || from.memory != to.memory) return false;
    if (lives_[out].taken) return false;
    if (loop != nullptr && lives_[out].carried && loop->accesses.reads_after_write(in, out)) return false;
    if (loop != nullptr && loop->next.contains(in) && loop->next.at(in) == out) return true;
    if (lives_[in].carried || lives_[in].last != at) return false;
    if (lives_[out].first < at && !lives_[out].carried) return false;
    if (from.kind == Storage::Kind::kParameter) {
      return loop == nullptr && to.kind == Storage::Kind::kResult && donated_[from.index] && plan_.donors[to.index] < 0;
    }
    if (from.kind != Storage::Kind::kTemporary) return false;
    if (to.kind == Storage::Kind::kResult) return !lives_[in].swapped;
    return to.kind == Storage::Kind::kTemporary && !lives_[in].swapped;
  }

  void merge(StorageId in, StorageId out) {
    const Storage from = plan_.storages[in];
    parent_[in] = out;
    lives_[out].taken = true;
    lives_[out].first = std::min(lives_[out].first, lives_[in].first);
    lives_[out].last = std::max(lives_[out].last, lives_[in].last);
    if (from.kind == Storage::Kind::kParameter) plan_.donors[plan_.storages[out].index] = static_cast<int64_t>(from.index);
  }

  void alias(Sequence& steps, Position& at, const LoopContext* loop) {
    for (Step& step : steps) {
      if (auto* run = std::get_if<RunStep>(&step.action)) {
        for (const auto& [input, output] : run->in_place) {
          const StorageId in = find(run->slots[input]), out = find(run->slots[output]);
          if (!may_merge(in, out, at, loop)) continue;
          // The memory may be taken over once only, and only if no other slot of the step shows it.
          if (std::count_if(run->slots.begin(), run->slots.end(), [&](StorageId slot) { return find(slot) == in; }) == 1) merge(in, out);
        }
        ++at;
      } else if (auto* inner = std::get_if<WhileStep>(&step.action)) {
        alias_loop(*inner, at);
      } else {
        ++at;
        for (const auto& branch : std::get<CaseStep>(step.action).branches) alias(*branch, at, loop);
      }
    }
  }

  void alias_loop(WhileStep& loop, Position& at) {
    ++at;
    alias(*loop.condition, at, nullptr);
    LoopContext context{{}, Accesses(*loop.body, at, [this](StorageId id) { return find(id); })};
    for (auto& [argument, next] : loop.carried) {
      argument = find(argument);
      lives_[argument].carried = lives_[next].carried = true;
      context.next[argument] = next;
    }
    alias(*loop.body, at, &context);
    std::vector<std::pair<StorageId, StorageId>> exchanged;
    for (const auto& [argument, next] : loop.carried) {
      const StorageId a = find(argument), b = find(next);
      lives_[argument].carried = lives_[next].carried = lives_[a].carried = lives_[b].carried = false;
      if (a == b) continue;
      lives_[a].swapped = lives_[b].swapped = true;
      exchanged.emplace_back(a, b);
    }
    loop.carried = std::move(exchanged);
    ++at;
  }

  void rename(Sequence& steps) {
    for (Step& step : steps) {
      if (auto* run = std::get_if<RunStep>(&step.action)) {
        for (StorageId& slot : run->slots) slot = find(slot);
      } else if (auto* loop = std::get_if<WhileStep>(&step.action)) {
        loop->predicate = find(loop->predicate);
        for (Counter& counter : loop->counters) counter.storage = find(counter.storage);
        for (auto& [a, b] : loop->carried) {
          a = find(a);
          b = find(b);
          exchanged_.emplace_back(a, b);
        }
        rename(*loop->condition);
        rename(*loop->body);
      } else {
        auto& branch_step = std::get<CaseStep>(step.action);
        branch_step.selector = find(branch_step.selector);
        for (const auto& branch : branch_step.branches) rename(*branch);
      }
    }
  }

  // After an odd number of iterations each of a pair lies where the other was planned: both places are theirs for both lives.
  void join_exchanged() {
    for (const auto& [a, b] : exchanged_) {
      const StorageId from = leader(a), to = leader(b);
      group_[from] = to;
      mention(to, lives_[from].first);
      mention(to, lives_[from].last);
    }
    for (const auto& [a, b] : exchanged_) {
      for (StorageId id : {a, b}) {
        mention(id, lives_[leader(id)].first);
        mention(id, lives_[leader(id)].last);
      }
    }
  }

  bool is_temporary(StorageId id) const { return plan_.storages[id].kind == Storage::Kind::kTemporary; }
  bool is_live(StorageId id) { return find(id) == id && lives_[id].last >= 0; }

  // Bytes that programs read and write of each storage, and what each step's circular buffers take of a core.
  void weigh(std::vector<double>& traffic, std::vector<int64_t>& circular_buffers) const {
    constexpr double kTurns = 8;  // of a loop, for comparison with what is outside
    for (size_t at = 0; at < visits_.size(); ++at) {
      const RunStep* run = visits_[at].run;
      if (run == nullptr || is_noop(*run)) continue;
      circular_buffers[at] = run->program->l1_bytes();
      const double turns = std::pow(kTurns, visits_[at].depth);
      for (size_t i = 0; i < run->slots.size(); ++i) traffic[run->slots[i]] += turns * static_cast<double>(run->program->slots()[i].bytes);
    }
  }

  // Temporaries that exchange their memory go to L1 together or not at all, and not with what is no temporary.
  void choose_l1() {
    std::vector<double> traffic(plan_.storages.size());
    std::vector<int64_t> circular_buffers(visits_.size());
    weigh(traffic, circular_buffers);
    std::vector<L1Candidate> candidates;
    std::unordered_map<StorageId, size_t> number;  // by leader
    std::vector<std::pair<StorageId, size_t>> members;
    for (StorageId id = 0; id < plan_.storages.size(); ++id) {
      Storage& storage = plan_.storages[id];
      if (!is_live(id) || storage.bytes == 0) continue;
      const size_t at = number.try_emplace(leader(id), candidates.size()).first->second;
      if (at == candidates.size()) candidates.push_back({lives_[id].first, lives_[id].last, 0, 0});
      L1Candidate& group = candidates[at];
      const bool may_lie_there = storage.is_internal();
      if (may_lie_there) {
        storage.address = group.share;
        members.emplace_back(id, at);
      }
      group.share += emulator::l1_share(storage.bytes, chip_);
      group.benefit += may_lie_there ? traffic[id] : -std::numeric_limits<double>::infinity();
    }
    place_in_l1(candidates, circular_buffers, chip_.l1_usable);
    for (const auto& [id, at] : members) {
      Storage& storage = plan_.storages[id];
      if (candidates[at].address < 0) continue;
      storage.memory = emulator::BufferType::kL1;
      storage.address += candidates[at].address;
    }
    const std::vector<int64_t> in_use = l1_in_use(candidates, visits_.size(), chip_.l1_usable);
    for (size_t at = 0; at < visits_.size(); ++at) {
      RunStep* run = visits_[at].run;
      if (run == nullptr || is_noop(*run)) continue;
      run->program->check_l1(chip_, in_use[at]);
      run->l1_in_use = in_use[at];
    }
  }

  void place() {
    std::vector<StorageId> temporaries;
    for (StorageId id = 0; id < plan_.storages.size(); ++id) {
      if (is_live(id) && is_temporary(id)) temporaries.push_back(id);
    }
    plan_.frame_bytes = place(temporaries, &Storage::offset);
    std::erase_if(temporaries, [&](StorageId id) { return plan_.storages[id].memory != emulator::BufferType::kDram; });
    plan_.arena_bytes = place(temporaries, &Storage::address);
  }

  int64_t place(std::span<const StorageId> ids, int64_t Storage::*address) {
    std::vector<Tenant> tenants;
    for (StorageId id : ids) tenants.push_back({lives_[id].first, lives_[id].last, plan_.storages[id].bytes});
    const int64_t end = place_by_lifetime(tenants);
    for (size_t i = 0; i < ids.size(); ++i) plan_.storages[ids[i]].*address = tenants[i].address;
    return end;
  }

  static bool is_noop(const RunStep& run) { return run.is_copy && run.slots[0] == run.slots[1]; }

  void drop_noops(Sequence& steps) {
    std::erase_if(steps, [](const Step& step) {
      const auto* run = std::get_if<RunStep>(&step.action);
      return run != nullptr && is_noop(*run);
    });
    for (Step& step : steps) {
      if (auto* loop = std::get_if<WhileStep>(&step.action)) {
        drop_noops(*loop->condition);
        drop_noops(*loop->body);
      } else if (auto* branch_step = std::get_if<CaseStep>(&step.action)) {
        for (const auto& branch : branch_step->branches) drop_noops(*branch);
      }
    }
  }

  // A step of the linear order: the program that runs there, if one does, and how many loops it is in.
  struct Visit {
    RunStep* run = nullptr;
    size_t depth = 0;
  };

  Plan& plan_;
  std::span<const uint8_t> donated_;
  const emulator::ChipSpec& chip_;
  std::vector<Life> lives_;
  std::vector<StorageId> parent_, group_;
  std::vector<Visit> visits_;
  std::vector<LoopExtent> loops_;
  std::vector<std::vector<StorageId>> outer_;
  std::vector<std::pair<StorageId, StorageId>> exchanged_;
};

}  // namespace

void plan_memory(Plan& plan, std::span<const uint8_t> donated, const emulator::ChipSpec& chip, bool use_l1) {
  MemoryPlan(plan, donated, chip).run(use_l1);
}

}  // namespace tt::lowering
