// The positions of integers that lie in a range.
#include "emulator/select.hpp"

#include <algorithm>
#include <limits>

#include "emulator/simd/vec.hpp"

namespace tt::emulator::TT_SIMD {
namespace {

#if defined(__AVX512F__)
// 0 <= low; the range's ends fit the type.
template <class T>
TT_INLINE size_t select_words(const T* values, size_t n, uint32_t low, uint32_t span, uint32_t* positions) {
  const __m512i lows = _mm512_set1_epi32(static_cast<int>(low)), spans = _mm512_set1_epi32(static_cast<int>(span));
  static_assert(sizeof(__m512i) <= kSelectPadding * sizeof(uint32_t));
  __m512i at = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  size_t found = 0;
  for (size_t i = 0; i < n; i += 16) {
    const auto there = static_cast<__mmask16>(n - i >= 16 ? 0xFFFFu : (1u << (n - i)) - 1);
    const __m512i distance = _mm512_sub_epi32(_mm512_maskz_loadu_epi32(there, values + i), lows);
    const __mmask16 inside = _mm512_mask_cmplt_epu32_mask(there, distance, spans);
    _mm512_storeu_si512(positions + found, _mm512_maskz_compress_epi32(inside, at));
    found += static_cast<size_t>(__builtin_popcount(inside));
    at = _mm512_add_epi32(at, _mm512_set1_epi32(16));
  }
  return found;
}
#endif

template <class T>
size_t select(const std::byte* data, size_t n, int64_t low, int64_t high, uint32_t* positions) {
  const T* values = reinterpret_cast<const T*>(data);
  low = std::max<int64_t>(low, 0);
  if constexpr (sizeof(T) <= sizeof(uint32_t)) high = std::min(high, static_cast<int64_t>(std::numeric_limits<T>::max()) + 1);
  if (high <= low) return 0;
  const uint64_t span = static_cast<uint64_t>(high) - static_cast<uint64_t>(low);
#if defined(__AVX512F__)
  if constexpr (sizeof(T) == sizeof(uint32_t)) {
    if (span <= std::numeric_limits<uint32_t>::max()) {
      return select_words(values, n, static_cast<uint32_t>(low), static_cast<uint32_t>(span), positions);
    }
  }
#endif
  size_t found = 0;
  for (size_t i = 0; i < n; ++i) {  // what is negative lies above, too
    positions[found] = static_cast<uint32_t>(i);
    found += static_cast<uint64_t>(values[i]) - static_cast<uint64_t>(low) < span;
  }
  return found;
}

template <class T>
void install(Engine& engine, std::initializer_list<DataType> types) {
  for (const DataType type : types) engine.select[static_cast<size_t>(type)] = select<T>;
}

}  // namespace

void install_select(Engine& engine) {
  install<int8_t>(engine, {DataType::kS2, DataType::kS4, DataType::kS8});
  install<uint8_t>(engine, {DataType::kU2, DataType::kU4, DataType::kU8});
  install<int16_t>(engine, {DataType::kS16});
  install<uint16_t>(engine, {DataType::kU16});
  install<int32_t>(engine, {DataType::kS32});
  install<uint32_t>(engine, {DataType::kU32});
  install<int64_t>(engine, {DataType::kS64});
  install<uint64_t>(engine, {DataType::kU64});
}

}  // namespace tt::emulator::TT_SIMD
