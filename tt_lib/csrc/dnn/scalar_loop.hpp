// A loop whose carry is scalars, as one kernel: the values stay in the registers of a RISC-V core until the loop ends.
#pragma once

#include "dnn/operand.hpp"
#include "emulator/scalar_loop.hpp"

namespace tt::dnn {

using emulator::ScalarLoop;

// Slots: the carried scalars at the start, the carried scalars at the end. In TimingOnly the loop turns `nominal_iterations` times.
Program scalar_loop(const ScalarLoop& loop, int64_t nominal_iterations, const ChipSpec& chip);

}  // namespace tt::dnn
