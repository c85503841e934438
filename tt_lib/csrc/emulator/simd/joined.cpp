// Two operations in one pass over their operands: what lies between stays in a register of the host, rounded as if it had been stored.
#include "emulator/simd/bf16_steps.hpp"
#include "emulator/simd/floats.hpp"
#include "emulator/simd/vec.hpp"

namespace tt::emulator::TT_SIMD {
namespace {

struct Row {
  TileOpcode f, g;
  bool turned;
  StepFunction plain;
  StepFunction bf16 = nullptr;
};

constexpr auto kAddition = [](auto a, auto b) { return a + b; };
constexpr auto kSubtraction = [](auto a, auto b) { return a - b; };
constexpr auto kTurnedSubtraction = [](auto a, auto b) { return b - a; };
constexpr auto kProduct = [](auto a, auto b) { return a * b; };
constexpr auto kMaximum = [](auto a, auto b) { return FloatSteps<float>::max(a, b); };
constexpr auto kMinimum = [](auto a, auto b) { return FloatSteps<float>::min(a, b); };
constexpr auto kConjunction = [](auto a, auto b) { return a & b; };
constexpr auto kDisjunction = [](auto a, auto b) { return a | b; };
constexpr auto kExclusive = [](auto a, auto b) { return a ^ b; };

template <auto f, auto g>
constexpr Row floats(TileOpcode first, TileOpcode second, bool turned = false) {
  using V = Vec<float>;
  return {first, second, turned, [](const StepArguments& s) { map3<float>(s, [](V a, V b, V c) { return g(f(a, b), c); }); },
          [](const StepArguments& s) { map3<float>(s, [](V a, V b, V c) { return to_bf16_again(g(to_bf16_again(f(a, b)), c)); }); }};
}
template <auto f, auto g>
constexpr Row integers(TileOpcode first, TileOpcode second) {
  using U = Vec<uint32_t>;
  return {first, second, false, [](const StepArguments& s) { map3<uint32_t>(s, [](U a, U b, U c) { return g(f(a, b), c); }); }};
}

using enum TileOpcode;

constexpr Row kFloats[] = {
    floats<kAddition, kAddition>(kAdd, kAdd),
    floats<kAddition, kSubtraction>(kAdd, kSub),
    floats<kAddition, kTurnedSubtraction>(kAdd, kSub, true),
    floats<kAddition, kProduct>(kAdd, kMul),
    floats<kAddition, kMaximum>(kAdd, kMax),
    floats<kSubtraction, kAddition>(kSub, kAdd),
    floats<kSubtraction, kSubtraction>(kSub, kSub),
    floats<kSubtraction, kTurnedSubtraction>(kSub, kSub, true),
    floats<kSubtraction, kProduct>(kSub, kMul),
    floats<kProduct, kAddition>(kMul, kAdd),
    floats<kProduct, kSubtraction>(kMul, kSub),
    floats<kProduct, kTurnedSubtraction>(kMul, kSub, true),
    floats<kProduct, kProduct>(kMul, kMul),
    floats<kMaximum, kMaximum>(kMax, kMax),
    floats<kMinimum, kMinimum>(kMin, kMin),
};
constexpr Row kIntegers[] = {
    integers<kAddition, kAddition>(kAdd, kAdd),    integers<kAddition, kExclusive>(kAdd, kXor),
    integers<kAddition, kConjunction>(kAdd, kAnd), integers<kExclusive, kAddition>(kXor, kAdd),
    integers<kExclusive, kExclusive>(kXor, kXor),  integers<kConjunction, kDisjunction>(kAnd, kOr),
    integers<kProduct, kAddition>(kMul, kAdd),     integers<kProduct, kExclusive>(kMul, kXor),
};

template <size_t N>
StepFunction find(const Row (&rows)[N], TileOpcode f, TileOpcode g, bool turned, bool bf16) {
  for (const Row& row : rows) {
    if (row.f == f && row.g == g && (row.turned == turned || g != kSub)) return bf16 ? row.bf16 : row.plain;
  }
  return nullptr;
}

StepFunction joined(Lane lane, DataType type, TileOpcode f, TileOpcode g, bool turned) {
  switch (type) {
    case DataType::kF32:
    case DataType::kBF16: return lane == Lane::kF32 ? find(kFloats, f, g, turned, type == DataType::kBF16) : nullptr;
    case DataType::kS32:
    case DataType::kU32: return lane == lane_of(type) ? find(kIntegers, f, g, turned, false) : nullptr;
    default: return nullptr;
  }
}

}  // namespace

void install_joined(Engine& engine) { engine.joined = joined; }

}  // namespace tt::emulator::TT_SIMD
