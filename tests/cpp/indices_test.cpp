// Selection, placing and combination of windows: every engine against the loops of their definition.
#include <algorithm>
#include <cmath>
#include <limits>

#include "data_program.hpp"
#include "emulator/simd/engine.hpp"
#include "tile_harness.hpp"

namespace tt::test {
namespace {

using emulator::WindowOffsets;

template <class T>
void expect_indices(DataType type) {
  constexpr auto kLeast = std::numeric_limits<T>::min(), kMost = std::numeric_limits<T>::max();
  std::vector<T> values = random_values<T>(200, 0, 40, 7);
  values.insert(values.end(), {kLeast, kMost, T{0}, T{5}, static_cast<T>(kMost - 1)});
  const auto widened = [](T value) {
    if constexpr (std::is_same_v<T, uint64_t>) value = std::min<T>(value, std::numeric_limits<int64_t>::max());
    return static_cast<int64_t>(value);
  };
  const auto* data = reinterpret_cast<const std::byte*>(values.data());
  const auto at = static_cast<size_t>(type);
  for (const Simd simd : host_simds()) {
    const emulator::Engine& tested = engine(simd);
    for (const size_t n : {values.size(), size_t{16}, size_t{17}, size_t{1}, size_t{0}}) {
      for (const auto& [low, high] :
           {std::pair<int64_t, int64_t>{0, 20}, {5, 6}, {-3, 11}, {20, 5}, {30, std::numeric_limits<int64_t>::max()}}) {
        std::vector<uint32_t> expected, positions(n + emulator::kLanePadding);
        for (size_t i = 0; i < n; ++i) {
          if (widened(values[i]) >= std::max<int64_t>(low, 0) && widened(values[i]) < high) expected.push_back(static_cast<uint32_t>(i));
        }
        positions.resize(tested.select[at](data, n, low, high, positions.data()));
        EXPECT(positions == expected);

        std::vector<WindowOffsets> windows(positions.size());
        tested.place_windows[at](data, positions.data(), positions.size(), {100, 7}, 3, 5, windows.data());
        for (size_t i = 0; i < windows.size(); ++i) {
          EXPECT(windows[i].update == 100 + 3 * static_cast<int64_t>(positions[i]));
          EXPECT(static_cast<uint64_t>(windows[i].target) == 7 + 5 * static_cast<uint64_t>(widened(values[positions[i]])));
        }
      }
    }
  }
}

template <class T, class F>
void expect_combination(DataType type, TileOpcode code, const std::vector<T>& specials, F combine) {
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
      engine(simd).combine_runs(code, type)(reinterpret_cast<const std::byte*>(updates.data()), reinterpret_cast<std::byte*>(got.data()),
                                            windows.data(), windows.size(), run);
      EXPECT(std::memcmp(got.data(), expected.data(), got.size() * sizeof(T)) == 0);
    }
  }
}

template <class T>
void expect_combinations(DataType type, const std::vector<T>& specials) {
  expect_combination<T>(type, TileOpcode::kAdd, {}, [](T a, T b) { return static_cast<T>(a + b); });
  expect_combination<T>(type, TileOpcode::kMul, {}, [](T a, T b) {
    if constexpr (std::is_integral_v<T>) return static_cast<T>(static_cast<uint64_t>(a) * static_cast<uint64_t>(b));
    return static_cast<T>(a * b);
  });
  expect_combination<T>(type, TileOpcode::kMax, specials, [](T a, T b) {
    if constexpr (std::is_floating_point_v<T>) {
      if (std::isnan(a)) return a;
      if (std::isnan(b)) return b;
      if (a == b) return std::signbit(a) ? b : a;
    }
    return std::max(a, b);
  });
  expect_combination<T>(type, TileOpcode::kMin, specials, [](T a, T b) {
    if constexpr (std::is_floating_point_v<T>) {
      if (std::isnan(a)) return a;
      if (std::isnan(b)) return b;
      if (a == b) return std::signbit(a) ? a : b;
    }
    return std::min(a, b);
  });
}

}  // namespace

TEST(indices_are_selected_and_placed_on_every_engine) {
  expect_indices<int8_t>(DataType::kS8);
  expect_indices<uint8_t>(DataType::kU8);
  expect_indices<int16_t>(DataType::kS16);
  expect_indices<uint16_t>(DataType::kU16);
  expect_indices<int32_t>(DataType::kS32);
  expect_indices<uint32_t>(DataType::kU32);
  expect_indices<int64_t>(DataType::kS64);
  expect_indices<uint64_t>(DataType::kU64);
}

TEST(windows_are_combined_in_order_on_every_engine) {
  const float nan = std::numeric_limits<float>::quiet_NaN(), infinity = std::numeric_limits<float>::infinity();
  expect_combinations<float>(DataType::kF32, {nan, -0.0f, 0.0f, infinity, -infinity, 0.0f, -0.0f});
  expect_combinations<double>(DataType::kF64, {nan, -0.0, 0.0, infinity, -infinity, 0.0, -0.0});
  expect_combinations<int32_t>(DataType::kS32, {std::numeric_limits<int32_t>::min(), std::numeric_limits<int32_t>::max()});
  expect_combinations<uint32_t>(DataType::kU32, {std::numeric_limits<uint32_t>::max(), 0});
  expect_combinations<int64_t>(DataType::kS64, {std::numeric_limits<int64_t>::min(), std::numeric_limits<int64_t>::max()});
  expect_combinations<uint64_t>(DataType::kU64, {std::numeric_limits<uint64_t>::max(), 0});
  EXPECT(engine(Simd::kPortable).combine_runs(TileOpcode::kAdd, DataType::kBF16) == nullptr);
}

}  // namespace tt::test
