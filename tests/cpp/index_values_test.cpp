// Indices as int64, offsets, and windows that they place: every instruction set against the loops of their definition.
#include "dnn/index_values.hpp"

#include <algorithm>
#include <limits>
#include <utility>

#include "data_program.hpp"
#include "dnn/scatter_windows.hpp"
#include "tile_harness.hpp"

namespace tt::test {
namespace {

template <class T>
std::vector<T> indices() {
  constexpr auto kLeast = std::numeric_limits<T>::min(), kMost = std::numeric_limits<T>::max();
  std::vector<T> values = random_values<T>(200, 0, 40, 7);
  values.insert(values.end(), {kLeast, kMost, T{0}, T{5}, static_cast<T>(kMost - 1)});
  return values;
}

template <class T>
int64_t saturated(T value) {
  return std::cmp_less(value, std::numeric_limits<int64_t>::max()) ? static_cast<int64_t>(value) : std::numeric_limits<int64_t>::max();
}

template <class T>
void expect_values(DataType type) {
  const std::vector<T> values = indices<T>();
  const auto* data = reinterpret_cast<const std::byte*>(values.data());
  for (const Simd simd : host_simds()) {
    for (const int64_t step : {1, 3}) {
      const size_t n = values.size() / static_cast<size_t>(step);
      const auto value = [&](size_t i) { return saturated(values[i * static_cast<size_t>(step)]); };
      std::vector<int64_t> out(n);
      dnn::widen_values(type, data, step, n, out.data(), simd);
      for (size_t i = 0; i < n; ++i) EXPECT(out[i] == value(i));
      for (const int64_t stride : {1, 3}) {
        for (const bool add : {false, true}) {
          std::vector<int64_t> offsets(n, 11);
          dnn::clamped_offsets(type, data, step, n, {.limit = 25, .stride = stride}, add, offsets.data(), simd);
          for (size_t i = 0; i < n; ++i) EXPECT(offsets[i] == (add ? 11 : 0) + stride * std::clamp<int64_t>(value(i), 0, 25));
        }
      }
    }
  }
}

template <class T>
void expect_windows(DataType type) {
  const std::vector<T> values = indices<T>();
  std::vector<uint32_t> positions(values.size());
  for (size_t i = 0; i < positions.size(); ++i) positions[i] = static_cast<uint32_t>(i * 7 % positions.size());
  std::vector<dnn::WindowOffsets> windows(positions.size());
  dnn::place_windows(type, reinterpret_cast<const std::byte*>(values.data()), positions.data(), positions.size(), {100, 7}, {3, 5},
                     windows.data());
  for (size_t i = 0; i < windows.size(); ++i) {
    EXPECT(windows[i].update == 100 + 3 * static_cast<int64_t>(positions[i]));
    EXPECT(static_cast<uint64_t>(windows[i].target) == 7 + 5 * static_cast<uint64_t>(saturated(values[positions[i]])));
  }
}

template <class T>
void expect_indices(DataType type) {
  expect_values<T>(type);
  expect_windows<T>(type);
}

}  // namespace

TEST(indices_of_any_type_become_offsets_and_windows_on_every_instruction_set) {
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
