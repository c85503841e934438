// Factorisations and solves, checked by multiplying back.
#include "dnn/linalg.hpp"

#include <algorithm>
#include <cmath>
#include <complex>
#include <limits>

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

// Random; graded, from its first row to its last and the other way round; with few different eigenvalues; zero.
template <class T>
std::vector<T> matrices_to_decompose(int64_t m, int64_t n) {
  std::vector<T> all = random_numbers<T>(5 * m * n, 8);
  for (int64_t i = 0; i < m; ++i) {
    for (int64_t j = 0; j < n; ++j) {
      const auto place = [&](int64_t b) -> T& { return all[static_cast<size_t>((b * m + i) * n + j)]; };
      const auto decay = static_cast<decltype(std::abs(T{}))>(std::pow(0.6, i + j)),
                 growth = static_cast<decltype(decay)>(std::pow(0.6, m - i + n - j));
      place(1) *= decay;
      place(2) *= growth;
      place(3) = i == j ? static_cast<decltype(decay)>(i % 3) : i + j == m - 1 ? T(1) : T(0);
      place(4) = 0;
    }
  }
  return all;
}
constexpr int64_t kDecomposed = 5;

template <class T>
void check_eigh(int64_t n) {
  using R = decltype(std::abs(T{}));
  constexpr int64_t batch = kDecomposed;
  const auto all = matrices_to_decompose<T>(n, n);
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
void check_svd(int64_t m, int64_t n) {
  using R = decltype(std::abs(T{}));
  const auto all = matrices_to_decompose<T>(m, n);
  const auto alone =
      run_program(dnn::svd({.type = kType<T>, .dims = {kDecomposed, m, n}, .full = false, .vectors = false}, e150()), {bytes_of(all)});
  for (bool full : {true, false}) {
    const int64_t count = std::min(m, n), columns = full ? m : count, rows = full ? n : count;
    const dnn::SvdSpec spec{.type = kType<T>, .dims = {kDecomposed, m, n}, .full = full, .vectors = true};
    const auto out = run_program(dnn::svd(spec, e150()), {bytes_of(all)});
    EXPECT(out[0] == alone[0]);
    const auto values = values_of<R>(out[0]);
    for (int64_t b = 0; b < kDecomposed; ++b) {
      const Matrix<T> a(m, n, all, b), u(m, columns, values_of<T>(out[1]), b), vt(rows, n, values_of<T>(out[2]), b);
      Matrix<T> left(m, count), right(count, n), u_identity(columns, columns), v_identity(rows, rows);
      for (int64_t k = 0; k < count; ++k) {
        const R value = values[static_cast<size_t>(b * count + k)];
        EXPECT(value >= 0 && (k == 0 || value <= values[static_cast<size_t>(b * count + k - 1)]));
        for (int64_t i = 0; i < m; ++i) left(i, k) = u(i, k) * value;
        for (int64_t j = 0; j < n; ++j) right(k, j) = vt(k, j);
      }
      for (int64_t i = 0; i < columns; ++i) u_identity(i, i) = 1;
      for (int64_t i = 0; i < rows; ++i) v_identity(i, i) = 1;
      expect_close(multiply(left, right), a);
      expect_close(multiply(adjoint(u), u), u_identity);
      expect_close(multiply(vt, adjoint(vt)), v_identity);
    }
  }
}

// Random, with equal eigenvalues, and cyclic: on the last plain shifts do not converge.
template <class T>
std::vector<T> general_matrices(int64_t n) {
  std::vector<T> all = random_numbers<T>(3 * n * n, 9);
  for (int64_t i = 0; i < n; ++i) {
    for (int64_t j = 0; j < n; ++j) {
      all[static_cast<size_t>(n * n + i * n + j)] = i == j || i + 1 == j ? 1 : 0;
      all[static_cast<size_t>(2 * n * n + i * n + j)] = j == (i + 1) % n ? 1 : 0;
    }
  }
  return all;
}

template <class T>
void check_schur(int64_t n) {
  const auto all = general_matrices<T>(n);
  const auto out = run_program(dnn::schur({.type = kType<T>, .dims = {3, n, n}, .vectors = true}, e150()), {bytes_of(all)});
  const auto alone = run_program(dnn::schur({.type = kType<T>, .dims = {3, n, n}, .vectors = false}, e150()), {bytes_of(all)});
  EXPECT(alone[0] == out[0]);
  for (int64_t b = 0; b < 3; ++b) {
    const Matrix<T> a(n, n, all, b), t(n, n, values_of<T>(out[0]), b), z(n, n, values_of<T>(out[1]), b);
    Matrix<T> identity(n, n);
    for (int64_t i = 0; i < n; ++i) {
      identity(i, i) = 1;
      for (int64_t j = 0; j < i; ++j) {
        if (j + 1 < i || !std::is_floating_point_v<T>) EXPECT(t(i, j) == T{0});
      }
      if (i == 0 || t(i, i - 1) == T{0}) continue;
      EXPECT(t(i, i) == t(i - 1, i - 1) && std::real(t(i, i - 1) * t(i - 1, i)) < 0 && (i == 1 || t(i - 1, i - 2) == T{0}));
    }
    expect_close(multiply(multiply(z, t), adjoint(z)), a);
    expect_close(multiply(adjoint(z), z), identity);
  }
}

template <class T>
void check_eig(int64_t n) {
  using C = std::complex<decltype(std::abs(T{}))>;
  const auto all = general_matrices<T>(n);
  std::vector<C> wide(all.begin(), all.end());
  const auto out = run_program(dnn::eig({.type = kType<T>, .dims = {3, n, n}, .left = true, .right = true}, e150()), {bytes_of(all)});
  const auto right = run_program(dnn::eig({.type = kType<T>, .dims = {3, n, n}, .left = false, .right = true}, e150()), {bytes_of(all)});
  EXPECT(right[0] == out[0] && right[1] == out[2]);
  const auto w = values_of<C>(out[0]);
  for (int64_t b = 0; b < 3; ++b) {
    const Matrix<C> a(n, n, wide, b), u(n, n, values_of<C>(out[1]), b), v(n, n, values_of<C>(out[2]), b);
    Matrix<C> left = u, scaled = v;
    for (int64_t j = 0; j < n; ++j) {
      const C value = w[static_cast<size_t>(b * n + j)];
      double norm = 0;
      for (int64_t i = 0; i < n; ++i) {
        scaled(i, j) *= value;
        left(i, j) *= std::conj(value);
        norm += std::norm(std::complex<double>(v(i, j)));
      }
      EXPECT(std::abs(norm - 1) < kTolerance<T>);
      if (std::is_floating_point_v<T> && value.imag() > 0) EXPECT(w[static_cast<size_t>(b * n + j + 1)] == std::conj(value));
    }
    expect_close(multiply(a, v), scaled);
    expect_close(multiply(adjoint(a), u), left);
  }
}

// Q^H a Q, with Q from the reflectors below the subdiagonal.
template <class T>
Matrix<T> turned(const Matrix<T>& a, const Matrix<T>& packed, const Bytes& tau) {
  const int64_t n = a.rows;
  std::vector<T> vectors;
  for (int64_t i = 1; i < n; ++i) vectors.insert(vectors.end(), packed.data.begin() + i * n, packed.data.begin() + i * n + n - 1);
  const dnn::HouseholderProductSpec spec{.type = kType<T>, .dims = {n - 1, n - 1}, .count = n - 1};
  const Matrix<T> inner(n - 1, n - 1, values_of<T>(run_program(dnn::householder_product(spec, e150()), {bytes_of(vectors), tau})[0]), 0);
  Matrix<T> q(n, n);
  q(0, 0) = 1;
  for (int64_t i = 1; i < n; ++i) {
    for (int64_t j = 1; j < n; ++j) q(i, j) = inner(i - 1, j - 1);
  }
  return multiply(multiply(adjoint(q), a), q);
}

template <class T>
void check_hessenberg(int64_t n) {
  const auto all = random_numbers<T>(n * n, 10);
  const auto out = run_program(dnn::hessenberg({.type = kType<T>, .dims = {n, n}}, e150()), {bytes_of(all)});
  const Matrix<T> a(n, n, all, 0), packed(n, n, values_of<T>(out[0]), 0);
  Matrix<T> h = packed;
  for (int64_t i = 2; i < n; ++i) std::fill_n(h.data.begin() + i * n, i - 1, T{0});
  expect_close(turned(a, packed, out[1]), h);
}

template <class T>
void check_tridiagonal(int64_t n) {
  using R = decltype(std::abs(T{}));
  const auto all = random_numbers<T>(n * n, 11);
  const auto out = run_program(dnn::tridiagonal({.type = kType<T>, .dims = {n, n}, .lower = true}, e150()), {bytes_of(all)});
  const auto d = values_of<R>(out[1]), e = values_of<R>(out[2]);
  Matrix<T> a(n, n, all, 0), wanted(n, n);
  for (int64_t i = 0; i < n; ++i) {
    a(i, i) = std::real(a(i, i));
    for (int64_t j = i + 1; j < n; ++j) a(i, j) = conj(a(j, i));
    wanted(i, i) = d[static_cast<size_t>(i)];
    if (i > 0) wanted(i, i - 1) = wanted(i - 1, i) = e[static_cast<size_t>(i - 1)];
  }
  expect_close(turned(a, Matrix<T>(n, n, values_of<T>(out[0]), 0), out[3]), wanted);
  // The upper triangle of the matrix seen from its other end says the same.
  const std::vector<T> backwards(all.rbegin(), all.rend());
  const auto upper = run_program(dnn::tridiagonal({.type = kType<T>, .dims = {n, n}, .lower = false}, e150()), {bytes_of(backwards)});
  for (size_t slot = 0; slot < 4; ++slot) {
    const auto from_end = [&]<class E>(E) {
      auto values = values_of<E>(upper[slot]);
      std::reverse(values.begin(), values.end());
      EXPECT(values == values_of<E>(out[slot]));
    };
    if (slot == 0 || slot == 3) {
      from_end(T{});
    } else {
      from_end(R{});
    }
  }
}

template <class T>
void check_all() {
  for (int64_t n : {1, 2, 3, 7, 40}) {
    check_schur<T>(n);
    check_eig<T>(n);
  }
  for (int64_t n : {2, 3, 40}) {
    check_hessenberg<T>(n);
    check_tridiagonal<T>(n);
  }
  for (int64_t n : {1, 2, 7, 40}) {
    check_cholesky<T>(3, n);
    check_solve<T>(2, n, n == 40 ? 130 : 3);
    check_eigh<T>(n);
  }
  for (auto [m, n] : {std::pair<int64_t, int64_t>{1, 1}, {1, 4}, {9, 4}, {4, 9}, {2, 2}, {33, 33}}) check_svd<T>(m, n);
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

TEST(eigenvectors_of_what_is_not_finite_are_nan) {
  const std::vector<float> a = {1, std::numeric_limits<float>::infinity(), 0, 1};
  for (const Bytes& result :
       run_program(dnn::eig({.type = DataType::kF32, .dims = {2, 2}, .left = true, .right = true}, e150()), {bytes_of(a)})) {
    const auto values = values_of<float>(result);
    EXPECT(std::isnan(values[0]) && std::isnan(values[values.size() - 2]));
  }
}

TEST(decompositions_of_what_is_not_finite_are_nan) {
  for (const float value : {std::numeric_limits<float>::infinity(), std::numeric_limits<float>::quiet_NaN()}) {
    const std::vector<float> a = {1, 7, value, 1, 1, 0, 0, 2};  // only the lower triangle of the first has it
    auto results = run_program(dnn::svd({.type = DataType::kF32, .dims = {2, 2, 2}, .full = true, .vectors = true}, e150()), {bytes_of(a)});
    for (const Bytes& result : run_program(dnn::eigh({.type = DataType::kF32, .dims = {2, 2, 2}, .lower = true}, e150()), {bytes_of(a)})) {
      results.push_back(result);
    }
    for (const Bytes& result : results) {
      const auto values = values_of<float>(result);
      const size_t half = values.size() / 2;
      for (size_t i = 0; i < values.size(); ++i) EXPECT(std::isnan(values[i]) == (i < half));
    }
    const auto upper =
        values_of<float>(run_program(dnn::eigh({.type = DataType::kF32, .dims = {2, 2, 2}, .lower = false}, e150()), {bytes_of(a)})[1]);
    EXPECT(std::abs(upper[0] + 6) < 1e-5 && std::abs(upper[1] - 8) < 1e-5);
  }
}

TEST(decompositions_of_large_and_small_elements_neither_overflow_nor_vanish) {
  for (const double size : {1e300, 1e-300}) {
    const std::vector<double> a = {3 * size, 4 * size, 4 * size, 3 * size};
    const auto w =
        values_of<double>(run_program(dnn::eigh({.type = DataType::kF64, .dims = {2, 2}, .lower = true}, e150()), {bytes_of(a)})[1]);
    EXPECT(std::abs(w[0] / size + 1) < 1e-14 && std::abs(w[1] / size - 7) < 1e-14);
    const dnn::SvdSpec spec{.type = DataType::kF64, .dims = {2, 2}, .full = false, .vectors = false};
    const auto s = values_of<double>(run_program(dnn::svd(spec, e150()), {bytes_of(a)})[0]);
    EXPECT(std::abs(s[0] / size - 7) < 1e-14 && std::abs(s[1] / size - 1) < 1e-14);
  }
}

// Kahan's point: of a bidiagonal matrix small singular values are as accurate as large ones.
TEST(svd_of_a_bidiagonal_matrix_has_accurate_small_values) {
  const std::vector<double> a = {1, 1, 0, 0, 1e-8, 1e-8, 0, 0, 1e-16};
  const dnn::SvdSpec spec{.type = DataType::kF64, .dims = {3, 3}, .full = false, .vectors = false};
  const auto s = values_of<double>(run_program(dnn::svd(spec, e150()), {bytes_of(a)})[0]);
  EXPECT(std::abs(s[0] / std::sqrt(2.0) - 1) < 1e-14 && std::abs(s[0] * s[1] * s[2] / 1e-24 - 1) < 1e-13);
}

TEST(pivoted_qr_takes_given_columns_first_and_then_the_largest) {
  const std::vector<double> a = {1, 0, 3, 0, 0, 2, 0, 0, 0, 0, 0, 4};  // [3,4]
  const auto pivots = [&](std::vector<int32_t> given) {
    return values_of<int32_t>(
        run_program(dnn::pivoted_qr({.type = DataType::kF64, .dims = {3, 4}}, e150()), {bytes_of(a), bytes_of(given)})[1]);
  };
  EXPECT(pivots({0, 0, 0, 0}) == (std::vector<int32_t>{4, 3, 2, 1}));
  EXPECT(pivots({0, 1, 0, 0}) == (std::vector<int32_t>{2, 4, 3, 1}));
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
