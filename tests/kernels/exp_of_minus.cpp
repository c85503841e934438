// [example]
#include "metal/custom_call.hpp"

using namespace tt;

constexpr int64_t kTileBytes = 4096;  // 32 x 32 float32

struct Args {
  int64_t first, last;  // tiles of this core
  Cb in, out;
  const TileChain* chain;
};

Kernel reader(Dataflow k, Args a) {
  for (int64_t t = a.first; t < a.last; ++t) {
    co_await k.cb_reserve_back(a.in, 1);
    k.noc_async_read(/*slot=*/0, t * kTileBytes, kTileBytes, a.in, 0);
    co_await k.noc_async_read_barrier();
    k.cb_push_back(a.in, 1);
  }
}

Kernel compute(Compute k, Args a) {
  for (int64_t t = a.first; t < a.last; ++t) {
    co_await k.cb_wait_front(a.in, 1);
    co_await k.cb_reserve_back(a.out, 1);
    co_await k.tile_regs_acquire();
    const Cb in[] = {a.in}, out[] = {a.out};
    k.run_tiles(*a.chain, in, 0, out, 0, emulator::kTileElements);
    k.tile_regs_release();
    k.cb_push_back(a.out, 1);
    k.cb_pop_front(a.in, 1);
  }
}

Kernel writer(Dataflow k, Args a) {
  for (int64_t t = a.first; t < a.last; ++t) {
    co_await k.cb_wait_front(a.out, 1);
    k.noc_async_write(a.out, 0, /*slot=*/1, t * kTileBytes, kTileBytes);
    co_await k.noc_async_write_barrier();
    k.cb_pop_front(a.out, 1);
  }
}

// y = exp(-x) of whole tiles, on as many cores as there are.
extern "C" metal::Program create_program(const metal::CustomCall& call) {
  using emulator::Lane, emulator::Role, emulator::TileOpcode;
  require(call.inputs.size() == 1 && call.inputs[0].element == DataType::kF32 && call.inputs[0].num_bytes() % kTileBytes == 0,
          "[exp_of_minus] expected one float32 array of whole tiles, 1024 elements each");
  metal::Program program = call.new_program();  // slot 0 is x, slot 1 is y
  const Cb in = program.add_circular_buffer(2, kTileBytes, "in"), out = program.add_circular_buffer(2, kTileBytes, "out");
  const auto* chain = program.keep(TileChain({{DataType::kF32},
                                              {{TileOpcode::kNegate, Lane::kF32, DataType::kF32, /*dst=*/1, /*a=*/0},
                                               {TileOpcode::kExp, Lane::kF32, DataType::kF32, /*dst=*/1, /*a=*/1}},
                                              {{/*reg=*/1, DataType::kF32}},
                                              /*num_registers=*/2}));
  const int64_t tiles = call.inputs[0].num_bytes() / kTileBytes;
  const int64_t cores = std::min(tiles, emulator::num_compute_cores(call.chip));
  std::vector<Args> args;
  for (int64_t i = 0; i < cores; ++i) args.push_back({tiles * i / cores, tiles * (i + 1) / cores, in, out, chain});
  program.set_cores(metal::first_cores(call.chip, args.size()));
  program.add_kernel<Dataflow, Args>(Role::kReader, "reader", reader, args);
  program.add_kernel<Compute, Args>(Role::kCompute, "compute", compute, args);
  program.add_kernel<Dataflow, Args>(Role::kWriter, "writer", writer, args);
  return program;
}
// [example]
