// Where the windows of a scatter begin.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/data_type.hpp"

namespace tt::dnn {

// In two arrays, in elements.
struct WindowOffsets {
  int64_t update;
  int64_t target;
};

// Windows that start at values[positions[i]]: out[i] = first + {position * update_step, value * target_step}, which wraps where it lies
// outside the target.
void place_windows(DataType type, const std::byte* values, const uint32_t* positions, size_t n, const WindowOffsets& first,
                   const WindowOffsets& step, WindowOffsets* out);

}  // namespace tt::dnn
