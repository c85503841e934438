// The passes over the IR, in the order in which they run.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "ir/ir.hpp"
#include "passes/dump.hpp"

namespace tt::passes {

struct Pass {
  std::string_view name;
  void (*run)(ir::Module&);
  bool required = false;  // lowering needs what it leaves
};

void inline_calls(ir::Module& module);         // leaves main alone, without calls and composites
void eliminate_dead_code(ir::Module& module);  // operations without effect whose results nobody reads

std::span<const Pass> pipeline();
std::vector<std::string_view> switched_off();  // by JAX_TT_NO=pass,...; InvalidArgument on a name that is none
void run_pipeline(ir::Module& module, Dump& dump);

}  // namespace tt::passes
