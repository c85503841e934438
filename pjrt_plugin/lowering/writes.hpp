// A write of what a product or an elementwise program has stored, into a slice or in another order, becomes a result of that program.
#pragma once

#include "lowering/plan.hpp"

namespace tt::emulator {
struct ChipSpec;
}

namespace tt::lowering {

void fuse_writes(Plan& plan, const emulator::ChipSpec& chip);  // before memory is planned

}  // namespace tt::lowering
