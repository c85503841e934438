// Singular values and vectors: Householder reduction to bidiagonal form, then implicit QR iterations, in double precision.
#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <optional>
#include <utility>

#include "dnn/linalg.hpp"
#include "dnn/linalg_reflector.hpp"
#include "dnn/linalg_rotations.hpp"
#include "dnn/linalg_wide.hpp"

namespace tt::dnn {
namespace {

constexpr double kEpsilon = std::numeric_limits<double>::epsilon() / 2;

size_t at(int64_t i) { return static_cast<size_t>(i); }

// A (m x n, no wider than tall) = U B V^H with B real: its diagonal d, and e above it. U has `u_columns` columns; none, where nobody wants
// vectors. Both by rows.
template <class S>
struct BidiagonalForm {
  std::vector<double> d, e;
  std::vector<S> u, v;
};

// Step j clears column j below the diagonal, and row j beyond the element above it: A - x y^H - z u^H, which the rows below take over while
// they are read for the next step.
template <class S>
BidiagonalForm<S> bidiagonal_form(std::vector<S> a, int64_t m, int64_t n, int64_t u_columns) {
  BidiagonalForm<S> form{std::vector<double>(at(n)), std::vector<double>(at(n)), {}, {}};
  std::vector<S> left(at(n * m)), right(at(n * n)), left_tau(at(n)), right_tau(at(n));
  std::vector<S> x(at(m)), z(at(m)), weights(at(m)), y(at(n)), u_conj(at(n)), sum(at(n));
  for (int64_t j = 0; j < n; ++j) {
    const int64_t first = j + 1, count = n - first;
    S* head = left.data() + j * m;
    for (int64_t i = j; i < m; ++i) {
      S& value = a[at(i * n + j)];
      value -= product(x[at(i)], y[at(j)]) + product(z[at(i)], u_conj[at(j)]);
      head[i] = value;
    }
    left_tau[at(j)] = make_reflector(head + j, m - j, 1);
    form.d[at(j)] = real(head[j]);
    head[j] = S{1};
    if (count == 0) break;
    for (int64_t i = j; i < m; ++i) weights[at(i)] = conjugate(head[i]);
    std::fill(sum.begin() + first, sum.end(), S{0});
    update_and_sum(a.data() + j * n + first, n, m - j, count,
                   Update<S, 2>{{&x[at(j)], &z[at(j)]}, {&y[at(first)], &u_conj[at(first)]}, &weights[at(j)], &sum[at(first)]});
    const S tau = conjugate(left_tau[at(j)]);
    S* row = right.data() + j * n;
    for (int64_t k = first; k < n; ++k) {
      y[at(k)] = sum[at(k)];
      row[k] = conjugate(a[at(j * n + k)] - product(tau, y[at(k)]));
    }
    const S right_factor = right_tau[at(j)] = make_reflector(row + first, count, 1);
    form.e[at(j)] = real(row[first]);
    row[first] = S{1};
    S inner{0};
    for (int64_t k = first; k < n; ++k) {
      inner += product(y[at(k)], row[k]);
      u_conj[at(k)] = conjugate(row[k]);
    }
    multiply_rows(a.data() + first * n + first, n, m - first, count, row + first, z.data() + first);
    for (int64_t i = first; i < m; ++i) {
      x[at(i)] = product(tau, head[i]);
      z[at(i)] = product(right_factor, z[at(i)] - product(x[at(i)], inner));
    }
  }
  if (u_columns > 0) {
    form.u = product_of<S>({left.data(), left_tau.data(), n, 0, m}, m, u_columns);
    form.v = product_of<S>({right.data(), right_tau.data(), n - 1, 1, n}, n, n);
  }
  return form;
}

// Singular values of ((f, g), (0, h)), the smaller and the larger one, and the rotations that make it diagonal. As LAPACK's lasv2.
struct PairDecomposition {
  double smaller, larger, right_s, right_c, left_s, left_c;

