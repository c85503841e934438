// f64 registers: arithmetic as f32 has it, elementary functions by the C library (its errors are below 1 ULP or a little above).
#include <cmath>

#include "emulator/simd/floats.hpp"

namespace tt::emulator::TT_SIMD {
namespace {

using V = Vec<double>;

V square_root(V x) {
#if defined(__AVX512F__)
  return bits<V>(_mm512_sqrt_pd(bits<__m512d>(x)));
#elif defined(__AVX2__)
  return bits<V>(_mm256_sqrt_pd(bits<__m256d>(x)));
#else
  return bits<V>(_mm_sqrt_pd(bits<__m128d>(x)));
#endif
}

double logistic(double x) { return x >= 0 ? 1 / (1 + ::exp(-x)) : ::exp(x) / (1 + ::exp(x)); }
double gelu(double x) { return x == -__builtin_inf() ? -0.0 : x * (0.5 * ::erfc(x * -0.7071067811865476)); }

// A rational guess in w = -log(1 - x^2) (S. Winitzki's closed form), then Halley's method on erf, or on log erfc in the tails.
double erf_inv(double x) {
  if (!(::fabs(x) < 1)) return ::fabs(x) == 1 ? x * __builtin_inf() : __builtin_nan("");
  if (::fabs(x) < 1e-8) return x * 0.886226925452758;  // sqrt(pi)/2, the next term is below 1e-17 of it
  const double a = ::fabs(x);
  const double w = ::log1p(-a * a);
  const double t = 4.330746750799873 + 0.5 * w;  // 2 / (pi 0.147)
  double y = ::sqrt(::sqrt(t * t - w / 0.147) - t);
  for (int i = 0; i < 4; ++i) {
    const double slope = 1.1283791670955126 * ::exp(-y * y);
    const double error = a < 0.5 ? ::erf(y) - a : (1 - a) - ::erfc(y);
    const double step = error / slope;
    y -= step / (1 + y * step);
  }
  return ::copysign(y, x);
}

template <double (*f)(double)>
void call1(const StepArguments& s) {
  each1<double>(s, [](double x) { return f(x); });
}
template <double (*f)(double, double)>
void call2(const StepArguments& s) {
  each2<double>(s, [](double x, double y) { return f(x, y); });
}

constexpr StepRow kSteps[] = {
    {TileOpcode::kSqrt, [](const StepArguments& s) { map1<double>(s, [](V x) { return square_root(x); }); }},
    {TileOpcode::kRsqrt, [](const StepArguments& s) { map1<double>(s, [](V x) { return 1 / square_root(x); }); }},
    {TileOpcode::kExp, call1<::exp>},
    {TileOpcode::kExpm1, call1<::expm1>},
    {TileOpcode::kLog, call1<::log>},
    {TileOpcode::kLog1p, call1<::log1p>},
    {TileOpcode::kCbrt, call1<::cbrt>},
    {TileOpcode::kLogistic, call1<logistic>},
    {TileOpcode::kTanh, call1<::tanh>},
    {TileOpcode::kSin, call1<::sin>},
    {TileOpcode::kCos, call1<::cos>},
    {TileOpcode::kTan, call1<::tan>},
    {TileOpcode::kErf, call1<::erf>},
    {TileOpcode::kErfc, call1<::erfc>},
    {TileOpcode::kErfInv, call1<erf_inv>},
    {TileOpcode::kGelu, call1<gelu>},
    {TileOpcode::kAsin, call1<::asin>},
    {TileOpcode::kAcos, call1<::acos>},
    {TileOpcode::kAtan, call1<::atan>},
    {TileOpcode::kSinh, call1<::sinh>},
    {TileOpcode::kCosh, call1<::cosh>},
    {TileOpcode::kAsinh, call1<::asinh>},
    {TileOpcode::kAcosh, call1<::acosh>},
    {TileOpcode::kAtanh, call1<::atanh>},
    {TileOpcode::kPow, call2<::pow>},
    {TileOpcode::kAtan2, call2<::atan2>},
    {TileOpcode::kRem, call2<::fmod>},
    {TileOpcode::kReducePrecision, reduce_precision_codes<uint64_t, 11, 52>},
};

}  // namespace

void install_f64(Engine& engine) {
  install_floats<double>(engine, Lane::kF64);
  install(engine, Lane::kF64, kSteps);
}

}  // namespace tt::emulator::TT_SIMD
