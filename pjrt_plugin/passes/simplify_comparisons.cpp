// jnp's order of floats, in which -0 equals 0 and every NaN is the greatest number, by IEEE comparisons:
//   select(x != x, nan, select(x == 0, 0, x)) = number(x)
//   compare LE, number(a), number(b), TOTALORDER  ->  a <= b | b != b
//   compare LT, number(a), number(b), TOTALORDER  ->  ~(b <= a | a != a)
// Comparators of sorts stay: they are read as the order of a key.
#include <bit>
#include <cmath>

#include "passes/pass.hpp"
#include "passes/replace.hpp"
#include "passes/uniform.hpp"

namespace tt::passes {
namespace {

using ir::Attr;
using ir::Op;
using ir::Operation;
using ir::Value;

const Operation* made_by(const Value* value, Op op) {
  const Operation* made = value->definer();
  return made != nullptr && made->op() == op ? made : nullptr;
}

bool is_total(const Operation& comparison) {
  const ir::Attribute* type = comparison.find(Attr::kCompareType);
  const std::string* text = type == nullptr ? nullptr : std::get_if<std::string>(&type->value);
  return text != nullptr && *text == "TOTALORDER";
}

bool compares(const Value* value, std::string_view direction, const Value* a) {
  const Operation* made = made_by(value, Op::kCompare);
  return made != nullptr && !is_total(*made) && made->text(Attr::kComparisonDirection) == direction && made->operand(0) == a;
}

bool is_positive_nan(const Value* value) {
  const auto bits = uniform_bits(value);
  if (!bits) return false;
  switch (value->type().element) {
    case DataType::kF64: return *bits >> 63 == 0 && std::isnan(std::bit_cast<double>(*bits));
    case DataType::kF32: return *bits > 0x7f800000 && *bits <= 0x7fffffff;
    case DataType::kBF16: return *bits > 0x7f80 && *bits <= 0x7fff;
    case DataType::kF16: return *bits > 0x7c00 && *bits <= 0x7fff;
    default: return false;
  }
}

// x of number(x); null: the value is no such number.
Value* number(const Value* value) {
  const Operation* nans = made_by(value, Op::kSelect);
  const Operation* zeros = nans == nullptr ? nullptr : made_by(nans->operand(2), Op::kSelect);
  if (zeros == nullptr || !is_positive_nan(nans->operand(1)) || uniform_bits(zeros->operand(1)) != uint64_t{0}) return nullptr;
  Value* x = zeros->operand(2);
  if (!compares(nans->operand(0), "NE", x) || nans->operand(0)->definer()->operand(1) != x) return nullptr;
  if (!compares(zeros->operand(0), "EQ", x) || uniform_bits(zeros->operand(0)->definer()->operand(1)) != uint64_t{0}) return nullptr;
  return x;
}

std::vector<Value*> simplified(const Operation& operation, Builder& b) {
  if (!is_total(operation) || operation.result()->type().dims.empty()) return {};
  Value *left = number(operation.operand(0)), *right = number(operation.operand(1));
  if (left == nullptr || right == nullptr) return {};
  const std::string_view direction = operation.text(Attr::kComparisonDirection);
  const auto less_or_equal = [&](Value* x, Value* y) { return b.same_type(Op::kOr, {b.compare("LE", x, y), b.compare("NE", y, y)}); };
  if (direction == "LE") return {less_or_equal(left, right)};
  if (direction == "GE") return {less_or_equal(right, left)};
  if (direction == "LT") return {b.same_type(Op::kNot, {less_or_equal(right, left)})};
  if (direction == "GT") return {b.same_type(Op::kNot, {less_or_equal(left, right)})};
  return {};
}

}  // namespace

void simplify_comparisons(ir::Module& module) {
  constexpr Replacement kComparison[] = {{Op::kCompare, simplified}};
  replace_operations(module, kComparison);
}

}  // namespace tt::passes
