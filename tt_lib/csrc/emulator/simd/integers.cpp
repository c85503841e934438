// Integer and predicate registers. Arithmetic wraps in the lane; the round step that follows wraps to the array type.
#include <limits>
#include <type_traits>

#include "emulator/simd/vec.hpp"

namespace tt::emulator::TT_SIMD {
namespace {

// Steps of the lane T. U is its unsigned twin, in which arithmetic wraps.
template <class T>
struct IntegerSteps {
  using U = std::make_unsigned_t<T>;
  static constexpr bool kSigned = std::is_signed_v<T>;
  static constexpr int kBits = sizeof(T) * 8;

  template <class R = T, class F>
  TT_INLINE static void loop1(const StepArguments& s, F f) {
    const auto* a = static_cast<const T*>(s.a);
    auto* dst = static_cast<R*>(s.dst);
#pragma GCC ivdep  // dst may be an operand, but then element by element
    for (size_t i = 0, n = padded(s.n); i < n; ++i) dst[i] = static_cast<R>(f(a[i]));
  }
  template <class R = T, class F>
  TT_INLINE static void loop2(const StepArguments& s, F f) {
    const auto* a = static_cast<const T*>(s.a);
    const auto* b = static_cast<const T*>(s.b);
    auto* dst = static_cast<R*>(s.dst);
    if ((s.still & 2) != 0) {
      const T constant = b[0];
#pragma GCC ivdep
      for (size_t i = 0, n = padded(s.n); i < n; ++i) dst[i] = static_cast<R>(f(a[i], constant));
      return;
    }
#pragma GCC ivdep
    for (size_t i = 0, n = padded(s.n); i < n; ++i) dst[i] = static_cast<R>(f(a[i], b[i]));
  }
  template <class F>
  TT_INLINE static void loop3(const StepArguments& s, F f) {
    const auto* a = static_cast<const T*>(s.a);
    const auto* b = static_cast<const T*>(s.b);
    const auto* c = static_cast<const T*>(s.c);
    auto* dst = static_cast<T*>(s.dst);
#pragma GCC ivdep
    for (size_t i = 0, n = padded(s.n); i < n; ++i) dst[i] = f(a[i], b[i], c[i]);
  }
  // The bits an array element has.
  TT_INLINE static U width_mask(const StepArguments& s) { return static_cast<U>(~U{0}) >> (kBits - info(s.type).bits); }

  // 32-bit quotients are exact in f64, of which there are vectors: two that are not equal differ by more than its rounding.
  TT_INLINE static T divide(T a, T b) {
    const bool is_odd_one = b == 0 || (kSigned && b == static_cast<T>(-1));
    const T divisor = is_odd_one ? T{1} : b;
    T quotient;
    if constexpr (sizeof(T) == 4) {
      quotient = static_cast<T>(static_cast<double>(a) / static_cast<double>(divisor));
    } else {
      quotient = a / divisor;
    }
    return b == 0 ? static_cast<T>(~T{0}) : is_odd_one ? static_cast<T>(-static_cast<U>(a)) : quotient;
  }
  TT_INLINE static T remainder(T a, T b) {
    return b == 0 ? a : static_cast<T>(static_cast<U>(a) - static_cast<U>(divide(a, b)) * static_cast<U>(b));
  }
  // Quotients by one divisor are products: half more than the dividend stays off the next integer by more than the product's rounding.
  template <class F>
  TT_INLINE static bool by_one_divisor(const StepArguments& s, F f) {
    if constexpr (kBits == 32) {
      const T b = *static_cast<const T*>(s.b);
      if ((s.still & 2) == 0 || b == 0 || (kSigned && b == static_cast<T>(-1))) return false;
      const double inverse = 1 / static_cast<double>(b);
      loop1(s, [=](T a) {
        const double half = kSigned && a < 0 ? -0.5 : 0.5;
        return f(a, b, static_cast<T>((static_cast<double>(a) + half) * inverse));
      });
      return true;
    }
    return false;
  }
  static void divide_step(const StepArguments& s) {
    if (by_one_divisor(s, [](T, T, T quotient) { return quotient; })) return;
    loop2(s, [](T a, T b) { return divide(a, b); });
  }
  static void remainder_step(const StepArguments& s) {
    const auto rest = [](T a, T b, T quotient) { return static_cast<T>(static_cast<U>(a) - static_cast<U>(quotient) * static_cast<U>(b)); };
    if (by_one_divisor(s, rest)) return;
    loop2(s, [](T a, T b) { return remainder(a, b); });
  }
  TT_INLINE static T power(T base, T exponent) {
    if constexpr (kSigned) {
      if (exponent < 0) return base == 1 ? 1 : base == -1 ? ((exponent & 1) != 0 ? -1 : 1) : 0;
    }
    U result = 1, square = static_cast<U>(base);
    for (U e = static_cast<U>(exponent); e != 0; e >>= 1) {
      if ((e & 1) != 0) result *= square;
      square *= square;
    }
    return static_cast<T>(result);
  }
  TT_INLINE static T multiply_high(T a, T b, int width) {
    using Wide = std::conditional_t<sizeof(T) == 4, std::conditional_t<kSigned, int64_t, uint64_t>,
                                    std::conditional_t<kSigned, __int128, unsigned __int128>>;
    return static_cast<T>((static_cast<Wide>(a) * static_cast<Wide>(b)) >> width);
  }

