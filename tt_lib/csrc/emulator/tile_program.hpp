// A chain of tile operations over DST registers as data: what an elementwise compute kernel executes, one page (<= 1024 elements) at
// a time. The same engine computes the scalar regions of reductions, windows, scatters, comparators and maps, many lanes at once.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/data_type.hpp"

namespace tt::emulator {

inline constexpr size_t kTileElements = 1024;  // 32 x 32

// How a register holds its elements. Narrower array types widen on load and are normalised after every operation.
enum class Lane : uint8_t { kF32, kF64, kS32, kU32, kS64, kU64, kC64, kC128, kPred };  // kPred: uint32_t 0 or 1
inline constexpr int kNumLanes = static_cast<int>(Lane::kPred) + 1;

Lane lane_of(DataType type);  // bf16 -> kF32, i8 -> kS32, ui16 -> kU32, i1 -> kPred ...
size_t lane_size(Lane lane);  // bytes of one element in a register
std::string_view name(Lane lane);

enum class TileOpcode : uint8_t {
  kCopy,
  kFill,     // dst = a; dst = imm
  kConvert,  // dst (type) = a (lane), StableHLO's convert: saturating float -> integer, NaN -> 0
  kBitcast,  // same width: the storage bits of a (storage type imm) read as `type`
  // one operand
  kAbs,
  kNegate,
  kSign,
  kNot,
  kPopcnt,
  kClz,
  kCeil,
  kFloor,
  kRoundAfz,
  kRoundEven,
  kIsFinite,
  kExp,
  kExpm1,
  kLog,
  kLog1p,
  kSqrt,
  kRsqrt,
  kCbrt,
  kLogistic,
  kTanh,
  kSin,
  kCos,
  kTan,
  kErf,
  kErfInv,
  kGelu,
  kAsin,
  kAcos,
  kAtan,
  kSinh,
  kCosh,
  kAsinh,
  kAcosh,
  kAtanh,
  kErfc,
  kRecip,
  kReal,
  kImag,
  kReducePrecision,  // imm of kReducePrecision: exponent_bits << 8 | mantissa_bits
  // two operands
  kAdd,
  kSub,
  kMul,
  kDiv,
  kRem,
  kMax,
  kMin,
  kPow,
  kAtan2,
  kAnd,
  kOr,
  kXor,
  kShl,
  kShrA,
  kShrL,
  kComplex,
  kMulHi,
  kEq,
  kNe,
  kLt,
  kLe,
  kGt,
  kGe,  // -> kPred lanes; IEEE order
  kLtTotal,
  kLeTotal,
  kGtTotal,
  kGeTotal,
  kEqTotal,
  kNeTotal,  // -> kPred lanes; -NaN < -inf < ... -0 < +0 ... < NaN
  // three operands
  kSelect,  // dst = a (kPred) ? b : c
  kClamp,   // dst = min(max(b, a), c): a is the lower bound, c the upper, as in StableHLO
  kMulAdd,  // dst = a * b + c, each step rounded to `type`
};
inline constexpr int kNumTileOpcodes = static_cast<int>(TileOpcode::kMulAdd) + 1;

struct TileOpcodeInfo {
  TileOpcode code;
  std::string_view name;  // as a kernel listing prints it: "exp_tile", "add_binary_tile"
  int8_t operands;
  float sfpu_cycles;   // per 32x32 tile on the SFPU or FPU (see cycles.hpp for the source)
  float riscv_cycles;  // per element on a RISC-V core, for the types the engines cannot do (0: same op on 32-bit ints)
};
const TileOpcodeInfo& info(TileOpcode code);
bool is_exact(TileOpcode code);             // results need no rounding: they come from operands, or are codes of the type already
bool supports(TileOpcode code, Lane lane);  // is there an implementation for operands in this lane

// One step. Registers are numbered; 0..inputs-1 hold the inputs.
struct TileOp {
  TileOpcode code;
  Lane lane;      // of the operands (of b and c for kSelect)
  DataType type;  // the array type of the result: rounding (bf16, f16, f8) or wrapping (i8, ui16 ...) that follows the operation
  uint16_t dst;
  uint16_t a = 0, b = 0, c = 0;
  uint64_t imm = 0;   // kFill: the bits of one element in the ARRAY encoding of `type` (first 8 bytes); else see the opcode
  uint64_t imm2 = 0;  // kFill of c128: the imaginary part
};

struct TileProgram {
  struct Output {
    uint16_t reg;
    DataType type;
  };
  std::vector<DataType> inputs;
  std::vector<TileOp> ops;
  std::vector<Output> outputs;
  uint16_t num_registers = 0;

  bool operator==(const TileProgram&) const;
};
std::string to_string(const TileProgram& program);  // one step per line

// Converts n elements between array types as kConvert does. Same type: a copy.
void convert_elements(DataType from, const std::byte* source, DataType to, std::byte* destination, size_t n);

// The instruction sets the tile engines are compiled for; the best one of the host is chosen at load, JAX_TT_SIMD overrides
// ("amx", "avx512", "avx2", "portable").
enum class Simd : uint8_t { kPortable, kAvx2, kAvx512, kAmx };
Simd simd();
std::string_view name(Simd simd);
bool host_has_bf16_dot();

}  // namespace tt::emulator
