// IEEE 754's maximum and minimum: NaN wins, and -0 is less than +0. Of two floats, or of two vectors of them (GCC's extension).
#pragma once

#include <cstdint>

namespace tt {

// The integers of F's size.
template <class F>
struct BitsOf {
  using type = decltype(F{} < F{});  // of a vector
};
template <>
struct BitsOf<float> {
  using type = uint32_t;
};
template <>
struct BitsOf<double> {
  using type = uint64_t;
};

// What was chosen is the second one where there is a NaN or both are equal, which the bits of the first then correct: -0 has one bit more.
template <class F>
[[gnu::always_inline]] inline F maximum(F a, F b) {
  using Bits = typename BitsOf<F>::type;
  const F greater = a > b ? a : b;
  const Bits differ = a != b ? ~Bits{} : Bits{};
  const F number = __builtin_bit_cast(F, __builtin_bit_cast(Bits, greater) & (__builtin_bit_cast(Bits, a) | differ));
  return a != a ? a : number;
}

template <class F>
[[gnu::always_inline]] inline F minimum(F a, F b) {
  using Bits = typename BitsOf<F>::type;
  const F less = a < b ? a : b;
  const Bits equal = a == b ? ~Bits{} : Bits{};
  const F number = __builtin_bit_cast(F, __builtin_bit_cast(Bits, less) | (__builtin_bit_cast(Bits, a) & equal));
  return a != a ? a : number;
}

}  // namespace tt
