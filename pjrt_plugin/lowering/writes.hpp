// A write into a slice of what an elementwise program has stored becomes one more result of that program.
#pragma once

#include "lowering/plan.hpp"

namespace tt::emulator {
struct ChipSpec;
}

namespace tt::lowering {

void fuse_writes(Plan& plan, const emulator::ChipSpec& chip);  // before memory is planned

}  // namespace tt::lowering
