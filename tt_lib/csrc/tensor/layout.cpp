// Storage orders and the block format of tiles.
#include "tensor/layout.hpp"

#include <algorithm>
#include <bit>
#include <cmath>

#include "base/error.hpp"

namespace tt::tensor {

std::string_view name(Layout layout) {
  switch (layout) {
    case Layout::kRowMajor: return "ROW_MAJOR";
    case Layout::kTile: return "TILE";
    case Layout::kChannelsLast: return "CHANNELS_LAST";
  }
  return "?";
}

bool fits(Layout layout, std::span<const int64_t> shape) {
  return layout != Layout::kTile || (shape[2] % kTileHeight == 0 && shape[3] % kTileWidth == 0);
}

Groups layout_groups(Layout layout, std::span<const int64_t> shape) {
  check(shape.size() == 4 && fits(layout, shape), "[layout] ", Text(shape), " as ", name(layout));
  const int64_t w = shape[0], z = shape[1], y = shape[2], x = shape[3];
  switch (layout) {
    case Layout::kRowMajor: return {{{{w, z * y * x}}, {{z, y * x}}, {{y, x}}, {{x, 1}}}};
    case Layout::kChannelsLast: return {{{{w, y * x * z}}, {{z, 1}}, {{y, x * z}}, {{x, z}}}};
    case Layout::kTile: break;
  }
  constexpr int64_t kTileElements = kTileHeight * kTileWidth, kFaceElements = kFace * kFace;
  const int64_t rows = y / kTileHeight, columns = x / kTileWidth;
  return {{{{w, z * y * x}},
           {{z, y * x}},
           {{rows, columns * kTileElements}, {2, 2 * kFaceElements}, {kFace, kFace}},
           {{columns, kTileElements}, {2, kFaceElements}, {kFace, 1}}}};
}

AccessMap join(const Groups& groups) {
  AccessMap map;
  for (const auto& group : groups) map.dims.insert(map.dims.end(), group.begin(), group.end());
  return map;
}

AccessMap storage_map(Layout layout, std::span<const int64_t> shape) { return join(layout_groups(layout, shape)); }

namespace {

constexpr int kMagnitudeBits = 7;
constexpr int64_t kBlock = 16;  // elements that share an exponent

// A value as sign and magnitude under a shared exponent; the leading one is explicit.
uint8_t to_magnitude(float value, uint32_t shared, Bfp8Rounding rounding) {
  const uint32_t bits = std::bit_cast<uint32_t>(value), exponent = bits >> 23 & 0xFF;
  if (exponent == 0) return 0;
  const uint32_t shift = 24 - kMagnitudeBits + (shared - exponent);
  if (shift > 31) return 0;
  const uint32_t significand = (bits & 0x7FFFFF) | 0x800000;
  uint32_t magnitude = significand >> shift;
  if (rounding == Bfp8Rounding::kNearest) magnitude = std::min<uint32_t>((significand + (1u << (shift - 1))) >> shift, 0x7F);
  return magnitude == 0 ? 0 : static_cast<uint8_t>((bits >> 31) << 7 | magnitude);
}

}  // namespace

void pack_bfp8(const float* tile, std::byte* packed, Bfp8Rounding rounding) {
  for (int64_t row = 0; row < 64; ++row) {
    const float* values = tile + row * kBlock;
    uint32_t shared = 0;
    for (int64_t i = 0; i < kBlock; ++i) shared = std::max(shared, std::bit_cast<uint32_t>(values[i]) >> 23 & 0xFF);
    packed[row] = static_cast<std::byte>(shared);
    for (int64_t i = 0; i < kBlock; ++i) packed[64 + row * kBlock + i] = static_cast<std::byte>(to_magnitude(values[i], shared, rounding));
  }
}

void unpack_bfp8(const std::byte* packed, float* tile) {
  for (int64_t row = 0; row < 64; ++row) {
    const float scale = std::ldexp(1.0f, std::to_integer<int>(packed[row]) - 127 - (kMagnitudeBits - 1));
    for (int64_t i = 0; i < kBlock; ++i) {
      const int bits = std::to_integer<int>(packed[64 + row * kBlock + i]);
      const float magnitude = static_cast<float>(bits & 0x7F) * scale;
      tile[row * kBlock + i] = bits & 0x80 ? -magnitude : magnitude;
    }
  }
}

}  // namespace tt::tensor
