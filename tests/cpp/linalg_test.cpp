// Factorisations and solves, checked by multiplying back.
#include "dnn/linalg.hpp"

#include <algorithm>
#include <cmath>
#include <complex>

#include "data_program.hpp"

namespace tt::test {
namespace {

template <class T>
constexpr DataType kType = std::is_same_v<T, float>                 ? DataType::kF32
                           : std::is_same_v<T, double>              ? DataType::kF64
                           : std::is_same_v<T, std::complex<float>> ? DataType::kC64
                                                                    : DataType::kC128;
template <class T>
constexpr double kTolerance = sizeof(decltype(std::abs(T{}))) == 4 ? 3e-5 : 1e-12;

template <class T>
T conj(T a) {
  if constexpr (std::is_floating_point_v<T>) {
    return a;
  } else {
    return std::conj(a);
  }
}

template <class T>
struct Matrix {
  int64_t rows, columns;
  std::vector<T> data = {};
  Matrix(int64_t rows, int64_t columns) : rows(rows), columns(columns), data(static_cast<size_t>(rows * columns)) {}
  Matrix(int64_t rows, int64_t columns, const std::vector<T>& all, int64_t index) : Matrix(rows, columns) {
    std::copy_n(all.begin() + index * rows * columns, rows * columns, data.begin());
  }
  T& operator()(int64_t i, int64_t j) { return data[static_cast<size_t>(i * columns + j)]; }
  T operator()(int64_t i, int64_t j) const { return data[static_cast<size_t>(i * columns + j)]; }
};

template <class T>
Matrix<T> multiply(const Matrix<T>& a, const Matrix<T>& b) {
  Matrix<T> out(a.rows, b.columns);
  for (int64_t i = 0; i < a.rows; ++i) {
    for (int64_t j = 0; j < b.columns; ++j) {
      for (int64_t k = 0; k < a.columns; ++k) out(i, j) += a(i, k) * b(k, j);
    }
  }
  return out;
}

template <class T>
Matrix<T> adjoint(const Matrix<T>& a, bool conjugate = true) {
  Matrix<T> out(a.columns, a.rows);
  for (int64_t i = 0; i < a.rows; ++i) {
    for (int64_t j = 0; j < a.columns; ++j) out(j, i) = conjugate ? conj(a(i, j)) : a(i, j);
  }
  return out;
}

template <class T>
void expect_close(const Matrix<T>& a, const Matrix<T>& b) {
  double scale = 1, worst = 0;
  for (size_t i = 0; i < a.data.size(); ++i) {
    scale = std::max(scale, static_cast<double>(std::abs(b.data[i])));
    worst = std::max(worst, static_cast<double>(std::abs(a.data[i] - b.data[i])));
  }
  EXPECT(worst <= kTolerance<T> * scale);
}

template <class T>
std::vector<T> random_numbers(int64_t n, uint64_t seed) {
  const auto re = random_values<double>(static_cast<size_t>(n), -1000, 1000, seed),
             im = random_values<double>(static_cast<size_t>(n), -1000, 1000, seed + 1);
  std::vector<T> out;
  for (size_t i = 0; i < re.size(); ++i) {
    if constexpr (std::is_floating_point_v<T>) {
      out.push_back(static_cast<T>(re[i] / 1000));
    } else {
      out.push_back(T(std::complex<double>(re[i] / 1000, im[i] / 1000)));
    }
  }
  return out;
}

// a a^H + n: positive definite.
template <class T>
std::vector<T> definite(int64_t batch, int64_t n) {
  std::vector<T> out;
  const auto all = random_numbers<T>(batch * n * n, 3);
  for (int64_t b = 0; b < batch; ++b) {
    const Matrix<T> a(n, n, all, b);
    Matrix<T> square = multiply(a, adjoint(a));
    for (int64_t i = 0; i < n; ++i) square(i, i) += static_cast<T>(static_cast<decltype(std::abs(T{}))>(n));
    out.insert(out.end(), square.data.begin(), square.data.end());
  }
  return out;
}

template <class T>
void check_cholesky(int64_t batch, int64_t n) {
  const auto all = definite<T>(batch, n);
  for (bool lower : {true, false}) {
    const metal::Program program = dnn::cholesky({.type = kType<T>, .dims = {batch, n, n}, .lower = lower}, e150());
    const Bytes out = run_program(program, {bytes_of(all)}, 2)[0];
    EXPECT(run_program(program, {bytes_of(all)}, 1)[0] == out);
    for (int64_t b = 0; b < batch; ++b) {
      const Matrix<T> a(n, n, all, b);
      Matrix<T> factor(n, n, values_of<T>(out), b);
      for (int64_t i = 0; i < n; ++i) {
        for (int64_t j = 0; j < i; ++j) {
          T& other = lower ? factor(j, i) : factor(i, j);
          EXPECT(other == (lower ? a(j, i) : a(i, j)));
          other = T{0};
        }
      }
      expect_close(lower ? multiply(factor, adjoint(factor)) : multiply(adjoint(factor), factor), a);
    }
  }
}

template <class T>
void check_solve(int64_t batch, int64_t n, int64_t m) {
  auto all = random_numbers<T>(batch * n * n, 5);
  for (int64_t i = 0; i < batch * n; ++i) all[static_cast<size_t>(i / n * n * n + i % n * (n + 1))] += T(3 + static_cast<float>(n) / 4);
  const auto rhs = random_numbers<T>(batch * n * m, 6);
  for (int flags = 0; flags < 24; ++flags) {
    const bool left = flags & 1, lower = flags & 2, unit = flags & 4;
    const auto transpose = static_cast<dnn::Transpose>(flags / 8);
    const int64_t rows = left ? n : m, columns = left ? m : n;
    const dnn::TriangularSolveSpec spec{.type = kType<T>,
                                        .a_dims = {batch, n, n},
                                        .b_dims = {batch, rows, columns},
                                        .left_side = left,
                                        .lower = lower,
                                        .unit_diagonal = unit,
                                        .transpose_a = transpose};
    const metal::Program program = dnn::triangular_solve(spec, e150());
    const Bytes out = run_program(program, {bytes_of(all), bytes_of(rhs)}, 2)[0];
    for (int64_t b = 0; b < batch; ++b) {
      Matrix<T> a(n, n, all, b);
      for (int64_t i = 0; i < n; ++i) {
        for (int64_t j = 0; j < n; ++j) {
          if (lower ? j > i : j < i) a(i, j) = 0;
          if (i == j && unit) a(i, j) = 1;
        }
      }
      if (transpose != dnn::Transpose::kNone) a = adjoint(a, transpose == dnn::Transpose::kAdjoint);
      const Matrix<T> x(rows, columns, values_of<T>(out), b);
      double size = 1;
      for (T value : x.data) size = std::max(size, static_cast<double>(std::abs(value)));
      const Matrix<T> back = left ? multiply(a, x) : multiply(x, a), wanted(rows, columns, rhs, b);
      for (size_t i = 0; i < back.data.size(); ++i) {
        EXPECT(static_cast<double>(std::abs(back.data[i] - wanted.data[i])) <= kTolerance<T> * size * static_cast<double>(n + 1));
      }
    }
  }
}

template <class T>
void check_qr(int64_t batch, int64_t m, int64_t n) {
  const auto all = random_numbers<T>(batch * m * n, 7);
  const int64_t count = std::min(m, n);
  const auto out = run_program(dnn::qr({.type = kType<T>, .dims = {batch, m, n}}, e150()), {bytes_of(all)});
  const auto packed = values_of<T>(out[0]);
  // The reflectors as m x count, for their product.
  std::vector<T> vectors;
  for (int64_t i = 0; i < batch * m; ++i) vectors.insert(vectors.end(), packed.begin() + i * n, packed.begin() + i * n + count);
  const auto q_all = run_program(dnn::householder_product({.type = kType<T>, .dims = {batch, m, count}, .count = count}, e150()),
                                 {bytes_of(vectors), out[1]})[0];
  for (int64_t b = 0; b < batch; ++b) {
    const Matrix<T> q(m, count, values_of<T>(q_all), b), a(m, n, all, b), full(m, n, packed, b);
    Matrix<T> r(count, n), identity(count, count);
    for (int64_t i = 0; i < count; ++i) {
      identity(i, i) = 1;
      for (int64_t j = i; j < n; ++j) r(i, j) = full(i, j);
    }
    expect_close(multiply(q, r), a);
    expect_close(multiply(adjoint(q), q), identity);
  }
}

template <class T>
void check_eigh(int64_t batch, int64_t n) {
  using R = decltype(std::abs(T{}));
  const auto all = random_numbers<T>(batch * n * n, 8);
  for (bool lower : {true, false}) {
    const auto out = run_program(dnn::eigh({.type = kType<T>, .dims = {batch, n, n}, .lower = lower}, e150()), {bytes_of(all)});
    const auto values = values_of<R>(out[1]);
    for (int64_t b = 0; b < batch; ++b) {
      Matrix<T> a(n, n, all, b), scaled(n, n, values_of<T>(out[0]), b), identity(n, n);
      const Matrix<T> v = scaled;
      for (int64_t i = 0; i < n; ++i) {
        identity(i, i) = 1;
        if (i > 0) EXPECT(values[static_cast<size_t>(b * n + i)] >= values[static_cast<size_t>(b * n + i - 1)]);
        a(i, i) = std::real(a(i, i));
        for (int64_t j = 0; j < n; ++j) {
          if (lower ? j > i : j < i) a(i, j) = conj(a(j, i));
          scaled(i, j) *= values[static_cast<size_t>(b * n + j)];
        }
      }
      expect_close(multiply(a, v), scaled);
      expect_close(multiply(adjoint(v), v), identity);
    }
  }
}

template <class T>
void check_all() {
  for (int64_t n : {1, 2, 7, 40}) {
    check_cholesky<T>(3, n);
    check_solve<T>(2, n, n == 40 ? 130 : 3);
    check_eigh<T>(2, n);
  }
  for (auto [m, n] : {std::pair<int64_t, int64_t>{1, 1}, {9, 4}, {4, 9}, {33, 33}}) check_qr<T>(2, m, n);
  check_cholesky<T>(0, 4);
  check_cholesky<T>(2, 0);
  check_solve<T>(2, 3, 0);
}

}  // namespace

TEST(linalg_in_f32) { check_all<float>(); }
TEST(linalg_in_f64) { check_all<double>(); }
TEST(linalg_in_c64) { check_all<std::complex<float>>(); }
TEST(linalg_in_c128) { check_all<std::complex<double>>(); }

TEST(cholesky_of_an_indefinite_matrix_is_nan) {
  const std::vector<float> a = {1, 2, 2, 1};
  const auto out =
      values_of<float>(run_program(dnn::cholesky({.type = DataType::kF32, .dims = {2, 2}, .lower = true}, e150()), {bytes_of(a)})[0]);
  EXPECT(std::all_of(out.begin(), out.end(), [](float x) { return std::isnan(x); }));
}

TEST(lu_takes_the_largest_pivots) {
  const std::vector<float> a = {0, 2, 1, 4, 2, 6};  // [3,2]
  const auto out = run_program(dnn::lu({.type = DataType::kF32, .dims = {3, 2}}, e150()), {bytes_of(a)});
  EXPECT(values_of<float>(out[0]) == (std::vector<float>{2, 6, 0, 2, 0.5f, 0.5f}));
  EXPECT(values_of<int32_t>(out[1]) == (std::vector<int32_t>{2, 2}));
  EXPECT(values_of<int32_t>(out[2]) == (std::vector<int32_t>{2, 0, 1}));
}

TEST(linalg_refuses_what_does_not_fit) {
  EXPECT_ERROR(dnn::cholesky({.type = DataType::kF32, .dims = {2, 3}, .lower = true}, e150()), "of [2,3], expected square matrices");
  EXPECT_ERROR(dnn::cholesky({.type = DataType::kBF16, .dims = {3, 3}, .lower = true}, e150()), "of bf16, expected f32");
  const dnn::TriangularSolveSpec spec{.type = DataType::kF32,
                                      .a_dims = {3, 3},
                                      .b_dims = {4, 2},
                                      .left_side = true,
                                      .lower = true,
                                      .unit_diagonal = false,
                                      .transpose_a = dnn::Transpose::kNone};
  EXPECT_ERROR(dnn::triangular_solve(spec, e150()), "a [3,3] does not fit b [4,2] on the left");
}

}  // namespace tt::test
