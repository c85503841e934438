// Size classes of recycled host memory.
#include "metal/host_memory.hpp"

#include <sys/mman.h>

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <new>

#include "base/shape.hpp"

namespace tt::metal {
namespace {

constexpr int64_t kAlignment = 64;
constexpr int64_t kHugePage = 2 << 20;

// Four classes per power of two would waste less; one keeps reuse likely. Large blocks are rounded to 1/8 of their power of two.
int size_class(int64_t bytes) { return std::bit_width(static_cast<uint64_t>(std::max<int64_t>(bytes, 64) - 1)) - 6; }
int64_t class_bytes(int index) { return int64_t{64} << index; }

// In huge pages where the host has them: strided reads of a large array would miss the TLB row by row.
std::byte* new_block(int64_t bytes) {
  const int64_t alignment = bytes >= kHugePage ? kHugePage : kAlignment, size = round_up(bytes, alignment);
  void* memory = std::aligned_alloc(static_cast<size_t>(alignment), static_cast<size_t>(size));
  if (memory == nullptr) throw std::bad_alloc();
  if (bytes >= kHugePage) madvise(memory, static_cast<size_t>(size), MADV_HUGEPAGE);  // advice: nothing depends on it
  return static_cast<std::byte*>(memory);
}

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
  return new_block(index < kClasses ? class_bytes(index) : bytes);
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
