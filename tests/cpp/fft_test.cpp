// Fourier transforms against the defining sums in long double.
#include "dnn/fft.hpp"

#include <cmath>
#include <complex>
#include <numbers>

#include "data_program.hpp"

namespace tt::test {
namespace {

using Wide = std::complex<long double>;
using Array = dnn::FftStages::Array;

Bytes run_stages(const dnn::FftSpec& spec, const Bytes& operand, int threads) {
  const dnn::FftStages stages = dnn::fft(spec, e150());
  Bytes scratch(static_cast<size_t>(stages.scratch_bytes));
  Bytes result(static_cast<size_t>(volume(dnn::fft_result_dims(spec)) * size_of(dnn::fft_result_type(spec))));
  for (const auto& stage : stages.stages) {
    const Bytes& from = stage.from == Array::kOperand ? operand : stage.from == Array::kScratch ? scratch : result;
    Bytes& to = stage.to == Array::kScratch ? scratch : result;
    const bool in_place = stage.from == stage.to;
    to = run_program(stage.program, {from}, threads, {in_place ? 0 : -1})[0];
  }
  return result;
}

// Along dimension d, exp(sign 2 pi i t k / n), divided by n when inverse.
std::vector<Wide> transform(const std::vector<Wide>& in, const Dims& dims, size_t d, bool inverse) {
  std::vector<Wide> out(in.size()), turns;
  const int64_t n = dims[d], inner = volume(std::span(dims).subspan(d + 1));
  for (int64_t t = 0; t < n; ++t) {
    const long double angle = 2 * std::numbers::pi_v<long double> * static_cast<long double>(t) / static_cast<long double>(n);
    turns.emplace_back(std::cos(angle), inverse ? std::sin(angle) : -std::sin(angle));
  }
  for (int64_t o = 0; o < static_cast<int64_t>(in.size()); ++o) {
    const int64_t k = o / inner % n, base = o - k * inner;
    Wide sum = 0;
    for (int64_t t = 0; t < n; ++t) sum += in[static_cast<size_t>(base + t * inner)] * turns[static_cast<size_t>(t * k % n)];
    out[static_cast<size_t>(o)] = inverse ? sum / static_cast<long double>(n) : sum;
  }
  return out;
}

std::vector<Wide> transform_all(std::vector<Wide> values, const Dims& dims, size_t rank, bool inverse) {
  for (size_t i = 0; i < rank; ++i) values = transform(values, dims, dims.size() - 1 - i, inverse);
  return values;
}

template <class T>
void expect_close(const std::vector<T>& got, const std::vector<Wide>& expected, double tolerance) {
  EXPECT_EQ(got.size(), expected.size());
  long double scale = 1e-30L, worst = 0;
  for (size_t i = 0; i < got.size(); ++i) {
    scale = std::max(scale, std::abs(expected[i]));
    worst = std::max(worst, std::abs(Wide(got[i]) - expected[i]));
  }
  EXPECT(worst <= tolerance * scale);
}

template <class T>
std::vector<T> random_reals(int64_t n) {
  std::vector<T> out = random_values<T>(static_cast<size_t>(n), -1000, 1000, 5);
  for (T& value : out) value /= 1000;
  return out;
}

template <class T>
double tolerance() {
  return sizeof(T) == 4 ? 2e-6 : 4e-15;
}

template <class T>
void expect_complex(Dims dims, Dims lengths) {
  const DataType type = sizeof(T) == 4 ? DataType::kC64 : DataType::kC128;
  const std::vector<T> reals = random_reals<T>(2 * volume(dims));
  std::vector<Wide> wide;
  for (size_t i = 0; i < reals.size(); i += 2) wide.emplace_back(reals[i], reals[i + 1]);
  for (bool inverse : {false, true}) {
    const dnn::FftSpec spec{.kind = inverse ? dnn::FftKind::kIfft : dnn::FftKind::kFft, .type = type, .dims = dims, .fft_length = lengths};
    const Bytes out = run_stages(spec, bytes_of(reals), 2);
    expect_close(values_of<std::complex<T>>(out), transform_all(wide, dims, lengths.size(), inverse), tolerance<T>());
    EXPECT(run_stages(spec, bytes_of(reals), 1) == out);
  }
}

template <class T>
void expect_real(Dims dims, Dims lengths) {
  const std::vector<T> reals = random_reals<T>(volume(dims));
  const dnn::FftSpec spec{
      .kind = dnn::FftKind::kRfft, .type = sizeof(T) == 4 ? DataType::kF32 : DataType::kF64, .dims = dims, .fft_length = lengths};
  const Bytes spectrum = run_stages(spec, bytes_of(reals), 2);
  const std::vector<Wide> full = transform_all(std::vector<Wide>(reals.begin(), reals.end()), dims, lengths.size(), false);
  const Dims half_dims = dnn::fft_result_dims(spec);
  std::vector<Wide> half;
  for (int64_t i = 0; i < volume(half_dims); ++i) half.push_back(full[static_cast<size_t>(linear_of(dims, coordinates(half_dims, i)))]);
  expect_close(values_of<std::complex<T>>(spectrum), half, tolerance<T>());
  const dnn::FftSpec back{.kind = dnn::FftKind::kIrfft, .type = dnn::fft_result_type(spec), .dims = half_dims, .fft_length = lengths};
  EXPECT(dnn::fft_result_dims(back) == dims);
  expect_close(values_of<T>(run_stages(back, spectrum, 2)), std::vector<Wide>(reals.begin(), reals.end()), tolerance<T>());
}

}  // namespace

TEST(fft_of_any_length) {
  for (int64_t n : {1, 2, 3, 4, 5, 6, 7, 8, 12, 30, 61, 64, 67, 77, 96, 127, 134, 256, 360}) {
    expect_complex<float>({3, n}, {n});
    expect_complex<double>({3, n}, {n});
    expect_real<float>({3, n}, {n});
    expect_real<double>({11, n}, {n});
  }
  expect_complex<float>({1, 1024}, {1024});
}

// Groups of eight lines, whose elements are brought in blocks, and the rest of both.
TEST(fft_of_many_lines) {
  for (int64_t n : {64, 70, 128, 135, 147, 320}) {
    expect_complex<float>({19, n}, {n});
    expect_complex<double>({11, n}, {n});
    expect_real<float>({19, n}, {n});
  }
}

// The elements that are real in the spectrum of real lines may say otherwise.
TEST(inverse_of_a_half_spectrum_takes_its_ends_as_real) {
  for (int64_t n : {1, 2, 6, 9, 64}) {
    std::vector<double> spectrum = random_reals<double>(2 * 9 * (n / 2 + 1));
    const dnn::FftSpec spec{.kind = dnn::FftKind::kIrfft, .type = DataType::kC128, .dims = {9, n / 2 + 1}, .fft_length = {n}};
    const Bytes out = run_stages(spec, bytes_of(spectrum), 1);
    for (int64_t line = 0; line < 9; ++line) {
      double* at = spectrum.data() + 2 * line * (n / 2 + 1);
      at[1] = 0;
      if (n % 2 == 0) at[n + 1] = 0;
    }
    EXPECT(run_stages(spec, bytes_of(spectrum), 1) == out);
  }
}

TEST(fft_of_two_and_three_dimensions) {
  expect_complex<float>({2, 12, 10}, {12, 10});
  expect_complex<double>({5, 6, 7}, {5, 6, 7});
  expect_real<float>({2, 6, 9}, {6, 9});
  expect_real<double>({4, 3, 8}, {4, 3, 8});
  expect_real<float>({30, 16}, {30, 16});
  expect_real<float>({2, 40, 66}, {40, 66});
}

TEST(fft_of_nothing_is_nothing) {
  expect_complex<float>({0, 8}, {8});
  expect_complex<float>({3, 0}, {0});
  expect_real<float>({0, 8}, {8});
}

TEST(fft_refuses_what_does_not_fit) {
  dnn::FftSpec spec{.kind = dnn::FftKind::kRfft, .type = DataType::kC64, .dims = {4, 8}, .fft_length = {8}};
  EXPECT_ERROR(dnn::fft(spec, e150()), "of complex<f32>, expected f32 or f64");
  spec.type = DataType::kF32;
  spec.fft_length = {7};
  EXPECT_ERROR(dnn::fft(spec, e150()), "lengths [7] do not fit the operand [4,8]");
}

}  // namespace tt::test
