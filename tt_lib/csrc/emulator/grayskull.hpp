// The chip as data: what a Grayskull e150 or e75 has. Source of every figure: docs/grayskull.md.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace tt::emulator {

struct CoreCoord {
  uint16_t x = 0;
  uint16_t y = 0;
  bool operator==(const CoreCoord&) const = default;
  auto operator<=>(const CoreCoord&) const = default;
};

struct ChipSpec {
  std::string_view name;  // "e150"
  double clock_hz;
  CoreCoord tensix_grid;   // all Tensix cores, logical coordinates
  CoreCoord compute_grid;  // those that run programs; the rest is storage and dispatch
  int64_t l1_base;         // first byte that a program may use
  int64_t l1_usable;       // bytes from there
  int dram_channels;
  int64_t dram_channel_bytes;
  double dram_bytes_per_second;  // per channel, sustained
  int num_circular_buffers;
  int num_semaphores;
  int dst_tiles;  // per half in SyncHalf mode, 16-bit tiles
};

inline constexpr int64_t kDramReadAlignment = 32;
inline constexpr int64_t kDramWriteAlignment = 16;
inline constexpr int64_t kL1Alignment = 16;
inline constexpr int kMaxCircularBuffers = 32;
inline constexpr int kMaxSemaphores = 8;
inline constexpr int kDstTiles = 16;

inline constexpr std::array<ChipSpec, 2> kChips = {{
    {"e150", 1.2e9, {12, 10}, {12, 9}, 107904, 940672, 8, int64_t{1} << 30, 12e9 * 0.92, 32, 8, 8},
    {"e75", 1.0e9, {12, 8}, {11, 8}, 107904, 940672, 8, int64_t{1} << 30, 12e9 * 0.92, 32, 8, 8},
}};

// Position on the 13x12 NoC grid; DRAM nodes stand in rows 0 and 6, so Tensix rows skip them.
constexpr CoreCoord noc_position(CoreCoord logical) {
  return {static_cast<uint16_t>(logical.x + 1), static_cast<uint16_t>(logical.y < 5 ? logical.y + 1 : logical.y + 2)};
}
constexpr CoreCoord dram_position(int channel) {
  return {static_cast<uint16_t>(1 + 3 * (channel / 2)), static_cast<uint16_t>(6 * (channel % 2))};
}

const ChipSpec& find_chip(std::string_view name);  // InvalidArgument names the known ones

}  // namespace tt::emulator
