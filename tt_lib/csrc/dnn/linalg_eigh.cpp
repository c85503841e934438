// Hermitian eigenvectors: Householder reduction to tridiagonal form, then implicit QL iterations, in double precision.
#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "dnn/linalg.hpp"
#include "dnn/linalg_reflector.hpp"
#include "dnn/linalg_rotations.hpp"
#include "dnn/linalg_wide.hpp"

namespace tt::dnn {
namespace {

size_t at(int64_t i) { return static_cast<size_t>(i); }

// A = Q T Q^H with T real: the diagonal d, and e beside it.
template <class S>
struct TridiagonalForm {
  std::vector<double> d, e;
  std::vector<S> q;  // by rows
};

// Step j chooses the reflector that clears row j beyond its second element, and keeps it there. The rows below take over the reflection of
// the step before, A - v w^H - w v^H, while they are read for this one.
template <class S>
TridiagonalForm<S> tridiagonal_form(std::vector<S> a, int64_t n) {
  TridiagonalForm<S> form{std::vector<double>(at(n)), std::vector<double>(at(n)), {}};
  std::vector<S> tau(at(n)), v(at(n)), w(at(n)), v_conj(at(n)), w_conj(at(n)), next_conj(at(n)), sum(at(n));
  for (int64_t j = 0; j < n; ++j) {
    S* row = a.data() + j * n;
    for (int64_t k = j; k < n; ++k) row[k] -= product(v[at(j)], w_conj[at(k)]) + product(w[at(j)], v_conj[at(k)]);
    form.d[at(j)] = real(row[j]);
    const int64_t first = j + 1, count = n - first;
    if (count == 0) break;
    for (int64_t k = first; k < n; ++k) row[k] = conjugate(row[k]);
    tau[at(j)] = make_reflector(row + first, count, 1);
    form.e[at(j)] = real(row[first]);
    row[first] = S{1};
    for (int64_t k = first; k < n; ++k) next_conj[at(k)] = conjugate(row[k]);
    std::fill(sum.begin() + first, sum.end(), S{0});
    update_and_sum(
        a.data() + first * n + first, n, count, count,
        Update<S, 2>{{&v[at(first)], &w[at(first)]}, {&w_conj[at(first)], &v_conj[at(first)]}, &next_conj[at(first)], &sum[at(first)]});
    // sum is p^H for p = A v, and w = tau p - |tau|^2 / 2 (v^H p) v
    double inner = 0;
    for (int64_t k = first; k < n; ++k) inner += real(product(sum[at(k)], row[k]));
    const double half = squared_magnitude(tau[at(j)]) * inner / 2;
    for (int64_t k = first; k < n; ++k) {
      v[at(k)] = row[k];
      v_conj[at(k)] = next_conj[at(k)];
      w[at(k)] = product(tau[at(j)], conjugate(sum[at(k)])) - product(S(half), row[k]);
      w_conj[at(k)] = conjugate(w[at(k)]);
    }
  }
  form.q = product_of<S>({a.data(), tau.data(), n - 1, 1, n}, n, n);
  return form;
}

// Implicit QL on blocks that no negligible element of e splits, as LAPACK's steqr: each is seen from the end with the larger elements.
template <class S>
class Diagonalisation {
 public:
  explicit Diagonalisation(TridiagonalForm<S>& form)
      : d_(form.d), e_(form.e), n_(static_cast<int64_t>(form.d.size())), columns_(form.q.data(), n_, n_) {}

  // False: the iterations do not end.
  bool run() {
    constexpr int64_t kMaxTurns = 60;  // for one eigenvalue, on average
    turns_ = kMaxTurns * n_;
    for (int64_t first = 0; first < n_;) {
      int64_t last = first;
      while (last + 1 < n_ && !is_negligible(e_[at(last)], d_[at(last)], d_[at(last + 1)])) ++last;
      base_ = first;
      step_ = 1;
      if (std::abs(d_[at(last)]) < std::abs(d_[at(first)])) {
        base_ = last;
        step_ = -1;
      }
      if (!run_block(last - first + 1)) return false;
      first = last + 1;
    }
    columns_.apply();
    return true;
  }

 private:
  static bool is_negligible(double between, double before, double after) {
    constexpr double kEpsilon = std::numeric_limits<double>::epsilon() / 2, kSmallest = std::numeric_limits<double>::min();
    return between * between <= kEpsilon * kEpsilon * std::abs(before) * std::abs(after) + kSmallest;
  }

  // The block seen from its end.
  double& d(int64_t i) { return d_[at(base_ + step_ * i)]; }
  double& e(int64_t i) { return e_[at(step_ > 0 ? base_ + i : base_ - i - 1)]; }
  void rotate(int64_t i, double c, double s) {
    if (step_ > 0) {
      columns_.rotate(base_ + i, c, s);
    } else {
      columns_.rotate(base_ - i - 1, c, -s);
    }
  }

