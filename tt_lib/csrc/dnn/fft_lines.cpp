// Mixed-radix passes over interleaved lines: the inner loops run over lines and finished sub-transforms with one twiddle each.
#include "dnn/fft_lines.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <utility>

#include "emulator/tile_program.hpp"

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

template <class T>
[[gnu::always_inline]] inline void radix2(const Pass<T>& s) {
  for (int64_t p = 0; p < s.m; ++p) {
    const T c = s.cosines[p * s.step], d = s.sines[p * s.step];
    const T *a_re = s.x_re + p * s.run, *a_im = s.x_im + p * s.run, *b_re = a_re + s.m * s.run, *b_im = a_im + s.m * s.run;
    T *y0_re = s.y_re + 2 * p * s.run, *y0_im = s.y_im + 2 * p * s.run, *y1_re = y0_re + s.run, *y1_im = y0_im + s.run;
#pragma GCC ivdep
    for (int64_t i = 0; i < s.run; ++i) {
      const T re = a_re[i] - b_re[i], im = a_im[i] - b_im[i];
      y0_re[i] = a_re[i] + b_re[i];
      y0_im[i] = a_im[i] + b_im[i];
      y1_re[i] = re * c - im * d;
      y1_im[i] = re * d + im * c;
    }
  }
}

template <class T>
[[gnu::always_inline]] inline void radix4(const Pass<T>& s) {
  for (int64_t p = 0; p < s.m; ++p) {
    const int64_t at = p * s.step, stride = s.m * s.run;
    const T c1 = s.cosines[at], d1 = s.sines[at], c2 = s.cosines[2 * at], d2 = s.sines[2 * at], c3 = s.cosines[3 * at],
            d3 = s.sines[3 * at];
    const T *x_re = s.x_re + p * s.run, *x_im = s.x_im + p * s.run;
    T *y_re = s.y_re + 4 * p * s.run, *y_im = s.y_im + 4 * p * s.run;
#pragma GCC ivdep
    for (int64_t i = 0; i < s.run; ++i) {
      const T a_re = x_re[i] + x_re[i + 2 * stride], a_im = x_im[i] + x_im[i + 2 * stride];
      const T b_re = x_re[i] - x_re[i + 2 * stride], b_im = x_im[i] - x_im[i + 2 * stride];
      const T c_re = x_re[i + stride] + x_re[i + 3 * stride], c_im = x_im[i + stride] + x_im[i + 3 * stride];
      // -i times the difference
      const T e_re = x_im[i + stride] - x_im[i + 3 * stride], e_im = x_re[i + 3 * stride] - x_re[i + stride];
      const T u1_re = b_re + e_re, u1_im = b_im + e_im, u2_re = a_re - c_re, u2_im = a_im - c_im, u3_re = b_re - e_re, u3_im = b_im - e_im;
      y_re[i] = a_re + c_re;
      y_im[i] = a_im + c_im;
      y_re[i + s.run] = u1_re * c1 - u1_im * d1;
      y_im[i + s.run] = u1_re * d1 + u1_im * c1;
      y_re[i + 2 * s.run] = u2_re * c2 - u2_im * d2;
      y_im[i + 2 * s.run] = u2_re * d2 + u2_im * c2;
      y_re[i + 3 * s.run] = u3_re * c3 - u3_im * d3;
      y_im[i + 3 * s.run] = u3_re * d3 + u3_im * c3;
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

template <class T>
[[gnu::always_inline]] inline void any_pass(const Pass<T>& pass) {
  if (pass.radix == 4) return radix4(pass);
  if (pass.radix == 2) return radix2(pass);
  radix_any(pass);
}

template <class T>
[[gnu::optimize("O3")]] void pass_portable(const Pass<T>& pass) {
  any_pass(pass);
}
template <class T>
[[gnu::target("avx2"), gnu::optimize("O3")]] void pass_avx2(const Pass<T>& pass) {
  any_pass(pass);
}

template <class T>
void run_pass(const Pass<T>& pass) {
  return emulator::simd() == emulator::Simd::kPortable ? pass_portable(pass) : pass_avx2(pass);
}

}  // namespace

template <class T>
FftLength<T>::FftLength(int64_t n) : n_(n) {
  int64_t rest = n;
  for (int64_t factor : {4, 2, 3, 5}) {
    for (; rest > 1 && rest % factor == 0; rest /= factor) factors_.push_back(factor);
  }
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
  for (int64_t factor : factors_) {
    total += static_cast<double>(n_) * (factor == 4 ? 8.5 : factor == 2 ? 5 : 8.0 * static_cast<double>(factor));
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
