// Householder QR with and without pivots, products of Householder reflectors, and Hermitian eigenvectors by Jacobi rotations.
#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "dnn/linalg.hpp"
#include "dnn/linalg_matrix.hpp"
#include "dnn/linalg_reflector.hpp"

namespace tt::dnn {
namespace {

// Column j of the packed matrix becomes R above and a Householder vector below; the reflector is applied to the columns after it.
template <class T>
void factor_column(T* packed, T* tau, int64_t m, int64_t n, int64_t j, std::vector<T>& work) {
  T* head = packed + j * n + j;
  tau[j] = make_reflector(head, m - j, n);
  reflect_rows<T>({head, m - j, n, conjugate(tau[j])}, head + 1, n, n - j - 1, work);
}

template <class T>
void qr_one(const T* a, T* packed, T* tau, int64_t m, int64_t n) {
  std::copy_n(a, m * n, packed);
  std::vector<T> work(static_cast<size_t>(n));
  for (int64_t j = 0; j < std::min(m, n); ++j) factor_column(packed, tau, m, n, j, work);
}

template <class T>
void swap_columns(T* a, int64_t m, int64_t n, int64_t i, int64_t j) {
  for (int64_t r = 0; r < m; ++r) std::swap(a[r * n + i], a[r * n + j]);
}

// Columns that `given` names (not zero) come first; of the others each step takes the one with the largest norm below row j.
template <class T>
void pivoted_qr_one(const T* a, const int32_t* given, T* packed, int32_t* pivots, T* tau, int64_t m, int64_t n) {
  std::copy_n(a, m * n, packed);
  std::iota(pivots, pivots + n, 1);
  int64_t fixed = 0;
  for (int64_t j = 0; j < n; ++j) {
    if (given[j] == 0) continue;
    swap_columns(packed, m, n, j, fixed);
    std::swap(pivots[j], pivots[fixed++]);
  }
  std::vector<T> work(static_cast<size_t>(n));
  std::vector<double> norms(static_cast<size_t>(n));
  for (int64_t j = 0; j < std::min(m, n); ++j) {
    if (j >= fixed) {
      std::fill(norms.begin() + j, norms.end(), 0.0);
      for (int64_t r = j; r < m; ++r) {
        for (int64_t c = j; c < n; ++c) norms[static_cast<size_t>(c)] += static_cast<double>(squared_magnitude(packed[r * n + c]));
      }
      const int64_t best = std::max_element(norms.begin() + j, norms.end()) - norms.begin();
      swap_columns(packed, m, n, j, best);
      std::swap(pivots[j], pivots[best]);
    }
    factor_column(packed, tau, m, n, j, work);
  }
}

template <class T>
void product_one(const T* packed, const T* tau, T* q, int64_t m, int64_t n, int64_t count) {
  std::fill_n(q, m * n, T{0});
  for (int64_t i = 0; i < n; ++i) q[i * n + i] = T{1};
  std::vector<T> work(static_cast<size_t>(n));
  for (int64_t j = count; j-- > 0;) reflect_rows<T>({packed + j * n + j, m - j, n, tau[j]}, q + j * n + j, n, n - j, work);
}

// Cyclic Jacobi on a full Hermitian matrix; rows of `vectors` become the eigenvectors, the diagonal the eigenvalues.
template <class S>
class Jacobi {
 public:
  Jacobi(std::vector<S>& a, int64_t n) : a_(a), n_(n), vectors_(a.size()) {
    for (int64_t i = 0; i < n; ++i) vectors_[static_cast<size_t>(i * n + i)] = S{1};
  }

  void run() {
    double norm = 0;
    for (const S& value : a_) norm += squared_magnitude(value);
    const double threshold = std::sqrt(norm) * std::numeric_limits<double>::epsilon() / static_cast<double>(std::max<int64_t>(n_, 1));
    constexpr int kMaxSweeps = 60;
    for (int sweep = 0; sweep < kMaxSweeps; ++sweep) {
      bool rotated = false;
      for (int64_t p = 0; p < n_; ++p) {
        for (int64_t q = p + 1; q < n_; ++q) {
          if (!(std::abs(at(p, q)) > threshold)) continue;
          rotate(p, q);
          rotated = true;
        }
      }
      if (!rotated) return;
    }
  }

  S& at(int64_t i, int64_t j) { return a_[static_cast<size_t>(i * n_ + j)]; }
  const S* vector(int64_t i) const { return vectors_.data() + i * n_; }

