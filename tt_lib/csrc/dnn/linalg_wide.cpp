// Updates of a matrix by vectors, four rows at a time.
#include "dnn/linalg_wide.hpp"

#include <algorithm>

#include "dnn/instruction_sets.hpp"

namespace tt::dnn {
namespace {

template <int kRows, class S>
[[gnu::always_inline]] inline void update_rows(S* a, int64_t stride, int64_t columns, int64_t i, const Rank2Update<S>& u) {
  S l0[kRows], l1[kRows], weight[kRows];
  for (int r = 0; r < kRows; ++r) l0[r] = u.l0[i + r], l1[r] = u.l1[i + r], weight[r] = u.weights[i + r];
  S* row = a + i * stride;
  const S *r0 = u.r0, *r1 = u.r1;
  S* sum = u.sum;
#pragma GCC ivdep
  for (int64_t k = 0; k < columns; ++k) {
    S total = sum[k];
    for (int r = 0; r < kRows; ++r) {
      const S value = row[r * stride + k] - (product(l0[r], r0[k]) + product(l1[r], r1[k]));
      row[r * stride + k] = value;
      total += product(weight[r], value);
    }
    sum[k] = total;
  }
}

}  // namespace

template <class S>
void update_and_sum(S* a, int64_t stride, int64_t rows, int64_t columns, const Rank2Update<S>& u) {
  run_on_host<S>([&]() TT_LOOP {
    int64_t i = 0;
    for (; i + 4 <= rows; i += 4) update_rows<4>(a, stride, columns, i, u);
    for (; i < rows; ++i) update_rows<1>(a, stride, columns, i, u);
  });
}

template <class S>
void multiply_rows(const S* a, int64_t stride, int64_t rows, int64_t columns, const S* x, S* result) {
  run_on_host<S>([&]() TT_LOOP {
    constexpr int64_t kSums = 8;  // side by side
    const int64_t whole = columns / kSums * kSums;
    for (int64_t i = 0; i < rows; ++i) {
      const S* row = a + i * stride;
      S sums[kSums] = {};
      for (int64_t k = 0; k < whole; k += kSums) {
        for (int64_t s = 0; s < kSums; ++s) sums[s] += product(row[k + s], x[k + s]);
      }
      for (int64_t k = whole; k < columns; ++k) sums[k - whole] += product(row[k], x[k]);
      result[i] = ((sums[0] + sums[4]) + (sums[2] + sums[6])) + ((sums[1] + sums[5]) + (sums[3] + sums[7]));
    }
  });
}

// Each reflector is applied while the rows are read for the one before it.
template <class S>
std::vector<S> product_of(const Reflectors<S>& reflectors, int64_t rows, int64_t columns) {
  const auto at = [](int64_t i) { return static_cast<size_t>(i); };
  std::vector<S> q(at(rows * columns));
  for (int64_t i = 0; i < std::min(rows, columns); ++i) q[at(i * columns + i)] = S{1};
  std::vector<S> scaled(at(rows)), weights(at(rows)), sum(at(columns)), next(at(columns)), none(at(std::max(rows, columns)));
  for (int64_t j = reflectors.count - 1; j >= -1; --j) {
    const int64_t top = std::max<int64_t>(j, 0) + reflectors.offset;  // row and column
    if (top >= columns) continue;
    const S* v = reflectors.v + std::max<int64_t>(j, 0) * reflectors.stride;
    for (int64_t i = top; i < rows; ++i) weights[at(i)] = j < 0 ? S{0} : conjugate(v[i]);
    std::fill(next.begin() + top, next.end(), S{0});
    update_and_sum<S>(q.data() + top * columns + top, columns, rows - top, columns - top,
                      {&scaled[at(top)], &sum[at(top)], none.data(), none.data(), &weights[at(top)], &next[at(top)]});
    if (j < 0) break;
    for (int64_t i = top; i < rows; ++i) scaled[at(i)] = product(reflectors.tau[j], v[i]);
    std::swap(sum, next);
  }
  return q;
}

template void update_and_sum(double*, int64_t, int64_t, int64_t, const Rank2Update<double>&);
template void update_and_sum(std::complex<double>*, int64_t, int64_t, int64_t, const Rank2Update<std::complex<double>>&);
template void multiply_rows(const double*, int64_t, int64_t, int64_t, const double*, double*);
template void multiply_rows(const std::complex<double>*, int64_t, int64_t, int64_t, const std::complex<double>*, std::complex<double>*);
template std::vector<double> product_of(const Reflectors<double>&, int64_t, int64_t);
template std::vector<std::complex<double>> product_of(const Reflectors<std::complex<double>>&, int64_t, int64_t);

}  // namespace tt::dnn
