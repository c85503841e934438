// Keys on every instruction set: their order is that of the elements.
#include "dnn/order_key.hpp"

#include <bit>
#include <cmath>
#include <limits>

#include "data_program.hpp"
#include "tile_harness.hpp"

namespace tt::test {
namespace {

using dnn::OrderKey;

// Whether a comes before b; NaN is the greatest, or has no place.
template <class T>
bool before(T a, T b, bool canonical) {
  if constexpr (std::is_floating_point_v<T>) {
    if (canonical && (std::isnan(a) || std::isnan(b))) return !std::isnan(a);
    if (!canonical && a == b) return std::signbit(a) && !std::signbit(b);
  }
  return a < b;
}

template <class Key, class T>
void expect_order(const std::vector<T>& values, OrderKey key) {
  std::vector<Key> elements(values.size());
  std::memcpy(elements.data(), values.data(), values.size() * sizeof(T));
  const auto has_place = [&](T value) { return key.canonical || value == value; };
  for (const bool descending : {false, true}) {
    key.descending = descending;
    for (const Simd simd : host_simds()) {
      std::vector<Key> keys(values.size()), in_place = elements;
      dnn::encode_keys(key, elements.data(), elements.size(), keys.data(), simd);
      dnn::encode_keys(key, in_place.data(), in_place.size(), in_place.data(), simd);
      EXPECT(in_place == keys);
      for (size_t i = 0; i < values.size(); ++i) {
        for (size_t j = 0; j < values.size(); ++j) {
          const T first = values[descending ? j : i], second = values[descending ? i : j];
          if (has_place(first) && has_place(second)) EXPECT((keys[i] < keys[j]) == before(first, second, key.canonical));
        }
      }
    }
  }
}

template <class Key, class T>
void expect_order_of_integers() {
  std::vector<T> values = random_values<T>(61, std::is_signed_v<T> ? -100 : 0, 100, 3);
  values.insert(values.end(), {std::numeric_limits<T>::min(), std::numeric_limits<T>::max(), T{0}});
  expect_order<Key>(values,
                    {std::is_signed_v<T> ? OrderKey::Encoding::kSigned : OrderKey::Encoding::kUnsigned, /*canonical=*/true, false, 0});
}

template <class Key, class T>
void expect_order_of_floats() {
  constexpr T kNan = std::numeric_limits<T>::quiet_NaN(), kInfinity = std::numeric_limits<T>::infinity();
  std::vector<T> values = random_values<T>(60, -9, 9, 2);
  values.insert(values.end(), {kNan, -T{0}, T{0}, kInfinity, -kInfinity, -kNan, std::numeric_limits<T>::denorm_min()});
  for (const bool canonical : {false, true}) {
    expect_order<Key>(values, {OrderKey::Encoding::kFloat, canonical, false, std::bit_cast<Key>(kInfinity)});
  }
}

}  // namespace

TEST(keys_have_the_order_of_their_elements_on_every_instruction_set) {
  expect_order_of_integers<uint8_t, int8_t>();
  expect_order_of_integers<uint8_t, uint8_t>();
  expect_order_of_integers<uint16_t, int16_t>();
  expect_order_of_integers<uint16_t, uint16_t>();
  expect_order_of_integers<uint32_t, int32_t>();
  expect_order_of_integers<uint32_t, uint32_t>();
  expect_order_of_integers<uint64_t, int64_t>();
  expect_order_of_integers<uint64_t, uint64_t>();
  expect_order_of_floats<uint32_t, float>();
  expect_order_of_floats<uint64_t, double>();
}

}  // namespace tt::test
