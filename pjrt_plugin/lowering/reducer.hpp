// Reductions of one shape and the operations on their results as one program, or one for the parts of long ones and one that joins them.
#pragma once

#include <span>
#include <vector>

#include "lowering/graph.hpp"

namespace tt::lowering {

// k reductions at once, from memory to memory; see dnn::ReduceSpec.
struct ReductionStep {
  std::string name;
  int64_t outer, reduced, inner;
  emulator::TileProgram prologue, combine, epilogue;
  std::vector<Source> sources, extras;  // of the prologue and of the epilogue
  std::vector<StorageId> outputs;       // of the epilogue
};

// Appends the programs of the step; false: they would not fit.
bool emit_reduction(PlanBuilder& builder, const ReductionStep& step, bool fuse_parts, Sequence& steps);

// The same for `nodes`: reductions, and elementwise operations on their results and on memory. Those with a storage are stored.
bool emit_reduction(PlanBuilder& builder, std::span<const std::pair<NodeId, Node>> nodes, bool fuse_parts, Sequence& steps);

}  // namespace tt::lowering
