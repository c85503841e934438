// Cholesky factorisation and triangular solves, right-looking: the inner loops subtract multiples of several rows.
#include "dnn/linalg.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "dnn/linalg_matrix.hpp"

namespace tt::dnn {
namespace {

// Factors the lower triangle of t (n x n) in place, by panels of columns; false when it is not positive definite.
template <class T>
bool factor_lower(T* t, int64_t n) {
  ColumnPanel<T> panel(n);
  for (int64_t first = 0; first < n; first += kPanel) {
    const int64_t count = std::min(kPanel, n - first), end = first + count;
    panel.load(t + first, n, first, count);
    for (int64_t k = 0; k < count; ++k) {
      T* column = panel.column(k);
      const int64_t j = first + k;
      const Real<T> pivot = real(column[j]);
      if (!(pivot > 0)) return false;
      const Real<T> root = std::sqrt(pivot);
      column[j] = root;
      divide(column + j + 1, root, n - j - 1);
      for (int64_t c = j + 1; c < end; ++c) subtract_multiple(panel.column(c - first) + c, conjugate(column[c]), column + c, n - c);
    }
    panel.store(t + first, n, first, count);
    for (T* x = panel.column(0); kIsComplex<T> && x < panel.column(count); ++x) *x = conjugate(*x);
    // Two rows at a time, the first of them with an element that nobody reads.
    for (int64_t i = end; i < n; i += 2) {
      const int64_t rows = std::min<int64_t>(2, n - i);
      subtract_products<T>(t + i * n + end, n, rows, i + rows - end, {t + i * n + first, n, 1, panel.column(0) + end, n, count});
    }
  }
  return true;
}

template <class T>
void cholesky_one(const T* a, T* out, int64_t n, bool lower) {
  std::vector<T> t(static_cast<size_t>(n * n));
  for (int64_t i = 0; i < n; ++i) {
    for (int64_t j = 0; j <= i; ++j) t[static_cast<size_t>(i * n + j)] = lower ? a[i * n + j] : conjugate(a[j * n + i]);
  }
  if (!factor_lower(t.data(), n)) {
    std::fill_n(out, n * n, T(std::numeric_limits<Real<T>>::quiet_NaN()));
    return;
  }
  std::copy_n(a, n * n, out);
  for (int64_t i = 0; i < n; ++i) {
    for (int64_t j = 0; j <= i; ++j) {
      const T value = t[static_cast<size_t>(i * n + j)];
      (lower ? out[i * n + j] : out[j * n + i]) = lower ? value : conjugate(value);
    }
  }
}

// A solve brought to the form t x = b with x and b row-major n x columns.
struct SolvePlan {
  int64_t n;
  int64_t m;      // right-hand sides of one matrix
  int64_t block;  // of them per unit
  int64_t blocks;
  bool left_side, lower, unit_diagonal;
  Transpose transpose;
};

// t = op(a), or its transpose for a right-hand solve; returns whether t is lower triangular.
template <class T>
bool load_triangle(const SolvePlan& plan, const T* a, T* t) {
  const bool transposed = (plan.transpose != Transpose::kNone) == plan.left_side;
  const bool conjugated = plan.transpose == Transpose::kAdjoint;
  const int64_t n = plan.n;
  for (int64_t i = 0; i < n; ++i) {
    for (int64_t j = plan.lower ? 0 : i; j < (plan.lower ? i + 1 : n); ++j) {
      const T value = conjugated ? conjugate(a[i * n + j]) : a[i * n + j];
      t[transposed ? j * n + i : i * n + j] = i == j && plan.unit_diagonal ? T{1} : value;
    }
  }
  return plan.lower != transposed;
}

template <class T>
void solve_block(const SolvePlan& plan, const T* a, const T* b, T* x, int64_t first, int64_t count) {
  const int64_t n = plan.n;
  std::vector<T> t(static_cast<size_t>(n * n)), rows(static_cast<size_t>(n * count));
  const bool forward = load_triangle(plan, a, t.data());
  const int64_t row_stride = plan.left_side ? plan.m : 1, column_stride = plan.left_side ? 1 : n;
  for (int64_t i = 0; i < n; ++i) {
    for (int64_t c = 0; c < count; ++c) rows[static_cast<size_t>(i * count + c)] = b[i * row_stride + (first + c) * column_stride];
  }
  // Unknown number `step`, counted from the end that is known first.
  const int64_t sign = forward ? 1 : -1, head = forward ? 0 : n - 1;
  const auto row = [&](int64_t step) { return rows.data() + (head + sign * step) * count; };
  const auto factor = [&](int64_t step, int64_t known) { return t.data() + (head + sign * step) * n + head + sign * known; };
  for (int64_t first = 0; first < n; first += kPanel) {
    const int64_t end = std::min(first + kPanel, n);
    for (int64_t step = first; step < end; ++step) {
      subtract_products<T>(row(step), 0, 1, count, {factor(step, first), 0, sign, row(first), sign * count, step - first});
      if (plan.unit_diagonal) continue;
      divide(row(step), *factor(step, step), count);
    }
    if (end == n) break;
    subtract_products<T>(row(end), sign * count, n - end, count,
                         {factor(end, first), sign * n, sign, row(first), sign * count, end - first});
  }
  for (int64_t i = 0; i < n; ++i) {
    for (int64_t c = 0; c < count; ++c) x[i * row_stride + (first + c) * column_stride] = rows[static_cast<size_t>(i * count + c)];
  }
}

}  // namespace

Program cholesky(const CholeskySpec& spec, const ChipSpec& chip) {
  const auto [batch, n, columns] = square_dims(spec.name, spec.dims);
  const int64_t bytes = n * columns * size_of(spec.type);
  Program program(spec.name);
  program.add_input("a", batch * bytes);
  program.add_output("result", batch * bytes);
  program.add_note(cat(batch, " matrices ", name(spec.type), " ", n, "x", n, spec.lower ? ", lower" : ", upper"));
  const double flops = std::pow(static_cast<double>(n), 3) / 3 * (is_complex(spec.type) ? 4 : 1);
  MatrixWork work{batch, bytes / 2, bytes, flops, real_part(spec.type) == DataType::kF64, {}};
  with_scalar(spec.name, spec.type, [&]<class T>() {
    work.run = [n = n, lower = spec.lower](const Dataflow& k, int64_t unit) {
      cholesky_one(reinterpret_cast<const T*>(k.dram(0)) + unit * n * n, reinterpret_cast<T*>(k.dram(1)) + unit * n * n, n, lower);
    };
  });
  add_matrix_kernel(program, std::move(work), chip);
  return program;
}

Program triangular_solve(const TriangularSolveSpec& spec, const ChipSpec& chip) {
  const auto [batch, n, columns] = square_dims(spec.name, spec.a_dims);
  const auto b = matrix_dims(spec.name, spec.b_dims);
  require(b.batch == batch && (spec.left_side ? b.rows : b.columns) == n, "[", spec.name, "] a ", Text(spec.a_dims), " does not fit b ",
          Text(spec.b_dims), spec.left_side ? " on the left" : " on the right");
  constexpr int64_t kBlock = 64;  // right-hand sides that one unit solves
  const int64_t m = spec.left_side ? b.columns : b.rows;
  const SolvePlan plan{n, m, kBlock, div_up(m, kBlock), spec.left_side, spec.lower, spec.unit_diagonal, spec.transpose_a};
  Program program(spec.name);
  program.add_input("a", volume(spec.a_dims) * size_of(spec.type));
  program.add_input("b", volume(spec.b_dims) * size_of(spec.type));
  program.add_output("x", volume(spec.b_dims) * size_of(spec.type));
  program.add_note(
      cat(batch, " matrices ", name(spec.type), " ", n, "x", columns, spec.lower ? " lower, " : " upper, ", m, " right-hand sides"));
  const int64_t block = std::min(m, kBlock);
  const double flops = static_cast<double>(n * n * block) * (is_complex(spec.type) ? 4 : 1);
  MatrixWork work{batch * plan.blocks,
                  (n * n / 2 + n * block) * size_of(spec.type),
                  n * block * size_of(spec.type),
                  flops,
                  real_part(spec.type) == DataType::kF64,
                  {}};
  with_scalar(spec.name, spec.type, [&]<class T>() {
    work.run = [plan](const Dataflow& k, int64_t unit) {
      const int64_t matrix = unit / plan.blocks, first = unit % plan.blocks * plan.block;
      solve_block(plan, reinterpret_cast<const T*>(k.dram(0)) + matrix * plan.n * plan.n,
                  reinterpret_cast<const T*>(k.dram(1)) + matrix * plan.n * plan.m,
                  reinterpret_cast<T*>(k.dram(2)) + matrix * plan.n * plan.m, first, std::min(plan.block, plan.m - first));
    };
  });
  add_matrix_kernel(program, std::move(work), chip);
  return program;
}

}  // namespace tt::dnn
