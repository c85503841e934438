// Iteration spaces under maps that run across each other, such as a transposed operand beside a plain result.
#pragma once

#include <span>

#include "emulator/access_map.hpp"

namespace tt::dnn {

// Where some map is contiguous along a dimension that is not the innermost, walks the space of all maps tile by tile of that dimension and
// the innermost one: pages are then made of whole turned blocks (AccessMap::turned) and of rows of tiles. The maps stay as they are where
// no map asks for it, or some map cannot be cut at the tiles' sides, which are powers of two whose product divides a page.
void walk_in_tiles(std::span<emulator::AccessMap* const> maps);

}  // namespace tt::dnn
