// Elementary functions of f32 registers, powers included: the frequent ones in f32 lanes (elementary_f32.hpp), the others through double.
#include "emulator/simd/bf16_steps.hpp"
#include "emulator/simd/elementary.hpp"
#include "emulator/simd/elementary_f32.hpp"

namespace tt::emulator::TT_SIMD {
namespace {

// 2/pi as a string of 32-bit digits after the point.
constexpr uint32_t kTwoOverPi[] = {0xa2f9836e, 0x4e441529, 0xfc2757d1, 0xf534ddc0, 0xdb629599, 0x3c439041, 0xfe5163ab, 0xdebbc561};

}  // namespace

// A float is m * 2^e; of m * 2^e * (2/pi) only the bits from weight 2^1 down matter (Payne and Hanek).

double reduce_large_angle(double x, uint64_t* quadrant) {
  if (!(x - x == 0)) return __builtin_nan("");
  const auto u = bits<uint64_t>(x);
  const auto m = static_cast<uint64_t>((u & 0xfffffffffffff) | 0x10000000000000) >> 29;  // 24 bits: x holds a float
  const int e = static_cast<int>(u >> 52 & 0x7ff) - 1023 - 23;                           // |x| = m * 2^e, e > -4
  // The 96 bits of 2/pi that start at weight 2^(1-e): earlier ones give multiples of 4.
  const int first = e > 2 ? e - 2 : 0;  // index of the first bit after the point, with weight 2^-(first+1)
  const int digit = first / 32, shift = first % 32;
  const auto word = [&](int i) -> uint64_t {
    const uint64_t pair = static_cast<uint64_t>(kTwoOverPi[digit + i]) << 32 | kTwoOverPi[digit + i + 1];
    return pair >> (32 - shift) & 0xffffffff;
  };
  unsigned __int128 product = static_cast<unsigned __int128>(m) * word(2);
  product += (static_cast<unsigned __int128>(m) * word(1)) << 32;
  product += (static_cast<unsigned __int128>(m) * word(0)) << 64;
  // The product's unit is 2^(e - first - 96): its integer part starts at bit 96 + first - e.
  const int point = 96 + first - e;
  const uint64_t whole = static_cast<uint64_t>(product >> point) & 3;
  unsigned __int128 fraction = product << (128 - point);  // of a quadrant, in units of 2^-128
  const bool upper = (fraction >> 127) != 0;
  if (upper) fraction = -fraction;
  const double part = static_cast<double>(static_cast<uint64_t>(fraction >> 64)) * 0x1p-64 +
                      static_cast<double>(static_cast<uint64_t>(fraction)) * 0x1p-128;
  double r = part * 1.5707963267948966;
  uint64_t q = whole + (upper ? 1 : 0);
  if (upper) r = -r;
  if (x < 0) {
    r = -r;
    q = -q;
  }
  *quadrant = q;
  return r;
}

namespace {

// Two vectors at a time: their chains of dependent operations overlap.
template <class F>
TT_INLINE void through_double(const StepArguments& s, F f) {
  const auto* a = static_cast<const float*>(s.a);
  auto* dst = static_cast<float*>(s.dst);
  for (size_t i = 0, n = padded(s.n); i < n; i += 2 * kDoubleLanes) {
    const VD first = f(widen(a + i)), second = f(widen(a + i + kDoubleLanes));
    narrow(dst + i, first);
    narrow(dst + i + kDoubleLanes, second);
  }
}
template <class F>
TT_INLINE void through_double2(const StepArguments& s, F f) {
  const auto* a = static_cast<const float*>(s.a);
  const auto* b = static_cast<const float*>(s.b);
  auto* dst = static_cast<float*>(s.dst);
  for (size_t i = 0, n = padded(s.n); i < n; i += kDoubleLanes) narrow(dst + i, f(widen(a + i), widen(b + i)));
}

// f(|x|) with the sign of x; keeps -0.
template <class F>
TT_INLINE VD odd(VD x, F f) {
  return with_sign(abs(f(abs(x))), sign_bit(x));
}
TT_INLINE VD sinh(VD x) {
  return odd(x, [](VD a) {
    const VD e = expm1(a);
    return 0.5 * (e + e / (e + 1.0));
  });
}
TT_INLINE VD cosh(VD x) {
  const VD e = exp(abs(x));
  return 0.5 * (e + 1.0 / e);
}
TT_INLINE VD asinh(VD x) {
  return odd(x, [](VD a) {
    const VD y = log1p(a + a * a / (1.0 + sqrt(a * a + 1.0)));
    return a == __builtin_inf() ? a : y;
  });
}
TT_INLINE VD acosh(VD x) {
  const VD t = x - 1.0;
  const VD y = log1p(t + sqrt(t * (x + 1.0)));
  return x < 1.0 ? splat(__builtin_nan("")) : y;
}
TT_INLINE VD atanh(VD x) {
  return odd(x, [](VD a) {
    const VD y = 0.5 * log1p(2.0 * a / (1.0 - a));
    return a > 1.0 ? splat(__builtin_nan("")) : y;
  });
}
TT_INLINE VD atan(VD x) {
  const VD y = with_sign(atan_quotient(abs(x), splat(1.0)), sign_bit(x));
  return x != x ? x : y;
}
TT_INLINE VD asin(VD x) {
  const VD y = with_sign(atan_quotient(abs(x), sqrt((1.0 - x) * (1.0 + x))), sign_bit(x));
  return abs(x) <= 1.0 ? y : splat(__builtin_nan(""));
}
TT_INLINE VD acos(VD x) {
  const VD y = atan2(sqrt((1.0 - x) * (1.0 + x)), x);
  return abs(x) <= 1.0 ? y : splat(__builtin_nan(""));
}
TT_INLINE VD cbrt(VD x) {
  const VD a = abs(x);
  VD y = exp(log_positive(a) * (1.0 / 3.0));
  y = y - (y * y * y - a) / (3.0 * y * y);
  y = a == 0.0 || a == __builtin_inf() ? a : y;
  return with_sign(y, sign_bit(x));
}
TT_INLINE VD erf_inv(VD x) {  // x * P(w), w = -log(1 - x^2)
  static constexpr double kCentre[] = {0.8862269259239683,      0.2320136411447885,     0.011549563673180756,   -0.002335838521355518,
                                       -0.00012682902834279625, 4.551381640923672e-05,  2.5553218179891665e-06, -1.1064950942101481e-06,
                                       -7.832312812519085e-08,  5.3140298139112695e-08, -7.569033174147392e-09, 4.962699473752203e-10,
                                       -1.3092537491641626e-11};  // 2^-30 for w < 6.25
  static constexpr double kTail[] = {3.1341615322748453,    1.0057691282505814,     0.004843588795772367,  -0.0032930977867736562,
                                     0.0021034290536842792, -0.0014181486155258576, 0.0008324497812500578, -0.00034984593685038264,
                                     4.645157167652533e-05, 6.399676039799173e-05,  -3.618464213829264e-05};  // 2^-32 in sqrt(w) - 3.3
  const VD w = -log((1.0 - x) * (1.0 + x));
  const VD p = w < 6.25 ? polynomial(w, kCentre) : polynomial(sqrt(max_not_nan(w, 0.0)) - 3.3, kTail);
  const VD y = x * p;
  return abs(x) == 1.0 ? x * __builtin_inf() : y;
}
TT_INLINE VD gelu(VD x) {  // x * Phi(x), which rounds to -0 from -15 down
  const VD bounded = max_not_nan(x, -20.0);
  return bounded * (0.5 * erfc(bounded * -0.7071067811865476));
}

// IEEE 754's pow. Its exponent is finite wherever the product counts: log of a float lies within +-104.
TT_INLINE VD pow(VD x, VD y) {
  const VD a = abs(x);
  VD magnitude = exp(y * log(a));
  const VI y_infinite = abs(y) == __builtin_inf();
  const VI y_zero = y == 0.0;
  magnitude = (y_infinite & (a == 1.0)) != 0 ? splat(1.0) : magnitude;
  const VD half = y * 0.5;
  // Floats from 2^24 on are even; below, adding 2^52 rounds to an integer.
  const VD y_abs = abs(y), half_abs = abs(half);
  const VI integer = (y_abs >= 0x1p24) | (((y_abs + 0x1p52) - 0x1p52) == y_abs);
  const VI even = (y_abs >= 0x1p24) | (((half_abs + 0x1p52) - 0x1p52) == half_abs);
  const VI negative = sign_bit(x) != 0;
  magnitude = (negative & integer & ~even) != 0 ? -magnitude : magnitude;
  const VI invalid = (x < 0.0) & ~integer & (a != __builtin_inf());
  magnitude = invalid != 0 ? splat(__builtin_nan("")) : magnitude;
  magnitude = (x != x) | (y != y) ? splat(__builtin_nan("")) : magnitude;
  return (y_zero | (x == 1.0)) != 0 ? splat(1.0) : magnitude;
}

constexpr Bf16Row kFrequent[] = {
    unary<[](V32 x) { return exp(x); }>(TileOpcode::kExp),     unary<[](V32 x) { return log(x); }>(TileOpcode::kLog),
    unary<[](V32 x) { return log1p(x); }>(TileOpcode::kLog1p), unary<[](V32 x) { return logistic(x); }>(TileOpcode::kLogistic),
    unary<[](V32 x) { return tanh(x); }>(TileOpcode::kTanh),   unary<[](V32 x) { return erf(x); }>(TileOpcode::kErf),
};

constexpr StepRow kSteps[] = {
    {TileOpcode::kExpm1, [](const StepArguments& s) { through_double(s, [](VD x) { return x == 0.0 ? x : expm1(x); }); }},
    {TileOpcode::kRsqrt, [](const StepArguments& s) { through_double(s, [](VD x) { return 1.0 / sqrt(x); }); }},
    {TileOpcode::kCbrt, [](const StepArguments& s) { through_double(s, [](VD x) { return cbrt(x); }); }},
    {TileOpcode::kSin, [](const StepArguments& s) { through_double(s, [](VD x) { return sin(x); }); }},
    {TileOpcode::kCos, [](const StepArguments& s) { through_double(s, [](VD x) { return cos(x); }); }},
    {TileOpcode::kTan, [](const StepArguments& s) { through_double(s, [](VD x) { return tan(x); }); }},
    {TileOpcode::kErfc, [](const StepArguments& s) { through_double(s, [](VD x) { return erfc(x); }); }},
    {TileOpcode::kErfInv, [](const StepArguments& s) { through_double(s, [](VD x) { return erf_inv(x); }); }},
    {TileOpcode::kGelu, [](const StepArguments& s) { through_double(s, [](VD x) { return gelu(x); }); }},
    {TileOpcode::kAsin, [](const StepArguments& s) { through_double(s, [](VD x) { return asin(x); }); }},
    {TileOpcode::kAcos, [](const StepArguments& s) { through_double(s, [](VD x) { return acos(x); }); }},
    {TileOpcode::kAtan, [](const StepArguments& s) { through_double(s, [](VD x) { return atan(x); }); }},
    {TileOpcode::kSinh, [](const StepArguments& s) { through_double(s, [](VD x) { return sinh(x); }); }},
    {TileOpcode::kCosh, [](const StepArguments& s) { through_double(s, [](VD x) { return cosh(x); }); }},
    {TileOpcode::kAsinh, [](const StepArguments& s) { through_double(s, [](VD x) { return asinh(x); }); }},
    {TileOpcode::kAcosh, [](const StepArguments& s) { through_double(s, [](VD x) { return acosh(x); }); }},
    {TileOpcode::kAtanh, [](const StepArguments& s) { through_double(s, [](VD x) { return atanh(x); }); }},
    {TileOpcode::kPow, [](const StepArguments& s) { through_double2(s, [](VD x, VD y) { return pow(x, y); }); }},
    {TileOpcode::kAtan2, [](const StepArguments& s) { through_double2(s, [](VD y, VD x) { return atan2(y, x); }); }},
};

}  // namespace

void install_f32_functions(Engine& engine) {
  install(engine, Lane::kF32, kSteps);
  install(engine, kFrequent);
}

}  // namespace tt::emulator::TT_SIMD
