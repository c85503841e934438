// The memory plan: which storages share memory in place, what a donated parameter becomes, and where temporaries lie in the arena.
#pragma once

#include <cstdint>
#include <span>

#include "lowering/plan.hpp"

namespace tt::lowering {

// Renames storages that share memory, drops copies that became no-ops, and gives every temporary its offset. `donated[i]`: parameter i
// may be overwritten.
void plan_memory(Plan& plan, std::span<const uint8_t> donated);

}  // namespace tt::lowering
