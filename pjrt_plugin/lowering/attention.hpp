// A product, a program over its rows and a second product, where nobody else reads what lies between them, become one program.
#pragma once

#include "lowering/plan.hpp"

namespace tt::emulator {
struct ChipSpec;
}

namespace tt::lowering {

void fuse_attention(Plan& plan, const emulator::ChipSpec& chip);  // before memory is planned

}  // namespace tt::lowering
