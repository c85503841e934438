// A product that only a transpose reads has its operands change places:
//   %2 = dot_general %0, %1, %3 = transpose %2, dims = [1, 0]  ->  %2 = dot_general %1, %0, %3 replaced by %2
// Gradients of dense layers are such; their result would else be read element by element.
#include <algorithm>
#include <unordered_map>

#include "passes/pass.hpp"

namespace tt::passes {
namespace {

using ir::Attr;
using ir::Op;
using ir::Operation;
using ir::Value;

class Folding {
 public:
  explicit Folding(const ir::Block& body) { count_readers(body); }

  void sweep(ir::Block& block) {
    for (const auto& operation : block.operations()) {
      for (size_t i = 0; i < operation->operands().size(); ++i) {
        if (const auto found = replaced_.find(operation->operand(i)); found != replaced_.end()) operation->set_operand(i, found->second);
      }
      for (const auto& region : operation->regions()) sweep(*region);
      if (operation->op() != Op::kTranspose) continue;
      Operation* const product = operation->operand(0)->definer();
      if (product == nullptr || product->op() != Op::kDotGeneral || readers_[product->result()] != 1 || !swaps(*operation, *product))
        continue;
      exchange(*product);
      product->result()->set_type(operation->result()->type());
      replaced_[operation->result()] = product->result();  // the transpose stays, unread, until dead code goes
    }
  }

 private:
  void count_readers(const ir::Block& block) {
    for (const auto& operation : block.operations()) {
      for (const Value* value : operation->operands()) ++readers_[value];
      for (const auto& region : operation->regions()) count_readers(*region);
    }
  }

  // [batch, free of a, free of b] -> [batch, free of b, free of a]
  static bool swaps(const Operation& transpose, const Operation& product) {
    if (product.find(Attr::kDotAlgorithm) != nullptr) return false;  // it names a precision for each side
    const auto rank = [&](size_t side) { return static_cast<int64_t>(product.operand(side)->type().dims.size()); };
    const auto batch = static_cast<int64_t>(product.ints(Attr::kLhsBatchingDimensions).size());
    const auto contracted = static_cast<int64_t>(product.ints(Attr::kLhsContractingDimensions).size());
    const int64_t a = rank(0) - batch - contracted, b = rank(1) - batch - contracted;
    const Dims& permutation = transpose.ints(Attr::kPermutation);
    for (int64_t d = 0; d < batch + a + b; ++d) {
      const int64_t from = d < batch ? d : d < batch + b ? d + a : d - b;
      if (permutation[static_cast<size_t>(d)] != from) return false;
    }
    return true;
  }

  static void exchange(Operation& product) {
    product.set_operands({product.operand(1), product.operand(0)});
    for (const auto& [left, right] : {std::pair{Attr::kLhsBatchingDimensions, Attr::kRhsBatchingDimensions},
                                      std::pair{Attr::kLhsContractingDimensions, Attr::kRhsContractingDimensions}}) {
      Dims of_left = product.ints(left), of_right = product.ints(right);
      product.set(left, {std::move(of_right), {}});
      product.set(right, {std::move(of_left), {}});
    }
    if (const ir::Attribute* precision = product.find(Attr::kPrecisionConfig)) {
      ir::Attribute turned = *precision;
      if (auto* list = std::get_if<ir::AttributeList>(&turned.value)) std::reverse(list->begin(), list->end());
      product.set(Attr::kPrecisionConfig, std::move(turned));
    }
  }

  std::unordered_map<const Value*, int> readers_;
  std::unordered_map<const Value*, Value*> replaced_;
};

}  // namespace

void fold_transposes(ir::Module& module) {
  for (const auto& function : module.functions) Folding(*function->body).sweep(*function->body);
}

}  // namespace tt::passes
