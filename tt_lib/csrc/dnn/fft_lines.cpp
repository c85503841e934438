// Mixed-radix passes over interleaved lines: the inner loops run over lines and finished sub-transforms with one twiddle each.
#include "dnn/fft_lines.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <utility>

#include "dnn/instruction_sets.hpp"

namespace tt::dnn {
namespace {

constexpr int64_t kMaxFactor = 61;  // larger primes cost more as a direct sum than Bluestein's convolution

// One pass: x is [radix][m][run], y is [m][radix][run]; sub-transform p is turned by w^(p k) = table[p * k * step].
template <class T>
struct Pass {
  const T *x_re, *x_im;
  T *y_re, *y_im;
  const T *cosines, *sines;
  int64_t n;  // length of the table
  int64_t radix;
  int64_t m;
  int64_t step;  // of the table
  int64_t run;
};

// One complex number of each line, or of as many as a register holds.
template <class T>
struct Point {
  T re, im;
  friend Point operator+(Point a, Point b) { return {a.re + b.re, a.im + b.im}; }
  friend Point operator-(Point a, Point b) { return {a.re - b.re, a.im - b.im}; }
  friend Point operator*(Point a, Point b) { return {a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re}; }
  friend Point operator*(T a, Point b) { return {a * b.re, a * b.im}; }
};

template <class T>
[[gnu::always_inline]] inline Point<T> quarter_turn(Point<T> x) {  // times -i
  return {x.im, -x.re};
}

// The transform of x, in place. Of an odd radix, `table` has cos and sin of 2 pi q / radix for each q.
template <int kRadix, class T>
[[gnu::always_inline]] inline void butterfly(Point<T> (&x)[kRadix], const Point<T> (&table)[kRadix]) {
  if constexpr (kRadix == 2) {
    const Point<T> first = x[0];
    x[0] = first + x[1];
    x[1] = first - x[1];
  } else if constexpr (kRadix == 4) {
    const Point<T> a = x[0] + x[2], b = x[0] - x[2], c = x[1] + x[3], d = quarter_turn(x[1] - x[3]);
    x[0] = a + c;
    x[1] = b + d;
    x[2] = a - c;
    x[3] = b - d;
  } else if constexpr (kRadix == 8) {
    constexpr T kHalfRoot = static_cast<T>(std::numbers::sqrt2 / 2);
    const Point<T> none[4] = {};
    Point<T> even[4] = {x[0] + x[4], x[1] + x[5], x[2] + x[6], x[3] + x[7]};
    Point<T> odd[4] = {x[0] - x[4], x[1] - x[5], x[2] - x[6], x[3] - x[7]};
    odd[1] = kHalfRoot * (odd[1] + quarter_turn(odd[1]));
    odd[2] = quarter_turn(odd[2]);
    odd[3] = kHalfRoot * (quarter_turn(odd[3]) - odd[3]);
    butterfly<4>(even, none);
    butterfly<4>(odd, none);
    for (int k = 0; k < 4; ++k) {
      x[2 * k] = even[k];
      x[2 * k + 1] = odd[k];
    }
  } else {  // elements from both ends have the same cosines, and sines of opposite signs
    constexpr int kHalf = kRadix / 2;
    Point<T> sum[kHalf + 1], difference[kHalf + 1];
    for (int j = 1; j <= kHalf; ++j) {
      sum[j] = x[j] + x[kRadix - j];
      difference[j] = quarter_turn(x[j] - x[kRadix - j]);
    }
    const Point<T> first = x[0];
    for (int j = 1; j <= kHalf; ++j) x[0] = x[0] + sum[j];
    for (int k = 1; k <= kHalf; ++k) {
      Point<T> along = first, across = table[k].im * difference[1];
      for (int j = 1; j <= kHalf; ++j) along = along + table[j * k % kRadix].re * sum[j];
      for (int j = 2; j <= kHalf; ++j) across = across + table[j * k % kRadix].im * difference[j];
      x[k] = along + across;
      x[kRadix - k] = along - across;
    }
  }
}

// `kRun`: the run where that is known. The last pass turns nothing.
template <int kRadix, int64_t kRun, bool kTurns, class T>
[[gnu::always_inline]] inline void pass_of(const Pass<T>& s) {
  Point<T> table[kRadix];
  for (int q = 0; q < kRadix; ++q) {
    const int64_t at = q * (s.n / kRadix);
    table[q] = {s.cosines[at], -s.sines[at]};
  }
  const int64_t run = kRun > 0 ? kRun : s.run, stride = s.m * run;
  for (int64_t p = 0; p < s.m; ++p) {
    Point<T> turn[kRadix];
    for (int k = 1; k < kRadix && kTurns; ++k) turn[k] = {s.cosines[p * k * s.step], s.sines[p * k * s.step]};
    const T *x_re = s.x_re + p * run, *x_im = s.x_im + p * run;
    T *y_re = s.y_re + kRadix * p * run, *y_im = s.y_im + kRadix * p * run;
#pragma GCC ivdep
    for (int64_t i = 0; i < run; ++i) {
      Point<T> x[kRadix];
      for (int k = 0; k < kRadix; ++k) x[k] = {x_re[i + k * stride], x_im[i + k * stride]};
      butterfly<kRadix>(x, table);
      for (int k = 1; k < kRadix && kTurns; ++k) x[k] = x[k] * turn[k];
      for (int k = 0; k < kRadix; ++k) {
        y_re[i + k * run] = x[k].re;
        y_im[i + k * run] = x[k].im;
      }
    }
  }
}

// Any radix, as a direct sum: output k of sub-transform p gathers inputs j turned by w^((j * n / radix + p * step) k).
template <class T>
[[gnu::always_inline]] inline void radix_any(const Pass<T>& s) {
  for (int64_t p = 0; p < s.m; ++p) {
    for (int64_t k = 0; k < s.radix; ++k) {
      T *y_re = s.y_re + (s.radix * p + k) * s.run, *y_im = s.y_im + (s.radix * p + k) * s.run;
      for (int64_t j = 0; j < s.radix; ++j) {
        const int64_t turn = (j * k % s.radix * (s.n / s.radix) + p * k * s.step) % s.n;
        const T c = s.cosines[turn], d = s.sines[turn];
        const T *x_re = s.x_re + (p + s.m * j) * s.run, *x_im = s.x_im + (p + s.m * j) * s.run;
        if (j == 0) {
#pragma GCC ivdep
          for (int64_t i = 0; i < s.run; ++i) {
            y_re[i] = x_re[i] * c - x_im[i] * d;
            y_im[i] = x_re[i] * d + x_im[i] * c;
          }
        } else {
#pragma GCC ivdep
          for (int64_t i = 0; i < s.run; ++i) {
            y_re[i] += x_re[i] * c - x_im[i] * d;
            y_im[i] += x_re[i] * d + x_im[i] * c;
          }
        }
      }
    }
  }
}

template <int kRadix, class T>
void run_radix(const Pass<T>& s) {
  run_on_host<T>([&]() TT_LOOP {
    if (s.m == 1) {
      pass_of<kRadix, 0, false>(s);
    } else if (s.run == kMostLines) {
      pass_of<kRadix, kMostLines, true>(s);
    } else {
      pass_of<kRadix, 0, true>(s);
    }
  });
}

template <class T>
void run_pass(const Pass<T>& s) {
  switch (s.radix) {
    case 2: return run_radix<2>(s);
    case 3: return run_radix<3>(s);
    case 4: return run_radix<4>(s);
    case 5: return run_radix<5>(s);
    case 7: return run_radix<7>(s);
    case 8: return run_radix<8>(s);
    default: run_on_host<T>([&]() TT_LOOP { radix_any(s); });
  }
}

// For one point of a pass, which turns all but the first output of each butterfly unless it is the last pass.
double pass_operations(int64_t radix, bool last) {
  const auto size = static_cast<double>(radix), half = static_cast<double>(radix / 2), turns = last ? 0 : 6 * (size - 1) / size;
  switch (radix) {
    case 2: return turns + 2;
    case 4: return turns + 4;
    case 8: return turns + 7;
    case 3:
    case 5:
    case 7: return turns + 8 * half * (half + 1) / size;
    default: return 8 * size;  // which turns what it sums
  }
}

}  // namespace

template <class T>
FftLength<T>::FftLength(int64_t n) : n_(n) {
  int64_t rest = n;
  for (int64_t factor : {8, 4, 2, 3, 5}) {
    for (; rest > 1 && rest % factor == 0; rest /= factor) factors_.push_back(factor);
  }
  // 8 * 2 costs more than 4 * 4
  const auto two = std::find(factors_.begin(), factors_.end(), 2);
  if (two != factors_.end() && factors_.front() == 8) *two = *std::find(factors_.rbegin(), factors_.rend(), 8) = 4;
  for (int64_t factor = 7; factor * factor <= rest; factor += 2) {
    for (; rest % factor == 0; rest /= factor) factors_.push_back(factor);
  }
  if (rest > 1) factors_.push_back(rest);
  work_elements_ = 2 * n;
  if (!factors_.empty() && factors_.back() > kMaxFactor) {
    plan_chirp();
    return;
  }
  cosines_.resize(static_cast<size_t>(n));
  sines_.resize(static_cast<size_t>(n));
  for (int64_t t = 0; t < n; ++t) {
    const double angle = -2 * std::numbers::pi * static_cast<double>(t) / static_cast<double>(n);
    cosines_[static_cast<size_t>(t)] = static_cast<T>(std::cos(angle));
    sines_[static_cast<size_t>(t)] = static_cast<T>(std::sin(angle));
  }
}

template <class T>
void FftLength<T>::plan_chirp() {
  int64_t m = 1;
  while (m < 2 * n_ - 1) m *= 2;
  // In double precision, as the chirp's transform is exact to T's last bit then.
  const FftLength<double> exact(m);
  std::vector<double> re(static_cast<size_t>(m)), im(static_cast<size_t>(m)), work(static_cast<size_t>(exact.work_elements()));
  for (int64_t t = 0; t < n_; ++t) {
    const double angle = std::numbers::pi * static_cast<double>(t * t % (2 * n_)) / static_cast<double>(n_);
    chirp_re_.push_back(static_cast<T>(std::cos(angle)));
    chirp_im_.push_back(static_cast<T>(-std::sin(angle)));
    const auto mirror = static_cast<size_t>((m - t) % m);
    re[static_cast<size_t>(t)] = re[mirror] = std::cos(angle);
    im[static_cast<size_t>(t)] = im[mirror] = std::sin(angle);
  }
  exact.transform({re.data(), im.data()}, 1, work.data());
  for (size_t t = 0; t < re.size(); ++t) {
    kernel_re_.push_back(static_cast<T>(re[t] / static_cast<double>(m)));
    kernel_im_.push_back(static_cast<T>(im[t] / static_cast<double>(m)));
  }
  convolution_ = std::make_unique<const FftLength>(m);
  work_elements_ = 2 * m + convolution_->work_elements();
}

template <class T>
double FftLength<T>::operations() const {
  if (convolution_) return 2 * convolution_->operations() + 18 * static_cast<double>(convolution_->n());
  double total = 0;
  for (size_t i = 0; i < factors_.size(); ++i) {
    total += static_cast<double>(n_) * pass_operations(factors_[i], i + 1 == factors_.size());
  }
  return total;
}

template <class T>
void FftLength<T>::transform(SplitComplex<T> data, int64_t lines, T* work) const {
  if (n_ <= 1) return;
  return convolution_ ? transform_chirp(data, lines, work) : transform_factors(data, lines, work);
}

template <class T>
void FftLength<T>::transform_factors(SplitComplex<T> data, int64_t lines, T* work) const {
  SplitComplex<T> from = data, to = {work, work + n_ * lines};
  int64_t done = 1, rest = n_;
  for (int64_t factor : factors_) {
    rest /= factor;
    run_pass<T>({from.re, from.im, to.re, to.im, cosines_.data(), sines_.data(), n_, factor, rest, done, done * lines});
    done *= factor;
    std::swap(from, to);
  }
  if (from.re == data.re) return;
  std::copy_n(from.re, n_ * lines, data.re);
  std::copy_n(from.im, n_ * lines, data.im);
}

// X[k] = chirp[k] * sum over t of (x[t] chirp[t]) conj(chirp[k - t])
template <class T>
void FftLength<T>::transform_chirp(SplitComplex<T> data, int64_t lines, T* work) const {
  const int64_t m = convolution_->n();
  const SplitComplex<T> padded{work, work + m * lines};
  T* rest = work + 2 * m * lines;
  const auto multiply = [&](const SplitComplex<T>& from, const SplitComplex<T>& to, const std::vector<T>& by_re,
                            const std::vector<T>& by_im, int64_t count) {
    for (int64_t t = 0; t < count; ++t) {
      const T c = by_re[static_cast<size_t>(t)], d = by_im[static_cast<size_t>(t)];
      for (int64_t i = t * lines; i < (t + 1) * lines; ++i) {
        const T re = from.re[i], im = from.im[i];
        to.re[i] = re * c - im * d;
        to.im[i] = re * d + im * c;
      }
    }
  };
  multiply(data, padded, chirp_re_, chirp_im_, n_);
  std::fill(padded.re + n_ * lines, padded.re + m * lines, T{0});
  std::fill(padded.im + n_ * lines, padded.im + m * lines, T{0});
  convolution_->transform(padded, lines, rest);
  multiply(padded, padded, kernel_re_, kernel_im_, m);
  convolution_->transform({padded.im, padded.re}, lines, rest);
  multiply(padded, data, chirp_re_, chirp_im_, n_);
}

template class FftLength<float>;
template class FftLength<double>;

}  // namespace tt::dnn
