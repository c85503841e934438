// Householder QR, products of Householder reflectors, and Hermitian eigenvectors by Jacobi rotations.
#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "dnn/linalg.hpp"
#include "dnn/linalg_matrix.hpp"

namespace tt::dnn {
namespace {

// Chooses v and tau so that (I - conj(tau) v v^H) maps column j of a, from row j on, to (beta, 0 ...); v[0] = 1 is not stored.
template <class T>
T make_reflector(T* a, int64_t m, int64_t n, int64_t j) {
  double below = 0;
  for (int64_t i = j + 1; i < m; ++i) below += static_cast<double>(squared_magnitude(a[i * n + j]));
  const T alpha = a[j * n + j];
  if (below == 0 && squared_magnitude(T(alpha - T(real(alpha)))) == 0) return T{0};
  const auto norm = static_cast<Real<T>>(std::sqrt(static_cast<double>(squared_magnitude(alpha)) + below));
  const Real<T> beta = -std::copysign(norm, real(alpha));
  const T scale = T{1} / (alpha - T(beta));
  for (int64_t i = j + 1; i < m; ++i) a[i * n + j] = product(a[i * n + j], scale);
  a[j * n + j] = beta;
  return (T(beta) - alpha) / T(beta);
}

// rows of c (from row j, columns [first, n)) become (I - tau v v^H) c, with v in column j of `packed`.
template <class T>
void apply_reflector(const T* packed, int64_t packed_columns, T tau, int64_t m, int64_t j, T* c, int64_t n, int64_t first,
                     std::vector<T>& w) {
  if (tau == T{0} || first >= n) return;
  std::fill(w.begin(), w.end(), T{0});
  const auto v = [&](int64_t i) { return i == j ? T{1} : packed[i * packed_columns + j]; };
  for (int64_t i = j; i < m; ++i) subtract_multiple(w.data(), -conjugate(v(i)), c + i * n + first, n - first);
  for (int64_t i = j; i < m; ++i) subtract_multiple(c + i * n + first, product(tau, v(i)), w.data(), n - first);
}

template <class T>
void qr_one(const T* a, T* packed, T* tau, int64_t m, int64_t n) {
  std::copy_n(a, m * n, packed);
  std::vector<T> w(static_cast<size_t>(n));
  for (int64_t j = 0; j < std::min(m, n); ++j) {
    tau[j] = make_reflector(packed, m, n, j);
    apply_reflector(packed, n, conjugate(tau[j]), m, j, packed, n, j + 1, w);
  }
}

template <class T>
void product_one(const T* packed, const T* tau, T* q, int64_t m, int64_t n, int64_t count) {
  std::fill_n(q, m * n, T{0});
  for (int64_t i = 0; i < n; ++i) q[i * n + i] = T{1};
  std::vector<T> w(static_cast<size_t>(n));
  for (int64_t j = count; j-- > 0;) apply_reflector(packed, n, tau[j], m, j, q, n, j, w);
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

double complex_cost(DataType type) { return is_complex(type) ? 4 : 1; }

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

Program householder_product(const HouseholderProductSpec& spec, const ChipSpec& chip) {
  const auto [batch, m, n] = matrix_dims(spec.name, spec.dims);
  require(m >= n && spec.count <= n, "[", spec.name, "] of ", spec.count, " vectors in ", to_string(spec.dims),
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
