// The clock: deterministic, never faster than the chip, and how far it is from the silicon on the calibration set.
#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <map>
#include <sstream>

#include "dnn/chain_builder.hpp"
#include "dnn/eltwise.hpp"
#include "dnn/matmul.hpp"
#include "emulator/grayskull.hpp"
#include "emulator/scheduler.hpp"
#include "metal/device.hpp"
#include "metal/program.hpp"
#include "test.hpp"

namespace tt {
namespace {

using emulator::AccessMap;
using emulator::Role;
using emulator::TileOpcode;

const emulator::ChipSpec& chip(const char* name = "e150") { return emulator::find_chip(name); }

uint64_t cycles(const metal::Program& program, const emulator::ChipSpec& on = chip()) { return metal::estimate(program, on).cycles; }

metal::Program chain_program(int64_t elements, TileOpcode code) {
  dnn::ChainBuilder chain;
  const uint16_t x = chain.input(DataType::kF32);
  chain.output(chain.apply({code, emulator::Lane::kF32, DataType::kF32, 0}, {x}), DataType::kF32);
  dnn::EltwiseSpec spec;
  spec.name = "chain";
  spec.input_bytes = spec.output_bytes = {elements * 4};
  const AccessMap map = AccessMap::contiguous({&elements, 1});
  spec.parts = {{elements, {{0, DataType::kF32, map}}, {{0, DataType::kF32, map}}}};
  spec.chain = chain.finish();
  return dnn::eltwise(spec, chip());
}

metal::Program product_program(int64_t n, DataType type, const emulator::ChipSpec& on) {
  dnn::MatmulSpec spec{};
  spec.name = "matmul";
  spec.batch = 1;
  spec.m = spec.k = spec.n = n;
  const int64_t dims[3] = {1, n, n}, bytes = n * n * size_of(type);
  spec.a = {0, type, AccessMap::contiguous(dims)};
  spec.b = {1, type, AccessMap::contiguous(dims)};
  spec.compute_type = type;
  spec.input_bytes = {bytes, bytes};
  spec.output_bytes = {bytes};
  spec.results = {{0, type, AccessMap::contiguous(dims)}};
  return dnn::matmul(spec, on);
}

TEST(cycles_are_the_same_every_time) {
  for (const int64_t elements : {1, 1000, 100'000, 3'000'000}) {
    EXPECT_EQ(cycles(chain_program(elements, TileOpcode::kTanh)), cycles(chain_program(elements, TileOpcode::kTanh)));
  }
  EXPECT_EQ(cycles(product_program(256, DataType::kBF16, chip())), cycles(product_program(256, DataType::kBF16, chip())));
}

TEST(more_work_takes_longer) {
  uint64_t before = 0;
  for (const int64_t elements : {1024, 100'000, 1'000'000, 10'000'000}) {
    const uint64_t now = cycles(chain_program(elements, TileOpcode::kExp));
    EXPECT(now > before);
    before = now;
  }
  EXPECT(cycles(chain_program(1024, TileOpcode::kExp)) > cycles(chain_program(1024, TileOpcode::kAbs)));  // a million are bound by DRAM
}

TEST(an_elementwise_program_keeps_all_channels_busy) {
  const emulator::ChipSpec& e150 = chip();
  constexpr int64_t kElements = 8 << 20;
  const double seconds = static_cast<double>(cycles(chain_program(kElements, TileOpcode::kAbs))) / e150.clock_hz;
  EXPECT(2.0 * 4 * kElements / seconds >= 0.9 * e150.dram_channels * e150.dram_bytes_per_second);
}

TEST(the_source_element_of_a_map_is_the_one_that_is_gathered) {
  std::vector<int32_t> source(5000), gathered(2000);
  for (size_t i = 0; i < source.size(); ++i) source[i] = static_cast<int32_t>(i);
  const AccessMap maps[] = {
      {{{40, 50}, {50, 1}}, 7},                    // rows
      {{{50, 1}, {40, 50}}, 0},                    // transposed
      {{{10, -200}, {20, 0}, {10, 3}}, 4000},      // reversed, broadcast, strided
      {{{40, 50, 3, 30}, {50, 1, 4, 46, 2}}, 11},  // padded around and between
  };
  for (const AccessMap& map : maps) {
    const int32_t pad = -1;
    emulator::gather_mapped(map, 4, reinterpret_cast<const std::byte*>(source.data()), 0, map.size(),
                            reinterpret_cast<std::byte*>(gathered.data()), reinterpret_cast<const std::byte*>(&pad));
    for (int64_t i = 0; i < map.size(); ++i) {
      const int64_t at = emulator::source_element(map, i);
      EXPECT(at >= 0 && at < static_cast<int64_t>(source.size()));
      if (const int32_t expected = gathered[static_cast<size_t>(i)]; expected != pad) EXPECT_EQ(at, int64_t{expected});
    }
  }
}

TEST(nothing_is_faster_than_the_chip) {
  const emulator::ChipSpec& e150 = chip();
  constexpr int64_t kElements = 8 << 20;
  const double seconds = static_cast<double>(cycles(chain_program(kElements, TileOpcode::kAbs))) / e150.clock_hz;
  EXPECT(2.0 * 4 * kElements / seconds <= e150.dram_channels * e150.dram_bytes_per_second);
  constexpr int64_t n = 1024;
  const double products = static_cast<double>(n / 32) * (n / 32) * (n / 32);
  const double cores = e150.compute_grid.x * e150.compute_grid.y;
  EXPECT(static_cast<double>(cycles(product_program(n, DataType::kBF16, e150))) * cores >= products * 4 * 32);  // HiFi4, 32 cycles a phase
}

// ---- buffers that are spread over L1

// Every core of the grid, or the first alone, reads pages [first, first + pages * stride) of slot 0, one after the other.
struct Reads {
  Cb in;
  int64_t first, pages, stride;
};

Kernel page_reader(Dataflow k, Reads p) {
  for (int64_t i = 0; i < p.pages; ++i) {
    co_await k.cb_reserve_back(p.in, 1);
    k.noc_async_read(0, (p.first + i * p.stride) * emulator::kInterleavedPage, emulator::kInterleavedPage, p.in, 0);
    co_await k.noc_async_read_barrier();
    k.cb_push_back(p.in, 1);
    k.cb_pop_front(p.in, 1);
  }
}

uint64_t read_cycles(emulator::BufferType memory, size_t cores, int64_t first, int64_t pages, int64_t stride) {
  metal::Program program("reads");
  program.add_input("in", (first + pages * stride) * emulator::kInterleavedPage);
  const Cb in = program.add_circular_buffer(2, emulator::kInterleavedPage, "in");
  program.set_cores(metal::first_cores(chip(), cores));
  program.add_kernel<Dataflow, Reads>(Role::kReader, "page_reader", page_reader, {{in, first, pages, stride}});
  return metal::estimate(program, chip(), {{memory}}).cycles;
}

constexpr auto kDram = emulator::BufferType::kDram, kL1 = emulator::BufferType::kL1;

TEST(l1_is_faster_than_dram_where_cores_contend) {
  const size_t all = static_cast<size_t>(emulator::num_compute_cores(chip()));
  const uint64_t dram = read_cycles(kDram, all, 0, 108, 1), l1 = read_cycles(kL1, all, 0, 108, 1);
  EXPECT(2 * l1 < dram);
  EXPECT_EQ(l1, read_cycles(kL1, all, 0, 108, 1));
  const double bytes = 108.0 * 108 * emulator::kInterleavedPage;
  EXPECT(static_cast<double>(l1) >= bytes / 655);  // what the NoC carries
  EXPECT(read_cycles(kL1, 1, 0, 108, 1) <= read_cycles(kDram, 1, 0, 108, 1));
}

TEST(a_core_whose_page_everybody_reads_is_a_bottleneck) {
  const size_t all = static_cast<size_t>(emulator::num_compute_cores(chip()));
  const uint64_t spread = read_cycles(kL1, all, 0, 20, 1), hot = read_cycles(kL1, all, 0, 20, 108);
  EXPECT(hot > 2 * spread);
  EXPECT(static_cast<double>(hot) >= 108.0 * 20 * emulator::kInterleavedPage / 28);  // the port of one core
}

TEST(memory_of_the_host_is_as_fast_as_pcie) {
  for (const size_t cores : {size_t{1}, size_t{108}}) {
    const double bytes = static_cast<double>(cores) * 108 * emulator::kInterleavedPage;
    const double seconds = static_cast<double>(read_cycles(emulator::BufferType::kHost, cores, 0, 108, 1)) / chip().clock_hz;
    EXPECT(seconds > bytes / chip().pcie_bytes_per_second);
    EXPECT(cores == 1 || seconds < 1.1 * bytes / chip().pcie_bytes_per_second);
  }
}

TEST(near_pages_of_l1_arrive_earlier) {
  const uint64_t own = read_cycles(kL1, 1, 0, 10, 108), same_row = read_cycles(kL1, 1, 1, 10, 108), far = read_cycles(kL1, 1, 13, 10, 108);
  EXPECT_EQ(same_row - own, uint64_t{10 * 13 * 9});  // once round the torus in one direction, per page
  EXPECT_EQ(far - own, uint64_t{10 * 25 * 9});       // in both
}

TEST(a_chain_over_l1_is_bound_by_the_noc_and_not_by_dram) {
  constexpr int64_t kElements = 4 << 20;
  const metal::Program program = chain_program(kElements, TileOpcode::kAbs);
  const emulator::RunReport dram = metal::estimate(program, chip()), l1 = metal::estimate(program, chip(), {{kL1, kL1}}),
                            mixed = metal::estimate(program, chip(), {{kL1, kDram}});
  EXPECT(3 * l1.cycles < dram.cycles);
  EXPECT(l1.cycles < mixed.cycles && mixed.cycles < dram.cycles);
  EXPECT_EQ(l1.l1_bytes, uint64_t{2 * 4 * kElements});
  EXPECT_EQ(l1.dram_read_bytes + l1.dram_write_bytes, uint64_t{0});
  EXPECT_EQ(mixed.dram_write_bytes, uint64_t{4 * kElements});
}

// ---- the calibration set

using Row = std::map<std::string, std::string>;

std::vector<Row> calibration(const char* name) {
  const char* shared = std::getenv("JAX_TT_SHARED");
  std::vector<Row> rows;
  if (shared == nullptr) {
    std::cout << "skipped: JAX_TT_SHARED does not name the folder with reference/calibration/\n";
    return rows;
  }
  std::ifstream file(std::string(shared) + "/reference/calibration/" + name);
  std::string line, cell;
  std::getline(file, line);
  std::vector<std::string> names;
  for (std::istringstream cells(line); std::getline(cells, cell, ',');) names.push_back(cell);
  while (std::getline(file, line)) {
    Row row;
    std::istringstream cells(line);
    for (const std::string& column : names) {
      cell.clear();
      std::getline(cells, cell, ',');
      row[column] = cell;
    }
    rows.push_back(std::move(row));
  }
  EXPECT(!rows.empty());
  return rows;
}

struct Blocks {
  Cb a, b, out;
  bool binary;
  uint32_t tiles;  // of a block
  uint32_t blocks;
  const emulator::TileChain* chain;
};

// Operands are in L1 already: pages appear without a transfer.
Kernel block_reader(Dataflow k, Blocks p) {
  for (uint32_t i = 0; i < p.blocks; ++i) {
    co_await k.cb_reserve_back(p.a, p.tiles);
    k.cb_push_back(p.a, p.tiles);
    if (!p.binary) continue;
    co_await k.cb_reserve_back(p.b, p.tiles);
    k.cb_push_back(p.b, p.tiles);
  }
}

Kernel block_compute(Compute k, Blocks p) {
  for (uint32_t i = 0; i < p.blocks; ++i) {
    co_await k.cb_wait_front(p.a, p.tiles);
    if (p.binary) co_await k.cb_wait_front(p.b, p.tiles);
    co_await k.cb_reserve_back(p.out, p.tiles);
    co_await k.tile_regs_acquire();
    for (uint32_t t = 0; t < p.tiles; ++t) k.run_tiles(*p.chain, nullptr, nullptr, emulator::kTileElements);
    k.tile_regs_release();
    k.cb_push_back(p.out, p.tiles);
    k.cb_pop_front(p.a, p.tiles);
    if (p.binary) k.cb_pop_front(p.b, p.tiles);
  }
}

Kernel block_writer(Dataflow k, Blocks p) {
  for (uint32_t i = 0; i < p.blocks; ++i) {
    co_await k.cb_wait_front(p.out, p.tiles);
    k.cb_pop_front(p.out, p.tiles);
  }
}

double modelled(TileOpcode code, uint32_t tiles, uint32_t blocks) {
  dnn::ChainBuilder chain;
  const bool binary = emulator::info(code).operands == 2;
  const uint16_t x = chain.input(DataType::kBF16), y = binary ? chain.input(DataType::kBF16) : x;
  const emulator::TileOp op{code, emulator::Lane::kF32, DataType::kBF16, 0};
  const uint16_t result = code == TileOpcode::kCopy ? x : binary ? chain.apply(op, {x, y}) : chain.apply(op, {x});
  chain.output(result, DataType::kBF16);
  const emulator::TileChain steps(chain.finish());
  metal::Program program("blocks");
  Blocks p{0, 0, 0, binary, tiles, blocks, &steps};
  p.a = program.add_circular_buffer(2 * tiles, 2048, "a");
  p.b = program.add_circular_buffer(2 * tiles, 2048, "b");
  p.out = program.add_circular_buffer(2 * tiles, 2048, "out");
  program.set_cores({{0, 0}});
  program.add_kernel<Dataflow, Blocks>(Role::kReader, "block_reader", block_reader, {p});
  program.add_kernel<Compute, Blocks>(Role::kCompute, "block_compute", block_compute, {p});
  program.add_kernel<Dataflow, Blocks>(Role::kWriter, "block_writer", block_writer, {p});
  constexpr double kLaunch = 1800;  // not part of the measurement
  return static_cast<double>(cycles(program)) - kLaunch;
}

struct Errors {
  std::vector<double> all;
  void add(double model, double measured) { all.push_back(std::abs(model / measured - 1)); }
  double median() {
    std::sort(all.begin(), all.end());
    return all[all.size() / 2];
  }
  double worst() { return *std::max_element(all.begin(), all.end()); }
};

TEST(calibration_single_core_kernels) {
  const std::map<std::string, TileOpcode> codes = {
      {"add", TileOpcode::kAdd},          {"subtract", TileOpcode::kSub},     {"multiply", TileOpcode::kMul}, {"maximum", TileOpcode::kMax},
      {"nop", TileOpcode::kCopy},         {"exp", TileOpcode::kExp},          {"log", TileOpcode::kLog},      {"sqrt", TileOpcode::kSqrt},
      {"reciprocal", TileOpcode::kRecip}, {"sigmoid", TileOpcode::kLogistic}, {"gelu", TileOpcode::kGelu},
  };
  std::map<std::string, Errors> errors;
  Errors total, fitted, held_out;  // the block constant was chosen on rows of even number
  size_t number = 0;
  const std::vector<Row> rows = calibration("buda_singlecore_cycles.csv");
  for (Row row : rows) {
    const auto code = codes.find(row["op"]);
    if (code == codes.end() || row["fidelity"] != "LoFi") continue;
    const auto n = [&](const char* column) { return static_cast<uint32_t>(std::stoul(row[column])); };
    const double model = modelled(code->second, n("ublock_rt") * n("ublock_ct"), n("t") * n("mblock_m") * n("mblock_n"));
    errors[row["op"]].add(model, std::stod(row["cycles_per_input"]));
    total.add(model, std::stod(row["cycles_per_input"]));
    (number++ % 2 == 0 ? fitted : held_out).add(model, std::stod(row["cycles_per_input"]));
  }
  if (rows.empty()) return;
  std::cout << "single-core kernels: rows, median and worst error\n";
  for (auto& [op, error] : errors)
    std::cout << "  " << op << " " << error.all.size() << " " << error.median() << " " << error.worst() << "\n";
  std::cout << "  all " << total.all.size() << " " << total.median() << " " << total.worst() << "\n";
  std::cout << "  fitted " << fitted.median() << " " << fitted.worst() << ", held out " << held_out.median() << " " << held_out.worst()
            << "\n";
  EXPECT(held_out.median() < 0.05);
  EXPECT(total.worst() < 0.30);
}

TEST(calibration_matmul) {
  constexpr int64_t n = 2048;
  const emulator::ChipSpec& e75 = chip("e75");
  const double cores = e75.compute_grid.x * e75.compute_grid.y, products = static_cast<double>(n / 32) * (n / 32) * (n / 32);
  const double model = static_cast<double>(cycles(product_program(n, DataType::kBF16, e75), e75)) * cores / products;
  std::cout << "matmul 2048 bf16 HiFi4 on e75: " << model << " cycles per tile product and core; one core measured 157.7 (8192)\n";
  EXPECT(model > 4 * 32);  // the engine's own bound
}

}  // namespace
}  // namespace tt
