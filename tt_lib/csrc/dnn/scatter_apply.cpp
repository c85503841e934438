// Three ways to apply updates: copies for assignment, typed loops for common scalar combinations, and the region on many lanes at once.
#include "dnn/scatter_apply.hpp"

#include <algorithm>
#include <array>
#include <cstring>

namespace tt::dnn {
namespace {

using emulator::kTileElements;

constexpr int64_t kDenseRun = 32;  // from here on the region runs on the arrays themselves
constexpr size_t kSeenSlots = 4 * kTileElements;

template <class T>
void copy_lanes(const std::byte* from, std::byte* to, const int64_t* from_at, const int64_t* to_at, size_t count) {
  const T* in = reinterpret_cast<const T*>(from);
  T* out = reinterpret_cast<T*>(to);
  for (size_t i = 0; i < count; ++i)
    out[to_at == nullptr ? static_cast<int64_t>(i) : to_at[i]] = in[from_at == nullptr ? static_cast<int64_t>(i) : from_at[i]];
}

// Element from_at[i] of `from` to element to_at[i] of `to`; null: i itself.
void copy_lanes(int64_t element, const std::byte* from, std::byte* to, const int64_t* from_at, const int64_t* to_at, size_t count) {
  switch (element) {
    case 1: return copy_lanes<uint8_t>(from, to, from_at, to_at, count);
    case 2: return copy_lanes<uint16_t>(from, to, from_at, to_at, count);
    case 4: return copy_lanes<uint32_t>(from, to, from_at, to_at, count);
    case 8: return copy_lanes<uint64_t>(from, to, from_at, to_at, count);
    default: return copy_lanes<std::array<uint64_t, 2>>(from, to, from_at, to_at, count);
  }
}

size_t hash_of(int64_t target) { return static_cast<size_t>(static_cast<uint64_t>(target) * 0x9E3779B97F4A7C15u >> 40) % kSeenSlots; }

}  // namespace

UpdateApplier::UpdateApplier(const emulator::TileChain& region, Combine combine, std::span<const DataType> types,
                             std::span<std::byte* const> targets, std::span<const std::byte* const> updates, emulator::HostThread& host)
    : region_(region),
      combine_(combine),
      loop_(combine_loop(combine, types[0])),
      types_(types),
      targets_(targets),
      updates_(updates),
      host_(host),
      inputs_(2 * types.size()),
      outputs_(types.size()) {}

void UpdateApplier::apply(std::span<const WindowDim> window, std::span<const WindowOffsets> offsets) {
  if (offsets.empty()) return;
  if (combine_ == Combine::kAssign) return assign(window, offsets);
  if (loop_ != nullptr) return combine(window, offsets);
  const bool dense = !window.empty() && window.back().from == 1 && window.back().to == 1 && window.back().size >= kDenseRun;
  for (const WindowOffsets& at : offsets) {
    if (dense) {
      for_each_position(window.first(window.size() - 1), at.update, at.target,
                        [&](int64_t from, int64_t to) { run_region(from, to, window.back().size); });
    } else {
      for_each_position(window, at.update, at.target, [&](int64_t from, int64_t to) { push_lane(from, to); });
    }
  }
  flush_lanes();
}

// Runs of the windows, a batch at a time.
void UpdateApplier::combine(std::span<const WindowDim> window, std::span<const WindowOffsets> offsets) {
  const bool dense = !window.empty() && window.back().from == 1 && window.back().to == 1;
  const size_t run = dense ? static_cast<size_t>(window.back().size) : 1;
  const std::span<const WindowDim> outer = dense ? window.first(window.size() - 1) : window;
  const auto combine_all = [&](std::span<const WindowOffsets> windows) { loop_(updates_[0], targets_[0], windows, run, emulator::simd()); };
  if (outer.empty()) return combine_all(offsets);
  std::array<WindowOffsets, 64> runs;
  size_t pending = 0;
  for (const WindowOffsets& at : offsets) {
    for_each_position(outer, at.update, at.target, [&](int64_t from, int64_t to) {
      runs[pending++] = {from, to};
      if (pending < runs.size()) return;
      combine_all(runs);
      pending = 0;
    });
  }
  if (pending > 0) combine_all({runs.data(), pending});
}

void UpdateApplier::assign(std::span<const WindowDim> window, std::span<const WindowOffsets> offsets) {
  const bool dense = !window.empty() && window.back().from == 1 && window.back().to == 1;
  const std::span<const WindowDim> outer = dense ? window.first(window.size() - 1) : window;
  for (size_t i = 0; i < types_.size(); ++i) {
    const int64_t element = size_of(types_[i]);
    const size_t bytes = static_cast<size_t>(element * (dense ? window.back().size : 1));
    if (bytes == 0) continue;
    for (const WindowOffsets& at : offsets) {
      for_each_position(outer, at.update, at.target,
                        [&](int64_t from, int64_t to) { std::memcpy(targets_[i] + to * element, updates_[i] + from * element, bytes); });
    }
  }
}

void UpdateApplier::run_region(int64_t update, int64_t target, int64_t count) {
  const size_t k = types_.size();
  for (int64_t done = 0; done < count; done += static_cast<int64_t>(kTileElements)) {
    for (size_t i = 0; i < k; ++i) {
      outputs_[i] = targets_[i] + (target + done) * size_of(types_[i]);
      inputs_[i] = outputs_[i];
      inputs_[k + i] = updates_[i] + (update + done) * size_of(types_[i]);
    }
    const auto n = static_cast<size_t>(std::min<int64_t>(count - done, kTileElements));
    region_.run(inputs_.data(), outputs_.data(), n, host_.scratch);
  }
}

void UpdateApplier::push_lane(int64_t update, int64_t target) {
  if (seen_.empty()) seen_.assign(kSeenSlots, -1);
  size_t slot = hash_of(target);
  for (; seen_[slot] != -1; slot = (slot + 1) % kSeenSlots) {
    if (seen_[slot] != target) continue;
    flush_lanes();
    slot = hash_of(target);
    break;
  }
  seen_[slot] = target;
  seen_slots_.push_back(slot);
  lane_updates_.push_back(update);
  lane_targets_.push_back(target);
  if (lane_targets_.size() == kTileElements) flush_lanes();
}

void UpdateApplier::flush_lanes() {
  const size_t lanes = lane_targets_.size();
  if (lanes == 0) return;
  const size_t k = types_.size();
  constexpr size_t kRoom = kTileElements * 16;
  host_.staging.resize(std::max(host_.staging.size(), 2 * k * kRoom));
  for (size_t i = 0; i < k; ++i) {
    std::byte* current = host_.staging.data() + 2 * i * kRoom;
    std::byte* update = current + kRoom;
    copy_lanes(size_of(types_[i]), targets_[i], current, lane_targets_.data(), nullptr, lanes);
    copy_lanes(size_of(types_[i]), updates_[i], update, lane_updates_.data(), nullptr, lanes);
    inputs_[i] = outputs_[i] = current;
    inputs_[k + i] = update;
  }
  region_.run(inputs_.data(), outputs_.data(), lanes, host_.scratch);
  for (size_t i = 0; i < k; ++i) copy_lanes(size_of(types_[i]), outputs_[i], targets_[i], nullptr, lane_targets_.data(), lanes);
  lane_updates_.clear();
  lane_targets_.clear();
  for (const size_t slot : seen_slots_) seen_[slot] = -1;
  seen_slots_.clear();
}

}  // namespace tt::dnn
