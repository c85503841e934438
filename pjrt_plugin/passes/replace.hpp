// Rewrites of single operations: what a pass of them goes through.
#pragma once

#include <span>
#include <unordered_map>
#include <vector>

#include "passes/builder.hpp"

namespace tt::passes {

// Appends what stands for an operation and returns a value for each of its results; nothing: the operation stays.
struct Replacement {
  ir::Op op;
  std::vector<ir::Value*> (*make)(const ir::Operation& operation, Builder& builder);
};

using Replaced = std::unordered_map<const ir::Value*, ir::Value*>;

void replace_operands(ir::Operation& operation, const Replaced& replaced);               // and those inside it
void replace_operations(ir::Module& module, std::span<const Replacement> replacements);  // in all blocks, in order

}  // namespace tt::passes
