// Runs a program on a card of its own over plain vectors: for tests of data-movement ops.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "emulator/scheduler.hpp"
#include "metal/device.hpp"
#include "metal/program.hpp"
#include "test.hpp"

namespace tt::test {

using Bytes = std::vector<std::byte>;

template <class T>
Bytes bytes_of(const std::vector<T>& values) {
  const auto* data = reinterpret_cast<const std::byte*>(values.data());
  return Bytes(data, data + values.size() * sizeof(T));
}

template <class T>
std::vector<T> values_of(const Bytes& bytes) {
  std::vector<T> values(bytes.size() / sizeof(T));
  if (!bytes.empty()) std::memcpy(values.data(), bytes.data(), bytes.size());
  return values;
}

inline const emulator::ChipSpec& e150() { return emulator::find_chip("e150"); }

// The outputs of `program`, run with `threads` host threads. Output o starts as a copy of input aliases[o] in the same buffer when that
// is not -1. Also checks that the program has an estimate.
inline std::vector<Bytes> run_program(const metal::Program& program, std::vector<Bytes> inputs, int threads = 2,
                                      const std::vector<int>& aliases = {}) {
  EXPECT(metal::estimate(program, e150()).cycles > 0);
  setenv("JAX_TT_NUM_THREADS", std::to_string(threads).c_str(), 1);
  const auto device = metal::Device::create(e150(), 0);
  std::vector<Bytes> outputs;
  std::vector<std::byte*> slots;
  size_t input = 0;
  for (const metal::SlotSpec& slot : program.slots()) {
    if (!slot.is_output) EXPECT_EQ(static_cast<int64_t>(inputs[input++].size()), slot.bytes);
    if (slot.is_output) outputs.push_back(Bytes(static_cast<size_t>(slot.bytes), std::byte{0xAB}));
  }
  for (Bytes& bytes : inputs) slots.push_back(bytes.data());
  for (size_t o = 0; o < outputs.size(); ++o) {
    const bool aliased = o < aliases.size() && aliases[o] >= 0;
    slots.push_back(aliased ? inputs[static_cast<size_t>(aliases[o])].data() : outputs[o].data());
  }
  device->enqueue([&] { device->run(program, slots.data()); }).wait();
  for (size_t o = 0; o < outputs.size(); ++o) {
    if (o < aliases.size() && aliases[o] >= 0) outputs[o] = inputs[static_cast<size_t>(aliases[o])];
  }
  device->close();
  return outputs;
}

// Coordinates of a row-major position.
inline Dims coordinates(const Dims& dims, int64_t linear) {
  Dims at(dims.size());
  for (size_t d = dims.size(); d-- > 0;) {
    at[d] = linear % dims[d];
    linear /= dims[d];
  }
  return at;
}

inline int64_t linear_of(const Dims& dims, const Dims& at) {
  int64_t linear = 0;
  for (size_t d = 0; d < dims.size(); ++d) linear = linear * dims[d] + at[d];
  return linear;
}

template <class T>
std::vector<T> random_values(size_t n, int64_t low, int64_t high, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::uniform_int_distribution<int64_t> values(low, high);
  std::vector<T> out(n);
  for (T& value : out) value = static_cast<T>(values(random));
  return out;
}

}  // namespace tt::test
