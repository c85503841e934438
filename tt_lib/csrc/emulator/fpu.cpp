// Products of blocks of tiles, in face order. The f32 kernel is compiled for several instruction sets; all give the same bits, because each
// element is one chain of fused multiply-adds.
#include "emulator/fpu.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <complex>
#include <cstring>

#include "base/error.hpp"

namespace tt::emulator {
namespace {

constexpr size_t kFace = 16, kFaceElements = kFace * kFace, kTile = 4 * kFaceElements;

// acc (16 x 16) += a (16 x 16) * b (16 x 16), all row-major.
__attribute__((target_clones("avx512f", "avx2,fma", "default"))) void face_f32(const float* __restrict a, const float* __restrict b,
                                                                                float* __restrict acc) {
  for (size_t r = 0; r < kFace; ++r) {
    float sum[kFace];
    for (size_t c = 0; c < kFace; ++c) sum[c] = acc[r * kFace + c];
    for (size_t k = 0; k < kFace; ++k) {
      const float x = a[r * kFace + k];
      for (size_t c = 0; c < kFace; ++c) sum[c] = __builtin_fmaf(x, b[k * kFace + c], sum[c]);
    }
    for (size_t c = 0; c < kFace; ++c) acc[r * kFace + c] = sum[c];
  }
}

template <class T>
void face(const T* a, const T* b, T* acc) {
  for (size_t r = 0; r < kFace; ++r) {
    for (size_t k = 0; k < kFace; ++k) {
      for (size_t c = 0; c < kFace; ++c) acc[r * kFace + c] += a[r * kFace + k] * b[k * kFace + c];
    }
  }
}

void widen_bf16(const uint16_t* from, float* to) {
  for (size_t i = 0; i < kTile; ++i) to[i] = std::bit_cast<float>(static_cast<uint32_t>(from[i]) << 16);
}

void widen_interleaved_bf16(const uint16_t* from, float* to) {
  for (size_t f = 0; f < 4; ++f) {
    for (size_t p = 0; p < kFace / 2; ++p) {
      for (size_t n = 0; n < kFace; ++n) {
        for (size_t i = 0; i < 2; ++i) {
          to[f * kFaceElements + (2 * p + i) * kFace + n] =
              std::bit_cast<float>(static_cast<uint32_t>(from[f * kFaceElements + p * 2 * kFace + 2 * n + i]) << 16);
        }
      }
    }
  }
}

// One tile product: faces (i, k) x (k, j).
template <class T, class Face>
void tile(const T* a, const T* b, T* acc, Face multiply) {
  for (size_t i = 0; i < 2; ++i) {
    for (size_t j = 0; j < 2; ++j) {
      for (size_t k = 0; k < 2; ++k) multiply(a + (2 * i + k) * kFaceElements, b + (2 * k + j) * kFaceElements, acc + (2 * i + j) * kFaceElements);
    }
  }
}

template <class T>
const T* as(const std::byte* bytes) {
  return reinterpret_cast<const T*>(bytes);
}
template <class T>
T* as(std::byte* bytes) {
  return reinterpret_cast<T*>(bytes);
}

template <class Multiply>
void for_each_product(size_t mt, size_t nt, size_t kt, const Multiply& multiply) {
  for (size_t m = 0; m < mt; ++m) {
    for (size_t n = 0; n < nt; ++n) {
      for (size_t k = 0; k < kt; ++k) multiply(m * kt + k, k * nt + n, m * nt + n);
    }
  }
}

template <class T>
void plain_block(const std::byte* const* a, const std::byte* const* b, std::byte* const* acc, size_t mt, size_t nt, size_t kt) {
  for_each_product(mt, nt, kt, [&](size_t i, size_t j, size_t o) { tile(as<T>(a[i]), as<T>(b[j]), as<T>(acc[o]), face<T>); });
}

// Offset of element (row, col) of a tile.
size_t face_offset(size_t row, size_t col) { return ((row / kFace) * 2 + col / kFace) * kFaceElements + (row % kFace) * kFace + col % kFace; }

}  // namespace

DataType matmul_operand_type(DataType type) {
  switch (type) {
    case DataType::kBF16:
    case DataType::kF32:
    case DataType::kF64:
    case DataType::kC64:
    case DataType::kC128: return type;
    case DataType::kS64:
    case DataType::kU64: return DataType::kS64;
    default: return is_float(type) ? DataType::kF32 : DataType::kS32;
  }
}

DataType matmul_accumulator_type(DataType type) {
  const DataType operand = matmul_operand_type(type);
  return operand == DataType::kBF16 ? DataType::kF32 : operand;
}

void interleave_bf16_pairs(const uint16_t* tile, uint16_t* interleaved) {
  for (size_t f = 0; f < 4; ++f) {
    for (size_t p = 0; p < kFace / 2; ++p) {
      for (size_t n = 0; n < kFace; ++n) {
        for (size_t i = 0; i < 2; ++i) interleaved[f * kFaceElements + p * 2 * kFace + 2 * n + i] = tile[f * kFaceElements + (2 * p + i) * kFace + n];
      }
    }
  }
}

void matmul_block(DataType type, const std::byte* const* a, const std::byte* const* b, std::byte* const* acc, size_t mt, size_t nt, size_t kt) {
  switch (type) {
    case DataType::kF32:
      return for_each_product(mt, nt, kt, [&](size_t i, size_t j, size_t o) { tile(as<float>(a[i]), as<float>(b[j]), as<float>(acc[o]), face_f32); });
    case DataType::kBF16: {
      alignas(64) float wide_a[kTile], wide_b[kTile];
      return for_each_product(mt, nt, kt, [&](size_t i, size_t j, size_t o) {
        widen_bf16(as<uint16_t>(a[i]), wide_a);
        widen_interleaved_bf16(as<uint16_t>(b[j]), wide_b);
        tile(static_cast<const float*>(wide_a), static_cast<const float*>(wide_b), as<float>(acc[o]), face_f32);
      });
    }
    case DataType::kF64: return plain_block<double>(a, b, acc, mt, nt, kt);
    case DataType::kS32: return plain_block<uint32_t>(a, b, acc, mt, nt, kt);
    case DataType::kS64: return plain_block<uint64_t>(a, b, acc, mt, nt, kt);
    case DataType::kC64: return plain_block<std::complex<float>>(a, b, acc, mt, nt, kt);
    case DataType::kC128: return plain_block<std::complex<double>>(a, b, acc, mt, nt, kt);
    default: fail(ErrorCategory::kInternal, "[matmul_block] operand type ", name(type));
  }
}

void tilize(size_t element, const std::byte* source, int64_t row_stride, int64_t col_stride, size_t rows, size_t cols, std::byte* tile) {
  if (rows < 32 || cols < 32) std::memset(tile, 0, kTile * element);
  const auto size = static_cast<int64_t>(element);
  for (size_t r = 0; r < rows; ++r) {
    const std::byte* row = source + static_cast<int64_t>(r) * row_stride * size;
    for (size_t c0 = 0; c0 < cols; c0 += kFace) {
      const size_t count = std::min(kFace, cols - c0);
      std::byte* to = tile + face_offset(r, c0) * element;
      if (col_stride == 1) {
        std::memcpy(to, row + c0 * element, count * element);
      } else {
        for (size_t c = 0; c < count; ++c) std::memcpy(to + c * element, row + static_cast<int64_t>(c0 + c) * col_stride * size, element);
      }
    }
  }
}

void untilize(size_t element, const std::byte* tile, std::byte* destination, int64_t row_stride, int64_t col_stride, size_t rows, size_t cols) {
  const auto size = static_cast<int64_t>(element);
  for (size_t r = 0; r < rows; ++r) {
    std::byte* row = destination + static_cast<int64_t>(r) * row_stride * size;
    for (size_t c0 = 0; c0 < cols; c0 += kFace) {
      const size_t count = std::min(kFace, cols - c0);
      const std::byte* from = tile + face_offset(r, c0) * element;
      if (col_stride == 1) {
        std::memcpy(row + c0 * element, from, count * element);
      } else {
        for (size_t c = 0; c < count; ++c) std::memcpy(row + static_cast<int64_t>(c0 + c) * col_stride * size, from + c * element, element);
      }
    }
  }
}

}  // namespace tt::emulator