  PairDecomposition(double f, double g, double h) {
    const bool swapped = std::abs(h) > std::abs(f);
    const double ft = swapped ? h : f, ht = swapped ? f : h, fa = std::abs(ft), ha = std::abs(ht), ga = std::abs(g);
    double lc = 1, rc = 1, ls = 0, rs = 0, sign_of = ft;
    smaller = ha;
    larger = fa;
    if (ga != 0 && ga > fa && fa / ga < kEpsilon) {
      larger = ga;
      smaller = ha > 1 ? fa / (ga / ha) : fa / ga * ha;
      ls = ht / g;
      rs = 1;
      rc = ft / g;
      sign_of = g;
    } else if (ga != 0) {
      if (ga > fa) sign_of = g;
      const double difference = fa - ha, l0 = difference == fa ? 1 : difference / fa, m = g / ft, mm = m * m, t0 = 2 - l0;
      const double s = std::sqrt(t0 * t0 + mm), r = l0 == 0 ? std::abs(m) : std::sqrt(l0 * l0 + mm), a = (s + r) / 2;
      smaller = ha / a;
      larger = fa * a;
      double t;
      if (mm != 0) {
        t = (m / (s + t0) + m / (r + l0)) * (1 + a);
      } else if (l0 == 0) {
        t = std::copysign(2.0, ft) * std::copysign(1.0, g);
      } else {
        t = g / std::copysign(difference, ft) + m / t0;
      }
      const double l = std::sqrt(t * t + 4);
      rc = 2 / l;
      rs = t / l;
      lc = (rc + rs * m) / a;
      ls = ht / ft * rs / a;
    }
    left_c = swapped ? rs : lc;
    left_s = swapped ? rc : ls;
    right_c = swapped ? ls : rc;
    right_s = swapped ? lc : rs;
    const auto sign = [](double value) { return std::copysign(1.0, value); };
    const bool by_g = sign_of == g && ga > fa;
    const double turn = by_g      ? sign(right_s) * sign(left_c) * sign(g)
                        : swapped ? sign(right_s) * sign(left_s) * sign(h)
                                  : sign(right_c) * sign(left_c) * sign(f);
    larger = std::copysign(larger, turn);
    smaller = std::copysign(smaller, turn * sign(f) * sign(h));
  }
};

// Implicit QR on blocks that no negligible element of e splits, without a shift where that would cost small values their accuracy (Demmel
// and Kahan), as LAPACK's bdsqr. A block is seen from the end with the larger elements; from its last one, left and right change places.
template <class S>
class BidiagonalIterations {
 public:
  BidiagonalIterations(BidiagonalForm<S>& form, int64_t m, int64_t u_columns)
      : d_(form.d), e_(form.e), n_(static_cast<int64_t>(form.d.size())) {
    if (u_columns == 0) return;
    u_.emplace(form.u.data(), m, u_columns);
    v_.emplace(form.v.data(), n_, n_);
  }

  // False: the iterations do not end.
  bool run() {
    constexpr int64_t kMaxTurns = 6;  // sweeps over everything, per value
    choose_threshold();
    int64_t steps = kMaxTurns * n_ * n_;
    for (int64_t last = n_ - 1; last > 0;) {
      const int64_t first = first_of_block(last);
      if (first == last) {
        --last;
      } else if (first + 1 == last) {
        look(first, last, true);
        decompose_pair();
        last -= 2;
      } else if (!deflate(first, last)) {
        steps -= last - first;
        if (steps < 0) return false;
        sweep();
      }
    }
    if (u_) {
      u_->apply();
      v_->apply();
    }
    return true;
  }

