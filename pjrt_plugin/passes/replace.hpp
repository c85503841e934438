// Rewrites of single operations: what a pass of them goes through.
#pragma once

#include <span>
#include <vector>

#include "passes/builder.hpp"

namespace tt::passes {

// Appends what stands for an operation and returns a value for each of its results; nothing: the operation stays.
struct Replacement {
  ir::Op op;
  std::vector<ir::Value*> (*make)(const ir::Operation& operation, Builder& builder);
};

void replace_operations(ir::Module& module, std::span<const Replacement> replacements);  // in all blocks, in order

}  // namespace tt::passes
