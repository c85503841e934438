// Inner loops first: what leaves them may leave the outer one too. Values that are made from indices, which the passes leave to whoever
// reads them, are programs of their own where a product or a custom call does; and so is what is small.
#include "lowering/hoisting.hpp"

#include <algorithm>
#include <unordered_set>

namespace tt::lowering {
namespace {

using Storages = std::unordered_set<StorageId>;

template <class Visit>
void for_each_output(const RunStep& run, const Visit& visit) {
  for (size_t slot = run.inputs(); slot < run.slots.size(); ++slot) visit(run.slots[slot]);
}

class Hoisting {
 public:
  explicit Hoisting(Plan& plan) : plan_(plan), writers_(plan.storages.size(), 0) {
    for_each_run(plan.steps, [&](const RunStep& run) { for_each_output(run, [&](StorageId storage) { ++writers_[storage]; }); });
    note_carried(plan.steps);
  }

  void run(Sequence& steps) {
    for (size_t i = 0; i < steps.size(); ++i) {
      if (auto* loop = std::get_if<WhileStep>(&steps[i].action)) {
        run(*loop->condition);
        run(*loop->body);
        Sequence before = leave(*loop);
        const size_t count = before.size();
        steps.insert(steps.begin() + static_cast<ptrdiff_t>(i), std::make_move_iterator(before.begin()),
                     std::make_move_iterator(before.end()));
        i += count;
      } else if (auto* branches = std::get_if<CaseStep>(&steps[i].action)) {
        for (const auto& branch : branches->branches) run(*branch);
      }
    }
  }

 private:
  // Takes out of the body what can run before the loop.
  Sequence leave(const WhileStep& loop) {
    Storages changing;
    note_changes(loop, changing);
    Sequence before, body;
    for (Step& step : *loop.body) {
      const auto* run = std::get_if<RunStep>(&step.action);
      const bool leaves = run != nullptr && can_leave(*run, changing);
      if (leaves) for_each_output(*run, [&](StorageId storage) { changing.erase(storage); });
      (leaves ? before : body).push_back(std::move(step));
    }
    *loop.body = std::move(body);
    return before;
  }

  void note_changes(const WhileStep& loop, Storages& changing) const {
    for (const auto& [argument, next] : loop.carried) changing.insert({argument, next});
    for (const Counter& counter : loop.counters) changing.insert(counter.storage);
    note_changes(*loop.condition, changing);
    note_changes(*loop.body, changing);
  }
  void note_changes(const Sequence& steps, Storages& changing) const {
    for (const Step& step : steps) {
      if (const auto* run = std::get_if<RunStep>(&step.action)) {
        for_each_output(*run, [&](StorageId storage) { changing.insert(storage); });
      } else if (const auto* loop = std::get_if<WhileStep>(&step.action)) {
        note_changes(*loop, changing);
      } else {
        for (const auto& branch : std::get<CaseStep>(step.action).branches) note_changes(*branch, changing);
      }
    }
  }

  void note_carried(const Sequence& steps) {
    for (const Step& step : steps) {
      if (const auto* loop = std::get_if<WhileStep>(&step.action)) {
        for (const auto& [argument, next] : loop->carried) carried_.insert({argument, next});
        note_carried(*loop->condition);
        note_carried(*loop->body);
      } else if (const auto* branches = std::get_if<CaseStep>(&step.action)) {
        for (const auto& branch : branches->branches) note_carried(*branch);
      }
    }
  }

  bool can_leave(const RunStep& run, const Storages& changing) const {
    const bool is_ours = run.elementwise != nullptr || run.product != nullptr || run.rows != nullptr || run.reduction != nullptr;
    if (!is_ours) return false;  // others may do more than to fill their results
    const auto inputs = std::span(run.slots).first(run.inputs());
    bool leaves = std::none_of(inputs.begin(), inputs.end(), [&](StorageId storage) { return changing.contains(storage); });
    for_each_output(run, [&](StorageId storage) {
      leaves = leaves && writers_[storage] == 1 && plan_.storages[storage].is_internal() && !carried_.contains(storage);
    });
    return leaves;
  }

  Plan& plan_;
  std::vector<int> writers_;  // by storage: so many programs write to it
  Storages carried_;          // by some loop, whose turns fill them too
};

}  // namespace

void hoist_steps(Plan& plan) { Hoisting(plan).run(plan.steps); }

}  // namespace tt::lowering
