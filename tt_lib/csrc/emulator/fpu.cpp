// The matrix engine's types, and its operations on the engine chosen at load.
#include "emulator/fpu.hpp"

#include <algorithm>
#include <cstring>

#include "base/error.hpp"
#include "emulator/simd/engine.hpp"

namespace tt::emulator {
namespace {

bool is_element_size(size_t element) { return element == 1 || element == 2 || element == 4 || element == 8 || element == 16; }

}  // namespace

DataType matmul_operand_type(DataType type) {
  const DataTypeInfo& row = info(type);
  switch (row.type_class) {
    case TypeClass::kPred: return DataType::kS32;
    case TypeClass::kSigned:
    case TypeClass::kUnsigned: return row.bits > 32 ? DataType::kS64 : DataType::kS32;
    case TypeClass::kFloat: return type == DataType::kBF16 || type == DataType::kF64 ? type : DataType::kF32;
    case TypeClass::kComplex: return type;
    case TypeClass::kBlockFloat: return DataType::kBF16;  // what the unpacker makes of block formats
  }
  return type;
}

DataType matmul_accumulator_type(DataType type) {
  const DataType operand = matmul_operand_type(type);
  return operand == DataType::kBF16 ? DataType::kF32 : operand;
}

void interleave_bf16_pairs(const uint16_t* tile, uint16_t* interleaved) { engine().interleave(tile, interleaved); }

void matmul_block(DataType type, const MatmulBlock& block) {
  const MatmulFunction matmul = engine().matmul[static_cast<size_t>(type)];
  check(matmul != nullptr, "[matmul_block] ", name(type), " is no operand type: see matmul_operand_type");
  matmul(block);
}

void tilize(size_t element, const std::byte* source, int64_t row_stride, int64_t col_stride, size_t rows, size_t cols, std::byte* tile,
            int64_t next, bool whole) {
  check(is_element_size(element) && rows <= 32 && cols <= 32, "[tilize] ", rows, "x", cols, " elements of ", element, " bytes");
  engine().tilize(element, source, row_stride, col_stride, rows, cols, tile, next, whole);
}

void tilize_pairs(const uint16_t* source, int64_t row_stride, int64_t col_stride, size_t rows, size_t cols, uint16_t* tile, int64_t next) {
  check(rows <= 32 && cols <= 32, "[tilize] ", rows, "x", cols, " pairs");
  engine().tilize_pairs(source, row_stride, col_stride, rows, cols, tile, next);
}

void untilize(size_t element, const std::byte* tile, std::byte* destination, int64_t row_stride, int64_t col_stride, size_t rows,
              size_t cols, int64_t next) {
  check(is_element_size(element) && rows <= 32 && cols <= 32, "[untilize] ", rows, "x", cols, " elements of ", element, " bytes");
  engine().untilize(element, tile, destination, row_stride, col_stride, rows, cols, next);
}

void untilize_rows(size_t element, const std::byte* tile, std::span<std::byte* const> rows, size_t columns) {
  check(is_element_size(element) && rows.size() <= 32 && columns <= 32, "[untilize] ", rows.size(), "x", columns, " elements of ", element,
        " bytes");
  const size_t left = std::min<size_t>(columns, 16) * element, right = columns > 16 ? (columns - 16) * element : 0;
  for (size_t r = 0; r < rows.size(); ++r) {
    const std::byte* from = tile + (r / 16 * 512 + r % 16 * 16) * element;
    std::memcpy(rows[r], from, left);
    std::memcpy(rows[r] + left, from + 256 * element, right);
  }
}

void transpose(size_t element, const std::byte* source, int64_t source_stride, std::byte* destination, int64_t destination_stride,
               size_t rows, size_t cols, int64_t next) {
  check(is_element_size(element), "[transpose] of elements of ", element, " bytes");
  engine().transpose(element, source, source_stride, destination, destination_stride, rows, cols, next);
}

void fold_rows(TileOpcode opcode, const std::byte* const* pages, size_t side_by_side, size_t count, size_t length, float* results) {
  const FoldFunction fold = engine().fold_rows[static_cast<size_t>(opcode)];
  check(fold != nullptr, "[fold_rows] of ", info(opcode).name);
  fold(pages, side_by_side, count, length, results);
}

void repeat_elements(size_t element, const std::byte* elements, size_t count, size_t times, std::byte* to) {
  check(is_element_size(element), "[repeat_elements] of ", element, " bytes");
  engine().repeat(element, elements, count, times, to);
}

}  // namespace tt::emulator
