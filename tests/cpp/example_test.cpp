// The worked example of docs/kernels.md, as it stands there.
#include <cmath>

#include "emulator/grayskull.hpp"
#include "metal/device.hpp"
#include "metal/program.hpp"
#include "test.hpp"

namespace tt {
namespace {

// [example]
constexpr int64_t kTileBytes = 4096;  // 32 x 32 float32

struct Args {
  int64_t first, count;  // tiles of this core
  Cb in, out;
  const emulator::TileChain* chain;
};

Kernel reader(Dataflow k, Args a) {
  for (int64_t t = a.first; t < a.first + a.count; ++t) {
    co_await k.cb_reserve_back(a.in, 1);
    k.noc_async_read(/*slot=*/0, t * kTileBytes, kTileBytes, a.in, 0);
    co_await k.noc_async_read_barrier();
    k.cb_push_back(a.in, 1);
  }
}

Kernel compute(Compute k, Args a) {
  for (int64_t t = 0; t < a.count; ++t) {
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
  for (int64_t t = a.first; t < a.first + a.count; ++t) {
    co_await k.cb_wait_front(a.out, 1);
    k.noc_async_write(a.out, 0, /*slot=*/1, t * kTileBytes, kTileBytes);
    co_await k.noc_async_write_barrier();
    k.cb_pop_front(a.out, 1);
  }
}

// y = exp(-x), `tiles` tiles, two cores.
metal::Program exp_of_minus(int64_t tiles, const emulator::ChipSpec& chip) {
  using emulator::Lane, emulator::Role, emulator::TileOpcode;
  metal::Program program("exp_of_minus");
  program.add_input("x", tiles * kTileBytes);
  program.add_output("y", tiles * kTileBytes);
  const Cb in = program.add_circular_buffer(2, kTileBytes, "in"), out = program.add_circular_buffer(2, kTileBytes, "out");
  const auto* chain = program.keep(emulator::TileChain({{DataType::kF32},
                                                        {{TileOpcode::kNegate, Lane::kF32, DataType::kF32, /*dst=*/1, /*a=*/0},
                                                         {TileOpcode::kExp, Lane::kF32, DataType::kF32, /*dst=*/1, /*a=*/1}},
                                                        {{/*reg=*/1, DataType::kF32}},
                                                        /*num_registers=*/2}));
  const int64_t half = tiles / 2;
  const std::vector<Args> args = {{0, half, in, out, chain}, {half, tiles - half, in, out, chain}};
  program.set_cores({{0, 0}, {1, 0}});
  program.add_kernel<Dataflow, Args>(Role::kReader, "reader", reader, args);
  program.add_kernel<Compute, Args>(Role::kCompute, "compute", compute, args);
  program.add_kernel<Dataflow, Args>(Role::kWriter, "writer", writer, args);
  program.validate(chip);
  return program;
}
// [example]

TEST(the_example_of_the_page_on_kernels) {
  constexpr int64_t kTiles = 5;
  const emulator::ChipSpec& chip = emulator::find_chip("e150");
  // [run]
  const auto device = metal::Device::create(chip, /*id=*/0);
  const auto x = device->allocate(kTiles * kTileBytes), y = device->allocate(kTiles * kTileBytes);
  auto* values = reinterpret_cast<float*>(x->data());
  for (int64_t i = 0; i < kTiles * 1024; ++i) values[i] = static_cast<float>(i % 7);
  const metal::Program program = exp_of_minus(kTiles, chip);
  std::byte* slots[] = {x->data(), y->data()};
  device->enqueue([&] { device->run(program, slots); }).wait();   // its values
  const uint64_t cycles = metal::estimate(program, chip).cycles;  // its time
  // [run]
  const auto* results = reinterpret_cast<const float*>(y->data());
  for (int64_t i = 0; i < kTiles * 1024; ++i) EXPECT(std::abs(results[i] - std::exp(-static_cast<float>(i % 7))) < 1e-6F);
  EXPECT(cycles > 3 * 2665);  // three tiles of exp on one core
}

}  // namespace
}  // namespace tt
