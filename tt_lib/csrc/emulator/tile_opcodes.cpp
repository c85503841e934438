// The table of tile operations: names, operands and what they cost.
#include <array>

#include "emulator/tile_program.hpp"

namespace tt::emulator {
namespace {

using enum TileOpcode;

// Cycles per 32x32 tile on the engines and per element on a RISC-V core; a first set, from docs of the SFPU's instruction counts.
constexpr std::array<TileOpcodeInfo, kNumTileOpcodes> kOpcodes = {{
    {kCopy, "copy_tile", 1, 0, 1},
    {kFill, "fill_tile", 0, 32, 1},
    {kConvert, "typecast_tile", 1, 64, 20},
    {kBitcast, "bitcast_tile", 1, 0, 1},
    {kAbs, "abs_tile", 1, 64, 2},
    {kNegate, "negative_tile", 1, 64, 2},
    {kSign, "sign_tile", 1, 128, 3},
    {kNot, "bitwise_not_tile", 1, 64, 1},
    {kPopcnt, "popcnt_tile", 1, 512, 12},
    {kClz, "clz_tile", 1, 128, 10},
    {kCeil, "ceil_tile", 1, 256, 12},
    {kFloor, "floor_tile", 1, 256, 12},
    {kRoundAfz, "round_tile", 1, 256, 14},
    {kRoundEven, "round_even_tile", 1, 256, 14},
    {kIsFinite, "isfinite_tile", 1, 96, 3},
    {kExp, "exp_tile", 1, 640, 400},
    {kExpm1, "expm1_tile", 1, 704, 450},
    {kLog, "log_tile", 1, 768, 400},
    {kLog1p, "log1p_tile", 1, 832, 450},
    {kSqrt, "sqrt_tile", 1, 640, 200},
    {kRsqrt, "rsqrt_tile", 1, 704, 300},
    {kCbrt, "cbrt_tile", 1, 1024, 600},
    {kLogistic, "sigmoid_tile", 1, 768, 450},
    {kTanh, "tanh_tile", 1, 256, 500},
    {kSin, "sin_tile", 1, 1024, 500},
    {kCos, "cos_tile", 1, 1024, 500},
    {kTan, "tan_tile", 1, 1280, 700},
    {kErf, "erf_tile", 1, 1024, 600},
    {kErfInv, "erfinv_tile", 1, 1280, 800},
    {kGelu, "gelu_tile", 1, 512, 700},
    {kAsin, "asin_tile", 1, 1024, 600},
    {kAcos, "acos_tile", 1, 1024, 600},
    {kAtan, "atan_tile", 1, 1024, 600},
    {kSinh, "sinh_tile", 1, 1024, 700},
    {kCosh, "cosh_tile", 1, 1024, 700},
    {kAsinh, "asinh_tile", 1, 1280, 800},
    {kAcosh, "acosh_tile", 1, 1280, 800},
    {kAtanh, "atanh_tile", 1, 1280, 800},
    {kErfc, "erfc_tile", 1, 1024, 700},
    {kRecip, "recip_tile", 1, 512, 60},
    {kReal, "real_tile", 1, 64, 2},
    {kImag, "imag_tile", 1, 64, 2},
    {kReducePrecision, "reduce_precision_tile", 1, 256, 10},
    {kAdd, "add_binary_tile", 2, 64, 30},
    {kSub, "sub_binary_tile", 2, 64, 30},
    {kMul, "mul_binary_tile", 2, 64, 40},
    {kDiv, "div_binary_tile", 2, 640, 80},
    {kRem, "rem_binary_tile", 2, 1024, 90},
    {kMax, "max_binary_tile", 2, 96, 4},
    {kMin, "min_binary_tile", 2, 96, 4},
    {kPow, "power_binary_tile", 2, 1536, 900},
    {kAtan2, "atan2_binary_tile", 2, 1536, 700},
    {kAnd, "bitwise_and_tile", 2, 64, 1},
    {kOr, "bitwise_or_tile", 2, 64, 1},
    {kXor, "bitwise_xor_tile", 2, 64, 1},
    {kShl, "left_shift_tile", 2, 64, 2},
    {kShrA, "right_shift_tile", 2, 64, 2},
    {kShrL, "logical_right_shift_tile", 2, 64, 2},
    {kComplex, "complex_tile", 2, 64, 2},
    {kMulHi, "mulhi_tile", 2, 256, 6},
    {kEq, "eq_binary_tile", 2, 96, 3},
    {kNe, "ne_binary_tile", 2, 96, 3},
    {kLt, "lt_binary_tile", 2, 96, 3},
    {kLe, "le_binary_tile", 2, 96, 3},
    {kGt, "gt_binary_tile", 2, 96, 3},
    {kGe, "ge_binary_tile", 2, 96, 3},
    {kLtTotal, "lt_total_tile", 2, 192, 6},
    {kLeTotal, "le_total_tile", 2, 192, 6},
    {kGtTotal, "gt_total_tile", 2, 192, 6},
    {kGeTotal, "ge_total_tile", 2, 192, 6},
    {kEqTotal, "eq_total_tile", 2, 192, 6},
    {kNeTotal, "ne_total_tile", 2, 192, 6},
    {kSelect, "where_tile", 3, 128, 4},
    {kClamp, "clamp_tile", 3, 192, 8},
    {kMulAdd, "mad_tile", 3, 64, 60},
}};

constexpr bool in_order() {
  for (int i = 0; i < kNumTileOpcodes; ++i) {
    if (static_cast<int>(kOpcodes[static_cast<size_t>(i)].code) != i) return false;
  }
  return true;
}
static_assert(in_order(), "a row stands where its opcode says");

}  // namespace

const TileOpcodeInfo& info(TileOpcode code) { return kOpcodes[static_cast<size_t>(code)]; }

}  // namespace tt::emulator
