// Rotations of columns: a strip of rows at a time, turned so that each column of it lies in vector registers.
#include "dnn/linalg_rotations.hpp"

#include <algorithm>

#include "dnn/instruction_sets.hpp"

namespace tt::dnn {
namespace {

constexpr int64_t kStrip = 32;  // real numbers of one column that are rotated together

void rotate_strip(double* strip, const std::vector<Rotation>& rotations) {
  run_on_host<double>([&]() TT_LOOP {
    const size_t count = rotations.size();
    for (size_t r = 0; r < count; ++r) {
      const double c = rotations[r].c, s = rotations[r].s;
      double* __restrict x = strip + rotations[r].i * kStrip;
      double* __restrict y = x + kStrip;
      // A sweep goes on with a neighbour: both at once, and the column between them stays in registers.
      if (r + 1 < count && rotations[r + 1].i == rotations[r].i - 1) {
        const double next_c = rotations[r + 1].c, next_s = rotations[r + 1].s;
        double* __restrict before = x - kStrip;
#pragma GCC ivdep
        for (int64_t k = 0; k < kStrip; ++k) {
          const double turned = c * x[k] + s * y[k];
          y[k] = c * y[k] - s * x[k];
          x[k] = next_c * turned - next_s * before[k];
          before[k] = next_c * before[k] + next_s * turned;
        }
        ++r;
      } else if (r + 1 < count && rotations[r + 1].i == rotations[r].i + 1) {
        const double next_c = rotations[r + 1].c, next_s = rotations[r + 1].s;
        double* __restrict after = y + kStrip;
#pragma GCC ivdep
        for (int64_t k = 0; k < kStrip; ++k) {
          const double turned = c * y[k] - s * x[k];
          x[k] = c * x[k] + s * y[k];
          y[k] = next_c * turned + next_s * after[k];
          after[k] = next_c * after[k] - next_s * turned;
        }
        ++r;
      } else {
#pragma GCC ivdep
        for (int64_t k = 0; k < kStrip; ++k) {
          const double turned = c * x[k] + s * y[k];
          y[k] = c * y[k] - s * x[k];
          x[k] = turned;
        }
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
    for (int64_t j = 0; j < columns_ * kParts; ++j) {
      for (int64_t r = 0; r < count; ++r) {
        strip_[static_cast<size_t>(j / kParts * kStrip + r * kParts + j % kParts)] = rows[r * columns_ * kParts + j];
      }
    }
    rotate_strip(strip_.data(), rotations_);
    for (int64_t j = 0; j < columns_ * kParts; ++j) {
      for (int64_t r = 0; r < count; ++r) {
        rows[r * columns_ * kParts + j] = strip_[static_cast<size_t>(j / kParts * kStrip + r * kParts + j % kParts)];
      }
    }
  }
  rotations_.clear();
}

template class RotatedColumns<double>;
template class RotatedColumns<std::complex<double>>;

}  // namespace tt::dnn
