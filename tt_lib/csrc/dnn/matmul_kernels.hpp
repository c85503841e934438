// The kernels of a blocked product.
#pragma once

#include "dnn/matmul_plan.hpp"

namespace tt::dnn {

// Where a core gets blocks of one operand from.
struct Feed {
  bool shared = false;  // one core of a rectangle reads and multicasts
  bool sends = false;
  CoreCoord sender, first, last;  // the rectangle
  uint32_t receivers = 0;
};

struct MatmulArgs {
  const MatmulPlan* plan;
  WorkRange blocks;           // independent: of all blocks; else the core's own sequence
  int64_t m_slot, n_slot;     // which of the blocks computed at a time
  std::array<Feed, 2> feeds;  // A, B
};

Kernel matmul_reader(Dataflow k, MatmulArgs a);
Kernel matmul_compute(Compute k, MatmulArgs a);
Kernel matmul_writer(Dataflow k, MatmulArgs a);

}  // namespace tt::dnn
