// Selection of integers in a range: every engine against the loop of its definition.
#include "emulator/select.hpp"

#include <algorithm>
#include <limits>
#include <utility>

#include "data_program.hpp"
#include "emulator/simd/engine.hpp"
#include "tile_harness.hpp"

namespace tt::test {
namespace {

template <class T>
void expect_selection(DataType type) {
  constexpr auto kLeast = std::numeric_limits<T>::min(), kMost = std::numeric_limits<T>::max();
  constexpr int64_t kEnd = std::numeric_limits<int64_t>::max();
  std::vector<T> values = random_values<T>(200, 0, 40, 7);
  values.insert(values.end(), {kLeast, kMost, T{0}, T{5}, static_cast<T>(kMost - 1)});
  const auto is_inside = [](T value, int64_t low, int64_t high) {
    return !std::cmp_less(value, std::max<int64_t>(low, 0)) && std::cmp_less(value, high);
  };
  const auto* data = reinterpret_cast<const std::byte*>(values.data());
  for (const size_t n : {values.size(), size_t{16}, size_t{17}, size_t{1}, size_t{0}}) {
    for (const auto& [low, high] : {std::pair<int64_t, int64_t>{0, 20}, {5, 6}, {-3, 11}, {20, 5}, {30, kEnd}, {0, kEnd}}) {
      std::vector<uint32_t> expected;
      for (size_t i = 0; i < n; ++i) {
        if (is_inside(values[i], low, high)) expected.push_back(static_cast<uint32_t>(i));
      }
      std::vector<uint32_t> positions(n + emulator::kSelectPadding);
      positions.resize(emulator::select_positions(type, data, n, low, high, positions.data()));
      EXPECT(positions == expected);
      for (const Simd simd : host_simds()) {
        positions.assign(n + emulator::kSelectPadding, 0);
        positions.resize(engine(simd).select[static_cast<size_t>(type)](data, n, low, high, positions.data()));
        EXPECT(positions == expected);
      }
    }
  }
}

}  // namespace

TEST(integers_of_a_range_are_selected_on_every_engine) {
  expect_selection<int8_t>(DataType::kS8);
  expect_selection<uint8_t>(DataType::kU8);
  expect_selection<int16_t>(DataType::kS16);
  expect_selection<uint16_t>(DataType::kU16);
  expect_selection<int32_t>(DataType::kS32);
  expect_selection<uint32_t>(DataType::kU32);
  expect_selection<int64_t>(DataType::kS64);
  expect_selection<uint64_t>(DataType::kU64);
}

}  // namespace tt::test
