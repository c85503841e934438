// What a loop computes of values that no turn changes is computed before it:
//   while (...) { %w = convert %0 ... dot_general(%x, %w) }  ->  %w = convert %0; while (...) { ... dot_general(%x, %w) }
// Weights that a layer casts, scales or slices in each step are such. What is small stays, and so does what is larger than what it is made
// of, unless a product or the like wants it in memory: to compute it again costs less than to read it.
#include <algorithm>
#include <unordered_set>

#include "passes/invariants.hpp"
#include "passes/pass.hpp"
#include "passes/replace.hpp"

namespace tt::passes {
namespace {

using ir::Op;
using ir::Operation;
using ir::Value;

constexpr int64_t kOnePage = 1024;  // elements

bool is_view(Op op) { return op == Op::kSlice || op == Op::kReshape || op == Op::kTranspose || op == Op::kReverse; }
bool is_made_anew(const Value& value) {  // from next to nothing
  const Operation* const made = value.definer();
  return made != nullptr && (made->op() == Op::kConstant || made->op() == Op::kIota || made->op() == Op::kBroadcastInDim);
}

bool can_leave(const Operation& operation) {
  return ir::is_pure(operation.op()) && operation.regions().empty() && operation.results().size() == 1 &&
         operation.result()->type().is_tensor();
}

class Hoisting {
 public:
  explicit Hoisting(const Operation& loop) : body_(loop.region(1)), invariants_(loop) {
    for (const auto& operation : body_.operations()) {
      if (ir::info(operation->op()).op_class == ir::OpClass::kCompute) {
        stored_.insert(operation->operands().begin(), operation->operands().end());
      }
    }
  }

  void run(Builder& before) {
    find();
    if (leaving_.empty()) return;
    std::vector<std::unique_ptr<Operation>> operations;
    operations.swap(body_.operations());
    for (auto& operation : operations) {
      if (!leaving_.contains(operation.get())) {
        body_.append(std::move(operation));
        continue;
      }
      invariants_.leaves(*operation);
      for (size_t i = 0; i < operation->operands().size(); ++i) operation->set_operand(i, invariants_.outside(operation->operand(i)));
      before.append(std::move(operation));
    }
  }

 private:
  void find() {
    std::unordered_set<const Operation*> candidates;
    const auto is_invariant = [&](Value* value) { return candidates.contains(value->definer()) || invariants_.outside(value) != nullptr; };
    for (const auto& operation : body_.operations()) {
      if (!can_leave(*operation) || !std::all_of(operation->operands().begin(), operation->operands().end(), is_invariant)) continue;
      candidates.insert(operation.get());
      if (pays(*operation)) leave(*operation, candidates);
    }
  }

  // Whether to read the result costs no more than to compute it.
  bool pays(const Operation& operation) const {
    const ir::Type& result = operation.result()->type();
    int64_t read = 0;
    for (const Value* operand : operation.operands()) read += is_made_anew(*operand) ? 0 : operand->type().num_bytes();
    return result.num_elements() >= kOnePage && read > 0 &&
           (is_view(operation.op()) || result.num_bytes() <= read || stored_.contains(operation.result()));
  }

  // With what it is made of.
  void leave(const Operation& operation, const std::unordered_set<const Operation*>& candidates) {
    if (!leaving_.insert(&operation).second) return;
    for (const Value* operand : operation.operands()) {
      if (candidates.contains(operand->definer())) leave(*operand->definer(), candidates);
    }
  }

  ir::Block& body_;
  Invariants invariants_;
  std::unordered_set<const Value*> stored_;  // what is in memory when the body reads it
  std::unordered_set<const Operation*> leaving_;
};

std::vector<Value*> hoist(const Operation& loop, Builder& before) {
  Hoisting(loop).run(before);
  return {};
}

constexpr Replacement kReplacements[] = {{Op::kWhile, hoist}};

}  // namespace

void hoist_invariants(ir::Module& module) { replace_operations(module, kReplacements); }

}  // namespace tt::passes
