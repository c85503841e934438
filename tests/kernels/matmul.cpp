// c = a @ b of row-major float32 matrices whose sizes are multiples of 32: tiles are read by an access map, products summed up in DST.
#include "metal/custom_call.hpp"

using namespace tt;

constexpr uint32_t kTileBytes = 4096;  // 32 x 32 float32
constexpr Slot kA = 0, kB = 1, kC = 2;

// Tiles of a row-major matrix, row by row: four faces of 16 x 16 each.
AccessMap tiles_of(int64_t rows, int64_t columns) {
  return {{{rows / 32, 32 * columns}, {columns / 32, 32}, {2, 16 * columns}, {2, 16}, {16, columns}, {16, 1}}, 0};
}

struct Args {
  int64_t first, last;     // tiles of c that this core makes
  int64_t columns, steps;  // tiles of c, and of a, side by side
  const AccessMap *a, *b, *c;
  Cb a_tiles, b_tiles, c_tiles;
};

Kernel reader(Dataflow k, Args args) {
  for (int64_t t = args.first; t < args.last; ++t) {
    const int64_t row = t / args.columns, column = t % args.columns;
    for (int64_t s = 0; s < args.steps; ++s) {
      co_await k.cb_reserve_back(args.a_tiles, 1);
      k.noc_async_read_mapped(kA, *args.a, sizeof(float), (row * args.steps + s) * 1024, 1024, args.a_tiles, 0);
      co_await k.cb_reserve_back(args.b_tiles, 1);
      k.noc_async_read_mapped(kB, *args.b, sizeof(float), (s * args.columns + column) * 1024, 1024, args.b_tiles, 0);
      co_await k.noc_async_read_barrier();
      k.cb_push_back(args.a_tiles, 1);
      k.cb_push_back(args.b_tiles, 1);
    }
  }
}

Kernel compute(Compute k, Args args) {
  for (int64_t t = args.first; t < args.last; ++t) {
    co_await k.tile_regs_acquire();
    for (int64_t s = 0; s < args.steps; ++s) {
      co_await k.cb_wait_front(args.a_tiles, 1);
      co_await k.cb_wait_front(args.b_tiles, 1);
      k.matmul_block({args.a_tiles, 0, 1}, {args.b_tiles, 0, 1}, /*dst=*/0, {1, 1, 1}, DataType::kF32, MathFidelity::kHiFi4);
      k.cb_pop_front(args.a_tiles, 1);
      k.cb_pop_front(args.b_tiles, 1);
    }
    k.tile_regs_commit();
    co_await k.tile_regs_wait();
    co_await k.cb_reserve_back(args.c_tiles, 1);
    k.pack_tile(/*dst=*/0, args.c_tiles, 0);
    k.cb_push_back(args.c_tiles, 1);
    k.tile_regs_release();
  }
}

Kernel writer(Dataflow k, Args args) {
  for (int64_t t = args.first; t < args.last; ++t) {
    co_await k.cb_wait_front(args.c_tiles, 1);
    k.noc_async_write_mapped(args.c_tiles, 0, kC, *args.c, sizeof(float), t * 1024, 1024);
    co_await k.noc_async_write_barrier();
    k.cb_pop_front(args.c_tiles, 1);
  }
}

extern "C" metal::Program create_program(const metal::CustomCall& call) {
  using emulator::Role;
  const Dims &a = call.inputs.at(0).dims, &b = call.inputs.at(1).dims, &c = call.outputs.at(0).dims;
  const auto in_tiles = [](const Dims& dims) { return dims.size() == 2 && dims[0] % 32 == 0 && dims[1] % 32 == 0; };
  require(in_tiles(a) && in_tiles(b) && a[1] == b[0] && c == Dims{a[0], b[1]}, "[matmul] expected matrices of whole tiles that fit, got ",
          Text(a), " and ", Text(b), " for ", Text(c));
  metal::Program program = call.new_program();
  program.flops = 2.0 * static_cast<double>(a[0] * a[1] * b[1]);
  const Cb a_tiles = program.add_circular_buffer(4, kTileBytes, "a"), b_tiles = program.add_circular_buffer(4, kTileBytes, "b"),
           c_tiles = program.add_circular_buffer(2, kTileBytes, "c");
  const auto *a_map = program.keep(tiles_of(a[0], a[1])), *b_map = program.keep(tiles_of(b[0], b[1])),
             *c_map = program.keep(tiles_of(c[0], c[1]));
  const int64_t tiles = c[0] * c[1] / 1024, cores = std::min(tiles, emulator::num_compute_cores(call.chip));
  std::vector<Args> args;
  for (int64_t i = 0; i < cores; ++i) {
    args.push_back({tiles * i / cores, tiles * (i + 1) / cores, c[1] / 32, a[1] / 32, a_map, b_map, c_map, a_tiles, b_tiles, c_tiles});
  }
  program.set_cores(metal::first_cores(call.chip, args.size()));
  program.add_kernel<Dataflow, Args>(Role::kReader, "reader", reader, args);
  program.add_kernel<Compute, Args>(Role::kCompute, "compute", compute, args);
  program.add_kernel<Dataflow, Args>(Role::kWriter, "writer", writer, args);
  return program;
}
