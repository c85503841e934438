// Every operation that an engine claims runs, and gives the same bits on all; programs may alias their arrays.
#include "tile_harness.hpp"

namespace tt::test {
namespace {

bool is_comparison(TileOpcode code) { return code >= TileOpcode::kEq && code <= TileOpcode::kNeTotal; }

// An array type whose register form is `lane`, as wide as the lane or narrower.
std::vector<DataType> types_of(Lane lane) {
  std::vector<DataType> types;
  for (int t = 0; t < kNumDataTypes; ++t) {
    const auto type = static_cast<DataType>(t);
    if (size_of(type) != 0 && lane_of(type) == lane) types.push_back(type);
  }
  return types;
}

DataType result_type(TileOpcode code, DataType type) {
  if (is_comparison(code) || code == TileOpcode::kIsFinite) return DataType::kPred;
  if (code == TileOpcode::kAbs || code == TileOpcode::kReal || code == TileOpcode::kImag) return real_part(type);
  if (code == TileOpcode::kComplex) return type == DataType::kF64 ? DataType::kC128 : DataType::kC64;
  return type;
}

// Compares bits; where both are NaN the payload may differ, so NaNs are made equal first.
std::vector<std::byte> without_payloads(DataType type, std::vector<std::byte> bytes) {
  const DataType part = real_part(type);
  if (part == DataType::kF32) {
    for (size_t i = 0; i + 4 <= bytes.size(); i += 4) {
      float v;
      std::memcpy(&v, bytes.data() + i, 4);
      if (std::isnan(v)) std::memset(bytes.data() + i, 0xff, 4);
    }
  } else if (part == DataType::kF64) {
    for (size_t i = 0; i + 8 <= bytes.size(); i += 8) {
      double v;
      std::memcpy(&v, bytes.data() + i, 8);
      if (std::isnan(v)) std::memset(bytes.data() + i, 0xff, 8);
    }
  } else if (is_float(type)) {
    std::vector<float> values(bytes.size() / static_cast<size_t>(size_of(type)));
    convert_elements(type, bytes.data(), DataType::kF32, reinterpret_cast<std::byte*>(values.data()), values.size());
    for (size_t i = 0; i < values.size(); ++i) {
      if (std::isnan(values[i]))
        std::memset(bytes.data() + i * static_cast<size_t>(size_of(type)), 0xff, static_cast<size_t>(size_of(type)));
    }
  }
  return bytes;
}

TEST(every_supported_operation_gives_the_same_bits_on_every_engine) {
  constexpr size_t kCount = 1024 + 77;
  std::mt19937_64 random(5);
  std::vector<double> values[3];
  for (auto& v : values) {
    for (size_t i = 0; i < kCount; ++i) {
      const double special[] = {0.0, -0.0, 1, -1, INFINITY, -INFINITY, NAN, 1e-40, 0.5, 2, 127, -128, 1e10, -3};
      v.push_back(random() % 4 == 0 ? special[random() % 14]
                                    : std::ldexp(static_cast<double>(random()) * 0x1p-63 - 1, static_cast<int>(random() % 16) - 6));
    }
  }
  int pairs = 0;
  for (int c = 0; c < kNumTileOpcodes; ++c) {
    const auto code = static_cast<TileOpcode>(c);
    for (int l = 0; l < kNumLanes; ++l) {
      const auto lane = static_cast<Lane>(l);
      if (!supports(code, lane)) continue;
      ++pairs;
      for (const DataType type : types_of(lane)) {
        if (code == TileOpcode::kComplex && type != DataType::kF32 && type != DataType::kF64) continue;
        TileOp op{};
        op.code = code;
        op.lane = lane;
        op.type = result_type(code, type);
        if (code == TileOpcode::kReducePrecision) op.imm = 4 << 8 | 3;
        if (code == TileOpcode::kBitcast) op.imm = static_cast<uint64_t>(type);
        if (code == TileOpcode::kFill) op.imm = 0x3c;
        std::vector<DataType> types(std::max<size_t>(1, static_cast<size_t>(info(code).operands)), type);
        if (code == TileOpcode::kSelect) types[0] = DataType::kPred;
        std::vector<std::vector<std::byte>> arrays;
        std::vector<const std::byte*> operands;
        for (size_t i = 0; i < types.size(); ++i) {
          arrays.emplace_back(kCount * static_cast<size_t>(size_of(types[i])));
          convert_elements(DataType::kF64, bytes_of(values[i]), types[i], arrays.back().data(), kCount);
        }
        for (const auto& array : arrays) operands.push_back(array.data());
        const auto first = without_payloads(op.type, run_op(Simd::kPortable, op, types, operands, kCount));
        for (const Simd simd : host_simds()) {
          if (without_payloads(op.type, run_op(simd, op, types, operands, kCount)) != first) {
            throw Failure(cat(info(code).name, " of ", name(type), ": ", name(simd), " differs from portable"));
          }
        }
      }
    }
  }
  EXPECT(pairs > 250);
}

TEST(operations_without_a_form_are_refused) {
  EXPECT(!supports(TileOpcode::kExp, Lane::kS32));
  EXPECT(!supports(TileOpcode::kFloor, Lane::kC64));
  const std::vector<int32_t> x(16);
  EXPECT_ERROR((apply<int32_t>(simd(), TileOpcode::kExp, DataType::kS32, DataType::kS32, {x})), "exp_tile has no form for s32");
}

TileProgram swap_sums() {  // r2 = r0 + r1, r3 = r0 - r1
  TileProgram program;
  program.inputs = {DataType::kF32, DataType::kF32};
  program.ops = {{.code = TileOpcode::kAdd, .lane = Lane::kF32, .type = DataType::kF32, .dst = 2, .a = 0, .b = 1},
                 {.code = TileOpcode::kSub, .lane = Lane::kF32, .type = DataType::kF32, .dst = 3, .a = 0, .b = 1}};
  program.outputs = {{2, DataType::kF32}, {3, DataType::kF32}};
  program.num_registers = 4;
  return program;
}

TEST(outputs_may_be_the_arrays_of_inputs) {
  TileScratch scratch;
  for (const Simd simd : host_simds()) {
    for (const size_t n : {size_t{1}, size_t{15}, size_t{16}, size_t{1000}, kTileElements}) {
      for (const bool crossed : {false, true}) {
        std::vector<float> a(n), b(n);
        for (size_t i = 0; i < n; ++i) {
          a[i] = static_cast<float>(i);
          b[i] = static_cast<float>(3 * i + 1);
        }
        const std::byte* inputs[] = {bytes_of(a), bytes_of(b)};
        auto *pa = reinterpret_cast<std::byte*>(a.data()), *pb = reinterpret_cast<std::byte*>(b.data());
        std::byte* outputs[] = {crossed ? pb : pa, crossed ? pa : pb};
        TileChain(swap_sums(), engine(simd)).run(inputs, outputs, n, scratch);
        for (size_t i = 0; i < n; ++i) {
          EXPECT_EQ((crossed ? b : a)[i], static_cast<float>(4 * i + 1));
          EXPECT_EQ((crossed ? a : b)[i], -static_cast<float>(2 * i + 1));
        }
      }
    }
  }
}

TEST(inputs_are_not_written_and_neighbours_of_outputs_stay) {
  TileProgram program;  // r0 = r0 + r0; r0 = r0 + r0, to an output that starts at an odd address
  program.inputs = {DataType::kF32};
  for (int i = 0; i < 2; ++i)
    program.ops.push_back({.code = TileOpcode::kAdd, .lane = Lane::kF32, .type = DataType::kF32, .dst = 0, .a = 0, .b = 0});
  program.outputs = {{0, DataType::kF32}};
  program.num_registers = 1;
  TileScratch scratch;
  for (const Simd simd : host_simds()) {
    for (const size_t n : {size_t{3}, size_t{16}, size_t{1024}}) {
      std::vector<float> x(n, 1.5f);
      std::vector<std::byte> out(n * 4 + 2, std::byte{0x5a});
      const std::byte* inputs[] = {bytes_of(x)};
      std::byte* outputs[] = {out.data() + 1};
      TileChain(program, engine(simd)).run(inputs, outputs, n, scratch);
      EXPECT(x == std::vector<float>(n, 1.5f));
      EXPECT(out.front() == std::byte{0x5a} && out.back() == std::byte{0x5a});
      for (size_t i = 0; i < n; ++i) {
        float y;
        std::memcpy(&y, out.data() + 1 + 4 * i, 4);
        EXPECT_EQ(y, 6.0f);
      }
    }
  }
}

TEST(a_result_wider_than_its_operand_may_take_the_operands_register) {
  TileProgram program;  // r0: f32 -> f64 -> complex<f64>, in place
  program.inputs = {DataType::kF32};
  program.ops = {{.code = TileOpcode::kConvert, .lane = Lane::kF32, .type = DataType::kF64, .dst = 0, .a = 0},
                 {.code = TileOpcode::kComplex, .lane = Lane::kF64, .type = DataType::kC128, .dst = 0, .a = 0, .b = 0}};
  program.outputs = {{0, DataType::kC128}};
  program.num_registers = 1;
  std::vector<float> x;
  for (int i = 0; i < 1024; ++i) x.push_back(static_cast<float>(i) + 0.5f);
  TileScratch scratch;
  for (const Simd simd : host_simds()) {
    std::vector<double> out(2048);
    const std::byte* inputs[] = {bytes_of(x)};
    std::byte* outputs[] = {reinterpret_cast<std::byte*>(out.data())};
    TileChain(program, engine(simd)).run(inputs, outputs, 1024, scratch);
    for (size_t i = 0; i < 2048; ++i) EXPECT_EQ(out[i], static_cast<double>(x[i / 2]));
  }
}

TEST(bf16_products_and_sums_round_after_each_step) {
  std::vector<float> a = f32_sweep(1999993);
  std::vector<uint16_t> x(a.size()), y(a.size());
  convert_elements(DataType::kF32, bytes_of(a), DataType::kBF16, reinterpret_cast<std::byte*>(x.data()), a.size());
  std::reverse_copy(x.begin(), x.end(), y.begin());
  const auto value = [](uint16_t code) {
    const uint32_t bits = static_cast<uint32_t>(code) << 16;
    float v;
    std::memcpy(&v, &bits, 4);
    return v;
  };
  const auto rounded = [&](float v) {
    uint16_t code;
    convert_elements(DataType::kF32, reinterpret_cast<const std::byte*>(&v), DataType::kBF16, reinterpret_cast<std::byte*>(&code), 1);
    return value(code);
  };
  for (const Simd simd : host_simds()) {
    const auto z = apply<uint16_t>(simd, TileOpcode::kMulAdd, DataType::kBF16, DataType::kBF16, {x, y, x});
    for (size_t i = 0; i < x.size(); ++i) {
      const float expected = rounded(rounded(value(x[i]) * value(y[i])) + value(x[i]));
      EXPECT(f32_ulps(value(z[i]), expected) == 0);
    }
  }
}

TEST(reduced_precision_equals_the_narrow_type) {
  const std::vector<float> x = f32_sweep(99991);
  for (const Simd simd : host_simds()) {
    TileOp op{};
    op.code = TileOpcode::kReducePrecision;
    op.lane = Lane::kF32;
    op.type = DataType::kF32;
    op.imm = 8 << 8 | 7;
    const auto reduced = as<float>(run_op(simd, op, {DataType::kF32}, {bytes_of(x)}, x.size()));
    std::vector<uint16_t> code(x.size());
    std::vector<float> back(x.size());
    convert_elements(DataType::kF32, bytes_of(x), DataType::kBF16, reinterpret_cast<std::byte*>(code.data()), x.size());
    convert_elements(DataType::kBF16, bytes_of(code), DataType::kF32, reinterpret_cast<std::byte*>(back.data()), x.size());
    for (size_t i = 0; i < x.size(); ++i) EXPECT(f32_ulps(reduced[i], back[i]) == 0);
  }
}

TEST(programs_print_one_step_per_line) {
  EXPECT_EQ(to_string(swap_sums()),
            "r0 = input 0 : f32\nr1 = input 1 : f32\nr2 = add_binary_tile r0, r1 : f32 -> f32\nr3 = sub_binary_tile r0, r1 : f32 -> f32\n"
            "output 0 = r2 : f32\noutput 1 = r3 : f32\n");
  EXPECT(swap_sums() == swap_sums());
}

}  // namespace
}  // namespace tt::test
