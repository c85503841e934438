// What the chip forbids, by name; what a kernel throws; and that the card goes on working afterwards.
#include "emulator/grayskull.hpp"
#include "metal/device.hpp"
#include "metal/program.hpp"
#include "test.hpp"

namespace tt {
namespace {

using emulator::Role;
using emulator::TileOpcode;

struct Args {
  Cb cb;
  uint32_t pages;
  int64_t offset;
  Slot slot = 0;
};

Kernel pushes_without_reserving(Dataflow k, Args a) {
  k.cb_push_back(a.cb, a.pages);
  co_return;
}

Kernel pops(Dataflow k, Args a) {
  k.cb_pop_front(a.cb, a.pages);
  co_return;
}

Kernel waits(Dataflow k, Args a) { co_await k.cb_wait_front(a.cb, a.pages); }
Kernel reserves(Dataflow k, Args a) { co_await k.cb_reserve_back(a.cb, a.pages); }

// Two pages into a ring of three, twice: the second pair would cross the end.
Kernel wraps(Dataflow k, Args a) {
  for (int i = 0; i < 2; ++i) {
    co_await k.cb_reserve_back(a.cb, 2);
    k.new_page(a.cb, 0);
    k.new_page(a.cb, 1);
    k.cb_push_back(a.cb, 2);
    k.cb_pop_front(a.cb, 2);
  }
}

Kernel reads(Dataflow k, Args a) {
  co_await k.cb_reserve_back(a.cb, 1);
  k.noc_async_read(0, a.offset, 64, a.cb, 0);
  co_await k.noc_async_read_barrier();
  k.cb_push_back(a.cb, 1);
}

Kernel writes(Dataflow k, Args a) {
  co_await k.cb_reserve_back(a.cb, 1);
  k.new_page(a.cb, 0);
  k.cb_push_back(a.cb, 1);
  k.noc_async_write(a.cb, 0, 1, a.offset, 64);
  co_await k.noc_async_write_barrier();
}

Kernel writes_into_a_slot(Dataflow k, Args a) {
  co_await k.cb_reserve_back(a.cb, 1);
  k.new_page(a.cb, 0);
  k.cb_push_back(a.cb, 1);
  k.noc_async_write(a.cb, 0, a.slot, 0, a.offset);
}

Kernel looks_at_a_page(Dataflow k, Args a) {
  k.page(a.cb, a.pages);
  co_return;
}

Kernel makes_a_page(Dataflow k, Args a) {
  k.new_page(a.cb, a.pages);
  co_return;
}

Kernel reads_into_a_page(Dataflow k, Args a) {
  co_await k.cb_reserve_back(a.cb, 1);
  k.noc_async_read_into(a.slot, 0, 32, a.cb, 0, a.offset);
}

// Elements [offset, offset + 16) of float32 in rows of 8, each `pages` elements after the other.
Kernel reads_mapped(Dataflow k, Args a) {
  co_await k.cb_reserve_back(a.cb, 1);
  k.noc_async_read_mapped(a.slot, {{{4, int64_t{a.pages}}, {8, 1}}, 0}, 4, a.offset, 16, a.cb, 0);
}

Kernel increments(Dataflow k, Args a) {
  k.noc_semaphore_inc({1, 2}, static_cast<uint8_t>(a.pages), 1);
  co_return;
}

Kernel throws(Dataflow, Args) {
  throw std::runtime_error("something that no kernel should throw");
  co_return;
}

Kernel waits_for_semaphore(Dataflow k, Args) { co_await k.noc_semaphore_wait(0, 7); }

// Copies slot 0 to slot 1, one page.
Kernel copy_reader(Dataflow k, Args a) {
  co_await k.cb_reserve_back(a.cb, 1);
  k.noc_async_read(0, 0, 64, a.cb, 0);
  co_await k.noc_async_read_barrier();
  k.cb_push_back(a.cb, 1);
}

Kernel copy_writer(Dataflow k, Args a) {
  co_await k.cb_wait_front(a.cb, 1);
  k.noc_async_write(a.cb, 0, 1, 0, 64);
  co_await k.noc_async_write_barrier();
  k.cb_pop_front(a.cb, 1);
}

using Function = Kernel (*)(Dataflow, Args);

metal::Program program(const char* name, Function reader, Args args, Function writer = nullptr) {
  metal::Program program(name);
  program.add_input("in", 4096);
  program.add_output("out", 4096);
  program.add_circular_buffer(3, 64, "pages");
  program.set_cores({{1, 2}});
  program.add_kernel<Dataflow, Args>(Role::kReader, "reader_kernel", reader, {args});
  if (writer != nullptr) program.add_kernel<Dataflow, Args>(Role::kWriter, "writer_kernel", writer, {args});
  return program;
}

struct Bench {
  std::shared_ptr<metal::Device> device = metal::Device::create(emulator::find_chip("e150"), 0);
  std::shared_ptr<metal::Buffer> in = device->allocate(4096), out = device->allocate(4096);

