// Applying updates to elements: how a core combines windows of updates with the arrays it owns.
#pragma once

#include <span>
#include <vector>

#include "dnn/gather_index.hpp"
#include "dnn/scatter_combine.hpp"
#include "emulator/core.hpp"

namespace tt::dnn {

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
  CombineLoop loop_;
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
