// Householder QR with and without pivots, and products of Householder reflectors.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "dnn/linalg.hpp"
#include "dnn/linalg_matrix.hpp"
#include "dnn/linalg_reflector.hpp"

namespace tt::dnn {
namespace {

// Column j of the packed matrix becomes R above and a Householder vector below; the reflector is applied to the columns after it.
template <class T>
void factor_column(T* packed, T* tau, int64_t m, int64_t n, int64_t j, std::vector<T>& work) {
  T* head = packed + j * n + j;
  tau[j] = make_reflector(head, m - j, n);
  reflect_rows<T>({head, m - j, n, conjugate(tau[j])}, head + 1, n, n - j - 1, work);
}

template <class T>
void qr_one(const T* a, T* packed, T* tau, int64_t m, int64_t n) {
  std::copy_n(a, m * n, packed);
  std::vector<T> work(static_cast<size_t>(n));
  for (int64_t j = 0; j < std::min(m, n); ++j) factor_column(packed, tau, m, n, j, work);
}

template <class T>
void swap_columns(T* a, int64_t m, int64_t n, int64_t i, int64_t j) {
  for (int64_t r = 0; r < m; ++r) std::swap(a[r * n + i], a[r * n + j]);
}

// Columns that `given` names (not zero) come first; of the others each step takes the one with the largest norm below row j.
template <class T>
void pivoted_qr_one(const T* a, const int32_t* given, T* packed, int32_t* pivots, T* tau, int64_t m, int64_t n) {
  std::copy_n(a, m * n, packed);
  std::iota(pivots, pivots + n, 1);
  int64_t fixed = 0;
  for (int64_t j = 0; j < n; ++j) {
    if (given[j] == 0) continue;
    swap_columns(packed, m, n, j, fixed);
    std::swap(pivots[j], pivots[fixed++]);
  }
  std::vector<T> work(static_cast<size_t>(n));
  std::vector<double> norms(static_cast<size_t>(n));
  for (int64_t j = 0; j < std::min(m, n); ++j) {
    if (j >= fixed) {
      std::fill(norms.begin() + j, norms.end(), 0.0);
      for (int64_t r = j; r < m; ++r) {
        for (int64_t c = j; c < n; ++c) norms[static_cast<size_t>(c)] += static_cast<double>(squared_magnitude(packed[r * n + c]));
      }
      const int64_t best = std::max_element(norms.begin() + j, norms.end()) - norms.begin();
      swap_columns(packed, m, n, j, best);
      std::swap(pivots[j], pivots[best]);
    }
    factor_column(packed, tau, m, n, j, work);
  }
}

template <class T>
void product_one(const T* packed, const T* tau, T* q, int64_t m, int64_t n, int64_t count) {
  std::fill_n(q, m * n, T{0});
  for (int64_t i = 0; i < n; ++i) q[i * n + i] = T{1};
  std::vector<T> work(static_cast<size_t>(n));
  for (int64_t j = count; j-- > 0;) reflect_rows<T>({packed + j * n + j, m - j, n, tau[j]}, q + j * n + j, n, n - j, work);
}

}  // namespace

Program qr(const QrSpec& spec, const ChipSpec& chip) {
  const auto [batch, m, n] = matrix_dims(spec.name, spec.dims);
  const int64_t bytes = m * n * size_of(spec.type), count = std::min(m, n);
  Program program(spec.name);
  program.add_input("a", batch * bytes);
  program.add_output("packed", batch * bytes);
  program.add_output("tau", batch * count * size_of(spec.type));
  program.add_note(cat(batch, " matrices ", name(spec.type), " ", m, "x", n));
  const double flops = 4.0 * static_cast<double>(m * n) * static_cast<double>(count) * complex_cost(spec.type);
  MatrixWork work{batch, bytes, bytes + count * size_of(spec.type), flops, real_part(spec.type) == DataType::kF64, {}};
  with_scalar(spec.name, spec.type, [&]<class T>() {
    work.run = [m = m, n = n, count](const Dataflow& k, int64_t unit) {
      qr_one(reinterpret_cast<const T*>(k.dram(0)) + unit * m * n, reinterpret_cast<T*>(k.dram(1)) + unit * m * n,
             reinterpret_cast<T*>(k.dram(2)) + unit * count, m, n);
    };
  });
  add_matrix_kernel(program, std::move(work), chip);
  return program;
}

Program pivoted_qr(const PivotedQrSpec& spec, const ChipSpec& chip) {
  const auto [batch, m, n] = matrix_dims(spec.name, spec.dims);
  const int64_t bytes = m * n * size_of(spec.type), index_bytes = n * size_of(DataType::kS32), count = std::min(m, n);
  Program program(spec.name);
  program.add_input("a", batch * bytes);
  program.add_input("given", batch * index_bytes);
  program.add_output("packed", batch * bytes);
  program.add_output("pivots", batch * index_bytes);
  program.add_output("tau", batch * count * size_of(spec.type));
  program.add_note(cat(batch, " matrices ", name(spec.type), " ", m, "x", n, ", columns pivoted"));
  const double flops = 5.0 * static_cast<double>(m * n) * static_cast<double>(count) * complex_cost(spec.type);
  MatrixWork work{
      batch, bytes + index_bytes, bytes + index_bytes + count * size_of(spec.type), flops, real_part(spec.type) == DataType::kF64, {}};
  with_scalar(spec.name, spec.type, [&]<class T>() {
    work.run = [m = m, n = n, count](const Dataflow& k, int64_t unit) {
      pivoted_qr_one(reinterpret_cast<const T*>(k.dram(0)) + unit * m * n, reinterpret_cast<const int32_t*>(k.dram(1)) + unit * n,
                     reinterpret_cast<T*>(k.dram(2)) + unit * m * n, reinterpret_cast<int32_t*>(k.dram(3)) + unit * n,
                     reinterpret_cast<T*>(k.dram(4)) + unit * count, m, n);
    };
  });
  add_matrix_kernel(program, std::move(work), chip);
  return program;
}

Program householder_product(const HouseholderProductSpec& spec, const ChipSpec& chip) {
  const auto [batch, m, n] = matrix_dims(spec.name, spec.dims);
  require(m >= n && spec.count <= n, "[", spec.name, "] of ", spec.count, " vectors in ", Text(spec.dims),
          ", expected no more vectors than columns and no more columns than rows");
  const int64_t bytes = m * n * size_of(spec.type);
  Program program(spec.name);
  program.add_input("packed", batch * bytes);
  program.add_input("tau", batch * spec.count * size_of(spec.type));
  program.add_output("q", batch * bytes);
  program.add_note(cat(batch, " products of ", spec.count, " reflectors ", name(spec.type), " ", m, "x", n));
  const double flops = 4.0 * static_cast<double>(m * n) * static_cast<double>(spec.count) * complex_cost(spec.type);
  MatrixWork work{batch, bytes + spec.count * size_of(spec.type), bytes, flops, real_part(spec.type) == DataType::kF64, {}};
  with_scalar(spec.name, spec.type, [&]<class T>() {
    work.run = [m = m, n = n, count = spec.count](const Dataflow& k, int64_t unit) {
      product_one(reinterpret_cast<const T*>(k.dram(0)) + unit * m * n, reinterpret_cast<const T*>(k.dram(1)) + unit * count,
                  reinterpret_cast<T*>(k.dram(2)) + unit * m * n, m, n, count);
    };
  });
  add_matrix_kernel(program, std::move(work), chip);
  return program;
}

}  // namespace tt::dnn
