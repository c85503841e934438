// Between lines in memory and the transform's order, where the elements of several lines lie side by side.
#pragma once

#include <array>

#include "dnn/fft_lines.hpp"

namespace tt::dnn {

// Lines in an array of T: line v begins at starts[v], its elements are `step` apart, `parts` of T each.
struct LinePlaces {
  std::array<int64_t, kMostLines> starts;
  int64_t count;
  int64_t step;
  int64_t parts;
};

// The first n elements of each line. Those of one part are real.
template <class T>
void gather_lines(const T* from, const LinePlaces& places, int64_t n, SplitComplex<T> to);

// The same back, times `scale`.
template <class T>
void scatter_lines(SplitComplex<T> from, T scale, const LinePlaces& places, int64_t n, T* to);

// A real line of even length n, transformed as n / 2 complex numbers: from their transform to the first n / 2 + 1 elements of its own,
// and back (times two). In place; `lines` side by side.
template <class T>
class RealLength {
 public:
  explicit RealLength(int64_t n);

  void split(SplitComplex<T> data, int64_t lines) const;
  void join(SplitComplex<T> data, int64_t lines) const;
  double operations() const { return 9 * static_cast<double>(half_); }  // of either, per line

 private:
  int64_t half_;
  std::vector<T> cosines_, sines_;  // of -2 pi k / n, up to a quarter turn
};

extern template void gather_lines(const float*, const LinePlaces&, int64_t, SplitComplex<float>);
extern template void gather_lines(const double*, const LinePlaces&, int64_t, SplitComplex<double>);
extern template void scatter_lines(SplitComplex<float>, float, const LinePlaces&, int64_t, float*);
extern template void scatter_lines(SplitComplex<double>, double, const LinePlaces&, int64_t, double*);
extern template class RealLength<float>;
extern template class RealLength<double>;

}  // namespace tt::dnn
