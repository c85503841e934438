// Slots of programs, what loops carry and ask for, selectors, and what comes in and goes out.
#include "lowering/mentions.hpp"

#include <algorithm>

namespace tt::lowering {

bool mentions(const RunStep& run, StorageId storage) { return std::find(run.slots.begin(), run.slots.end(), storage) != run.slots.end(); }

bool writes(const RunStep& run, StorageId storage) {
  return std::find(run.slots.begin() + static_cast<std::ptrdiff_t>(run.inputs()), run.slots.end(), storage) != run.slots.end();
}

bool independent(const RunStep& a, const RunStep& b) {
  return std::none_of(a.slots.begin(), a.slots.end(), [&](StorageId storage) { return writes(b, storage); }) &&
         std::none_of(b.slots.begin(), b.slots.end(), [&](StorageId storage) { return writes(a, storage); });
}

bool can_move(const Sequence& steps, size_t from, size_t to, const std::vector<bool>& gone, std::optional<size_t> along) {
  const auto& moved = std::get<RunStep>(steps[from].action);
  for (size_t i = std::min(from, to) + 1; i < std::max(from, to); ++i) {
    const auto* run = std::get_if<RunStep>(&steps[i].action);
    if (run == nullptr) return false;
    if (!gone[i] && along != i && !independent(moved, *run)) return false;
  }
  return true;
}

void erase_gone(Sequence& steps, const std::vector<bool>& gone) {
  size_t kept = 0;
  for (size_t i = 0; i < steps.size(); ++i) {
    if (!gone[i] && kept++ != i) steps[kept - 1] = std::move(steps[i]);
  }
  steps.resize(kept);
}

void Writers::note(const RunStep& run, size_t at) {
  for (size_t slot = run.inputs(); slot < run.slots.size(); ++slot) last_[run.slots[slot]] = at;
}

std::vector<size_t> Writers::before(const RunStep& run) const {
  std::vector<size_t> steps;
  for (size_t slot = 0; slot < run.inputs(); ++slot) {
    const auto found = last_.find(run.slots[slot]);
    if (found != last_.end()) steps.push_back(found->second);
  }
  return steps;
}

Mentions::Mentions(const Plan& plan) {
  visit(plan.steps);
  for (const StorageId storage : plan.parameters) ++count_[storage];
  for (const StorageId storage : plan.results) ++count_[storage];
}

int64_t Mentions::operator()(StorageId storage) const {
  const auto found = count_.find(storage);
  return found == count_.end() ? 0 : found->second;
}

void Mentions::replace(const RunStep& a, const RunStep& b, const RunStep& by) {
  for (const StorageId storage : a.slots) --count_[storage];
  for (const StorageId storage : b.slots) --count_[storage];
  for (const StorageId storage : by.slots) ++count_[storage];
}

void Mentions::visit(const Sequence& steps) {
  for (const Step& step : steps) {
    if (const auto* run = std::get_if<RunStep>(&step.action)) {
      for (const StorageId storage : run->slots) ++count_[storage];
    } else if (const auto* loop = std::get_if<WhileStep>(&step.action)) {
      ++count_[loop->predicate];
      for (const auto& [argument, next] : loop->carried) {
        ++count_[argument];
        ++count_[next];
      }
      for (const Counter& counter : loop->counters) ++count_[counter.storage];
      visit(*loop->condition);
      visit(*loop->body);
    } else {
      const auto& branches = std::get<CaseStep>(step.action);
      ++count_[branches.selector];
      for (const auto& branch : branches.branches) visit(*branch);
    }
  }
}

}  // namespace tt::lowering
