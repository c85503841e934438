// One program: the reader makes rows of tiles, the writer stores them in order.
#include "dnn/tilize_operand.hpp"

#include <algorithm>

#include "dnn/matmul_tiles.hpp"
#include "emulator/fpu.hpp"

namespace tt::dnn {
namespace {

struct Plan {
  Matrix matrix;
  DataType type;
  TileForm form;
  int64_t k_tiles, n_tiles;
  int64_t first, across, step;  // tile columns of the output
  int64_t width;                // tiles of a block
  Slot out;
  Cb cb = 0;

  int64_t blocks_per_row() const { return div_up(n_tiles, width); }
  TileBlock block(int64_t i) const {
    const int64_t row = i / blocks_per_row(), first = i % blocks_per_row() * width;
    return {row / k_tiles, row % k_tiles * kTileSide, first * kTileSide, 1, static_cast<uint32_t>(std::min(width, n_tiles - first))};
  }
  int64_t tile(int64_t i, int64_t t) const { return i / blocks_per_row() * across + first + (i % blocks_per_row() * width + t) * step; }
};

struct Args {
  const Plan* plan;
  WorkRange blocks;
};
void join(Args& own, const Args& last) { own.blocks.join(last.blocks); }

Kernel tilize_reader(Dataflow k, Args a) {
  const Plan& p = *a.plan;
  TileReader reader(k, p.matrix, p.type, p.form);
  const auto pages = static_cast<uint32_t>(p.width);
  for (int64_t i = a.blocks.first; i < a.blocks.first + a.blocks.count; ++i) {
    co_await k.cb_reserve_back(p.cb, pages);
    reader.read(p.block(i), p.cb, 0, pages);
    co_await k.noc_async_read_barrier();
    k.cb_push_back(p.cb, pages);
  }
}

Kernel tilize_writer(Dataflow k, Args a) {
  const Plan& p = *a.plan;
  const int64_t tile = page_bytes(p.form, p.type);
  const auto pages = static_cast<uint32_t>(p.width);
  for (int64_t i = a.blocks.first; i < a.blocks.first + a.blocks.count; ++i) {
    co_await k.cb_wait_front(p.cb, pages);
    for (uint32_t t = 0; t < p.block(i).width; ++t) k.noc_async_write(p.cb, t, p.out, p.tile(i, t) * tile, tile);
    co_await k.noc_async_write_barrier();
    k.cb_pop_front(p.cb, pages);
  }
}

int64_t columns_of(const TilizeSpec& spec) { return spec.across == 0 ? div_up(spec.n, kTileSide) : spec.across; }

}  // namespace

bool tiles_alike(DataType operand) { return second_form(operand) == TileForm::kFaces; }

int64_t tiles_bytes(const TilizeSpec& spec) {
  const DataType type = emulator::matmul_operand_type(spec.compute_type);
  return spec.batch * div_up(spec.k, kTileSide) * columns_of(spec) * page_bytes(second_form(type), type);
}

std::vector<std::byte> tilize_constant(const TilizeSpec& spec, const std::byte* elements) {
  const DataType from = spec.operand.type, type = emulator::matmul_operand_type(spec.compute_type);
  const auto size = static_cast<size_t>(size_of(from)), tile_size = static_cast<size_t>(page_bytes(second_form(type), type));
  alignas(64) std::byte linear[kTileElements * 16], tile[kTileElements * 16];
  std::vector<std::byte> tiles(static_cast<size_t>(tiles_bytes(spec)));
  std::byte* to = tiles.data();
  for (int64_t row = 0; row < spec.batch * round_up(spec.k, kTileSide); row += kTileSide) {
    const int64_t batch = row / round_up(spec.k, kTileSide), first = row % round_up(spec.k, kTileSide),
                  rows = std::min(kTileSide, spec.k - first);
    for (int64_t column = 0; column < spec.n; column += kTileSide, to += tile_size) {
      const int64_t columns = std::min(kTileSide, spec.n - column);
      for (int64_t r = 0; r < rows; ++r) {
        emulator::gather_mapped(spec.operand.map, size, elements, (batch * spec.k + first + r) * spec.n + column, columns,
                                linear + static_cast<size_t>(r * kTileSide) * size, nullptr);
      }
      emulator::tilize(size, linear, kTileSide, 1, static_cast<size_t>(rows), static_cast<size_t>(columns), tile);
      const bool pairs = second_form(type) == TileForm::kPairs;
      emulator::convert_elements(from, tile, type, pairs ? linear : to, kTileElements);
      if (pairs) emulator::interleave_bf16_pairs(reinterpret_cast<const uint16_t*>(linear), reinterpret_cast<uint16_t*>(to));
    }
  }
  return tiles;
}

Program tilize_operand(const TilizeSpec& spec, const ChipSpec& chip) {
  constexpr int64_t kMaxWidth = 8;
  Program program("tilize_operand");
  for (size_t i = 0; i < spec.input_bytes.size(); ++i) program.add_input(cat("in", i), spec.input_bytes[i]);
  program.add_output("tiles", tiles_bytes(spec));
  const DataType type = emulator::matmul_operand_type(spec.compute_type);
  const int64_t n_tiles = div_up(spec.n, kTileSide);
  Plan plan{input_matrix(spec.operand, spec.batch, spec.k, spec.n),
            type,
            second_form(type),
            div_up(spec.k, kTileSide),
            n_tiles,
            spec.first,
            columns_of(spec),
            spec.step,
            std::min(kMaxWidth, n_tiles),
            static_cast<Slot>(spec.input_bytes.size())};
  plan.cb = program.add_circular_buffer(static_cast<uint32_t>(2 * plan.width), static_cast<uint32_t>(page_bytes(plan.form, type)), "tiles");
  program.add_note(cat("[", spec.batch, ", ", spec.k, ", ", spec.n, "] to tiles of ", name(type)));
  const std::vector<WorkRange> ranges = split_work(spec.batch * plan.k_tiles * plan.blocks_per_row(), 1, num_compute_cores(chip));
  const Plan* kept = program.keep(std::move(plan));
  std::vector<Args> args;
  for (const WorkRange& range : ranges) args.push_back({kept, range});
  program.set_cores(metal::first_cores(chip, ranges.size()));
  program.add_kernel<Dataflow, Args>(Role::kReader, "tilize_reader", tilize_reader, args);
  program.add_kernel<Dataflow, Args>(Role::kWriter, "tilize_writer", tilize_writer, args);
  program.validate(chip);
  return program;
}

}  // namespace tt::dnn
