// Steps of f32 registers in two forms: results as they are, and rounded to bf16 in the same pass.
#pragma once

#include "emulator/simd/quantise.hpp"
#include "emulator/simd/vec.hpp"

namespace tt::emulator::TT_SIMD {

struct Bf16Row {
  TileOpcode code;
  StepFunction plain, bf16;
};

template <class V>
TT_INLINE V to_bf16(V x) {
  return quantise<DataType::kBF16>(x);
}
// The same for results of arithmetic on bf16: their NaNs are operands or the processor's own, so no bit of a payload is lost or carried.
TT_INLINE Vec<float> to_bf16_again(Vec<float> x) {
  using U = Vec<uint32_t>;
  const U u = bits<U>(x);
  return bits<Vec<float>>((u + (u >> 16 & 1) + 0x7fff) & 0xffff0000u);
}

// f: a function of one or two vectors, without captures.
template <auto f>
constexpr Bf16Row unary(TileOpcode code) {
  using V = Vec<float>;
  return {code, [](const StepArguments& s) { map1<float>(s, f); },
          [](const StepArguments& s) { map1<float>(s, [](V x) { return to_bf16(f(x)); }); }};
}
template <auto f>
constexpr Bf16Row binary(TileOpcode code) {
  using V = Vec<float>;
  return {code, [](const StepArguments& s) { map2<float>(s, f); },
          [](const StepArguments& s) { map2<float>(s, [](V a, V b) { return to_bf16_again(f(a, b)); }); }};
}

template <size_t N>
TT_INLINE void install(Engine& engine, const Bf16Row (&rows)[N]) {
  for (const Bf16Row& row : rows) {
    engine.steps[static_cast<size_t>(row.code)][static_cast<size_t>(Lane::kF32)] = row.plain;
    engine.bf16_steps[static_cast<size_t>(row.code)] = row.bf16;
  }
}

}  // namespace tt::emulator::TT_SIMD