  bool run_block(int64_t size) {
    for (int64_t i = 0; i < size;) {
      int64_t last = i;
      while (last + 1 < size && !is_negligible(e(last), d(last), d(last + 1))) ++last;
      if (last + 1 < size) e(last) = 0;
      if (last == i) {
        ++i;
      } else if (last == i + 1) {
        rotate_pair(i);
        i += 2;
      } else {
        if (turns_-- == 0) return false;
        sweep(i, last);
      }
    }
    return true;
  }

  void rotate_pair(int64_t i) {
    const double theta = (d(i + 1) - d(i)) / (2 * e(i));
    const double t = std::copysign(1.0, theta) / (std::abs(theta) + std::sqrt(theta * theta + 1));
    const double c = 1 / std::sqrt(t * t + 1);
    d(i) -= t * e(i);
    d(i + 1) += t * e(i);
    e(i) = 0;
    rotate(i, c, -t * c);
  }

  void sweep(int64_t first, int64_t last) {
    const double start = d(first), ratio = (d(first + 1) - start) / (2 * e(first));
    double g = d(last) - start + e(first) / (ratio + std::copysign(std::hypot(ratio, 1.0), ratio));
    double c = 1, s = 1, shift = 0;
    for (int64_t i = last - 1; i >= first; --i) {
      const double f = s * e(i), b = c * e(i);
      const RotationTo turn(g, f);
      c = turn.c;
      s = turn.s;
      if (i + 1 < last) e(i + 1) = turn.r;
      g = d(i + 1) - shift;
      const double r = (d(i) - g) * s + 2 * c * b;
      shift = s * r;
      d(i + 1) = g + shift;
      g = c * r - b;
      rotate(i, c, -s);
    }
    d(first) -= shift;
    e(first) = g;
  }

  std::vector<double>&d_, &e_;
  int64_t n_;
  RotatedColumns<S> columns_;
  int64_t base_ = 0, step_ = 1;
  int64_t turns_ = 0;
};

// The triangle that counts, and its mirror image; `scale` is a power of two.
template <class T>
std::vector<Wide<T>> load_hermitian(const T* a, int64_t n, bool lower, double scale) {
  using S = Wide<T>;
  std::vector<S> full(at(n * n));
  for (int64_t i = 0; i < n; ++i) {
    for (int64_t j = 0; j <= i; ++j) {
      S value = (lower ? S(a[i * n + j]) : conjugate(S(a[j * n + i]))) * scale;
      if (i == j) value = real(value);
      full[at(i * n + j)] = value;
      full[at(j * n + i)] = conjugate(value);
    }
  }
  return full;
}

template <class T>
void eigh_one(const T* a, T* v, Real<T>* w, int64_t n, bool lower) {
  double largest = 0;
  for (int64_t i = 0; i < n && std::isfinite(largest); ++i) {
    const double size = lower ? largest_part(a + i * n, i + 1) : largest_part(a + i * n + i, n - i);
    if (!(size <= largest)) largest = size;
  }
  if (std::isfinite(largest)) {
    const double scale = scale_for(largest);
    TridiagonalForm<Wide<T>> form = tridiagonal_form(load_hermitian(a, n, lower, scale), n);
    if (Diagonalisation<Wide<T>>(form).run()) {
      std::vector<int64_t> order(at(n));
      std::iota(order.begin(), order.end(), int64_t{0});
      std::stable_sort(order.begin(), order.end(), [&](int64_t i, int64_t j) { return form.d[at(i)] < form.d[at(j)]; });
      for (int64_t c = 0; c < n; ++c) w[c] = static_cast<Real<T>>(form.d[at(order[at(c)])] / scale);
      for (int64_t r = 0; r < n; ++r) {
        for (int64_t c = 0; c < n; ++c) v[r * n + c] = static_cast<T>(form.q[at(r * n + order[at(c)])]);
      }
      return;
    }
  }
  fill_with_nan(v, n * n);
  fill_with_nan(w, n);
}

}  // namespace

Program eigh(const EighSpec& spec, const ChipSpec& chip) {
  const auto [batch, n, columns] = square_dims(spec.name, spec.dims);
  const int64_t bytes = n * columns * size_of(spec.type), value_bytes = n * size_of(real_part(spec.type));
  Program program(spec.name);
  program.add_input("a", batch * bytes);
  program.add_output("v", batch * bytes);
  program.add_output("w", batch * value_bytes);
  program.add_note(cat(batch, " matrices ", name(spec.type), " ", n, "x", n, spec.lower ? ", lower" : ", upper"));
  // Operations: 2 n^3 reduce, 4/3 n^3 form Q. Some 0.8 n^2 rotations turn columns, with 6 operations per element, two by two with its
  // complex parts.
  const double reals = is_complex(spec.type) ? 2 : 1;
  const double flops = (10.0 / 3 * complex_cost(spec.type) + 5 * reals) * std::pow(static_cast<double>(n), 3);
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
