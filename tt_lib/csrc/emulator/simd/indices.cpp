// Work on arrays of indices: which of them lie in a range, where windows begin, and how windows are combined with what is there.
#include <algorithm>
#include <limits>

#include "emulator/simd/floats.hpp"
#include "emulator/simd/vec.hpp"

namespace tt::emulator::TT_SIMD {
namespace {

constexpr int64_t kMost = std::numeric_limits<int64_t>::max();

template <class T>
TT_INLINE int64_t widen(T value) {
  if constexpr (std::is_same_v<T, uint64_t>) {
    return static_cast<int64_t>(value < static_cast<uint64_t>(kMost) ? value : static_cast<uint64_t>(kMost));
  } else {
    return static_cast<int64_t>(value);
  }
}

#if defined(__AVX512F__)
// 0 <= low; the range's ends fit the type.
template <class T>
TT_INLINE size_t select_words(const T* values, size_t n, uint32_t low, uint32_t span, uint32_t* positions) {
  const __m512i lows = _mm512_set1_epi32(static_cast<int>(low)), spans = _mm512_set1_epi32(static_cast<int>(span));
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
  for (size_t i = 0; i < n; ++i) {
    positions[found] = static_cast<uint32_t>(i);
    found += static_cast<uint64_t>(widen(values[i])) - static_cast<uint64_t>(low) < span;
  }
  return found;
}

template <class T>
void place_windows(const std::byte* data, const uint32_t* positions, size_t n, const WindowOffsets& first, int64_t update_step,
                   int64_t scale, WindowOffsets* out) {
  const T* values = reinterpret_cast<const T*>(data);
  const auto [update, target] = first;
  const auto base = static_cast<uint64_t>(target), times = static_cast<uint64_t>(scale);  // wraps where signed would overflow
  for (size_t i = 0; i < n; ++i) {
    uint32_t at = positions[i];
    asm("" : "+r"(at));  // one by one: GCC's vectors of this take longer
    out[i] = {update + static_cast<int64_t>(at) * update_step,
              static_cast<int64_t>(base + static_cast<uint64_t>(widen(values[at])) * times)};
  }
}

// Unsigned arithmetic wraps where signed would overflow.
template <class T>
using Arithmetic = typename std::conditional_t<std::is_integral_v<T>, std::make_unsigned<T>, std::type_identity<T>>::type;

struct Add {
  template <class T>
  TT_INLINE static T combine(T current, T update) {
    return static_cast<T>(static_cast<Arithmetic<T>>(current) + static_cast<Arithmetic<T>>(update));
  }
};
struct Multiply {
  template <class T>
  TT_INLINE static T combine(T current, T update) {
    return static_cast<T>(static_cast<Arithmetic<T>>(current) * static_cast<Arithmetic<T>>(update));
  }
};
// Of floats, the step knows what becomes of NaN and zeros.
struct Maximum {
  template <class T>
  TT_INLINE static T combine(T current, T update) {
    return current < update ? update : current;
  }
  template <class V>
  TT_INLINE static V combine_floats(V current, V update) {
    return FloatSteps<std::remove_cvref_t<decltype(V{}[0])>>::max(current, update);
  }
};
struct Minimum {
  template <class T>
  TT_INLINE static T combine(T current, T update) {
    return update < current ? update : current;
  }
  template <class V>
  TT_INLINE static V combine_floats(V current, V update) {
    return FloatSteps<std::remove_cvref_t<decltype(V{}[0])>>::min(current, update);
  }
};

template <class T, class Op>
constexpr bool kByVectors = std::is_floating_point_v<T>&& requires(Vec<T> v) {
  Op::combine_floats(v, v);
};

template <class T, class Op>
TT_INLINE void combine_run(T* to, const T* from, size_t run) {
  if constexpr (kByVectors<T, Op>) {
    using V = Vec<T>;
    size_t i = 0;
    for (; i + lanes<V> <= run; i += lanes<V>) store(to + i, Op::combine_floats(load<V>(to + i), load<V>(from + i)));
    for (; i < run; ++i) to[i] = Op::combine_floats(V{to[i]}, V{from[i]})[0];
  } else {
#pragma GCC ivdep
    for (size_t i = 0; i < run; ++i) to[i] = Op::combine(to[i], from[i]);
  }
}

constexpr size_t kAhead = 16;  // windows: the host cannot foresee where they lie

template <class T, class Op>
void combine_runs(const std::byte* updates, std::byte* target, const WindowOffsets* at, size_t count, size_t run) {
  const T* in = reinterpret_cast<const T*>(updates);
  T* out = reinterpret_cast<T*>(target);
  if (run == 1) {
    for (size_t w = 0; w < count; ++w) combine_run<T, Op>(out + at[w].target, in + at[w].update, 1);
    return;
  }
  for (size_t w = 0; w < count; ++w) {
    const WindowOffsets next = at[std::min(w + kAhead, count - 1)];
    __builtin_prefetch(in + next.update);
    __builtin_prefetch(out + next.target, 1);
    combine_run<T, Op>(out + at[w].target, in + at[w].update, run);
  }
}

template <class T>
CombineFunction combine_of(TileOpcode code) {
  switch (code) {
    case TileOpcode::kAdd: return combine_runs<T, Add>;
    case TileOpcode::kMul: return combine_runs<T, Multiply>;
    case TileOpcode::kMax: return combine_runs<T, Maximum>;
    case TileOpcode::kMin: return combine_runs<T, Minimum>;
    default: return nullptr;
  }
}

CombineFunction combine_of(TileOpcode code, DataType type) {
  switch (type) {
    case DataType::kF32: return combine_of<float>(code);
    case DataType::kF64: return combine_of<double>(code);
    case DataType::kS32: return combine_of<int32_t>(code);
    case DataType::kU32: return combine_of<uint32_t>(code);
    case DataType::kS64: return combine_of<int64_t>(code);
    case DataType::kU64: return combine_of<uint64_t>(code);
    default: return nullptr;
  }
}

template <class T>
void install(Engine& engine, std::initializer_list<DataType> types) {
  for (const DataType type : types) {
    engine.select[static_cast<size_t>(type)] = select<T>;
    engine.place_windows[static_cast<size_t>(type)] = place_windows<T>;
  }
}

}  // namespace

void install_indices(Engine& engine) {
  install<int8_t>(engine, {DataType::kS2, DataType::kS4, DataType::kS8});
  install<uint8_t>(engine, {DataType::kU2, DataType::kU4, DataType::kU8});
  install<int16_t>(engine, {DataType::kS16});
  install<uint16_t>(engine, {DataType::kU16});
  install<int32_t>(engine, {DataType::kS32});
  install<uint32_t>(engine, {DataType::kU32});
  install<int64_t>(engine, {DataType::kS64});
  install<uint64_t>(engine, {DataType::kU64});
  engine.combine_runs = combine_of;
}

}  // namespace tt::emulator::TT_SIMD
