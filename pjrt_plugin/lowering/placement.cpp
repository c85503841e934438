// First fit by lifetime over an allocator, and a choice by benefit over a tree of what each step has in L1.
#include "lowering/placement.hpp"

#include <algorithm>
#include <bit>
#include <numeric>
#include <tuple>
#include <vector>

#include "metal/allocator.hpp"

namespace tt::lowering {
namespace {

// Values by step: adds to a range and finds the largest of a range, both in logarithmic time.
class StepLoads {
 public:
  explicit StepLoads(std::span<const int64_t> loads) : leaves_(std::bit_ceil(std::max<size_t>(loads.size(), 1))), nodes_(2 * leaves_) {
    for (size_t i = 0; i < loads.size(); ++i) nodes_[leaves_ + i].most = loads[i];
    for (size_t i = leaves_ - 1; i > 0; --i) nodes_[i].most = std::max(nodes_[2 * i].most, nodes_[2 * i + 1].most);
  }

  void add(int64_t first, int64_t last, int64_t bytes) { visit(1, 0, leaves_, first, last + 1, bytes); }
  int64_t most(int64_t first, int64_t last) { return visit(1, 0, leaves_, first, last + 1, 0); }

 private:
  struct Node {
    int64_t most = 0;   // below this node, with what was added to the whole of it
    int64_t added = 0;  // to the whole of it
  };

  // Adds to [first, end) of the node's range [low, high) and returns the largest there; 0 where they do not meet.
  int64_t visit(size_t node, size_t low, size_t high, int64_t first, int64_t end, int64_t bytes) {
    if (static_cast<int64_t>(high) <= first || end <= static_cast<int64_t>(low)) return 0;
    Node& n = nodes_[node];
    if (first <= static_cast<int64_t>(low) && static_cast<int64_t>(high) <= end) {
      n.added += bytes;
      return n.most += bytes;
    }
    const size_t middle = (low + high) / 2;
    const int64_t most =
        std::max(visit(2 * node, low, middle, first, end, bytes), visit(2 * node + 1, middle, high, first, end, bytes)) + n.added;
    n.most = std::max(nodes_[2 * node].most, nodes_[2 * node + 1].most) + n.added;
    return most;
  }

  size_t leaves_;
  std::vector<Node> nodes_;
};

}  // namespace

int64_t place_by_lifetime(std::span<Tenant> tenants) {
  std::vector<Tenant*> order, live;  // live: a heap, earliest end first
  for (Tenant& tenant : tenants) order.push_back(&tenant);
  std::stable_sort(order.begin(), order.end(), [](const Tenant* a, const Tenant* b) { return a->first < b->first; });
  const auto later = [](const Tenant* a, const Tenant* b) { return a->last > b->last; };
  metal::Allocator room(int64_t{1} << 60);
  int64_t end = 0;
  for (Tenant* tenant : order) {
    while (!live.empty() && live.front()->last < tenant->first) {
      std::pop_heap(live.begin(), live.end(), later);
      room.release(static_cast<uint64_t>(live.back()->address), live.back()->bytes);
      live.pop_back();
    }
    const uint64_t address = room.allocate(tenant->bytes);
    if (static_cast<int64_t>(address) + tenant->bytes > tenant->limit) {
      room.release(address, tenant->bytes);
      continue;
    }
    tenant->address = static_cast<int64_t>(address);
    end = std::max(end, tenant->address + tenant->bytes);
    live.push_back(tenant);
    std::push_heap(live.begin(), live.end(), later);
  }
  return end;
}

void place_in_l1(std::span<L1Candidate> candidates, std::span<const int64_t> circular_buffers, int64_t usable) {
  std::vector<size_t> order(candidates.size());
  std::iota(order.begin(), order.end(), size_t{0});
  const auto rank = [&](size_t i) {
    const L1Candidate& c = candidates[i];
    return std::tuple(-c.benefit / static_cast<double>(c.share), c.last - c.first, i);
  };
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) { return rank(a) < rank(b); });
  StepLoads buffers(circular_buffers), loads(circular_buffers);
  std::vector<Tenant> tenants;
  std::vector<size_t> chosen;
  for (size_t i : order) {
    const L1Candidate& c = candidates[i];
    if (c.benefit <= 0 || loads.most(c.first, c.last) + c.share > usable) continue;
    loads.add(c.first, c.last, c.share);
    tenants.push_back({c.first, c.last, c.share, usable - buffers.most(c.first, c.last)});
    chosen.push_back(i);
  }
  place_by_lifetime(tenants);  // addresses from the end of L1 downwards
  for (size_t t = 0; t < tenants.size(); ++t) {
    if (tenants[t].address >= 0) candidates[chosen[t]].address = usable - tenants[t].address - tenants[t].bytes;
  }
}

std::vector<int64_t> l1_in_use(std::span<const L1Candidate> candidates, size_t steps, int64_t usable) {
  std::vector<const L1Candidate*> placed;
  for (const L1Candidate& candidate : candidates) {
    if (candidate.address >= 0) placed.push_back(&candidate);
  }
  std::sort(placed.begin(), placed.end(), [](const auto* a, const auto* b) { return a->address < b->address; });
  std::vector<int64_t> in_use(steps, 0);
  std::vector<size_t> open(steps + 1);  // the next step, from this one on, that nobody has reached yet
  std::iota(open.begin(), open.end(), size_t{0});
  const auto next_open = [&](size_t step) {
    while (open[step] != step) step = open[step] = open[open[step]];
    return step;
  };
  for (const L1Candidate* c : placed) {
    const auto last = static_cast<size_t>(c->last);
    for (size_t step = next_open(static_cast<size_t>(c->first)); step <= last; step = next_open(step)) {
      in_use[step] = usable - c->address;
      open[step] = step + 1;
    }
  }
  return in_use;
}

}  // namespace tt::lowering
