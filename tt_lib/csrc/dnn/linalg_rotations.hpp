// Plane rotations of neighbouring columns, collected and applied to many rows at a time.
#pragma once

#include <algorithm>
#include <cmath>
#include <vector>

#include "dnn/linalg_matrix.hpp"

namespace tt::dnn {

// Columns i and i + 1, x and y, become c x + s y and c y - s x.
struct Rotation {
  int64_t i;
  double c, s;
};

// (c, s) with c f + s g = r and c g - s f = 0.
struct RotationTo {
  double c, s, r;
  RotationTo(double f, double g) {
    if (g == 0) {
      c = 1, s = 0, r = f;
      return;
    }
    constexpr double kSmall = 0x1p-500, kLarge = 0x1p500;
    const double size = std::max(std::abs(f), std::abs(g));
    const double scale = size < kSmall ? kLarge : 1;
    const double fs = f * scale, gs = g * scale, norm = std::copysign(std::sqrt(fs * fs + gs * gs), fs);
    c = fs / norm;
    s = gs / norm;
    r = norm / scale;
  }
};

// A matrix with `rows` rows of `columns` elements, S = double or complex, and rotations of its columns that wait to be applied.
template <class S>
class RotatedColumns {
 public:
  RotatedColumns(S* matrix, int64_t rows, int64_t columns) : matrix_(matrix), rows_(rows), columns_(columns) {
    rotations_.reserve(std::min(kMostWaiting, static_cast<size_t>(columns * columns)));
  }

  void rotate(int64_t i, double c, double s) {
    rotations_.push_back({i, c, s});
    if (rotations_.size() >= kMostWaiting) apply();
  }
  void apply();

 private:
  static constexpr size_t kMostWaiting = 32768;

  S* matrix_;
  int64_t rows_, columns_;
  std::vector<Rotation> rotations_;
  std::vector<double> strip_;
};

extern template class RotatedColumns<double>;
extern template class RotatedColumns<std::complex<double>>;

}  // namespace tt::dnn
