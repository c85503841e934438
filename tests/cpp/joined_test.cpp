// Products whose cores the host runs as fewer: the bits stay, and so do the cycles.
#include <cmath>

#include "data_program.hpp"
#include "dnn/chain_builder.hpp"
#include "dnn/matmul.hpp"

namespace tt::test {
namespace {

using emulator::AccessMap;

dnn::MatmulSpec product(int64_t m, int64_t k, int64_t n) {
  dnn::MatmulSpec spec;
  spec.name = "product";
  spec.batch = 1;
  spec.m = m;
  spec.k = k;
  spec.n = n;
  spec.compute_type = DataType::kF32;
  spec.input_bytes = {m * k * 4, k * n * 4, n * 4};
  spec.output_bytes = {m * n * 4};
  spec.a = {0, DataType::kF32, AccessMap::contiguous(Dims{m, k})};
  spec.b = {1, DataType::kF32, AccessMap::contiguous(Dims{k, n})};
  spec.extras = {{2, DataType::kF32, {{{m, 0}, {n, 1}}, 0}}};
  spec.results = {{0, DataType::kF32, AccessMap::contiguous(Dims{m, n})}};
  dnn::ChainBuilder chain;
  const uint16_t sum = chain.input(DataType::kF32), bias = chain.input(DataType::kF32);
  chain.output(chain.apply({emulator::TileOpcode::kAdd, emulator::Lane::kF32, DataType::kF32, 0}, {sum, bias}), DataType::kF32);
  spec.epilogue = chain.finish();
  return spec;
}

TEST(joined_cores_multiply_in_the_order_of_k) {
  for (const auto& [m, k, n] : {std::array<int64_t, 3>{256, 544, 500}, {250, 256, 512}, {96, 2048, 64}}) {
    const metal::Program program = dnn::matmul(product(m, k, n), e150());
    const auto a = random_values<float>(static_cast<size_t>(m * k), -1000, 1000, 1),
               b = random_values<float>(static_cast<size_t>(k * n), -1000, 1000, 2),
               bias = random_values<float>(static_cast<size_t>(n), -9, 9, 3);
    std::vector<float> expected(static_cast<size_t>(m * n));
    for (int64_t i = 0; i < m; ++i) {
      for (int64_t j = 0; j < n; ++j) {
        float sum = 0;
        for (int64_t x = 0; x < k; ++x) sum = std::fma(a[static_cast<size_t>(i * k + x)], b[static_cast<size_t>(x * n + j)], sum);
        expected[static_cast<size_t>(i * n + j)] = sum + bias[static_cast<size_t>(j)];
      }
    }
    EXPECT(values_of<float>(run_program(program, {bytes_of(a), bytes_of(b), bytes_of(bias)})[0]) == expected);
    EXPECT(program.for_values().cores().size() <= program.cores().size());
    EXPECT(program.for_values().slots().size() == program.slots().size());
  }
}

TEST(cores_that_multicast_to_each_other_are_joined) {
  const metal::Program program = dnn::matmul(product(256, 544, 512), e150());
  EXPECT(&program.for_values() != &program);
  EXPECT(program.for_values().cores().size() < program.cores().size());
  EXPECT(!program.for_values().plan().cores_communicate && program.plan().cores_communicate);
}

}  // namespace
}  // namespace tt::test
