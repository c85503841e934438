// Windows by their one index.
#include "dnn/scatter_windows.hpp"

#include "dnn/index_values.hpp"

namespace tt::dnn {

void place_windows(DataType type, const std::byte* values, const uint32_t* positions, size_t n, const WindowOffsets& first,
                   const WindowOffsets& step, WindowOffsets* out) {
  const auto base = static_cast<uint64_t>(first.target), stride = static_cast<uint64_t>(step.target);
  visit_integers(type, values, [&](const auto* starts) {
    for (size_t i = 0; i < n; ++i) {
      const uint32_t at = positions[i];
      out[i] = {first.update + static_cast<int64_t>(at) * step.update,
                static_cast<int64_t>(base + static_cast<uint64_t>(widen(starts[at])) * stride)};
    }
  });
}

}  // namespace tt::dnn
