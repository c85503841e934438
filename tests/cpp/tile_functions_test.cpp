// Elementary functions of the tile engines against the C library in double and in long double.
#include "tile_harness.hpp"

namespace tt::test {
namespace {

double logistic(double x) { return 1 / (1 + std::exp(-x)); }
double rsqrt(double x) { return 1 / std::sqrt(x); }
double recip(double x) { return 1 / x; }
double gelu(double x) { return x == -INFINITY ? -0.0 : x * 0.5 * std::erfc(x * -std::sqrt(0.5)); }
// The inverse of erf by bisection in long double.
double erf_inv(double x) {
  if (!(std::fabs(x) <= 1)) return NAN;
  if (std::fabs(x) == 1) return x * INFINITY;
  const long double a = std::fabs(static_cast<long double>(x));
  if (a < 1e-12L) return x * 0.88622692545275801365;
  long double low = 0, high = 7;
  for (int i = 0; i < 90; ++i) {
    const long double middle = (low + high) / 2;
    const bool below = a < 0.5L ? std::erf(middle) < a : std::erfc(middle) > 1 - a;
    (below ? low : high) = middle;
  }
  return std::copysign(static_cast<double>(low), x);
}

struct Function {
  TileOpcode code;
  double (*exact)(double);
  double bound = 0.51;  // ULP; others are those of elementary_f32.hpp
  uint32_t step = 7919;
};
const Function kFunctions[] = {
    {TileOpcode::kExp, [](double x) { return std::exp(x); }, 1.1},
    {TileOpcode::kExpm1, [](double x) { return std::expm1(x); }},
    {TileOpcode::kLog, [](double x) { return std::log(x); }, 0.9},
    {TileOpcode::kLog1p, [](double x) { return std::log1p(x); }, 1.5},
    {TileOpcode::kSqrt, [](double x) { return std::sqrt(x); }},
    {TileOpcode::kRsqrt, rsqrt},
    {TileOpcode::kCbrt, [](double x) { return std::cbrt(x); }},
    {TileOpcode::kLogistic, logistic, 2.4},
    {TileOpcode::kTanh, [](double x) { return std::tanh(x); }, 1.5},
    {TileOpcode::kSin, [](double x) { return std::sin(x); }},
    {TileOpcode::kCos, [](double x) { return std::cos(x); }},
    {TileOpcode::kTan, [](double x) { return std::tan(x); }},
    {TileOpcode::kErf, [](double x) { return std::erf(x); }, 1.2},
    {TileOpcode::kErfc, [](double x) { return std::erfc(x); }},
    {TileOpcode::kAsin, [](double x) { return std::asin(x); }},
    {TileOpcode::kAcos, [](double x) { return std::acos(x); }},
    {TileOpcode::kAtan, [](double x) { return std::atan(x); }},
    {TileOpcode::kSinh, [](double x) { return std::sinh(x); }},
    {TileOpcode::kCosh, [](double x) { return std::cosh(x); }},
    {TileOpcode::kAsinh, [](double x) { return std::asinh(x); }},
    {TileOpcode::kAcosh, [](double x) { return std::acosh(x); }},
    {TileOpcode::kAtanh, [](double x) { return std::atanh(x); }},
    {TileOpcode::kRecip, recip},
    {TileOpcode::kGelu, gelu},
    {TileOpcode::kErfInv, erf_inv, 0.51, 199999},
};

bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {  // NaNs count as equal
  for (size_t i = 0; i < a.size(); ++i) {
    if (!(std::isnan(a[i]) && std::isnan(b[i])) && std::memcmp(&a[i], &b[i], 4) != 0) return false;
  }
  return true;
}

TEST(f32_functions_keep_their_error_bounds_on_every_engine) {
  for (const Function& function : kFunctions) {
    const std::vector<float> x = f32_sweep(function.step);
    const auto first = apply<float>(Simd::kPortable, function.code, DataType::kF32, DataType::kF32, {x});
    for (size_t i = 0; i < x.size(); ++i) {
      const double error = f32_ulps(first[i], function.exact(x[i]));
      if (error > function.bound) throw Failure(cat(info(function.code).name, " of ", x[i], " is ", first[i], ", ", error, " ULP off"));
    }
    for (const Simd simd : host_simds()) {
      if (!same_bits(first, apply<float>(simd, function.code, DataType::kF32, DataType::kF32, {x}))) {
        throw Failure(cat(info(function.code).name, ": ", name(simd), " differs from portable"));
      }
    }
  }
}

struct Binary {
  TileOpcode code;
  double (*exact)(double, double);
  double bound;
};
const Binary kBinaries[] = {
    {TileOpcode::kPow, [](double x, double y) { return std::pow(x, y); }, 0.52},
    {TileOpcode::kAtan2, [](double x, double y) { return std::atan2(x, y); }, 0.51},
    {TileOpcode::kRem, [](double x, double y) { return std::fmod(x, y); }, 0},
    {TileOpcode::kAdd, [](double x, double y) { return x + y; }, 0.5},
    {TileOpcode::kSub, [](double x, double y) { return x - y; }, 0.5},
    {TileOpcode::kMul, [](double x, double y) { return x * y; }, 0.5},
    {TileOpcode::kDiv, [](double x, double y) { return x / y; }, 0.5},
};

TEST(f32_binary_functions_are_rounded_almost_correctly_on_every_engine) {
  const std::vector<float> special = {0.0f,
                                      -0.0f,
                                      1.0f,
                                      -1.0f,
                                      0.5f,
                                      -0.5f,
                                      2.0f,
                                      -2.0f,
                                      3.0f,
                                      -3.0f,
                                      1.5f,
                                      -1.5f,
                                      INFINITY,
                                      -INFINITY,
                                      NAN,
                                      0x1p-149f,
                                      -0x1p-149f,
                                      0x1p-126f,
                                      0x1.fffffep127f,
                                      -0x1.fffffep127f,
                                      16777215.0f,
                                      -16777215.0f,
                                      16777216.0f,
                                      8388609.5f,
                                      1e-30f,
                                      1e30f,
                                      0x1.fffffep-1f,
                                      0x1.000002p0f};
  std::vector<float> a, b;
  for (const float x : special) {
    for (const float y : special) {
      a.push_back(x);
      b.push_back(y);
    }
  }
  std::mt19937_64 random(7);
  for (int i = 0; i < 400000; ++i) {
    const uint64_t bits = random();
    float x, y;
    const auto low = static_cast<uint32_t>(bits), high = static_cast<uint32_t>(bits >> 32);
    std::memcpy(&x, &low, 4);
    std::memcpy(&y, &high, 4);
    if (i % 2 == 1) {  // of moderate size, so that powers neither vanish nor overflow
      x = std::ldexp(std::frexp(x, std::array<int, 1>{}.data()), static_cast<int>(bits % 13) - 6);
      y = std::ldexp(std::frexp(y, std::array<int, 1>{}.data()), static_cast<int>(bits % 11) - 5);
    }
    a.push_back(x);
    b.push_back(y);
  }
  for (const Binary& binary : kBinaries) {
    const auto first = apply<float>(Simd::kPortable, binary.code, DataType::kF32, DataType::kF32, {a, b});
    for (size_t i = 0; i < a.size(); ++i) {
      const double error = f32_ulps(first[i], binary.exact(a[i], b[i]));
      if (error > binary.bound) {
        throw Failure(cat(info(binary.code).name, "(", a[i], ", ", b[i], ") is ", first[i], ", expected ", binary.exact(a[i], b[i])));
      }
    }
    for (const Simd simd : host_simds()) EXPECT(same_bits(first, apply<float>(simd, binary.code, DataType::kF32, DataType::kF32, {a, b})));
  }
}

TEST(f64_erf_inv_inverts_erf) {
  std::vector<double> x = {0.0,  -0.0, 1e-300, 1e-9,     1e-5,      0.1,         -0.3, 0.49, 0.5,
                           0.51, 0.9,  -0.99,  0.999999, 1 - 1e-12, 1 - 0x1p-53, 1.0,  -1.0};
  const auto y = apply<double>(Simd::kPortable, TileOpcode::kErfInv, DataType::kF64, DataType::kF64, {x});
  for (size_t i = 0; i < x.size(); ++i) {
    const double exact = erf_inv(x[i]);
    EXPECT(y[i] == exact || std::fabs(y[i] - exact) <= 4e-15 * std::fabs(exact));
  }
}

}  // namespace
}  // namespace tt::test
