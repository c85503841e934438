// Calls and composites are replaced by the body of what they call.
#include <unordered_map>
#include <unordered_set>

#include "base/error.hpp"
#include "passes/pass.hpp"

namespace tt::passes {
namespace {

using ir::Attr;
using ir::Op;
using Replaced = std::unordered_map<ir::Value*, ir::Value*>;

class Inliner {
 public:
  explicit Inliner(const ir::Module& module) {
    for (const auto& function : module.functions) functions_[function->name] = function.get();
  }

  // Callees are finished before they are copied, so that each body is walked once.
  void finish(const ir::Function& function) {
    if (done_.contains(&function)) return;
    require(open_.insert(&function).second, "[inline_calls] function ", function.name,
            " calls itself; StableHLO programs must not recurse");
    Replaced replaced;
    rewrite(*function.body, replaced);
    open_.erase(&function);
    done_.insert(&function);
  }

 private:
  void rewrite(ir::Block& block, Replaced& replaced) {
    std::vector<std::unique_ptr<ir::Operation>> before;
    before.swap(block.operations());
    for (auto& operation : before) {
      for (size_t i = 0; i < operation->operands().size(); ++i) {
        if (const auto found = replaced.find(operation->operand(i)); found != replaced.end()) operation->set_operand(i, found->second);
      }
      for (const auto& region : operation->regions()) rewrite(*region, replaced);
      if (operation->op() != Op::kCall && operation->op() != Op::kComposite) {
        block.append(std::move(operation));
        continue;
      }
      const std::string& name = operation->symbol(operation->op() == Op::kCall ? Attr::kCallee : Attr::kDecomposition);
      const auto callee = functions_.find(name);
      require(callee != functions_.end(), "[inline_calls] function ", name, " is called but not defined");
      const ir::Function& function = *callee->second;
      require(
          function.body->arguments().size() == operation->operands().size() && function.result_types.size() == operation->results().size(),
          "[inline_calls] ", name, " is called with ", operation->operands().size(), " operands, it takes ",
          function.body->arguments().size());
      finish(function);
      const std::vector<ir::Value*> returned = inline_block(*function.body, operation->operands(), block);
      for (size_t i = 0; i < returned.size(); ++i) replaced[operation->result(i)] = returned[i];
      calls_.push_back(std::move(operation));  // its results are keys of `replaced`
    }
  }

  std::unordered_map<std::string_view, const ir::Function*> functions_;
  std::unordered_set<const ir::Function*> done_, open_;
  std::vector<std::unique_ptr<ir::Operation>> calls_;
};

}  // namespace

void inline_calls(ir::Module& module) {
  Inliner inliner(module);
  inliner.finish(module.main());
  std::erase_if(module.functions, [](const auto& function) { return function->name != "main"; });
}

}  // namespace tt::passes
