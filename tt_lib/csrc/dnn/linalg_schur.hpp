// Schur form by QR iterations: single shifts on complex matrices, double shifts on real ones, in double precision.
#pragma once

#include <complex>
#include <limits>
#include <utility>

#include "dnn/linalg_reflector.hpp"

namespace tt::dnn {

// Of S = double: T has blocks of 2x2, with equal elements on their diagonals, for pairs of complex eigenvalues.
template <class S>
class SchurForm {
 public:
  SchurForm(std::vector<S> a, int64_t n) : n_(n), t_(std::move(a)), z_(t_.size()), work_(static_cast<size_t>(n)) { reduce(); }

  // False: the iterations do not end.
  bool iterate() {
    constexpr int kMaxTurns = 60;  // for one eigenvalue
    int turns = 0;
    for (int64_t last = n_ - 1; last >= 0;) {
      const int64_t first = first_of_block(last);
      if (first < last && !(is_pair(first, last) && split(first))) {
        if (++turns > kMaxTurns) return false;
        chase(first, last, turns);
        continue;
      }
      last = first - 1;
      turns = 0;
    }
    return true;
  }

  int64_t n() const { return n_; }
  const S& t(int64_t i, int64_t j) const { return t_[static_cast<size_t>(i * n_ + j)]; }
  const S& z(int64_t i, int64_t j) const { return z_[static_cast<size_t>(i * n_ + j)]; }
  bool starts_pair(int64_t i) const { return i + 1 < n_ && t(i + 1, i) != S{0}; }

 private:
  static constexpr int64_t kBulge = kIsComplex<S> ? 2 : 3;  // elements of the reflectors that chase it

  S& t(int64_t i, int64_t j) { return t_[static_cast<size_t>(i * n_ + j)]; }
  S* row(std::vector<S>& matrix, int64_t i, int64_t j) { return matrix.data() + i * n_ + j; }
  static bool is_pair(int64_t first, int64_t last) { return !kIsComplex<S> && first + 1 == last; }

  void reduce() {
    for (const S& value : t_) norm_ = std::max(norm_, std::abs(value));
    std::vector<S> tau(static_cast<size_t>(n_));
    reduce_to_hessenberg(t_.data(), tau.data(), n_);
    for (int64_t i = 0; i < n_; ++i) *row(z_, i, i) = S{1};
    for (int64_t i = n_ - 1; i-- > 0;) {
      const int64_t count = n_ - 1 - i;
      reflect_rows<S>({row(t_, i + 1, i), count, n_, tau[static_cast<size_t>(i)]}, row(z_, i + 1, i + 1), n_, count, work_);
      for (int64_t r = i + 2; r < n_; ++r) t(r, i) = S{0};
    }
  }

  // The block that ends in `last` starts where the element beside the diagonal is negligible, which then becomes zero.
  int64_t first_of_block(int64_t last) {
    for (int64_t i = last; i > 0; --i) {
      double size = std::abs(t(i - 1, i - 1)) + std::abs(t(i, i));
      if (size == 0) size = norm_;
      if (std::abs(t(i, i - 1)) > std::numeric_limits<double>::epsilon() * size) continue;
      t(i, i - 1) = S{0};
      return i;
    }
    return 0;
  }

  // One sweep over the block: the first reflector is chosen by the shifts, the others bring the form back.
  void chase(int64_t first, int64_t last, int turns) {
    S x[kBulge];
    start_bulge(x, first, last, turns % 10 == 0);
    for (int64_t k = first; k < last; ++k) {
      const int64_t count = std::min(kBulge, last - k + 1);
      if (k > first) {
        for (int64_t i = 0; i < count; ++i) x[i] = t(k + i, k - 1);
      }
      const S tau = make_reflector(x, count, 1);
      if (k > first) {
        t(k, k - 1) = x[0];
        for (int64_t i = 1; i < count; ++i) t(k + i, k - 1) = S{0};
      }
      reflect_rows<S>({x, count, 1, conjugate(tau)}, row(t_, k, k), n_, n_ - k, work_);
      reflect_columns<S>({x, count, 1, tau}, row(t_, 0, k), n_, std::min(k + kBulge, last) + 1);
      reflect_columns<S>({x, count, 1, tau}, row(z_, 0, k), n_, n_);
    }
  }

  // The first column of the product of (T - shift) over the shifts, which are the eigenvalues of the last 2x2 block. `unusual`: others, to
  // leave a cycle.
  void start_bulge(S* x, int64_t first, int64_t last, bool unusual) {
    const S a = t(last - 1, last - 1), b = t(last - 1, last), c = t(last, last - 1), d = t(last, last);
    const double kick = std::abs(c) + (last - 1 > first ? std::abs(t(last - 1, last - 2)) : 0);
    if constexpr (kIsComplex<S>) {
      const S half = (a - d) / 2.0, root = std::sqrt(half * half + b * c);
      const S far = std::abs(half + root) < std::abs(half - root) ? half - root : half + root;  // d + far is one eigenvalue
      const S near = far == S{0} ? d : d - b * c / far;
      x[0] = t(first, first) - (unusual ? d + S(0.75 * kick) : near);
      x[1] = t(first + 1, first);
    } else {
      const S corner = d + S(0.75 * kick);
      const S sum = unusual ? 2 * corner : a + d, determinant = unusual ? corner * corner + 0.4375 * kick * kick : a * d - b * c;
      const S p = t(first, first), q = t(first + 1, first);
      x[0] = p * p + t(first, first + 1) * q - sum * p + determinant;
      x[1] = q * (p + t(first + 1, first + 1) - sum);
      x[2] = q * t(first + 2, first + 1);
    }
  }

  // A real 2x2 block becomes triangular, or its diagonal one value.
  bool split(int64_t i) {
    if constexpr (!kIsComplex<S>) {
      const double a = t(i, i), b = t(i, i + 1), c = t(i + 1, i), d = t(i + 1, i + 1);
      const double half = (a - d) / 2, discriminant = half * half + b * c;
      double cosine, sine;
      if (discriminant >= 0) {
        const double to_root = half + std::copysign(std::sqrt(discriminant), half), size = std::hypot(to_root, c);
        cosine = to_root / size;
        sine = c / size;
      } else {
        const double angle = std::atan2(d - a, b + c) / 2;
        cosine = std::cos(angle);
        sine = std::sin(angle);
      }
      rotate(i, cosine, sine);
      if (discriminant >= 0) {
        t(i + 1, i) = 0;
      } else {
        t(i, i) = t(i + 1, i + 1) = (a + d) / 2;
      }
    }
    return true;
  }

  // T becomes G^T T G and Z becomes Z G, with G = ((cosine, -sine), (sine, cosine)) on i and i + 1.
  void rotate(int64_t i, double cosine, double sine) {
    const auto turn = [&](S& x, S& y) {
      const S turned = S(cosine) * x + S(sine) * y;
      y = S(cosine) * y - S(sine) * x;
      x = turned;
    };
    for (int64_t k = 0; k < n_; ++k) turn(t(i, k), t(i + 1, k));
    for (int64_t k = 0; k < n_; ++k) turn(t(k, i), t(k, i + 1));
    for (int64_t k = 0; k < n_; ++k) turn(*row(z_, k, i), *row(z_, k, i + 1));
  }

  int64_t n_;
  std::vector<S> t_, z_, work_;
  double norm_ = 0;  // the largest element
};

}  // namespace tt::dnn
