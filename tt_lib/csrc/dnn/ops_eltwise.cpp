// Elementwise ops on tensors, each a row: a name, a formula and the chain that computes it.
#include <algorithm>
#include <array>
#include <cmath>

#include "base/error.hpp"
#include "dnn/dnn.hpp"
#include "dnn/tensor_op.hpp"

namespace tt::dnn {

using emulator::TileOpcode;

namespace {

// Writes formulas in one element type.
class Formula {
 public:
  using Reg = uint16_t;

  Formula(ChainBuilder& chain, DataType type) : chain_(chain), type_(type) {}

  Reg constant(double value) { return chain_.constant(type_, value); }
  Reg operator()(TileOpcode code, std::initializer_list<Reg> operands) { return apply(code, type_, operands); }
  Reg compare(TileOpcode code, Reg a, Reg b) { return apply(code, DataType::kPred, {a, b}); }
  Reg select(Reg predicate, Reg yes, Reg no) { return apply(TileOpcode::kSelect, type_, {predicate, yes, no}); }
  Reg mask(Reg predicate) { return select(predicate, constant(1), constant(0)); }  // 1 where true, 0 elsewhere
  Reg logic(TileOpcode code, std::initializer_list<Reg> predicates) {
    return chain_.apply({code, emulator::Lane::kPred, DataType::kPred, 0}, predicates);
  }

 private:
  Reg apply(TileOpcode code, DataType result, std::initializer_list<Reg> operands) {
    const auto lane = emulator::lane_of(type_);
    require(emulator::supports(code, lane), "[", emulator::info(code).name, "] elements of type ", name(type_), " are not supported");
    return chain_.apply({code, lane, result, 0}, operands);
  }

