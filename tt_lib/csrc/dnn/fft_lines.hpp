// The transform of one length: factors and twiddles, prepared once, then applied to several lines at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace tt::dnn {

constexpr int64_t kMostLines = 8;  // that are transformed together

// Real and imaginary parts apart; element t of line v at t * lines + v.
template <class T>
struct SplitComplex {
  T* re;
  T* im;
};

template <class T>
class FftLength {
 public:
  explicit FftLength(int64_t n);

  int64_t n() const { return n_; }
  int64_t work_elements() const { return work_elements_; }  // per line: room (re and im together) that `transform` needs
  double operations() const;                                // per line, floating point

  // Forward transform of `lines` lines, in place. The inverse times n is the forward transform with re and im exchanged.
  void transform(SplitComplex<T> data, int64_t lines, T* work) const;

 private:
  // Stockham's autosort form, one pass per factor; Bluestein's convolution when a prime factor is large.
  void transform_factors(SplitComplex<T> data, int64_t lines, T* work) const;
  void transform_chirp(SplitComplex<T> data, int64_t lines, T* work) const;
  void plan_chirp();

  int64_t n_;
  int64_t work_elements_ = 0;
  std::vector<int64_t> factors_;
  std::vector<T> cosines_, sines_;                // of -2 pi t / n
  std::unique_ptr<const FftLength> convolution_;  // Bluestein: a power of two >= 2 n - 1
  std::vector<T> chirp_re_, chirp_im_;            // exp(-pi i t^2 / n)
  std::vector<T> kernel_re_, kernel_im_;          // transform of the conjugate chirp, divided by its length
};

extern template class FftLength<float>;
extern template class FftLength<double>;

}  // namespace tt::dnn
