// One walk over all blocks; readers are pointed to the values that stand for what has gone.
#include "passes/replace.hpp"

#include <algorithm>
#include <unordered_map>

#include "ir/op_rules.hpp"

namespace tt::passes {
namespace {

class Walk {
 public:
  explicit Walk(std::span<const Replacement> replacements) : replacements_(replacements) {}

  void block(ir::Block& block) {
    std::vector<std::unique_ptr<ir::Operation>> before;
    before.swap(block.operations());
    for (auto& operation : before) {
      for (size_t i = 0; i < operation->operands().size(); ++i) {
        if (const auto found = replaced_.find(operation->operand(i)); found != replaced_.end()) operation->set_operand(i, found->second);
      }
      for (const auto& region : operation->regions()) this->block(*region);
      const auto row =
          std::find_if(replacements_.begin(), replacements_.end(), [&](const Replacement& r) { return r.op == operation->op(); });
      std::vector<ir::Value*> values;
      if (row != replacements_.end()) {
        Builder builder(block, operation->location(), static_cast<int64_t>(gone_.size()));
        values = row->make(*operation, builder);
      }
      if (values.empty()) {
        block.append(std::move(operation));
        continue;
      }
      for (size_t i = 0; i < values.size(); ++i) {
        ir::need(*operation, values[i]->type() == operation->result(i)->type(), "result ", i, " is ",
                 ir::show(operation->result(i)->type()), ", expected ", ir::show(values[i]->type()));
        replaced_[operation->result(i)] = values[i];
      }
      gone_.push_back(std::move(operation));  // its results are keys of `replaced_`
    }
  }

 private:
  std::span<const Replacement> replacements_;
  std::unordered_map<const ir::Value*, ir::Value*> replaced_;
  std::vector<std::unique_ptr<ir::Operation>> gone_;
};

}  // namespace

void replace_operands(ir::Operation& operation, const Replaced& replaced) {
  for (size_t i = 0; i < operation.operands().size(); ++i) {
    if (const auto found = replaced.find(operation.operand(i)); found != replaced.end()) operation.set_operand(i, found->second);
  }
  for (const auto& region : operation.regions()) {
    for (const auto& inner : region->operations()) replace_operands(*inner, replaced);
  }
}

void replace_operations(ir::Module& module, std::span<const Replacement> replacements) {
  Walk walk(replacements);
  for (const auto& function : module.functions) walk.block(*function->body);
}

}  // namespace tt::passes
