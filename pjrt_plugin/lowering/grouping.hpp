// Which virtual operations become one program.
#pragma once

#include <deque>
#include <vector>

#include "lowering/graph.hpp"

namespace tt::lowering {

// Operations over [rows, length] and over [rows], connected by folds and spreads; without them (length 0) all over the same elements.
struct Group {
  std::vector<NodeId> nodes;  // in order
  int64_t rows = 0, length = 0;
};

// Sets the waves of the nodes; groups come in the order of their levels and waves. Absorbed nodes belong to none.
std::vector<Group> group_nodes(std::deque<Node>& nodes, const Fusions& fusions);

}  // namespace tt::lowering
