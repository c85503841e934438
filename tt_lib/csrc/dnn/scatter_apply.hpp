// Applying updates to elements: how a core combines windows of updates with the arrays it owns.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "dnn/gather_index.hpp"
#include "emulator/core.hpp"
#include "emulator/simd/engine.hpp"
#include "emulator/tile_program.hpp"

namespace tt::dnn {

// What a region does to (current, update), as far as it has loops of its own.
enum class Combine : uint8_t { kAssign, kAdd, kMul, kMax, kMin, kRegion };
Combine recognise_combine(const emulator::TileProgram& region, std::span<const DataType> types);
std::string_view name(Combine combine);

using emulator::WindowOffsets;

// Applies windows in order; windows that overlap see each other's results.
class UpdateApplier {
 public:
  UpdateApplier(const emulator::TileChain& region, Combine combine, std::span<const DataType> types, std::span<std::byte* const> targets,
                std::span<const std::byte* const> updates, emulator::HostThread& host);
  // Windows of equal shape; from: updates, to: targets.
  void apply(std::span<const WindowDim> window, std::span<const WindowOffsets> offsets);

 private:
  void combine(std::span<const WindowDim> window, std::span<const WindowOffsets> offsets);
  void assign(std::span<const WindowDim> window, std::span<const WindowOffsets> offsets);
  void run_region(int64_t update, int64_t target, int64_t count);  // dense on both sides
  void push_lane(int64_t update, int64_t target);
  void flush_lanes();

  const emulator::TileChain& region_;
  Combine combine_;
  emulator::CombineFunction loop_;  // null where only the region knows the answer: rounding of narrow floats
  std::span<const DataType> types_;
  std::span<std::byte* const> targets_;
  std::span<const std::byte* const> updates_;
  emulator::HostThread& host_;
  std::vector<const std::byte*> inputs_;
  std::vector<std::byte*> outputs_;

  // Elements that wait for one call of the region: all targets are distinct.
  std::vector<int64_t> lane_updates_;
  std::vector<int64_t> lane_targets_;
  std::vector<int64_t> seen_;       // open-addressed set of lane_targets_; -1: free
  std::vector<size_t> seen_slots_;  // that are taken
};

}  // namespace tt::dnn
