// Size classes of recycled host memory.
#include "metal/host_memory.hpp"

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <new>

namespace tt::metal {
namespace {

// Four classes per power of two would waste less; one keeps reuse likely. Large blocks are rounded to 1/8 of their power of two.
int size_class(int64_t bytes) { return std::bit_width(static_cast<uint64_t>(std::max<int64_t>(bytes, 64) - 1)) - 6; }
int64_t class_bytes(int index) { return int64_t{64} << index; }

}  // namespace

HostMemory::~HostMemory() {
  for (auto& list : free_) {
    for (std::byte* memory : list) std::free(memory);
  }
}

std::byte* HostMemory::allocate(int64_t bytes) {
  const int index = size_class(bytes);
  if (index < kClasses) {
    std::lock_guard lock(mutex_);
    if (!free_[index].empty()) {
      std::byte* memory = free_[index].back();
      free_[index].pop_back();
      cached_ -= class_bytes(index);
      return memory;
    }
  }
  const int64_t size = index < kClasses ? class_bytes(index) : (bytes + 63) / 64 * 64;
  void* memory = std::aligned_alloc(64, static_cast<size_t>(size));
  if (memory == nullptr) throw std::bad_alloc();
  return static_cast<std::byte*>(memory);
}

void HostMemory::release(std::byte* memory, int64_t bytes) {
  const int index = size_class(bytes);
  if (index < kClasses) {
    std::lock_guard lock(mutex_);
    if (cached_ + class_bytes(index) <= kMaxCached) {
      free_[index].push_back(memory);
      cached_ += class_bytes(index);
      return;
    }
  }
  std::free(memory);
}

}  // namespace tt::metal
