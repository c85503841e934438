// Arithmetic, comparisons, rounding and movement of f32 registers; selection in every lane.
#include "emulator/float_formats.hpp"
#include "emulator/simd/bf16_steps.hpp"
#include "emulator/simd/floats.hpp"
#include "emulator/simd/vec.hpp"

namespace tt::emulator::TT_SIMD {
namespace {

using V = Vec<float>;

TT_INLINE V square_root(V x) {
#if defined(__AVX512F__)
  return bits<V>(_mm512_sqrt_ps(bits<__m512>(x)));
#elif defined(__AVX2__)
  return bits<V>(_mm256_sqrt_ps(bits<__m256>(x)));
#else
  return bits<V>(_mm_sqrt_ps(bits<__m128>(x)));
#endif
}

// fmod through double: exact where the quotient has at most 29 bits, else by the C library.
void rem(const StepArguments& s) {
  constexpr size_t w = kVectorBytes / sizeof(double);
  using D = Vec<double>;
  using I = Vec<int64_t>;
  const auto* a = static_cast<const float*>(s.a);
  const auto* b = static_cast<const float*>(s.b);
  auto* dst = static_cast<float*>(s.dst);
  for (size_t i = 0, n = padded(s.n); i < n; i += w) {
    const D x = convert<D>(load<Vec<float, w>>(a + i)), y = convert<D>(load<Vec<float, w>>(b + i));
    const D abs_x = bits<D>(bits<I>(x) & INT64_MAX), abs_y = bits<D>(bits<I>(y) & INT64_MAX);
    const D quotient = abs_x / abs_y;
    const I simple = quotient < 0x1p28;
    const D shifted = (quotient - 0.5) + 0x1.8p52;  // the integer below, or one off
    D r = abs_x - (shifted - 0x1.8p52) * abs_y;
    r = r < 0 ? r + abs_y : r;
    r = r >= abs_y ? r - abs_y : r;
    r = abs_y == __builtin_inf() ? abs_x : r;
    const D value = bits<D>(bits<I>(r) | (bits<I>(x) & INT64_MIN));
    Vec<float, w> result = convert<Vec<float, w>>(value);
    for (size_t j = 0; j < w; ++j) {
      if (simple[j] == 0) [[unlikely]]
        result[j] = __builtin_fmodf(a[i + j], b[i + j]);
    }
    store(dst + i, result);
  }
}

void reduce_precision_of_f16(const StepArguments& s);

// Rounds to `exponent_bits << 8 | mantissa_bits`: mantissa to nearest even, what underflows becomes a zero, NaNs stay.
void reduce_precision(const StepArguments& s) {
  if (s.type == DataType::kF16) return reduce_precision_of_f16(s);
  reduce_precision_codes<uint32_t, 8, 23>(s);
}

// f16's exponents end earlier than f32's: works on the codes.
void reduce_precision_of_f16(const StepArguments& s) {
  alignas(64) uint16_t code[kTileElements];
  const size_t n = padded(s.n);
  constexpr auto kType = static_cast<size_t>(DataType::kF16);
  engine().store[kType](s.a, reinterpret_cast<std::byte*>(code), n);
  StepArguments codes = s;
  codes.a = codes.dst = code;
  reduce_precision_codes<uint16_t, 5, 10>(codes);
  engine().load[kType](reinterpret_cast<const std::byte*>(code), s.dst, n);
}

constexpr Bf16Row kArithmetic[] = {
    binary<[](V a, V b) { return a + b; }>(TileOpcode::kAdd), binary<[](V a, V b) { return a - b; }>(TileOpcode::kSub),
    binary<[](V a, V b) { return a * b; }>(TileOpcode::kMul), binary<[](V a, V b) { return a / b; }>(TileOpcode::kDiv),
    unary<[](V x) { return 1 / x; }>(TileOpcode::kRecip),     unary<square_root>(TileOpcode::kSqrt),
};

// a * b + c with both roundings.
void mul_add_bf16(const StepArguments& s) {
  map3<float>(s, [](V a, V b, V c) { return to_bf16_again(to_bf16_again(a * b) + c); });
}

constexpr StepRow kSteps[] = {
    {TileOpcode::kRem, rem},
    {TileOpcode::kReducePrecision, reduce_precision},
};

// Fills with one element given in the array encoding of its type.
template <class T>
void fill(const StepArguments& s) {
  alignas(16) std::byte element[kLanePadding * 16] = {};
  alignas(64) std::byte value[kLanePadding * 16];
  std::memcpy(element, &s.imm, 8);
  if (sizeof(T) == 16) std::memcpy(element + 8, &s.imm2, 8);
  engine().load[static_cast<size_t>(s.type)](element, value, 1);
  T x;
  std::memcpy(&x, value, sizeof(T));
  auto* dst = static_cast<T*>(s.dst);
  for (size_t i = 0, n = padded(s.n); i < n; ++i) dst[i] = x;
}
template <class T>
void copy(const StepArguments& s) {
  std::memcpy(s.dst, s.a, padded(s.n) * sizeof(T));
}
template <class T>
void select(const StepArguments& s) {
  const auto* a = static_cast<const uint32_t*>(s.a);
  const Operand<T> b(s.b, s, 1), c(s.c, s, 2);
  auto* dst = static_cast<T*>(s.dst);
  if constexpr (sizeof(T) == sizeof(uint32_t)) {
    using U = Vec<uint32_t>;
#pragma GCC unroll 4
    for (size_t i = 0, n = padded(s.n); i < n; i += lanes<U>) store(dst + i, load<U>(a + i) != 0 ? load<U>(b.from(i)) : load<U>(c.from(i)));
  } else {
    for (size_t i = 0, n = padded(s.n); i < n; ++i) {
      const T yes = *b.from(i), no = *c.from(i);
      dst[i] = a[i] != 0 ? yes : no;
    }
  }
}
struct Wide {
  uint64_t low, high;
};
template <class T>
void install_movement(Engine& engine, Lane lane) {
  const StepRow rows[] = {{TileOpcode::kCopy, copy<T>}, {TileOpcode::kFill, fill<T>}, {TileOpcode::kSelect, select<T>}};
  install(engine, lane, rows);
}

}  // namespace

void install_f32(Engine& engine) {
  install_floats<float>(engine, Lane::kF32);
  install(engine, Lane::kF32, kSteps);
  install(engine, kArithmetic);
  engine.bf16_steps[static_cast<size_t>(TileOpcode::kMulAdd)] = mul_add_bf16;
  for (const Lane lane : {Lane::kF32, Lane::kS32, Lane::kU32, Lane::kPred}) install_movement<uint32_t>(engine, lane);
  for (const Lane lane : {Lane::kF64, Lane::kS64, Lane::kU64, Lane::kC64}) install_movement<uint64_t>(engine, lane);
  install_movement<Wide>(engine, Lane::kC128);
}

}  // namespace tt::emulator::TT_SIMD
