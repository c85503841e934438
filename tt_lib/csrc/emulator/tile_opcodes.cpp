// The table of tile operations: names, operands and what each costs on the card.
#include <array>

#include "base/error.hpp"
#include "emulator/tile_program.hpp"

namespace tt::emulator {
namespace {

using enum TileOpcode;

// Cycles per tile on the SFPU or FPU. Measured rows are cycles_per_tile of calibration/buda_singlecore_fits.csv (grayskull.md section 4.1):
// nop, add, subtract, multiply, maximum, exp, log, sqrt, reciprocal, sigmoid, gelu, power. The others are sums of measured parts.
constexpr float kNop = 56.35f, kAddTile = 48.55f, kSubTile = 48.75f, kMulTile = 54.14f, kMaxTile = 259.98f;
constexpr float kExpTile = 2665.31f, kLogTile = 1414.36f, kSqrtTile = 157.37f, kRecipTile = 912.66f;
constexpr float kTableTile = 172.75f, kGeluTile = 282.26f;  // piecewise tables: sigmoid, gelu
constexpr float kSeriesTile = 12 * kMulTile;                // a polynomial of about six terms: a product and a sum each

// Cycles per element on a RISC-V core: our estimates from grayskull.md section 1.5 (one instruction per cycle, 7 per load from L1, no
// multiplier): two loads, the operation, a store and the loop; products and quotients bit by bit; functions in software floating point.
constexpr float kSimple = 20, kProduct = 150, kQuotient = 420, kIntegerPower = 2400, kFunction = 6000;

constexpr std::array<TileOpcodeInfo, kNumTileOpcodes> kOpcodes = {{
    {kCopy, "copy_dest_values", 1, kNop, kSimple},
    {kFill, "fill_tile", 0, kNop, kSimple},
    {kConvert, "typecast_tile", 1, kNop, kSimple},
    {kBitcast, "bitcast_tile", 1, kNop, kSimple},
    {kAbs, "abs_tile", 1, kNop, kSimple},
    {kNegate, "negative_tile", 1, kNop, kSimple},
    {kSign, "sign_tile", 1, kMaxTile, kSimple},
    {kNot, "bitwise_not_tile", 1, kNop, kSimple},
    {kPopcnt, "popcnt_tile", 1, kSeriesTile, 2 * kSimple},
    {kClz, "clz_tile", 1, kSeriesTile, 2 * kSimple},
    {kCeil, "ceil_tile", 1, kMaxTile, kSimple},
    {kFloor, "floor_tile", 1, kMaxTile, kSimple},
    {kRoundAfz, "round_tile", 1, kMaxTile, kSimple},
    {kRoundEven, "round_even_tile", 1, kMaxTile, kSimple},
    {kIsFinite, "isfinite_tile", 1, kMaxTile, kSimple},
    {kExp, "exp_tile", 1, kExpTile, kFunction},
    {kExpm1, "expm1_tile", 1, kExpTile + kSubTile, kFunction},
    {kLog, "log_tile", 1, kLogTile, kFunction},
    {kLog1p, "log1p_tile", 1, kLogTile + kAddTile, kFunction},
    {kSqrt, "sqrt_tile", 1, kSqrtTile, kFunction},
    {kRsqrt, "rsqrt_tile", 1, kSqrtTile + kRecipTile, kFunction},
    {kCbrt, "cbrt_tile", 1, kLogTile + kExpTile, kFunction},
    {kLogistic, "sigmoid_tile", 1, kTableTile, kFunction},
    {kTanh, "tanh_tile", 1, kTableTile, kFunction},
    {kSin, "sin_tile", 1, kSeriesTile, kFunction},
    {kCos, "cos_tile", 1, kSeriesTile, kFunction},
    {kTan, "tan_tile", 1, 2 * kSeriesTile + kRecipTile, kFunction},
    {kErf, "erf_tile", 1, kSeriesTile, kFunction},
    {kErfInv, "erfinv_tile", 1, kLogTile + 2 * kSqrtTile, kFunction},
    {kGelu, "gelu_tile", 1, kGeluTile, kFunction},
    {kAsin, "asin_tile", 1, kSeriesTile, kFunction},
    {kAcos, "acos_tile", 1, kSeriesTile + kSubTile, kFunction},
    {kAtan, "atan_tile", 1, kSeriesTile, kFunction},
    {kSinh, "sinh_tile", 1, 2 * kExpTile + kSubTile, kFunction},
    {kCosh, "cosh_tile", 1, 2 * kExpTile + kAddTile, kFunction},
    {kAsinh, "asinh_tile", 1, kLogTile + kSqrtTile + 2 * kAddTile, kFunction},
    {kAcosh, "acosh_tile", 1, kLogTile + kSqrtTile + 2 * kAddTile, kFunction},
    {kAtanh, "atanh_tile", 1, kLogTile + kRecipTile + 2 * kAddTile, kFunction},
    {kErfc, "erfc_tile", 1, kSeriesTile + kSubTile, kFunction},
    {kRecip, "recip_tile", 1, kRecipTile, kQuotient},
    {kReal, "real_tile", 1, kNop, kSimple},
    {kImag, "imag_tile", 1, kNop, kSimple},
    {kReducePrecision, "reduce_precision_tile", 1, kMaxTile, kSimple},
    {kAdd, "add_binary_tile", 2, kAddTile, kSimple},
    {kSub, "sub_binary_tile", 2, kSubTile, kSimple},
    {kMul, "mul_binary_tile", 2, kMulTile, kProduct},
    {kDiv, "div_binary_tile", 2, kRecipTile + kMulTile, kQuotient},
    {kRem, "remainder_binary_tile", 2, kRecipTile + 2 * kMulTile + kMaxTile, kQuotient},
    {kMax, "binary_max_tile", 2, kMaxTile, kSimple},
    {kMin, "binary_min_tile", 2, kMaxTile, kSimple},
    {kPow, "power_binary_tile", 2, kLogTile + kMulTile + kExpTile, kIntegerPower},
    {kAtan2, "atan2_binary_tile", 2, kRecipTile + kMulTile + kSeriesTile, kFunction},
    {kAnd, "bitwise_and_binary_tile", 2, kNop, kSimple},
    {kOr, "bitwise_or_binary_tile", 2, kNop, kSimple},
    {kXor, "bitwise_xor_binary_tile", 2, kNop, kSimple},
    {kShl, "left_shift_binary_tile", 2, kNop, kSimple},
    {kShrA, "right_shift_binary_tile", 2, kNop, kSimple},
    {kShrL, "logical_right_shift_binary_tile", 2, kNop, kSimple},
    {kComplex, "complex_binary_tile", 2, kNop, kSimple},
    {kMulHi, "mul_high_binary_tile", 2, kMulTile, 2 * kProduct},
    {kEq, "eq_binary_tile", 2, kMaxTile, kSimple},
    {kNe, "ne_binary_tile", 2, kMaxTile, kSimple},
    {kLt, "lt_binary_tile", 2, kMaxTile, kSimple},
    {kLe, "le_binary_tile", 2, kMaxTile, kSimple},
    {kGt, "gt_binary_tile", 2, kMaxTile, kSimple},
    {kGe, "ge_binary_tile", 2, kMaxTile, kSimple},
    {kLtTotal, "lt_total_binary_tile", 2, kMaxTile, kSimple},
    {kLeTotal, "le_total_binary_tile", 2, kMaxTile, kSimple},
    {kGtTotal, "gt_total_binary_tile", 2, kMaxTile, kSimple},
    {kGeTotal, "ge_total_binary_tile", 2, kMaxTile, kSimple},
    {kEqTotal, "eq_total_binary_tile", 2, kMaxTile, kSimple},
    {kNeTotal, "ne_total_binary_tile", 2, kMaxTile, kSimple},
    {kSelect, "where_tile", 3, kMaxTile, kSimple},
    {kClamp, "clamp_tile", 3, 2 * kMaxTile, 2 * kSimple},
    {kMulAdd, "mul_add_tile", 3, kMulTile + kAddTile, kProduct + kSimple},
}};

constexpr bool in_order() {
  for (size_t i = 0; i < kOpcodes.size(); ++i) {
    if (static_cast<size_t>(kOpcodes[i].code) != i) return false;
  }
  return true;
}
static_assert(in_order(), "the table follows the enumeration");

struct LaneInfo {
  std::string_view name;
  size_t size;
};
constexpr std::array<LaneInfo, kNumLanes> kLanes = {{
    {"f32", 4},
    {"f64", 8},
    {"s32", 4},
    {"u32", 4},
    {"s64", 8},
    {"u64", 8},
    {"c64", 8},
    {"c128", 16},
    {"pred", 4},
}};

}  // namespace

const TileOpcodeInfo& info(TileOpcode code) { return kOpcodes[static_cast<size_t>(code)]; }

bool is_exact(TileOpcode code) {
  switch (code) {
    case TileOpcode::kCopy:
    case TileOpcode::kFill:
    case TileOpcode::kBitcast:
    case TileOpcode::kSelect:
    case TileOpcode::kMax:
    case TileOpcode::kMin:
    case TileOpcode::kClamp:
    case TileOpcode::kAnd:
    case TileOpcode::kOr:
    case TileOpcode::kXor: return true;
    default: return false;
  }
}

size_t lane_size(Lane lane) { return kLanes[static_cast<size_t>(lane)].size; }
std::string_view name(Lane lane) { return kLanes[static_cast<size_t>(lane)].name; }

Lane lane_of(DataType type) {
  const DataTypeInfo& row = info(type);
  switch (row.type_class) {
    case TypeClass::kPred: return Lane::kPred;
    case TypeClass::kSigned: return row.bits > 32 ? Lane::kS64 : Lane::kS32;
    case TypeClass::kUnsigned: return row.bits > 32 ? Lane::kU64 : Lane::kU32;
    case TypeClass::kFloat: return row.bits > 32 ? Lane::kF64 : Lane::kF32;
    case TypeClass::kComplex: return row.bits > 64 ? Lane::kC128 : Lane::kC64;
    case TypeClass::kBlockFloat: break;
  }
  fail(ErrorCategory::kUnsupported, "[tile program] elements of ", row.name, " share exponents, expected a type with elements of its own");
}

}  // namespace tt::emulator