 private:
  // a becomes u^H a u with u = ((c, s), (-s / phase, c / phase)) in rows p and q, which makes a(p, q) zero.
  void rotate(int64_t p, int64_t q) {
    const double size = std::abs(at(p, q));
    const S phase = at(p, q) / S(size);
    const double theta = (real(at(q, q)) - real(at(p, p))) / (2 * size);
    const double t = std::copysign(1.0, theta) / (std::abs(theta) + std::sqrt(theta * theta + 1));
    const double c = 1 / std::sqrt(t * t + 1), s = t * c;
    const double diagonal_p = real(at(p, p)) - t * size, diagonal_q = real(at(q, q)) + t * size;
    turn(&at(p, 0), &at(q, 0), c, s, phase);
    turn(vectors_.data() + p * n_, vectors_.data() + q * n_, c, s, conjugate(phase));
    for (int64_t k = 0; k < n_; ++k) {
      at(k, p) = conjugate(at(p, k));
      at(k, q) = conjugate(at(q, k));
    }
    at(p, p) = diagonal_p;
    at(q, q) = diagonal_q;
    at(p, q) = at(q, p) = S{0};
  }

  void turn(S* x, S* y, double c, double s, S phase) {
    for (int64_t k = 0; k < n_; ++k) {
      const S turned = product(phase, y[k]);
      y[k] = S(s) * x[k] + S(c) * turned;
      x[k] = S(c) * x[k] - S(s) * turned;
    }
  }