  ChainBuilder& chain_;
  DataType type_;
};

using Reg = Formula::Reg;
using Unary = Reg (*)(Formula& f, Reg x);
using Binary = Reg (*)(Formula& f, Reg x, Reg y);

template <TileOpcode code>
Reg one(Formula& f, Reg x) {
  return f(code, {x});
}

template <TileOpcode code>
Reg to_zero(Formula& f, Reg x) {
  return f.mask(f.compare(code, x, f.constant(0)));
}

Reg relu(Formula& f, Reg x) { return f(TileOpcode::kMax, {x, f.constant(0)}); }
Reg relu6(Formula& f, Reg x) { return f(TileOpcode::kMin, {relu(f, x), f.constant(6)}); }
Reg log2(Formula& f, Reg x) { return f(TileOpcode::kMul, {f(TileOpcode::kLog, {x}), f.constant(1.4426950408889634)}); }
Reg log10(Formula& f, Reg x) { return f(TileOpcode::kMul, {f(TileOpcode::kLog, {x}), f.constant(0.43429448190325182)}); }
Reg hardswish(Formula& f, Reg x) {
  return f(TileOpcode::kMul, {x, f(TileOpcode::kDiv, {relu6(f, f(TileOpcode::kAdd, {x, f.constant(3)})), f.constant(6)})});
}
Reg exp2(Formula& f, Reg x) { return f(TileOpcode::kPow, {f.constant(2), x}); }
Reg square(Formula& f, Reg x) { return f(TileOpcode::kMul, {x, x}); }
Reg silu(Formula& f, Reg x) { return f(TileOpcode::kMul, {x, f(TileOpcode::kLogistic, {x})}); }
Reg add1(Formula& f, Reg x) { return f(TileOpcode::kAdd, {x, f.constant(1)}); }
Reg isnan(Formula& f, Reg x) { return f.mask(f.compare(TileOpcode::kNe, x, x)); }
Reg isinf(Formula& f, Reg x) { return f.mask(f.compare(TileOpcode::kEq, f(TileOpcode::kAbs, {x}), f.constant(HUGE_VAL))); }

Reg softplus(Formula& f, Reg x) {  // max(x, 0) + log1p(exp(-|x|))
  const Reg tail = f(TileOpcode::kLog1p, {f(TileOpcode::kExp, {f(TileOpcode::kNegate, {f(TileOpcode::kAbs, {x})})})});
  return f(TileOpcode::kAdd, {relu(f, x), tail});
}

template <TileOpcode code>
Reg two(Formula& f, Reg x, Reg y) {
  return f(code, {x, y});
}

template <TileOpcode code>
Reg relation(Formula& f, Reg x, Reg y) {
  return f.mask(f.compare(code, x, y));
}

template <TileOpcode code>
Reg logical(Formula& f, Reg x, Reg y) {
  const Reg zero = f.constant(0);
  return f.mask(f.logic(code, {f.compare(TileOpcode::kNe, x, zero), f.compare(TileOpcode::kNe, y, zero)}));
}

Reg squared_difference(Formula& f, Reg x, Reg y) { return square(f, f(TileOpcode::kSub, {x, y})); }

template <class Function>
struct Row {
  EltwiseOp op;
  Function function;
};

constexpr Row<Unary> kUnary[] = {
    {{"abs", "|x|"}, one<TileOpcode::kAbs>},
    {{"acos", "arccos(x)"}, one<TileOpcode::kAcos>},
    {{"add1", "x + 1"}, add1},
    {{"asin", "arcsin(x)"}, one<TileOpcode::kAsin>},
    {{"atan", "arctan(x)"}, one<TileOpcode::kAtan>},
    {{"atanh", "artanh(x)"}, one<TileOpcode::kAtanh>},
    {{"cbrt", "the cube root of x"}, one<TileOpcode::kCbrt>},
    {{"cos", "cos(x)"}, one<TileOpcode::kCos>},
    {{"cosh", "cosh(x)"}, one<TileOpcode::kCosh>},
    {{"eqz", "1 where x == 0, else 0"}, to_zero<TileOpcode::kEq>},
    {{"erf", "erf(x)"}, one<TileOpcode::kErf>},
    {{"erfc", "1 - erf(x)"}, one<TileOpcode::kErfc>},
    {{"erfinv", "the inverse of erf"}, one<TileOpcode::kErfInv>},
    {{"exp", "e**x"}, one<TileOpcode::kExp>},
    {{"exp2", "2**x"}, exp2},
    {{"expm1", "e**x - 1"}, one<TileOpcode::kExpm1>},
    {{"gelu", "x * (1 + erf(x / sqrt(2))) / 2"}, one<TileOpcode::kGelu>},
    {{"gez", "1 where x >= 0, else 0"}, to_zero<TileOpcode::kGe>},
    {{"gtz", "1 where x > 0, else 0"}, to_zero<TileOpcode::kGt>},
    {{"hardswish", "x * min(max(x + 3, 0), 6) / 6"}, hardswish},
    {{"isinf", "1 where x is infinite, else 0"}, isinf},
    {{"isnan", "1 where x is not a number, else 0"}, isnan},
    {{"lez", "1 where x <= 0, else 0"}, to_zero<TileOpcode::kLe>},
    {{"log", "ln(x)"}, one<TileOpcode::kLog>},
    {{"log10", "log10(x)"}, log10},
    {{"log1p", "ln(1 + x)"}, one<TileOpcode::kLog1p>},
    {{"log2", "log2(x)"}, log2},
    {{"logical_not_unary", "1 where x == 0, else 0"}, to_zero<TileOpcode::kEq>},
    {{"ltz", "1 where x < 0, else 0"}, to_zero<TileOpcode::kLt>},
    {{"neg", "-x"}, one<TileOpcode::kNegate>},
    {{"nez", "1 where x != 0, else 0"}, to_zero<TileOpcode::kNe>},
    {{"recip", "1 / x"}, one<TileOpcode::kRecip>},
    {{"relu", "max(x, 0)"}, relu},
    {{"relu6", "min(max(x, 0), 6)"}, relu6},
    {{"rsqrt", "1 / sqrt(x)"}, one<TileOpcode::kRsqrt>},
    {{"sigmoid", "1 / (1 + e**-x)"}, one<TileOpcode::kLogistic>},
    {{"sign", "-1, 0 or 1"}, one<TileOpcode::kSign>},
    {{"silu", "x * sigmoid(x)"}, silu},
    {{"sin", "sin(x)"}, one<TileOpcode::kSin>},
    {{"sinh", "sinh(x)"}, one<TileOpcode::kSinh>},
    {{"softplus", "ln(1 + e**x)"}, softplus},
    {{"sqrt", "the square root of x"}, one<TileOpcode::kSqrt>},
    {{"square", "x * x"}, square},
    {{"swish", "x * sigmoid(x)"}, silu},
    {{"tan", "tan(x)"}, one<TileOpcode::kTan>},
    {{"tanh", "tanh(x)"}, one<TileOpcode::kTanh>},
};

constexpr Row<Binary> kBinary[] = {
    {{"add", "x + y"}, two<TileOpcode::kAdd>},
    {{"sub", "x - y"}, two<TileOpcode::kSub>},
    {{"mul", "x * y"}, two<TileOpcode::kMul>},
    {{"eq", "1 where x == y, else 0"}, relation<TileOpcode::kEq>},
    {{"ne", "1 where x != y, else 0"}, relation<TileOpcode::kNe>},
    {{"lt", "1 where x < y, else 0"}, relation<TileOpcode::kLt>},
    {{"lte", "1 where x <= y, else 0"}, relation<TileOpcode::kLe>},
    {{"gt", "1 where x > y, else 0"}, relation<TileOpcode::kGt>},
    {{"gte", "1 where x >= y, else 0"}, relation<TileOpcode::kGe>},
    {{"logical_and", "1 where neither is 0, else 0"}, logical<TileOpcode::kAnd>},
    {{"logical_or", "1 where one is not 0, else 0"}, logical<TileOpcode::kOr>},
    {{"logical_xor", "1 where exactly one is 0, else 0"}, logical<TileOpcode::kXor>},
    {{"max", "the greater of x and y"}, two<TileOpcode::kMax>},
    {{"min", "the lesser of x and y"}, two<TileOpcode::kMin>},
    {{"squared_difference", "(x - y)**2"}, squared_difference},
};

template <class Function, size_t n>
constexpr auto listed(const Row<Function> (&rows)[n]) {
  std::array<EltwiseOp, n> ops{};
  for (size_t i = 0; i < n; ++i) ops[i] = rows[i].op;
  return ops;
}

constexpr auto kUnaryOps = listed(kUnary);
constexpr auto kBinaryOps = listed(kBinary);

template <class Function, size_t n>
Function find(const Row<Function> (&rows)[n], std::string_view name) {
  const auto* const row = std::find_if(std::begin(rows), std::end(rows), [&](const auto& r) { return r.op.name == name; });
  check(row != std::end(rows), "[", name, "] no such elementwise op");
  return row->function;
}

// The operand as a register of the type that formulas compute in.
Reg load(ChainBuilder& chain, Reg input, DataType from, DataType type) {
  if (compute_type(from) == type) return input;
  return chain.apply({TileOpcode::kConvert, emulator::lane_of(from), type, 0}, {input});
}

Tensor binary_views(std::string_view op, const AutoFormat& inputs, const std::vector<TensorView>& views, Binary function) {
  ChainBuilder chain;
  const Reg x = chain.input(views[0].tensor.type()), y = chain.input(views[1].tensor.type());
  const DataType type = compute_type(inputs.type());
  Formula formula(chain, type);
  store(chain, function(formula, load(chain, x, views[0].tensor.type(), type), load(chain, y, views[1].tensor.type(), type)),
        inputs.type());
  return inputs.finish(run_chain(op, inputs.card(), views, chain.finish(), inputs.result(inputs[0].shape())));
}

}  // namespace

std::span<const EltwiseOp> unary_ops() { return kUnaryOps; }
std::span<const EltwiseOp> binary_ops() { return kBinaryOps; }

Tensor unary(std::string_view op, const Tensor& x) {
  const Unary function = find(kUnary, op);
  const AutoFormat inputs(op, {&x});
  ChainBuilder chain;
  const Reg input = chain.input(inputs[0].type());
  Formula formula(chain, compute_type(inputs.type()));
  store(chain, function(formula, input), inputs.type());
  return inputs.finish(run_chain(op, inputs.card(), {view(inputs[0])}, chain.finish(), inputs.result(inputs[0].shape())));
}

Tensor binary(std::string_view op, const Tensor& a, const Tensor& b) {
  const Binary function = find(kBinary, op);
  require(a.shape() == b.shape(), "[", op, "] shapes differ: a is ", Text(a.shape()), ", b is ", Text(b.shape()),
          "; see bcast for rows, columns and single elements");
  const AutoFormat inputs(op, {&a, &b});
  return binary_views(op, inputs, {view(inputs[0]), view(inputs[1])}, function);
}

Tensor bcast(const Tensor& a, const Tensor& b, BcastMath math, AlongDim dim) {
  constexpr Binary kMath[] = {two<TileOpcode::kAdd>, two<TileOpcode::kSub>, two<TileOpcode::kMul>};
  const Dims &to = a.shape(), &from = b.shape();
  require(from[0] * from[1] == 1 || (from[0] == to[0] && from[1] == to[1]),
          "[bcast] Broadcast is currently only supported when bN*bC=1 or N & C match: a is ", Text(to), ", b is ", Text(from));
  require(dim != AlongDim::kH || from[3] == to[3], "[bcast] along H both need the same X: a is ", Text(to), ", b is ", Text(from));
  require(dim != AlongDim::kW || from[2] == to[2], "[bcast] along W both need the same Y: a is ", Text(to), ", b is ", Text(from));
  const AutoFormat inputs("bcast", {&a, &b});
  tensor::Groups groups = tensor::layout_groups(inputs[1].layout(), from);
  for (size_t d = 0; d < 2; ++d) {
    if (from[0] * from[1] == 1) groups[d] = {{to[d], 0}};
  }
  if (dim != AlongDim::kW) groups[2] = {{to[2], 0}};
  if (dim != AlongDim::kH) groups[3] = {{to[3], 0}};
  return binary_views("bcast", inputs, {view(inputs[0]), view(inputs[1], groups)}, kMath[static_cast<size_t>(math)]);
}

}  // namespace tt::dnn
