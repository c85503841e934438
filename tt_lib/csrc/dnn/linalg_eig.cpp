// Schur forms, and the eigenvectors of general matrices from them.
#include <optional>

#include "dnn/linalg.hpp"
#include "dnn/linalg_schur.hpp"
#include "dnn/linalg_wide.hpp"

namespace tt::dnn {
namespace {

using Complex = std::complex<double>;

// The Schur form of a; nothing where a is not finite or the iterations do not end.
template <class T>
std::optional<SchurForm<Wide<T>>> schur_form(const T* a, int64_t n) {
  const std::vector<Wide<T>> wide(a, a + n * n);
  if (!std::all_of(wide.begin(), wide.end(), [](const auto& x) { return std::isfinite(squared_magnitude(x)); })) return std::nullopt;
  SchurForm<Wide<T>> form(wide, n);
  if (!form.iterate()) return std::nullopt;
  return form;
}

template <class T>
void schur_one(const T* a, T* t, T* z, int64_t n) {
  const auto form = schur_form(a, n);
  if (!form) {
    fill_with_nan(t, n * n);
    return fill_with_nan(z, n * n);
  }
  for (int64_t i = 0; i < n; ++i) {
    for (int64_t j = 0; j < n; ++j) {
      t[i * n + j] = static_cast<T>(form->t(i, j));
      if (z != nullptr) z[i * n + j] = static_cast<T>(form->z(i, j));
    }
  }
}

// Eigenvalue i of the form. Of a pair the first has the positive imaginary part.
template <class S>
Complex eigenvalue(const SchurForm<S>& form, int64_t i) {
  const bool first = form.starts_pair(i), second = i > 0 && form.starts_pair(i - 1);
  if (!first && !second) return form.t(i, i);
  const int64_t k = first ? i : i - 1;
  const double size = std::sqrt(std::abs(form.t(k, k + 1))) * std::sqrt(std::abs(form.t(k + 1, k)));
  return {real(form.t(k, k)), first ? size : -size};
}

// A matrix that is triangular but for 2x2 blocks: the form's T, or its transpose seen from the other end.
template <class S>
struct Triangle {
  const SchurForm<S>& form;
  bool flipped;
  Complex operator()(int64_t i, int64_t j) const { return flipped ? form.t(form.n() - 1 - j, form.n() - 1 - i) : form.t(i, j); }
  bool starts_pair(int64_t i) const { return i + 1 < form.n() && (*this)(i + 1, i) != Complex{0}; }
};

// x with (t - w) x = 0, for the eigenvalue w that is number k of t's diagonal.
template <class S>
std::vector<Complex> triangle_vector(const Triangle<S>& t, Complex w, int64_t k, double smallest) {
  constexpr double kLarge = 1e100;
  std::vector<Complex> x(static_cast<size_t>(t.form.n()));
  const auto at = [&](int64_t i) -> Complex& { return x[static_cast<size_t>(i)]; };
  int64_t top = k;  // the first element that is set
  int64_t end = k + 1;
  if (k > 0 && t.starts_pair(k - 1)) top = k - 1;
  if (t.starts_pair(top)) {
    end = top + 2;
    at(top) = t(top, top + 1);
    at(top + 1) = w - t(top, top);
  } else {
    at(top) = 1;
  }
  const auto away = [&](Complex difference) { return std::abs(difference) < smallest ? Complex(smallest) : difference; };
  for (int64_t i = top - 1; i >= 0; --i) {
    const bool pair = i > 0 && t.starts_pair(i - 1);
    const int64_t first = pair ? i - 1 : i;
    Complex rest[2] = {};
    for (int64_t r = first; r <= i; ++r) {
      for (int64_t j = i + 1; j < end; ++j) rest[r - first] -= product(t(r, j), at(j));
    }
    if (pair) {
      const Complex a = t(first, first) - w, b = t(first, i), c = t(i, first), d = t(i, i) - w;
      const Complex determinant = away(a * d - b * c);
      at(first) = (d * rest[0] - b * rest[1]) / determinant;
      at(i) = (a * rest[1] - c * rest[0]) / determinant;
    } else {
      at(i) = rest[0] / away(t(i, i) - w);
    }
    i = first;
    if (std::max(std::abs(at(first)), std::abs(at(first + (pair ? 1 : 0)))) > kLarge) {
      for (Complex& value : x) value /= kLarge;
    }
  }
  return x;
}

// Norm one; of a complex vector the largest element becomes real.
void normalize(std::vector<Complex>& x) {
  double sum = 0;
  const auto larger = [](Complex a, Complex b) { return std::abs(a) < std::abs(b); };
  const double scale = std::abs(*std::max_element(x.begin(), x.end(), larger));
  for (Complex& value : x) sum += squared_magnitude(value /= scale);
  Complex& largest = *std::max_element(x.begin(), x.end(), larger);
  const bool is_real = std::all_of(x.begin(), x.end(), [](Complex value) { return value.imag() == 0; });
  const Complex factor = (is_real ? Complex(1) : conjugate(largest) / std::abs(largest)) / std::sqrt(sum);
  for (Complex& value : x) value = product(value, factor);
  largest = largest.real();
}

// Column k of `out` becomes the right (left) eigenvector of eigenvalue k.
template <class S, class C>
void store_vector(const SchurForm<S>& form, int64_t k, bool left, double smallest, C* out) {
  const int64_t n = form.n();
  const std::vector<Complex> x = triangle_vector(Triangle<S>{form, left}, eigenvalue(form, k), left ? n - 1 - k : k, smallest);
  std::vector<Complex> vector(static_cast<size_t>(n));
  for (int64_t i = 0; i < n; ++i) {
    for (int64_t j = 0; j < n; ++j) {
      const Complex element = left ? conjugate(x[static_cast<size_t>(n - 1 - j)]) : x[static_cast<size_t>(j)];
      vector[static_cast<size_t>(i)] += product(Complex(form.z(i, j)), element);
    }
  }
  normalize(vector);
  for (int64_t i = 0; i < n; ++i) out[i * n + k] = static_cast<C>(vector[static_cast<size_t>(i)]);
}

template <class T>
void eig_one(const T* a, std::complex<Real<T>>* w, std::complex<Real<T>>* u, std::complex<Real<T>>* v, int64_t n) {
  const auto form = schur_form(a, n);
  if (!form) {
    fill_with_nan(w, n);
    fill_with_nan(u, n * n);
    return fill_with_nan(v, n * n);
  }
  double norm = 0;
  for (int64_t i = 0; i < n * n; ++i) norm = std::max(norm, static_cast<double>(std::abs(a[i])));
  const double smallest = std::max(norm * std::numeric_limits<double>::epsilon(), std::numeric_limits<double>::min());
  for (int64_t k = 0; k < n; ++k) {
    w[k] = static_cast<std::complex<Real<T>>>(eigenvalue(*form, k));
    if (u != nullptr) store_vector(*form, k, true, smallest, u);
    if (v != nullptr) store_vector(*form, k, false, smallest, v);
  }
}

// Multiplications and additions that the iterations take in practice.
double schur_flops(DataType type, int64_t n) { return 25 * std::pow(static_cast<double>(n), 3) * complex_cost(type); }

// Where the kernel finds matrix `unit` of a slot; null: there is no such slot.
template <class T>
T* matrix(const Dataflow& k, int slot, int64_t unit, int64_t elements) {
  return slot < 0 ? nullptr : reinterpret_cast<T*>(k.dram(static_cast<Slot>(slot))) + unit * elements;
}

}  // namespace

Program schur(const SchurSpec& spec, const ChipSpec& chip) {
  const auto [batch, n, columns] = square_dims(spec.name, spec.dims);
  const int64_t bytes = n * columns * size_of(spec.type);
  Program program(spec.name);
  program.add_input("a", batch * bytes);
  program.add_output("t", batch * bytes);
  if (spec.vectors) program.add_output("z", batch * bytes);
  program.add_note(cat(batch, " matrices ", name(spec.type), " ", n, "x", n, spec.vectors ? ", vectors" : ""));
  MatrixWork work{batch, bytes, bytes * (spec.vectors ? 2 : 1), schur_flops(spec.type, n), true, {}};
  with_scalar(spec.name, spec.type, [&]<class T>() {
    work.run = [n = n, z = spec.vectors ? 2 : -1](const Dataflow& k, int64_t unit) {
      schur_one(matrix<const T>(k, 0, unit, n * n), matrix<T>(k, 1, unit, n * n), matrix<T>(k, z, unit, n * n), n);
    };
  });
  add_matrix_kernel(program, std::move(work), chip);
  return program;
}

Program eig(const EigSpec& spec, const ChipSpec& chip) {
  const auto [batch, n, columns] = square_dims(spec.name, spec.dims);
  const int64_t complex_size = 2 * size_of(real_part(spec.type));
  const int64_t bytes = n * columns * size_of(spec.type), vector_bytes = n * columns * complex_size;
  Program program(spec.name);
  program.add_input("a", batch * bytes);
  program.add_output("w", batch * n * complex_size);
  if (spec.left) program.add_output("u", batch * vector_bytes);
  if (spec.right) program.add_output("v", batch * vector_bytes);
  program.add_note(
      cat(batch, " matrices ", name(spec.type), " ", n, "x", n, spec.left ? ", left vectors" : "", spec.right ? ", right vectors" : ""));
  const int64_t sides = static_cast<int64_t>(spec.left) + static_cast<int64_t>(spec.right);
  const double flops = schur_flops(spec.type, n) + static_cast<double>(sides) * 12 * std::pow(static_cast<double>(n), 3);
  MatrixWork work{batch, bytes, n * complex_size + sides * vector_bytes, flops, true, {}};
  with_scalar(spec.name, spec.type, [&]<class T>() {
    using C = std::complex<Real<T>>;
    work.run = [n = n, u = spec.left ? 2 : -1, v = spec.right ? (spec.left ? 3 : 2) : -1](const Dataflow& k, int64_t unit) {
      eig_one(matrix<const T>(k, 0, unit, n * n), matrix<C>(k, 1, unit, n), matrix<C>(k, u, unit, n * n), matrix<C>(k, v, unit, n * n), n);
    };
  });
  add_matrix_kernel(program, std::move(work), chip);
  return program;
}

}  // namespace tt::dnn
