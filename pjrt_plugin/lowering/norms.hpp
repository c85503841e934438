// Reductions, and the reductions and elementwise programs that read what they made of their results beside arrays of the reduced shape,
// become one program: batch normalisation and its gradient.
#pragma once

#include "lowering/plan.hpp"

namespace tt::emulator {
struct ChipSpec;
}

namespace tt::lowering {

// Where that takes less time, with temporaries in L1 if they may and fit. Before memory is planned.
void fuse_norms(Plan& plan, const emulator::ChipSpec& chip, bool temporaries_in_l1);

}  // namespace tt::lowering
