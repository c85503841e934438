// What this process has compiled and run: counts, and the modelled time of every run.
#pragma once

#include <cstdint>
#include <memory>

#include "metal/program.hpp"

namespace tt::metal {

struct ProgramTotals {
  int64_t compiled = 0;
  int64_t runs = 0;
  double seconds = 0;  // modelled, all runs together
};

// `placement`: the memory of each slot. Returns the program whose runs count for this placement: a copy where others run it under another.
std::shared_ptr<const Program> log_program(std::shared_ptr<const Program> program, const emulator::ChipSpec& chip,
                                           std::vector<emulator::BufferType> placement = {});
ProgramTotals program_totals();  // estimates each program that has run, once

}  // namespace tt::metal

extern "C" {
// For Python: totals[0..2] = programs compiled, programs run, modelled seconds. Returns 0, or 1 when it cannot tell.
__attribute__((visibility("default"))) int tt_program_totals(double totals[3]);
}
