// Conversions between all element types, against exact arithmetic on published encodings.
#include <algorithm>
#include <limits>
#include <optional>

#include "tile_harness.hpp"

namespace tt::test {
namespace {

using Exact = long double;  // holds every value of every real type

// Published parameters (OCP 8-bit float, ml_dtypes): largest finite, smallest normal and smallest denormal values.
struct Published {
  DataType type;
  double largest, smallest_normal, smallest;
  uint8_t code_of_one, code_of_largest;
};
const Published kPublished[] = {
    {DataType::kF8E3M4, 15.5, 0.25, 0x1p-6, 0x30, 0x6f},
    {DataType::kF8E4M3, 240, 0x1p-6, 0x1p-9, 0x38, 0x77},
    {DataType::kF8E4M3FN, 448, 0x1p-6, 0x1p-9, 0x38, 0x7e},
    {DataType::kF8E4M3B11FNUZ, 30, 0x1p-10, 0x1p-13, 0x58, 0x7f},
    {DataType::kF8E4M3FNUZ, 240, 0x1p-7, 0x1p-10, 0x40, 0x7f},
    {DataType::kF8E5M2, 57344, 0x1p-14, 0x1p-16, 0x3c, 0x7b},
    {DataType::kF8E5M2FNUZ, 57344, 0x1p-15, 0x1p-17, 0x40, 0x7f},
    {DataType::kF8E8M0FNU, 0x1p127, 0x1p-127, 0x1p-127, 0x7f, 0xfe},
    {DataType::kF4E2M1FN, 6, 1, 0.5, 0x2, 0x7},
};

std::vector<double> all_values(DataType type) {  // by code
  const int codes = type == DataType::kF4E2M1FN ? 16 : 256;
  std::vector<uint8_t> code(static_cast<size_t>(codes));
  for (size_t i = 0; i < code.size(); ++i) code[i] = static_cast<uint8_t>(i);
  std::vector<double> value(code.size());
  convert_elements(type, bytes_of(code), DataType::kF64, reinterpret_cast<std::byte*>(value.data()), code.size());
  return value;
}

TEST(eight_bit_floats_hold_the_published_values) {
  for (const Published& row : kPublished) {
    const std::vector<double> values = all_values(row.type);
    double largest = 0, smallest = INFINITY;
    for (const double v : values) {
      if (std::isfinite(v)) largest = std::max(largest, v);
      if (v > 0) smallest = std::min(smallest, v);
    }
    EXPECT_EQ(largest, row.largest);
    EXPECT_EQ(smallest, row.smallest);
    EXPECT_EQ(values[row.code_of_one], 1.0);
    EXPECT_EQ(values[row.code_of_largest], row.largest);
  }
}

// The nearest value of the format, ties to the even code; nothing for what is NaN, infinities as they are.
std::optional<double> nearest(const std::vector<double>& values, DataType type, double x) {
  if (type == DataType::kF8E8M0FNU) {
    if (!(x > 0) || x >= 0x1.8p127) return std::nullopt;
    double power = 0x1p-127;
    while (power < 0x1p127 && x >= power * 1.5) power *= 2;
    return power;
  }
  if (std::isnan(x)) return std::nullopt;
  size_t best = 0;
  x = std::clamp(x, -1e9, 1e9);  // larger than any format, small enough for exact differences
  for (size_t code = 0; code < values.size() / 2; ++code) {
    if (!std::isfinite(values[code])) continue;
    const Exact distance = std::fabs(Exact{values[code]} - std::fabs(x)), least = std::fabs(Exact{values[best]} - std::fabs(x));
    if (distance < least || (distance == least && code % 2 == 0)) best = code;
  }
  // Beyond the largest value by half a step or more lies overflow, but a tie goes to an even code.
  const double largest = values[best], step = largest - values[best == 0 ? 0 : best - 1], over = std::fabs(x) - largest;
  const bool is_largest = best == values.size() / 2 - 1 || !std::isfinite(values[best + 1]);
  const bool overflow = (is_largest && (over > step / 2 || (over == step / 2 && best % 2 == 1)));
  if (overflow) {
    if (type == DataType::kF8E3M4 || type == DataType::kF8E4M3 || type == DataType::kF8E5M2) return std::copysign(INFINITY, x);
    if (type != DataType::kF4E2M1FN) return std::nullopt;
  }
  const bool has_minus_zero = info(type).name.find("UZ") == std::string_view::npos;
  return largest == 0 && !has_minus_zero ? 0.0 : std::copysign(largest, x);
}

TEST(eight_bit_floats_round_to_the_nearest_even_code) {
  std::mt19937_64 random(3);
  std::vector<double> x = {0.0, -0.0, INFINITY, -INFINITY, NAN};
  for (const Published& row : kPublished) {
    for (const double v : all_values(row.type)) {
      if (!std::isfinite(v)) continue;
      for (const double factor : {1.0, 1.0 + 0x1p-20, 1.0 - 0x1p-20, 1.03125, 1.0625, 1.125, 1.25, 1.5, 0.75}) x.push_back(v * factor);
    }
  }
  for (int i = 0; i < 3000; ++i) x.push_back(std::ldexp(static_cast<double>(random()) * 0x1p-63 - 1, static_cast<int>(random() % 40) - 22));
  for (const Simd simd : host_simds()) {
    for (const Published& row : kPublished) {
      if (row.type == DataType::kF4E2M1FN) x[4] = 1;  // it has no NaN
      const std::vector<double> values = all_values(row.type);
      std::vector<uint8_t> code(x.size()), from_f32(x.size());
      convert_elements(engine(simd), DataType::kF64, bytes_of(x), row.type, reinterpret_cast<std::byte*>(code.data()), x.size());
      const std::vector<float> narrow(x.begin(), x.end());
      convert_elements(engine(simd), DataType::kF32, bytes_of(narrow), row.type, reinterpret_cast<std::byte*>(from_f32.data()), x.size());
      for (size_t i = 0; i < x.size(); ++i) {
        const auto check = [&](double value, uint8_t got) {
          const auto expected = nearest(values, row.type, value);
          const double result = values[got];
          const bool equal = expected ? *expected == result && std::signbit(*expected) == std::signbit(result) : std::isnan(result);
          if (!equal)
            throw Failure(cat(name(simd), ": ", value, " as ", name(row.type), " is ", result, ", expected ", expected.value_or(NAN)));
        };
        check(x[i], code[i]);
        check(narrow[i], from_f32[i]);
      }
    }
  }
}

// Sixteen-bit floats: the compiler's own conversions are the oracle for f16; bf16 rounds f32's upper half.
TEST(sixteen_bit_floats_round_once) {
  std::vector<float> x = f32_sweep(9973);
  std::vector<double> wide;
  for (const float v : x) wide.push_back(static_cast<double>(v) * (1 + 0x1p-40));
  for (const Simd simd : host_simds()) {
    std::vector<uint16_t> half(x.size()), brain(x.size()), half_of_wide(x.size()), brain_of_wide(x.size());
    const auto to = [](std::vector<uint16_t>& v) { return reinterpret_cast<std::byte*>(v.data()); };
    convert_elements(engine(simd), DataType::kF32, bytes_of(x), DataType::kF16, to(half), x.size());
    convert_elements(engine(simd), DataType::kF32, bytes_of(x), DataType::kBF16, to(brain), x.size());
    convert_elements(engine(simd), DataType::kF64, bytes_of(wide), DataType::kF16, to(half_of_wide), x.size());
    convert_elements(engine(simd), DataType::kF64, bytes_of(wide), DataType::kBF16, to(brain_of_wide), x.size());
    // To nearest even on an unbounded grid of quanta, then overflow: no shared code with the engine.
    const auto encode = [](double v, int exponent_bits, int mantissa_bits) -> uint16_t {
      const int bias = (1 << (exponent_bits - 1)) - 1;
      const int sign = std::signbit(v) ? 1 << (exponent_bits + mantissa_bits) : 0;
      const double a = std::fabs(v);
      const int top = ((1 << exponent_bits) - 1) << mantissa_bits;
      if (std::isinf(a)) return static_cast<uint16_t>(sign | top);
      const int exponent = a == 0 ? 1 - bias : std::max(std::ilogb(a), 1 - bias);
      const auto steps = static_cast<long>(std::nearbyint(std::ldexp(a, mantissa_bits - exponent)));
      const long code = steps + (static_cast<long>(exponent + bias - 1) << mantissa_bits);
      return static_cast<uint16_t>(sign | std::min<long>(code, top));
    };
    for (size_t i = 0; i < x.size(); ++i) {
      if (std::isnan(x[i])) {
        EXPECT((half[i] & 0x7fff) > 0x7c00 && (brain[i] & 0x7fff) > 0x7f80);
        EXPECT((half_of_wide[i] & 0x7fff) > 0x7c00 && (brain_of_wide[i] & 0x7fff) > 0x7f80);
        continue;
      }
      EXPECT_EQ(half[i], encode(x[i], 5, 10));
      EXPECT_EQ(brain[i], encode(x[i], 8, 7));
      EXPECT_EQ(half_of_wide[i], encode(wide[i], 5, 10));
      EXPECT_EQ(brain_of_wide[i], encode(wide[i], 8, 7));
    }
    std::vector<uint16_t> codes(65536), back(65536);
    for (size_t i = 0; i < codes.size(); ++i) codes[i] = static_cast<uint16_t>(i);
    for (const DataType type : {DataType::kF16, DataType::kBF16}) {
      const auto same = as<uint16_t>(
          run_op(simd, {.code = TileOpcode::kCopy, .lane = Lane::kF32, .type = type, .dst = 1}, {type}, {bytes_of(codes)}, codes.size()));
      EXPECT(same == codes);  // a copy keeps every code, signalling NaNs included
    }
  }
}

// Every pair of real types over values that both ends find awkward, one engine against exact rules and the others against it.
std::vector<double> awkward_values() {
  std::vector<double> v = {0.0,
                           -0.0,
                           0.5,
                           -0.5,
                           0.999,
                           -0.999,
                           1,
                           -1,
                           1.5,
                           -1.5,
                           2,
                           3,
                           -3,
                           7,
                           8,
                           -8,
                           -9,
                           15,
                           16,
                           127,
                           128,
                           -128,
                           -129,
                           255,
                           256,
                           32767,
                           32768,
                           -32768,
                           -32769,
                           65535,
                           65536,
                           2147483647.0,
                           2147483648.0,
                           -2147483648.0,
                           -2147483649.0,
                           4294967295.0,
                           4294967296.0,
                           0x1p53 + 2,
                           9223372036854774784.0,
                           0x1p63,
                           -0x1p63,
                           0x1.fffffffffffffp63,
                           0x1p64,
                           1e30,
                           -1e30,
                           1e300,
                           -1e300,
                           1e-300,
                           INFINITY,
                           -INFINITY,
                           NAN,
                           16777217,
                           8388609.5,
                           2147483646.5};
  return v;
}

TEST(floats_become_integers_by_truncation_and_saturation) {
  const std::vector<double> x = awkward_values();
  for (const Simd simd : host_simds()) {
    for (int t = static_cast<int>(DataType::kS2); t <= static_cast<int>(DataType::kU64); ++t) {
      const auto type = static_cast<DataType>(t);
      const int width = info(type).bits;
      const Exact high = is_signed(type) ? std::ldexp(1.0L, width - 1) - 1 : std::ldexp(1.0L, width) - 1;
      const Exact low = is_signed(type) ? -std::ldexp(1.0L, width - 1) : 0;
      for (const DataType from : {DataType::kF64, DataType::kF32, DataType::kBF16}) {
        std::vector<std::byte> source(x.size() * 8), result(x.size() * 8), back(x.size() * 8);
        std::vector<double> exact(x.size());
        convert_elements(engine(simd), DataType::kF64, bytes_of(x), from, source.data(), x.size());
        convert_elements(engine(simd), from, source.data(), DataType::kF64, reinterpret_cast<std::byte*>(exact.data()), x.size());
        convert_elements(engine(simd), from, source.data(), type, result.data(), x.size());
        for (size_t i = 0; i < x.size(); ++i) {
          const Exact expected = std::isnan(exact[i]) ? 0 : std::clamp<Exact>(std::trunc(static_cast<Exact>(exact[i])), low, high);
          int64_t raw = 0;
          const auto size = static_cast<size_t>(size_of(type));
          std::memcpy(&raw, result.data() + i * size, size);
          if (is_signed(type)) raw = raw << (64 - 8 * size) >> (64 - 8 * size);
          const Exact got = is_signed(type) ? static_cast<Exact>(raw) : static_cast<Exact>(static_cast<uint64_t>(raw));
          if (got != expected) throw Failure(cat(exact[i], " (", name(from), ") as ", name(type), " is ", got, ", expected ", expected));
        }
      }
    }
  }
}

TEST(integers_become_floats_with_one_rounding_and_integers_by_wrapping) {
  std::vector<int64_t> x = {0,
                            1,
                            -1,
                            5,
                            127,
                            -128,
                            255,
                            257,
                            511,
                            513,
                            65519,
                            65520,
                            16777217,
                            -16777217,
                            (1LL << 25) + 2,
                            INT64_MAX,
                            INT64_MIN,
                            (1LL << 53) + 1,
                            (1LL << 62) + (1LL << 38),
                            (1LL << 62) + (1LL << 38) + 1,
                            (1LL << 62) + (1LL << 54),
                            (1LL << 62) + (1LL << 54) + 1,
                            (1LL << 40) + (1LL << 32) - 1};
  for (const Simd simd : host_simds()) {
    std::vector<float> single(x.size());
    std::vector<uint16_t> brain(x.size());
    std::vector<int8_t> narrow(x.size()), four(x.size());
    convert_elements(engine(simd), DataType::kS64, bytes_of(x), DataType::kF32, reinterpret_cast<std::byte*>(single.data()), x.size());
    convert_elements(engine(simd), DataType::kS64, bytes_of(x), DataType::kBF16, reinterpret_cast<std::byte*>(brain.data()), x.size());
    convert_elements(engine(simd), DataType::kS64, bytes_of(x), DataType::kS8, reinterpret_cast<std::byte*>(narrow.data()), x.size());
    convert_elements(engine(simd), DataType::kS64, bytes_of(x), DataType::kS4, reinterpret_cast<std::byte*>(four.data()), x.size());
    for (size_t i = 0; i < x.size(); ++i) {
      EXPECT_EQ(single[i], static_cast<float>(x[i]));
      EXPECT_EQ(narrow[i], static_cast<int8_t>(x[i]));
      EXPECT_EQ(four[i], static_cast<int8_t>(static_cast<int8_t>(x[i] << 4) >> 4));
      // bf16: eight significant bits of the exact integer, ties to even.
      const Exact value = static_cast<Exact>(x[i]);
      const int exponent = x[i] == 0 ? 0 : std::ilogb(value);
      const Exact rounded = std::ldexp(std::nearbyint(std::ldexp(value, 7 - exponent)), exponent - 7);
      const uint32_t bits = static_cast<uint32_t>(brain[i]) << 16;
      float got;
      std::memcpy(&got, &bits, 4);
      EXPECT_EQ(static_cast<Exact>(got), rounded);
    }
  }
}

TEST(all_pairs_of_types_convert_alike_on_every_engine) {
  const std::vector<double> x = awkward_values();
  for (int f = 0; f <= static_cast<int>(DataType::kC128); ++f) {
    const auto from = static_cast<DataType>(f);
    std::vector<std::byte> source(x.size() * 16);
    convert_elements(DataType::kF64, bytes_of(x), from, source.data(), x.size());
    for (int t = 0; t <= static_cast<int>(DataType::kC128); ++t) {
      const auto to = static_cast<DataType>(t);
      std::vector<std::byte> first(x.size() * 16), other(x.size() * 16);
      convert_elements(engine(Simd::kPortable), from, source.data(), to, first.data(), x.size());
      for (const Simd simd : host_simds()) {
        convert_elements(engine(simd), from, source.data(), to, other.data(), x.size());
        if (first != other) throw Failure(cat(name(from), " to ", name(to), ": ", name(simd), " differs from portable"));
      }
    }
  }
}

}  // namespace
}  // namespace tt::test
