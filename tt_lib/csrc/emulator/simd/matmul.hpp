// The loops of a product of blocks of tiles, over an arithmetic that says how elements are read and accumulated.
#pragma once

#include "emulator/simd/vec.hpp"

namespace tt::emulator::TT_SIMD {

inline constexpr size_t kTile = 32;
inline constexpr size_t kFace = 16;

// Where element (row, column) of a tile lies.
constexpr size_t tile_offset(size_t row, size_t column) {
  return (row / kFace * 2 + column / kFace) * kFace * kFace + row % kFace * kFace + column % kFace;
}

TT_INLINE Vec<uint32_t> multiply_add(Vec<uint32_t> a, Vec<uint32_t> b, Vec<uint32_t> c) { return a * b + c; }
TT_INLINE Vec<uint64_t> multiply_add(Vec<uint64_t> a, Vec<uint64_t> b, Vec<uint64_t> c) { return a * b + c; }

// Rows and vectors of one register block: 16 sums of the 32 registers of AVX-512, 8 of 16 else.
inline constexpr size_t kBlockRows = kVectorBytes == 64 ? 8 : 4;
inline constexpr size_t kBlockVectors = 2;
// Steps along k in a row, for an arithmetic that is `kUnrolled`: what counts them would take a slot from the multiplications.
inline constexpr int kStepsAtOnce = kVectorBytes == 64 ? 16 : 4;

// Tiles lie in pages of their own, most of them beyond the host's second cache, and its hardware prefetches within a page only.
TT_INLINE void prefetch(const std::byte* from, size_t bytes) {
  for (size_t i = 0; i < bytes; i += 64) __builtin_prefetch(from + i);
}

// Where a register block finds rows r0.. of a tile of A, 16 elements along k at a time.
template <size_t element>
struct RowsInFaces {
  const std::byte* tile;
  size_t r0;
  RowsInFaces(const std::byte* page, size_t r0) : tile(page), r0(r0) {}
  TT_INLINE const std::byte* row(size_t r, size_t half) const { return tile + (tile_offset(r0, half * kFace) + r * kFace) * element; }
};
template <size_t element>
struct RowsByAddress {
  const std::byte* const* rows;
  RowsByAddress(const std::byte* page, size_t r0) : rows(reinterpret_cast<const TileRows*>(page)->row + r0) {}
  TT_INLINE const std::byte* row(size_t r, size_t half) const { return rows[r] + half * kFace * element; }
};

// One register block: rows r0.. and columns c0.. of tile (m, n), over all of K. `b` advances by `stride` tiles per k tile; `first`: nobody
// has read its tiles in this call.
template <class Arithmetic, class Rows>
TT_INLINE void matmul_register_block(const std::byte* const* a, const std::byte* const* b, size_t stride, std::byte* acc, size_t r0,
                                     size_t c0, size_t kt, bool first, bool fresh) {
  using Sum = typename Arithmetic::Sum;
  using V = typename Arithmetic::V;
  constexpr size_t kElement = Arithmetic::kElement;
  auto* sums = reinterpret_cast<Sum*>(acc);
  if (r0 + kBlockRows < kTile) {
    for (const size_t face : {size_t{0}, kFace})
      prefetch(acc + tile_offset(r0 + kBlockRows, face) * sizeof(Sum), kBlockRows * kFace * sizeof(Sum));
  }
  V sum[kBlockRows][kBlockVectors];
#pragma GCC unroll 16
  for (size_t r = 0; r < kBlockRows; ++r) {
#pragma GCC unroll 4
    for (size_t v = 0; v < kBlockVectors; ++v) sum[r][v] = fresh ? V{} : load<V>(sums + tile_offset(r0 + r, c0 + v * Arithmetic::kColumns));
  }
  for (size_t t = 0; t < kt; ++t) {
    if (t + 1 < kt) {
      const Rows ahead(a[t + 1], r0);
      for (size_t r = 0; r < kBlockRows; ++r) {
        for (size_t half = 0; half < 2; ++half) prefetch(ahead.row(r, half), kFace * kElement);
      }
      if (first) prefetch(b[(t + 1) * stride], kTile * kTile * kElement);
    }
    const Rows left(a[t], r0);
    for (size_t half = 0; half < 2; ++half) {
      const std::byte* rows[kBlockRows];
#pragma GCC unroll 16
      for (size_t r = 0; r < kBlockRows; ++r) rows[r] = left.row(r, half);
      const std::byte* right[kBlockVectors];
      for (size_t v = 0; v < kBlockVectors; ++v) {
        const size_t column = c0 + v * Arithmetic::kColumns;
        // Within a face a vector starts `column % kFace` elements (or pairs) into the row.
        right[v] = b[t * stride] + tile_offset(half * kFace, column / kFace * kFace) * kElement;
      }
      const auto step = [&](size_t k) __attribute__((always_inline)) {
        decltype(Arithmetic::row(nullptr, 0, 0)) row[kBlockVectors];
#pragma GCC unroll 4
        for (size_t v = 0; v < kBlockVectors; ++v) row[v] = Arithmetic::row(right[v], k, (c0 + v * Arithmetic::kColumns) % kFace);
#pragma GCC unroll 16
        for (size_t r = 0; r < kBlockRows; ++r) {
          const auto x = Arithmetic::broadcast(rows[r], k);
#pragma GCC unroll 4
          for (size_t v = 0; v < kBlockVectors; ++v) sum[r][v] = Arithmetic::accumulate(x, row[v], sum[r][v]);
        }
      };
      if constexpr (Arithmetic::kUnrolled) {
#pragma GCC unroll kStepsAtOnce
        for (size_t k = 0; k < Arithmetic::kSteps; ++k) step(k);
      } else {
#pragma GCC unroll 1
        for (size_t k = 0; k < Arithmetic::kSteps; ++k) step(k);
      }
    }
  }
#pragma GCC unroll 16
  for (size_t r = 0; r < kBlockRows; ++r) {
#pragma GCC unroll 4
    for (size_t v = 0; v < kBlockVectors; ++v) store(sums + tile_offset(r0 + r, c0 + v * Arithmetic::kColumns), sum[r][v]);
  }
}

template <class Arithmetic, class Rows>
TT_INLINE void matmul_in(const MatmulBlock& x) {
  constexpr size_t kColumns = kBlockVectors * Arithmetic::kColumns;
  for (size_t n = 0; n < x.nt; ++n) {
    for (size_t c0 = 0; c0 < kTile; c0 += kColumns) {
      for (size_t m = 0; m < x.mt; ++m) {
        const size_t rows = m + 1 == x.mt ? x.last_rows : kTile;
        for (size_t r0 = 0; r0 < rows; r0 += kBlockRows) {
          matmul_register_block<Arithmetic, Rows>(x.a + m * x.kt, x.b + n, x.nt, x.acc[m * x.nt + n], r0, c0, x.kt,
                                                  m == 0 && r0 == 0 && c0 == 0, x.fresh);
        }
      }
    }
  }
}
template <class Arithmetic>
TT_INLINE void matmul_blocked(const MatmulBlock& x) {
  if (x.a_in_rows) {
    matmul_in<Arithmetic, RowsByAddress<Arithmetic::kElement>>(x);
  } else {
    matmul_in<Arithmetic, RowsInFaces<Arithmetic::kElement>>(x);
  }
}

// In a source of its own: compiled for the bf16 dot product, which not every host with AVX-512 has.
void matmul_bf16_dot(const MatmulBlock& block);

}  // namespace tt::emulator::TT_SIMD
