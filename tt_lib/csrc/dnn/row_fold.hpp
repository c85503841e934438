// Folding rows of lanes to one element each, for combinations that are one f32 operation: the REDUCE_ROW of the engines.
#pragma once

#include <cstdint>
#include <optional>

#include "emulator/tile_program.hpp"

namespace tt::dnn {

// The operation of a region that is just one of add, multiply, maximum, minimum on f32.
std::optional<emulator::TileOpcode> row_fold_opcode(const emulator::TileProgram& combine);

// rows[r * length] = combination of rows[r * length ..+ length), in the order that halving the row gives; then the results are moved
// together to rows[0 .. count).
void fold_rows(emulator::TileOpcode opcode, float* rows, int64_t count, int64_t length);

}  // namespace tt::dnn
