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

// Rows and vectors of one register block. With the 32 registers of AVX-512, blocks of 6 rows (the last of a face: 4) and 4 vectors, which
// are two tiles wide, load less per multiplication than those of 8 rows and 2 vectors, which serve single tiles.
inline constexpr size_t kBlockRows = kVectorBytes == 64 ? 8 : 4;
inline constexpr size_t kBlockVectors = 2;
inline constexpr size_t kWideRows = 6;
inline constexpr size_t kWideVectors = 4;
inline constexpr size_t kFirstCache = 32 << 10;  // bytes of B that register blocks one after the other should find there
// Steps along k in a row, for an arithmetic that is `kUnrolled`: what counts them would take a slot from the multiplications.
#if defined(__SANITIZE_ADDRESS__)
inline constexpr int kStepsAtOnce = 1;  // with checks in each
#else
inline constexpr int kStepsAtOnce = kVectorBytes == 64 ? 16 : 4;
#endif

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

// One register block: rows r0.. and vectors c0.. of tiles (m, n), (m, n + 1).. over all of K. `b` advances by `stride` tiles per k tile;
// `first`: nobody has read its tiles in this call.
template <class Arithmetic, class Rows, size_t kRows, size_t kVectors>
TT_INLINE void matmul_register_block(const std::byte* const* a, const std::byte* const* b, size_t stride, std::byte* const* acc, size_t r0,
                                     size_t c0, size_t kt, bool first, bool fresh) {
  using Sum = typename Arithmetic::Sum;
  using V = typename Arithmetic::V;
  constexpr size_t kElement = Arithmetic::kElement;
  constexpr size_t kTiles = (kVectors * Arithmetic::kColumns + kTile - 1) / kTile;
  const auto tile_of = [&](size_t v) { return (c0 + v * Arithmetic::kColumns) / kTile; };
  const auto column_of = [&](size_t v) { return (c0 + v * Arithmetic::kColumns) % kTile; };
  const auto sums = [&](size_t r, size_t v) { return reinterpret_cast<Sum*>(acc[tile_of(v)]) + tile_offset(r0 + r, column_of(v)); };
  if (r0 + kRows < kTile) {
    for (size_t tile = 0; tile < kTiles; ++tile) {
      for (const size_t face : {size_t{0}, kFace})
        prefetch(acc[tile] + tile_offset(r0 + kRows, face) * sizeof(Sum), kRows * kFace * sizeof(Sum));
    }
  }
  V sum[kRows][kVectors];
#pragma GCC unroll 16
  for (size_t r = 0; r < kRows; ++r) {
#pragma GCC unroll 4
    for (size_t v = 0; v < kVectors; ++v) sum[r][v] = fresh ? V{} : load<V>(sums(r, v));
  }
  for (size_t t = 0; t < kt; ++t) {
    if (t + 1 < kt) {
      const Rows ahead(a[t + 1], r0);
      for (size_t r = 0; r < kRows; ++r) {
        for (size_t half = 0; half < 2; ++half) prefetch(ahead.row(r, half), kFace * kElement);
      }
      for (size_t tile = 0; tile < kTiles && first; ++tile) prefetch(b[(t + 1) * stride + tile], kTile * kTile * kElement);
    }
    const Rows left(a[t], r0);
    for (size_t half = 0; half < 2; ++half) {
      const std::byte* rows[kRows];
#pragma GCC unroll 16
      for (size_t r = 0; r < kRows; ++r) rows[r] = left.row(r, half);
      const std::byte* right[kVectors];
#pragma GCC unroll 4
      for (size_t v = 0; v < kVectors; ++v) {
        // Within a face a vector starts `column % kFace` elements (or pairs) into the row.
        right[v] = b[t * stride + tile_of(v)] + tile_offset(half * kFace, column_of(v) / kFace * kFace) * kElement;
      }
      const auto step = [&](size_t k) __attribute__((always_inline)) {
        decltype(Arithmetic::row(nullptr, 0, 0)) row[kVectors];
#pragma GCC unroll 4
        for (size_t v = 0; v < kVectors; ++v) row[v] = Arithmetic::row(right[v], k, column_of(v) % kFace);
#pragma GCC unroll 16
        for (size_t r = 0; r < kRows; ++r) {
          const auto x = Arithmetic::broadcast(rows[r], k);
#pragma GCC unroll 4
          for (size_t v = 0; v < kVectors; ++v) sum[r][v] = Arithmetic::accumulate(x, row[v], sum[r][v]);
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
  for (size_t r = 0; r < kRows; ++r) {
#pragma GCC unroll 4
    for (size_t v = 0; v < kVectors; ++v) store(sums(r, v), sum[r][v]);
  }
}

// Whether an arithmetic has blocks that are two tiles wide.
template <class Arithmetic>
inline constexpr bool kHasWideBlocks = kVectorBytes == 64 && Arithmetic::kUnrolled&& Arithmetic::kColumns* kWideVectors == 2 * kTile;

template <class Arithmetic, class Rows>
TT_INLINE void matmul_in(const MatmulBlock& x) {
  constexpr size_t kColumns = kBlockVectors * Arithmetic::kColumns;
  const auto rows_of = [&](size_t m) { return m + 1 == x.mt ? x.last_rows : kTile; };
  size_t n = 0;
  if constexpr (kHasWideBlocks<Arithmetic>) {
    constexpr size_t kPanel = kFirstCache / (2 * kTile * kTile * Arithmetic::kElement);
    for (; n + 2 <= x.nt; n += 2) {
      for (size_t k0 = 0; k0 < x.kt; k0 += kPanel) {
        const size_t kt = x.kt - k0 < kPanel ? x.kt - k0 : kPanel;
        for (size_t m = 0; m < x.mt; ++m) {
          for (size_t face = 0; face < rows_of(m); face += kFace) {
            const auto block = [&]<size_t kRows>(size_t r0) __attribute__((always_inline)) {
              if (face + r0 >= rows_of(m)) return;
              matmul_register_block<Arithmetic, Rows, kRows, kWideVectors>(x.a + m * x.kt + k0, x.b + k0 * x.nt + n, x.nt,
                                                                           x.acc + m * x.nt + n, face + r0, 0, kt, m == 0 && face + r0 == 0,
                                                                           x.fresh && k0 == 0);
            };
            for (size_t r0 = 0; r0 + kWideRows <= kFace; r0 += kWideRows) block.template operator()<kWideRows>(r0);
            block.template operator()<kFace % kWideRows>(kFace / kWideRows * kWideRows);
          }
        }
      }
    }
  }
  for (; n < x.nt; ++n) {
    for (size_t c0 = 0; c0 < kTile; c0 += kColumns) {
      for (size_t m = 0; m < x.mt; ++m) {
        for (size_t r0 = 0; r0 < rows_of(m); r0 += kBlockRows) {
          matmul_register_block<Arithmetic, Rows, kBlockRows, kBlockVectors>(x.a + m * x.kt, x.b + n, x.nt, x.acc + m * x.nt + n, r0, c0,
                                                                             x.kt, m == 0 && r0 == 0 && c0 == 0, x.fresh);
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
