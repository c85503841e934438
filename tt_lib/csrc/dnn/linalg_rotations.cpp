// Rotations of columns: a strip of rows at a time, turned so that each column of it lies in vector registers.
#include "dnn/linalg_rotations.hpp"

#include <algorithm>

#include "dnn/instruction_sets.hpp"

namespace tt::dnn {
namespace {

constexpr int64_t kStrip = 32;  // real numbers of one column that are rotated together

void rotate_strip(double* strip, const std::vector<Rotation>& rotations) {
  run_on_host<double>([&]() TT_LOOP {
    for (const Rotation& rotation : rotations) {
      const double c = rotation.c, s = rotation.s;
      double* __restrict x = strip + rotation.i * kStrip;
      double* __restrict y = x + kStrip;
#pragma GCC ivdep
      for (int64_t k = 0; k < kStrip; ++k) {
        const double turned = c * x[k] + s * y[k];
        y[k] = c * y[k] - s * x[k];
        x[k] = turned;
      }
    }
  });
}

}  // namespace

template <class S>
void RotatedColumns<S>::apply() {
  constexpr int64_t kParts = sizeof(S) / sizeof(double), kRows = kStrip / kParts;
  if (rotations_.empty()) return;
  strip_.resize(static_cast<size_t>(columns_ * kStrip));
  for (int64_t first = 0; first < rows_; first += kRows) {
    const int64_t count = std::min(kRows, rows_ - first);
    auto* rows = reinterpret_cast<double*>(matrix_ + first * columns_);
    for (int64_t r = 0; r < count; ++r) {
      for (int64_t j = 0; j < columns_ * kParts; ++j) {
        strip_[static_cast<size_t>(j / kParts * kStrip + r * kParts + j % kParts)] = rows[r * columns_ * kParts + j];
      }
    }
    rotate_strip(strip_.data(), rotations_);
    for (int64_t r = 0; r < count; ++r) {
      for (int64_t j = 0; j < columns_ * kParts; ++j) {
        rows[r * columns_ * kParts + j] = strip_[static_cast<size_t>(j / kParts * kStrip + r * kParts + j % kParts)];
      }
    }
  }
  rotations_.clear();
}

template class RotatedColumns<double>;
template class RotatedColumns<std::complex<double>>;

}  // namespace tt::dnn
