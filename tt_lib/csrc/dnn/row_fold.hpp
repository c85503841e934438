// Recognises combinations of two elements that the engines fold rows by themselves.
#pragma once

#include <optional>

#include "emulator/tile_program.hpp"

namespace tt::dnn {

// The operation by which value `value` is combined with its accumulator, where that is just one of add, multiply, maximum, minimum on f32.
std::optional<emulator::TileOpcode> row_fold_opcode(const emulator::TileProgram& combine, size_t value);

}  // namespace tt::dnn
