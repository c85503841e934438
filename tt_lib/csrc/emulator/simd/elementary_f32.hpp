// Elementary functions for f32 in f32 lanes with fused multiply-adds, where full speed counts. Beside each stands its greatest error in
// ULP, found by trying every eleventh f32; results have the same bits on every instruction set. The polynomials were fitted by us, their
// coefficients rounded to f32; the exponent beside each is its greatest error relative to the function.
#pragma once

#include "emulator/simd/vec.hpp"

namespace tt::emulator::TT_SIMD {

using V32 = Vec<float>;
using I32 = Vec<int32_t>;
using U32 = Vec<uint32_t>;

TT_INLINE V32 splat(float x) { return x - V32{}; }  // 0 + x would lose the sign of -0
TT_INLINE V32 abs(V32 x) { return bits<V32>(bits<I32>(x) & INT32_C(0x7fffffff)); }
TT_INLINE V32 with_sign_of(V32 magnitude, V32 sign) { return bits<V32>(bits<I32>(magnitude) | (bits<I32>(sign) & INT32_MIN)); }
// NaN passes, because the instructions return their second operand then.
TT_INLINE V32 max_not_nan(V32 x, float low) {
#if defined(__AVX512F__)
  return bits<V32>(_mm512_max_ps(bits<__m512>(splat(low)), bits<__m512>(x)));
#elif defined(__AVX2__)
  return bits<V32>(_mm256_max_ps(bits<__m256>(splat(low)), bits<__m256>(x)));
#else
  return bits<V32>(_mm_max_ps(bits<__m128>(splat(low)), bits<__m128>(x)));
#endif
}
TT_INLINE V32 min_not_nan(V32 x, float high) {
#if defined(__AVX512F__)
  return bits<V32>(_mm512_min_ps(bits<__m512>(splat(high)), bits<__m512>(x)));
#elif defined(__AVX2__)
  return bits<V32>(_mm256_min_ps(bits<__m256>(splat(high)), bits<__m256>(x)));
#else
  return bits<V32>(_mm_min_ps(bits<__m128>(splat(high)), bits<__m128>(x)));
#endif
}

// x * 2^k for integers |k| < 252, rounded once where the result is denormal.
TT_INLINE V32 scale_by_power(V32 x, V32 k) {
#if defined(__AVX512F__)
  return bits<V32>(_mm512_scalef_ps(bits<__m512>(x), bits<__m512>(k)));
#else
  const I32 whole = convert<I32>(k), half = whole >> 1;
  return x * bits<V32>(bits<U32>(half + 127) << 23) * bits<V32>(bits<U32>(whole - half + 127) << 23);
#endif
}

// c[0] + c[1] x + ...: even and odd powers apart, two short chains keep the multipliers busier than one long one.
template <size_t N>
TT_INLINE V32 polynomial(V32 x, const float (&c)[N]) {
  constexpr size_t kEven = (N - 1) / 2 * 2, kOdd = (N - 2) / 2 * 2 + 1;
  const V32 square = x * x;
  V32 even = splat(c[kEven]), odd = splat(c[kOdd]);
  for (size_t i = kEven; i >= 2; i -= 2) even = multiply_add(even, square, splat(c[i - 2]));
  for (size_t i = kOdd; i >= 3; i -= 2) odd = multiply_add(odd, square, splat(c[i - 2]));
  return multiply_add(x, odd, even);
}

// exp(x) = 2^k * (1 + t), for |x| < 2^20. NaN gives NaN in t.
struct ExpParts32 {
  V32 k;
  V32 t;  // exp(r) - 1, |r| <= ln(2)/2
};
TT_INLINE ExpParts32 exp_parts(V32 x) {
  static constexpr float kExp[] = {0x1p-1f, 0x1.555490p-3f, 0x1.5554c2p-5f, 0x1.123adap-7f, 0x1.6d7810p-10f};  // 2^-28
  constexpr float kRoundToInteger = 0x1.8p23f;
  const V32 k = multiply_add(x, splat(0x1.715476p+0f), splat(kRoundToInteger)) - kRoundToInteger;
  // ln 2 in two parts: the first has 15 bits, so that the first step is exact.
  const V32 r = multiply_add(k, splat(-0x1.7f7d1cp-20f), multiply_add(k, splat(-0x1.62e4p-1f), x));
  return {k, multiply_add(r * r, polynomial(r, kExp), r)};
}
TT_INLINE V32 exp(V32 x) {  // 1.1
  const ExpParts32 e = exp_parts(min_not_nan(max_not_nan(x, -105.0f), 89.0f));
  return scale_by_power(1.0f + e.t, e.k);
}
// For |x| < 80, where 2^k is a normal number.
TT_INLINE V32 exp_moderate(V32 x) {
  const ExpParts32 e = exp_parts(x);
  return scale_by_power(1.0f + e.t, e.k);
}

// log((1 + f) * 2^e) for 1 + f in [sqrt(1/2), sqrt(2)).
TT_INLINE V32 log_parts(V32 f, V32 e) {
  static constexpr float kLog[] = {0x1.555554p-2f, -0x1.000228p-2f, 0x1.99a026p-3f, -0x1.54720ap-3f,
                                   0x1.22d7bep-3f, -0x1.0d858ap-3f, 0x1.056b30p-3f, -0x1.38d8f4p-4f};  // 2^-27
  const V32 square = f * f;
  const V32 rest = multiply_add(square * f, polynomial(f, kLog), -0.5f * square);
  // ln 2 in two parts; e times the first is exact, and so is what the sum of the large terms loses.
  const V32 whole = e * 0x1.62e4p-1f, large = whole + f;
  return large + (multiply_add(e, splat(0x1.7f7d1cp-20f), rest) + (f - (large - whole)));
}
struct Mantissa32 {
  U32 power;  // what to subtract from the code to divide by 2^e
  V32 e;
};
TT_INLINE Mantissa32 mantissa_of(V32 normal) {  // mantissas lie in [sqrt(1/2), sqrt(2))
  const U32 above = bits<U32>(normal) - UINT32_C(0x3f3504f3);
  return {above & UINT32_C(0xff800000), convert<V32>(bits<I32>(above) >> 23)};
}
TT_INLINE V32 log(V32 x) {  // 0.9
  const I32 tiny = x < 0x1p-126f;
  const V32 normal = tiny ? x * 0x1p25f : x;
  const Mantissa32 m = mantissa_of(normal);
  const V32 e = tiny ? m.e - 25.0f : m.e;
  V32 y = log_parts(bits<V32>(bits<U32>(normal) - m.power) - 1.0f, e);
  y = x < __builtin_inff() ? y : x;
  y = x == 0.0f ? splat(-__builtin_inff()) : y;
  return x >= 0.0f ? y : splat(__builtin_nanf(""));
}
TT_INLINE V32 log1p(V32 x) {  // 1.5
  const V32 sum = 1.0f + x;
  const Mantissa32 m = mantissa_of(sum);
  // (1 + x) * 2^-e - 1 without the rounding of the sum, as long as that counts.
  const V32 power = bits<V32>(UINT32_C(0x3f800000) - m.power);
  const V32 exact = multiply_add(x, power, power - 1.0f), rounded = bits<V32>(bits<U32>(sum) - m.power) - 1.0f;
  V32 y = log_parts(x < 0x1p30f ? exact : rounded, m.e);
  y = abs(x) < 0x1p-25f ? x : y;
  y = x < __builtin_inff() ? y : x;
  y = x == -1.0f ? splat(-__builtin_inff()) : y;
  return x >= -1.0f ? y : splat(__builtin_nanf(""));
}

TT_INLINE V32 logistic(V32 x) {  // 2.4
  const V32 e = exp(-abs(x));
  return (x < 0.0f ? e : splat(1.0f)) / (1.0f + e);
}
TT_INLINE V32 tanh(V32 x) {  // 1.5
  static constexpr float kTanh[] = {-0x1.55554cp-2f, 0x1.110d6ap-3f, -0x1.b93204p-5f, 0x1.598308p-6f,
                                    -0x1.9c9994p-8f};  // 2^-29.8 below 0.55
  const V32 a = abs(x), square = x * x;
  const V32 small = multiply_add(a * square, polynomial(square, kTanh), a);
  const V32 large = 1.0f - 2.0f / (1.0f + exp_moderate(2.0f * min_not_nan(a, 10.0f)));
  return with_sign_of(a < 0.55f ? small : large, x);
}
TT_INLINE V32 erf(V32 x) {  // 1.2
  static constexpr float kErf[] = {0x1.06eba8p-3f, -0x1.812740p-2f,  0x1.ce2d50p-4f, -0x1.b7fe90p-6f,
                                   0x1.542e10p-8f, -0x1.a50b0ep-11f, 0x1.4c344ep-14f};  // of erf(x) / x - 1: 2^-29.7 below 1
  static constexpr float kLogErfc[] = {0x1.72e41ep-12f, 0x1.2085b2p+0f, 0x1.46c588p-1f,  0x1.a60a4ap-4f,
                                       -0x1.654172p-6f, 0x1.814ae6p-9f, -0x1.852922p-13f};  // 2^-29.8 of erf from 1 to 3.95
  const V32 a = abs(x);
  const V32 small = multiply_add(a, polynomial(x * x, kErf), a);
  const V32 large = 1.0f - exp_moderate(-polynomial(min_not_nan(a, 3.95f), kLogErfc));
  return with_sign_of(a < 1.0f ? small : large, x);
}

}  // namespace tt::emulator::TT_SIMD
