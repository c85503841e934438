// Regions of windows and scans, applied to whole arrays.
#pragma once

#include <span>
#include <vector>

#include "lowering/block.hpp"

namespace tt::lowering {

// The region applied element by element: its operations become virtual operations of the block.
std::vector<Ref> apply_region(BlockLowering& block, const ir::Block& region, std::span<const Ref> arguments, int64_t elements);

// Whether combining any value with `init` gives that value: known for a region of one operation.
bool is_identity(const emulator::TileProgram& combine, const Splat& init);

// Whether combining values (k and k) gives the same in both orders, but for rounding: tried on a page of numbers.
bool commutes(const emulator::TileProgram& combine);

}  // namespace tt::lowering
