// Counted loops over elementwise work, as one program.
#pragma once

#include "ir/counted_loop.hpp"
#include "lowering/block.hpp"

namespace tt::lowering {

// A loop whose body does elementwise work alone, on arrays of one size and scalars, on slices that move along with the turns, and stacks
// results in the same way: scans over vectors, integrators, filters. False: it is none.
bool lower_recurrence(BlockLowering& block, const ir::Operation& loop, const ir::CountedLoop& counted);

}  // namespace tt::lowering
