// A product, a program over its rows and a second product become one program. Nobody else may read the scores; the weights may be read.
#pragma once

#include "lowering/plan.hpp"

namespace tt::emulator {
struct ChipSpec;
}

namespace tt::lowering {

// Where that takes less time, with what lies between in L1 if it may and fits. Before memory is planned.
void fuse_attention(Plan& plan, const emulator::ChipSpec& chip, bool between_in_l1);

}  // namespace tt::lowering