 private:
  // Elements of e up to the threshold change no value by more than the tolerance.
  void choose_threshold() {
    double smallest = std::abs(d_.front()), mu = smallest;
    for (int64_t i = 1; i < n_ && smallest != 0; ++i) {
      mu = std::abs(d_[at(i)]) * (mu / (mu + std::abs(e_[at(i - 1)])));
      smallest = std::min(smallest, mu);
    }
    const auto size = static_cast<double>(n_);
    threshold_ = std::max(kTolerance * smallest / std::sqrt(size), 6 * size * size * std::numeric_limits<double>::min());
  }

  int64_t first_of_block(int64_t last) {
    for (int64_t i = last; i > 0; --i) {
      if (std::abs(e_[at(i - 1)]) > threshold_) continue;
      e_[at(i - 1)] = 0;
      return i;
    }
    return 0;
  }

  void look(int64_t first, int64_t last, bool downwards) {
    first_ = first;
    size_ = last - first + 1;
    downwards_ = downwards;
  }
  double& d(int64_t i) { return d_[at(downwards_ ? first_ + i : first_ + size_ - 1 - i)]; }
  double& e(int64_t i) { return e_[at(downwards_ ? first_ + i : first_ + size_ - 2 - i)]; }
  void rotate(std::optional<RotatedColumns<S>>& columns, int64_t i, double c, double s) {
    if (columns) columns->rotate(downwards_ ? first_ + i : first_ + size_ - 2 - i, c, downwards_ ? s : -s);
  }
  void rotate_right(int64_t i, double c, double s) { rotate(downwards_ ? v_ : u_, i, c, s); }
  void rotate_left(int64_t i, double c, double s) { rotate(downwards_ ? u_ : v_, i, c, s); }

  void decompose_pair() {
    const PairDecomposition pair(d(0), e(0), d(1));
    d(0) = pair.larger;
    d(1) = pair.smaller;
    e(0) = 0;
    rotate_right(0, pair.right_c, pair.right_s);
    rotate_left(0, pair.left_c, pair.left_s);
  }

  // Looks at the block, in the direction that it keeps until it is another one; true when an element of e was negligible.
  bool deflate(int64_t first, int64_t last) {
    if (first > old_last_ || last < old_first_) downwards_ = std::abs(d_[at(first)]) >= std::abs(d_[at(last)]);
    look(first, last, downwards_);
    const auto negligible = [&](int64_t i, double size) {
      if (std::abs(e(i)) > kTolerance * size) return false;
      e(i) = 0;
      return true;
    };
    if (negligible(size_ - 2, std::abs(d(size_ - 1)))) return true;
    double mu = std::abs(d(0));
    smallest_ = mu;
    for (int64_t i = 0; i + 1 < size_; ++i) {
      if (negligible(i, mu)) return true;
      mu = std::abs(d(i + 1)) * (mu / (mu + std::abs(e(i))));
      smallest_ = std::min(smallest_, mu);
    }
    old_first_ = first;
    old_last_ = last;
    return false;
  }

  double shift() {
    double largest = std::abs(d(size_ - 1));
    for (int64_t i = 0; i + 1 < size_; ++i) largest = std::max({largest, std::abs(d(i)), std::abs(e(i))});
    if (static_cast<double>(n_) * kTolerance * (smallest_ / largest) <= std::max(kEpsilon, kTolerance / 100)) return 0;
    const double shift = std::abs(PairDecomposition(d(size_ - 2), e(size_ - 2), d(size_ - 1)).smaller), ratio = shift / std::abs(d(0));
    return ratio * ratio < kEpsilon ? 0 : shift;
  }

