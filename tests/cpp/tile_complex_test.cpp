// Complex functions of the tile engine against the C library's in long double.
#include <complex>

#include "tile_harness.hpp"

namespace tt::test {
namespace {

using C = std::complex<float>;
using L = std::complex<long double>;

struct Row {
  TileOpcode code;
  L (*exact)(L);
  double bound;  // in units of the result's magnitude times 2^-23
};
const Row kRows[] = {
    {TileOpcode::kExp, [](L z) { return std::exp(z); }, 1.1},
    {TileOpcode::kLog, [](L z) { return std::log(z); }, 1.1},
    {TileOpcode::kSqrt, [](L z) { return std::sqrt(z); }, 1.1},
    {TileOpcode::kRsqrt, [](L z) { return L(1) / std::sqrt(z); }, 1.1},
    {TileOpcode::kSin, [](L z) { return std::sin(z); }, 1.1},
    {TileOpcode::kCos, [](L z) { return std::cos(z); }, 1.1},
    {TileOpcode::kTan, [](L z) { return std::tan(z); }, 1.1},
    {TileOpcode::kTanh, [](L z) { return std::tanh(z); }, 1.1},
    {TileOpcode::kLogistic, [](L z) { return L(1) / (L(1) + std::exp(-z)); }, 1.1},
    {TileOpcode::kExpm1, [](L z) { return std::exp(z) - L(1); }, 1.1},
    {TileOpcode::kLog1p, [](L z) { return std::log(L(1) + z); }, 1.1},
    {TileOpcode::kNegate, [](L z) { return -z; }, 0},
    {TileOpcode::kSign, [](L z) { return z == L(0) ? z : z / std::abs(z); }, 1.1},
    {TileOpcode::kCbrt, [](L z) { return std::pow(z, L(1) / L(3)); }, 1.1},
    {TileOpcode::kRecip, [](L z) { return L(1) / z; }, 1.1},
};

std::vector<C> points() {
  std::vector<C> z;
  for (const float re : {-3.5f, -1.0f, -0.25f, -1e-3f, 1e-3f, 0.5f, 1.0f, 2.75f, 6.0f}) {
    for (const float im : {-4.0f, -1.0f, -0.3f, -1e-3f, 1e-3f, 0.7f, 1.0f, 3.0f}) z.emplace_back(re, im);
  }
  return z;
}

double distance(C got, L exact) { return static_cast<double>(std::abs(L(got.real(), got.imag()) - exact) / std::abs(exact)) * 0x1p23; }

TEST(complex_functions_are_exact_to_a_rounding) {
  const std::vector<C> z = points();
  for (const Simd simd : host_simds()) {
    for (const Row& row : kRows) {
      const auto got = apply<C>(simd, row.code, DataType::kC64, DataType::kC64, {z});
      const std::vector<std::complex<double>> wide(z.begin(), z.end());
      const auto got_wide = apply<std::complex<double>>(simd, row.code, DataType::kC128, DataType::kC128, {wide});
      for (size_t i = 0; i < z.size(); ++i) {
        const L exact = row.exact(L(z[i].real(), z[i].imag()));
        if (distance(got[i], exact) > row.bound) {
          throw Failure(cat(info(row.code).name, " of ", z[i], " is ", got[i], ", ", distance(got[i], exact), " ULP off"));
        }
        EXPECT(static_cast<double>(std::abs(L(got_wide[i].real(), got_wide[i].imag()) - exact) / std::abs(exact)) < 4e-15);
      }
    }
  }
}

TEST(complex_arithmetic_and_parts) {
  std::vector<C> a, b;
  for (const C x : points()) {
    for (const C y : points()) {
      a.push_back(x);
      b.push_back(y);
    }
  }
  for (const Simd simd : host_simds()) {
    const auto run = [&](TileOpcode code) { return apply<C>(simd, code, DataType::kC64, DataType::kC64, {a, b}); };
    const auto sum = run(TileOpcode::kAdd), difference = run(TileOpcode::kSub), product = run(TileOpcode::kMul),
               quotient = run(TileOpcode::kDiv), power = run(TileOpcode::kPow);
    const auto size = apply<C, float>(simd, TileOpcode::kAbs, DataType::kC64, DataType::kF32, {a});
    const auto real = apply<C, float>(simd, TileOpcode::kReal, DataType::kC64, DataType::kF32, {a});
    const auto imag = apply<C, float>(simd, TileOpcode::kImag, DataType::kC64, DataType::kF32, {a});
    const auto equal = apply<C, uint8_t>(simd, TileOpcode::kEq, DataType::kC64, DataType::kPred, {a, b});
    const auto unequal = apply<C, uint8_t>(simd, TileOpcode::kNe, DataType::kC64, DataType::kPred, {a, b});
    for (size_t i = 0; i < a.size(); ++i) {
      const L x(a[i].real(), a[i].imag()), y(b[i].real(), b[i].imag());
      EXPECT(sum[i] == a[i] + b[i] && difference[i] == a[i] - b[i]);
      EXPECT(distance(product[i], x * y) < 2);
      EXPECT(distance(quotient[i], x / y) < 1.1);
      EXPECT(distance(power[i], std::pow(x, y)) < 1.1);
      EXPECT(f32_ulps(size[i], static_cast<double>(std::abs(x))) <= 0.51);
      EXPECT(real[i] == a[i].real() && imag[i] == a[i].imag());
      EXPECT(equal[i] == (a[i] == b[i]) && unequal[i] == (a[i] != b[i]));
    }
    const auto combined = apply<float, C>(simd, TileOpcode::kComplex, DataType::kF32, DataType::kC64, {real, imag});
    EXPECT(combined == a);
  }
}

TEST(complex_numbers_are_ordered_by_real_then_imaginary_part) {
  const std::vector<C> a = {{1, 2}, {1, 3}, {0, 9}, {2, -1}, {1, 2}}, b = {{1, 3}, {1, 2}, {1, 0}, {-2, 5}, {1, 2}};
  const std::vector<C> low = {{0, 0}, {1, 2.5}, {1, 0}, {-2, 5}, {1, 1}}, high = {{1, 1}, {4, 4}, {2, 0}, {1, 1}, {1, 1.5}};
  for (const Simd simd : host_simds()) {
    const auto compare = [&](TileOpcode code) { return apply<C, uint8_t>(simd, code, DataType::kC64, DataType::kPred, {a, b}); };
    EXPECT((compare(TileOpcode::kLt) == std::vector<uint8_t>{1, 0, 1, 0, 0}));
    EXPECT((compare(TileOpcode::kLe) == std::vector<uint8_t>{1, 0, 1, 0, 1}));
    EXPECT((compare(TileOpcode::kGt) == std::vector<uint8_t>{0, 1, 0, 1, 0}));
    EXPECT((compare(TileOpcode::kGe) == std::vector<uint8_t>{0, 1, 0, 1, 1}));
    const auto run = [&](TileOpcode code, const std::vector<std::vector<C>>& operands) {
      return apply<C>(simd, code, DataType::kC64, DataType::kC64, operands);
    };
    EXPECT((run(TileOpcode::kMax, {a, b}) == std::vector<C>{b[0], a[1], b[2], a[3], a[4]}));
    EXPECT((run(TileOpcode::kMin, {a, b}) == std::vector<C>{a[0], b[1], a[2], b[3], a[4]}));
    EXPECT((run(TileOpcode::kClamp, {low, a, high}) == std::vector<C>{high[0], a[1], low[2], high[3], high[4]}));
  }
}

TEST(complex_atan2_is_the_angle_of_real_numbers) {
  const std::vector<C> y = {{1, 0}, {-1, 0}, {2, 0}, {-0.5f, 0}}, x = {{0, 0}, {0, 0}, {-3, 0}, {4, 0}};
  const auto got = apply<C>(simd(), TileOpcode::kAtan2, DataType::kC64, DataType::kC64, {y, x});
  for (size_t i = 0; i < y.size(); ++i) EXPECT(distance(got[i], L(std::atan2(y[i].real(), x[i].real()))) < 1.1);
  // tan(atan2(y, x)) = y / x for complex numbers as well
  const C dividend(0.3f, -0.7f), divisor(1.2f, 0.4f);
  const C angle = apply<C>(simd(), TileOpcode::kAtan2, DataType::kC64, DataType::kC64, {{dividend}, {divisor}})[0];
  EXPECT(distance(std::tan(angle), L(dividend) / L(divisor)) < 4);
}

TEST(complex_functions_keep_zeros_and_infinities) {
  const float inf = INFINITY;
  const std::vector<C> z = {{0, 0}, {-0.0f, 0}, {inf, 0}, {-inf, 0}, {0, inf}, {-1, 0}, {-1, -0.0f}};
  const auto log = apply<C>(simd(), TileOpcode::kLog, DataType::kC64, DataType::kC64, {z});
  EXPECT(log[0] == C(-inf, 0) && log[2] == C(inf, 0) && log[5].imag() > 3 && log[6].imag() < -3);
  const auto exp = apply<C>(simd(), TileOpcode::kExp, DataType::kC64, DataType::kC64, {z});
  EXPECT(exp[0] == C(1, 0) && exp[2] == C(inf, 0) && exp[3] == C(0, 0));
  const auto root = apply<C>(simd(), TileOpcode::kSqrt, DataType::kC64, DataType::kC64, {z});
  EXPECT(root[0] == C(0, 0) && root[5] == C(0, 1) && root[6] == C(0, -1));
  const auto size = apply<C, float>(simd(), TileOpcode::kAbs, DataType::kC64, DataType::kF32, {z});
  EXPECT(size[2] == inf && size[4] == inf && size[0] == 0);
  const auto sign = apply<C>(simd(), TileOpcode::kSign, DataType::kC64, DataType::kC64, {z});
  EXPECT(sign[0] == C(0, 0) && sign[5] == C(-1, 0));
}

}  // namespace
}  // namespace tt::test
