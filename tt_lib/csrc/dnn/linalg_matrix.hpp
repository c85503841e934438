// What the dense factorisations share: scalar arithmetic over real and complex types, row operations, and programs over matrices.
#pragma once

#include <complex>
#include <functional>
#include <string>
#include <type_traits>
#include <vector>

#include "base/error.hpp"
#include "dnn/instruction_sets.hpp"
#include "dnn/operand.hpp"

namespace tt::dnn {

template <class T>
struct RealOf {
  using Type = T;
};
template <class T>
struct RealOf<std::complex<T>> {
  using Type = T;
};
template <class T>
using Real = typename RealOf<T>::Type;
template <class T>
inline constexpr bool kIsComplex = !std::is_same_v<T, Real<T>>;

// Without the detours that std::complex takes for infinities.
template <class T>
T product(T a, T b) {
  if constexpr (kIsComplex<T>) {
    return {a.real() * b.real() - a.imag() * b.imag(), a.real() * b.imag() + a.imag() * b.real()};
  } else {
    return a * b;
  }
}

template <class T>
T conjugate(T a) {
  if constexpr (kIsComplex<T>) {
    return {a.real(), -a.imag()};
  } else {
    return a;
  }
}

template <class T>
Real<T> real(T a) {
  if constexpr (kIsComplex<T>) {
    return a.real();
  } else {
    return a;
  }
}

template <class T>
Real<T> squared_magnitude(T a) {
  if constexpr (kIsComplex<T>) {
    return a.real() * a.real() + a.imag() * a.imag();
  } else {
    return a * a;
  }
}

// y[i] -= factor * x[i]
void subtract_multiple(float* y, float factor, const float* x, int64_t n);
void subtract_multiple(double* y, double factor, const double* x, int64_t n);
void subtract_multiple(std::complex<float>* y, std::complex<float> factor, const std::complex<float>* x, int64_t n);
void subtract_multiple(std::complex<double>* y, std::complex<double> factor, const std::complex<double>* x, int64_t n);

// x[i] /= divisor, which is a T or real
template <class T, class Divisor>
void divide(T* x, Divisor divisor, int64_t n) {
  run_on_host<T>([&]() TT_LOOP {
    for (int64_t i = 0; i < n; ++i) x[i] /= divisor;
  });
}

// Row r of y -= the sum over k of factors[r * factor_row + k * factor_step] times the row x + k * x_step, one k after the other.
template <class T>
struct RowProducts {
  const T* factors;
  int64_t factor_row, factor_step;
  const T* x;
  int64_t x_step;
  int64_t count;
};
template <class T>
void subtract_products(T* y, int64_t stride, int64_t rows, int64_t columns, const RowProducts<T>& products);

constexpr int64_t kPanel = 8;  // rows whose multiples `subtract_products` subtracts while it has an element

// Columns of a row-major matrix with `rows` rows, one after the other, to be worked on and put back: rows [first, rows) of `count` columns.
template <class T>
class ColumnPanel {
 public:
  explicit ColumnPanel(int64_t rows) : rows_(rows), data_(static_cast<size_t>(kPanel * rows)) {}

  T* column(int64_t k) { return data_.data() + k * rows_; }
  void load(const T* matrix, int64_t stride, int64_t first, int64_t count) {
    for (int64_t i = first; i < rows_; ++i) {
      for (int64_t k = 0; k < count; ++k) column(k)[i] = matrix[i * stride + k];
    }
  }
  void store(T* matrix, int64_t stride, int64_t first, int64_t count) {
    for (int64_t i = first; i < rows_; ++i) {
      for (int64_t k = 0; k < count; ++k) matrix[i * stride + k] = column(k)[i];
    }
  }

 private:
  int64_t rows_;
  std::vector<T> data_;
};

// Calls body.operator()<T>() for the C++ type of a floating or complex array type.
template <class Body>
auto with_scalar(const std::string& op, DataType type, const Body& body) {
  switch (type) {
    case DataType::kF32: return body.template operator()<float>();
    case DataType::kF64: return body.template operator()<double>();
    case DataType::kC64: return body.template operator()<std::complex<float>>();
    case DataType::kC128: return body.template operator()<std::complex<double>>();
    default: fail(ErrorCategory::kInvalidArgument, "[", op, "] of ", name(type), ", expected f32, f64, complex<f32> or complex<f64>");
  }
}

inline double complex_cost(DataType type) { return is_complex(type) ? 4 : 1; }  // real operations for one of the type

// Work in units that cores take independently of each other.
struct MatrixWork {
  int64_t units;
  int64_t read_bytes;  // per unit
  int64_t write_bytes;
  double flops;  // per unit
  bool wide;     // 64-bit arithmetic
  std::function<void(const Dataflow&, int64_t unit)> run;
};

// Adds the kernel to a program that has its slots.
void add_matrix_kernel(Program& program, MatrixWork work, const ChipSpec& chip);

// [..., rows, columns] with the batch dimensions' volume.
struct MatrixDims {
  int64_t batch, rows, columns;
};
MatrixDims matrix_dims(const std::string& op, const Dims& dims);
MatrixDims square_dims(const std::string& op, const Dims& dims);

extern template void subtract_products(float*, int64_t, int64_t, int64_t, const RowProducts<float>&);
extern template void subtract_products(double*, int64_t, int64_t, int64_t, const RowProducts<double>&);
extern template void subtract_products(std::complex<float>*, int64_t, int64_t, int64_t, const RowProducts<std::complex<float>>&);
extern template void subtract_products(std::complex<double>*, int64_t, int64_t, int64_t, const RowProducts<std::complex<double>>&);

}  // namespace tt::dnn
