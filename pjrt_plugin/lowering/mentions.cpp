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

Mentions::Mentions(const Plan& plan) {
  visit(plan.steps);
  for (const StorageId storage : plan.parameters) ++count_[storage];
  for (const StorageId storage : plan.results) ++count_[storage];
}

int64_t Mentions::operator()(StorageId storage) const {
  const auto found = count_.find(storage);
  return found == count_.end() ? 0 : found->second;
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
