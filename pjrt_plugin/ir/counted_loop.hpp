// What can be seen of a loop before it runs: how often it turns, what integers are in each turn, and which arrays it only writes.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <unordered_map>
#include <vector>

#include "ir/ir.hpp"

namespace tt::ir {

std::optional<int64_t> integer_constant(const Value* value);  // of one element; unsigned ones beyond int64_t: none

// Finds out more integers than constants alone.
using KnownInteger = std::function<std::optional<int64_t>(const Value*)>;

// A while whose condition is `counter < constant` and that adds a positive constant to a counter which starts at one.
class CountedLoop {
 public:
  static std::optional<CountedLoop> of(const Operation& loop, const KnownInteger& known = integer_constant);

  struct Counter {
    int64_t first, by;
  };

  int64_t turns() const { return turns_; }
  std::optional<Counter> counter(size_t i) const;                     // argument i of the body, where every turn adds the same to it
  std::optional<int64_t> at(const Value* value, int64_t turn) const;  // an integer or predicate of the body; none: it cannot be seen
  // The body writes all of what it carries as argument i, into slices: what the array was does not matter unless the body reads it.
  bool writes_all(const std::vector<Operation*>& writes) const;

 private:
  CountedLoop(const Operation& loop, const KnownInteger& known);
  std::optional<int64_t> constant(const Value* value) const;
  std::optional<int64_t> at(const Value* value, int64_t turn, int depth) const;

  const Operation& loop_;
  const KnownInteger known_;
  std::vector<const Value*> next_;  // what the body returns, whatever becomes of it meanwhile
  int64_t turns_ = 0;
};

// Who reads what in a block and in all that it contains.
class Readers {
 public:
  explicit Readers(const Block& block) { note(block); }
  const std::vector<Operation*>& operator()(const Value* value) const;  // once for every operand

 private:
  void note(const Block& block);
  std::unordered_map<const Value*, std::vector<Operation*>> readers_;
};

// The dynamic_update_slice operations, one after the other, which are all that a loop's body does with its argument i before it returns it.
// Empty: it does something else. `body` and `condition` are the readers of its regions.
std::vector<Operation*> only_writes(const Operation& loop, size_t i, const Readers& condition, const Readers& body);

}  // namespace tt::ir
