// Combination of windows on every instruction set, against the loops of its definition.
#include "dnn/scatter_combine.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "data_program.hpp"
#include "tile_harness.hpp"

namespace tt::test {
namespace {

using dnn::Combine;
using dnn::WindowOffsets;

template <class T, class F>
void expect_combination(DataType type, Combine combination, const std::vector<T>& specials, F combine) {
  for (const size_t run : {1, 2, 7, 16, 35}) {
    std::vector<T> updates = random_values<T>(40 * run, 0, 50, 3), target = random_values<T>(10 * run, 0, 50, 4);
    for (size_t i = 0; i < specials.size(); ++i) {
      updates[i * 5 % updates.size()] = specials[i];
      target[i * 3 % target.size()] = specials[specials.size() - 1 - i];
    }
    std::vector<WindowOffsets> windows;
    for (size_t w = 0; w < 40; ++w) windows.push_back({static_cast<int64_t>(w * run), static_cast<int64_t>(w * 7 % 9 * run)});
    std::vector<T> expected = target;
    for (const WindowOffsets& at : windows) {
      for (size_t i = 0; i < run; ++i) {
        T& element = expected[static_cast<size_t>(at.target) + i];
        element = combine(element, updates[static_cast<size_t>(at.update) + i]);
      }
    }
    for (const Simd simd : host_simds()) {
      std::vector<T> got = target;
      dnn::combine_loop(combination, type)(reinterpret_cast<const std::byte*>(updates.data()), reinterpret_cast<std::byte*>(got.data()),
                                           windows, run, simd);
      EXPECT(std::memcmp(got.data(), expected.data(), got.size() * sizeof(T)) == 0);
    }
  }
}

template <class T>
void expect_combinations(DataType type, const std::vector<T>& specials) {
  expect_combination<T>(type, Combine::kAdd, {}, [](T a, T b) { return static_cast<T>(a + b); });
  expect_combination<T>(type, Combine::kMul, {}, [](T a, T b) {
    if constexpr (std::is_integral_v<T>) return static_cast<T>(static_cast<uint64_t>(a) * static_cast<uint64_t>(b));
    return static_cast<T>(a * b);
  });
  expect_combination<T>(type, Combine::kMax, specials, [](T a, T b) {
    if constexpr (std::is_floating_point_v<T>) {
      if (std::isnan(a)) return a;
      if (std::isnan(b)) return b;
      if (a == b) return std::signbit(a) ? b : a;
    }
    return std::max(a, b);
  });
  expect_combination<T>(type, Combine::kMin, specials, [](T a, T b) {
    if constexpr (std::is_floating_point_v<T>) {
      if (std::isnan(a)) return a;
      if (std::isnan(b)) return b;
      if (a == b) return std::signbit(a) ? a : b;
    }
    return std::min(a, b);
  });
}

}  // namespace

TEST(windows_are_combined_in_order_on_every_instruction_set) {
  const float nan = std::numeric_limits<float>::quiet_NaN(), infinity = std::numeric_limits<float>::infinity();
  expect_combinations<float>(DataType::kF32, {nan, -0.0f, 0.0f, infinity, -infinity, -nan, 0.0f, -0.0f});
  expect_combinations<double>(DataType::kF64, {nan, -0.0, 0.0, infinity, -infinity, -nan, 0.0, -0.0});
  expect_combinations<int32_t>(DataType::kS32, {std::numeric_limits<int32_t>::min(), std::numeric_limits<int32_t>::max()});
  expect_combinations<uint32_t>(DataType::kU32, {std::numeric_limits<uint32_t>::max(), 0});
  expect_combinations<int64_t>(DataType::kS64, {std::numeric_limits<int64_t>::min(), std::numeric_limits<int64_t>::max()});
  expect_combinations<uint64_t>(DataType::kU64, {std::numeric_limits<uint64_t>::max(), 0});
  for (const DataType type : {DataType::kBF16, DataType::kF16, DataType::kS8}) EXPECT(dnn::combine_loop(Combine::kAdd, type) == nullptr);
  EXPECT(dnn::combine_loop(Combine::kAssign, DataType::kF32) == nullptr);
}

}  // namespace tt::test
