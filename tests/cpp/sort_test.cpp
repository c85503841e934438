// Sort against std::stable_sort, and the comparators that it understands.
#include "dnn/sort.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <numeric>

#include "data_program.hpp"

namespace tt::test {
namespace {

using emulator::Lane;
using emulator::lane_of;
using emulator::TileOp;
using emulator::TileOpcode;
using emulator::TileProgram;

// Builds comparators op by op.
struct Comparator {
  TileProgram program;

  explicit Comparator(const std::vector<DataType>& types) {
    for (DataType type : types) program.inputs.insert(program.inputs.end(), {type, type});
    program.num_registers = static_cast<uint16_t>(program.inputs.size());
  }
  uint16_t add(TileOpcode code, DataType operand, DataType result, uint16_t a, uint16_t b = 0, uint16_t c = 0, uint64_t imm = 0) {
    const uint16_t dst = program.num_registers++;
    program.ops.push_back(TileOp{.code = code, .lane = lane_of(operand), .type = result, .dst = dst, .a = a, .b = b, .c = c, .imm = imm});
    return dst;
  }
  uint16_t compare(TileOpcode code, DataType type, uint16_t a, uint16_t b) { return add(code, type, DataType::kPred, a, b); }
  // What lax.sort makes of a float: one zero, one NaN.
  uint16_t canonical(uint16_t input) {
    const DataType f32 = DataType::kF32;
    const uint16_t zero = add(TileOpcode::kFill, f32, f32, 0);
    const uint16_t nan = add(TileOpcode::kFill, f32, f32, 0, 0, 0, 0x7FC00000);
    const uint16_t one_zero = add(TileOpcode::kSelect, f32, f32, compare(TileOpcode::kEq, f32, input, zero), zero, input);
    return add(TileOpcode::kSelect, f32, f32, compare(TileOpcode::kNe, f32, input, input), nan, one_zero);
  }
  TileProgram result(uint16_t reg) {
    program.outputs = {{reg, DataType::kPred}};
    return program;
  }
};

TileProgram plain(const std::vector<DataType>& types, TileOpcode code) {
  Comparator c(types);
  return c.result(c.compare(code, types[0], 0, 1));
}

TileProgram jax_float(const std::vector<DataType>& types, TileOpcode code) {
  Comparator c(types);
  const uint16_t a = c.canonical(0), b = c.canonical(1);
  return c.result(c.compare(code, DataType::kF32, a, b));
}

// (f32 canonical, then i32)
TileProgram jax_two_keys(const std::vector<DataType>& types) {
  Comparator c(types);
  const uint16_t a = c.canonical(0), b = c.canonical(1);
  const uint16_t rest = c.compare(TileOpcode::kLt, DataType::kS32, 2, 3);
  const uint16_t first = c.compare(TileOpcode::kLtTotal, DataType::kF32, a, b);
  const uint16_t same = c.compare(TileOpcode::kEqTotal, DataType::kF32, a, b);
  const uint16_t tie = c.add(TileOpcode::kAnd, DataType::kPred, DataType::kPred, same, rest);
  return c.result(c.add(TileOpcode::kOr, DataType::kPred, DataType::kPred, first, tie));
}

// |a| < |b|: no order of keys.
TileProgram by_magnitude(const std::vector<DataType>& types) {
  Comparator c(types);
  const uint16_t a = c.add(TileOpcode::kAbs, types[0], types[0], 0), b = c.add(TileOpcode::kAbs, types[0], types[0], 1);
  return c.result(c.compare(TileOpcode::kLt, types[0], a, b));
}

// Sorts rows of (values, position) along `dimension` and compares with the standard library, bit for bit.
template <class T, class Less>
void expect_sorted(DataType type, Dims dims, int64_t dimension, const std::vector<T>& values, const TileProgram& comparator, Less less) {
  const int64_t n = dims[static_cast<size_t>(dimension)];
  const int64_t inner = volume(std::span(dims).subspan(static_cast<size_t>(dimension) + 1));
  std::vector<int32_t> positions(values.size());
  std::iota(positions.begin(), positions.end(), 0);
  std::vector<T> sorted(values.size());
  std::vector<int32_t> sources(values.size());
  for (int64_t row = 0; n > 0 && row < static_cast<int64_t>(values.size()) / n; ++row) {
    const int64_t base = row / inner * inner * n + row % inner;
    std::vector<int32_t> order(static_cast<size_t>(n));
    for (int64_t i = 0; i < n; ++i) order[static_cast<size_t>(i)] = static_cast<int32_t>(base + i * inner);
    std::stable_sort(order.begin(), order.end(),
                     [&](int32_t a, int32_t b) { return less(values[static_cast<size_t>(a)], values[static_cast<size_t>(b)]); });
    for (int64_t i = 0; i < n; ++i) {
      const auto source = static_cast<size_t>(order[static_cast<size_t>(i)]);
      sorted[static_cast<size_t>(base + i * inner)] = values[source];
      sources[static_cast<size_t>(base + i * inner)] = static_cast<int32_t>(source);
    }
  }
  const bool alone = comparator.inputs.size() == 2;
  dnn::SortSpec spec{.types = {type}, .dims = dims, .dimension = dimension, .comparator = comparator};
  std::vector<Bytes> inputs = {bytes_of(values)};
  if (!alone) {
    spec.types.push_back(DataType::kS32);
    inputs.push_back(bytes_of(positions));
  }
  const metal::Program program = dnn::sort(spec, e150());
  for (int threads : {1, 2}) {
    const auto out = run_program(program, inputs, threads);
    EXPECT(out[0] == bytes_of(sorted));
    if (!alone) EXPECT(out[1] == bytes_of(sources));
  }

  // The start of each row, with the places in their rows beside it or alone.
  for (const int64_t first : {int64_t{1}, n / 9, n / 4, n / 2}) {
    if (first == 0 || first >= n) continue;
    std::vector<T> starts;
    std::vector<int32_t> places;
    for (size_t i = 0; i < values.size(); ++i) {
      if (static_cast<int64_t>(i) / inner % n >= first) continue;
      starts.push_back(sorted[i]);
      places.push_back(static_cast<int32_t>(sources[i] / inner % n));
    }
    spec.first = first;
    spec.positions = {false, dnn::recognise_comparator(comparator).has_value()};
    spec.unread = {};
    std::vector<Bytes> operands = {inputs[0]};
    if (!alone && !spec.positions[1]) {
      for (int32_t& position : positions) position = static_cast<int32_t>(position / inner % n);
      operands.push_back(bytes_of(positions));
      for (size_t i = 0; i < positions.size(); ++i) positions[i] = static_cast<int32_t>(i);
    }
    const auto both = run_program(dnn::sort(spec, e150()), operands, 2);
    EXPECT(both[0] == bytes_of(starts));
    if (alone) continue;
    EXPECT(both[1] == bytes_of(places));
    spec.unread = {true, false};
    EXPECT(run_program(dnn::sort(spec, e150()), operands, 1)[0] == bytes_of(places));
  }
}

std::vector<float> awkward_floats(size_t n) {
  std::vector<float> out;
  const auto raw = random_values<int32_t>(n, -40, 40, 7);
  for (int32_t value : raw) {
    const float special[] = {0.0f, -0.0f, INFINITY, -INFINITY, NAN, -NAN, std::bit_cast<float>(0x7F800001), 1e-42f};
    out.push_back(value >= 32 ? special[value - 32 < 8 ? value - 32 : 0] : static_cast<float>(value) * 0.37f);
  }
  return out;
}

double canonical_key(float x) { return std::isnan(x) ? INFINITY : std::isinf(x) ? std::copysign(1e300, x) : static_cast<double>(x); }
int32_t total_key(float x) {
  const auto bits = std::bit_cast<int32_t>(x);
  return bits < 0 ? bits ^ 0x7FFFFFFF : bits;
}

const std::vector<DataType> kFloat = {DataType::kF32};
const std::vector<DataType> kFloatAndPosition = {DataType::kF32, DataType::kS32};

}  // namespace

TEST(sort_of_floats_as_jax_orders_them) {
  const auto ascending = [](float a, float b) { return canonical_key(a) < canonical_key(b); };
  const auto descending = [](float a, float b) { return canonical_key(a) > canonical_key(b); };
  for (const std::vector<DataType>& types : {kFloat, kFloatAndPosition}) {
    for (int64_t n : {1, 2, 100, 3000, 40000}) {
      expect_sorted<float>(DataType::kF32, {2, n}, 1, awkward_floats(static_cast<size_t>(2 * n)), jax_float(types, TileOpcode::kLtTotal),
                           ascending);
    }
    expect_sorted<float>(DataType::kF32, {3000}, 0, awkward_floats(3000), jax_float(types, TileOpcode::kGtTotal), descending);
    expect_sorted<float>(DataType::kF32, {5, 300, 7}, 1, awkward_floats(10500), jax_float(types, TileOpcode::kLtTotal), ascending);
    expect_sorted<float>(DataType::kF32, {0}, 0, {}, jax_float(types, TileOpcode::kLtTotal), ascending);
    expect_sorted<float>(DataType::kF32, {3, 0}, 1, {}, jax_float(types, TileOpcode::kLtTotal), ascending);
  }
}

TEST(sort_in_total_order_as_top_k_does) {
  expect_sorted<float>(DataType::kF32, {4, 700}, 1, awkward_floats(2800), plain(kFloatAndPosition, TileOpcode::kGtTotal),
                       [](float a, float b) { return total_key(a) > total_key(b); });
}

TEST(the_first_of_rows_that_ascend_or_repeat_are_found) {
  const auto greater = [](float a, float b) { return total_key(a) > total_key(b); };
  std::vector<float> ascending(20000), equal(20000, 2.5f);
  std::iota(ascending.begin(), ascending.end(), -7000.0f);
  expect_sorted<float>(DataType::kF32, {2, 10000}, 1, ascending, plain(kFloatAndPosition, TileOpcode::kGtTotal), greater);
  expect_sorted<float>(DataType::kF32, {10000, 2}, 0, equal, plain(kFloatAndPosition, TileOpcode::kGtTotal), greater);
}

TEST(sort_of_integers_of_every_width) {
  const auto less = [](auto a, auto b) { return a < b; };
  expect_sorted<int8_t>(DataType::kS8, {2, 5000}, 1, random_values<int8_t>(10000, -128, 127, 1), plain({DataType::kS8}, TileOpcode::kLt),
                        less);
  expect_sorted<uint16_t>(DataType::kU16, {5000}, 0, random_values<uint16_t>(5000, 0, 65535, 2), plain({DataType::kU16}, TileOpcode::kLt),
                          less);
  expect_sorted<int32_t>(DataType::kS32, {90, 100}, 0, random_values<int32_t>(9000, -50, 50, 3),
                         plain({DataType::kS32, DataType::kS32}, TileOpcode::kLt), less);
  expect_sorted<uint64_t>(DataType::kU64, {20000}, 0, random_values<uint64_t>(20000, INT64_MIN, INT64_MAX, 4),
                          plain({DataType::kU64}, TileOpcode::kLt), less);
  expect_sorted<int64_t>(DataType::kS64, {50, 200}, 1, random_values<int64_t>(10000, INT64_MIN, INT64_MAX, 5),
                         plain({DataType::kS64, DataType::kS32}, TileOpcode::kLt), less);
}

TEST(sort_by_two_keys_carries_the_rest) {
  const auto floats = random_values<float>(3000, -5, 5, 1), payload = random_values<float>(3000, 0, 1000, 3);
  const auto ints = random_values<int32_t>(3000, -5, 5, 2);
  const std::vector<DataType> types = {DataType::kF32, DataType::kS32, DataType::kF32};
  const dnn::SortSpec spec{.types = types, .dims = {3, 1000}, .dimension = 1, .comparator = jax_two_keys(types)};
  const auto out = run_program(dnn::sort(spec, e150()), {bytes_of(floats), bytes_of(ints), bytes_of(payload)});
  const auto sorted_floats = values_of<float>(out[0]), carried = values_of<float>(out[2]);
  const auto sorted_ints = values_of<int32_t>(out[1]);
  for (size_t row = 0; row < 3; ++row) {
    std::vector<size_t> order(1000);
    std::iota(order.begin(), order.end(), 1000 * row);
    std::stable_sort(order.begin(), order.end(),
                     [&](size_t a, size_t b) { return std::pair(floats[a], ints[a]) < std::pair(floats[b], ints[b]); });
    for (size_t i = 0; i < 1000; ++i) {
      EXPECT_EQ(sorted_floats[1000 * row + i], floats[order[i]]);
      EXPECT_EQ(sorted_ints[1000 * row + i], ints[order[i]]);
      EXPECT_EQ(carried[1000 * row + i], payload[order[i]]);
    }
  }
}

TEST(sort_by_any_comparator_is_stable) {
  const auto less = [](int32_t a, int32_t b) { return std::abs(a) < std::abs(b); };
  const std::vector<DataType> types = {DataType::kS32, DataType::kS32};
  EXPECT(!dnn::recognise_comparator(by_magnitude(types)));
  for (int64_t n : {1, 2, 3, 7, 64, 100, 1000}) {
    expect_sorted<int32_t>(DataType::kS32, {5, n, 2}, 1, random_values<int32_t>(static_cast<size_t>(10 * n), -20, 20, 9),
                           by_magnitude(types), less);
  }
}

TEST(sort_recognises_comparators) {
  EXPECT(*dnn::recognise_comparator(jax_float(kFloat, TileOpcode::kLtTotal)) == (dnn::KeyOrder{{0, false, true}}));
  EXPECT(*dnn::recognise_comparator(plain(kFloatAndPosition, TileOpcode::kGtTotal)) == (dnn::KeyOrder{{0, true, false}}));
  EXPECT(*dnn::recognise_comparator(jax_two_keys(kFloatAndPosition)) == (dnn::KeyOrder{{0, false, true}, {1, false, false}}));
  Comparator backwards({DataType::kU8});
  EXPECT(*dnn::recognise_comparator(backwards.result(backwards.compare(TileOpcode::kLt, DataType::kU8, 1, 0))) ==
         (dnn::KeyOrder{{0, true, false}}));
  EXPECT(!dnn::recognise_comparator(plain({DataType::kS32}, TileOpcode::kLe)));
  Comparator mixed({DataType::kS32, DataType::kS32});
  EXPECT(!dnn::recognise_comparator(mixed.result(mixed.compare(TileOpcode::kLt, DataType::kS32, 0, 3))));
}

TEST(sort_refuses_what_does_not_fit) {
  dnn::SortSpec spec{.types = {DataType::kF32}, .dims = {4}, .dimension = 1, .comparator = plain({DataType::kF32}, TileOpcode::kLt)};
  EXPECT_ERROR(dnn::sort(spec, e150()), "dimension 1 is not a dimension of [4]");
  spec.types.push_back(DataType::kF32);
  EXPECT_ERROR(dnn::sort(spec, e150()), "has a comparator of 2 elements, expected 4");
  spec = {.types = {DataType::kF32}, .dims = {4}, .dimension = 0, .comparator = plain({DataType::kF32}, TileOpcode::kLt), .first = 5};
  EXPECT_ERROR(dnn::sort(spec, e150()), "the first 5 elements of rows of 4");
}

}  // namespace tt::test
