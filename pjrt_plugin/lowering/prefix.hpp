// Windows that are all prefixes of a dimension, as scans.
#pragma once

#include "lowering/block.hpp"

namespace tt::lowering {

struct Prefix {
  size_t dimension;
  bool from_end;  // suffixes
};

// Combines all prefixes of `value`; `init` is the region's identity. The result is row-major over the value's dimensions.
Ref lower_prefix(BlockLowering& block, const ir::Block& region, const Source& value, const Splat& init, const Prefix& prefix);

}  // namespace tt::lowering
