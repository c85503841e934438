// The worked example of docs/kernels.md, run as it stands there.
#include <cmath>

#include "../kernels/exp_of_minus.cpp"
#include "metal/device.hpp"
#include "test.hpp"

namespace tt {
namespace {

TEST(the_example_of_the_page_on_kernels) {
  constexpr int64_t kTiles = 5;
  // [run]
  const emulator::ChipSpec& chip = emulator::find_chip("e150");
  const metal::ArrayType array{DataType::kF32, {kTiles, 32, 32}};
  const metal::Program program = metal::create_program(create_program, {"exp_of_minus", chip, {array}, {array}, {}});
  const auto device = metal::Device::create(chip, /*id=*/0);
  const auto x = device->allocate(array.num_bytes()), y = device->allocate(array.num_bytes());
  auto* values = reinterpret_cast<float*>(x->data());
  for (int64_t i = 0; i < array.num_elements(); ++i) values[i] = static_cast<float>(i % 7);
  std::byte* slots[] = {x->data(), y->data()};
  device->enqueue([&] { device->run(program, slots); }).wait();   // its values
  const uint64_t cycles = metal::estimate(program, chip).cycles;  // its time
  // [run]
  const auto* results = reinterpret_cast<const float*>(y->data());
  for (int64_t i = 0; i < array.num_elements(); ++i) EXPECT(std::abs(results[i] - std::exp(-static_cast<float>(i % 7))) < 1e-6F);
  EXPECT(cycles > 2665);  // a tile of exp on each of five cores
}

}  // namespace
}  // namespace tt
