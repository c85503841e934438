// Host memory behind device buffers: 64-byte aligned, small and medium blocks recycled so that a buffer costs no system call.
#pragma once

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <vector>

namespace tt::metal {

class HostMemory {
 public:
  ~HostMemory();
  std::byte* allocate(int64_t bytes);
  void release(std::byte* memory, int64_t bytes);

 private:
  static constexpr int kClasses = 28;                        // powers of two from 64 bytes
  static constexpr int64_t kMaxCached = int64_t{256} << 20;  // bytes kept for reuse
  std::mutex mutex_;
  std::vector<std::byte*> free_[kClasses];
  int64_t cached_ = 0;
};

}  // namespace tt::metal
