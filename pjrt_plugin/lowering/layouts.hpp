// Which layout each value has in memory. ROW_MAJOR, but what products alone make and read is left in tiles (TILE).
#pragma once

#include "lowering/plan.hpp"

namespace tt::emulator {
struct ChipSpec;
}

namespace tt::lowering {

void assign_layouts(Plan& plan, const emulator::ChipSpec& chip);  // before memory is planned

}  // namespace tt::lowering
