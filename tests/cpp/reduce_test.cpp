// Reductions in rounds: what later ones read of earlier ones, on any cores, with what was read in L1 or read again.
#include "dnn/reduce.hpp"

#include <algorithm>

#include "data_program.hpp"
#include "dnn/chain_builder.hpp"

namespace tt::dnn {
namespace {

using emulator::Lane, emulator::TileOpcode;
using test::Bytes, test::e150;

struct Sizes {
  int64_t outer, reduced, inner;
};

TileProgram binary(TileOpcode code) {
  ChainBuilder chain;
  const uint16_t a = chain.input(DataType::kF32), b = chain.input(DataType::kF32);
  chain.output(chain.apply({code, Lane::kF32, DataType::kF32, 0}, {a, b}), DataType::kF32);
  return chain.finish();
}

TileProgram pass() {
  ChainBuilder chain;
  chain.output(chain.input(DataType::kF32), DataType::kF32);
  return chain.finish();
}

// total = sum(x), kept; others = sum(x - total), for nobody else; last = sum(max(x, total)) + total, kept and stored; z = x + last, in L1
// alone; y = z + x, in L1 and stored; sum(y - z).
ReduceSpec rounds(const Sizes& s) {
  const int64_t space = s.outer * s.reduced * s.inner, totals = s.outer * s.inner;
  const Operand x{0, DataType::kF32, AccessMap::contiguous({{space}})}, none;
  const auto result = [](size_t buffer, int64_t size) { return Result{buffer, DataType::kF32, AccessMap::contiguous({{size}}), {}}; };
  const RoundResult total{0, 0}, last{2, 0}, z{3, 0}, y{4, 0};
  ReduceSpec spec{"rounds", s.outer, s.reduced, s.inner, {space * 4}, {totals * 4, totals * 4, space * 4, totals * 4}};
  spec.parts = reduce_parts(s.outer, s.reduced, s.inner);
  const TileProgram add = binary(TileOpcode::kAdd);
  spec.rounds = {{{x}, pass(), add, {}, pass(), {result(kNoBuffer, totals)}},
                 {{x, none}, binary(TileOpcode::kSub), add, {}, pass(), {result(0, totals)}, {{}, total}},
                 {{x, none}, binary(TileOpcode::kMax), add, {none}, add, {result(1, totals)}, {{}, total}, {total}},
                 {{x, none}, add, {}, {}, {}, {result(kNoBuffer, space)}, {{}, last}},
                 {{none, x}, add, {}, {}, {}, {result(2, space)}, {z, {}}},
                 {{none, none}, binary(TileOpcode::kSub), add, {}, pass(), {result(3, totals)}, {y, z}}};
  return spec;
}

std::vector<Bytes> expected(const Sizes& s, const std::vector<float>& x) {
  std::vector<float> total(static_cast<size_t>(s.outer * s.inner)), others(total), last(total), differences(total), y(x.size());
  const auto for_each = [&](const auto& visit) {
    for (size_t i = 0; i < x.size(); ++i) {
      const auto at = static_cast<int64_t>(i);
      visit(i, static_cast<size_t>(at / (s.reduced * s.inner) * s.inner + at % s.inner));
    }
  };
  for_each([&](size_t i, size_t t) { total[t] += x[i]; });
  for_each([&](size_t i, size_t t) { others[t] += x[i] - total[t]; });
  for_each([&](size_t i, size_t t) { last[t] += std::max(x[i], total[t]); });
  for (size_t t = 0; t < total.size(); ++t) last[t] += total[t];
  for_each([&](size_t i, size_t t) { y[i] = x[i] + last[t] + x[i]; });
  for_each([&](size_t i, size_t t) { differences[t] += y[i] - (x[i] + last[t]); });
  return {test::bytes_of(others), test::bytes_of(last), test::bytes_of(y), test::bytes_of(differences)};
}

TEST(rounds_read_what_earlier_rounds_reduced) {
  // Parts of one unit, of two, and of several outer rows; whole units on many cores and on one; rows that do not fill their pages.
  for (const Sizes& s : {Sizes{1, 4096, 64}, {1, 160, 1500}, {3, 720, 100}, {20, 30, 900}, {1, 50, 37}, {1, 4000, 1}}) {
    EXPECT(has_rounds(s.outer, s.reduced, s.inner, reduce_parts(s.outer, s.reduced, s.inner)));
    const auto x = test::random_values<float>(static_cast<size_t>(s.outer * s.reduced * s.inner), -1, 1, 7);
    const std::vector<Bytes> results = expected(s, x);
    for (const int64_t l1_use : {int64_t{0}, e150().l1_usable}) {
      ReduceSpec spec = rounds(s);
      spec.l1_use = l1_use;
      EXPECT(fits(spec, e150()));
      EXPECT(stays_in_l1(spec, e150()));  // what elementwise rounds leave does
      EXPECT(metal::estimate(reduce(spec, emulator::find_chip("e75")), emulator::find_chip("e75")).cycles > 0);
      const Program program = reduce(spec, e150());
      EXPECT_EQ(program.text().find("which stays in L1") != std::string::npos, l1_use == 0);
      for (const int threads : {1, 3}) EXPECT(test::run_program(program, {test::bytes_of(x)}, threads) == results);
      EXPECT_EQ(metal::estimate(program, e150()).cycles, metal::estimate(program, e150()).cycles);
    }
  }
}

TEST(what_stays_in_l1_is_not_read_again) {
  const Sizes s{1, 4096, 64};
  ReduceSpec spec = rounds(s);
  const emulator::RunReport near = metal::estimate(reduce(spec, e150()), e150());
  spec.l1_use = e150().l1_usable;
  const emulator::RunReport far = metal::estimate(reduce(spec, e150()), e150());
  const auto bytes = static_cast<uint64_t>(s.reduced * s.inner * 4);
  EXPECT_EQ(near.dram_read_bytes, bytes);
  EXPECT_EQ(far.dram_read_bytes, 5 * bytes);
  EXPECT(near.cycles < far.cycles);
}

TEST(pages_of_several_rows_of_results_have_no_rounds) { EXPECT(!has_rounds(1000, 20, 10, reduce_parts(1000, 20, 10))); }

TEST(reductions_that_do_not_fit_are_known_before) {
  ReduceSpec spec = rounds({1, 4096, 64});
  ChainBuilder epilogue;
  for (int i = 0; i <= 40; ++i) epilogue.input(DataType::kF32);
  epilogue.output(40, DataType::kF32);
  spec.rounds[0].epilogue = epilogue.finish();
  spec.rounds[0].extras.assign(40, {0, DataType::kF32, AccessMap::contiguous({{64}})});
  EXPECT(!fits(spec, e150()));
  EXPECT_ERROR(reduce(spec, e150()), "[rounds] more circular buffers than the 32 of a core");
}

}  // namespace
}  // namespace tt::dnn
