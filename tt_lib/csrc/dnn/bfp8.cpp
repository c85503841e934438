// One tile per page: 1088 bytes on the one side, 2048 on the other.
#include "dnn/bfp8.hpp"

#include <array>

#include "base/error.hpp"
#include "dnn/operand.hpp"
#include "dnn/tensor_op.hpp"

namespace tt::dnn {
namespace {

constexpr int64_t kPacked = tensor::kBfp8TileBytes, kUnpacked = int64_t{kTileElements} * 2;

struct Args {
  Cb in, out;
  int64_t in_bytes, out_bytes;
  bool packs;
  WorkRange tiles;
};

Kernel bfp8_reader(Dataflow k, Args a) {
  for (int64_t t = a.tiles.first; t < a.tiles.first + a.tiles.count; ++t) {
    co_await k.cb_reserve_back(a.in, 1);
    k.noc_async_read(0, t * a.in_bytes, a.in_bytes, a.in, 0);
    co_await k.noc_async_read_barrier();
    k.cb_push_back(a.in, 1);
  }
}

void convert_tile(const std::byte* in, std::byte* out, bool packs) {
  alignas(64) std::array<float, kTileElements> tile;
  auto* const values = reinterpret_cast<std::byte*>(tile.data());
  if (packs) {
    emulator::convert_elements(DataType::kBF16, in, DataType::kF32, values, kTileElements);
    tensor::pack_bfp8(tile.data(), out, tensor::Bfp8Rounding::kNearest);
  } else {
    tensor::unpack_bfp8(in, tile.data());
    emulator::convert_elements(DataType::kF32, values, DataType::kBF16, out, kTileElements);
  }
}

Kernel bfp8_compute(Compute k, Args a) {
  const TileProgramCost cost = tile_program_cost({{DataType::kBF16}, {}, {{0, DataType::kBF16}}, 1}, kTileElements);
  for (int64_t t = 0; t < a.tiles.count; ++t) {
    co_await k.cb_wait_front(a.in, 1);
    co_await k.tile_regs_acquire();
    co_await k.cb_reserve_back(a.out, 1);
    if (k.values()) convert_tile(k.page(a.in, 0), k.new_page(a.out, 0), a.packs);
    k.charge(cost);
    k.tile_regs_release();
    k.cb_push_back(a.out, 1);
    k.cb_pop_front(a.in, 1);
  }
}

Kernel bfp8_writer(Dataflow k, Args a) {
  for (int64_t t = a.tiles.first; t < a.tiles.first + a.tiles.count; ++t) {
    co_await k.cb_wait_front(a.out, 1);
    k.noc_async_write(a.out, 0, 1, t * a.out_bytes, a.out_bytes);
    co_await k.noc_async_write_barrier();
    k.cb_pop_front(a.out, 1);
  }
}

Program convert(int64_t tiles, bool packs, const ChipSpec& chip) {
  Program program(packs ? "pack_bfp8" : "unpack_bfp8");
  const int64_t in = packs ? kUnpacked : kPacked, out = packs ? kPacked : kUnpacked;
  program.add_input("in0", tiles * in);
  program.add_output("out0", tiles * out);
  const Cb from = program.add_circular_buffer(2, static_cast<uint32_t>(in), "in0"),
           to = program.add_circular_buffer(2, static_cast<uint32_t>(out), "out0");
  std::vector<Args> args;
  for (const WorkRange& range : split_work(tiles, 1, num_compute_cores(chip))) args.push_back({from, to, in, out, packs, range});
  program.set_cores(metal::first_cores(chip, args.size()));
  program.add_kernel<Dataflow, Args>(Role::kReader, "bfp8_reader", bfp8_reader, args);
  program.add_kernel<Compute, Args>(Role::kCompute, "bfp8_compute", bfp8_compute, args);
  program.add_kernel<Dataflow, Args>(Role::kWriter, "bfp8_writer", bfp8_writer, args);
  program.validate(chip);
  return program;
}

Tensor converted(const Tensor& from, DataType type, bool packs) {
  const auto& card = from.card();
  const Tensor to = Tensor::empty({from.shape(), type, Layout::kTile, from.spec().memory}, card);
  const int64_t tiles = volume(from.shape()) / static_cast<int64_t>(kTileElements);
  if (tiles == 0) return to;
  const auto program =
      cached(card, cat(packs ? "pack_bfp8 " : "unpack_bfp8 ", tiles), [&] { return convert(tiles, packs, card->device()->chip()); });
  launch(card, program->name(), program, {&from}, {&to});
  return to;
}

}  // namespace

Tensor unpack_bfp8(const Tensor& packed) { return converted(packed, DataType::kBF16, false); }
Tensor pack_bfp8(const Tensor& unpacked) { return converted(unpacked, DataType::kBFP8B, true); }

}  // namespace tt::dnn
