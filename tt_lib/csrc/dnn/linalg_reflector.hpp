// Householder reflectors I - tau v v^H whose v is (1, x[stride], x[2 stride], ...), as LAPACK stores them.
#pragma once

#include <algorithm>
#include <cmath>
#include <vector>

#include "dnn/linalg_matrix.hpp"

namespace tt::dnn {

// Chooses v and tau so that (I - conj(tau) v v^H) maps x (n elements, `stride` apart) to (beta, 0 ...); x becomes (beta, rest of v).
template <class T>
T make_reflector(T* x, int64_t n, int64_t stride) {
  double below = 0;
  for (int64_t i = 1; i < n; ++i) below += static_cast<double>(squared_magnitude(x[i * stride]));
  const T alpha = x[0];
  if (below == 0 && squared_magnitude(T(alpha - T(real(alpha)))) == 0) return T{0};
  const auto norm = static_cast<Real<T>>(std::sqrt(static_cast<double>(squared_magnitude(alpha)) + below));
  const Real<T> beta = -std::copysign(norm, real(alpha));
  const T scale = T{1} / (alpha - T(beta));
  for (int64_t i = 1; i < n; ++i) x[i * stride] = product(x[i * stride], scale);
  x[0] = beta;
  return (T(beta) - alpha) / T(beta);
}

template <class T>
struct Reflector {
  const T* x;
  int64_t n, stride;
  T tau;
  T v(int64_t i) const { return i == 0 ? T{1} : x[i * stride]; }
};

// The n rows of c (`columns` elements each, `row_stride` apart) become (I - tau v v^H) c. `work` has room for a row.
template <class T>
void reflect_rows(const Reflector<T>& r, T* c, int64_t row_stride, int64_t columns, std::vector<T>& work) {
  if (r.tau == T{0} || columns <= 0) return;
  std::fill_n(work.begin(), columns, T{0});
  for (int64_t i = 0; i < r.n; ++i) subtract_multiple(work.data(), -conjugate(r.v(i)), c + i * row_stride, columns);
  for (int64_t i = 0; i < r.n; ++i) subtract_multiple(c + i * row_stride, product(r.tau, r.v(i)), work.data(), columns);
}

// The n columns of c (in `rows` rows, `row_stride` apart) become c (I - tau v v^H).
template <class T>
void reflect_columns(const Reflector<T>& r, T* c, int64_t row_stride, int64_t rows) {
  if (r.tau == T{0}) return;
  for (int64_t i = 0; i < rows; ++i) {
    T* row = c + i * row_stride;
    T sum{0};
    for (int64_t j = 0; j < r.n; ++j) sum += product(row[j], r.v(j));
    sum = product(sum, r.tau);
    for (int64_t j = 0; j < r.n; ++j) row[j] -= product(sum, conjugate(r.v(j)));
  }
}

// a (n x n) becomes Q^H a Q, upper Hessenberg, with the vectors of the n - 1 reflectors whose product is Q below its subdiagonal.
template <class T>
void reduce_to_hessenberg(T* a, T* tau, int64_t n) {
  std::vector<T> work(static_cast<size_t>(n));
  for (int64_t i = 0; i + 1 < n; ++i) {
    T* x = a + (i + 1) * n + i;
    const int64_t count = n - 1 - i;
    tau[i] = make_reflector(x, count, n);
    reflect_columns<T>({x, count, n, tau[i]}, a + i + 1, n, n);
    reflect_rows<T>({x, count, n, conjugate(tau[i])}, a + (i + 1) * n + i + 1, n, count, work);
  }
}

}  // namespace tt::dnn
