// A tensor bound to a program's slot.
#pragma once

#include <cstddef>
#include <cstdint>

namespace tt::emulator {

struct BoundBuffer {
  std::byte* data = nullptr;  // null in TimingOnly
  int64_t size = 0;
  bool is_output = false;  // else it is not written
};

}  // namespace tt::emulator