  std::vector<S>& a_;
  int64_t n_;
  std::vector<S> vectors_;
};

template <class T>
void eigh_one(const T* a, T* v, Real<T>* w, int64_t n, bool lower) {
  using S = std::conditional_t<kIsComplex<T>, std::complex<double>, double>;
  std::vector<S> full(static_cast<size_t>(n * n));
  bool finite = true;
  for (int64_t i = 0; i < n; ++i) {
    for (int64_t j = 0; j <= i; ++j) {
      S value = lower ? S(a[i * n + j]) : conjugate(S(a[j * n + i]));
      if (i == j) value = real(value);
      finite &= std::isfinite(squared_magnitude(value));
      full[static_cast<size_t>(i * n + j)] = value;
      full[static_cast<size_t>(j * n + i)] = conjugate(value);
    }
  }
  if (!finite) {
    std::fill_n(v, n * n, T(std::numeric_limits<Real<T>>::quiet_NaN()));
    std::fill_n(w, n, std::numeric_limits<Real<T>>::quiet_NaN());
    return;
  }
  Jacobi<S> jacobi(full, n);
  jacobi.run();
  std::vector<int64_t> order(static_cast<size_t>(n));
  std::iota(order.begin(), order.end(), int64_t{0});
  std::stable_sort(order.begin(), order.end(), [&](int64_t i, int64_t j) { return real(jacobi.at(i, i)) < real(jacobi.at(j, j)); });
  for (int64_t c = 0; c < n; ++c) {
    const int64_t source = order[static_cast<size_t>(c)];
    w[c] = static_cast<Real<T>>(real(jacobi.at(source, source)));
    for (int64_t r = 0; r < n; ++r) v[r * n + c] = static_cast<T>(jacobi.vector(source)[r]);
  }
}

}  // namespace

Program qr(const QrSpec& spec, const ChipSpec& chip) {
  const auto [batch, m, n] = matrix_dims(spec.name, spec.dims);
  const int64_t bytes = m * n * size_of(spec.type), count = std::min(m, n);
  Program program(spec.name);
  program.add_input("a", batch * bytes);
  program.add_output("packed", batch * bytes);
  program.add_output("tau", batch * count * size_of(spec.type));
  program.add_note(cat(batch, " matrices ", name(spec.type), " ", m, "x", n));
  const double flops = 4.0 * static_cast<double>(m * n) * static_cast<double>(count) * complex_cost(spec.type);
  MatrixWork work{batch, bytes, bytes + count * size_of(spec.type), flops, real_part(spec.type) == DataType::kF64, {}};
  with_scalar(spec.name, spec.type, [&]<class T>() {
    work.run = [m = m, n = n, count](const Dataflow& k, int64_t unit) {
      qr_one(reinterpret_cast<const T*>(k.dram(0)) + unit * m * n, reinterpret_cast<T*>(k.dram(1)) + unit * m * n,
             reinterpret_cast<T*>(k.dram(2)) + unit * count, m, n);
    };
  });
  add_matrix_kernel(program, std::move(work), chip);
  return program;
}

Program pivoted_qr(const PivotedQrSpec& spec, const ChipSpec& chip) {
  const auto [batch, m, n] = matrix_dims(spec.name, spec.dims);
  const int64_t bytes = m * n * size_of(spec.type), index_bytes = n * size_of(DataType::kS32), count = std::min(m, n);
  Program program(spec.name);
  program.add_input("a", batch * bytes);
  program.add_input("given", batch * index_bytes);
  program.add_output("packed", batch * bytes);
  program.add_output("pivots", batch * index_bytes);
  program.add_output("tau", batch * count * size_of(spec.type));
  program.add_note(cat(batch, " matrices ", name(spec.type), " ", m, "x", n, ", columns pivoted"));
  const double flops = 5.0 * static_cast<double>(m * n) * static_cast<double>(count) * complex_cost(spec.type);
  MatrixWork work{
      batch, bytes + index_bytes, bytes + index_bytes + count * size_of(spec.type), flops, real_part(spec.type) == DataType::kF64, {}};
  with_scalar(spec.name, spec.type, [&]<class T>() {
    work.run = [m = m, n = n, count](const Dataflow& k, int64_t unit) {
      pivoted_qr_one(reinterpret_cast<const T*>(k.dram(0)) + unit * m * n, reinterpret_cast<const int32_t*>(k.dram(1)) + unit * n,
                     reinterpret_cast<T*>(k.dram(2)) + unit * m * n, reinterpret_cast<int32_t*>(k.dram(3)) + unit * n,
                     reinterpret_cast<T*>(k.dram(4)) + unit * count, m, n);
    };
  });
  add_matrix_kernel(program, std::move(work), chip);
  return program;
}

Program householder_product(const HouseholderProductSpec& spec, const ChipSpec& chip) {
  const auto [batch, m, n] = matrix_dims(spec.name, spec.dims);
  require(m >= n && spec.count <= n, "[", spec.name, "] of ", spec.count, " vectors in ", Text(spec.dims),
          ", expected no more vectors than columns and no more columns than rows");
  const int64_t bytes = m * n * size_of(spec.type);
  Program program(spec.name);
  program.add_input("packed", batch * bytes);
  program.add_input("tau", batch * spec.count * size_of(spec.type));
  program.add_output("q", batch * bytes);
  program.add_note(cat(batch, " products of ", spec.count, " reflectors ", name(spec.type), " ", m, "x", n));
  const double flops = 4.0 * static_cast<double>(m * n) * static_cast<double>(spec.count) * complex_cost(spec.type);
  MatrixWork work{batch, bytes + spec.count * size_of(spec.type), bytes, flops, real_part(spec.type) == DataType::kF64, {}};
  with_scalar(spec.name, spec.type, [&]<class T>() {
    work.run = [m = m, n = n, count = spec.count](const Dataflow& k, int64_t unit) {
      product_one(reinterpret_cast<const T*>(k.dram(0)) + unit * m * n, reinterpret_cast<const T*>(k.dram(1)) + unit * count,
                  reinterpret_cast<T*>(k.dram(2)) + unit * m * n, m, n, count);
    };
  });
  add_matrix_kernel(program, std::move(work), chip);
  return program;
}

Program eigh(const EighSpec& spec, const ChipSpec& chip) {
  const auto [batch, n, columns] = square_dims(spec.name, spec.dims);
  const int64_t bytes = n * columns * size_of(spec.type), value_bytes = n * size_of(real_part(spec.type));
  Program program(spec.name);
  program.add_input("a", batch * bytes);
  program.add_output("v", batch * bytes);
  program.add_output("w", batch * value_bytes);
  program.add_note(cat(batch, " matrices ", name(spec.type), " ", n, "x", n, spec.lower ? ", lower" : ", upper"));
  constexpr double kSweeps = 8;  // what it takes in practice
  const double flops = kSweeps * 6 * std::pow(static_cast<double>(n), 3) * complex_cost(spec.type);
  MatrixWork work{batch, bytes / 2, bytes + value_bytes, flops, true, {}};
  with_scalar(spec.name, spec.type, [&]<class T>() {
    work.run = [n = n, lower = spec.lower](const Dataflow& k, int64_t unit) {
      eigh_one(reinterpret_cast<const T*>(k.dram(0)) + unit * n * n, reinterpret_cast<T*>(k.dram(1)) + unit * n * n,
               reinterpret_cast<Real<T>*>(k.dram(2)) + unit * n, n, lower);
    };
  });
  add_matrix_kernel(program, std::move(work), chip);
  return program;
}

}  // namespace tt::dnn
