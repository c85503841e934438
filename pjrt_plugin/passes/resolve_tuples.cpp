// Members of tuples that the program makes are what they were made of:
//   %t = tuple %a, %b; %r = get_tuple_element %t[1]  ->  %r is %b
#include <algorithm>
#include <unordered_set>

#include "passes/pass.hpp"
#include "passes/replace.hpp"

namespace tt::passes {
namespace {

using ir::Op;

std::vector<ir::Value*> member(const ir::Operation& operation, Builder&) {
  const ir::Operation* tuple = operation.operand(0)->definer();
  if (tuple == nullptr || tuple->op() != Op::kTuple) return {};
  return {tuple->operand(static_cast<size_t>(operation.integer(ir::Attr::kIndex)))};
}

constexpr Replacement kReplacements[] = {{Op::kGetTupleElement, member}};

// From the last operation to the first, so that tuples inside of tuples go with them.
void drop_unread(ir::Block& block, std::unordered_set<const ir::Value*>& read) {
  auto& operations = block.operations();
  for (size_t i = operations.size(); i-- > 0;) {
    ir::Operation& operation = *operations[i];
    if (operation.op() == Op::kTuple && !read.contains(operation.result())) {
      operations[i] = nullptr;
      continue;
    }
    read.insert(operation.operands().begin(), operation.operands().end());
    for (const auto& region : operation.regions()) drop_unread(*region, read);
  }
  std::erase(operations, nullptr);
}

}  // namespace

void resolve_tuples(ir::Module& module) {
  replace_operations(module, kReplacements);
  for (const auto& function : module.functions) {
    std::unordered_set<const ir::Value*> read;
    drop_unread(*function->body, read);
  }
}

}  // namespace tt::passes
