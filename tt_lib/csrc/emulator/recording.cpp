// Repeating recordings: the memories of a run, then its effects in order.
#include "emulator/recording.hpp"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <limits>
#include <string_view>
#include <utility>

#include "base/error.hpp"
#include "emulator/core.hpp"

namespace tt::emulator {

int64_t read_index(const std::byte* at, DataType type) {
  const auto as = [&](auto value) {
    std::memcpy(&value, at, sizeof(value));
    return static_cast<int64_t>(std::min<std::common_type_t<decltype(value), uint64_t>>(value, std::numeric_limits<int64_t>::max()));
  };
  const auto as_signed = [&](auto value) {
    std::memcpy(&value, at, sizeof(value));
    return static_cast<int64_t>(value);
  };
  switch (type) {
    case DataType::kS8: return as_signed(int8_t{});
    case DataType::kS16: return as_signed(int16_t{});
    case DataType::kS32: return as_signed(int32_t{});
    case DataType::kS64: return as_signed(int64_t{});
    case DataType::kU8: return as(uint8_t{});
    case DataType::kU16: return as(uint16_t{});
    case DataType::kU32: return as(uint32_t{});
    case DataType::kU64: return as(uint64_t{});
    default: fail(ErrorCategory::kInternal, "[dynamic index] of type ", name(type), ", expected an integer type");
  }
}

const AccessMap* Recording::keep(const AccessMap& map) {
  if (maps_.empty() || maps_.back() != map) maps_.push_back(map);
  return &maps_.back();
}

const BoundTileChain* Recording::bind(const TileChain& chain, size_t n) {
  return chain.program().outputs.empty() || n == 0 || n > BoundTileChain::kMostElements ? nullptr : &chains_.emplace_back(chain, n);
}

Recording::Recording(std::span<const BoundBuffer> buffers, int64_t l1_bytes, size_t most_effects)
    : num_slots_(buffers.size()), most_effects_(most_effects), l1_bytes_(l1_bytes), buffers_(buffers.begin(), buffers.end()) {
  for (size_t i = 0; i < num_slots_; ++i) buffers_[i].data = memory::start_of(static_cast<uint16_t>(memory::kFirstSlot + i));
}

uint16_t Recording::moved(uint16_t slot, std::vector<MovingIndex> indices) {
  const auto made = static_cast<uint16_t>(buffers_.size());
  moved_.push_back({slot, std::move(indices)});
  buffers_.push_back(buffers_[slot]);
  buffers_.back().data = memory::start_of(static_cast<uint16_t>(memory::kFirstSlot + made));
  return made;
}

void Recording::repeat(std::byte* const* buffers, HostThread& host) const {
  constexpr size_t kFew = 64;
  std::array<uintptr_t, kFew> few;
  std::vector<uintptr_t> many;
  const size_t count = memory::kFirstSlot + num_slots_ + moved_.size();
  uintptr_t* bases = few.data();
  if (count > kFew) {
    many.resize(count);
    bases = many.data();
  }
  const auto address = [](const std::byte* at) { return reinterpret_cast<uintptr_t>(at); };
  bases[memory::kProcess] = 0;
  bases[memory::kL1] = address(host.l1_start(l1_bytes_));
  bases[memory::kDst] = address(host.dst_start());
  for (size_t i = 0; i < num_slots_; ++i) bases[memory::kFirstSlot + i] = address(buffers[i]);
  const Bases at(bases);
  for (size_t i = 0; i < moved_.size(); ++i) {
    const Moved& moved = moved_[i];
    uintptr_t start = bases[memory::kFirstSlot + moved.slot];
    for (const MovingIndex& index : moved.indices)
      start += static_cast<uintptr_t>(std::clamp<int64_t>(read_index(at(index.at), index.type), 0, index.limit) * index.stride);
    bases[memory::kFirstSlot + num_slots_ + i] = start;
  }
  for (const Effect& effect : effects_) effect.run(effect.kept, at, host);
}

int default_recorded_run() {
  const char* text = std::getenv("JAX_TT_RECORD_RUN");
  if (text == nullptr || *text == '\0') return 2;
  require(std::string_view(text).find_first_not_of("0123456789") == std::string_view::npos && std::string_view(text).size() <= 9,
          "[recording] JAX_TT_RECORD_RUN is \"", text, "\", expected a number of 0 or more");
  return std::atoi(text);
}

void Recordings::finish(std::vector<Recording> turns, double host_seconds) {
  made_.host_seconds = host_seconds;
  made_.turns = std::move(turns);
  ready_.store(&made_, std::memory_order_release);
}

}  // namespace tt::emulator