  static void popcnt(const StepArguments& s) {
    const U mask = width_mask(s);
    loop1(s, [mask](T x) {
      U v = static_cast<U>(x) & mask;  // counted in parallel, so that the loop vectorises without an instruction for it
      v -= (v >> 1) & static_cast<U>(0x5555555555555555);
      v = (v & static_cast<U>(0x3333333333333333)) + ((v >> 2) & static_cast<U>(0x3333333333333333));
      v = (v + (v >> 4)) & static_cast<U>(0x0f0f0f0f0f0f0f0f);
      return (v * static_cast<U>(0x0101010101010101)) >> (kBits - 8);
    });
  }
  static void clz(const StepArguments& s) {
    const U mask = width_mask(s);
    const int width = info(s.type).bits;
    loop1(s, [mask, width](T x) {
      const U v = static_cast<U>(x) & mask;
      const int leading = v == 0 ? kBits : sizeof(T) == 4 ? __builtin_clz(static_cast<uint32_t>(v)) : __builtin_clzll(v);
      return leading - (kBits - width);
    });
  }
  static void shift_left(const StepArguments& s) {
    const auto width = static_cast<U>(info(s.type).bits);
    const U mask = width_mask(s);
    loop2(s, [width, mask](T a, T b) {
      const U amount = static_cast<U>(b) & mask;
      return amount < width ? static_cast<U>(a) << (amount & (kBits - 1)) : U{0};
    });
  }
  static void shift_right_logical(const StepArguments& s) {
    const auto width = static_cast<U>(info(s.type).bits);
    const U mask = width_mask(s);
    loop2(s, [width, mask](T a, T b) {
      const U amount = static_cast<U>(b) & mask;
      return amount < width ? (static_cast<U>(a) & mask) >> (amount & (kBits - 1)) : U{0};
    });
  }
  static void shift_right_arithmetic(const StepArguments& s) {
    using S = std::make_signed_t<T>;
    const auto width = static_cast<U>(info(s.type).bits);
    const U mask = width_mask(s);
    loop2(s, [width, mask](T a, T b) {
      const U up = static_cast<U>(kBits) - width;  // brings the array type's sign to the lane's
      const U amount = static_cast<U>(b) & mask;
      const S top = static_cast<S>(static_cast<U>(a) << up);
      return (top >> (amount < width ? amount : width - 1)) >> up;
    });
  }
  static void multiply_high_step(const StepArguments& s) {
    const int width = info(s.type).bits;
    loop2(s, [width](T a, T b) { return multiply_high(a, b, width); });
  }

  static constexpr auto eq = [](const StepArguments& s) { loop2<uint32_t>(s, [](T a, T b) { return a == b; }); };
  static constexpr auto ne = [](const StepArguments& s) { loop2<uint32_t>(s, [](T a, T b) { return a != b; }); };
  static constexpr auto lt = [](const StepArguments& s) { loop2<uint32_t>(s, [](T a, T b) { return a < b; }); };
  static constexpr auto le = [](const StepArguments& s) { loop2<uint32_t>(s, [](T a, T b) { return a <= b; }); };
  static constexpr auto gt = [](const StepArguments& s) { loop2<uint32_t>(s, [](T a, T b) { return a > b; }); };
  static constexpr auto ge = [](const StepArguments& s) { loop2<uint32_t>(s, [](T a, T b) { return a >= b; }); };

