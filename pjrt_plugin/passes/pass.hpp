// The passes over the IR, in the order in which they run.
#pragma once

#include <span>
#include <string_view>

#include "ir/ir.hpp"

namespace tt::passes {

struct Pass {
  std::string_view name;
  void (*run)(ir::Module&);
};

void inline_calls(ir::Module& module);         // leaves main alone, without calls and composites
void eliminate_dead_code(ir::Module& module);  // operations without effect whose results nobody reads

std::span<const Pass> pipeline();
void run_pipeline(ir::Module& module);  // JAX_TT_NO=pass,... leaves passes out (inline_calls excepted: lowering needs it)

}  // namespace tt::passes
