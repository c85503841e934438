// Programs of equal specs are one, for as long as somebody holds it; runs are counted by where the operands lie.
#include "dnn/program_cache.hpp"

#include "dnn/eltwise.hpp"
#include "dnn/fused_rows.hpp"
#include "dnn/matmul.hpp"
#include "dnn/reduce.hpp"
#include "metal/program_log.hpp"
#include "test.hpp"

namespace tt {
namespace {

using emulator::AccessMap;
using emulator::BufferType;
using metal::Program;

const emulator::ChipSpec& chip() { return emulator::find_chip("e150"); }

dnn::EltwiseSpec doubling(int64_t elements) {
  dnn::EltwiseSpec spec;
  spec.name = "doubling";
  spec.input_bytes = spec.output_bytes = {4 * elements};
  spec.chain.inputs = {DataType::kF32};
  spec.chain.ops = {{emulator::TileOpcode::kAdd, emulator::Lane::kF32, DataType::kF32, 1, 0, 0}};
  spec.chain.outputs = {{1, DataType::kF32}};
  spec.chain.num_registers = 2;
  const AccessMap map = AccessMap::contiguous(std::array{elements});
  spec.parts = {{elements, {{0, DataType::kF32, map}}, {{0, DataType::kF32, map, {}}}}};
  return spec;
}

TEST(equal_specs_have_one_program_while_somebody_holds_it) {
  auto first = dnn::shared_program(dnn::eltwise, doubling(2048), chip());
  EXPECT(dnn::shared_program(dnn::eltwise, doubling(2048), chip()) == first);
  EXPECT(dnn::shared_program(dnn::eltwise, doubling(2048), emulator::find_chip("e75")) != first);
  EXPECT(dnn::shared_program(dnn::eltwise, doubling(4096), chip()) != first);
  dnn::EltwiseSpec reversed = doubling(2048);
  reversed.parts[0].operands[0].map.dims[0].stride = -1;
  reversed.parts[0].operands[0].map.offset = 2047;
  EXPECT(dnn::shared_program(dnn::eltwise, reversed, chip()) != first);
  dnn::EltwiseSpec moved = doubling(2048);
  moved.parts[0].operands[0].indices = {{0, 0, DataType::kS32, 1, 0}};
  EXPECT(dnn::shared_program(dnn::eltwise, moved, chip()) != first);
  const std::weak_ptr<const Program> gone = first;
  first.reset();
  EXPECT(gone.expired());
}

TEST(programs_that_come_and_go_leave_nothing_behind) {
  const auto& cache = dnn::ProgramCache<dnn::EltwiseSpec>::instance();
  const size_t before = cache.size();
  for (int64_t n = 1; n <= 4000; ++n) dnn::shared_program(dnn::eltwise, doubling(16 * n), chip());
  EXPECT(cache.size() < 2 * before + 1000);
}

TEST(runs_count_for_the_placement_they_were_logged_with) {
  auto made = std::make_shared<const Program>(dnn::eltwise(doubling(64), chip()));
  const std::vector<BufferType> in_dram = {BufferType::kDram, BufferType::kDram}, in_l1 = {BufferType::kL1, BufferType::kDram};
  const auto first = metal::log_program(made, chip(), in_dram), other = metal::log_program(made, chip(), in_l1);
  EXPECT(first == made);
  EXPECT(other != made);
  EXPECT(metal::log_program(made, chip(), in_dram) == first);
  EXPECT(metal::log_program(made, chip(), in_l1) == other);
  const int64_t before = metal::program_totals().runs;
  first->count_run();
  other->count_run();
  other->count_run();
  EXPECT_EQ(metal::program_totals().runs, before + 3);
  EXPECT_EQ(first->runs(), int64_t{1});
  EXPECT_EQ(other->text(), first->text());
}

}  // namespace
}  // namespace tt
