// Where values lie: room for as long as they live, and which of them have it in L1. Lives are steps of the program's linear order.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace tt::lowering {

// A value that needs room in one range of addresses from its first step to its last.
struct Tenant {
  int64_t first, last;
  int64_t bytes;
  int64_t address = -1;  // where its room begins
};

// Gives each, in order of birth, the lowest room that is free. Returns where the last room ends.
int64_t place_by_lifetime(std::span<Tenant> tenants);

// A value that might lie in L1, in the same place of every core.
struct L1Candidate {
  int64_t first, last;
  int64_t share;         // bytes of each core
  double benefit;        // bytes that are read and written there instead of in DRAM
  int64_t address = -1;  // from the start of the usable L1; -1: in DRAM
};

// Takes those with most benefit per byte as long as all fit beside the circular buffers of every step that runs while they live;
// circular_buffers[s] is what those of step s take of a core, from the start of its L1. Values are placed from its end.
void place_in_l1(std::span<L1Candidate> candidates, std::span<const int64_t> circular_buffers, int64_t usable);

// Bytes at the end of each core's L1 that the values placed there take, by step.
std::vector<int64_t> l1_in_use(std::span<const L1Candidate> candidates, size_t steps, int64_t usable);

}  // namespace tt::lowering
