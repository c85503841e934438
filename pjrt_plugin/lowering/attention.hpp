// A product, a program over its rows and a second product become one program. Nobody else may read the scores; the weights may be read.
#pragma once

#include "lowering/plan.hpp"

namespace tt::emulator {
struct ChipSpec;
}

namespace tt::lowering {

void fuse_attention(Plan& plan, const emulator::ChipSpec& chip);  // before memory is planned

}  // namespace tt::lowering
