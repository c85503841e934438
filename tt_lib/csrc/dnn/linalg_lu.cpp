// LU decomposition with partial pivoting, right-looking, by panels of columns.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "dnn/linalg.hpp"
#include "dnn/linalg_matrix.hpp"

namespace tt::dnn {
namespace {

// What LAPACK compares when it looks for a pivot.
template <class T>
Real<T> pivot_size(T a) {
  if constexpr (kIsComplex<T>) {
    return std::abs(a.real()) + std::abs(a.imag());
  } else {
    return std::abs(a);
  }
}

// The row, from j on, with the largest entry of column j; a NaN counts as largest.
template <class T>
int64_t find_pivot(const T* lu, int64_t m, int64_t n, int64_t j) {
  int64_t best = j;
  for (int64_t i = j; i < m; ++i) {
    const Real<T> size = pivot_size(lu[i * n + j]);
    if (std::isnan(size)) return i;
    if (size > pivot_size(lu[best * n + j])) best = i;
  }
  return best;
}

// Columns [first, end) of the rows from `first` on become those of L and U; rows are exchanged as wholes.
template <class T>
void factor_panel(T* lu, int32_t* pivots, int32_t* permutation, int64_t m, int64_t n, int64_t first, int64_t end) {
  for (int64_t j = first; j < end; ++j) {
    const int64_t best = find_pivot(lu, m, n, j);
    pivots[j] = static_cast<int32_t>(best);
    if (best != j) {
      std::swap_ranges(lu + j * n, lu + (j + 1) * n, lu + best * n);
      std::swap(permutation[j], permutation[best]);
    }
    const T pivot = lu[j * n + j];
    for (int64_t i = j + 1; i < m; ++i) {
      T* row = lu + i * n;
      if (pivot != T{0}) row[j] /= pivot;
      for (int64_t c = j + 1; c < end; ++c) row[c] -= product(row[j], lu[j * n + c]);
    }
  }
}

// What a panel leaves to do on its right: each element below its first row loses the same products in the same order as by single columns.
template <class T>
void lu_one(const T* a, T* lu, int32_t* pivots, int32_t* permutation, int64_t m, int64_t n) {
  std::copy_n(a, m * n, lu);
  std::iota(permutation, permutation + m, 0);
  const int64_t steps = std::min(m, n);
  for (int64_t first = 0; first < steps; first += kPanel) {
    const int64_t end = std::min(first + kPanel, steps);
    factor_panel(lu, pivots, permutation, m, n, first, end);
    const auto subtract = [&](int64_t row, int64_t rows, int64_t count) {
      subtract_products<T>(lu + row * n + end, n, rows, n - end, {lu + row * n + first, n, 1, lu + first * n + end, n, count});
    };
    for (int64_t j = first + 1; j < end; ++j) subtract(j, 1, j - first);
    subtract(end, m - end, end - first);
  }
}

}  // namespace

Program lu(const LuSpec& spec, const ChipSpec& chip) {
  const auto [batch, m, n] = matrix_dims(spec.name, spec.dims);
  const int64_t bytes = m * n * size_of(spec.type), steps = std::min(m, n), index_bytes = size_of(DataType::kS32);
  Program program(spec.name);
  program.add_input("a", batch * bytes);
  program.add_output("lu", batch * bytes);
  program.add_output("pivots", batch * steps * index_bytes);
  program.add_output("permutation", batch * m * index_bytes);
  program.add_note(cat(batch, " matrices ", name(spec.type), " ", m, "x", n));
  const double flops = 2.0 / 3 * static_cast<double>(m * n) * static_cast<double>(steps) * (is_complex(spec.type) ? 4 : 1);
  MatrixWork work{batch, bytes, bytes + (steps + m) * index_bytes, flops, real_part(spec.type) == DataType::kF64, {}};
  with_scalar(spec.name, spec.type, [&]<class T>() {
    work.run = [m = m, n = n, steps](const Dataflow& k, int64_t unit) {
      lu_one(reinterpret_cast<const T*>(k.dram(0)) + unit * m * n, reinterpret_cast<T*>(k.dram(1)) + unit * m * n,
             reinterpret_cast<int32_t*>(k.dram(2)) + unit * steps, reinterpret_cast<int32_t*>(k.dram(3)) + unit * m, m, n);
    };
  });
  add_matrix_kernel(program, std::move(work), chip);
  return program;
}

}  // namespace tt::dnn
