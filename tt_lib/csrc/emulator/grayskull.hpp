// The chip as data: what a Grayskull e150 or e75 has. Source of every figure: docs/grayskull.md.
#pragma once

#include <algorithm>
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
  double pcie_bytes_per_second;  // to and from the host, raw
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
    {"e150", 1.2e9, {12, 10}, {12, 9}, 107904, 940672, 8, int64_t{1} << 30, 12e9 * 0.92, 32e9, 32, 8, 8},
    {"e75", 1.0e9, {12, 8}, {11, 8}, 107904, 940672, 8, int64_t{1} << 30, 12e9 * 0.92, 32e9, 32, 8, 8},
}};

constexpr int64_t num_compute_cores(const ChipSpec& chip) { return int64_t{chip.compute_grid.x} * chip.compute_grid.y; }

// Which memory a buffer is spread over, page by page: the DRAM channels in turn, or the L1 of the compute cores, row by row. Or it lies in
// memory of the host, which the NoC reaches over PCIe.
enum class BufferType : uint8_t { kDram, kL1, kHost };
inline constexpr int64_t kInterleavedPage = 4096;  // bytes on one bank before the next bank follows

// Bytes of every compute core's L1 that an interleaved buffer takes.
constexpr int64_t l1_share(int64_t bytes, const ChipSpec& chip) {
  const int64_t pages = (bytes + kInterleavedPage - 1) / kInterleavedPage, cores = num_compute_cores(chip);
  return (pages + cores - 1) / cores * std::min((bytes + 63) / 64 * 64, kInterleavedPage);
}

constexpr CoreCoord l1_owner(int64_t page, const ChipSpec& chip) {
  const int64_t core = page % num_compute_cores(chip);
  return {static_cast<uint16_t>(core % chip.compute_grid.x), static_cast<uint16_t>(core / chip.compute_grid.x)};
}

inline constexpr CoreCoord kNocGrid = {13, 12};  // a torus in both directions
// Position on the NoC grid; DRAM nodes stand in rows 0 and 6, so Tensix rows skip them.
constexpr CoreCoord noc_position(CoreCoord logical) {
  return {static_cast<uint16_t>(logical.x + 1), static_cast<uint16_t>(logical.y < 5 ? logical.y + 1 : logical.y + 2)};
}
constexpr CoreCoord dram_position(int channel) {
  return {static_cast<uint16_t>(1 + 3 * (channel / 2)), static_cast<uint16_t>(6 * (channel % 2))};
}

const ChipSpec& find_chip(std::string_view name);  // InvalidArgument names the known ones

}  // namespace tt::emulator
