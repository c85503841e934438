// Arrays of integers of any type, read as int64; values beyond it saturate.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <type_traits>

#include "base/data_type.hpp"
#include "base/error.hpp"
#include "emulator/tile_program.hpp"

namespace tt::dnn {

template <class T>
[[gnu::always_inline]] inline int64_t widen(T value) {
  constexpr auto kMost = std::numeric_limits<int64_t>::max();
  if constexpr (std::is_same_v<T, uint64_t>) {
    return value < static_cast<uint64_t>(kMost) ? static_cast<int64_t>(value) : kMost;
  } else {
    return value;
  }
}

// Calls body(values) with a pointer to what they are.
template <class Body>
void visit_integers(DataType type, const std::byte* values, const Body& body) {
  switch (type) {
    case DataType::kS2:
    case DataType::kS4:
    case DataType::kS8: return body(reinterpret_cast<const int8_t*>(values));
    case DataType::kU2:
    case DataType::kU4:
    case DataType::kU8: return body(reinterpret_cast<const uint8_t*>(values));
    case DataType::kS16: return body(reinterpret_cast<const int16_t*>(values));
    case DataType::kU16: return body(reinterpret_cast<const uint16_t*>(values));
    case DataType::kS32: return body(reinterpret_cast<const int32_t*>(values));
    case DataType::kU32: return body(reinterpret_cast<const uint32_t*>(values));
    case DataType::kS64: return body(reinterpret_cast<const int64_t*>(values));
    case DataType::kU64: return body(reinterpret_cast<const uint64_t*>(values));
    default: fail(ErrorCategory::kInternal, "[indices] of type ", name(type));
  }
}

// out[i] = the value at i * step.
void widen_values(DataType type, const std::byte* values, int64_t step, size_t n, int64_t* out, emulator::Simd simd = emulator::simd());

// An index, clamped to [0, limit], is worth `stride` elements per unit.
struct OffsetScale {
  int64_t limit;
  int64_t stride;
};
// out[i] = the offset of the value at i * step; with `add`, it is added to what is there.
void clamped_offsets(DataType type, const std::byte* values, int64_t step, size_t n, OffsetScale scale, bool add, int64_t* out,
                     emulator::Simd simd = emulator::simd());

}  // namespace tt::dnn
