// A group of virtual operations with folds and spreads as one program over rows.
#pragma once

#include <deque>
#include <span>

#include "lowering/graph.hpp"

namespace tt::lowering {

// Appends the program (or, where it does not fit L1, one per stage) that computes `nodes`, whose operands from outside are sources. Nodes
// that have a storage are stored. False, and nothing is appended: they take more circular buffers than a core has.
bool emit_rows(PlanBuilder& builder, std::span<const std::pair<NodeId, Node>> nodes, int64_t rows, int64_t length, Sequence& steps);

}  // namespace tt::lowering
