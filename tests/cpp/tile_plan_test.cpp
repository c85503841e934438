// Plans of tile programs: joined operations, reused storage and results in the outputs' own arrays have the bits of one operation after
// the other.
#include "emulator/tile_plan.hpp"

#include <random>

#include "emulator/tile_chain.hpp"
#include "tile_harness.hpp"

namespace tt::test {
namespace {

using Array = std::vector<std::byte>;

// Random operations over few registers, so that registers are often written again.
TileProgram random_program(std::mt19937& random, DataType type, const std::vector<TileOpcode>& codes) {
  const Lane lane = lane_of(type);
  const auto below = [&](size_t n) { return static_cast<uint16_t>(random() % n); };
  TileProgram program;
  program.inputs = {type, type};
  program.num_registers = 7;
  for (uint16_t reg = 2; reg < program.num_registers; ++reg) {
    const uint64_t bits = type == DataType::kU32    ? 1 + below(31)
                          : type == DataType::kBF16 ? 0x3f80 + below(256)
                                                    : 0x3f800000 + below(1 << 20);
    program.ops.push_back({TileOpcode::kFill, lane, type, reg, 0, 0, 0, bits});
  }
  for (size_t i = 0; i < 24; ++i) {
    const uint16_t dst = below(program.num_registers), a = below(program.num_registers), b = below(program.num_registers);
    if (type == DataType::kU32 && below(8) == 0) {  // rounds of Threefry, some disturbed
      const uint16_t word = below(5), sum = static_cast<uint16_t>((word + 1 + below(4)) % 5);
      for (int round = below(2); round < 6; ++round) {
        const uint64_t left = 1 + below(31);
        program.ops.push_back({TileOpcode::kAdd, lane, type, sum, sum, word});
        if (below(8) == 0) program.ops.push_back({TileOpcode::kXor, lane, type, below(5), sum, word});
        program.ops.push_back({TileOpcode::kFill, lane, type, 5, 0, 0, 0, left});
        program.ops.push_back({TileOpcode::kFill, lane, type, 6, 0, 0, 0, 32 - left});
        program.ops.push_back({TileOpcode::kShl, lane, type, 5, word, 5});
        program.ops.push_back({TileOpcode::kShrL, lane, type, 6, word, 6});
        program.ops.push_back({TileOpcode::kOr, lane, type, word, 5, 6});
        program.ops.push_back({TileOpcode::kXor, lane, type, word, word, sum});
      }
    } else if (type == DataType::kU32 && below(4) == 0) {  // a rotation
      const uint64_t left = 1 + below(31);
      program.ops.push_back({TileOpcode::kFill, lane, type, 5, 0, 0, 0, left});
      program.ops.push_back({TileOpcode::kFill, lane, type, 6, 0, 0, 0, 32 - left});
      program.ops.push_back({TileOpcode::kShl, lane, type, 5, a < 5 ? a : uint16_t{0}, 5});
      program.ops.push_back({TileOpcode::kShrL, lane, type, 6, a < 5 ? a : uint16_t{0}, 6});
      program.ops.push_back({TileOpcode::kOr, lane, type, dst, 5, 6});
    } else {
      program.ops.push_back({codes[below(codes.size())], lane, type, dst, a, b});
    }
  }
  program.outputs = {{below(program.num_registers), type}, {below(program.num_registers), type}};
  return program;
}

// The same, an operation a time.
std::vector<Array> step_by_step(Simd simd, const TileProgram& program, const std::vector<Array>& inputs, size_t n) {
  std::vector<Array> registers(program.num_registers);
  std::copy(inputs.begin(), inputs.end(), registers.begin());
  for (const TileOp& op : program.ops) {
    const auto operands = static_cast<size_t>(info(op.code).operands);
    const std::byte* const arrays[] = {registers[op.a].data(), registers[op.b].data(), registers[op.c].data()};
    registers[op.dst] = run_op(simd, op, std::vector<DataType>(operands, op.type), {arrays, arrays + operands}, n);
  }
  std::vector<Array> results;
  for (const auto& output : program.outputs) results.push_back(registers[output.reg]);
  return results;
}

bool is_nan(DataType type, const std::byte* element) {
  uint32_t code = 0;
  std::memcpy(&code, element, static_cast<size_t>(size_of(type)));
  if (type == DataType::kBF16) code <<= 16;
  return type != DataType::kU32 && (code & 0x7fffffff) > 0x7f800000;
}

void expect_equal(DataType type, const Array& got, const Array& expected) {
  const auto size = static_cast<size_t>(size_of(type));
  for (size_t i = 0; i < expected.size(); i += size) {
    if (is_nan(type, got.data() + i) && is_nan(type, expected.data() + i)) continue;
    EXPECT_EQ(std::memcmp(got.data() + i, expected.data() + i, size), 0);
  }
}

TEST(planned_programs_have_the_bits_of_one_operation_after_the_other) {
  using enum TileOpcode;
  const std::vector<TileOpcode> floats = {kAdd, kSub, kMul, kMax, kMin, kNegate, kMulAdd, kAdd, kMul},
                                integers = {kAdd, kSub, kMul, kXor, kAnd, kOr};
  std::mt19937 random(1);
  for (const DataType type : {DataType::kF32, DataType::kBF16, DataType::kU32}) {
    const auto size = static_cast<size_t>(size_of(type));
    for (int round = 0; round < 200; ++round) {
      const size_t n = round % 3 == 0 ? 100 : 64;  // not whole pages of the host's vectors, and whole ones
      const TileProgram program = random_program(random, type, type == DataType::kU32 ? integers : floats);
      std::vector<Array> inputs(2, Array(n * size));
      for (Array& input : inputs) {
        for (std::byte& byte : input) byte = static_cast<std::byte>(random());
      }
      for (const Simd simd : host_simds()) {
        const std::vector<Array> expected = step_by_step(simd, program, inputs, n);
        for (const bool in_place : {false, true}) {
          std::vector<Array> memory = inputs, apart(2, Array(n * size));
          const std::byte* in[] = {memory[0].data(), memory[1].data()};
          std::byte* out[] = {in_place ? memory[1].data() : apart[0].data(), apart[1].data()};
          TileScratch scratch;
          TileChain(program, engine(simd)).run(in, out, n, scratch);
          expect_equal(type, in_place ? memory[1] : apart[0], expected[0]);
          expect_equal(type, apart[1], expected[1]);
        }
      }
    }
  }
}

TEST(an_input_of_one_element_has_the_bits_of_its_page) {
  using enum TileOpcode;
  const std::vector<TileOpcode> floats = {kAdd, kSub, kMul, kDiv, kMax, kNegate, kPow, kRem},
                                integers = {kAdd, kSub, kMul, kXor, kMin, kRem};
  std::mt19937 random(2);
  for (const DataType type : {DataType::kF32, DataType::kBF16, DataType::kU32, DataType::kS16, DataType::kF64}) {
    const auto size = static_cast<size_t>(size_of(type));
    for (int round = 0; round < 40; ++round) {
      const size_t n = round % 3 == 0 ? 100 : 768;
      TileProgram program = random_program(random, type, is_float(type) ? floats : integers);
      if (round % 5 == 0) program.outputs[1].reg = 1;  // what nobody computes
      Array moving(n * size), line(kLanePadding * size), page(n * size);
      for (std::byte& byte : moving) byte = static_cast<std::byte>(random());
      for (size_t i = 0; i < size; ++i) line[i] = static_cast<std::byte>(random() % 128);
      for (size_t i = 1; i < kLanePadding; ++i) std::memcpy(line.data() + i * size, line.data(), size);
      for (size_t i = 0; i < n; ++i) std::memcpy(page.data() + i * size, line.data(), size);
      for (const Simd simd : host_simds()) {
        std::vector<Array> expected(2, Array(n * size)), got = expected;
        const auto run = [&](const Array& second, uint64_t still, std::vector<Array>& to) {
          const std::byte* in[] = {moving.data(), second.data()};
          std::byte* out[] = {to[0].data(), to[1].data()};
          TileScratch scratch;
          TileChain(program, engine(simd), still).run(in, out, n, scratch);
        };
        run(page, 0, expected);
        run(line, 0b10, got);
        EXPECT(got == expected);
      }
    }
  }
}

TEST(rounds_of_threefry_are_one_step) {
  TileProgram program;
  program.inputs = {DataType::kU32, DataType::kU32};
  program.num_registers = 4;
  const auto op = [&](TileOpcode code, uint16_t dst, uint16_t a, uint16_t b) {
    program.ops.push_back({code, Lane::kU32, DataType::kU32, dst, a, b});
  };
  for (const uint64_t left : {13, 15, 26, 6}) {
    op(TileOpcode::kAdd, 0, 1, 0);
    program.ops.push_back({TileOpcode::kFill, Lane::kU32, DataType::kU32, 2, 0, 0, 0, left});
    program.ops.push_back({TileOpcode::kFill, Lane::kU32, DataType::kU32, 3, 0, 0, 0, 32 - left});
    op(TileOpcode::kShl, 2, 1, 2);
    op(TileOpcode::kShrL, 3, 1, 3);
    op(TileOpcode::kOr, 1, 2, 3);
    op(TileOpcode::kXor, 1, 0, 1);
  }
  program.outputs = {{0, DataType::kU32}, {1, DataType::kU32}};
  EXPECT_EQ(TilePlan(program, engine(simd())).steps.size(), size_t{1});
}

TEST(programs_may_have_more_operations_than_registers) {
  TileProgram program;
  program.inputs = {DataType::kU32};
  program.num_registers = 2;
  program.ops.push_back({TileOpcode::kAdd, Lane::kU32, DataType::kU32, 1, 0, 0});
  constexpr uint32_t kSums = 70000;
  for (uint32_t i = 0; i < kSums; ++i) program.ops.push_back({TileOpcode::kAdd, Lane::kU32, DataType::kU32, 1, 1, 0});
  program.outputs = {{1, DataType::kU32}};
  std::vector<uint32_t> x(16), y(16);
  for (uint32_t i = 0; i < 16; ++i) x[i] = i;
  const std::byte* in[] = {bytes_of(x)};
  std::byte* out[] = {reinterpret_cast<std::byte*>(y.data())};
  TileScratch scratch;
  TileChain(program).run(in, out, x.size(), scratch);
  for (uint32_t i = 0; i < 16; ++i) EXPECT_EQ(y[i], (kSums + 2) * i);
}

}  // namespace
}  // namespace tt::test
