// StableHLO's elementwise operations as tile operations, and scalar regions as chains.
#include "lowering/chain.hpp"

#include <algorithm>
#include <cstring>
#include <unordered_map>

#include "base/error.hpp"
#include "emulator/tile_chain.hpp"

namespace tt::lowering {

using emulator::Lane;
using emulator::TileOp;
using emulator::TileOpcode;
using emulator::TileProgram;
using ir::Attr;
using ir::Op;

namespace {

struct Row {
  Op op;
  TileOpcode code;
};

// Operations whose lanes are those of the first operand and whose attributes do not matter.
constexpr Row kRows[] = {
    {Op::kAbs, TileOpcode::kAbs},
    {Op::kCbrt, TileOpcode::kCbrt},
    {Op::kCeil, TileOpcode::kCeil},
    {Op::kConvert, TileOpcode::kConvert},
    {Op::kCosine, TileOpcode::kCos},
    {Op::kCountLeadingZeros, TileOpcode::kClz},
    {Op::kExponential, TileOpcode::kExp},
    {Op::kExponentialMinusOne, TileOpcode::kExpm1},
    {Op::kFloor, TileOpcode::kFloor},
    {Op::kImag, TileOpcode::kImag},
    {Op::kIsFinite, TileOpcode::kIsFinite},
    {Op::kLog, TileOpcode::kLog},
    {Op::kLogPlusOne, TileOpcode::kLog1p},
    {Op::kLogistic, TileOpcode::kLogistic},
    {Op::kNegate, TileOpcode::kNegate},
    {Op::kNot, TileOpcode::kNot},
    {Op::kPopcnt, TileOpcode::kPopcnt},
    {Op::kReal, TileOpcode::kReal},
    {Op::kReducePrecision, TileOpcode::kReducePrecision},
    {Op::kRoundNearestAfz, TileOpcode::kRoundAfz},
    {Op::kRoundNearestEven, TileOpcode::kRoundEven},
    {Op::kRsqrt, TileOpcode::kRsqrt},
    {Op::kSign, TileOpcode::kSign},
    {Op::kSine, TileOpcode::kSin},
    {Op::kSqrt, TileOpcode::kSqrt},
    {Op::kTan, TileOpcode::kTan},
    {Op::kTanh, TileOpcode::kTanh},
    {Op::kBitcastConvert, TileOpcode::kBitcast},
    {Op::kAdd, TileOpcode::kAdd},
    {Op::kAnd, TileOpcode::kAnd},
    {Op::kAtan2, TileOpcode::kAtan2},
    {Op::kComplex, TileOpcode::kComplex},
    {Op::kDivide, TileOpcode::kDiv},
    {Op::kMaximum, TileOpcode::kMax},
    {Op::kMinimum, TileOpcode::kMin},
    {Op::kMultiply, TileOpcode::kMul},
    {Op::kOr, TileOpcode::kOr},
    {Op::kPower, TileOpcode::kPow},
    {Op::kRemainder, TileOpcode::kRem},
    {Op::kShiftLeft, TileOpcode::kShl},
    {Op::kShiftRightArithmetic, TileOpcode::kShrA},
    {Op::kShiftRightLogical, TileOpcode::kShrL},
    {Op::kSubtract, TileOpcode::kSub},
    {Op::kXor, TileOpcode::kXor},
    {Op::kClamp, TileOpcode::kClamp},
    {Op::kSelect, TileOpcode::kSelect},
};

struct Direction {
  std::string_view name;
  TileOpcode ordered, total;
};

constexpr Direction kDirections[] = {
    {"EQ", TileOpcode::kEq, TileOpcode::kEqTotal}, {"NE", TileOpcode::kNe, TileOpcode::kNeTotal},
    {"LT", TileOpcode::kLt, TileOpcode::kLtTotal}, {"LE", TileOpcode::kLe, TileOpcode::kLeTotal},
    {"GT", TileOpcode::kGt, TileOpcode::kGtTotal}, {"GE", TileOpcode::kGe, TileOpcode::kGeTotal},
};

std::optional<TileOpcode> compare_code(const ir::Operation& operation) {
  const ir::Attribute* type = operation.find(Attr::kCompareType);
  const std::string* text = type == nullptr ? nullptr : std::get_if<std::string>(&type->value);
  const bool total = text != nullptr && *text == "TOTALORDER" && is_float(operation.operand(0)->type().element);
  for (const Direction& row : kDirections) {
    if (row.name == operation.text(Attr::kComparisonDirection)) return total ? row.total : row.ordered;
  }
  return std::nullopt;
}

}  // namespace

std::optional<TileOp> tile_op(const ir::Operation& operation) {
  TileOp op{};
  op.type = operation.result()->type().element;
  const size_t lead = operation.op() == Op::kSelect ? 1 : 0;
  const DataType operand_type = operation.operand(lead)->type().element;
  op.lane = emulator::lane_of(operand_type);
  if (operation.op() == Op::kCompare) {
    const auto code = compare_code(operation);
    if (!code) return std::nullopt;
    op.code = *code;
  } else {
    const Row* row = std::find_if(std::begin(kRows), std::end(kRows), [&](const Row& r) { return r.op == operation.op(); });
    if (row == std::end(kRows)) return std::nullopt;
    op.code = row->code;
  }
  if (operation.op() == Op::kReducePrecision) {
    op.imm =
        static_cast<uint64_t>(operation.integer(Attr::kExponentBits)) << 8 | static_cast<uint64_t>(operation.integer(Attr::kMantissaBits));
  }
  if (operation.op() == Op::kBitcastConvert) op.imm = static_cast<uint64_t>(operand_type);
  if (!emulator::supports(op.code, op.lane)) return std::nullopt;
  return op;
}

Splat splat_of(const ir::DenseElements& elements, int64_t index) {
  Splat splat;
  splat.type = elements.type.element;
  const auto size = static_cast<size_t>(size_of(splat.type));
  std::memcpy(splat.bits.data(), elements.bytes->data() + (elements.splat ? 0 : static_cast<size_t>(index) * size), size);
  return splat;
}

DataType carrier(emulator::Lane lane) {
  switch (lane) {
    case emulator::Lane::kF32: return DataType::kF32;
    case emulator::Lane::kF64: return DataType::kF64;
    case emulator::Lane::kS32: return DataType::kS32;
    case emulator::Lane::kU32: return DataType::kU32;
    case emulator::Lane::kS64: return DataType::kS64;
    case emulator::Lane::kU64: return DataType::kU64;
    case emulator::Lane::kC64: return DataType::kC64;
    case emulator::Lane::kC128: return DataType::kC128;
    case emulator::Lane::kPred: return DataType::kPred;
  }
  return DataType::kF32;
}

Splat evaluate(const TileOp& op, std::span<const Splat> operands) {
  ChainBuilder chain;
  std::vector<uint16_t> registers;
  std::vector<const std::byte*> inputs;
  for (const Splat& operand : operands) {
    registers.push_back(chain.input(operand.type));
    inputs.push_back(operand.bits.data());
  }
  chain.output(chain.apply(op, registers), op.type);
  Splat result;
  result.type = op.type;
  std::byte* outputs[1] = {result.bits.data()};
  emulator::TileScratch scratch;
  emulator::TileChain(chain.finish()).run(inputs.data(), outputs, 1, scratch);
  return result;
}

uint16_t fill(ChainBuilder& chain, const Splat& splat) { return chain.fill(splat.type, splat.bits); }

TileProgram region_chain(const ir::Block& block) {
  ChainBuilder chain;
  std::unordered_map<const ir::Value*, uint16_t> registers;
  for (const auto& argument : block.arguments()) registers[argument.get()] = chain.input(argument->type().element);
  auto reg = [&](const ir::Value* value) {
    const auto found = registers.find(value);
    if (found != registers.end()) return found->second;
    const ir::Operation* definer = value->definer();
    if (definer == nullptr || definer->op() != Op::kConstant) {
      fail(ErrorCategory::kUnimplemented, "a region that captures a value which is not a constant");
    }
    return registers[value] = fill(chain, splat_of(definer->elements()));
  };
  for (const auto& operation : block.operations()) {
    switch (operation->op()) {
      case Op::kReturn:
        for (const ir::Value* value : operation->operands()) chain.output(reg(value), value->type().element);
        return chain.finish();
      case Op::kConstant: registers[operation->result()] = fill(chain, splat_of(operation->elements())); break;
      case Op::kReshape:
      case Op::kBroadcastInDim:
      case Op::kOptimizationBarrier:
        for (size_t i = 0; i < operation->results().size(); ++i) registers[operation->result(i)] = reg(operation->operand(i));
        break;
      default: {
        const std::optional<TileOp> op = ir::is_elementwise(operation->op()) ? tile_op(*operation) : std::nullopt;
        if (!op) fail(ErrorCategory::kUnimplemented, "stablehlo.", ir::name(operation->op()), " inside a region");
        uint16_t operands[3];
        size_t n = 0;
        for (const ir::Value* value : operation->operands()) operands[n++] = reg(value);
        registers[operation->result()] = chain.apply(*op, {operands, n});
      }
    }
  }
  fail(ErrorCategory::kInternal, "[region] without a return");
}

}  // namespace tt::lowering
