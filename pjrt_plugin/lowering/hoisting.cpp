// Inner loops first: what leaves them may leave the outer one too. Values that are made from indices, which the passes leave to whoever
// reads them, are programs of their own where a product or a custom call does; and so is what is small.
#include "lowering/hoisting.hpp"

#include <algorithm>
#include <span>
#include <unordered_set>

namespace tt::lowering {
namespace {

using Storages = std::unordered_set<StorageId>;

template <class Visit>
void for_each_output(const RunStep& run, const Visit& visit) {
  for (size_t slot = run.inputs(); slot < run.slots.size(); ++slot) visit(run.slots[slot]);
}

template <class Visit>
void for_each_loop(const Sequence& steps, const Visit& visit) {
  for (const Step& step : steps) {
    if (const auto* loop = std::get_if<WhileStep>(&step.action)) {
      visit(*loop);
      for_each_loop(*loop->condition, visit);
      for_each_loop(*loop->body, visit);
    } else if (const auto* branches = std::get_if<CaseStep>(&step.action)) {
      for (const auto& branch : branches->branches) for_each_loop(*branch, visit);
    }
  }
}

// What a loop itself fills before its turns.
void add_own(const WhileStep& loop, Storages& storages) {
  for (const auto& [argument, next] : loop.carried) storages.insert({argument, next});
  for (const Counter& counter : loop.counters) storages.insert(counter.storage);
}

class Hoisting {
 public:
  explicit Hoisting(Plan& plan) : plan_(plan), writers_(plan.storages.size(), 0) {
    for_each_run(plan.steps, [&](const RunStep& run) { for_each_output(run, [&](StorageId storage) { ++writers_[storage]; }); });
    for_each_loop(plan.steps, [&](const WhileStep& loop) { add_own(loop, loops_own_); });
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
    Storages changing = changes(loop);
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

  static Storages changes(const WhileStep& loop) {
    Storages changing;
    const auto note_output = [&](StorageId storage) { changing.insert(storage); };
    add_own(loop, changing);
    for (const auto& steps : {loop.condition, loop.body}) {
      for_each_loop(*steps, [&](const WhileStep& inner) { add_own(inner, changing); });
      for_each_run(*steps, [&](const RunStep& run) { for_each_output(run, note_output); });
    }
    return changing;
  }

  bool can_leave(const RunStep& run, const Storages& changing) const {
    const bool is_ours = run.elementwise != nullptr || run.product != nullptr || run.rows != nullptr || run.reduction != nullptr;
    if (!is_ours) return false;  // others may do more than to fill their results
    const auto inputs = std::span(run.slots).first(run.inputs());
    bool leaves = std::none_of(inputs.begin(), inputs.end(), [&](StorageId storage) { return changing.contains(storage); });
    for_each_output(run, [&](StorageId storage) {
      leaves = leaves && writers_[storage] == 1 && plan_.storages[storage].is_internal() && !loops_own_.contains(storage);
    });
    return leaves;
  }

  Plan& plan_;
  std::vector<int> writers_;  // by storage: so many programs write to it
  Storages loops_own_;        // some loop's, whose turns fill them too
};

}  // namespace

void hoist_steps(Plan& plan) { Hoisting(plan).run(plan.steps); }

}  // namespace tt::lowering
