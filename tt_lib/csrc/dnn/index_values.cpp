// Loops over indices, with constants for the usual steps.
#include "dnn/index_values.hpp"

#include "dnn/instruction_sets.hpp"

namespace tt::dnn {
namespace {

constexpr std::integral_constant<int64_t, 1> kOne;

}  // namespace

void widen_values(DataType type, const std::byte* values, int64_t step, size_t n, int64_t* out, emulator::Simd simd) {
  visit_integers(type, values, [&]<class T>(const T* from) {
    const auto widen_all = [=](auto by) TT_LOOP {
      for (size_t i = 0; i < n; ++i) out[i] = widen(from[static_cast<int64_t>(i) * by]);
    };
    run_on_host<T>([=]() TT_LOOP { step == 1 ? widen_all(kOne) : widen_all(step); }, simd);
  });
}

void clamped_offsets(DataType type, const std::byte* values, int64_t step, size_t n, OffsetScale scale, bool add, int64_t* out,
                     emulator::Simd simd) {
  visit_integers(type, values, [&]<class T>(const T* from) {
    const auto scale_all = [=](auto by, auto stride) TT_LOOP {
      const auto offset = [=](size_t i) TT_LOOP {
        const int64_t value = widen(from[static_cast<int64_t>(i) * by]), up = value < 0 ? 0 : value;
        return (up > scale.limit ? scale.limit : up) * stride;
      };
      if (add) {
        for (size_t i = 0; i < n; ++i) out[i] += offset(i);
      } else {
        for (size_t i = 0; i < n; ++i) out[i] = offset(i);
      }
    };
    run_on_host<T>(
        [=]() TT_LOOP {
          if (step != 1) return scale_all(step, scale.stride);
          scale.stride == 1 ? scale_all(kOne, kOne) : scale_all(kOne, scale.stride);
        },
        simd);
  });
}

}  // namespace tt::dnn
