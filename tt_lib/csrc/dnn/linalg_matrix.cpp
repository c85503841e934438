// Row operations per instruction set, and the kernel that works through matrices.
#include "dnn/linalg_matrix.hpp"

namespace tt::dnn {
namespace {

template <class T>
void subtract_on_host(T* y, T factor, const T* x, int64_t n) {
  run_on_host<T>([&]() TT_LOOP {
#pragma GCC ivdep
    for (int64_t i = 0; i < n; ++i) y[i] -= product(factor, x[i]);
  });
}

template <int kRows, int kCount, class T>
[[gnu::always_inline]] inline void subtract_block(T* y, int64_t stride, int64_t columns, const RowProducts<T>& p) {
  T factors[kRows][kCount];
  for (int r = 0; r < kRows; ++r) {
    for (int k = 0; k < kCount; ++k) factors[r][k] = p.factors[r * p.factor_row + k * p.factor_step];
  }
#pragma GCC ivdep
  for (int64_t i = 0; i < columns; ++i) {
    T sums[kRows];
    for (int r = 0; r < kRows; ++r) sums[r] = y[r * stride + i];
    for (int k = 0; k < kCount; ++k) {
      const T x = p.x[k * p.x_step + i];
      for (int r = 0; r < kRows; ++r) sums[r] -= product(factors[r][k], x);
    }
    for (int r = 0; r < kRows; ++r) y[r * stride + i] = sums[r];
  }
}

template <int kRows, class T>
[[gnu::always_inline]] inline void subtract_rows(T* y, int64_t stride, int64_t columns, RowProducts<T> p) {
  for (; p.count >= kPanel; p.count -= kPanel) {
    subtract_block<kRows, kPanel>(y, stride, columns, p);
    p.factors += kPanel * p.factor_step;
    p.x += kPanel * p.x_step;
  }
  for (; p.count > 0; --p.count) {
    subtract_block<kRows, 1>(y, stride, columns, p);
    p.factors += p.factor_step;
    p.x += p.x_step;
  }
}

struct Args {
  const MatrixWork* work;
  WorkRange units;
};

Kernel matrix_kernel(Dataflow k, Args a) {
  const MatrixWork& work = *a.work;
  const double cycles_per_flop = work.wide ? 20 : 8;  // soft floating point on a RISC-V core
  k.charge({.read_bytes = a.units.count * work.read_bytes,
            .write_bytes = a.units.count * work.write_bytes,
            .riscv_cycles = static_cast<uint64_t>(static_cast<double>(a.units.count) * work.flops * cycles_per_flop)});
  if (k.values()) {
    for (int64_t unit = a.units.first; unit < a.units.first + a.units.count; ++unit) work.run(k, unit);
  }
  co_await k.noc_async_write_barrier();
}

}  // namespace

void subtract_multiple(float* y, float factor, const float* x, int64_t n) { subtract_on_host(y, factor, x, n); }
void subtract_multiple(double* y, double factor, const double* x, int64_t n) { subtract_on_host(y, factor, x, n); }
void subtract_multiple(std::complex<float>* y, std::complex<float> factor, const std::complex<float>* x, int64_t n) {
  subtract_on_host(y, factor, x, n);
}
void subtract_multiple(std::complex<double>* y, std::complex<double> factor, const std::complex<double>* x, int64_t n) {
  subtract_on_host(y, factor, x, n);
}

template <class T>
void subtract_products(T* y, int64_t stride, int64_t rows, int64_t columns, const RowProducts<T>& products) {
  constexpr int kRows = 2;  // at a time
  run_on_host<T>([&]() TT_LOOP {
    RowProducts<T> p = products;
    int64_t r = 0;
    for (; r + kRows <= rows; r += kRows, p.factors += kRows * p.factor_row) subtract_rows<kRows>(y + r * stride, stride, columns, p);
    if (r < rows) subtract_rows<1>(y + r * stride, stride, columns, p);
  });
}

template void subtract_products(float*, int64_t, int64_t, int64_t, const RowProducts<float>&);
template void subtract_products(double*, int64_t, int64_t, int64_t, const RowProducts<double>&);
template void subtract_products(std::complex<float>*, int64_t, int64_t, int64_t, const RowProducts<std::complex<float>>&);
template void subtract_products(std::complex<double>*, int64_t, int64_t, int64_t, const RowProducts<std::complex<double>>&);

void add_matrix_kernel(Program& program, MatrixWork work, const ChipSpec& chip) {
  constexpr double kMinFlops = 2000;  // per core
  const int64_t min_units = 1 + static_cast<int64_t>(kMinFlops / (work.flops + 1));
  const std::vector<WorkRange> ranges = split_work(work.units, min_units, num_compute_cores(chip));
  program.flops = static_cast<double>(work.units) * work.flops;
  const MatrixWork* kept = program.keep(std::move(work));
  std::vector<Args> args;
  for (const WorkRange& range : ranges) args.push_back({kept, range});
  program.set_cores(metal::first_cores(chip, ranges.size()));
  program.add_kernel<Dataflow, Args>(Role::kReader, program.name(), matrix_kernel, args, cat(kept->units, " units of work"));
  program.validate(chip);
}

MatrixDims matrix_dims(const std::string& op, const Dims& dims) {
  require(dims.size() >= 2, "[", op, "] of ", Text(dims), ", expected matrices");
  const size_t rank = dims.size();
  return {volume(std::span(dims).first(rank - 2)), dims[rank - 2], dims[rank - 1]};
}

MatrixDims square_dims(const std::string& op, const Dims& dims) {
  const MatrixDims out = matrix_dims(op, dims);
  require(out.rows == out.columns, "[", op, "] of ", Text(dims), ", expected square matrices");
  return out;
}

}  // namespace tt::dnn
