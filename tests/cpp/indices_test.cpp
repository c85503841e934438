// Selection of integers in a range: every engine against the loops of their definition.
#include <algorithm>
#include <limits>

#include "data_program.hpp"
#include "emulator/simd/engine.hpp"
#include "tile_harness.hpp"

namespace tt::test {
namespace {

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
      }
    }
  }
}

}  // namespace

TEST(indices_are_selected_on_every_engine) {
  expect_indices<int8_t>(DataType::kS8);
  expect_indices<uint8_t>(DataType::kU8);
  expect_indices<int16_t>(DataType::kS16);
  expect_indices<uint16_t>(DataType::kU16);
  expect_indices<int32_t>(DataType::kS32);
  expect_indices<uint32_t>(DataType::kU32);
  expect_indices<int64_t>(DataType::kS64);
  expect_indices<uint64_t>(DataType::kU64);
}

}  // namespace tt::test
