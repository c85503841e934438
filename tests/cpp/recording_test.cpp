// Programs whose kernels are written down in one run and repeated without them in those that come after.
#include "data_program.hpp"
#include "dnn/chain_builder.hpp"
#include "dnn/eltwise.hpp"
#include "dnn/scatter.hpp"

namespace tt::test {
namespace {

using emulator::AccessMap;
using emulator::Role;

// result[i] = 2 * in[index + i], where what lies beyond the 100 elements of a window of `in` is -1.
metal::Program twice_from(int64_t elements) {
  dnn::ChainBuilder chain;
  const uint16_t x = chain.input(DataType::kF32);
  chain.output(chain.apply({emulator::TileOpcode::kAdd, emulator::Lane::kF32, DataType::kF32, 0}, {x, x}), DataType::kF32);
  const float minus = -1;
  dnn::Operand operand{0, DataType::kF32, {{{elements, 1, 0, elements - 4}}, 0}, bytes_of(std::vector<float>{minus})};
  operand.indices = {{1, 0, DataType::kS32, 1, 50}};
  dnn::EltwiseSpec spec;
  spec.name = "twice";
  spec.input_bytes = {(elements + 50) * 4, 4};
  spec.output_bytes = {elements * 4};
  spec.chain = chain.finish();
  spec.parts = {{elements, {operand}, {{0, DataType::kF32, AccessMap::contiguous(Dims{elements})}}}};
  return dnn::eltwise(spec, e150());
}

std::vector<float> expected_twice(const std::vector<float>& in, int64_t elements, int64_t index) {
  std::vector<float> out;
  for (int64_t i = 0; i < elements; ++i) out.push_back(i < elements - 4 ? 2 * in[static_cast<size_t>(index + i)] : -2);
  return out;
}

TEST(a_recording_takes_other_buffers_and_other_indices) {
  for (const int64_t elements : {int64_t{100}, int64_t{9000}}) {  // on one core, and on several
    const metal::Program program = twice_from(elements);
    for (int run = 0; run < 5; ++run) {
      const auto in = random_values<float>(static_cast<size_t>(elements) + 50, -99, 99, static_cast<uint64_t>(run));
      const int32_t index = run % 2 == 0 ? 7 * run : 50 + run;  // the latter is clamped
      const auto out = run_program(program, {bytes_of(in), bytes_of(std::vector<int32_t>{index})}, 1 + run % 2);
      EXPECT(values_of<float>(out[0]) == expected_twice(in, elements, std::min(index, 50)));
      EXPECT_EQ(program.recording() != nullptr, run + 1 >= emulator::default_recorded_run());
    }
    EXPECT(program.without_runs().recording() == nullptr);
  }
}

// Rows of `width` set at one index.
metal::Program set_row(int64_t rows, int64_t width, DataType index_type) {
  dnn::ScatterSpec spec;
  dnn::ChainBuilder region;
  region.input(DataType::kS32);
  region.output(region.input(DataType::kS32), DataType::kS32);
  spec.types = {DataType::kS32};
  spec.region = region.finish();
  spec.operand_dims = {rows, width};
  spec.update_dims = {width};
  spec.update_window_dims = {0};
  spec.index_type = index_type;
  spec.indices_dims = {1};
  spec.index_vector_dim = 0;
  spec.inserted_window_dims = {0};
  spec.scatter_dims_to_operand_dims = {0};
  return dnn::scatter(spec, e150());
}

TEST(a_recording_writes_where_it_reads) {
  const metal::Program program = set_row(10, 1, DataType::kS32);
  for (int32_t run = 0; run < 13; ++run) {
    const int32_t at = run - 1;  // outside of the operand at first and at last
    std::vector<int32_t> expected(10, 5);
    const auto out =
        run_program(program, {bytes_of(expected), bytes_of(std::vector<int32_t>{at}), bytes_of(std::vector<int32_t>{run})}, 1, {0});
    if (at >= 0 && at < 10) expected[static_cast<size_t>(at)] = run;
    EXPECT(values_of<int32_t>(out[0]) == expected);
  }
  EXPECT(program.recording() != nullptr);
}

TEST(an_index_far_outside_changes_nothing) {
  const metal::Program program = set_row(10, 3, DataType::kS64);
  const std::vector<int32_t> before(30, 5), update{1, 2, 3};
  for (const int64_t at : {std::numeric_limits<int64_t>::max(), std::numeric_limits<int64_t>::min(), int64_t{10}, int64_t{-1}}) {
    const auto out = run_program(program, {bytes_of(before), bytes_of(std::vector<int64_t>{at}), bytes_of(update)}, 1, {0});
    EXPECT(values_of<int32_t>(out[0]) == before);
  }
}

struct Args {};
Kernel odd_or_even(Dataflow k, Args) {  // copies the second element where the first is odd
  if (k.peek<int32_t>(0, 0, 0) % 2 == 0) co_return;
  co_await k.cb_reserve_back(0, 1);
  k.noc_async_read_into(0, 4, 4, 0, 0, 0);
  co_await k.noc_async_read_barrier();
  k.cb_push_back(0, 1);
  k.noc_async_write(0, 0, 1, 0, 4);
  co_await k.noc_async_write_barrier();
  k.cb_pop_front(0, 1);
}

TEST(kernels_that_look_at_the_data_are_not_repeated) {
  metal::Program program("odd_or_even");
  program.add_input("in", 8);
  program.add_output("out", 4);
  program.add_circular_buffer(1, 64, "page");
  program.set_cores({{0, 0}});
  program.add_kernel<Dataflow, Args>(Role::kReader, "odd_or_even", odd_or_even, {{}});
  program.set_repeatable();
  program.validate(e150());
  for (int32_t run = 0; run < 6; ++run) {
    const auto out = run_program(program, {bytes_of(std::vector<int32_t>{run, 7})});
    EXPECT_EQ(values_of<int32_t>(out[0])[0] == 7, run % 2 == 1);
    EXPECT(program.recording() == nullptr);
  }
}

TEST(a_program_with_too_many_calls_runs_its_kernels) {
  const int64_t elements = int64_t{3} << 20;
  const metal::Program program = twice_from(elements);
  for (int run = 0; run < 3; ++run) {
    const auto in = random_values<float>(static_cast<size_t>(elements) + 50, -99, 99, 3);
    const auto out = run_program(program, {bytes_of(in), bytes_of(std::vector<int32_t>{run})});
    EXPECT(values_of<float>(out[0]) == expected_twice(in, elements, run));
    EXPECT(program.recording() == nullptr);
  }
}

}  // namespace
}  // namespace tt::test
