// The names that MLIR's printer gives to values: %arg0, %cst_1, %iterArg, %3, %4#1.
#pragma once

#include <string>
#include <unordered_map>
#include <unordered_set>

#include "ir/ir.hpp"

namespace tt::ir {

class ValueNames {
 public:
  void name_region(const Block& block, const Operation* parent);  // and all regions inside
  void name_operation(const Operation& operation);                // for one that is printed by itself

  const std::string& of(const Value* value);              // a value from elsewhere gets the next number
  std::string results(const Operation& operation) const;  // "%0:2 = ", "" without results

 private:
  struct Counters {
    int value = 0, argument = 0, conflict = 0;
  };
  struct Scope {  // the names taken so far in one region and those around it
    const Scope* parent = nullptr;
    std::unordered_set<std::string> taken;
  };
  void name_block(const Block& block, const Operation* parent, Counters counters, const Scope* outer);
  void name_results(const Operation& operation, Counters& counters, Scope& scope);
  static std::string unique(std::string_view wanted, Counters& counters, Scope& scope);

  std::unordered_map<const Value*, std::string> names_;
  Counters loose_;
};

}  // namespace tt::ir
