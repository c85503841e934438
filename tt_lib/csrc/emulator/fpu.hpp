// The matrix engine: products of blocks of 32x32 tiles. Tiles lie in face order: four 16x16 faces (0,0) (0,1) (1,0) (1,1), each row-major.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/data_type.hpp"
#include "emulator/tile_program.hpp"

namespace tt::emulator {

// The element type in which the matrix engine multiplies arrays of `type`, and the one in which it accumulates:
// bf16 -> (bf16, f32); f16, f8 -> (f32, f32); f32 -> (f32, f32); f64; i8..i32, ui8..ui32 -> i32 (wrapping); i64, ui64 -> i64; c64; c128.
DataType matmul_operand_type(DataType type);
DataType matmul_accumulator_type(DataType type);
inline size_t matmul_tile_bytes(DataType operand_or_accumulator) { return 1024 * static_cast<size_t>(size_of(operand_or_accumulator)); }

// bf16 tiles of the second operand are stored k-pair interleaved for the dot-product instruction: within each face row pair (2p, 2p+1),
// element (2p+i, n) lies at p*32 + 2n + i. In-place is not allowed.
void interleave_bf16_pairs(const uint16_t* tile, uint16_t* interleaved);

// A tile of the first operand may be given by where its rows lie, 32 contiguous elements each: what such a page holds instead of elements.
struct TileRows {
  const std::byte* row[32];
};

// acc[m][n] += sum over k of a[m][k] * b[k][n] for an mt x nt x kt block of tiles, pointers row-major.
struct MatmulBlock {
  const std::byte* const* a;  // mt * kt tiles, or their TileRows
  const std::byte* const* b;  // kt * nt; bf16 tiles are interleaved
  std::byte* const* acc;      // mt * nt
  size_t mt, nt, kt;
  size_t last_rows = 32;   // that count in the last row of A's tiles: the sums below are unspecified
  bool a_in_rows = false;  // a[i] is a TileRows
  bool fresh = false;      // the sums start at zero, whatever acc holds
};

// `type` is an operand type from matmul_operand_type. Each element's sum runs over k in order, in f32 with one fused multiply-add per term
// (bf16: per pair, as VDPBF16PS does; with AMX per 16 elements, the even and the odd ones apart, as TDPBF16PS does).
void matmul_block(DataType type, const MatmulBlock& block);

// Moves a row-major block of at most 32 x 32 elements into a tile in face order and back; what lies outside rows x cols is zero-filled
// on the way in (without `whole`, only in faces that have something inside) and skipped on the way out. Strides in elements; so far from
// this block the next one begins, for the host's caches: `next`. `element` is the element size in bytes: 1, 2, 4, 8 or 16.
void tilize(size_t element, const std::byte* source, int64_t row_stride, int64_t col_stride, size_t rows, size_t cols, std::byte* tile,
            int64_t next = 32, bool whole = true);
// tilize and interleave_bf16_pairs in one step.
void tilize_pairs(const uint16_t* source, int64_t row_stride, int64_t col_stride, size_t rows, size_t cols, uint16_t* tile,
                  int64_t next = 32);
void untilize(size_t element, const std::byte* tile, std::byte* destination, int64_t row_stride, int64_t col_stride, size_t rows,
              size_t cols, int64_t next = 32);

// The same to rows that lie anywhere: `columns` elements of row i of the tile go to rows[i].
void untilize_rows(size_t element, const std::byte* tile, std::span<std::byte* const> rows, size_t columns);

// destination[r * destination_stride + c] = source[c * source_stride + r], rows x cols of them; `next` as above.
void transpose(size_t element, const std::byte* source, int64_t source_stride, std::byte* destination, int64_t destination_stride,
               size_t rows, size_t cols, int64_t next);

// results[r] = row[0] . ... . row[length - 1] of each of `count` rows, for kAdd, kMul, kMax or kMin of f32; `side_by_side` of them in every
// page. The order of combination depends on `length` alone (simd/rows.cpp).
void fold_rows(TileOpcode opcode, const std::byte* const* pages, size_t side_by_side, size_t count, size_t length, float* results);
// Each of `count` elements `times` times.
void repeat_elements(size_t element, const std::byte* elements, size_t count, size_t times, std::byte* to);

}  // namespace tt::emulator
