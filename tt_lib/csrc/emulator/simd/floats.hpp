// Steps that f32 and f64 registers share: arithmetic, comparisons and rounding, all exact or correctly rounded.
#pragma once

#include <limits>
#include <type_traits>

#include "base/maximum.hpp"
#include "emulator/simd/vec.hpp"

namespace tt::emulator::TT_SIMD {

template <class T>
struct FloatSteps {
  using V = Vec<T>;
  using Int = std::conditional_t<sizeof(T) == 4, int32_t, int64_t>;
  using I = Vec<Int>;
  static constexpr Int kSign = std::numeric_limits<Int>::min();
  static constexpr int kMaxOfTwo = 0x5, kMinOfTwo = 0x4;  // of VRANGEPS, with the sign of what was chosen
  static constexpr T kBig = sizeof(T) == 4 ? static_cast<T>(0x1p23) : static_cast<T>(0x1p52);  // from here on all values are integers

  TT_INLINE static V abs(V x) { return bits<V>(bits<I>(x) & ~kSign); }
  TT_INLINE static V with_sign_of(V magnitude, V sign) { return bits<V>(bits<I>(magnitude) | (bits<I>(sign) & kSign)); }
  TT_INLINE static V round_even(V x) {
    const V magnitude = abs(x);
    const V rounded = with_sign_of((magnitude + kBig) - kBig, x);
    return magnitude < kBig ? rounded : x;
  }
  TT_INLINE static V trunc(V x) {
    const V nearest = abs(round_even(x)), magnitude = abs(x);
    return with_sign_of(nearest > magnitude ? nearest - 1 : nearest, x);
  }
  TT_INLINE static V floor(V x) {
    const V nearest = round_even(x);
    return with_sign_of(nearest > x ? nearest - 1 : nearest, x);
  }
  TT_INLINE static V ceil(V x) {
    const V nearest = round_even(x);
    return with_sign_of(nearest < x ? nearest + 1 : nearest, x);
  }
  TT_INLINE static V round_away(V x) {
    const V whole = trunc(x);
    const V rounded = abs(x) - abs(whole) >= static_cast<T>(0.5) ? abs(whole) + 1 : abs(whole);
    return abs(x) < kBig ? with_sign_of(rounded, x) : x;
  }
  TT_INLINE static V sign(V x) {
    const V one = with_sign_of(V{} + 1, x);
    return x != x || x == 0 ? x : one;
  }
  TT_INLINE static V max(V a, V b) {
#if defined(__AVX512F__)
    if constexpr (sizeof(T) == 4) {
      const __m512 x = bits<__m512>(a), y = bits<__m512>(b);
      return bits<V>(_mm512_mask_add_ps(_mm512_range_ps(x, y, kMaxOfTwo), _mm512_cmp_ps_mask(x, y, _CMP_UNORD_Q), x, y));
    }
#endif
    return maximum(a, b);
  }
  TT_INLINE static V min(V a, V b) {
#if defined(__AVX512F__)
    if constexpr (sizeof(T) == 4) {
      const __m512 x = bits<__m512>(a), y = bits<__m512>(b);
      return bits<V>(_mm512_mask_add_ps(_mm512_range_ps(x, y, kMinOfTwo), _mm512_cmp_ps_mask(x, y, _CMP_UNORD_Q), x, y));
    }
#endif
    return minimum(a, b);
  }
  // Signed integers in the total order -NaN < -inf < ... < -0 < +0 < ... < NaN.
  TT_INLINE static I total(V x) {
    const I u = bits<I>(x);
    return u < 0 ? u ^ ~kSign : u;
  }

  template <class F>
  TT_INLINE static void compare(const StepArguments& s, F f) {
    map2<T, uint32_t>(s, [f](V a, V b) {
      const I mask = f(a, b);
      return convert<Vec<uint32_t, lanes<V>>>(mask & 1);
    });
  }

