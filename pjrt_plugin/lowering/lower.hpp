// ir::Module -> Plan: the whole program as kernel programs with their memory.
#pragma once

#include <span>

#include "emulator/grayskull.hpp"
#include "ir/ir.hpp"
#include "lowering/plan.hpp"

namespace tt::lowering {

// The module's main function must be the only one left (passes::inline_calls). Fails with ONE Unimplemented error that lists every
// operation it cannot lower, each with its Python line. `donated[i]`: parameter i may be overwritten. `processes[i]`: whose card i is.
Plan lower(const ir::Module& module, std::span<const uint8_t> donated, const Fusions& fusions, const emulator::ChipSpec& chip,
           std::span<const int64_t> processes = {});

// A type as the card stores it: a token, which only orders, is an array of no elements.
ir::Type stored(const ir::Type& type);

}  // namespace tt::lowering
