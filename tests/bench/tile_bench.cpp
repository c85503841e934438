// Speed of the tile engines: ns per element of single operations and chains, and the matrix engine as a share of the host's peak.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "emulator/fpu.hpp"
#include "emulator/simd/engine.hpp"
#include "emulator/tile_chain.hpp"

namespace {

using namespace tt;
using namespace tt::emulator;

// Seconds per call: the best of several batches.
template <class F>
double seconds(F work) {
  using Clock = std::chrono::steady_clock;
  double best = 1e9;
  for (int batch = 0; batch < 12; ++batch) {
    int calls = 0;
    const auto start = Clock::now();
    double elapsed = 0;
    do {
      for (int i = 0; i < 8; ++i) work();
      calls += 8;
      elapsed = std::chrono::duration<double>(Clock::now() - start).count();
    } while (elapsed < 0.01);
    best = std::min(best, elapsed / calls);
  }
  return best;
}

struct Page {
  alignas(64) std::byte bytes[kTileElements * 16];
};

void bench_program(const Engine& engine, const char* label, const TileProgram& program, TileScratch& scratch) {
  static Page in[2], out;
  std::vector<float> values(kTileElements);
  for (size_t i = 0; i < kTileElements; ++i) values[i] = 0.002f * static_cast<float>(i) + 0.01f;
  for (size_t i = 0; i < program.inputs.size(); ++i) {
    convert_elements(DataType::kF32, reinterpret_cast<const std::byte*>(values.data()), program.inputs[i], in[i].bytes, kTileElements);
  }
  const std::byte* inputs[] = {in[0].bytes, in[1].bytes};
  std::byte* outputs[] = {out.bytes};
  const TileChain chain(program, engine);
  const double time = seconds([&] { chain.run(inputs, outputs, kTileElements, scratch); });
  std::printf("  %-34s %7.3f ns/element %8.1f ns/page\n", label, time * 1e9 / kTileElements, time * 1e9);
}

TileProgram chain(DataType type, TileOpcode code, int length, bool binary) {
  TileProgram program;
  program.inputs.assign(binary ? 2 : 1, type);
  const auto first = static_cast<uint16_t>(program.inputs.size());
  for (int i = 0; i < length; ++i) {
    program.ops.push_back({.code = code,
                           .lane = lane_of(type),
                           .type = type,
                           .dst = static_cast<uint16_t>(first + (i & 1)),
                           .a = i == 0 ? uint16_t{0} : static_cast<uint16_t>(first + ((i - 1) & 1)),
                           .b = static_cast<uint16_t>(first - 1)});
  }
  program.outputs = {{program.ops.back().dst, type}};
  program.num_registers = static_cast<uint16_t>(first + 2);
  return program;
}

void bench_programs(const Engine& engine) {
  TileScratch scratch;
  for (const DataType type : {DataType::kF32, DataType::kBF16}) {
    for (const auto code : {TileOpcode::kAdd, TileOpcode::kMax}) {
      bench_program(engine, (std::string(name(type)) + " " + std::string(info(code).name)).c_str(), chain(type, code, 1, true), scratch);
    }
    bench_program(engine, (std::string(name(type)) + " chain of 8 additions").c_str(), chain(type, TileOpcode::kAdd, 8, true), scratch);
  }
  for (const auto code : {TileOpcode::kExp, TileOpcode::kTanh, TileOpcode::kLogistic, TileOpcode::kLog, TileOpcode::kSin, TileOpcode::kErf,
                          TileOpcode::kGelu, TileOpcode::kRsqrt, TileOpcode::kErfInv}) {
    bench_program(engine, (std::string("f32 ") + std::string(info(code).name)).c_str(), chain(DataType::kF32, code, 1, false), scratch);
  }
  bench_program(engine, "f32 power_binary_tile", chain(DataType::kF32, TileOpcode::kPow, 1, true), scratch);
  bench_program(engine, "f64 exp_tile", chain(DataType::kF64, TileOpcode::kExp, 1, false), scratch);
}

double bench_matmul(const Engine& engine, DataType type, size_t mt, size_t nt, size_t kt) {
  const size_t operand = matmul_tile_bytes(type), sum = matmul_tile_bytes(matmul_accumulator_type(type));
  const auto allocate = [](size_t bytes) {
    auto* memory = static_cast<std::byte*>(std::aligned_alloc(64, bytes));
    std::fill_n(memory, bytes, std::byte{0});
    return memory;
  };
  std::byte *a = allocate(mt * kt * operand), *b = allocate(kt * nt * operand), *acc = allocate(mt * nt * sum);
  std::vector<const std::byte*> as, bs;
  std::vector<std::byte*> accs;
  for (size_t i = 0; i < mt * kt; ++i) as.push_back(a + i * operand);
  for (size_t i = 0; i < kt * nt; ++i) bs.push_back(b + i * operand);
  for (size_t i = 0; i < mt * nt; ++i) accs.push_back(acc + i * sum);
  const MatmulFunction matmul = engine.matmul[static_cast<size_t>(type)];
  const double time = seconds([&] { matmul({as.data(), bs.data(), accs.data(), mt, nt, kt}); });
  std::free(a);
  std::free(b);
  std::free(acc);
  return 2.0 * 32 * 32 * 32 * static_cast<double>(mt * nt * kt) / time * 1e-9;
}

void bench_matmuls(const Engine& engine) {
  for (const DataType type : {DataType::kF32, DataType::kBF16, DataType::kF64, DataType::kS32, DataType::kC64}) {
    // One tile product from the first-level cache, repeated over k, stands for the peak the registers allow.
    const double block = bench_matmul(engine, type, 4, 4, 8), cached = bench_matmul(engine, type, 1, 1, 2);
    std::printf("  matmul %-14s 4x4x8 tiles %8.1f GFLOP/s, 1x1x2 tiles (L1) %8.1f GFLOP/s\n", std::string(name(type)).c_str(), block,
                cached);
  }
}

void bench_layouts(const Engine& engine) {
  static Page row_major, tile;
  const auto time = [&](size_t size, int64_t row_stride, int64_t col_stride) {
    return seconds([&] { engine.tilize(size, row_major.bytes, row_stride, col_stride, 32, 32, tile.bytes, 0, true); }) * 1e9;
  };
  for (const size_t size : {2, 4}) {
    std::printf("  tilize of %zu-byte elements: %.1f ns/tile, transposed %.1f ns/tile\n", size, time(size, 32, 1), time(size, 1, 32));
  }
  const auto* from = reinterpret_cast<const uint16_t*>(row_major.bytes);
  auto* to = reinterpret_cast<uint16_t*>(tile.bytes);
  std::printf("  interleave: %.1f ns/tile\n", seconds([&] { engine.interleave(from, to); }) * 1e9);
}

}  // namespace

int main() {
  for (const Simd simd : {Simd::kPortable, Simd::kAvx2, Simd::kAvx512, Simd::kAmx}) {
    if (!host_supports(simd)) continue;
    std::printf("%s\n", std::string(name(simd)).c_str());
    bench_programs(engine(simd));
    bench_matmuls(engine(simd));
    bench_layouts(engine(simd));
  }
}
