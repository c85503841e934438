// A loop over scalars on one RISC-V core: two chains, the condition and the body, stepped through with all values in registers.
#pragma once

#include <cstdint>
#include <span>

#include "emulator/tile_program.hpp"

namespace tt::emulator {

// condition: carried values -> one predicate; body: carried values -> carried values.
struct ScalarLoop {
  TileProgram condition, body;
};

bool is_scalar_loop(const ScalarLoop& loop);  // do the chains fit together, and has the engine every step

// while (condition(carried)) carried = body(carried). carried[i] is one element in the array encoding of body.inputs[i], read at the start
// and written at the end. The number of iterations.
int64_t run_scalar_loop(const ScalarLoop& loop, std::span<std::byte* const> carried);

uint64_t scalar_loop_cycles(const ScalarLoop& loop);  // of one iteration on a RISC-V core

}  // namespace tt::emulator
