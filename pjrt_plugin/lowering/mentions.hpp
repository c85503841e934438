// How often the steps of a plan name each storage.
#pragma once

#include <unordered_map>

#include "lowering/plan.hpp"

namespace tt::lowering {

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
