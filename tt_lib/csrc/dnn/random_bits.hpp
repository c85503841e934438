// The counter-based generators themselves, many counters at once.
#pragma once

#include <array>
#include <cstdint>

namespace tt::dnn {

inline constexpr int kRandomLanes = 256;  // counters per call

// Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
// words[w][i]: word w drawn from counter `counter` + i.
void threefry2x32(uint64_t key, uint64_t counter, std::array<std::array<uint32_t, kRandomLanes>, 2>& words);
void philox4x32(uint64_t key, uint64_t counter_low, uint64_t counter_high, std::array<std::array<uint32_t, kRandomLanes>, 4>& words);

}  // namespace tt::dnn
