// Removes what nobody reads, from the last operation to the first.
#include <algorithm>
#include <unordered_set>

#include "passes/pass.hpp"

namespace tt::passes {
namespace {

using Read = std::unordered_set<const ir::Value*>;

void sweep(ir::Block& block, Read& read) {
  auto& operations = block.operations();
  for (size_t i = operations.size(); i-- > 0;) {
    ir::Operation& operation = *operations[i];
    const bool is_read = std::any_of(operation.results().begin(), operation.results().end(),
                                     [&](const auto& result) { return read.contains(result.get()); });
    if (!is_read && operation.op() != ir::Op::kReturn && !ir::has_effect(operation)) {
      operations[i] = nullptr;
      continue;
    }
    read.insert(operation.operands().begin(), operation.operands().end());
    for (const auto& region : operation.regions()) sweep(*region, read);
  }
  std::erase(operations, nullptr);
}

}  // namespace

void eliminate_dead_code(ir::Module& module) {
  for (const auto& function : module.functions) {
    Read read;
    sweep(*function->body, read);
  }
}

}  // namespace tt::passes
