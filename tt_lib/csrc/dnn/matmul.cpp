// A blocked product: each core computes blocks of output tiles. Its reader brings tilized blocks of both operands, step by step along k;
// partial sums stay in L1 and DST views them; finished blocks are untilized row by row.
#include "dnn/matmul.hpp"

#include <algorithm>
#include <cstring>

#include "base/error.hpp"
#include "dnn/tile_loader.hpp"

namespace tt::dnn {
namespace {

constexpr int64_t kSide = 32;
constexpr uint32_t kSubblockRows = 2, kSubblockColumns = 4;  // DST tiles of one step

struct Plan {
  MatmulSpec spec;
  DataType operand, accumulator;  // the engine's types
  uint32_t mb, nb, kb;            // tiles per block
  int64_t m_blocks, n_blocks, k_steps;
  Cb a = 0, b = 0, partials = 0, rows = 0, out = 0;
  TileProgram convert;  // accumulator -> result type
};

struct Args {
  const Plan* plan;
  WorkRange blocks;
};

// One block of the output, in elements.
struct Block {
  int64_t batch, m0, n0;
  int64_t rows, columns;
};

Block block_of(const Plan& p, int64_t i) {
  const int64_t n = i % p.n_blocks, m = i / p.n_blocks % p.m_blocks, batch = i / (p.n_blocks * p.m_blocks);
  const int64_t m0 = m * p.mb * kSide, n0 = n * p.nb * kSide;
  return {batch, m0, n0, std::min<int64_t>(p.mb * kSide, p.spec.m - m0), std::min<int64_t>(p.nb * kSide, p.spec.n - n0)};
}

Kernel matmul_reader(Dataflow k, Args a) {
  const Plan& p = *a.plan;
  TileLoader loader(k, p.operand);
  for (int64_t i = a.blocks.first; i < a.blocks.first + a.blocks.count; ++i) {
    const Block block = block_of(p, i);
    for (int64_t step = 0; step < p.k_steps; ++step) {
      const int64_t k0 = step * p.kb * kSide;
      co_await k.cb_reserve_back(p.a, p.mb * p.kb);
      for (uint32_t r = 0; r < p.mb; ++r) {
        for (uint32_t c = 0; c < p.kb; ++c) {
          const int64_t row = block.m0 + r * kSide, column = k0 + c * kSide;
          const int64_t rows = std::clamp<int64_t>(p.spec.m - row, 0, kSide), columns = std::clamp<int64_t>(p.spec.k - column, 0, kSide);
          if (p.spec.patches) {
            loader.load_patches(p.spec.a, *p.spec.patches, block.batch, row, column, rows, columns, p.a, r * p.kb + c);
          } else {
            loader.load(p.spec.a, block.batch, row, column, rows, columns, false, p.a, r * p.kb + c);
          }
        }
      }
      co_await k.cb_reserve_back(p.b, p.kb * p.nb);
      for (uint32_t r = 0; r < p.kb; ++r) {
        for (uint32_t c = 0; c < p.nb; ++c) {
          const int64_t row = k0 + r * kSide, column = block.n0 + c * kSide;
          const int64_t rows = std::clamp<int64_t>(p.spec.k - row, 0, kSide), columns = std::clamp<int64_t>(p.spec.n - column, 0, kSide);
          loader.load(p.spec.b, block.batch, row, column, rows, columns, p.operand == DataType::kBF16, p.b, r * p.nb + c);
        }
      }
      co_await k.noc_async_read_barrier();
      k.cb_push_back(p.a, p.mb * p.kb);
      k.cb_push_back(p.b, p.kb * p.nb);
    }
  }
}

void multiply_step(Compute& k, const Plan& p) {
  for (uint32_t r = 0; r < p.mb; r += kSubblockRows) {
    for (uint32_t c = 0; c < p.nb; c += kSubblockColumns) {
      const uint32_t mt = std::min(kSubblockRows, p.mb - r), nt = std::min(kSubblockColumns, p.nb - c);
      k.tile_regs_acquire();
      for (uint32_t i = 0; i < mt; ++i) {
        for (uint32_t j = 0; j < nt; ++j) k.copy_tile(p.partials, (r + i) * p.nb + c + j, i * nt + j);
      }
      k.matmul_block(p.a, p.b, r * p.kb, p.kb, c, p.nb, 0, mt, nt, p.kb, p.operand, MathFidelity::kHiFi4);
      k.tile_regs_release();
    }
  }
}

Kernel matmul_compute(Compute k, Args a) {
  const Plan& p = *a.plan;
  const uint32_t tiles = p.mb * p.nb;
  const size_t tile_bytes = emulator::matmul_tile_bytes(p.accumulator);
  const auto element = static_cast<size_t>(size_of(p.accumulator));
  const bool same_type = p.accumulator == p.spec.type;
  co_await k.cb_reserve_back(p.partials, tiles);
  for (uint32_t t = 0; t < tiles && k.values(); ++t) k.new_page(p.partials, t);
  k.cb_push_back(p.partials, tiles);
  for (int64_t i = a.blocks.first; i < a.blocks.first + a.blocks.count; ++i) {
    const Block block = block_of(p, i);
    for (uint32_t t = 0; t < tiles && k.values(); ++t) std::memset(const_cast<std::byte*>(k.page(p.partials, t)), 0, tile_bytes);
    for (int64_t step = 0; step < p.k_steps; ++step) {
      co_await k.cb_wait_front(p.a, p.mb * p.kb);
      co_await k.cb_wait_front(p.b, p.kb * p.nb);
      multiply_step(k, p);
      k.cb_pop_front(p.a, p.mb * p.kb);
      k.cb_pop_front(p.b, p.kb * p.nb);
    }
    for (uint32_t r = 0; r < p.mb && r * kSide < block.rows; ++r) {
      const auto rows = static_cast<uint32_t>(std::min<int64_t>(kSide, block.rows - r * kSide));
      co_await k.cb_reserve_back(p.out, kSide);
      if (k.values()) {
        for (uint32_t row = 1; row < kSide; ++row) k.new_page(p.out, row);
        std::byte* to = k.new_page(same_type ? p.out : p.rows, 0);
        const auto stride = static_cast<int64_t>(k.get_page_size(same_type ? p.out : p.rows) / element);
        for (uint32_t c = 0; c < p.nb && c * kSide < block.columns; ++c) {
          const int64_t columns = std::min<int64_t>(kSide, block.columns - c * kSide);
          emulator::untilize(element, k.page(p.partials, r * p.nb + c), to + c * kSide * element, stride, 1, rows,
                             static_cast<size_t>(columns));
        }
      }
      k.charge(rows * p.nb);
      for (uint32_t row = 0; row < rows && !same_type; ++row) {
        const std::byte* inputs[1] = {k.new_page(p.rows, row)};
        std::byte* outputs[1] = {k.new_page(p.out, row)};
        k.run_tiles(p.convert, inputs, outputs, static_cast<uint32_t>(block.columns));
      }
      k.cb_push_back(p.out, kSide);
    }
  }
}

Kernel matmul_writer(Dataflow k, Args a) {
  const Plan& p = *a.plan;
  const auto element = static_cast<size_t>(size_of(p.spec.type));
  const auto slot = static_cast<Slot>(p.spec.input_bytes.size());
  for (int64_t i = a.blocks.first; i < a.blocks.first + a.blocks.count; ++i) {
    const Block block = block_of(p, i);
    for (int64_t r = 0; r < block.rows; r += kSide) {
      co_await k.cb_wait_front(p.out, kSide);
      const int64_t rows = std::min(kSide, block.rows - r);
      for (int64_t row = 0; row < rows; ++row) {
        const int64_t start = (block.batch * p.spec.m + block.m0 + r + row) * p.spec.n + block.n0;
        k.noc_async_write_mapped(p.out, static_cast<uint32_t>(row), slot, p.spec.result, element, start, block.columns);
      }
      co_await k.noc_async_write_barrier();
      k.cb_pop_front(p.out, kSide);
    }
  }
}

// Blocks of up to 8 x 8 tiles, smaller where that leaves cores idle or L1 is short.
void choose_blocks(Plan& p, const ChipSpec& chip) {
  const int64_t mt = div_up(p.spec.m, kSide), nt = div_up(p.spec.n, kSide), kt = std::max<int64_t>(div_up(p.spec.k, kSide), 1);
  const auto size = size_of(p.accumulator);
  const int64_t most = size <= 4 ? 8 : 4;
  p.mb = static_cast<uint32_t>(std::clamp<int64_t>(div_up(mt * p.spec.batch, chip.compute_grid.y), 1, std::min(most, mt)));
  p.nb = static_cast<uint32_t>(std::clamp<int64_t>(div_up(nt, chip.compute_grid.x), 1, std::min(most, nt)));
  p.kb = static_cast<uint32_t>(std::min<int64_t>(size <= 8 ? 4 : 2, kt));
  p.m_blocks = div_up(mt, p.mb);
  p.n_blocks = div_up(nt, p.nb);
  p.k_steps = p.spec.k == 0 ? 0 : div_up(kt, p.kb);
}

}  // namespace

Program matmul(const MatmulSpec& spec, const ChipSpec& chip) {
  Program program(spec.name);
  for (size_t i = 0; i < spec.input_bytes.size(); ++i) program.add_input(cat("in", i), spec.input_bytes[i]);
  program.add_output("out", spec.output_bytes);
  Plan plan;
  plan.spec = spec;
  plan.spec.result = spec.result.coalesced();
  plan.operand = emulator::matmul_operand_type(spec.compute_type);
  plan.accumulator = emulator::matmul_accumulator_type(spec.compute_type);
  choose_blocks(plan, chip);
  plan.convert.inputs = {plan.accumulator};
  plan.convert.ops = {{emulator::TileOpcode::kConvert, emulator::lane_of(plan.accumulator), spec.type, 1, 0, 0, 0, 0, 0}};
  plan.convert.outputs = {{1, spec.type}};
  plan.convert.num_registers = 2;
  const auto tile = static_cast<uint32_t>(kTileElements * static_cast<size_t>(size_of(plan.operand)));
  plan.a = program.add_circular_buffer(2 * plan.mb * plan.kb, tile, "in0");
  plan.b = program.add_circular_buffer(2 * plan.kb * plan.nb, tile, "in1");
  plan.partials =
      program.add_circular_buffer(plan.mb * plan.nb, static_cast<uint32_t>(emulator::matmul_tile_bytes(plan.accumulator)), "partials");
  plan.rows = program.add_circular_buffer(kSide, static_cast<uint32_t>(plan.nb * kSide * size_of(plan.accumulator)), "rows");
  plan.out = program.add_circular_buffer(2 * kSide, static_cast<uint32_t>(plan.nb * kSide * size_of(spec.type)), "out");
  program.add_note(cat("[", spec.batch, ", ", spec.m, ", ", spec.k, "] x [", spec.batch, ", ", spec.k, ", ", spec.n, "] in ",
                       name(plan.operand), " -> ", name(plan.accumulator), " -> ", name(spec.type),
                       spec.patches ? ", first operand gathered" : ""));
  program.add_note(cat("blocks of ", plan.mb, " x ", plan.nb, " tiles, ", plan.kb, " along k"));
  program.flops =
      2.0 * static_cast<double>(spec.batch) * static_cast<double>(spec.m) * static_cast<double>(spec.n) * static_cast<double>(spec.k);
  const int64_t blocks = spec.batch * plan.m_blocks * plan.n_blocks;
  const std::vector<WorkRange> ranges = split_work(blocks, 1, num_compute_cores(chip));
  const Plan* kept = program.keep(std::move(plan));
  std::vector<Args> args;
  for (const WorkRange& range : ranges) args.push_back({kept, range});
  program.set_cores(metal::first_cores(chip, ranges.size()));
  program.add_kernel<Dataflow, Args>(Role::kReader, "matmul_reader", matmul_reader, args);
  program.add_kernel<Compute, Args>(Role::kCompute, "matmul_compute", matmul_compute, args);
  program.add_kernel<Dataflow, Args>(Role::kWriter, "matmul_writer", matmul_writer, args);
  program.validate(chip);
  return program;
}

}  // namespace tt::dnn