  static constexpr StepRow kSteps[] = {
      {TileOpcode::kAbs,
       [](const StepArguments& s) { loop1(s, [](T x) { return kSigned && x < 0 ? -static_cast<U>(x) : static_cast<U>(x); }); }},
      {TileOpcode::kNegate, [](const StepArguments& s) { loop1(s, [](T x) { return -static_cast<U>(x); }); }},
      {TileOpcode::kSign,
       [](const StepArguments& s) {
         loop1(s, [](T x) { return static_cast<T>(static_cast<T>(x > 0) - static_cast<T>(kSigned && x < 0)); });
       }},
      {TileOpcode::kNot, [](const StepArguments& s) { loop1(s, [](T x) { return ~x; }); }},
      {TileOpcode::kPopcnt, popcnt},
      {TileOpcode::kClz, clz},
      {TileOpcode::kAdd, [](const StepArguments& s) { loop2(s, [](T a, T b) { return static_cast<U>(a) + static_cast<U>(b); }); }},
      {TileOpcode::kSub, [](const StepArguments& s) { loop2(s, [](T a, T b) { return static_cast<U>(a) - static_cast<U>(b); }); }},
      {TileOpcode::kMul, [](const StepArguments& s) { loop2(s, [](T a, T b) { return static_cast<U>(a) * static_cast<U>(b); }); }},
      {TileOpcode::kDiv, divide_step},
      {TileOpcode::kRem, remainder_step},
      {TileOpcode::kMax, [](const StepArguments& s) { loop2(s, [](T a, T b) { return a > b ? a : b; }); }},
      {TileOpcode::kMin, [](const StepArguments& s) { loop2(s, [](T a, T b) { return a < b ? a : b; }); }},
      {TileOpcode::kPow, [](const StepArguments& s) { loop2(s, [](T a, T b) { return power(a, b); }); }},
      {TileOpcode::kAnd, [](const StepArguments& s) { loop2(s, [](T a, T b) { return a & b; }); }},
      {TileOpcode::kOr, [](const StepArguments& s) { loop2(s, [](T a, T b) { return a | b; }); }},
      {TileOpcode::kXor, [](const StepArguments& s) { loop2(s, [](T a, T b) { return a ^ b; }); }},
      {TileOpcode::kShl, shift_left},
      {TileOpcode::kShrA, shift_right_arithmetic},
      {TileOpcode::kShrL, shift_right_logical},
      {TileOpcode::kMulHi, multiply_high_step},
      {TileOpcode::kEq, eq},
      {TileOpcode::kNe, ne},
      {TileOpcode::kLt, lt},
      {TileOpcode::kLe, le},
      {TileOpcode::kGt, gt},
      {TileOpcode::kGe, ge},
      {TileOpcode::kEqTotal, eq},
      {TileOpcode::kNeTotal, ne},
      {TileOpcode::kLtTotal, lt},
      {TileOpcode::kLeTotal, le},
      {TileOpcode::kGtTotal, gt},
      {TileOpcode::kGeTotal, ge},
      {TileOpcode::kClamp,
       [](const StepArguments& s) {
         loop3(s, [](T a, T b, T c) {
           const T raised = b > a ? b : a;
           return raised < c ? raised : c;
         });
       }},
      {TileOpcode::kMulAdd,
       [](const StepArguments& s) {
         loop3(s, [](T a, T b, T c) { return static_cast<T>(static_cast<U>(a) * static_cast<U>(b) + static_cast<U>(c)); });
       }},
  };
};

// Predicates: addition is "or", multiplication "and", as in XLA.
using P = IntegerSteps<uint32_t>;
constexpr auto kAnyOf = [](const StepArguments& s) { P::loop2(s, [](uint32_t a, uint32_t b) { return a | b; }); };
constexpr auto kAllOf = [](const StepArguments& s) { P::loop2(s, [](uint32_t a, uint32_t b) { return a & b; }); };
constexpr auto kOneOf = [](const StepArguments& s) { P::loop2(s, [](uint32_t a, uint32_t b) { return a ^ b; }); };
constexpr StepRow kPredSteps[] = {
    {TileOpcode::kNot, [](const StepArguments& s) { P::loop1(s, [](uint32_t x) { return x ^ 1; }); }},
    {TileOpcode::kAdd, kAnyOf},
    {TileOpcode::kMul, kAllOf},
    {TileOpcode::kMax, kAnyOf},
    {TileOpcode::kMin, kAllOf},
    {TileOpcode::kAnd, kAllOf},
    {TileOpcode::kOr, kAnyOf},
    {TileOpcode::kXor, kOneOf},
    {TileOpcode::kMulAdd, [](const StepArguments& s) { P::loop3(s, [](uint32_t a, uint32_t b, uint32_t c) { return (a & b) | c; }); }},
    {TileOpcode::kClamp, [](const StepArguments& s) { P::loop3(s, [](uint32_t a, uint32_t b, uint32_t c) { return (a | b) & c; }); }},
    {TileOpcode::kEq, P::eq},
    {TileOpcode::kNe, P::ne},
    {TileOpcode::kLt, P::lt},
    {TileOpcode::kLe, P::le},
    {TileOpcode::kGt, P::gt},
    {TileOpcode::kGe, P::ge},
    {TileOpcode::kEqTotal, P::eq},
    {TileOpcode::kNeTotal, P::ne},
    {TileOpcode::kLtTotal, P::lt},
    {TileOpcode::kLeTotal, P::le},
    {TileOpcode::kGtTotal, P::gt},
    {TileOpcode::kGeTotal, P::ge},
};

void rotate_left(const StepArguments& s) {
  const auto left = static_cast<uint32_t>(s.imm), right = 32 - left;
  P::loop1(s, [left, right](uint32_t x) { return x << left | x >> right; });
}
void rotate_left_xor(const StepArguments& s) {
  using U = Vec<uint32_t>;
  const auto left = static_cast<uint32_t>(s.imm);
#if defined(__AVX512F__)
  const __m512i count = _mm512_set1_epi32(static_cast<int>(left));
  map2<uint32_t>(s, [count](U x, U y) { return bits<U>(_mm512_rolv_epi32(bits<__m512i>(x), count)) ^ y; });
#else
  const uint32_t right = 32 - left;
  map2<uint32_t>(s, [left, right](U x, U y) { return (x << left | x >> right) ^ y; });
#endif
}
void rotate_rounds(const StepArguments& s) {
  using U = Vec<uint32_t>;
  const auto *a = static_cast<const uint32_t*>(s.a), *b = static_cast<const uint32_t*>(s.b);
  auto *dst = static_cast<uint32_t*>(s.dst), *second = static_cast<uint32_t*>(s.second);
#pragma GCC unroll 2
  for (size_t i = 0, n = padded(s.n); i < n; i += lanes<U>) {
    U x = load<U>(a + i), y = load<U>(b + i);
    __builtin_prefetch(static_cast<const std::byte*>(s.ahead) + i * sizeof(uint32_t), 0, 2);
    for (int round = 0; round < 4; ++round) {
      const auto left = static_cast<uint32_t>(s.imm >> (8 * round) & 31);
      y += x;
#if defined(__AVX512F__)
      x = bits<U>(_mm512_rolv_epi32(bits<__m512i>(x), _mm512_set1_epi32(static_cast<int>(left)))) ^ y;
#else
      x = (x << left | x >> (32 - left)) ^ y;
#endif
    }
    store(dst + i, x);
    store(second + i, y);
  }
}

}  // namespace

void install_integers(Engine& engine) {
  engine.rotate_left32 = rotate_left;
  engine.rotate_left32_xor = rotate_left_xor;
  engine.rotate_rounds = rotate_rounds;
  install(engine, Lane::kS32, IntegerSteps<int32_t>::kSteps);
  install(engine, Lane::kU32, IntegerSteps<uint32_t>::kSteps);
  install(engine, Lane::kS64, IntegerSteps<int64_t>::kSteps);
  install(engine, Lane::kU64, IntegerSteps<uint64_t>::kSteps);
  install(engine, Lane::kPred, kPredSteps);
}

}  // namespace tt::emulator::TT_SIMD
