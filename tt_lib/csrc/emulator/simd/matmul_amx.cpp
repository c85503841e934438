// The bf16 product on Intel's tile registers: half a tile along k per instruction. In a source of its own, compiled for AMX.
#include <algorithm>
#include <array>

#include "emulator/simd/matmul.hpp"

namespace tt::emulator::TT_SIMD {
namespace {

constexpr size_t kRowBytes = kFace * sizeof(uint16_t);  // of A: 16 elements along k
constexpr size_t kPairBytes = 2 * kRowBytes;            // of B: 16 pairs of elements along k
constexpr size_t kSumBytes = kFace * sizeof(float);
constexpr size_t kFaceBytes = kFace * kRowBytes;
constexpr size_t kSumFaceBytes = kFace * kSumBytes;
constexpr size_t kDepth = 8;  // tiles along k that A's rows are prepared for at once

// Registers 0..3 hold the sums of a tile's faces, 4 and 5 its rows of A, 6 and 7 its columns of B.
struct alignas(64) TileConfiguration {
  uint8_t palette = 1, start_row = 0, reserved[14] = {};
  uint16_t row_bytes[16] = {kSumBytes, kSumBytes, kSumBytes, kSumBytes, kRowBytes, kRowBytes, kPairBytes, kPairBytes};
  uint8_t rows[16] = {kFace, kFace, kFace, kFace, kFace, kFace, kFace / 2, kFace / 2};
};
static_assert(sizeof(TileConfiguration) == 64);
constexpr TileConfiguration kConfiguration;  // in memory: GCC takes the intrinsic for a read of its first bytes only

struct ConfiguredTiles {
  ConfiguredTiles() { _tile_loadconfig(&kConfiguration); }
  ~ConfiguredTiles() { _tile_release(); }
  ConfiguredTiles(const ConfiguredTiles&) = delete;
  ConfiguredTiles& operator=(const ConfiguredTiles&) = delete;
};

// Sixteen rows of a tile of A at a constant stride; the second half along k lies `half` bytes after the first.
struct FaceRows {
  const std::byte* first;
  size_t stride, half;
};

class PreparedRows {
 public:
  // Rows of `depth` tiles, `valid` of each; what lies below counts for nothing.
  void prepare(const std::byte* const* tiles, size_t depth, size_t valid, bool in_rows) {
    for (size_t t = 0; t < depth; ++t) {
      for (size_t upper = 0; upper < 2 && upper * kFace < valid; ++upper) {
        rows_[t][upper] = in_rows ? by_address(reinterpret_cast<const TileRows*>(tiles[t])->row + upper * kFace,
                                               std::min(kFace, valid - upper * kFace), copies_[t][upper])
                                  : FaceRows{tiles[t] + upper * 2 * kFaceBytes, kRowBytes, kFaceBytes};
      }
    }
  }
  TT_INLINE const FaceRows& operator()(size_t tile, size_t lower) const { return rows_[tile][lower]; }

 private:
  static FaceRows by_address(const std::byte* const* rows, size_t valid, std::byte* copy) {
    for (size_t r = 0; r < valid; ++r) std::memcpy(copy + r * 2 * kRowBytes, rows[r], 2 * kRowBytes);
    if (valid < kFace) std::memset(copy + valid * 2 * kRowBytes, 0, (kFace - valid) * 2 * kRowBytes);
    return {copy, 2 * kRowBytes, kRowBytes};
  }

  std::array<std::array<FaceRows, 2>, kDepth> rows_;
  alignas(64) std::byte copies_[kDepth][2][2 * kFaceBytes];
};

// One tile of sums over `depth` tiles along k, of which `b` advances by `stride`.
template <bool both_halves>
TT_INLINE void accumulate(const PreparedRows& rows, const std::byte* const* b, size_t stride, std::byte* sums, size_t depth, bool fresh,
                          bool first) {
  if (fresh) {
    _tile_zero(0);
    _tile_zero(1);
    if constexpr (both_halves) {
      _tile_zero(2);
      _tile_zero(3);
    }
  } else {
    _tile_loadd(0, sums, kSumBytes);
    _tile_loadd(1, sums + kSumFaceBytes, kSumBytes);
    if constexpr (both_halves) {
      _tile_loadd(2, sums + 2 * kSumFaceBytes, kSumBytes);
      _tile_loadd(3, sums + 3 * kSumFaceBytes, kSumBytes);
    }
  }
  for (size_t t = 0; t < depth; ++t) {
    const std::byte* right = b[t * stride];
    if (first && t + 1 < depth) prefetch(b[(t + 1) * stride], 4 * kFaceBytes);
    for (size_t half = 0; half < 2; ++half, right += 2 * kFaceBytes) {
      const FaceRows& upper = rows(t, 0);
      _tile_loadd(6, right, kPairBytes);
      _tile_loadd(7, right + kFaceBytes, kPairBytes);
      _tile_loadd(4, upper.first + half * upper.half, upper.stride);
      _tile_dpbf16ps(0, 4, 6);
      _tile_dpbf16ps(1, 4, 7);
      if constexpr (both_halves) {
        const FaceRows& lower = rows(t, 1);
        _tile_loadd(5, lower.first + half * lower.half, lower.stride);
        _tile_dpbf16ps(2, 5, 6);
        _tile_dpbf16ps(3, 5, 7);
      }
    }
  }
  _tile_stored(0, sums, kSumBytes);
  _tile_stored(1, sums + kSumFaceBytes, kSumBytes);
  if constexpr (both_halves) {
    _tile_stored(2, sums + 2 * kSumFaceBytes, kSumBytes);
    _tile_stored(3, sums + 3 * kSumFaceBytes, kSumBytes);
  }
}

void matmul_bf16_amx(const MatmulBlock& x) {
  const ConfiguredTiles configured;
  PreparedRows rows;
  for (size_t k0 = 0; k0 < x.kt; k0 += kDepth) {
    const size_t depth = std::min(kDepth, x.kt - k0);
    const bool fresh = x.fresh && k0 == 0;
    for (size_t m = 0; m < x.mt; ++m) {
      const size_t valid = m + 1 == x.mt ? x.last_rows : kTile;
      rows.prepare(x.a + m * x.kt + k0, depth, valid, x.a_in_rows);
      for (size_t n = 0; n < x.nt; ++n) {
        const std::byte* const* right = x.b + k0 * x.nt + n;
        std::byte* sums = x.acc[m * x.nt + n];
        if (valid > kFace) {
          accumulate<true>(rows, right, x.nt, sums, depth, fresh, m == 0);
        } else {
          accumulate<false>(rows, right, x.nt, sums, depth, fresh, m == 0);
        }
      }
    }
  }
}

}  // namespace

const Engine& engine_with_amx() {
  static const Engine table = [] {
    Engine made = engine();
    made.matmul[static_cast<size_t>(DataType::kBF16)] = matmul_bf16_amx;
    return made;
  }();
  return table;
}

}  // namespace tt::emulator::TT_SIMD
