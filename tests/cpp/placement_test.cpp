// Room by lifetime, and the choice of what lies in L1: nothing overlaps, everything fits beside the circular buffers, the best comes first.
#include "lowering/placement.hpp"

#include <random>
#include <vector>

#include "test.hpp"

namespace tt {
namespace {

using lowering::L1Candidate;
using lowering::Tenant;

constexpr int64_t kUsable = 940672;

bool meet(int64_t a_first, int64_t a_last, int64_t b_first, int64_t b_last) { return a_first <= b_last && b_first <= a_last; }

std::vector<Tenant> random_tenants(size_t n, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::vector<Tenant> tenants;
  for (size_t i = 0; i < n; ++i) {
    const auto first = static_cast<int64_t>(random() % 200);
    tenants.push_back({first, first + static_cast<int64_t>(random() % 30), static_cast<int64_t>(1 + random() % 5000)});
  }
  return tenants;
}

std::vector<L1Candidate> random_candidates(size_t n, int64_t steps, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::vector<L1Candidate> candidates;
  for (size_t i = 0; i < n; ++i) {
    const auto first = static_cast<int64_t>(random() % static_cast<uint64_t>(steps));
    const int64_t last = std::min(steps - 1, first + static_cast<int64_t>(random() % 12));
    candidates.push_back({first, last, static_cast<int64_t>(64 * (1 + random() % 1500)), static_cast<double>(random() % 1'000'000)});
  }
  return candidates;
}

std::vector<int64_t> random_buffers(size_t steps, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::vector<int64_t> buffers;
  for (size_t i = 0; i < steps; ++i) buffers.push_back(static_cast<int64_t>(random() % (kUsable + 1)));
  return buffers;
}

TEST(values_that_live_together_do_not_overlap) {
  std::vector<Tenant> tenants = random_tenants(300, 1);
  const int64_t end = lowering::place_by_lifetime(tenants);
  int64_t highest = 0;
  for (size_t i = 0; i < tenants.size(); ++i) {
    const Tenant& a = tenants[i];
    EXPECT(a.address >= 0);
    highest = std::max(highest, a.address + a.bytes);
    for (size_t j = 0; j < i; ++j) {
      const Tenant& b = tenants[j];
      if (meet(a.first, a.last, b.first, b.last)) EXPECT(!meet(a.address, a.address + a.bytes - 1, b.address, b.address + b.bytes - 1));
    }
  }
  EXPECT_EQ(end, highest);
}

TEST(memory_is_used_again_after_a_life) {
  std::vector<Tenant> tenants = {{0, 1, 640}, {1, 2, 640}, {2, 3, 640}, {3, 4, 640}};
  EXPECT_EQ(lowering::place_by_lifetime(tenants), int64_t{1280});
}

TEST(what_lies_in_l1_fits_beside_the_circular_buffers_of_every_step) {
  constexpr size_t kSteps = 100;
  for (uint64_t seed = 0; seed < 20; ++seed) {
    std::vector<L1Candidate> candidates = random_candidates(400, kSteps, seed);
    const std::vector<int64_t> buffers = random_buffers(kSteps, seed + 100);
    lowering::place_in_l1(candidates, buffers, kUsable);
    const std::vector<int64_t> in_use = lowering::l1_in_use(candidates, kSteps, kUsable);
    std::vector<int64_t> expected(kSteps, 0);
    int64_t placed = 0;
    for (size_t i = 0; i < candidates.size(); ++i) {
      const L1Candidate& a = candidates[i];
      if (a.address < 0) continue;
      ++placed;
      EXPECT(a.address + a.share <= kUsable);
      for (int64_t step = a.first; step <= a.last; ++step) {
        EXPECT(buffers[static_cast<size_t>(step)] <= a.address);
        expected[static_cast<size_t>(step)] = std::max(expected[static_cast<size_t>(step)], kUsable - a.address);
      }
      for (size_t j = 0; j < i; ++j) {
        const L1Candidate& b = candidates[j];
        if (b.address >= 0 && meet(a.first, a.last, b.first, b.last)) {
          EXPECT(!meet(a.address, a.address + a.share - 1, b.address, b.address + b.share - 1));
        }
      }
    }
    EXPECT(placed > 0);
    EXPECT(in_use == expected);
  }
}

TEST(what_has_most_benefit_per_byte_comes_first) {
  std::vector<L1Candidate> candidates = {{1, 3, 4096, 1000}, {1, 3, 4096, 3000}, {1, 3, 4096, 2000}, {0, 0, 4096, 1}, {1, 3, 64, 0}};
  lowering::place_in_l1(candidates, std::vector<int64_t>{0, 1000, 2000, 500}, 2000 + 2 * 4096);
  EXPECT_EQ(candidates[0].address, int64_t{-1});
  EXPECT(candidates[1].address >= 2000 && candidates[2].address >= 2000);
  EXPECT(candidates[3].address >= 0);             // lives when nothing else does
  EXPECT_EQ(candidates[4].address, int64_t{-1});  // nobody would gain
}

TEST(many_values_are_placed_alike_every_time) {
  constexpr size_t kSteps = 20'000;
  const std::vector<int64_t> buffers = random_buffers(kSteps, 5);
  std::vector<L1Candidate> once = random_candidates(40'000, kSteps, 6), again = once;
  lowering::place_in_l1(once, buffers, kUsable);
  lowering::place_in_l1(again, buffers, kUsable);
  for (size_t i = 0; i < once.size(); ++i) EXPECT_EQ(once[i].address, again[i].address);
}

}  // namespace
}  // namespace tt
