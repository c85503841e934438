// Elementary functions for f32, computed in double lanes with plain multiplications and additions: the error of each is below 2^-30 before
// the one rounding to f32, so results are within 0.51 ULP, denormals included, and have the same bits on every instruction set.
// The polynomials were fitted by us (minimax in the relative error); the exponent beside each is its greatest relative error.
#pragma once

#include "emulator/simd/vec.hpp"

namespace tt::emulator::TT_SIMD {

inline constexpr size_t kDoubleLanes = kVectorBytes / sizeof(double);
using VD = Vec<double, kDoubleLanes>;
using VI = Vec<int64_t, kDoubleLanes>;
using VU = Vec<uint64_t, kDoubleLanes>;  // codes that are computed with: sums wrap
using VF = Vec<float, kDoubleLanes>;     // as many floats as a vector has doubles

TT_INLINE VD splat(double x) { return x - VD{}; }  // 0 + x would lose the sign of -0
TT_INLINE VD abs(VD x) { return bits<VD>(bits<VI>(x) & INT64_C(0x7fffffffffffffff)); }
TT_INLINE VI sign_bit(VD x) { return bits<VI>(x) & INT64_MIN; }
TT_INLINE VD with_sign(VD magnitude, VI sign) { return bits<VD>(bits<VI>(magnitude) | sign); }
// At least `low`, at most `high`; NaN passes, because the instructions return their second operand then.
TT_INLINE VD max_not_nan(VD x, double low) {
#if defined(__AVX512F__)
  return bits<VD>(_mm512_max_pd(bits<__m512d>(splat(low)), bits<__m512d>(x)));
#elif defined(__AVX2__)
  return bits<VD>(_mm256_max_pd(bits<__m256d>(splat(low)), bits<__m256d>(x)));
#else
  return bits<VD>(_mm_max_pd(bits<__m128d>(splat(low)), bits<__m128d>(x)));
#endif
}
TT_INLINE VD min_not_nan(VD x, double high) {
#if defined(__AVX512F__)
  return bits<VD>(_mm512_min_pd(bits<__m512d>(splat(high)), bits<__m512d>(x)));
#elif defined(__AVX2__)
  return bits<VD>(_mm256_min_pd(bits<__m256d>(splat(high)), bits<__m256d>(x)));
#else
  return bits<VD>(_mm_min_pd(bits<__m128d>(splat(high)), bits<__m128d>(x)));
#endif
}
TT_INLINE VD widen(const float* from) {
#if defined(__AVX512F__)
  return bits<VD>(_mm512_cvtps_pd(_mm256_loadu_ps(from)));
#elif defined(__AVX2__)
  return bits<VD>(_mm256_cvtps_pd(_mm_loadu_ps(from)));
#else
  return convert<VD>(load<VF>(from));
#endif
}
TT_INLINE void narrow(float* to, VD x) {
#if defined(__AVX512F__)
  _mm256_storeu_ps(to, _mm512_cvtpd_ps(bits<__m512d>(x)));
#elif defined(__AVX2__)
  _mm_storeu_ps(to, _mm256_cvtpd_ps(bits<__m256d>(x)));
#else
  store(to, convert<VF>(x));
#endif
}
TT_INLINE bool any(VI mask) {
  int64_t found = 0;
  for (size_t i = 0; i < kDoubleLanes; ++i) found |= mask[i];
  return found != 0;
}
TT_INLINE VD sqrt(VD x) {
#if defined(__AVX512F__)
  return bits<VD>(_mm512_sqrt_pd(bits<__m512d>(x)));
#elif defined(__AVX2__)
  return bits<VD>(_mm256_sqrt_pd(bits<__m256d>(x)));
#else
  return bits<VD>(_mm_sqrt_pd(bits<__m128d>(x)));
#endif
}

// Even and odd powers apart: two short chains keep the multipliers busier than one long one.
template <size_t N>
TT_INLINE VD polynomial(VD x, const double (&c)[N]) {
  constexpr size_t kEven = (N - 1) / 2 * 2, kOdd = (N - 2) / 2 * 2 + 1;
  const VD x2 = x * x;
  VD even = splat(c[kEven]), odd = splat(c[kOdd]);
  for (size_t i = kEven; i >= 2; i -= 2) even = even * x2 + c[i - 2];
  for (size_t i = kOdd; i >= 3; i -= 2) odd = odd * x2 + c[i - 2];
  return even + x * odd;
}

inline constexpr double kRoundToInteger = 0x1.8p52;  // adding it leaves the nearest integer in the low bits of the sum

// exp(x) = 2^k * (1 + t): the parts, for |x| < 700. NaN gives NaN in t.
struct ExpParts {
  VD scale;  // 2^k
  VD t;      // exp(r) - 1, |r| <= ln(2)/2, relatively exact
};
TT_INLINE ExpParts exp_parts(VD x) {
  static constexpr double kExpm1[] = {0.9999999999955014,   0.5000000000122512,    0.16666666786790643,    0.04166666594229131,
                                      0.008333283351283294, 0.0013888979143731755, 0.00019907717811681706, 2.480152242020828e-05};  // 2^-37
  const VD shifted = x * 1.4426950408889634 + kRoundToInteger;
  const VD k = shifted - kRoundToInteger;
  const VD r = (x - k * 0x1.62e42fefap-1) - k * 0x1.cf79abc9e3b3ap-40;  // ln 2 in two parts, the first with 36 bits
  return {bits<VD>((bits<VU>(shifted) << 52) + (UINT64_C(1023) << 52)), r * polynomial(r, kExpm1)};
}
// Beyond these bounds f32 results are 0 or infinite, and products of two such exponentials stay finite.
TT_INLINE VD clamp_exponent(VD x) { return min_not_nan(max_not_nan(x, -300.0), 300.0); }
TT_INLINE VD exp(VD x) {
  const ExpParts e = exp_parts(clamp_exponent(x));
  return e.scale + e.scale * e.t;
}
TT_INLINE VD expm1(VD x) {
  const ExpParts e = exp_parts(clamp_exponent(x));
  return e.scale * e.t + (e.scale - 1.0);
}

// log(x) for a positive normal double.
TT_INLINE VD log_positive(VD x) {
  static constexpr double kLog[] = {0.66666666666662,    0.4000000001136738,  0.28571424089274694,
                                    0.22222867451644296, 0.18139973314891975, 0.16625081976657385};  // 2^-43
  const VU above = bits<VU>(x) - UINT64_C(0x3fe6a09e667f3bcd);  // sqrt(1/2): mantissas lie in [sqrt(1/2), sqrt(2))
  // The exponent + 2048 goes into the low bits of 2^52: no conversion from 64-bit integers is needed.
  const VU exponent = (above ^ (UINT64_C(1) << 63)) >> 52;
  const VD e = bits<VD>(exponent | UINT64_C(0x4330000000000000)) - (0x1p52 + 2048.0);
  const VD m = bits<VD>(bits<VU>(x) - (above & ~UINT64_C(0xfffffffffffff)));
  const VD z = (m - 1.0) / (m + 1.0);
  const VD z2 = z * z;
  return e * 0.6931471805599453 + (2.0 * z + z * z2 * polynomial(z2, kLog));
}
TT_INLINE VD log(VD x) {
  VD y = log_positive(x);
  y = x == __builtin_inf() ? x : y;
  y = x == 0.0 ? splat(-__builtin_inf()) : y;
  return x < 0.0 || x != x ? splat(__builtin_nan("")) : y;
}
TT_INLINE VD log1p(VD x) {  // of a double that holds an f32 or an intermediate of the same relative accuracy
  const VD near = x - x * x * (0.5 - x * (1.0 / 3.0));
  const VD far = log(1.0 + x);
  return abs(x) < 0x1p-18 ? near : far;
}

// The quadrant is in the two low bits of `quadrant`; |r| <= pi/4 (a little more where rounding falls so).
struct Reduced {
  VD r;
  VU quadrant;
};
double reduce_large_angle(double x, uint64_t* quadrant);  // |x| an f32, any size

TT_INLINE Reduced reduce_angle(VD x) {
  const VD shifted = x * 0.6366197723675814 + kRoundToInteger;
  const VD k = shifted - kRoundToInteger;
  Reduced reduced{((x - k * 0x1.921fb544p+0) - k * 0x1.0b4611a6p-34) - k * 0x1.3198a2e037073p-69, bits<VU>(shifted)};
  const VI large = abs(x) >= 0x1p20;
  if (any(large)) [[unlikely]] {
    for (size_t i = 0; i < kDoubleLanes; ++i) {
      if (large[i] == 0) continue;
      uint64_t quadrant = 0;
      reduced.r[i] = reduce_large_angle(x[i], &quadrant);
      reduced.quadrant[i] = quadrant;
    }
  }
  return reduced;
}
TT_INLINE VD sin_reduced(VD r) {
  static constexpr double kSin[] = {-0.16666666666663815, 0.008333333331040894, -0.00019841266883031142, 2.7555981372164214e-06,
                                    -2.4804801000309685e-08};  // 2^-42
  const VD r2 = r * r;
  return r + r * r2 * polynomial(r2, kSin);
}
TT_INLINE VD cos_reduced(VD r) {
  static constexpr double kCos[] = {0.041666666666664645, -0.0013888888887255422, 2.480158519091165e-05, -2.7556363923636045e-07,
                                    2.070008762793296e-09};  // 2^-44
  const VD r2 = r * r;
  return 1.0 - 0.5 * r2 + r2 * r2 * polynomial(r2, kCos);
}
TT_INLINE VD sin_of_quadrant(VD r, VU quadrant) {
  const VD value = (quadrant & 1) != 0 ? cos_reduced(r) : sin_reduced(r);
  return bits<VD>(bits<VU>(value) ^ ((quadrant & 2) << 62));
}
TT_INLINE VD sin(VD x) {
  const Reduced reduced = reduce_angle(x);
  const VD y = sin_of_quadrant(reduced.r, reduced.quadrant);
  return x == 0.0 ? x : y;
}
TT_INLINE VD cos(VD x) {
  const Reduced reduced = reduce_angle(x);
  return sin_of_quadrant(reduced.r, reduced.quadrant + 1);
}
TT_INLINE VD tan(VD x) {
  const Reduced reduced = reduce_angle(x);
  const VD sine = sin_reduced(reduced.r), cosine = cos_reduced(reduced.r);
  const VI odd = (reduced.quadrant & 1) != 0;
  const VD y = (odd ? -cosine : sine) / (odd ? sine : cosine);
  return x == 0.0 ? x : y;
}

// atan(y / x) for y, x >= 0, in [0, pi/2]; 0/0 counts as 0.
TT_INLINE VD atan_quotient(VD y, VD x) {
  static constexpr double kAtan[] = {-0.33333333333267534, 0.19999999950588793, -0.14285708176486414,  0.11110821956327145,
                                     -0.09084138062133101, 0.07605100040387824, -0.060285415967013416, 0.03297673945072425};  // 2^-39
  const VI swapped = y > x;
  const VD low = swapped ? x : y, high = swapped ? y : x;
  const VI folded = low > high * 0.41421356237309503;  // tan(pi/8): atan(q) = pi/4 + atan((q - 1) / (q + 1))
  VD q = (folded ? low - high : low) / (folded ? low + high : high);
  q = high == 0.0 ? VD{} : q;
  q = low == __builtin_inf() ? VD{} : q;  // both infinite: pi/4
  const VD q2 = q * q;
  VD angle = q + q * q2 * polynomial(q2, kAtan);
  angle = (folded | (low == __builtin_inf())) != 0 ? angle + 0.7853981633974483 : angle;
  return swapped ? 1.5707963267948966 - angle : angle;
}
TT_INLINE VD atan2(VD y, VD x) {
  const VD first = atan_quotient(abs(y), abs(x));
  const VD angle = sign_bit(x) != 0 ? 3.141592653589793 - first : first;
  const VD signed_angle = with_sign(angle, sign_bit(y));
  return x != x || y != y ? splat(__builtin_nan("")) : signed_angle;
}

TT_INLINE VD erf_small(VD x) {  // |x| <= 1
  static constexpr double kErf[] = {1.1283791670945778,     -0.3761263888839083,     0.11283791282798945,
                                    -0.026866131187571283,  0.005223775473909869,    -0.0008542467721112623,
                                    0.00011954552061181795, -1.3896961964837897e-05, 1.0558387692323755e-06};  // 2^-40
  return x * polynomial(x * x, kErf);
}
TT_INLINE VD erfc_tail(VD x) {  // x >= 1: exp(-x^2) / (x + 3) * P((x - 3) / (x + 3))
  static constexpr double kErfcx[] = {1.0740069070882292,     -0.8833944531661444,    0.590228357135296,      -0.3104672623044467,
                                      0.11952775993020771,    -0.026827222100455222,  -0.0012123965370909428, 0.0030338943196810907,
                                      -0.0005484223608055851, -0.0002756743450771538, 0.000107654133040384,   2.6836895329034516e-05,
                                      -1.6341485335679833e-05};  // 2^-42 for 1 <= x <= 10.7
  const VD z = min_not_nan(x, 10.7);                             // erfc(10.7) rounds to 0 in f32
  return exp(-z * z) / (z + 3.0) * polynomial((z - 3.0) / (z + 3.0), kErfcx);
}
TT_INLINE VD erf(VD x) {
  const VD magnitude = abs(x);
  const VD tail = with_sign(1.0 - erfc_tail(max_not_nan(magnitude, 1.0)), sign_bit(x));
  return magnitude < 1.0 ? erf_small(x) : tail;
}
TT_INLINE VD erfc(VD x) {
  const VD magnitude = abs(x);
  const VD tail = erfc_tail(max_not_nan(magnitude, 1.0));
  const VD far = x < 0.0 ? 2.0 - tail : tail;
  return magnitude < 1.0 ? 1.0 - erf_small(x) : far;
}

}  // namespace tt::emulator::TT_SIMD
