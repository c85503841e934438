// What is the same in every turn of a loop.
#pragma once

#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "ir/ir.hpp"

namespace tt::passes {

class Invariants {
 public:
  explicit Invariants(const ir::Operation& loop);

  ir::Value* outside(
      ir::Value* value) const;  // what the value is, as it can be read before the loop; null: it changes, or the body makes it
  void leaves(const ir::Operation& operation) { inside_.erase(&operation); }  // the body, which it was in

 private:
  const ir::Operation& loop_;
  const ir::Block& body_;
  std::unordered_map<const ir::Value*, size_t> argument_;  // of the body
  std::vector<const ir::Value*> next_;                     // what the body returns
  std::unordered_set<const ir::Operation*> inside_;        // the body, as it was
};

}  // namespace tt::passes
