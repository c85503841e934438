// The kernels of reductions.
#pragma once

#include <array>
#include <vector>

#include "dnn/reduce_plan.hpp"

namespace tt::dnn {

struct ReduceArgs {
  const ReducePlan* plan;
  std::array<WorkRange, 2> units;                 // of each stage
  uint32_t senders = 0;                           // cores that this one waits for
  std::vector<emulator::CoreCoord> targets = {};  // cores that wait for this one
};

Kernel reduce_reader(Dataflow k, ReduceArgs a);
Kernel reduce_compute(Compute k, ReduceArgs a);
Kernel reduce_writer(Dataflow k, ReduceArgs a);

}  // namespace tt::dnn
