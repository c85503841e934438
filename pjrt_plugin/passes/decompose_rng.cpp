// Random numbers from random bits. Each rng of a program has a stream of its own, the same one whenever it runs:
//   uniform: a + (b - a) * u;  normal: a + b * sqrt(-2 log(1 - u)) * cos(2 pi v)  with u, v in [0, 1)
#include <numbers>

#include "base/error.hpp"
#include "passes/decompose.hpp"

namespace tt::passes {
namespace {

using ir::Attr;
using ir::Op;
using ir::Operation;
using ir::Type;
using ir::Value;

class Rng {
 public:
  Rng(const Operation& operation, Builder& builder)
      : operation_(operation), b_(builder), type_(operation.result()->type()), is_wide_(size_of(type_.element) > 4) {}

  std::vector<Value*> draw() {
    const bool uniform = operation_.text(Attr::kRngDistribution) == "UNIFORM";
    if (is_float(type_.element)) return {uniform ? uniform_float() : normal_float()};
    if (!uniform || is_complex(type_.element)) return {};
    return {type_.element == DataType::kPred ? either() : uniform_integer()};
  }

 private:
  Value* apply(Op op, Value* a, Value* b) { return b_.same_type(op, {a, b}); }
  Value* like(const Value* value, double number) { return b_.constant(value->type(), number); }
  // An operand in the type that is computed with, once for every element.
  Value* parameter(size_t i, DataType element) { return b_.broadcast(b_.convert(operation_.operand(i), element), {}, type_.dims); }

  Value* bits() {
    const uint64_t state[2] = {static_cast<uint64_t>(b_.number()), streams_++ << 40};  // key and first count
    const auto* bytes = reinterpret_cast<const std::byte*>(state);
    Value* from = b_.constant(Type::tensor(DataType::kU64, {2}), std::vector<std::byte>(bytes, bytes + sizeof(state)));
    auto generator = b_.operation(Op::kRngBitGenerator, {from}, {from->type(), Type::tensor(bits_type(), type_.dims)},
                                  {{Attr::kRngAlgorithm, {std::string("THREE_FRY"), {}}}});
    return b_.append(std::move(generator)).result(1);
  }
  DataType bits_type() const { return is_wide_ ? DataType::kU64 : DataType::kU32; }
  DataType float_type() const { return is_wide_ ? DataType::kF64 : DataType::kF32; }

  // [0, 1): random bits as the mantissa of a number in [1, 2).
  Value* unit() {
    Value* mantissa = bits();
    mantissa = apply(Op::kShiftRightLogical, mantissa, like(mantissa, is_wide_ ? 64 - 52 : 32 - 23));
    mantissa = apply(Op::kOr, mantissa, like(mantissa, is_wide_ ? 0x3ff * 0x1p52 : 0x7f * 0x1p23));
    Value* from_one = b_.make(Op::kBitcastConvert, {mantissa}, Type::tensor(float_type(), type_.dims));
    return apply(Op::kSubtract, from_one, like(from_one, 1));
  }

  Value* uniform_float() {
    Value *low = parameter(0, float_type()), *high = parameter(1, float_type());
    Value* value = apply(Op::kAdd, low, apply(Op::kMultiply, apply(Op::kSubtract, high, low), unit()));
    value = b_.convert(value, type_.element);
    Value* inside =
        b_.compare("LT", value, parameter(1, type_.element));  // rounding may have reached the bound, which is not in the interval
    return b_.make(Op::kSelect, {inside, value, parameter(0, type_.element)}, type_);
  }

  Value* normal_float() {
    Value *u = unit(), *v = unit();
    Value* distance = b_.same_type(Op::kLog, {apply(Op::kSubtract, like(u, 1), u)});
    distance = b_.same_type(Op::kSqrt, {apply(Op::kMultiply, distance, like(u, -2))});
    Value* angle = apply(Op::kMultiply, v, like(v, 2 * std::numbers::pi));
    Value* standard = apply(Op::kMultiply, distance, b_.same_type(Op::kCosine, {angle}));
    Value* scaled = apply(Op::kMultiply, parameter(1, float_type()), standard);
    return b_.convert(apply(Op::kAdd, parameter(0, float_type()), scaled), type_.element);
  }

  Value* uniform_integer() {
    Value *low = parameter(0, bits_type()), *range = apply(Op::kSubtract, parameter(1, bits_type()), low);
    return b_.convert(apply(Op::kAdd, low, apply(Op::kRemainder, bits(), range)), type_.element);
  }

  Value* either() {  // of two booleans
    Value* drawn = bits();
    Value* second = b_.compare("NE", apply(Op::kAnd, drawn, like(drawn, 1)), like(drawn, 0));
    return b_.make(Op::kSelect, {second, parameter(1, type_.element), parameter(0, type_.element)}, type_);
  }

  const Operation& operation_;
  Builder& b_;
  const Type& type_;
  bool is_wide_;
  uint64_t streams_ = 0;
};

}  // namespace

std::vector<Value*> rng(const Operation& operation, Builder& builder) { return Rng(operation, builder).draw(); }

}  // namespace tt::passes
