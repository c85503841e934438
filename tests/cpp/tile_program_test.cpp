// Tile programs: integer semantics, comparisons, every operation on every engine, and where registers may lie.
#include "emulator/tile_program.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "tile_harness.hpp"

namespace tt::test {
namespace {

__extension__ typedef __int128 Wide;
__extension__ typedef unsigned __int128 UnsignedWide;

// Modulo 2^128, which is enough for every width.
Wide product(Wide a, Wide b) { return static_cast<Wide>(static_cast<UnsignedWide>(a) * static_cast<UnsignedWide>(b)); }

const DataType kIntegerTypes[] = {DataType::kS2, DataType::kS4, DataType::kS8, DataType::kS16, DataType::kS32, DataType::kS64,
                                  DataType::kU2, DataType::kU4, DataType::kU8, DataType::kU16, DataType::kU32, DataType::kU64};

Wide wrap(DataType type, Wide value) {
  const Wide modulus = Wide{1} << info(type).bits;
  Wide rest = value % modulus;
  if (rest < 0) rest += modulus;
  return is_signed(type) && rest >= modulus / 2 ? rest - modulus : rest;
}
Wide unsigned_of(DataType type, Wide value) { return value < 0 ? value + (Wide{1} << info(type).bits) : value; }
Wide power(DataType type, Wide base, Wide exponent) {
  if (exponent < 0) return base == 1 ? 1 : base == -1 ? (exponent % 2 == 0 ? 1 : -1) : 0;
  Wide result = 1;
  for (; exponent > 0; exponent >>= 1, base = wrap(type, product(base, base))) {
    if (exponent & 1) result = wrap(type, product(result, base));
  }
  return result;
}

Wide exact_binary(TileOpcode code, DataType type, Wide a, Wide b) {
  const int bits = info(type).bits;
  const Wide ones = is_signed(type) ? -1 : (Wide{1} << bits) - 1, amount = unsigned_of(type, b);
  switch (code) {
    case TileOpcode::kAdd: return a + b;
    case TileOpcode::kSub: return a - b;
    case TileOpcode::kMul: return product(a, b);
    case TileOpcode::kDiv: return b == 0 ? ones : a / b;
    case TileOpcode::kRem: return b == 0 ? a : a % b;
    case TileOpcode::kMax: return std::max(a, b);
    case TileOpcode::kMin: return std::min(a, b);
    case TileOpcode::kPow: return power(type, a, b);
    case TileOpcode::kAnd: return a & b;
    case TileOpcode::kOr: return a | b;
    case TileOpcode::kXor: return a ^ b;
    case TileOpcode::kShl: return amount >= bits ? 0 : product(a, Wide{1} << amount);
    case TileOpcode::kShrL: return amount >= bits ? 0 : unsigned_of(type, a) >> amount;
    case TileOpcode::kShrA: {
      const Wide top = unsigned_of(type, a) >> (bits - 1) != 0 ? unsigned_of(type, a) - (Wide{1} << bits) : a;  // by the top bit
      return top >> (amount >= bits ? bits - 1 : amount);
    }
    case TileOpcode::kMulHi:
      return is_signed(type) ? (a * b) >> bits : static_cast<Wide>((static_cast<UnsignedWide>(a) * static_cast<UnsignedWide>(b)) >> bits);
    default: throw Failure("no oracle");
  }
}
Wide exact_unary(TileOpcode code, DataType type, Wide a) {
  const int bits = info(type).bits;
  const Wide u = unsigned_of(type, a);
  Wide count = 0;
  switch (code) {
    case TileOpcode::kAbs: return a < 0 ? -a : a;
    case TileOpcode::kNegate: return -a;
    case TileOpcode::kSign: return a > 0 ? 1 : a < 0 ? -1 : 0;
    case TileOpcode::kNot: return ~a;
    case TileOpcode::kPopcnt:
      for (int i = 0; i < bits; ++i) count += (u >> i) & 1;
      return count;
    case TileOpcode::kClz:
      while (count < bits && ((u >> (bits - 1 - static_cast<int>(count))) & 1) == 0) ++count;
      return count;
    default: throw Failure("no oracle");
  }
}

std::vector<Wide> interesting(DataType type) {
  std::vector<Wide> values;
  const int bits = info(type).bits;
  for (const Wide v : {0, 1, 2, 3, 5, 7, 8, 31, 32, 63, 64, 100, -1, -2, -3, -7, 127, 12345}) values.push_back(wrap(type, v));
  for (const int shift : {bits - 1, bits - 2, bits / 2}) {
    for (const Wide delta : {-1, 0, 1}) values.push_back(wrap(type, (Wide{1} << shift) + delta));
  }
  std::mt19937_64 random(11);
  for (int i = 0; i < 8; ++i) values.push_back(wrap(type, static_cast<Wide>(random())));
  return values;
}

std::vector<std::byte> encode(DataType type, const std::vector<Wide>& values) {
  const auto size = static_cast<size_t>(size_of(type));
  std::vector<std::byte> bytes(values.size() * size);
  for (size_t i = 0; i < values.size(); ++i) {
    const auto low = static_cast<int64_t>(values[i]);
    std::memcpy(bytes.data() + i * size, &low, size);
  }
  return bytes;
}
void expect_values(Simd simd, TileOpcode code, DataType type, const std::vector<std::byte>& got, const std::vector<Wide>& exact) {
  const std::vector<std::byte> expected = encode(type, exact);
  if (got == expected) return;
  const auto size = static_cast<size_t>(size_of(type));
  size_t i = 0;
  while (std::equal(got.begin() + static_cast<long>(i * size), got.begin() + static_cast<long>(i * size + size),
                    expected.begin() + static_cast<long>(i * size))) {
    ++i;
  }
  throw Failure(
      cat(info(code).name, " of ", name(type), " on ", name(simd), " is wrong at ", i, ", expected ", static_cast<int64_t>(exact[i])));
}

TEST(integer_operations_follow_exact_arithmetic_in_every_width) {
  for (const DataType type : kIntegerTypes) {
    const std::vector<Wide> values = interesting(type);
    std::vector<Wide> a, b;
    for (const Wide x : values) {
      for (const Wide y : values) {
        a.push_back(x);
        b.push_back(y);
      }
    }
    const std::vector<std::byte> left = encode(type, a), right = encode(type, b);
    for (const Simd simd : host_simds()) {
      for (const TileOpcode code : {TileOpcode::kAdd, TileOpcode::kSub, TileOpcode::kMul, TileOpcode::kDiv, TileOpcode::kRem,
                                    TileOpcode::kMax, TileOpcode::kMin, TileOpcode::kPow, TileOpcode::kAnd, TileOpcode::kOr,
                                    TileOpcode::kXor, TileOpcode::kShl, TileOpcode::kShrL, TileOpcode::kShrA, TileOpcode::kMulHi}) {
        std::vector<Wide> exact;
        for (size_t i = 0; i < a.size(); ++i) exact.push_back(wrap(type, exact_binary(code, type, a[i], b[i])));
        expect_values(simd, code, type,
                      run_op(simd, {.code = code, .lane = lane_of(type), .type = type, .dst = 2}, {type, type}, {left.data(), right.data()},
                             a.size()),
                      exact);
      }
      for (const TileOpcode code :
           {TileOpcode::kAbs, TileOpcode::kNegate, TileOpcode::kSign, TileOpcode::kNot, TileOpcode::kPopcnt, TileOpcode::kClz}) {
        std::vector<Wide> exact;
        for (const Wide x : a) exact.push_back(wrap(type, exact_unary(code, type, x)));
        expect_values(simd, code, type,
                      run_op(simd, {.code = code, .lane = lane_of(type), .type = type, .dst = 1}, {type}, {left.data()}, a.size()), exact);
      }
    }
  }
}

TEST(float_comparisons_and_extrema_follow_ieee_and_the_total_order) {
  const float nan = NAN, inf = INFINITY;
  const std::vector<float> order = {-nan, -inf, -1, -0x1p-149f, -0.0f, 0.0f, 0x1p-149f, 1, inf, nan};  // the total order
  std::vector<float> a, b;
  std::vector<int> rank_a, rank_b;
  for (int i = 0; i < 10; ++i) {
    for (int j = 0; j < 10; ++j) {
      a.push_back(order[static_cast<size_t>(i)]);
      b.push_back(order[static_cast<size_t>(j)]);
      rank_a.push_back(i);
      rank_b.push_back(j);
    }
  }
  const std::vector<double> wide_a(a.begin(), a.end()), wide_b(b.begin(), b.end());
  for (const Simd simd : host_simds()) {
    const auto compare = [&](TileOpcode code, auto ieee, bool total) {
      const auto narrow = apply<float, uint8_t>(simd, code, DataType::kF32, DataType::kPred, {a, b});
      const auto wide = apply<double, uint8_t>(simd, code, DataType::kF64, DataType::kPred, {wide_a, wide_b});
      for (size_t i = 0; i < a.size(); ++i) {
        const bool expected = total ? ieee(rank_a[i], rank_b[i]) : ieee(a[i], b[i]);
        EXPECT_EQ(narrow[i], static_cast<uint8_t>(expected));
        EXPECT_EQ(wide[i], static_cast<uint8_t>(expected));
      }
    };
    for (const bool total : {false, true}) {
      compare(
          total ? TileOpcode::kEqTotal : TileOpcode::kEq, [](auto x, auto y) { return x == y; }, total);
      compare(
          total ? TileOpcode::kNeTotal : TileOpcode::kNe, [](auto x, auto y) { return x != y; }, total);
      compare(
          total ? TileOpcode::kLtTotal : TileOpcode::kLt, [](auto x, auto y) { return x < y; }, total);
      compare(
          total ? TileOpcode::kLeTotal : TileOpcode::kLe, [](auto x, auto y) { return x <= y; }, total);
      compare(
          total ? TileOpcode::kGtTotal : TileOpcode::kGt, [](auto x, auto y) { return x > y; }, total);
      compare(
          total ? TileOpcode::kGeTotal : TileOpcode::kGe, [](auto x, auto y) { return x >= y; }, total);
    }
    const auto greater = apply<float>(simd, TileOpcode::kMax, DataType::kF32, DataType::kF32, {a, b});
    const auto lesser = apply<float>(simd, TileOpcode::kMin, DataType::kF32, DataType::kF32, {a, b});
    for (size_t i = 0; i < a.size(); ++i) {
      if (std::isnan(a[i]) || std::isnan(b[i])) {
        EXPECT(std::isnan(greater[i]) && std::isnan(lesser[i]));
        continue;
      }
      const float high = order[static_cast<size_t>(std::max(rank_a[i], rank_b[i]))],
                  low = order[static_cast<size_t>(std::min(rank_a[i], rank_b[i]))];
      EXPECT(greater[i] == high && std::signbit(greater[i]) == std::signbit(high));
      EXPECT(lesser[i] == low && std::signbit(lesser[i]) == std::signbit(low));
    }
  }
}

TEST(floats_round_to_integers_as_the_c_library_does) {
  std::vector<float> x = f32_sweep(99991);
  for (float v = -5; v <= 5; v += 0.125f) x.push_back(v);
  for (const float v : {8388607.5f, 8388608.0f, -4194303.5f, 0.49999997f, -0.49999997f}) x.push_back(v);
  const std::pair<TileOpcode, float (*)(float)> rows[] = {{TileOpcode::kCeil, [](float v) { return std::ceil(v); }},
                                                          {TileOpcode::kFloor, [](float v) { return std::floor(v); }},
                                                          {TileOpcode::kRoundAfz, [](float v) { return std::round(v); }},
                                                          {TileOpcode::kRoundEven, [](float v) { return std::nearbyint(v); }},
                                                          {TileOpcode::kAbs, [](float v) { return std::fabs(v); }},
                                                          {TileOpcode::kNegate, [](float v) { return -v; }},
                                                          {TileOpcode::kSign, [](float v) { return v > 0   ? 1.0f
                                                                                                   : v < 0 ? -1.0f
                                                                                                           : v; }}};
  for (const Simd simd : host_simds()) {
    for (const auto& [code, exact] : rows) {
      const auto y = apply<float>(simd, code, DataType::kF32, DataType::kF32, {x});
      for (size_t i = 0; i < x.size(); ++i) {
        const float expected = exact(x[i]);
        if (f32_ulps(y[i], expected) != 0) throw Failure(cat(info(code).name, " of ", x[i], " is ", y[i], ", expected ", expected));
      }
    }
  }
}

// Shifts that are joined by "or" run as one step of the host where nobody can tell.
TEST(rotations_have_the_bits_of_their_shifts) {
  constexpr auto kType = DataType::kU32;
  std::vector<uint32_t> x(1000);
  for (size_t i = 0; i < x.size(); ++i) x[i] = static_cast<uint32_t>(i * 2654435761u);
  for (const Simd simd : host_simds()) {
    for (const uint64_t left : {0u, 1u, 13u, 16u, 31u, 32u, 40u}) {
      for (const uint64_t right : {uint64_t{3}, (32 - left) & 0xffffffff}) {
        for (const bool turned : {false, true}) {
          for (const uint16_t low : {uint16_t{0}, uint16_t{4}}) {     // the register of x << left: that of x, or its own
            for (const uint16_t also : {uint16_t{5}, uint16_t{4}}) {  // a second output: the result again, or a part of it
              TileProgram program;
              program.inputs = {kType};
              const auto op = [&](TileOpcode code, uint16_t dst, uint16_t a, uint16_t b, uint64_t imm = 0) {
                program.ops.push_back({code, Lane::kU32, kType, dst, a, b, 0, imm});
              };
              op(TileOpcode::kFill, 1, 0, 0, left);
              op(TileOpcode::kFill, 2, 0, 0, right);
              if (turned) {
                op(TileOpcode::kShrL, 3, 0, 2);
                op(TileOpcode::kShl, low, 0, 1);
              } else {
                op(TileOpcode::kShl, 4, 0, 1);
                op(TileOpcode::kShrL, 3, 0, 2);
              }
              op(TileOpcode::kOr, 5, turned ? low : 4, 3);
              program.outputs = {{5, kType}, {turned && also == 4 ? low : also, kType}};
              program.num_registers = 6;
              std::vector<uint32_t> both(x.size()), second(x.size());
              const std::byte* in = bytes_of(x);
              std::byte* out[] = {reinterpret_cast<std::byte*>(both.data()), reinterpret_cast<std::byte*>(second.data())};
              TileScratch scratch;
              TileChain(program, engine(simd)).run(&in, out, x.size(), scratch);
              for (size_t i = 0; i < x.size(); ++i) {
                const uint32_t up = left < 32 ? x[i] << left : 0, down = right < 32 ? x[i] >> right : 0;
                EXPECT_EQ(both[i], up | down);
                EXPECT_EQ(second[i], also == 5 ? up | down : up);
              }
            }
          }
        }
      }
    }
  }
}

}  // namespace
}  // namespace tt::test
