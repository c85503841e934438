// Builds the program of a product: types, blocks, circular buffers, and who multicasts to whom.
#include "dnn/matmul.hpp"

#include <algorithm>

#include "base/error.hpp"
#include "dnn/chain_builder.hpp"
#include "dnn/matmul_kernels.hpp"
#include "dnn/text.hpp"
#include "emulator/fpu.hpp"

namespace tt::dnn {
namespace {

void set_epilogue(MatmulPlan& p, const MatmulSpec& spec) {
  TileProgram epilogue = spec.epilogue;
  if (epilogue.outputs.empty()) {
    check(spec.results.size() == 1 && spec.extras.empty() && spec.parts == 1, "[", spec.name,
          "] without an epilogue there is one sum, one result and no extra operand");
    epilogue = conversion(p.accumulator, spec.results[0].type);
  }
  const auto sums = static_cast<size_t>(spec.parts);
  check(epilogue.inputs.size() == sums + spec.extras.size() && std::all_of(epilogue.inputs.begin(), epilogue.inputs.begin() + spec.parts,
                                                                           [&](DataType type) { return type == p.accumulator; }),
        "[", spec.name, "] the epilogue takes ", sums, " sums in ", name(p.accumulator), " and ", spec.extras.size(), " operands");
  check(epilogue.outputs.size() == spec.results.size(), "[", spec.name, "] the epilogue's outputs differ from the results");
  p.identity =
      epilogue.ops.empty() && epilogue.inputs.size() == 1 && epilogue.outputs.size() == 1 && epilogue.outputs[0].type == p.accumulator;
  p.epilogue = TileChain(std::move(epilogue));
}

void add_buffers(MatmulPlan& p, Program& program) {
  const auto tile = [](DataType type) { return static_cast<uint32_t>(static_cast<int64_t>(kTileElements) * size_of(type)); };
  const auto a_page = static_cast<uint32_t>(page_bytes(p.a_in_rows ? TileForm::kRows : TileForm::kFaces, p.operand));
  p.side_cbs[0] = program.add_circular_buffer(static_cast<uint32_t>(2 * p.mb * p.kb), a_page, "in0");
  p.side_cbs[1] = program.add_circular_buffer(static_cast<uint32_t>(2 * p.kb * p.nb), tile(p.operand), "in1");
  p.partials = program.add_circular_buffer(static_cast<uint32_t>(p.mb * p.nb), tile(p.accumulator), "partials");
  const auto columns = static_cast<uint32_t>(2 * p.result_columns());
  for (size_t i = 0; i < p.extras.size(); ++i) {
    const uint32_t pages = p.extras[i].view.is_uniform() ? 1 : columns;
    p.extra_cbs.push_back(program.add_circular_buffer(pages, tile(p.extras[i].type), cat("extra", i)));
  }
  for (size_t i = 0; i < p.results.size(); ++i) {
    p.result_cbs.push_back(program.add_circular_buffer(columns, tile(p.results[i].type), cat("out", i)));
  }
}

Feed feed_of(CoreCoord core, CoreCoord first, CoreCoord last) {
  const uint32_t cores = static_cast<uint32_t>(last.x - first.x + 1) * static_cast<uint32_t>(last.y - first.y + 1);
  if (cores == 1) return {};
  return {true, core == first, first, first, last, cores - 1};
}

std::vector<MatmulArgs> grid_args(const MatmulPlan& p, std::vector<CoreCoord>& cores) {
  std::vector<MatmulArgs> args;
  const auto right = static_cast<uint16_t>(p.grid_columns - 1), bottom = static_cast<uint16_t>(p.grid_rows - 1);
  for (uint16_t y = 0; y <= bottom; ++y) {
    for (uint16_t x = 0; x <= right; ++x) {
      const CoreCoord core{x, y};
      const int64_t linear = int64_t{y} * p.grid_columns + x;
      MatmulArgs a{&p, {0, p.blocks_per_core()}, 0, 0, {}};
      switch (p.mode) {
        case MatmulMode::kIndependent: break;
        case MatmulMode::kGrid:
          a.m_slot = y;
          a.n_slot = x;
          a.feeds = {feed_of(core, {0, y}, {right, y}), feed_of(core, {x, 0}, {x, bottom})};
          break;
        case MatmulMode::kRowsOnly:
          a.m_slot = linear;
          a.feeds[1] = feed_of(core, {0, 0}, {right, bottom});
          break;
        case MatmulMode::kColumnsOnly:
          a.n_slot = linear;
          a.feeds[0] = feed_of(core, {0, 0}, {right, bottom});
          break;
      }
      cores.push_back(core);
      args.push_back(a);
    }
  }
  return args;
}

void add_notes(const MatmulPlan& p, Program& program) {
  program.add_note(cat("[", p.batch, ", ", p.m, ", ", p.k, "] x ", p.parts > 1 ? cat(p.parts, " of ") : "", "[", p.batch, ", ", p.k, ", ",
                       p.n, "] in ", name(p.operand), ", sums in ", name(p.accumulator)));
  const std::pair<const Matrix*, std::string_view> tiled[] = {{&p.sides[0], "A"}, {&p.sides[1], "B"}, {p.results.data(), "result"}};
  for (const auto& [matrix, role] : tiled) {
    if (matrix->in_tiles) program.add_note(cat(role, " in tiles"));
  }
  program.add_note(cat("blocks of ", p.mb, " x ", p.nb, " tiles, ", p.kb, " along k; ", name(p.mode)));
  if (p.identity) return;
  for (const std::string& line : lines(emulator::to_string(p.epilogue.program()))) program.add_note(line);
}

// The program of a plan whose blocks are chosen.
Program assemble(MatmulPlan plan, const MatmulSpec& spec, const ChipSpec& chip) {
  Program program(spec.name);
  for (size_t i = 0; i < spec.input_bytes.size(); ++i) program.add_input(cat("in", i), spec.input_bytes[i]);
  for (size_t i = 0; i < spec.output_bytes.size(); ++i) program.add_output(cat("out", i), spec.output_bytes[i]);
  add_buffers(plan, program);
  const bool alone = plan.mode == MatmulMode::kIndependent;
  for (size_t side = 0; side < 2 && !alone; ++side) {
    plan.ready[side] = program.add_semaphore(0);
    plan.valid[side] = program.add_semaphore(0);
  }
  add_notes(plan, program);
  program.flops = 2.0 * static_cast<double>(plan.batch) * static_cast<double>(plan.m) * static_cast<double>(plan.parts * plan.n) *
                  static_cast<double>(plan.k);

  const MatmulPlan* kept = program.keep(std::move(plan));
  std::vector<CoreCoord> cores;
  std::vector<MatmulArgs> args;
  if (alone) {
    const int64_t blocks = kept->batch * kept->m_blocks * kept->n_blocks;
    for (const WorkRange& range : split_work(blocks, 1, kept->grid_rows * kept->grid_columns)) args.push_back({kept, range, 0, 0, {}});
    cores = metal::first_cores(chip, args.size());
  } else {
    args = grid_args(*kept, cores);
  }
  program.set_cores(std::move(cores));
  program.add_kernel<Dataflow, MatmulArgs>(Role::kReader, "matmul_reader", matmul_reader, args);
  program.add_kernel<Compute, MatmulArgs>(Role::kCompute, "matmul_compute", matmul_compute, args);
  program.add_kernel<Dataflow, MatmulArgs>(Role::kWriter, "matmul_writer", matmul_writer, args);
  program.set_repeatable();
  return program;
}

}  // namespace

Program build_matmul(MatmulPlan plan, const MatmulSpec& spec, const ChipSpec& chip) {
  plan.name = spec.name;
  plan.parts = spec.parts;
  plan.operand = emulator::matmul_operand_type(spec.compute_type);
  plan.accumulator = emulator::matmul_accumulator_type(spec.compute_type);
  set_epilogue(plan, spec);
  plan.a_in_rows = !plan.sides[0].in_tiles && lies_in_rows(plan.sides[0], plan.operand);
  choose_blocks(plan, chip);
  Program program = assemble(plan, spec, chip);
  program.validate(chip);
  if (join_blocks(plan)) program.set_joined(assemble(std::move(plan), spec, chip));
  return program;
}

Program matmul(const MatmulSpec& spec, const ChipSpec& chip) {
  MatmulPlan plan;
  plan.batch = spec.batch;
  plan.m = spec.m;
  plan.k = spec.k;
  plan.n = spec.n;
  check(spec.parts == 1 || (spec.b_in_tiles && spec.parts <= kMaxParts), "[", spec.name, "] ", spec.parts,
        " products at once; 1, or up to ", kMaxParts, " whose second operands are in tiles");
  const int64_t b_columns = spec.parts == 1 ? spec.n : spec.parts * round_up(spec.n, kTileSide);
  plan.sides = {input_matrix(spec.a, spec.batch, spec.m, spec.k), input_matrix(spec.b, spec.batch, spec.k, b_columns)};
  plan.sides[0].in_tiles = spec.a_in_tiles;
  plan.sides[1].in_tiles = spec.b_in_tiles;
  for (const Operand& extra : spec.extras) plan.extras.push_back(input_matrix(extra, spec.batch, spec.m, spec.n));
  for (const Result& result : spec.results) {
    plan.results.push_back(output_matrix(result, static_cast<Slot>(spec.input_bytes.size() + result.buffer), spec.batch, spec.m, spec.n));
  }
  if (spec.result_in_tiles) {
    check(plan.results.size() == 1 && spec.m % kTileSide == 0 && spec.n % kTileSide == 0, "[", spec.name, "] tiles of ",
          plan.results.size(), " results of ", spec.m, " x ", spec.n, "; one result of whole tiles can be left in tiles");
    plan.results[0].in_tiles = true;
  }
  return build_matmul(std::move(plan), spec, chip);
}

}  // namespace tt::dnn
