// Scalar semantics of tile operations, per lane type: what each element of a register becomes. XLA's rules for the corners of integers.
#pragma once

#include <bit>
#include <cmath>
#include <complex>
#include <cstdint>
#include <limits>
#include <type_traits>

#include "base/data_type.hpp"
#include "emulator/tile_program.hpp"

namespace tt::emulator::lane_math {

template <class T>
inline constexpr bool kIsComplex = false;
template <class T>
inline constexpr bool kIsComplex<std::complex<T>> = true;
template <class T>
inline constexpr bool kIsFloat = std::is_floating_point_v<T>;
template <class T>
inline constexpr bool kIsInt = std::is_integral_v<T>;

template <class T>
T quotient(T a, T b) {
  if constexpr (kIsInt<T>) {
    if (b == 0) return static_cast<T>(-1);
    if constexpr (std::is_signed_v<T>) {
      if (b == -1) return static_cast<T>(std::make_unsigned_t<T>{0} - static_cast<std::make_unsigned_t<T>>(a));
    }
  }
  return a / b;
}

template <class T>
T remainder(T a, T b) {
  if constexpr (kIsInt<T>) {
    if (b == 0) return a;
    if constexpr (std::is_signed_v<T>) {
      if (b == -1) return 0;
    }
    return a % b;
  } else {
    return std::fmod(a, b);
  }
}

template <class T>
T maximum(T a, T b) {
  if constexpr (kIsFloat<T>) {
    if (a != a) return a;
    if (b != b) return b;
    if (a == b) return std::signbit(a) ? b : a;
  }
  return a > b ? a : b;
}

template <class T>
T minimum(T a, T b) {
  if constexpr (kIsFloat<T>) {
    if (a != a) return a;
    if (b != b) return b;
    if (a == b) return std::signbit(a) ? a : b;
  }
  return a < b ? a : b;
}

template <class T>
T power(T a, T b) {
  if constexpr (kIsInt<T>) {
    if constexpr (std::is_signed_v<T>) {
      if (b < 0) return a == 1 ? 1 : a == -1 ? (b & 1 ? -1 : 1) : 0;
    }
    using U = std::make_unsigned_t<T>;
    U result = 1, base = static_cast<U>(a);
    for (U e = static_cast<U>(b); e != 0; e >>= 1) {
      if (e & 1) result *= base;
      base *= base;
    }
    return static_cast<T>(result);
  } else {
    return std::pow(a, b);
  }
}

template <class T>
T sign(T a) {
  if constexpr (kIsFloat<T>) {
    return a != a || a == 0 ? a : std::copysign(T{1}, a);
  } else if constexpr (kIsComplex<T>) {
    const auto magnitude = std::abs(a);
    return magnitude == 0 ? T{} : a / magnitude;
  } else if constexpr (std::is_signed_v<T>) {
    return static_cast<T>((a > 0) - (a < 0));
  } else {
    return a != 0;
  }
}

template <class T>
T logistic(T a) {
  return T{1} / (T{1} + std::exp(-a));
}

template <class T>
T expm1(T a) {
  if constexpr (kIsComplex<T>) {
    using R = typename T::value_type;
    const R x = a.real(), y = a.imag(), s = std::sin(y / 2), e = std::expm1(x);
    return {e * std::cos(y) - 2 * s * s, (e + 1) * std::sin(y)};
  } else {
    return std::expm1(a);
  }
}

template <class T>
T log1p(T a) {
  if constexpr (kIsComplex<T>) {
    using R = typename T::value_type;
    const R x = a.real(), y = a.imag();
    const R l = std::abs(x) < R(0.5) && std::abs(y) < R(0.5) ? std::log1p(x * 2 + (x * x + y * y)) / 2 : std::log(std::abs(T(1) + a));
    return {l, std::atan2(y, 1 + x)};
  } else {
    return std::log1p(a);
  }
}

// An order-preserving integer of a float's bits: -NaN < -inf < ... < -0 < +0 < ... < NaN.
template <class T>
auto total_key(T a) {
  if constexpr (std::is_same_v<T, float>) {
    const auto bits = std::bit_cast<int32_t>(a);
    return bits < 0 ? static_cast<int32_t>(bits ^ 0x7fffffff) : bits;
  } else if constexpr (std::is_same_v<T, double>) {
    const auto bits = std::bit_cast<int64_t>(a);
    return bits < 0 ? bits ^ INT64_MAX : bits;
  } else {
    return a;
  }
}

inline double erf_inv(double x) {
  if (x <= -1 || x >= 1) return x == 1 ? HUGE_VAL : x == -1 ? -HUGE_VAL : std::numeric_limits<double>::quiet_NaN();
  // Winitzki's start, then Newton on erf.
  const double l = std::log1p(-x * x), t = 2 / (M_PI * 0.147) + l / 2;
  double y = std::copysign(std::sqrt(std::sqrt(t * t - l / 0.147) - t), x);
  for (int i = 0; i < 4; ++i) y -= (std::erf(y) - x) / (M_2_SQRTPI * std::exp(-y * y));
  return y;
}

}  // namespace tt::emulator::lane_math