  void sweep() {
    const double by = shift();
    const int64_t last = size_ - 1;
    if (by == 0) {
      sweep_without_shift();
    } else {
      double f = (std::abs(d(0)) - by) * (std::copysign(1.0, d(0)) + by / d(0)), g = e(0);
      for (int64_t i = 0; i < last; ++i) {
        const RotationTo right(f, g);
        if (i > 0) e(i - 1) = right.r;
        f = right.c * d(i) + right.s * e(i);
        e(i) = right.c * e(i) - right.s * d(i);
        g = right.s * d(i + 1);
        d(i + 1) = right.c * d(i + 1);
        const RotationTo left(f, g);
        d(i) = left.r;
        f = left.c * e(i) + left.s * d(i + 1);
        d(i + 1) = left.c * d(i + 1) - left.s * e(i);
        if (i + 1 < last) {
          g = left.s * e(i + 1);
          e(i + 1) = left.c * e(i + 1);
        }
        rotate_right(i, right.c, right.s);
        rotate_left(i, left.c, left.s);
      }
      e(last - 1) = f;
    }
    if (std::abs(e(last - 1)) <= threshold_) e(last - 1) = 0;
  }

  void sweep_without_shift() {
    const int64_t last = size_ - 1;
    double c = 1, left_c = 1, left_s = 0;
    for (int64_t i = 0; i < last; ++i) {
      const RotationTo right(d(i) * c, e(i));
      if (i > 0) e(i - 1) = left_s * right.r;
      c = right.c;
      const RotationTo left(left_c * right.r, d(i + 1) * right.s);
      d(i) = left.r;
      left_c = left.c;
      left_s = left.s;
      rotate_right(i, right.c, right.s);
      rotate_left(i, left.c, left.s);
    }
    const double h = d(last) * c;
    d(last) = h * left_c;
    e(last - 1) = h * left_s;
  }

  static constexpr double kTolerance = 10 * kEpsilon;

