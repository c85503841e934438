// Who names which storage: how often the steps of a plan do, and whether two steps can change places.
#pragma once

#include <unordered_map>

#include "lowering/plan.hpp"

namespace tt::lowering {

bool mentions(const RunStep& run, StorageId storage);
bool writes(const RunStep& run, StorageId storage);
bool independent(const RunStep& a, const RunStep& b);  // they can come one after the other in either order

class Mentions {
 public:
  explicit Mentions(const Plan& plan);
  int64_t operator()(StorageId storage) const;
  bool only_between(StorageId storage) const { return (*this)(storage) == 2; }  // one step makes it, another reads it

 private:
  void visit(const Sequence& steps);
  std::unordered_map<StorageId, int64_t> count_;
};

}  // namespace tt::lowering