  void run(const metal::Program& program) {
    std::byte* slots[2] = {in->data(), out->data()};
    device->enqueue([&] { device->run(program, slots); }).wait();
  }
};

TEST(what_the_chip_forbids_is_an_error_with_a_name) {
  struct Forbidden {
    Function reader;
    Args args;
    const char* message;
  };
  const Forbidden all[] = {
      {pushes_without_reserving,
       {0, 4, 0},
       "UndefinedBehavior: [p] reader kernel \"reader_kernel\" on core (1,2): cb_push_back of 4 pages overflows CB 0: free 3 of 3"},
      {pops, {0, 1, 0}, "cb_pop_front of 1 pages underflows CB 0: present 0"},
      {waits, {0, 4, 0}, "cb_wait_front of 4 pages on CB 0, whose capacity is 3"},
      {reserves, {0, 5, 0}, "cb_reserve_back of 5 pages on CB 0, whose capacity is 3"},
      {wraps, {0, 2, 0}, "cb_reserve_back of 2 pages on CB 0 crosses the end of its 3 pages (partial wrap)"},
      {reads, {0, 1, 8}, "noc_async_read from DRAM offset 8 is misaligned: reads need 32"},
      {reads, {0, 1, 4064}, "of bytes 4064..4128 is outside slot 0"},
      {writes, {0, 1, 8}, "noc_async_write to DRAM offset 8 is misaligned: writes need 16"},
      {waits, {0, 1, 0}, "Deadlock: [p] deadlock: "},
      {waits, {5, 1, 0}, "CB 5 is none of the program's, which has 1"},
      {looks_at_a_page, {0, 1, 0}, "page 1 of CB 0, of which 0 are present"},
      {makes_a_page, {0, 3, 0}, "page 3 from the back of CB 0, of which 3 are free"},
      {reads_into_a_page, {0, 1, 48}, "noc_async_read_into of 32 bytes from byte 48 of a page of 64"},
      {reads_into_a_page, {0, 1, 0, 2}, "slot 2 is none of the program's, which has 2"},
      {writes_into_a_slot, {0, 1, 64, 0}, "a write to slot 0, which is an input"},
      {writes_into_a_slot, {0, 1, 128, 1}, "noc_async_write of 128 bytes from a page of 64"},
      {reads_mapped, {0, 1000, 0}, "a map reaches elements 0..3008 of slot 0, which has 1024"},
      {reads_mapped, {0, 8, 24}, "elements 24..40 of a map of 32"},
      {increments, {0, 1, 0}, "semaphore 1 is none of the program's, which has 0"},
      {throws, {0, 1, 0}, "Internal: something that no kernel should throw"},
  };
  Bench bench;
  bench.in->data()[5] = std::byte{42};
  for (const Forbidden& forbidden : all) {
    const metal::Program wrong = program("p", forbidden.reader, forbidden.args);
    EXPECT_ERROR(bench.run(wrong), forbidden.message);
    bench.out->data()[5] = std::byte{0};
    bench.run(program("good", copy_reader, {0, 1, 0}, copy_writer));
    EXPECT(bench.out->data()[5] == std::byte{42});
  }
}

struct Steps {
  Cb cb;
  uint32_t elements, dst;
  const TileChain* chain;
};

Kernel runs_tiles(Compute k, Steps a) {
  const Cb out[] = {a.cb};
  k.run_tiles(*a.chain, {}, 0, out, 0, a.elements);
  co_return;
}

Kernel packs(Compute k, Steps a) {
  k.pack_tile(a.dst, a.cb, 0);
  co_return;
}

Kernel multiplies(Compute k, Steps a) {
  k.matmul_block({a.cb, 0, 1}, {a.cb, 0, 1}, 0, {1, 1, 1}, DataType::kF32, MathFidelity::kHiFi4);
  co_return;
}

TEST(what_a_compute_kernel_must_not_do_is_an_error_too) {
  const TileChain one({{}, {{TileOpcode::kFill, emulator::Lane::kF32, DataType::kF32, 0}}, {{0, DataType::kF32}}, 1});
  struct Forbidden {
    Kernel (*compute)(Compute, Steps);
    Steps args;
    const char* message;
  };
  const Forbidden all[] = {
      {runs_tiles, {0, 1024, 0, &one}, "compute kernel \"k\" on core (1,2): run_tiles of 1024 elements of f32 on a page of 64 bytes"},
      {runs_tiles, {0, 2000, 0, &one}, "run_tiles of 2000 elements of 0 inputs and 1 outputs, expected at most 1024 elements of 0 and 1"},
      {packs, {0, 0, 16, nullptr}, "DST tile 16, there are 16"},
      {multiplies, {0, 0, 0, nullptr}, "matmul_block of tiles of 4096 bytes from pages of 64 and 64"},
  };
  Bench bench;
  for (const auto& [compute, args, message] : all) {
    metal::Program wrong("p");
    wrong.add_input("in", 4096);
    wrong.add_output("out", 4096);
    wrong.add_circular_buffer(3, 64, "pages");
    wrong.set_cores({{1, 2}});
    wrong.add_kernel<Compute, Steps>(Role::kCompute, "k", compute, {args});
    EXPECT_ERROR(bench.run(wrong), message);
  }
}

TEST(a_tile_program_reads_what_has_been_written) {
  const auto made = [](uint16_t from, uint16_t to, uint16_t result) {
    return TileChain({{DataType::kF32},
                      {{TileOpcode::kExp, emulator::Lane::kF32, DataType::kF32, to, from}},
                      {{result, DataType::kF32}},
                      /*num_registers=*/3});
  };
  made(0, 1, 1);
  EXPECT_ERROR(made(2, 1, 1), "step 0, exp_tile, reads register 2, which nothing has written");
  EXPECT_ERROR(made(0, 3, 1), "step 0, exp_tile, writes register 3, there are 3");
  EXPECT_ERROR(made(0, 1, 2), "step 1, an output, reads register 2");
}

// Pages carry no data when cycles are counted, and may be looked at.
Kernel adds_up(Dataflow k, Args a) {
  co_await k.cb_reserve_back(a.cb, 3);
  auto* const page = reinterpret_cast<int*>(k.new_page(a.cb, 2));
  for (int i = 0; i < 16; ++i) page[i] = i;
  k.cb_push_back(a.cb, 3);
  const auto* const values = reinterpret_cast<const int*>(k.page(a.cb, 2));
  k.spend(values[0] == values[1] ? 100 : 200);
}

TEST(a_kernel_that_looks_at_pages_can_be_timed) {
  EXPECT(metal::estimate(program("p", adds_up, {0, 3, 0}), emulator::find_chip("e150")).cycles > 0);
}

TEST(a_deadlock_names_kernel_core_and_what_is_missing) {
  Bench bench;
  const metal::Program starving = program("starving", waits, {0, 2, 0});
  EXPECT_ERROR(bench.run(starving), "reader_kernel");
  EXPECT_ERROR(bench.run(starving), "(1,2)");
  EXPECT_ERROR(bench.run(starving), "2");
  EXPECT_ERROR(metal::estimate(starving, emulator::find_chip("e150")), "deadlock");
  metal::Program sleeping = program("sleeping", waits_for_semaphore, {0, 1, 0});
  sleeping.add_semaphore(0);
  EXPECT_ERROR(bench.run(sleeping), "deadlock");
}

// Each core reads 64 bytes and writes them into the L1 of the first core, which waits for all of them.
struct Gather {
  int64_t index;
  uint32_t page;  // of the first core's ring
  uint32_t senders;
  Cb from, to;
};

Kernel gather_reader(Dataflow k, Gather a) {
  co_await k.cb_reserve_back(a.from, 1);
  k.noc_async_read(0, a.index * 64, 64, a.from, 0);
  co_await k.noc_async_read_barrier();
  k.cb_push_back(a.from, 1);
  if (a.index != 0) co_return;
  co_await k.cb_reserve_back(a.to, a.senders);
  for (uint32_t i = 0; i < a.senders && k.values(); ++i) k.new_page(a.to, i);
  co_await k.noc_semaphore_wait(0, a.senders);
  k.cb_push_back(a.to, a.senders);
}

Kernel gather_writer(Dataflow k, Gather a) {
  co_await k.cb_wait_front(a.from, 1);
  k.noc_async_write(a.from, 0, 0, {{0, 0}, a.to, a.page, 0}, 64);
  co_await k.noc_async_write_barrier();
  k.cb_pop_front(a.from, 1);
  k.noc_semaphore_inc({0, 0}, 0, 1);
  if (a.index != 0) co_return;
  co_await k.cb_wait_front(a.to, a.senders);
  for (uint32_t i = 0; i < a.senders; ++i) k.noc_async_write(a.to, i, 1, i * 64, 64);
  co_await k.noc_async_write_barrier();
  k.cb_pop_front(a.to, a.senders);
}

metal::Program gather(int64_t cores, uint32_t last_page) {
  metal::Program program("gather");
  program.add_input("in", 4096);
  program.add_output("out", 4096);
  const Cb from = program.add_circular_buffer(1, 64, "own"), to = program.add_circular_buffer(static_cast<uint32_t>(cores), 64, "all");
  program.add_semaphore(0);
  std::vector<Gather> args;
  for (int64_t i = 0; i < cores; ++i)
    args.push_back({i, i + 1 == cores ? last_page : static_cast<uint32_t>(i), static_cast<uint32_t>(cores), from, to});
  program.set_cores(metal::first_cores(emulator::find_chip("e150"), args.size()));
  program.add_kernel<Dataflow, Gather>(Role::kReader, "gather_reader", gather_reader, args);
  program.add_kernel<Dataflow, Gather>(Role::kWriter, "gather_writer", gather_writer, args);
  return program;
}

TEST(cores_write_into_the_l1_of_another_and_count_up_its_semaphore) {
  Bench bench;
  for (int i = 0; i < 4096; ++i) bench.in->data()[i] = static_cast<std::byte>(i / 64 + i % 7);
  const metal::Program all = gather(30, 29);
  bench.run(all);
  EXPECT(std::equal(bench.in->data(), bench.in->data() + 30 * 64, bench.out->data()));
  const emulator::RunReport report = metal::estimate(all, emulator::find_chip("e150"));
  EXPECT(report.noc_bytes == 30 * 64);
  EXPECT(report.cycles > metal::estimate(gather(2, 1), emulator::find_chip("e150")).cycles);
  metal::Program one_receives = gather(30, 29);  // the others run one after the other, wherever there is a thread
  const emulator::CoreCoord first{0, 0}, second{1, 0};
  one_receives.set_receivers({&first, 1});
  std::fill_n(bench.out->data(), 4096, std::byte{0});
  bench.run(one_receives);
  EXPECT(std::equal(bench.in->data(), bench.in->data() + 30 * 64, bench.out->data()));
  EXPECT(metal::estimate(one_receives, emulator::find_chip("e150")).cycles == report.cycles);
  one_receives.set_receivers({&second, 1});
  EXPECT_ERROR(bench.run(one_receives), "core (0,0) is not part of the program, or not among the receivers it names");
  EXPECT_ERROR(bench.run(gather(30, 30)), "noc_async_write of 64 bytes to byte 0 of page 30 on core (0,0), whose CB 1 has 30 pages of 64");
}

TEST(a_host_function_must_not_wait_for_its_own_program) {
  Bench bench;
  metal::Program program("host");
  program.add_input("in", 4096);
  program.add_output("out", 4096);
  program.set_host_function([&](std::byte* const* buffers) { std::copy_n(buffers[0], 4096, buffers[1]); });
  bench.in->data()[7] = std::byte{42};
  bench.run(program);
  EXPECT(bench.out->data()[7] == std::byte{42});
  program.set_host_function([&](std::byte* const*) { bench.device->finish(); });
  EXPECT_ERROR(bench.run(program), "waits for that program: return first");
}

// Core 1 multicasts a page to all cores of two rows, itself among them, which store what came.
Kernel spread_reader(Dataflow k, Gather a) {
  if (a.index != 1) co_return;
  co_await k.cb_reserve_back(a.from, 1);
  k.noc_async_read(0, 0, 64, a.from, 0);
  co_await k.noc_async_read_barrier();
  k.cb_push_back(a.from, 1);
  co_await k.cb_wait_front(a.from, 1);
  k.noc_async_write_multicast_loopback_src(a.from, 0, {0, 0}, {11, 1}, a.to, a.page, 64);
  co_await k.noc_async_write_barrier();
  k.noc_semaphore_set_multicast(0, 1, {0, 0}, {11, 1});
  k.noc_semaphore_set(0, 1);
}

Kernel spread_writer(Dataflow k, Gather a) {
  co_await k.cb_reserve_back(a.to, 2);
  co_await k.noc_semaphore_wait(0, 1);
  for (uint32_t i = 0; i < 2 && k.values(); ++i) k.new_page(a.to, i);
  k.cb_push_back(a.to, 2);
  co_await k.cb_wait_front(a.to, 2);
  k.noc_async_write(a.to, a.page, 1, a.index * 64, 64);
  co_await k.noc_async_write_barrier();
}

metal::Program spread(uint32_t page) {
  metal::Program program("spread");
  program.add_input("in", 4096);
  program.add_output("out", 4096);
  const Cb from = program.add_circular_buffer(1, 64, "own"), to = program.add_circular_buffer(2, 64, "all");
  program.add_semaphore(0);
  std::vector<Gather> args;
  for (int64_t i = 0; i < 24; ++i) args.push_back({i, page, 1, from, to});
  program.set_cores(metal::first_cores(emulator::find_chip("e150"), args.size()));
  program.add_kernel<Dataflow, Gather>(Role::kReader, "spread_reader", spread_reader, args);
  program.add_kernel<Dataflow, Gather>(Role::kWriter, "spread_writer", spread_writer, args);
  return program;
}

TEST(a_core_multicasts_into_the_l1_of_a_rectangle) {
  Bench bench;
  for (int i = 0; i < 4096; ++i) bench.in->data()[i] = static_cast<std::byte>(i % 59);
  bench.run(spread(1));
  for (int core = 0; core < 24; ++core) EXPECT(std::equal(bench.in->data(), bench.in->data() + 64, bench.out->data() + core * 64));
  EXPECT(metal::estimate(spread(1), emulator::find_chip("e150")).noc_bytes == 64);
  EXPECT_ERROR(bench.run(spread(2)),
               "noc_async_write_multicast_loopback_src of 64 bytes from a page of 64 to page 2 of CB 1, which has 2 pages of 64");
}

TEST(programs_that_do_not_fit_the_chip_are_refused_before_they_run) {
  const emulator::ChipSpec &e150 = emulator::find_chip("e150"), &e75 = emulator::find_chip("e75");
  const auto fresh = [] { return program("p", copy_reader, {0, 1, 0}, copy_writer); };
  metal::Program wide = fresh();
  wide.add_circular_buffer(1024, 1024, "too much");
  EXPECT_ERROR(wide.validate(e150), "circular buffers take");
  EXPECT_ERROR(wide.validate(e150), "bytes of L1, a core has 940672");
  const metal::Program small = fresh();
  small.check_l1(e150, 940672 - 192);
  EXPECT_ERROR(small.check_l1(e150, 940672),
               "[p] circular buffers take 192 bytes of L1 beside 940672 of buffers that lie there, a core has 940672; use fewer or smaller "
               "pages or keep the buffers in DRAM");
  metal::Program many = fresh();
  for (int i = 0; i < 32; ++i) many.add_circular_buffer(1, 64, "more");
  EXPECT_ERROR(many.validate(e150), "33 circular buffers, the core has 32");
  metal::Program storage = fresh();
  storage.set_cores({{0, 9}});
  EXPECT_ERROR(storage.validate(e150),
               "kernel on core (0,9), which is a storage or dispatch core or does not exist: the compute grid of e150 is 12x9");
  storage.set_cores({{11, 0}});
  storage.validate(e150);
  EXPECT_ERROR(storage.validate(e75), "the compute grid of e75 is 11x8");
  metal::Program twice = fresh();
  twice.set_cores({{0, 0}, {0, 0}});
  EXPECT_ERROR(twice.validate(e150), "a core is listed twice");
  metal::Program nowhere = fresh();
  nowhere.set_cores({});
  EXPECT_ERROR(nowhere.validate(e150), "no core runs the program");
  metal::Program sleepers = fresh();
  for (int i = 0; i < 9; ++i) sleepers.add_semaphore(0);
  EXPECT_ERROR(sleepers.validate(e150), "9 semaphores, the core has 8");
  metal::Program crowded = fresh();
  crowded.add_kernel<Dataflow, Args>(Role::kReader, "another", copy_reader, {Args{0, 1, 0}});
  EXPECT_ERROR(crowded.validate(e150), "two reader kernels on one core");
  metal::Program confused = fresh();
  confused.add_kernel<Dataflow, Args>(Role::kCompute, "mover", copy_reader, {Args{0, 1, 0}});
  EXPECT_ERROR(confused.validate(e150), "kernel \"mover\" is a compute, but takes a Dataflow");
  metal::Program uneven = program("p", copy_reader, {0, 1, 0});
  uneven.set_cores({{0, 0}, {1, 0}, {2, 0}});
  uneven.validate(e150);
  uneven.add_kernel<Dataflow, Args>(Role::kWriter, "writer_kernel", copy_writer, {Args{0, 1, 0}, Args{0, 1, 0}});
  EXPECT_ERROR(uneven.validate(e150), "kernel \"writer_kernel\" has arguments for 2 cores, expected 3, or 1 for all");
}

TEST(device_memory_that_is_not_there) {
  const auto device = metal::Device::create(emulator::find_chip("e150"), 0);
  EXPECT_ERROR(device->allocate(int64_t{9} << 30),
               "OutOfMemory: [allocate] out of device memory: asked for 9663676416 bytes, free 8589934592");
  EXPECT(device->allocate(64) != nullptr);
  device->close();
  EXPECT_ERROR(device->allocate(64), "device 0 is closed");
  EXPECT_ERROR(device->enqueue([] {}), "device 0 is closed");
}

}  // namespace
}  // namespace tt
