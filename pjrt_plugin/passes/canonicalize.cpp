// Operations that return an operand as it is: %1 = multiply %0, 1  ->  %1 replaced by %0. Floats too, where not a bit of a number changes.
#include <algorithm>
#include <optional>
#include <unordered_map>

#include "passes/pass.hpp"
#include "passes/uniform.hpp"

namespace tt::passes {
namespace {

using ir::Attr;
using ir::Op;
using ir::Operation;
using ir::Value;

std::optional<uint64_t> one_of(DataType type) {
  switch (type) {
    case DataType::kF64: return 0x3ff0000000000000;
    case DataType::kF32: return 0x3f800000;
    case DataType::kBF16: return 0x3f80;
    case DataType::kF16: return 0x3c00;
    default: return is_integer(type) ? std::optional<uint64_t>(1) : std::nullopt;
  }
}

bool is_one(const Value* value) {
  const auto bits = uniform_bits(value);
  return bits && bits == one_of(value->type().element);
}
bool is_integer_zero(const Value* value) { return is_integer(value->type().element) && uniform_bits(value) == uint64_t{0}; }

// The operand that the operation returns, or null.
Value* returned_operand(const Operation& operation) {
  const auto operand = [&](size_t i) { return operation.operand(i); };
  switch (operation.op()) {
    case Op::kMultiply: return is_one(operand(1)) ? operand(0) : is_one(operand(0)) ? operand(1) : nullptr;
    case Op::kDivide: return is_one(operand(1)) ? operand(0) : nullptr;
    case Op::kAdd:
    case Op::kOr:
    case Op::kXor: return is_integer_zero(operand(1)) ? operand(0) : is_integer_zero(operand(0)) ? operand(1) : nullptr;
    case Op::kSubtract:
    case Op::kShiftLeft:
    case Op::kShiftRightLogical:
    case Op::kShiftRightArithmetic: return is_integer_zero(operand(1)) ? operand(0) : nullptr;
    case Op::kSelect: return operand(1) == operand(2) ? operand(1) : nullptr;
    case Op::kConvert:
    case Op::kReshape: return operand(0);
    case Op::kBroadcastInDim: {
      const Dims& dims = operation.ints(Attr::kBroadcastDimensions);
      return std::is_sorted(dims.begin(), dims.end()) ? operand(0) : nullptr;
    }
    case Op::kTranspose: {
      const Dims& permutation = operation.ints(Attr::kPermutation);
      return std::is_sorted(permutation.begin(), permutation.end()) ? operand(0) : nullptr;
    }
    default: return nullptr;
  }
}

class Canonicalization {
 public:
  void sweep(ir::Block& block) {
    for (const auto& operation : block.operations()) {
      for (size_t i = 0; i < operation->operands().size(); ++i) {
        if (const auto found = replaced_.find(operation->operand(i)); found != replaced_.end()) operation->set_operand(i, found->second);
      }
      for (const auto& region : operation->regions()) sweep(*region);
      Value* const operand = returned_operand(*operation);
      if (operand != nullptr && operand->type() == operation->result()->type()) replaced_[operation->result()] = operand;
    }
  }

 private:
  std::unordered_map<const Value*, Value*> replaced_;  // those left are dead code
};

}  // namespace

void canonicalize(ir::Module& module) {
  for (const auto& function : module.functions) Canonicalization().sweep(*function->body);
}

}  // namespace tt::passes
