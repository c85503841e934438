// What eigenvectors and singular vectors share: matrices in double precision, and loops over them that read and write each element once.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "dnn/linalg_matrix.hpp"

namespace tt::dnn {

template <class T>
using Wide = std::conditional_t<kIsComplex<T>, std::complex<double>, double>;

// Largest part of an element. NaN when one is NaN.
template <class T>
double largest_part(const T* a, int64_t n) {
  const auto* parts = reinterpret_cast<const Real<T>*>(a);
  double largest = 0;
  for (int64_t i = 0; i < n * static_cast<int64_t>(sizeof(T) / sizeof(Real<T>)); ++i) {
    const double size = std::abs(static_cast<double>(parts[i]));
    if (!(size <= largest)) largest = size;
    if (std::isnan(size)) break;
  }
  return largest;
}

// A power of two that brings elements to a size below two, so that no square overflows.
inline double scale_for(double largest) { return largest == 0 ? 1 : std::ldexp(1.0, -std::clamp(std::ilogb(largest), -1000, 1000)); }

template <class T>
void fill_with_nan(T* to, int64_t n) {
  if (to != nullptr) std::fill_n(to, n, T(std::numeric_limits<Real<T>>::quiet_NaN()));
}

// a minus the sum of left right^T, and the weighted sum of its rows then, which is added to `sum`.
template <class S, int kTerms>
struct Update {
  const S* left[kTerms];
  const S* right[kTerms];
  const S* weights;
  S* sum;
};

// a: `rows` rows of `columns` elements, `stride` apart.
template <int kTerms>
void update_and_sum(double* a, int64_t stride, int64_t rows, int64_t columns, const Update<double, kTerms>& u);
template <int kTerms>
void update_and_sum(std::complex<double>* a, int64_t stride, int64_t rows, int64_t columns, const Update<std::complex<double>, kTerms>& u);

// result[i] = the sum of row i times x.
void multiply_rows(const double* a, int64_t stride, int64_t rows, int64_t columns, const double* x, double* result);
void multiply_rows(const std::complex<double>* a, int64_t stride, int64_t rows, int64_t columns, const std::complex<double>* x,
                   std::complex<double>* result);

// Reflectors I - tau v v^H number j = 0 ... count - 1, whose v begins with an explicit one at element j + offset of row j.
template <class S>
struct Reflectors {
  const S* v;
  const S* tau;
  int64_t count, offset, stride;
};

// The first `columns` columns of their product, as rows.
template <class S>
std::vector<S> product_of(const Reflectors<S>& reflectors, int64_t rows, int64_t columns);

extern template void update_and_sum(double*, int64_t, int64_t, int64_t, const Update<double, 2>&);
extern template void update_and_sum(std::complex<double>*, int64_t, int64_t, int64_t, const Update<std::complex<double>, 2>&);
extern template std::vector<double> product_of(const Reflectors<double>&, int64_t, int64_t);
extern template std::vector<std::complex<double>> product_of(const Reflectors<std::complex<double>>&, int64_t, int64_t);

}  // namespace tt::dnn