  std::vector<double>&d_, &e_;
  int64_t n_;
  std::optional<RotatedColumns<S>> u_, v_;
  double threshold_ = 0;
  int64_t first_ = 0, size_ = 0;
  bool downwards_ = true;
  int64_t old_first_ = -1, old_last_ = -1;
  double smallest_ = 0;  // value of the block, at least
};

template <class T>
struct SvdResults {
  Real<T>* s;
  T *u, *vt;  // null where nobody wants vectors
  int64_t u_columns, v_columns;
};

// a, or its adjoint when it is wider than tall.
template <class T>
std::vector<Wide<T>> load_tall(const T* a, int64_t m, int64_t n, double scale) {
  std::vector<Wide<T>> out(at(m * n));
  for (int64_t i = 0; i < m; ++i) {
    for (int64_t j = 0; j < n; ++j) {
      const Wide<T> value = Wide<T>(a[i * n + j]) * scale;
      if (m >= n) {
        out[at(i * n + j)] = value;
      } else {
        out[at(j * m + i)] = conjugate(value);
      }
    }
  }
  return out;
}

template <class T>
bool svd_finite(const T* a, const SvdResults<T>& out, int64_t m, int64_t n, double scale) {
  using S = Wide<T>;
  const bool turned = m < n;
  const int64_t rows = std::max(m, n), count = std::min(m, n);
  const int64_t u_columns = out.u == nullptr ? 0 : turned ? out.v_columns : out.u_columns;
  BidiagonalForm<S> form = bidiagonal_form(load_tall(a, m, n, scale), rows, count, u_columns);
  if (!BidiagonalIterations<S>(form, rows, u_columns).run()) return false;
  std::vector<int64_t> order(at(std::max(u_columns, count)));
  std::iota(order.begin(), order.end(), int64_t{0});
  std::stable_sort(order.begin(), order.begin() + count,
                   [&](int64_t i, int64_t j) { return std::abs(form.d[at(i)]) > std::abs(form.d[at(j)]); });
  for (int64_t c = 0; c < count; ++c) out.s[c] = static_cast<Real<T>>(std::abs(form.d[at(order[at(c)])]) / scale);
  if (out.u == nullptr) return true;
  // Element r of the left (right) vector number c.
  const auto left = [&](int64_t r, int64_t c) {
    const int64_t from = order[at(c)];
    const S value = form.u[at(r * u_columns + from)];
    return from < count && std::signbit(form.d[at(from)]) ? -value : value;
  };
  const auto right = [&](int64_t r, int64_t c) { return form.v[at(r * count + order[at(c)])]; };
  const auto store = [](const auto& vector, T* to, int64_t length, int64_t columns, bool adjoint) {
    for (int64_t r = 0; r < length; ++r) {
      for (int64_t c = 0; c < columns; ++c) {
        to[adjoint ? c * length + r : r * columns + c] = static_cast<T>(adjoint ? conjugate(vector(r, c)) : vector(r, c));
      }
    }
  };
  if (turned) {
    store(right, out.u, m, out.u_columns, false);
    store(left, out.vt, n, out.v_columns, true);
  } else {
    store(left, out.u, m, out.u_columns, false);
    store(right, out.vt, n, out.v_columns, true);
  }
  return true;
}

template <class T>
void svd_one(const T* a, const SvdResults<T>& out, int64_t m, int64_t n) {
  const double largest = largest_part(a, m * n);
  if (std::isfinite(largest) && svd_finite(a, out, m, n, scale_for(largest))) return;
  fill_with_nan(out.s, std::min(m, n));
  fill_with_nan(out.u, m * out.u_columns);
  fill_with_nan(out.vt, n * out.v_columns);
}

// Operations per matrix: the reduction, both products of reflectors, and rotations, some n^2 on each side.
double svd_flops(const SvdSpec& spec, int64_t rows, int64_t count, int64_t u_columns) {
  const auto m = static_cast<double>(rows), n = static_cast<double>(count), wanted = static_cast<double>(u_columns);
  const double reduction = 4 * n * n * (m - n / 3) * 2, products = spec.vectors ? 4 * n * wanted * (m - n / 2) + 8 * n * n * n / 3 : 0;
  const double rotations = spec.vectors ? 6 * n * n * (m + n) : 0;
  return (reduction + products) * complex_cost(spec.type) + rotations * (is_complex(spec.type) ? 2 : 1);
}

}  // namespace

Program svd(const SvdSpec& spec, const ChipSpec& chip) {
  const auto [batch, m, n] = matrix_dims(spec.name, spec.dims);
  const int64_t count = std::min(m, n), size = size_of(spec.type), value_bytes = count * size_of(real_part(spec.type));
  const int64_t u_columns = spec.full ? m : count, v_columns = spec.full ? n : count;
  const int64_t u_bytes = spec.vectors ? m * u_columns * size : 0, v_bytes = spec.vectors ? n * v_columns * size : 0;
  Program program(spec.name);
  program.add_input("a", batch * m * n * size);
  program.add_output("s", batch * value_bytes);
  if (spec.vectors) {
    program.add_output("u", batch * u_bytes);
    program.add_output("vt", batch * v_bytes);
  }
  program.add_note(cat(batch, " matrices ", name(spec.type), " ", m, "x", n,
                       !spec.vectors ? ""
                       : spec.full   ? ", all vectors"
                                     : ", vectors"));
  const double flops = svd_flops(spec, std::max(m, n), count, m < n ? v_columns : u_columns);
  MatrixWork work{batch, m * n * size, value_bytes + u_bytes + v_bytes, flops, true, {}};
  with_scalar(spec.name, spec.type, [&]<class T>() {
    work.run = [m = m, n = n, count, u_columns, v_columns, vectors = spec.vectors](const Dataflow& k, int64_t unit) {
      SvdResults<T> out{reinterpret_cast<Real<T>*>(k.dram(1)) + unit * count, nullptr, nullptr, u_columns, v_columns};
      if (vectors) {
        out.u = reinterpret_cast<T*>(k.dram(2)) + unit * m * u_columns;
        out.vt = reinterpret_cast<T*>(k.dram(3)) + unit * n * v_columns;
      }
      svd_one(reinterpret_cast<const T*>(k.dram(0)) + unit * m * n, out, m, n);
    };
  });
  add_matrix_kernel(program, std::move(work), chip);
  return program;
}

}  // namespace tt::dnn
