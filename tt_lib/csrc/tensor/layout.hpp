// How the elements of a 4-D array lie in storage.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

#include "base/data_type.hpp"
#include "emulator/access_map.hpp"

namespace tt::tensor {

using emulator::AccessMap;

inline constexpr int64_t kTileHeight = 32, kTileWidth = 32, kFace = 16;

// kTile: tiles of 32x32 elements, row-major over the last two dimensions; a tile is four 16x16 faces, top left, top right, bottom left,
// bottom right, each row-major. kChannelsLast: [W, Y, X, Z].
enum class Layout : uint8_t { kRowMajor = 0, kTile = 1, kChannelsLast = 2 };
std::string_view name(Layout layout);

bool fits(Layout layout, std::span<const int64_t> shape);  // kTile needs multiples of 32 in the last two dimensions

// The strides of storage, dimension by dimension: a tiled dimension falls into tile, face and row (or column).
using Groups = std::array<std::vector<AccessMap::Dim>, 4>;
Groups layout_groups(Layout layout, std::span<const int64_t> shape);

// Element i of the array in row-major order is element storage_map(...)(i) of storage.
AccessMap storage_map(Layout layout, std::span<const int64_t> shape);
AccessMap join(const Groups& groups);

// BFLOAT8_B: a tile takes 64 shared exponents (one per row of 16 in each face) and 1024 bytes of sign and 7-bit magnitude.
inline constexpr int64_t kBfp8TileBytes = 64 + 1024;
enum class Bfp8Rounding : uint8_t { kTruncate, kNearest };  // tt_lib's host conversion truncates, the packer rounds half up
void pack_bfp8(const float* tile, std::byte* packed, Bfp8Rounding rounding);  // 1024 values in face order
void unpack_bfp8(const std::byte* packed, float* tile);

}  // namespace tt::tensor
