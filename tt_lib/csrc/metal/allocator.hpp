// Device DRAM: which address ranges are free. First fit over an ordered map of free ranges, neighbours merged on release.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>

namespace tt::metal {

class Allocator {
 public:
  explicit Allocator(int64_t capacity) : capacity_(capacity) { free_[0] = capacity; }

  uint64_t allocate(int64_t bytes);  // OutOfMemory names what was asked and what is free
  void release(uint64_t address, int64_t bytes);

  int64_t capacity() const { return capacity_; }
  int64_t in_use() const;
  int64_t peak() const;
  int64_t allocations() const;
  int64_t largest_free() const;

 private:
  const int64_t capacity_;
  mutable std::mutex mutex_;
  std::map<uint64_t, int64_t> free_;  // address -> bytes
  int64_t in_use_ = 0;
  int64_t peak_ = 0;
  int64_t allocations_ = 0;
};

}  // namespace tt::metal
