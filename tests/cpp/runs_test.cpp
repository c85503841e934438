// Operands that lie in runs between gaps: named instead of copied, with the bits of those that are copied.
#include "data_program.hpp"
#include "dnn/chain_builder.hpp"
#include "dnn/eltwise.hpp"
#include "emulator/core.hpp"
#include "tile_harness.hpp"

namespace tt::test {
namespace {

using emulator::AccessMap;

// Source elements that the map can reach from 0 on.
int64_t reach(const AccessMap& map) {
  int64_t last = map.offset;
  for (const AccessMap::Dim& dim : map.dims) last += std::max<int64_t>(dim.stride, 0) * (dim.limit() - 1);
  return last + 1;
}

Bytes random_bytes(size_t n, uint32_t seed) {
  std::mt19937 random(seed);
  Bytes bytes(n);
  for (std::byte& byte : bytes) byte = static_cast<std::byte>(random());
  return bytes;
}

TEST(the_runs_of_a_map_are_what_is_gathered) {
  const AccessMap maps[] = {
      {{{7, 448}, {5, 64}, {32, 1}}, 3},               // rows between gaps, pages cross the outer dimensions
      {{{3, 5000}, {11, -96}, {96, 1}}, 2000},         // backwards, runs of a third of a row
      {{{9, 0}, {4, 100}, {48, 1}}, 0},                // the same rows again
      {{{2, 9000}, {3, 3000}, {1, 7}, {1024, 1}}, 5},  // longer than a page's runs
  };
  for (const AccessMap& map : maps) {
    const int64_t length = map.run_length();
    for (const size_t element : {1, 2, 4, 8, 16}) {
      const Bytes source = random_bytes(static_cast<size_t>(reach(map) + 2000) * element, 1);
      for (const int64_t run : {int64_t{16}, length & -length}) {
        for (int64_t start = 0; start < map.size(); start += 7 * run) {
          const int64_t count = std::min<int64_t>(map.size() - start, 20 * run);
          Bytes expected(static_cast<size_t>(count) * element), got;
          emulator::gather_mapped(map, element, source.data(), start, count, expected.data(), nullptr);
          std::vector<const std::byte*> runs(static_cast<size_t>(count / run));
          emulator::find_runs(map, element, source.data(), start, count, run, runs.data());
          for (const std::byte* from : runs) got.insert(got.end(), from, from + static_cast<size_t>(run) * element);
          EXPECT(got == expected);
        }
      }
    }
  }
}

TEST(chains_have_the_same_bits_run_by_run) {
  using enum TileOpcode;
  constexpr size_t kElements = 192;
  for (const DataType type : {DataType::kF32, DataType::kBF16, DataType::kF64, DataType::kU32, DataType::kS8, DataType::kC128}) {
    const auto size = static_cast<size_t>(size_of(type));
    const Lane lane = lane_of(type);
    TileProgram program;
    program.inputs = {type, type, type};
    program.ops = {{kAdd, lane, type, 3, 0, 1}, {kMul, lane, type, 4, 3, 2}};
    program.num_registers = 5;
    program.outputs = {{4, type}, {3, type}, {1, type}};  // the last is a copy
    std::vector<Bytes> inputs;
    for (uint32_t i = 0; i < 3; ++i) inputs.push_back(random_bytes(kElements * size, i));
    for (const Simd simd : host_simds()) {
      const TileChain chain(program, engine(simd));
      TileScratch scratch;
      const std::byte* whole[] = {inputs[0].data(), inputs[1].data(), inputs[2].data()};
      std::vector<Bytes> expected(3, Bytes(kElements * size)), got = expected;
      std::byte* results[] = {expected[0].data(), expected[1].data(), expected[2].data()};
      chain.run(whole, results, kElements, scratch);
      for (const size_t length : {16, 64, 192}) {  // inputs 0 and 1 in runs, the one forwards, the other backwards; 2 in one piece
        std::vector<const std::byte*> tables[2];
        std::vector<Bytes> apart[2];
        for (size_t i = 0; i < 2; ++i) {
          const auto bytes = static_cast<std::ptrdiff_t>(length * size);
          for (auto run = inputs[i].begin(); run != inputs[i].end(); run += bytes) apart[i].emplace_back(run, run + bytes);
          if (i == 1) std::reverse(apart[i].begin(), apart[i].end());
          for (const Bytes& run : apart[i]) tables[i].push_back(run.data());
          if (i == 1) std::reverse(tables[i].begin(), tables[i].end());
        }
        const TileRuns runs[] = {{tables[0].data(), length, tables[0].size()}, {tables[1].data(), length, tables[1].size()}, {}};
        const std::byte* rest[] = {nullptr, nullptr, inputs[2].data()};
        std::byte* out[] = {got[0].data(), got[1].data(), got[2].data()};
        chain.run_by_run(rest, runs, out, kElements, scratch);
        EXPECT(got == expected);
      }
    }
  }
}

TEST(a_page_in_runs_is_in_one_piece_again_when_it_is_written) {
  emulator::CircularBuffer cb;
  cb.configure(0, 2, 256, nullptr, false);
  const std::byte far[64]{};
  const std::byte** runs = cb.bind_runs_back(0, 4, 16, 64);
  for (size_t r = 0; r < 4; ++r) runs[r] = far;
  cb.back(1);
  cb.push(2, 0);
  EXPECT(cb.front(0) == nullptr && cb.front_runs(0).at[3] == far && cb.front_runs(0).length == 16);
  EXPECT(cb.front(1) != nullptr && cb.front_runs(1).at == nullptr);
  cb.pop(2, 0);
  cb.bind_back(0, far, nullptr);
  cb.push(1, 0);
  EXPECT(cb.front(0) == far && cb.front_runs(0).at == nullptr);
  cb.release();
  EXPECT_ERROR(cb.bind_runs_back(0, 33, 16, 64), "33 runs do not fit a page of 256 bytes");
}

// Copies an operand under a map, and the sum of it with another one; against the elements gathered one after the other.
void expect_copied(DataType type, const AccessMap& map, const Bytes& pad = {}) {
  const auto size = static_cast<size_t>(size_of(type));
  const int64_t elements = map.size();
  dnn::ChainBuilder chain;
  const uint16_t x = chain.input(type), y = chain.input(type);
  chain.output(x, type);
  chain.output(chain.apply({TileOpcode::kAdd, lane_of(type), type, 0}, {x, y}), type);
  AccessMap other = map;  // its runs begin elsewhere
  for (AccessMap::Dim& dim : other.dims) dim = {dim.size, dim.stride};
  other.offset += 5;
  const int64_t there = std::max(reach(map), reach(other));
  dnn::EltwiseSpec spec;
  spec.name = "runs";
  spec.input_bytes = {there * static_cast<int64_t>(size)};
  spec.output_bytes = {elements * static_cast<int64_t>(size), elements * static_cast<int64_t>(size)};
  const AccessMap flat = AccessMap::contiguous({&elements, 1});
  spec.parts = {{elements, {{0, type, map, pad}, {0, type, other}}, {{0, type, flat}, {1, type, flat}}}};
  spec.chain = chain.finish();
  const Bytes source = random_bytes(static_cast<size_t>(there) * size, 3);
  Bytes first(static_cast<size_t>(elements) * size), second = first, sums = first;
  emulator::gather_mapped(map, size, source.data(), 0, elements, first.data(), pad.empty() ? nullptr : pad.data());
  emulator::gather_mapped(other, size, source.data(), 0, elements, second.data(), nullptr);
  const TileChain whole(spec.chain);
  TileScratch scratch;
  for (size_t at = 0; at < first.size(); at += kTileElements * size) {
    const std::byte* in[] = {first.data() + at, second.data() + at};
    Bytes ignored(kTileElements * size);
    std::byte* out[] = {ignored.data(), sums.data() + at};
    whole.run(in, out, std::min(kTileElements, (first.size() - at) / size), scratch);
  }
  const std::vector<Bytes> got = run_program(dnn::eltwise(spec, e150()), {source});
  EXPECT(got[0] == first);
  EXPECT(got[1] == sums);
}

TEST(elementwise_programs_take_operands_run_by_run) {
  for (const DataType type : {DataType::kU8, DataType::kBF16, DataType::kF32, DataType::kF64, DataType::kC128}) {
    for (const int64_t length : {1, 31, 32, 48, 63, 64, 96, 128, 160, 256, 384, 512, 1000, 1024, 1536}) {
      expect_copied(type, {{{3, 12 * (length + 7)}, {5, 2 * (length + 7)}, {length, 1}}, 2});
      expect_copied(type, {{{15, length + 7}, {length, 1}}, 2});
    }
    expect_copied(type, {{{13, 0}, {3, 280}, {256, 1}}, 0});        // the same rows again
    expect_copied(type, {{{13, -800}, {3, 256}, {256, 1}}, 9600});  // backwards, longer runs than rows
    const Bytes pad(static_cast<size_t>(size_of(type)), std::byte{1});
    expect_copied(type, {{{4, 800}, {9, 80, 2, 8}, {64, 1}}, 0}, pad);     // padded rows
    expect_copied(type, {{{4, 800}, {9, 80}, {128, 1, 32, 96}}, 0}, pad);  // padded ends
  }
}

}  // namespace
}  // namespace tt::test
