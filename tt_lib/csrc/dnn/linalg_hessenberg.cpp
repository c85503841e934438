// Reductions by similar reflectors: any matrix to Hessenberg form, a Hermitian one to tridiagonal form.
#include "dnn/linalg.hpp"
#include "dnn/linalg_reflector.hpp"

namespace tt::dnn {
namespace {

template <class T>
void hessenberg_one(const T* a, T* packed, T* tau, int64_t n) {
  std::copy_n(a, n * n, packed);
  reduce_to_hessenberg(packed, tau, n);
}

// The upper triangle is the lower one of the matrix with its rows and columns in reverse order.
template <class T>
void tridiagonal_one(const T* a, T* packed, Real<T>* d, Real<T>* e, T* tau, int64_t n, bool lower) {
  const auto at = [&](int64_t i, int64_t j) { return lower ? i * n + j : (n - 1 - i) * n + n - 1 - j; };
  std::vector<T> full(static_cast<size_t>(n * n)), factors(static_cast<size_t>(n));
  for (int64_t i = 0; i < n; ++i) {
    for (int64_t j = 0; j <= i; ++j) {
      const T value = i == j ? T(real(a[at(i, i)])) : a[at(i, j)];
      full[static_cast<size_t>(i * n + j)] = value;
      full[static_cast<size_t>(j * n + i)] = conjugate(value);
    }
  }
  reduce_to_hessenberg(full.data(), factors.data(), n);
  std::copy_n(a, n * n, packed);
  for (int64_t i = 0; i < n; ++i) {
    for (int64_t j = 0; j <= i; ++j) packed[at(i, j)] = full[static_cast<size_t>(i * n + j)];
    d[lower ? i : n - 1 - i] = real(full[static_cast<size_t>(i * n + i)]);
  }
  for (int64_t i = 0; i + 1 < n; ++i) {
    const int64_t to = lower ? i : n - 2 - i;
    e[to] = real(full[static_cast<size_t>((i + 1) * n + i)]);
    tau[to] = factors[static_cast<size_t>(i)];
  }
}

}  // namespace

Program hessenberg(const HessenbergSpec& spec, const ChipSpec& chip) {
  const auto [batch, n, columns] = square_dims(spec.name, spec.dims);
  const int64_t bytes = n * columns * size_of(spec.type), factor_bytes = (n - 1) * size_of(spec.type);
  Program program(spec.name);
  program.add_input("a", batch * bytes);
  program.add_output("packed", batch * bytes);
  program.add_output("tau", batch * factor_bytes);
  program.add_note(cat(batch, " matrices ", name(spec.type), " ", n, "x", n));
  const double flops = 10.0 / 3 * std::pow(static_cast<double>(n), 3) * complex_cost(spec.type);
  MatrixWork work{batch, bytes, bytes + factor_bytes, flops, real_part(spec.type) == DataType::kF64, {}};
  with_scalar(spec.name, spec.type, [&]<class T>() {
    work.run = [n = n](const Dataflow& k, int64_t unit) {
      hessenberg_one(reinterpret_cast<const T*>(k.dram(0)) + unit * n * n, reinterpret_cast<T*>(k.dram(1)) + unit * n * n,
                     reinterpret_cast<T*>(k.dram(2)) + unit * (n - 1), n);
    };
  });
  add_matrix_kernel(program, std::move(work), chip);
  return program;
}

Program tridiagonal(const TridiagonalSpec& spec, const ChipSpec& chip) {
  const auto [batch, n, columns] = square_dims(spec.name, spec.dims);
  const int64_t real_size = size_of(real_part(spec.type));
  const int64_t bytes = n * columns * size_of(spec.type), factor_bytes = (n - 1) * size_of(spec.type);
  Program program(spec.name);
  program.add_input("a", batch * bytes);
  program.add_output("packed", batch * bytes);
  program.add_output("d", batch * n * real_size);
  program.add_output("e", batch * (n - 1) * real_size);
  program.add_output("tau", batch * factor_bytes);
  program.add_note(cat(batch, " matrices ", name(spec.type), " ", n, "x", n, spec.lower ? ", lower" : ", upper"));
  const double flops = 10.0 / 3 * std::pow(static_cast<double>(n), 3) * complex_cost(spec.type);
  MatrixWork work{batch, bytes, bytes + factor_bytes + (2 * n - 1) * real_size, flops, real_part(spec.type) == DataType::kF64, {}};
  with_scalar(spec.name, spec.type, [&]<class T>() {
    work.run = [n = n, lower = spec.lower](const Dataflow& k, int64_t unit) {
      tridiagonal_one(reinterpret_cast<const T*>(k.dram(0)) + unit * n * n, reinterpret_cast<T*>(k.dram(1)) + unit * n * n,
                      reinterpret_cast<Real<T>*>(k.dram(2)) + unit * n, reinterpret_cast<Real<T>*>(k.dram(3)) + unit * (n - 1),
                      reinterpret_cast<T*>(k.dram(4)) + unit * (n - 1), n, lower);
    };
  });
  add_matrix_kernel(program, std::move(work), chip);
  return program;
}

}  // namespace tt::dnn
