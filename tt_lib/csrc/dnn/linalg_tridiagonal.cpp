// Solves with tridiagonal matrices: Gaussian elimination with row exchanges, which fill one more diagonal.
#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "dnn/linalg.hpp"
#include "dnn/linalg_matrix.hpp"

namespace tt::dnn {
namespace {

// The upper triangular factor: its diagonal and the two above it.
template <class T>
struct Factor {
  std::vector<T> main, above, second;
};

template <class T>
Factor<T> eliminate(const T* lower, const T* diagonal, const T* upper, T* x, int64_t n, int64_t m) {
  Factor<T> u{{diagonal, diagonal + n}, {upper, upper + n}, std::vector<T>(static_cast<size_t>(n))};
  u.above[static_cast<size_t>(n - 1)] = T{0};
  for (size_t i = 0; i + 1 < static_cast<size_t>(n); ++i) {
    T* row = x + static_cast<int64_t>(i) * m;
    T below = lower[i + 1];
    if (std::abs(u.main[i]) < std::abs(below)) {
      std::swap(u.main[i], below);
      std::swap(u.above[i], u.main[i + 1]);
      std::swap(u.second[i], u.above[i + 1]);
      std::swap_ranges(row, row + m, row + m);
    }
    if (below == T{0}) continue;
    const T factor = below / u.main[i];
    u.main[i + 1] -= product(factor, u.above[i]);
    u.above[i + 1] -= product(factor, u.second[i]);
    subtract_multiple(row + m, factor, row, m);
  }
  return u;
}

// Pivots that are nothing beside the largest element become as large as rounding errors.
template <class T>
void perturb(Factor<T>& u) {
  Real<T> largest = 0;
  for (const std::vector<T>* diagonal : {&u.main, &u.above, &u.second}) {
    for (const T value : *diagonal) largest = std::max(largest, std::abs(value));
  }
  const Real<T> least = std::max(std::numeric_limits<Real<T>>::epsilon() * largest, std::numeric_limits<Real<T>>::min());
  for (T& pivot : u.main) {
    if (std::abs(pivot) < least) pivot = std::copysign(least, real(pivot));
  }
}

template <class T>
void tridiagonal_solve_one(const T* lower, const T* diagonal, const T* upper, const T* b, T* x, int64_t n, int64_t m, bool perturbed) {
  std::copy_n(b, n * m, x);
  Factor<T> u = eliminate(lower, diagonal, upper, x, n, m);
  if (perturbed) perturb(u);
  if (std::find(u.main.begin(), u.main.end(), T{0}) != u.main.end()) {
    std::fill_n(x, n * m, T(std::numeric_limits<Real<T>>::quiet_NaN()));
    return;
  }
  for (int64_t i = n; i-- > 0;) {
    T* row = x + i * m;
    const auto at = static_cast<size_t>(i);
    if (i + 1 < n) subtract_multiple(row, u.above[at], row + m, m);
    if (i + 2 < n) subtract_multiple(row, u.second[at], row + 2 * m, m);
    for (int64_t c = 0; c < m; ++c) row[c] /= u.main[at];
  }
}

}  // namespace

Program tridiagonal_solve(const TridiagonalSolveSpec& spec, const ChipSpec& chip) {
  const auto [batch, n, m] = matrix_dims(spec.name, spec.b_dims);
  const int64_t size = size_of(spec.type);
  Program program(spec.name);
  for (const char* diagonal : {"lower", "diagonal", "upper"}) program.add_input(diagonal, batch * n * size);
  program.add_input("b", batch * n * m * size);
  program.add_output("x", batch * n * m * size);
  program.add_note(
      cat(batch, " matrices ", name(spec.type), " ", n, "x", n, ", ", m, " right-hand sides", spec.perturb ? ", perturbed" : ""));
  const double flops = static_cast<double>(n * (8 + 7 * m)) * complex_cost(spec.type);
  MatrixWork work{batch, (3 + m) * n * size, m * n * size, flops, real_part(spec.type) == DataType::kF64, {}};
  with_scalar(spec.name, spec.type, [&]<class T>() {
    work.run = [n = n, m = m, perturb = spec.perturb](const Dataflow& k, int64_t unit) {
      const auto diagonal = [&](Slot slot) { return reinterpret_cast<const T*>(k.dram(slot)) + unit * n; };
      tridiagonal_solve_one(diagonal(0), diagonal(1), diagonal(2), reinterpret_cast<const T*>(k.dram(3)) + unit * n * m,
                            reinterpret_cast<T*>(k.dram(4)) + unit * n * m, n, m, perturb);
    };
  });
  add_matrix_kernel(program, std::move(work), chip);
  return program;
}

}  // namespace tt::dnn
