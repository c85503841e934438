// Rounds vectors to the values a narrow float format can hold: to nearest, ties to even, with the format's own overflow.
#pragma once

#include <limits>
#include <type_traits>

#include "emulator/float_formats.hpp"
#include "emulator/simd/vec.hpp"

namespace tt::emulator::TT_SIMD {

template <class T>
struct Fields;
template <>
struct Fields<float> {
  using Int = int32_t;
  static constexpr int mantissa_bits = 23, bias = 127;
  static constexpr Int exponent_mask = 0x7f800000, quiet = 0x400000;
};
template <>
struct Fields<double> {
  using Int = int64_t;
  static constexpr int mantissa_bits = 52, bias = 1023;
  static constexpr Int exponent_mask = 0x7ff0000000000000, quiet = 0x8000000000000;
};

// f8E8M0FNU: powers of two; ties go up, and what is not positive is NaN (as in ml_dtypes).
template <class T, class V>
TT_INLINE V quantise_e8m0(V x) {
  using F = Fields<T>;
  using I = Vec<typename F::Int, lanes<V>>;
  const V bounded = x < static_cast<T>(0x1.8p127) ? x : V{} + static_cast<T>(0x1.8p127);  // NaN too
  V power = bits<V>((bits<I>(bounded < 0 ? V{} : bounded) + F::quiet) & F::exponent_mask);
  power = x < static_cast<T>(0x1p-126) ? (x < static_cast<T>(0x1.8p-127) ? V{} + static_cast<T>(0x1p-127) : V{} + static_cast<T>(0x1p-126))
                                       : power;
  const I valid = (x > 0) & (power <= static_cast<T>(0x1p127));
  return valid != 0 ? power : V{} + static_cast<T>(__builtin_nanf(""));
}

template <DataType type, class V>
TT_INLINE V quantise(V x) {
  using T = std::remove_cvref_t<decltype(x[0])>;
  using F = Fields<T>;
  using Int = typename F::Int;
  using I = Vec<Int, lanes<V>>;
  if constexpr (type == DataType::kF8E8M0FNU) return quantise_e8m0<T>(x);
  constexpr FloatFormat f = float_format(type);
  const I u = bits<I>(x);
  if constexpr (type == DataType::kBF16 && sizeof(T) == 4) {
    using U = Vec<uint32_t, lanes<V>>;  // the sum of a NaN's code may wrap
    const I rounded = bits<I>(bits<U>(u) + 0x7fff + ((bits<U>(u) >> 16) & 1)) & static_cast<Int>(0xffff0000);
    const I nan = (u | F::quiet) & static_cast<Int>(0xffff0000);
    return bits<V>(x != x ? nan : rounded);
  } else {
    constexpr Int kSign = std::numeric_limits<Int>::min();
    constexpr T kLargest = static_cast<T>(largest_finite(f));
    constexpr Int kSmallestExponent = static_cast<Int>(1 - f.bias + F::bias) << F::mantissa_bits;
    const I sign = u & kSign;
    V magnitude = bits<V>(u & ~kSign);
    magnitude = magnitude <= 2 * kLargest ? magnitude : V{} + 2 * kLargest;  // NaN too
    // Adding a power of two whose last place is the format's last place rounds there.
    I exponent = bits<I>(magnitude) & F::exponent_mask;
    exponent = exponent < kSmallestExponent ? I{} + kSmallestExponent : exponent;
    const V shift = bits<V>(exponent + (static_cast<Int>(F::mantissa_bits - f.mantissa_bits) << F::mantissa_bits));
    V rounded = (magnitude + shift) - shift;
    constexpr T kOverflow = f.specials == Specials::kIeee     ? static_cast<T>(__builtin_inf())
                            : f.specials == Specials::kFinite ? kLargest
                                                              : static_cast<T>(__builtin_nan(""));
    rounded = rounded > kLargest ? V{} + kOverflow : rounded;
    I result = bits<I>(rounded) | sign;
    const I is_nan = x != x;
    if constexpr (f.specials == Specials::kUnsigned0) {
      result = rounded == 0 ? I{} : result;
      result = is_nan | (rounded != rounded) ? I{} + (kSign | F::exponent_mask | F::quiet) : result;
    } else if constexpr (f.specials == Specials::kFinite) {
      result = is_nan ? sign ^ kSign : result;  // ml_dtypes: NaN becomes a zero of the other sign
    } else if constexpr (type == DataType::kF16) {
      result = is_nan ? u | F::quiet : result;
    } else {
      result = is_nan ? sign | (F::exponent_mask | F::quiet) : result;
    }
    return bits<V>(result);
  }
}

}  // namespace tt::emulator::TT_SIMD
