// Halving loops that the compiler vectorises, compiled for several instruction sets.
#include "dnn/row_fold.hpp"

#include <bit>

#include "base/error.hpp"

#define TT_ROW_FOLD __attribute__((target_clones("avx512f", "avx2", "default"), optimize("O3")))

namespace tt::dnn {
namespace {

using emulator::TileOpcode;

TT_ROW_FOLD void fold_add(float* row, int64_t length) {
  while (length > 1) {
    const int64_t half = length / 2;
    const float* high = row + (length - half);
    for (int64_t i = 0; i < half; ++i) row[i] = row[i] + high[i];
    length -= half;
  }
}

TT_ROW_FOLD void fold_multiply(float* row, int64_t length) {
  while (length > 1) {
    const int64_t half = length / 2;
    const float* high = row + (length - half);
    for (int64_t i = 0; i < half; ++i) row[i] = row[i] * high[i];
    length -= half;
  }
}

// NaN wins; +0 is above -0.
TT_ROW_FOLD void fold_maximum(float* row, int64_t length) {
  while (length > 1) {
    const int64_t half = length / 2;
    const float* high = row + (length - half);
    for (int64_t i = 0; i < half; ++i) {
      const float a = row[i], b = high[i];
      const float equal = std::bit_cast<float>(std::bit_cast<uint32_t>(a) & std::bit_cast<uint32_t>(b));
      const float larger = a > b || a != a ? a : b;
      row[i] = a == b ? equal : larger;
    }
    length -= half;
  }
}

TT_ROW_FOLD void fold_minimum(float* row, int64_t length) {
  while (length > 1) {
    const int64_t half = length / 2;
    const float* high = row + (length - half);
    for (int64_t i = 0; i < half; ++i) {
      const float a = row[i], b = high[i];
      const float equal = std::bit_cast<float>(std::bit_cast<uint32_t>(a) | std::bit_cast<uint32_t>(b));
      const float smaller = a < b || a != a ? a : b;
      row[i] = a == b ? equal : smaller;
    }
    length -= half;
  }
}

}  // namespace

std::optional<TileOpcode> row_fold_opcode(const emulator::TileProgram& combine) {
  if (combine.ops.size() != 1 || combine.inputs.size() != 2 || combine.outputs.size() != 1) return std::nullopt;
  const emulator::TileOp& op = combine.ops[0];
  const bool both = (op.a == 0 && op.b == 1) || (op.a == 1 && op.b == 0);
  if (!both || combine.outputs[0].reg != op.dst || op.type != DataType::kF32 || combine.inputs[0] != DataType::kF32) return std::nullopt;
  switch (op.code) {
    case TileOpcode::kAdd:
    case TileOpcode::kMul:
    case TileOpcode::kMax:
    case TileOpcode::kMin: return op.code;
    default: return std::nullopt;
  }
}

void fold_rows(TileOpcode opcode, float* rows, int64_t count, int64_t length) {
  void (*fold)(float*, int64_t) = nullptr;
  switch (opcode) {
    case TileOpcode::kAdd: fold = fold_add; break;
    case TileOpcode::kMul: fold = fold_multiply; break;
    case TileOpcode::kMax: fold = fold_maximum; break;
    case TileOpcode::kMin: fold = fold_minimum; break;
    default: fail(ErrorCategory::kInternal, "[row fold] of ", emulator::info(opcode).name);
  }
  for (int64_t r = 0; r < count; ++r) {
    fold(rows + r * length, length);
    rows[r] = rows[r * length];
  }
}

}  // namespace tt::dnn
