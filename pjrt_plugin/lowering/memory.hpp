// The memory plan: which storages share memory in place, what a donated parameter becomes, and where temporaries lie: in L1 or the arena.
#pragma once

#include <cstdint>
#include <span>

#include "lowering/plan.hpp"

namespace tt::lowering {

// Renames storages that share memory, drops copies that became no-ops, and gives every temporary its place. `donated[i]`: parameter i
// may be overwritten.
// `use_l1`: temporaries may lie in L1.
void plan_memory(Plan& plan, std::span<const uint8_t> donated, const emulator::ChipSpec& chip, bool use_l1);

}  // namespace tt::lowering