  static constexpr StepRow kSteps[] = {
      {TileOpcode::kAbs, [](const StepArguments& s) { map1<T>(s, [](V x) { return abs(x); }); }},
      {TileOpcode::kNegate, [](const StepArguments& s) { map1<T>(s, [](V x) { return bits<V>(bits<I>(x) ^ kSign); }); }},
      {TileOpcode::kSign, [](const StepArguments& s) { map1<T>(s, [](V x) { return sign(x); }); }},
      {TileOpcode::kCeil, [](const StepArguments& s) { map1<T>(s, [](V x) { return ceil(x); }); }},
      {TileOpcode::kFloor, [](const StepArguments& s) { map1<T>(s, [](V x) { return floor(x); }); }},
      {TileOpcode::kRoundAfz, [](const StepArguments& s) { map1<T>(s, [](V x) { return round_away(x); }); }},
      {TileOpcode::kRoundEven, [](const StepArguments& s) { map1<T>(s, [](V x) { return round_even(x); }); }},
      {TileOpcode::kRecip, [](const StepArguments& s) { map1<T>(s, [](V x) { return 1 / x; }); }},
      {TileOpcode::kReal, [](const StepArguments& s) { map1<T>(s, [](V x) { return x; }); }},
      {TileOpcode::kImag, [](const StepArguments& s) { map1<T>(s, [](V) { return V{}; }); }},
      {TileOpcode::kIsFinite,
       [](const StepArguments& s) {
         map1<T, uint32_t>(s, [](V x) {
           const I mask = abs(x) < static_cast<T>(__builtin_inf());
           return convert<Vec<uint32_t, lanes<V>>>(mask & 1);
         });
       }},
      {TileOpcode::kAdd, [](const StepArguments& s) { map2<T>(s, [](V a, V b) { return a + b; }); }},
      {TileOpcode::kSub, [](const StepArguments& s) { map2<T>(s, [](V a, V b) { return a - b; }); }},
      {TileOpcode::kMul, [](const StepArguments& s) { map2<T>(s, [](V a, V b) { return a * b; }); }},
      {TileOpcode::kDiv, [](const StepArguments& s) { map2<T>(s, [](V a, V b) { return a / b; }); }},
      {TileOpcode::kMax, [](const StepArguments& s) { map2<T>(s, [](V a, V b) { return max(a, b); }); }},
      {TileOpcode::kMin, [](const StepArguments& s) { map2<T>(s, [](V a, V b) { return min(a, b); }); }},
      {TileOpcode::kClamp, [](const StepArguments& s) { map3<T>(s, [](V a, V b, V c) { return min(max(b, a), c); }); }},
      {TileOpcode::kMulAdd, [](const StepArguments& s) { map3<T>(s, [](V a, V b, V c) { return a * b + c; }); }},
      {TileOpcode::kEq, [](const StepArguments& s) { compare(s, [](V a, V b) { return a == b; }); }},
      {TileOpcode::kNe, [](const StepArguments& s) { compare(s, [](V a, V b) { return a != b; }); }},
      {TileOpcode::kLt, [](const StepArguments& s) { compare(s, [](V a, V b) { return a < b; }); }},
      {TileOpcode::kLe, [](const StepArguments& s) { compare(s, [](V a, V b) { return a <= b; }); }},
      {TileOpcode::kGt, [](const StepArguments& s) { compare(s, [](V a, V b) { return a > b; }); }},
      {TileOpcode::kGe, [](const StepArguments& s) { compare(s, [](V a, V b) { return a >= b; }); }},
      {TileOpcode::kEqTotal, [](const StepArguments& s) { compare(s, [](V a, V b) { return total(a) == total(b); }); }},
      {TileOpcode::kNeTotal, [](const StepArguments& s) { compare(s, [](V a, V b) { return total(a) != total(b); }); }},
      {TileOpcode::kLtTotal, [](const StepArguments& s) { compare(s, [](V a, V b) { return total(a) < total(b); }); }},
      {TileOpcode::kLeTotal, [](const StepArguments& s) { compare(s, [](V a, V b) { return total(a) <= total(b); }); }},
      {TileOpcode::kGtTotal, [](const StepArguments& s) { compare(s, [](V a, V b) { return total(a) > total(b); }); }},
      {TileOpcode::kGeTotal, [](const StepArguments& s) { compare(s, [](V a, V b) { return total(a) >= total(b); }); }},
  };
};

template <class T>
TT_INLINE void install_floats(Engine& engine, Lane lane) {
  install(engine, lane, FloatSteps<T>::kSteps);
}

// kReducePrecision on the codes of an IEEE format of E exponent and M mantissa bits.
template <class Code, int E, int M>
TT_INLINE void reduce_precision_codes(const StepArguments& s) {
  const int exponent_bits = static_cast<int>(s.imm >> 8 & 0xff), mantissa_bits = static_cast<int>(s.imm & 0xff);
  constexpr Code kSign = static_cast<Code>(Code{1} << (E + M));
  constexpr Code kInfinity = static_cast<Code>(((Code{1} << E) - 1) << M);
  constexpr int kBias = (1 << (E - 1)) - 1;
  const auto* from = static_cast<const Code*>(s.a);
  auto* to = static_cast<Code*>(s.dst);
  const Code last = static_cast<Code>(Code{1} << (mantissa_bits < M ? M - mantissa_bits : 0));
  const int bias = exponent_bits < E ? (1 << (exponent_bits - 1)) - 1 : 0;
  const Code high = static_cast<Code>(static_cast<Code>(kBias + bias) << M), low = static_cast<Code>(static_cast<Code>(kBias - bias) << M);
  for (size_t i = 0, n = padded(s.n); i < n; ++i) {
    const Code x = from[i];
    const Code sign = x & kSign;
    Code y = x & static_cast<Code>(~kSign);
    const bool nan = y > kInfinity;
    if (last > 1) y = static_cast<Code>((y + (last / 2 - 1) + (y / last & 1)) & static_cast<Code>(~(last - 1)));
    if (exponent_bits < E) {
      const Code exponent = y & kInfinity;
      y = exponent > high ? kInfinity : exponent <= low ? Code{0} : y;
    }
    to[i] = nan ? (mantissa_bits > 0 ? x : static_cast<Code>(sign | kInfinity)) : static_cast<Code>(y | sign);
  }
}

}  // namespace tt::emulator::TT_SIMD
