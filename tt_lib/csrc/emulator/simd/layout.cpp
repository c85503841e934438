// Row-major blocks to tiles in face order and back, and the pair interleaving of bf16 tiles.
#include <algorithm>

#include "emulator/simd/matmul.hpp"

namespace tt::emulator::TT_SIMD {
namespace {

using Wide = unsigned __int128;
template <class T>
using Packed [[gnu::aligned(1), gnu::may_alias]] = T;

// Rows of a face as vectors. Interleaving row i with row i + 8, four times, transposes: each round moves one bit of the row's number
// into the column's.
template <class V>
TT_INLINE void transpose_rows(V (&rows)[kFace]) {
  for (int round = 0; round < 4; ++round) {
    V next[kFace];
#pragma GCC unroll 8
    for (size_t i = 0; i < kFace / 2; ++i) {
      next[2 * i] = __builtin_shufflevector(rows[i], rows[i + 8], 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
      next[2 * i + 1] = __builtin_shufflevector(rows[i], rows[i + 8], 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
    }
#pragma GCC unroll 16
    for (size_t i = 0; i < kFace; ++i) rows[i] = next[i];
  }
}

// Transposes a 16 x 16 block; both sides have unit stride along their rows.
template <class T>
void transpose_face(const Packed<T>* from, int64_t from_stride, Packed<T>* to, int64_t to_stride) {
  if constexpr (sizeof(T) * kFace <= kVectorBytes && sizeof(T) < 16) {
    using V = Vec<T, kFace>;
    V rows[kFace];
    for (size_t i = 0; i < kFace; ++i) rows[i] = load<V>(from + static_cast<int64_t>(i) * from_stride);
    transpose_rows(rows);
    for (size_t i = 0; i < kFace; ++i) store(to + static_cast<int64_t>(i) * to_stride, rows[i]);
  } else {
    T block[kFace][kFace];
    for (size_t i = 0; i < kFace; ++i) std::memcpy(block[i], from + static_cast<int64_t>(i) * from_stride, sizeof(block[i]));
    for (size_t j = 0; j < kFace; ++j) {
      T row[kFace];
      for (size_t i = 0; i < kFace; ++i) row[i] = block[i][j];
      std::memcpy(to + static_cast<int64_t>(j) * to_stride, row, sizeof(row));
    }
  }
}

// Blocks are read and written row by row, and rows are far apart: the host does not see what comes next, so it is told.
template <class T>
TT_INLINE void ask(const Packed<T>* row, int64_t next) {
  __builtin_prefetch(row + next, 0, 2);
}

template <class T>
void tilize_as(const std::byte* source, int64_t row_stride, int64_t col_stride, size_t rows, size_t cols, std::byte* tile, int64_t next,
               bool whole) {
  const auto* from = reinterpret_cast<const Packed<T>*>(source);
  auto* to = reinterpret_cast<Packed<T>*>(tile);
  for (size_t r0 = 0; r0 < kTile; r0 += kFace) {
    for (size_t c0 = 0; c0 < kTile; c0 += kFace) {
      const size_t height = std::clamp<size_t>(rows, r0, r0 + kFace) - r0, width = std::clamp<size_t>(cols, c0, c0 + kFace) - c0;
      const bool is_outside = height == 0 || width == 0;
      if (is_outside ? whole : height < kFace || width < kFace) std::memset(to + tile_offset(r0, c0), 0, kFace * kFace * sizeof(T));
      if (is_outside) continue;
      const auto* block = from + static_cast<int64_t>(r0) * row_stride + static_cast<int64_t>(c0) * col_stride;
      auto* face = to + tile_offset(r0, c0);
      if (col_stride == 1 && width == kFace) {
        for (size_t r = 0; r < height; ++r) {
          const auto* row = block + static_cast<int64_t>(r) * row_stride;
          ask(row, next);
          std::memcpy(face + r * kFace, row, kFace * sizeof(T));
        }
      } else if (row_stride == 1 && height == kFace && width == kFace) {
        for (size_t c = 0; c < kFace; ++c) ask(block + static_cast<int64_t>(c) * col_stride, next);
        transpose_face<T>(block, col_stride, face, kFace);
      } else {
        for (size_t r = 0; r < height; ++r) {
          for (size_t c = 0; c < width; ++c) {
            face[r * kFace + c] = block[static_cast<int64_t>(r) * row_stride + static_cast<int64_t>(c) * col_stride];
          }
        }
      }
    }
  }
}

template <class T>
void untilize_as(const std::byte* tile, std::byte* destination, int64_t row_stride, int64_t col_stride, size_t rows, size_t cols,
                 int64_t next) {
  const auto* from = reinterpret_cast<const Packed<T>*>(tile);
  auto* to = reinterpret_cast<Packed<T>*>(destination);
  for (size_t r0 = 0; r0 < rows; r0 += kFace) {
    for (size_t c0 = 0; c0 < cols; c0 += kFace) {
      const size_t height = std::min(rows - r0, kFace), width = std::min(cols - c0, kFace);
      auto* block = to + static_cast<int64_t>(r0) * row_stride + static_cast<int64_t>(c0) * col_stride;
      const auto* face = from + tile_offset(r0, c0);
      if (col_stride == 1 && width == kFace) {
        for (size_t r = 0; r < height; ++r) {
          auto* row = block + static_cast<int64_t>(r) * row_stride;
          ask<T>(row, next);
          std::memcpy(row, face + r * kFace, kFace * sizeof(T));
        }
      } else if (row_stride == 1 && height == kFace && width == kFace) {
        for (size_t c = 0; c < kFace; ++c) ask<T>(block + static_cast<int64_t>(c) * col_stride, next);
        transpose_face<T>(face, kFace, block, col_stride);
      } else {
        for (size_t r = 0; r < height; ++r) {
          for (size_t c = 0; c < width; ++c) {
            block[static_cast<int64_t>(r) * row_stride + static_cast<int64_t>(c) * col_stride] = face[r * kFace + c];
          }
        }
      }
    }
  }
}

template <class Action>
void by_element(size_t element, const Action& action) {
  switch (element) {
    case 1: return action.template operator()<uint8_t>();
    case 2: return action.template operator()<uint16_t>();
    case 4: return action.template operator()<uint32_t>();
    case 8: return action.template operator()<uint64_t>();
    default: return action.template operator()<Wide>();
  }
}

void tilize(size_t element, const std::byte* source, int64_t row_stride, int64_t col_stride, size_t rows, size_t cols, std::byte* tile,
            int64_t next, bool whole) {
  by_element(element, [&]<class T>() { tilize_as<T>(source, row_stride, col_stride, rows, cols, tile, next, whole); });
}
void untilize(size_t element, const std::byte* tile, std::byte* destination, int64_t row_stride, int64_t col_stride, size_t rows,
              size_t cols, int64_t next) {
  by_element(element, [&]<class T>() { untilize_as<T>(tile, destination, row_stride, col_stride, rows, cols, next); });
}

// Whole faces go by vectors.
template <class T>
void transpose_as(const std::byte* source, int64_t source_stride, std::byte* destination, int64_t destination_stride, size_t rows,
                  size_t cols, int64_t next) {
  const auto* from = reinterpret_cast<const Packed<T>*>(source);
  auto* to = reinterpret_cast<Packed<T>*>(destination);
  for (size_t c0 = 0; c0 < cols; c0 += kFace) {
    const size_t width = std::min(cols - c0, kFace);
    for (size_t r0 = 0; r0 < rows; r0 += kFace) {
      const size_t height = std::min(rows - r0, kFace);
      const auto* block = from + static_cast<int64_t>(c0) * source_stride + static_cast<int64_t>(r0);
      auto* turned = to + static_cast<int64_t>(r0) * destination_stride + static_cast<int64_t>(c0);
      for (size_t c = 0; c < width; ++c) ask<T>(block + static_cast<int64_t>(c) * source_stride, next);
      if (height == kFace && width == kFace) {
        transpose_face<T>(block, source_stride, turned, destination_stride);
        continue;
      }
      for (size_t r = 0; r < height; ++r) {
        for (size_t c = 0; c < width; ++c) {
          turned[static_cast<int64_t>(r) * destination_stride + static_cast<int64_t>(c)] =
              block[static_cast<int64_t>(c) * source_stride + static_cast<int64_t>(r)];
        }
      }
    }
  }
}

void transpose(size_t element, const std::byte* source, int64_t source_stride, std::byte* destination, int64_t destination_stride,
               size_t rows, size_t cols, int64_t next) {
  by_element(element, [&]<class T>() { transpose_as<T>(source, source_stride, destination, destination_stride, rows, cols, next); });
}

void interleave(const uint16_t* tile, uint16_t* interleaved) {
  for (size_t pair = 0; pair < kTile * kTile / (2 * kFace); ++pair) {
    const uint16_t* even = tile + pair * 2 * kFace;
    uint16_t* to = interleaved + pair * 2 * kFace;
    for (size_t n = 0; n < kFace; ++n) {
      const uint32_t both = static_cast<uint32_t>(even[n]) | static_cast<uint32_t>(even[kFace + n]) << 16;
      std::memcpy(to + 2 * n, &both, 4);
    }
  }
}

// Rows 2p and 2p + 1 of a face become one row of 32-bit words. Whole faces with unit strides go by vectors.
void tilize_pairs(const uint16_t* source, int64_t row_stride, int64_t col_stride, size_t rows, size_t cols, uint16_t* tile, int64_t next) {
  if (rows == kTile && cols == kTile && (col_stride == 1 || row_stride == 1)) {
    constexpr size_t kFaceElements = kFace * kFace;
    for (size_t f = 0; f < 4; ++f) {
      const auto r0 = static_cast<int64_t>(f / 2 * kFace), c0 = static_cast<int64_t>(f % 2 * kFace);
      const uint16_t* block = source + r0 * row_stride + c0 * col_stride;
      uint16_t* face = tile + f * kFaceElements;
      if (col_stride == 1) {
        for (int64_t pair = 0; pair < static_cast<int64_t>(kFace / 2); ++pair) {
          using Row = Vec<uint16_t, kFace>;
          const uint16_t* rows_of_pair = block + 2 * pair * row_stride;
          const Row even = load<Row>(rows_of_pair), odd = load<Row>(rows_of_pair + row_stride);
          ask<uint16_t>(rows_of_pair, next);
          ask<uint16_t>(rows_of_pair + row_stride, next);
          store(face + pair * 2 * static_cast<int64_t>(kFace),
                __builtin_shufflevector(even, odd, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23, 8, 24, 9, 25, 10, 26, 11, 27, 12,
                                        28, 13, 29, 14, 30, 15, 31));
        }
      } else {  // pairs are words already: 16 columns of 8 words are transposed
        using Words = Vec<uint32_t, kFace / 2>;
        Words columns[kFace];
        for (size_t c = 0; c < kFace; ++c) {
          ask<uint16_t>(block + static_cast<int64_t>(c) * col_stride, next);
          columns[c] = load<Words>(block + static_cast<int64_t>(c) * col_stride);
        }
        auto* words = reinterpret_cast<Packed<uint32_t>*>(face);
        for (size_t p = 0; p < kFace / 2; ++p) {
          for (size_t c = 0; c < kFace; ++c) words[p * kFace + c] = columns[c][p];
        }
      }
    }
    return;
  }
  alignas(64) std::byte staged[kTile * kTile * sizeof(uint16_t)];
  tilize(sizeof(uint16_t), reinterpret_cast<const std::byte*>(source), row_stride, col_stride, rows, cols, staged, next, true);
  interleave(reinterpret_cast<const uint16_t*>(staged), tile);
}

}  // namespace

void install_layout(Engine& engine) {
  engine.tilize = tilize;
  engine.untilize = untilize;
  engine.transpose = transpose;
  engine.interleave = interleave;
  engine.tilize_pairs = tilize_pairs;
}

}  // namespace tt::emulator::TT_SIMD
