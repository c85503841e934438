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
  int64_t operator()(StorageId storage) const;
  void replace(const RunStep& a, const RunStep& b, const RunStep& by);          // two steps become one
  bool only_between(StorageId storage) const { return (*this)(storage) == 2; }  // one step makes it, another reads it

 private:
  void visit(const Sequence& steps);
  std::unordered_map<StorageId, int64_t> count_;
};

}  // namespace tt::lowering
