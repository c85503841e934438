// First-fit allocation of device DRAM.
#include "metal/allocator.hpp"

#include <algorithm>

#include "base/error.hpp"
#include "base/shape.hpp"

namespace tt::metal {
namespace {

constexpr int64_t kGranule = 64;  // bytes
int64_t rounded(int64_t bytes) { return round_up(std::max<int64_t>(bytes, 1), kGranule); }

}  // namespace

uint64_t Allocator::allocate(int64_t bytes) {
  const int64_t size = rounded(bytes);
  std::lock_guard lock(mutex_);
  for (auto it = free_.begin(); it != free_.end(); ++it) {
    if (it->second < size) continue;
    const uint64_t address = it->first;
    const int64_t rest = it->second - size;
    free_.erase(it);
    if (rest > 0) free_[address + static_cast<uint64_t>(size)] = rest;
    in_use_ += size;
    peak_ = std::max(peak_, in_use_);
    ++allocations_;
    return address;
  }
  int64_t largest = 0;
  for (const auto& [address, length] : free_) largest = std::max(largest, length);
  fail(ErrorCategory::kOutOfMemory, "[allocate] out of device memory: asked for ", bytes, " bytes, free ", capacity_ - in_use_, " of ",
       capacity_, " bytes (largest block ", largest, "); delete arrays or donate inputs");
}

void Allocator::release(uint64_t address, int64_t bytes) {
  int64_t size = rounded(bytes);
  std::lock_guard lock(mutex_);
  in_use_ -= size;
  --allocations_;
  auto next = free_.lower_bound(address);
  if (next != free_.end() && address + static_cast<uint64_t>(size) == next->first) {
    size += next->second;
    next = free_.erase(next);
  }
  if (next != free_.begin()) {
    auto before = std::prev(next);
    if (before->first + static_cast<uint64_t>(before->second) == address) {
      before->second += size;
      return;
    }
  }
  free_[address] = size;
}

int64_t Allocator::in_use() const {
  std::lock_guard lock(mutex_);
  return in_use_;
}

int64_t Allocator::peak() const {
  std::lock_guard lock(mutex_);
  return peak_;
}

int64_t Allocator::allocations() const {
  std::lock_guard lock(mutex_);
  return allocations_;
}

int64_t Allocator::largest_free() const {
  std::lock_guard lock(mutex_);
  int64_t largest = 0;
  for (const auto& [address, length] : free_) largest = std::max(largest, length);
  return largest;
}

}  // namespace tt::metal
