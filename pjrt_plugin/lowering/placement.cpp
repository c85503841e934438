// First fit: in order of birth over an allocator, and in order of benefit among those that live at the same time.
#include "lowering/placement.hpp"

#include <algorithm>
#include <numeric>
#include <utility>
#include <vector>

#include "metal/allocator.hpp"

namespace tt::lowering {
namespace {

template <class T, class Key>
void sort_by(std::vector<T*>& values, const Key& key) {
  std::stable_sort(values.begin(), values.end(), [&](const T* a, const T* b) { return key(*a) < key(*b); });
}

// The largest of a range of steps in logarithmic time.
class Largest {
 public:
  explicit Largest(std::span<const int64_t> values) : leaves_(values.size()), nodes_(2 * values.size()) {
    std::copy(values.begin(), values.end(), nodes_.begin() + static_cast<std::ptrdiff_t>(leaves_));
    for (size_t i = leaves_; i-- > 1;) nodes_[i] = std::max(nodes_[2 * i], nodes_[2 * i + 1]);
  }

  int64_t of(int64_t first, int64_t last) const {
    int64_t most = 0;
    for (size_t low = static_cast<size_t>(first) + leaves_, end = static_cast<size_t>(last) + 1 + leaves_; low < end; low /= 2, end /= 2) {
      if (low % 2 != 0) most = std::max(most, nodes_[low++]);
      if (end % 2 != 0) most = std::max(most, nodes_[--end]);
    }
    return most;
  }

 private:
  size_t leaves_;
  std::vector<int64_t> nodes_;
};

// What has been placed in L1, by stretches of steps.
class L1Rooms {
 public:
  L1Rooms(std::span<const int64_t> circular_buffers, int64_t usable)
      : circular_buffers_(circular_buffers), usable_(usable), stretches_(circular_buffers.size() / kStretch + 1) {}

  // Gives `c` the room nearest to the end of L1 that is free while it lives and lies above the circular buffers, if there is one.
  void place(L1Candidate& c) {
    std::vector<const L1Candidate*> others = neighbours(c);
    sort_by(others, [](const L1Candidate& other) { return -(other.address + other.share); });
    int64_t end = usable_;
    for (const L1Candidate* other : others) {
      if (other->address + other->share <= end - c.share) break;
      end = std::min(end, other->address);
    }
    if (end - c.share < circular_buffers_.of(c.first, c.last)) return;
    c.address = end - c.share;
    for (auto s = c.first / kStretch; s <= c.last / kStretch; ++s) stretches_[static_cast<size_t>(s)].push_back(&c);
  }

 private:
  static constexpr int64_t kStretch = 64;

  // Those that live at some time with `c`; more than once where they share stretches.
  std::vector<const L1Candidate*> neighbours(const L1Candidate& c) const {
    std::vector<const L1Candidate*> found;
    for (auto s = c.first / kStretch; s <= c.last / kStretch; ++s) {
      for (const L1Candidate* other : stretches_[static_cast<size_t>(s)]) {
        if (other->first <= c.last && c.first <= other->last) found.push_back(other);
      }
    }
    return found;
  }

  Largest circular_buffers_;
  int64_t usable_;
  std::vector<std::vector<const L1Candidate*>> stretches_;
};

}  // namespace

int64_t place_by_lifetime(std::span<Tenant> tenants) {
  std::vector<Tenant*> order, live;  // live: a heap, earliest end first
  for (Tenant& tenant : tenants) order.push_back(&tenant);
  sort_by(order, [](const Tenant& tenant) { return tenant.first; });
  const auto later = [](const Tenant* a, const Tenant* b) { return a->last > b->last; };
  metal::Allocator room(int64_t{1} << 60);
  int64_t end = 0;
  for (Tenant* tenant : order) {
    while (!live.empty() && live.front()->last < tenant->first) {
      std::pop_heap(live.begin(), live.end(), later);
      room.release(static_cast<uint64_t>(live.back()->address), live.back()->bytes);
      live.pop_back();
    }
    tenant->address = static_cast<int64_t>(room.allocate(tenant->bytes));
    end = std::max(end, tenant->address + tenant->bytes);
    live.push_back(tenant);
    std::push_heap(live.begin(), live.end(), later);
  }
  return end;
}

void place_in_l1(std::span<L1Candidate> candidates, std::span<const int64_t> circular_buffers, int64_t usable) {
  std::vector<L1Candidate*> order;
  for (L1Candidate& c : candidates) {
    if (c.benefit > 0) order.push_back(&c);
  }
  sort_by(order, [](const L1Candidate& c) { return std::pair(-c.benefit / static_cast<double>(c.share), c.last - c.first); });
  L1Rooms rooms(circular_buffers, usable);
  for (L1Candidate* c : order) rooms.place(*c);
}

std::vector<int64_t> l1_in_use(std::span<const L1Candidate> candidates, size_t steps, int64_t usable) {
  std::vector<const L1Candidate*> placed;
  for (const L1Candidate& candidate : candidates) {
    if (candidate.address >= 0) placed.push_back(&candidate);
  }
  sort_by(placed, [](const L1Candidate& candidate) { return candidate.address; });
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
