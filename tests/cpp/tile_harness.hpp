// What tests of the tile engines share: every engine of the host, one operation over vectors, error in units of the last place.
#pragma once

#include <cmath>
#include <cstring>
#include <random>
#include <vector>

#include "emulator/simd/engine.hpp"
#include "emulator/tile_chain.hpp"
#include "test.hpp"

namespace tt::test {

using namespace tt::emulator;

inline std::vector<Simd> host_simds() {
  std::vector<Simd> found;
  for (const Simd simd : {Simd::kPortable, Simd::kAvx2, Simd::kAvx512, Simd::kAmx}) {
    if (host_supports(simd)) found.push_back(simd);
  }
  return found;
}

// Runs one operation on operand arrays in the given types; returns the result array.
inline std::vector<std::byte> run_op(Simd simd, TileOp op, const std::vector<DataType>& types,
                                     const std::vector<const std::byte*>& operands, size_t n) {
  TileProgram program;
  program.inputs = types;
  op.dst = static_cast<uint16_t>(types.size());
  op.a = 0;
  op.b = types.size() > 1 ? 1 : 0;
  op.c = types.size() > 2 ? 2 : 0;
  program.ops = {op};
  program.outputs = {{op.dst, op.type}};
  program.num_registers = static_cast<uint16_t>(types.size() + 1);
  const auto result_size = static_cast<size_t>(size_of(op.type));
  std::vector<std::byte> result(n * result_size);
  const TileChain chain(program, engine(simd));
  TileScratch scratch;
  for (size_t done = 0; done < n; done += kTileElements) {
    const size_t count = std::min(kTileElements, n - done);
    std::vector<const std::byte*> in;
    for (size_t i = 0; i < types.size(); ++i) in.push_back(operands[i] + done * static_cast<size_t>(size_of(types[i])));
    std::byte* out = result.data() + done * result_size;
    chain.run(in.data(), &out, count, scratch);
  }
  return result;
}

template <class T>
const std::byte* bytes_of(const std::vector<T>& values) {
  return reinterpret_cast<const std::byte*>(values.data());
}
template <class T>
std::vector<T> as(const std::vector<std::byte>& bytes) {
  std::vector<T> values(bytes.size() / sizeof(T));
  std::memcpy(values.data(), bytes.data(), bytes.size());
  return values;
}

template <class T, class R = T>
std::vector<R> apply(Simd simd, TileOpcode code, DataType type, DataType result, const std::vector<std::vector<T>>& operands) {
  std::vector<const std::byte*> pointers;
  for (const auto& operand : operands) pointers.push_back(bytes_of(operand));
  TileOp op{};
  op.code = code;
  op.lane = lane_of(type);
  op.type = result;
  return as<R>(run_op(simd, op, std::vector<DataType>(operands.size(), type), pointers, operands[0].size()));
}

// The distance of `got` from `exact` in units of the last place of an f32 of that size.
inline double f32_ulps(float got, double exact) {
  const auto nearest = static_cast<float>(exact);
  if (std::isnan(exact) || std::isnan(got)) return std::isnan(exact) && std::isnan(got) ? 0 : 1e9;
  if (std::isinf(nearest) || std::isinf(got)) return nearest == got ? 0 : 1e9;
  if (nearest == 0 && got == 0) return std::signbit(exact) == std::signbit(got) ? 0 : 1e9;
  const int exponent = exact == 0 ? -149 : std::max(std::ilogb(exact) - 23, -149);
  return std::fabs(got - exact) / std::ldexp(1.0, exponent);
}

// Bit patterns of f32: a sweep over all, with the special ones.
inline std::vector<float> f32_sweep(uint32_t step) {
  std::vector<float> values = {0.0f,      -0.0f,      1.0f,           -1.0f,           INFINITY,         -INFINITY, NAN,
                               0x1p-149f, -0x1p-149f, 0x1p-126f,      0x1.fffffep127f, -0x1.fffffep127f, 0.5f,      -0.5f,
                               2.0f,      -2.0f,      0x1.fffffep-1f, -0x1.fffffep-1f, 0x1.000002p0f,    88.72283f, -103.97f};
  for (uint64_t u = 0; u < 0x100000000; u += step) {
    float value;
    const auto code = static_cast<uint32_t>(u);
    std::memcpy(&value, &code, 4);
    values.push_back(value);
  }
  return values;
}

}  // namespace tt::test
