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

// The element, from number j of m on, with the largest size; a NaN counts as largest.
template <class T>
int64_t find_pivot(const T* column, int64_t m, int64_t j) {
  int64_t best = j;
  Real<T> largest = pivot_size(column[j]);
  for (int64_t i = j; i < m; ++i) {
    const Real<T> size = pivot_size(column[i]);
    if (std::isnan(size)) return i;
    if (size > largest) {
      largest = size;
      best = i;
    }
  }
  return best;
}

template <class T>
struct Factors {
  T* lu;
  int32_t *pivots, *permutation;
  int64_t m, n;
};

// `count` columns become those of L and U, from row `first` on; rows are exchanged as wholes.
template <class T>
void factor_panel(const Factors<T>& f, ColumnPanel<T>& panel, int64_t first, int64_t count) {
  panel.load(f.lu + first, f.n, first, count);
  for (int64_t k = 0; k < count; ++k) {
    T* column = panel.column(k);
    const int64_t j = first + k, best = find_pivot(column, f.m, j);
    f.pivots[j] = static_cast<int32_t>(best);
    if (best != j) {
      std::swap_ranges(f.lu + j * f.n, f.lu + (j + 1) * f.n, f.lu + best * f.n);
      for (int64_t c = 0; c < count; ++c) std::swap(panel.column(c)[j], panel.column(c)[best]);
      std::swap(f.permutation[j], f.permutation[best]);
    }
    const int64_t below = f.m - j - 1;
    if (column[j] != T{0}) divide(column + j + 1, column[j], below);
    for (int64_t c = k + 1; c < count; ++c) subtract_multiple(panel.column(c) + j + 1, panel.column(c)[j], column + j + 1, below);
  }
  panel.store(f.lu + first, f.n, first, count);
}

// What a panel leaves to do on its right: each element below its first row loses the same products in the same order as by single columns.
template <class T>
void lu_one(const T* a, const Factors<T>& f) {
  const auto [lu, pivots, permutation, m, n] = f;
  std::copy_n(a, m * n, lu);
  std::iota(permutation, permutation + m, 0);
  ColumnPanel<T> panel(m);
  const int64_t steps = std::min(m, n);
  for (int64_t first = 0; first < steps; first += kPanel) {
    const int64_t count = std::min(kPanel, steps - first), end = first + count;
    factor_panel(f, panel, first, count);
    const auto subtract = [&, lu = lu, n = n](int64_t row, int64_t rows, int64_t products) {
      subtract_products<T>(lu + row * n + end, n, rows, n - end, {lu + row * n + first, n, 1, lu + first * n + end, n, products});
    };
    for (int64_t j = first + 1; j < end; ++j) subtract(j, 1, j - first);
    subtract(end, m - end, count);
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
      lu_one<T>(reinterpret_cast<const T*>(k.dram(0)) + unit * m * n,
                {reinterpret_cast<T*>(k.dram(1)) + unit * m * n, reinterpret_cast<int32_t*>(k.dram(2)) + unit * steps,
                 reinterpret_cast<int32_t*>(k.dram(3)) + unit * m, m, n});
    };
  });
  add_matrix_kernel(program, std::move(work), chip);
  return program;
}

}  // namespace tt::dnn
