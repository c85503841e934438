// Finding the integers of a range: how kernels on the RISC-V cores find their share of work that values divide.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/data_type.hpp"

namespace tt::emulator {

inline constexpr size_t kSelectPadding = 16;

// The positions of the values in [max(low, 0), high), in order; there is room for kSelectPadding more. Returns how many.
size_t select_positions(DataType type, const std::byte* values, size_t n, int64_t low, int64_t high, uint32_t* positions);

}  // namespace tt::emulator
