// What the tile engine provides once per instruction set: a table of functions over registers. The sources in this folder are compiled
// three times, each into its own namespace (TT_SIMD: portable, avx2, avx512), and give the same bits. AMX is AVX-512 with another product
// of bf16, whose sums are rounded in another order.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/data_type.hpp"
#include "emulator/fpu.hpp"
#include "emulator/tile_program.hpp"

namespace tt::emulator {

// Loops over a register may run to a multiple of this many elements: registers always have room for kTileElements.
inline constexpr size_t kLanePadding = 16;
[[gnu::always_inline]] constexpr size_t padded(size_t n) { return (n + kLanePadding - 1) / kLanePadding * kLanePadding; }

struct StepArguments {
  void* dst;
  const void* a;
  const void* b;
  const void* c;
  size_t n;
  DataType type;  // of the result
  uint64_t imm;
  uint64_t imm2;
  const void* ahead;                // as many bytes as an operand has: what the host's caches are asked for meanwhile
  uint32_t still = 0;               // bit i: only the first kLanePadding elements of operand i are there, for all (see takes_still)
  void* second = nullptr;           // another result
  const void* ahead_too = nullptr;  // for a step of two operations, which has three operands
};

using StepFunction = void (*)(const StepArguments&);
// A step of two operations: g(f(a, b), c), or with `turned` g(c, f(a, b)); null where the engine has no such form.
using JoinFunction = StepFunction (*)(Lane lane, DataType type, TileOpcode f, TileOpcode g, bool turned);
using LoadFunction = void (*)(const std::byte* source, void* reg, size_t n);
using StoreFunction = void (*)(const void* reg, std::byte* destination, size_t n);
using RoundFunction = void (*)(void* reg, size_t n);
// `side_by_side` rows in each page, `count` in all.
using FoldFunction = void (*)(const std::byte* const* pages, size_t side_by_side, size_t count, size_t length, float* results);
using RepeatFunction = void (*)(size_t element, const std::byte* elements, size_t count, size_t times, std::byte* to);
using SelectFunction = size_t (*)(const std::byte* values, size_t n, int64_t low, int64_t high, uint32_t* positions);
using MatmulFunction = void (*)(const MatmulBlock& block);

struct Engine {
  StepFunction steps[kNumTileOpcodes][kNumLanes] = {};  // null: not supported
  StepFunction bf16_steps[kNumTileOpcodes] = {};        // f32 lanes, results rounded to bf16 in the same pass; null: by steps and round
  LoadFunction load[kNumDataTypes] = {};                // array -> register
  StoreFunction store[kNumDataTypes] = {};              // register -> array, of values that round has made representable
  RoundFunction round[kNumDataTypes] = {};              // null: every register value is representable
  MatmulFunction matmul[kNumDataTypes] = {};            // by operand type
  FoldFunction fold_rows[kNumTileOpcodes] = {};         // kAdd, kMul, kMax, kMin of f32
  StepFunction rotate_left32 = nullptr;                 // dst = a rotated by imm bits, 0 < imm < 32
  StepFunction rotate_left32_xor = nullptr;             // dst = rotate_left32(a) ^ b
  // Rounds of Threefry: four times b += a, a = rotate_left32(a) ^ b, by the bytes of imm from the low one; dst = a, second = b.
  StepFunction rotate_rounds = nullptr;
  JoinFunction joined = nullptr;
  RepeatFunction repeat = nullptr;
  SelectFunction select[kNumDataTypes] = {};  // integers
  void (*interleave)(const uint16_t* tile, uint16_t* interleaved) = nullptr;
  void (*tilize_pairs)(const uint16_t* source, int64_t row_stride, int64_t col_stride, size_t rows, size_t cols, uint16_t* tile,
                       int64_t next) = nullptr;
  void (*tilize)(size_t element, const std::byte* source, int64_t row_stride, int64_t col_stride, size_t rows, size_t cols, std::byte* tile,
                 int64_t next, bool whole) = nullptr;
  void (*untilize)(size_t element, const std::byte* tile, std::byte* destination, int64_t row_stride, int64_t col_stride, size_t rows,
                   size_t cols, int64_t next) = nullptr;
  void (*transpose)(size_t element, const std::byte* source, int64_t source_stride, std::byte* destination, int64_t destination_stride,
                    size_t rows, size_t cols, int64_t next) = nullptr;
};

bool host_supports(Simd simd);
const Engine& engine(Simd simd);  // of a supported instruction set
const Engine& engine();           // the one chosen at load

// convert_elements on a given engine.
void convert_elements(const Engine& engine, DataType from, const std::byte* source, DataType to, std::byte* destination, size_t n);

namespace portable {
const Engine& engine();
}
namespace avx2 {
const Engine& engine();
}
namespace avx512 {
const Engine& engine();
const Engine& engine_with_amx();
}  // namespace avx512

}  // namespace tt::emulator
