// Updates of a matrix by vectors, four rows at a time.
#include "dnn/linalg_wide.hpp"

#include <algorithm>

#include "dnn/instruction_sets.hpp"

namespace tt::dnn {
namespace {

// Complex rows are rows of twice as many real elements: l r is Re(l) r + Im(l) (i r), and i r a row of its own.
struct Factors {
  const double* values;  // of row i at i * step
  int64_t step;
};

template <int kTerms, int kSums>
struct RealUpdate {
  Factors left[kTerms];
  const double* right[kTerms];
  Factors weights[kSums];
  double* sums[kSums];
};

template <int kRows, int kTerms, int kSums>
[[gnu::always_inline]] inline void update_rows(double* a, int64_t stride, int64_t columns, int64_t i, const RealUpdate<kTerms, kSums>& u) {
  double left[kRows][kTerms], weights[kRows][kSums];
  for (int r = 0; r < kRows; ++r) {
    for (int t = 0; t < kTerms; ++t) left[r][t] = u.left[t].values[(i + r) * u.left[t].step];
    for (int s = 0; s < kSums; ++s) weights[r][s] = u.weights[s].values[(i + r) * u.weights[s].step];
  }
  double* row = a + i * stride;
#pragma GCC ivdep
  for (int64_t k = 0; k < columns; ++k) {
    double totals[kSums];
    for (int s = 0; s < kSums; ++s) totals[s] = u.sums[s][k];
    for (int r = 0; r < kRows; ++r) {
      double change = left[r][0] * u.right[0][k];
      for (int t = 1; t < kTerms; ++t) change += left[r][t] * u.right[t][k];
      const double value = row[r * stride + k] - change;
      row[r * stride + k] = value;
      for (int s = 0; s < kSums; ++s) totals[s] += weights[r][s] * value;
    }
    for (int s = 0; s < kSums; ++s) u.sums[s][k] = totals[s];
  }
}

template <int kTerms, int kSums>
void update_reals(double* a, int64_t stride, int64_t rows, int64_t columns, const RealUpdate<kTerms, kSums>& update) {
  run_on_host<double>([&]() TT_LOOP {
    const RealUpdate<kTerms, kSums> u = update;
    constexpr int kRows = 4;  // at a time
    int64_t i = 0;
    for (; i + kRows <= rows; i += kRows) update_rows<kRows>(a, stride, columns, i, u);
    for (; i < rows; ++i) update_rows<1>(a, stride, columns, i, u);
  });
}

// i times each element
std::vector<double> turned(const std::complex<double>* x, int64_t n) {
  std::vector<double> out;
  out.reserve(static_cast<size_t>(2 * n));
  for (int64_t k = 0; k < n; ++k) {
    out.push_back(-x[k].imag());
    out.push_back(x[k].real());
  }
  return out;
}

void dot_rows(const double* a, int64_t stride, int64_t rows, int64_t columns, const double* x, double* result, int64_t result_step) {
  run_on_host<double>([&]() TT_LOOP {
    constexpr int64_t kSums = 8;  // side by side
    const int64_t whole = columns / kSums * kSums;
    for (int64_t i = 0; i < rows; ++i) {
      const double* row = a + i * stride;
      double sums[kSums] = {};
      for (int64_t k = 0; k < whole; k += kSums) {
        for (int64_t s = 0; s < kSums; ++s) sums[s] += row[k + s] * x[k + s];
      }
      for (int64_t k = whole; k < columns; ++k) sums[k - whole] += row[k] * x[k];
      result[i * result_step] = ((sums[0] + sums[4]) + (sums[2] + sums[6])) + ((sums[1] + sums[5]) + (sums[3] + sums[7]));
    }
  });
}

}  // namespace

template <int kTerms>
void update_and_sum(double* a, int64_t stride, int64_t rows, int64_t columns, const Update<double, kTerms>& u) {
  RealUpdate<kTerms, 1> real{.left = {}, .right = {}, .weights = {{u.weights, 1}}, .sums = {u.sum}};
  for (int t = 0; t < kTerms; ++t) {
    real.left[t] = {u.left[t], 1};
    real.right[t] = u.right[t];
  }
  update_reals(a, stride, rows, columns, real);
}

template <int kTerms>
void update_and_sum(std::complex<double>* a, int64_t stride, int64_t rows, int64_t columns, const Update<std::complex<double>, kTerms>& u) {
  const auto parts = [](auto* x) {
    return reinterpret_cast<std::conditional_t<std::is_const_v<std::remove_pointer_t<decltype(x)>>, const double, double>*>(x);
  };
  std::vector<double> turned_right[kTerms], turned_sum(static_cast<size_t>(2 * columns));
  RealUpdate<2 * kTerms, 2> real{
      .left = {}, .right = {}, .weights = {{parts(u.weights), 2}, {parts(u.weights) + 1, 2}}, .sums = {parts(u.sum), turned_sum.data()}};
  for (int t = 0; t < kTerms; ++t) {
    turned_right[t] = turned(u.right[t], columns);
    real.left[2 * t] = {parts(u.left[t]), 2};
    real.left[2 * t + 1] = {parts(u.left[t]) + 1, 2};
    real.right[2 * t] = parts(u.right[t]);
    real.right[2 * t + 1] = turned_right[t].data();
  }
  update_reals(parts(a), 2 * stride, rows, 2 * columns, real);
  for (int64_t k = 0; k < columns; ++k) {
    u.sum[k] += std::complex<double>(-turned_sum[static_cast<size_t>(2 * k + 1)], turned_sum[static_cast<size_t>(2 * k)]);
  }
}

void multiply_rows(const double* a, int64_t stride, int64_t rows, int64_t columns, const double* x, double* result) {
  dot_rows(a, stride, rows, columns, x, result, 1);
}

void multiply_rows(const std::complex<double>* a, int64_t stride, int64_t rows, int64_t columns, const std::complex<double>* x,
                   std::complex<double>* result) {
  std::vector<double> for_re, for_im;
  for (int64_t k = 0; k < columns; ++k) {
    for_re.insert(for_re.end(), {x[k].real(), -x[k].imag()});
    for_im.insert(for_im.end(), {x[k].imag(), x[k].real()});
  }
  auto* parts = reinterpret_cast<double*>(result);
  dot_rows(reinterpret_cast<const double*>(a), 2 * stride, rows, 2 * columns, for_re.data(), parts, 2);
  dot_rows(reinterpret_cast<const double*>(a), 2 * stride, rows, 2 * columns, for_im.data(), parts + 1, 2);
}

// Each reflector is applied while the rows are read for the one before it.
template <class S>
std::vector<S> product_of(const Reflectors<S>& reflectors, int64_t rows, int64_t columns) {
  const auto at = [](int64_t i) { return static_cast<size_t>(i); };
  std::vector<S> q(at(rows * columns));
  for (int64_t i = 0; i < std::min(rows, columns); ++i) q[at(i * columns + i)] = S{1};
  std::vector<S> scaled(at(rows)), weights(at(rows)), sum(at(columns)), next(at(columns));
  for (int64_t j = reflectors.count - 1; j >= -1; --j) {
    const int64_t top = std::max<int64_t>(j, 0) + reflectors.offset;  // row and column
    if (top >= columns) continue;
    const S* v = reflectors.v + std::max<int64_t>(j, 0) * reflectors.stride;
    for (int64_t i = top; i < rows; ++i) weights[at(i)] = j < 0 ? S{0} : conjugate(v[i]);
    std::fill(next.begin() + top, next.end(), S{0});
    update_and_sum(q.data() + top * columns + top, columns, rows - top, columns - top,
                   Update<S, 1>{{&scaled[at(top)]}, {&sum[at(top)]}, &weights[at(top)], &next[at(top)]});
    if (j < 0) break;
    for (int64_t i = top; i < rows; ++i) scaled[at(i)] = product(reflectors.tau[j], v[i]);
    std::swap(sum, next);
  }
  return q;
}

template void update_and_sum(double*, int64_t, int64_t, int64_t, const Update<double, 2>&);
template void update_and_sum(std::complex<double>*, int64_t, int64_t, int64_t, const Update<std::complex<double>, 2>&);
template std::vector<double> product_of(const Reflectors<double>&, int64_t, int64_t);
template std::vector<std::complex<double>> product_of(const Reflectors<std::complex<double>>&, int64_t, int64_t);

}  // namespace tt::dnn
