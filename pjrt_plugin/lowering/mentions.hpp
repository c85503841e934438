// Who names which storage: how often the steps of a plan do, and whether two steps can change places.
#pragma once

#include <optional>
#include <unordered_map>
#include <vector>

#include "lowering/plan.hpp"

namespace tt::lowering {

bool mentions(const RunStep& run, StorageId storage);
bool writes(const RunStep& run, StorageId storage);
bool independent(const RunStep& a, const RunStep& b);  // they can come one after the other in either order

// Whether a step can trade places with all between, except one that comes along and those that are gone.
bool can_move(const Sequence& steps, size_t from, size_t to, const std::vector<bool>& gone, std::optional<size_t> along = {});
void erase_gone(Sequence& steps, const std::vector<bool>& gone);

// The last step that wrote each storage, since the last loop or branch.
class Writers {
 public:
  void note(const RunStep& run, size_t at);
  std::vector<size_t> before(const RunStep& run) const;  // that wrote what the step reads
  void clear() { last_.clear(); }

 private:
  std::unordered_map<StorageId, size_t> last_;
};

class Mentions {
 public:
  explicit Mentions(const Plan& plan);
  explicit Mentions(const Sequence& steps) { visit(steps); }
  int64_t operator()(StorageId storage) const;
  void replace(const RunStep& a, const RunStep& b, const RunStep& by);          // two steps become one
  bool only_between(StorageId storage) const { return (*this)(storage) == 2; }  // one step makes it, another reads it

 private:
  void visit(const Sequence& steps);
  std::unordered_map<StorageId, int64_t> count_;
};

// Visits the steps of a sequence, and of all that it contains, in order: fuse(steps, at, gone, writers) may make one step of several.
template <class Fuse>
void fuse_steps(Sequence& steps, const Fuse& fuse) {
  std::vector<bool> gone(steps.size(), false);
  Writers writers;
  for (size_t i = 0; i < steps.size(); ++i) {
    if (auto* loop = std::get_if<WhileStep>(&steps[i].action)) {
      fuse_steps(*loop->condition, fuse);
      fuse_steps(*loop->body, fuse);
      writers.clear();
    } else if (auto* branches = std::get_if<CaseStep>(&steps[i].action)) {
      for (const auto& branch : branches->branches) fuse_steps(*branch, fuse);
      writers.clear();
    } else {
      fuse(steps, i, gone, writers);
      if (!gone[i]) writers.note(std::get<RunStep>(steps[i].action), i);
    }
  }
  erase_gone(steps, gone);
}

}  // namespace tt::lowering
