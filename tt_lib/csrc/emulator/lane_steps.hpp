// One tile operation over registers.
#pragma once

#include <cstddef>
#include <cstdint>

#include "emulator/tile_program.hpp"

namespace tt::emulator {

struct Step {
  void* dst;
  const void *a, *b, *c;
  size_t n;
  DataType type;
  uint64_t imm, imm2;
};
using StepFunction = void (*)(const Step&);

StepFunction find_step(TileOpcode code, Lane lane);  // null: there is none

}  // namespace tt::emulator
