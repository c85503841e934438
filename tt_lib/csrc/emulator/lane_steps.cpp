// The steps, by lane. Arithmetic and comparisons are loops that the compiler vectorises; functions call the C library.
#include "emulator/lane_steps.hpp"

#include <array>
#include <cstring>

#include "emulator/lane_formats.hpp"
#include "emulator/lane_math.hpp"

namespace tt::emulator {
namespace {

using namespace lane_math;
using enum TileOpcode;
using C64 = std::complex<float>;
using C128 = std::complex<double>;

template <class T, class R, class F>
void each1(const Step& s, F f) {
  const T* __restrict a = static_cast<const T*>(s.a);
  R* dst = static_cast<R*>(s.dst);
  for (size_t i = 0; i < s.n; ++i) dst[i] = f(a[i]);
}
template <class T, class R, class F>
void each2(const Step& s, F f) {
  const T* a = static_cast<const T*>(s.a);
  const T* b = static_cast<const T*>(s.b);
  R* dst = static_cast<R*>(s.dst);
  for (size_t i = 0; i < s.n; ++i) dst[i] = f(a[i], b[i]);
}

using Table = std::array<std::array<StepFunction, kNumLanes>, kNumTileOpcodes>;

struct Adder {
  Table& table;
  Lane lane;
  void operator()(TileOpcode code, StepFunction f) { table[static_cast<size_t>(code)][static_cast<size_t>(lane)] = f; }
};

template <class T>
T wrap_add(T a, T b) {
  if constexpr (kIsInt<T>) return static_cast<T>(static_cast<std::make_unsigned_t<T>>(a) + static_cast<std::make_unsigned_t<T>>(b));
  return a + b;
}
template <class T>
T wrap_sub(T a, T b) {
  if constexpr (kIsInt<T>) return static_cast<T>(static_cast<std::make_unsigned_t<T>>(a) - static_cast<std::make_unsigned_t<T>>(b));
  return a - b;
}
template <class T>
T wrap_mul(T a, T b) {
  if constexpr (kIsInt<T>) return static_cast<T>(static_cast<std::make_unsigned_t<T>>(a) * static_cast<std::make_unsigned_t<T>>(b));
  return a * b;
}

// ---- conversions

template <class T, class I>
I saturate(T value, int64_t low, uint64_t high) {
  if (value != value) return 0;
  if (static_cast<double>(value) <= static_cast<double>(low)) return static_cast<I>(low);
  if (static_cast<double>(value) >= static_cast<double>(high)) return static_cast<I>(high);
  return static_cast<I>(value);
}

template <class T, class I>
void to_integer(const Step& s) {
  if constexpr (kIsFloat<T>) {
    const int bits = info(s.type).bits;
    const bool is_signed_type = is_signed(s.type);
    const int64_t low = is_signed_type ? -(int64_t{1} << (bits - 1)) : 0;
    const uint64_t high = is_signed_type ? (uint64_t{1} << (bits - 1)) - 1 : bits == 64 ? UINT64_MAX : (uint64_t{1} << bits) - 1;
    const T* a = static_cast<const T*>(s.a);
    I* dst = static_cast<I*>(s.dst);
    for (size_t i = 0; i < s.n; ++i) dst[i] = saturate<T, I>(a[i], low, high);
  } else {
    each1<T, I>(s, [](T x) { return static_cast<I>(x); });
  }
}

template <class T>
void convert(const Step& s) {
  if constexpr (kIsComplex<T>) {
    using R = typename T::value_type;
    if (s.type == DataType::kC64) return each1<T, C64>(s, [](T x) { return C64(x); });
    if (s.type == DataType::kC128) return each1<T, C128>(s, [](T x) { return C128(x); });
    if (s.type == DataType::kPred) return each1<T, uint32_t>(s, [](T x) -> uint32_t { return x != T{}; });
    std::array<R, kTileElements> real;
    for (size_t i = 0; i < s.n; ++i) real[i] = static_cast<const T*>(s.a)[i].real();
    Step part = s;
    part.a = real.data();
    convert<R>(part);
  } else {
    switch (lane_of(s.type)) {
      case Lane::kPred: return each1<T, uint32_t>(s, [](T x) -> uint32_t { return x != T{}; });
      case Lane::kS32: return to_integer<T, int32_t>(s);
      case Lane::kU32: return to_integer<T, uint32_t>(s);
      case Lane::kS64: return to_integer<T, int64_t>(s);
      case Lane::kU64: return to_integer<T, uint64_t>(s);
      case Lane::kF64: return each1<T, double>(s, [](T x) { return static_cast<double>(x); });
      case Lane::kC64: return each1<T, C64>(s, [](T x) { return C64(static_cast<float>(x)); });
      case Lane::kC128: return each1<T, C128>(s, [](T x) { return C128(static_cast<double>(x)); });
      case Lane::kF32:
        if (s.type != DataType::kF32 && sizeof(T) == 8) {  // rounded once, not by way of f32
          return each1<T, float>(s, [type = s.type](T x) { return static_cast<float>(round_to(type, static_cast<double>(x))); });
        }
        return each1<T, float>(s, [](T x) { return static_cast<float>(x); });
    }
  }
}

template <class T>
void bitcast(const Step& s) {
  alignas(64) std::array<std::byte, kTileElements * 16> bytes;
  store_register(static_cast<DataType>(s.imm), s.a, bytes.data(), s.n);
  load_register(s.type, bytes.data(), s.dst, s.n);
}

template <class T>
void fill(const Step& s) {
  alignas(16) std::array<uint64_t, 2> bits{s.imm, s.imm2};
  T value;
  load_register(s.type, reinterpret_cast<const std::byte*>(bits.data()), &value, 1);
  T* dst = static_cast<T*>(s.dst);
  for (size_t i = 0; i < s.n; ++i) dst[i] = value;
}

template <class T>
void select(const Step& s) {
  const auto* p = static_cast<const uint32_t*>(s.a);
  const T *b = static_cast<const T*>(s.b), *c = static_cast<const T*>(s.c);
  T* dst = static_cast<T*>(s.dst);
  for (size_t i = 0; i < s.n; ++i) dst[i] = p[i] ? b[i] : c[i];
}

template <class T>
void clamp(const Step& s) {
  const T *low = static_cast<const T*>(s.a), *x = static_cast<const T*>(s.b), *high = static_cast<const T*>(s.c);
  T* dst = static_cast<T*>(s.dst);
  for (size_t i = 0; i < s.n; ++i) dst[i] = minimum(maximum(x[i], low[i]), high[i]);
}

template <class T>
void mul_add(const Step& s) {
  const T *a = static_cast<const T*>(s.a), *b = static_cast<const T*>(s.b), *c = static_cast<const T*>(s.c);
  T* dst = static_cast<T*>(s.dst);
  for (size_t i = 0; i < s.n; ++i) {
    T product = wrap_mul(a[i], b[i]);
    round_register(s.type, &product, 1);
    dst[i] = wrap_add(product, c[i]);
  }
}

void reduce_precision(const Step& s) {
  const auto exponent_bits = static_cast<int>(s.imm >> 8), mantissa_bits = static_cast<int>(s.imm & 0xff);
  const int bias = (1 << (exponent_bits - 1)) - 1;
  each1<float, float>(s, [&](float x) {
    auto bits = std::bit_cast<uint32_t>(x);
    if (x != x || std::isinf(x)) return x;
    const int drop = 23 - mantissa_bits;
    if (drop > 0) {
      const uint32_t half = (1U << (drop - 1)) - 1 + (bits >> drop & 1);
      bits = (bits + half) & ~((1U << drop) - 1);
    }
    const uint32_t sign = bits & 0x80000000U;
    const int exponent = static_cast<int>(bits >> 23 & 0xff) - 127;
    if (exponent_bits < 8 && exponent > bias) return std::bit_cast<float>(sign | 0x7f800000U);
    if (exponent_bits < 8 && exponent < 1 - bias) return std::bit_cast<float>(sign);
    return std::bit_cast<float>(bits);
  });
}

// ---- tables

template <class T>
void add_all(Adder add) {  // every lane but pred
  add(kCopy, [](const Step& s) { std::memmove(s.dst, s.a, s.n * sizeof(T)); });
  add(kFill, fill<T>);
  add(kConvert, convert<T>);
  add(kBitcast, bitcast<T>);
  add(kSelect, select<T>);
  add(kAdd, [](const Step& s) { each2<T, T>(s, wrap_add<T>); });
  add(kSub, [](const Step& s) { each2<T, T>(s, wrap_sub<T>); });
  add(kMul, [](const Step& s) { each2<T, T>(s, wrap_mul<T>); });
  add(kMulAdd, mul_add<T>);
  add(kDiv, [](const Step& s) { each2<T, T>(s, quotient<T>); });
  add(kPow, [](const Step& s) { each2<T, T>(s, power<T>); });
  add(kNegate, [](const Step& s) {
    if constexpr (kIsInt<T>) return each1<T, T>(s, [](T x) { return wrap_sub(T{0}, x); });
    each1<T, T>(s, [](T x) { return -x; });
  });
  add(kSign, [](const Step& s) { each1<T, T>(s, sign<T>); });
  add(kEq, [](const Step& s) { each2<T, uint32_t>(s, [](T a, T b) -> uint32_t { return a == b; }); });
  add(kNe, [](const Step& s) { each2<T, uint32_t>(s, [](T a, T b) -> uint32_t { return a != b; }); });
}

template <class T>
void add_ordered(Adder add) {
  add(kRem, [](const Step& s) { each2<T, T>(s, remainder<T>); });
  add(kMax, [](const Step& s) { each2<T, T>(s, maximum<T>); });
  add(kMin, [](const Step& s) { each2<T, T>(s, minimum<T>); });
  add(kClamp, clamp<T>);
  add(kLt, [](const Step& s) { each2<T, uint32_t>(s, [](T a, T b) -> uint32_t { return a < b; }); });
  add(kLe, [](const Step& s) { each2<T, uint32_t>(s, [](T a, T b) -> uint32_t { return a <= b; }); });
  add(kGt, [](const Step& s) { each2<T, uint32_t>(s, [](T a, T b) -> uint32_t { return a > b; }); });
  add(kGe, [](const Step& s) { each2<T, uint32_t>(s, [](T a, T b) -> uint32_t { return a >= b; }); });
  add(kLtTotal, [](const Step& s) { each2<T, uint32_t>(s, [](T a, T b) -> uint32_t { return total_key(a) < total_key(b); }); });
  add(kLeTotal, [](const Step& s) { each2<T, uint32_t>(s, [](T a, T b) -> uint32_t { return total_key(a) <= total_key(b); }); });
  add(kGtTotal, [](const Step& s) { each2<T, uint32_t>(s, [](T a, T b) -> uint32_t { return total_key(a) > total_key(b); }); });
  add(kGeTotal, [](const Step& s) { each2<T, uint32_t>(s, [](T a, T b) -> uint32_t { return total_key(a) >= total_key(b); }); });
  add(kEqTotal, [](const Step& s) { each2<T, uint32_t>(s, [](T a, T b) -> uint32_t { return total_key(a) == total_key(b); }); });
  add(kNeTotal, [](const Step& s) { each2<T, uint32_t>(s, [](T a, T b) -> uint32_t { return total_key(a) != total_key(b); }); });
}

template <class T>
void add_integer(Adder add) {
  using U = std::make_unsigned_t<T>;
  add(kAbs, [](const Step& s) { each1<T, T>(s, [](T x) { return std::is_signed_v<T> && x < 0 ? wrap_sub(T{0}, x) : x; }); });
  add(kNot, [](const Step& s) { each1<T, T>(s, [](T x) { return static_cast<T>(~x); }); });
  add(kAnd, [](const Step& s) { each2<T, T>(s, [](T a, T b) { return static_cast<T>(a & b); }); });
  add(kOr, [](const Step& s) { each2<T, T>(s, [](T a, T b) { return static_cast<T>(a | b); }); });
  add(kXor, [](const Step& s) { each2<T, T>(s, [](T a, T b) { return static_cast<T>(a ^ b); }); });
  add(kPopcnt, [](const Step& s) {
    const U mask = static_cast<U>(~U{0}) >> (sizeof(U) * 8 - info(s.type).bits);
    each1<T, T>(s, [mask](T x) { return static_cast<T>(std::popcount(static_cast<U>(static_cast<U>(x) & mask))); });
  });
  add(kClz, [](const Step& s) {
    const int bits = info(s.type).bits, extra = static_cast<int>(sizeof(U) * 8) - bits;
    const U mask = static_cast<U>(~U{0}) >> extra;
    each1<T, T>(s, [mask, extra](T x) { return static_cast<T>(std::countl_zero(static_cast<U>(static_cast<U>(x) & mask)) - extra); });
  });
  add(kShl, [](const Step& s) {
    const auto bits = static_cast<U>(info(s.type).bits);
    const U mask = static_cast<U>(~U{0}) >> (sizeof(U) * 8 - bits);
    each2<T, T>(s, [bits, mask](T a, T b) { return (static_cast<U>(b) & mask) >= bits ? T{0} : static_cast<T>(static_cast<U>(a) << (static_cast<U>(b) & mask)); });
  });
  add(kShrL, [](const Step& s) {
    const auto bits = static_cast<U>(info(s.type).bits);
    const U mask = static_cast<U>(~U{0}) >> (sizeof(U) * 8 - bits);
    each2<T, T>(s, [bits, mask](T a, T b) { return (static_cast<U>(b) & mask) >= bits ? T{0} : static_cast<T>((static_cast<U>(a) & mask) >> (static_cast<U>(b) & mask)); });
  });
  add(kShrA, [](const Step& s) {
    // Unsigned arrays shift the sign bit of their width as well.
    const auto bits = static_cast<U>(info(s.type).bits);
    const U mask = static_cast<U>(~U{0}) >> (sizeof(U) * 8 - bits);
    const int extra = static_cast<int>(sizeof(U) * 8 - bits);
    each2<T, T>(s, [bits, mask, extra](T a, T b) {
      using S = std::make_signed_t<T>;
      const S value = static_cast<S>(static_cast<U>(a) << extra) >> extra;
      const U by = static_cast<U>(b) & mask;
      return static_cast<T>(value >> (by >= bits ? bits - 1 : by));
    });
  });
  add(kMulHi, [](const Step& s) {
    const int bits = info(s.type).bits;
    each2<T, T>(s, [bits](T a, T b) {
      using Wide = std::conditional_t<std::is_signed_v<T>, __int128, unsigned __int128>;
      return static_cast<T>(static_cast<Wide>(a) * static_cast<Wide>(b) >> bits);
    });
  });
}

template <class T>
void add_functions(Adder add) {  // real and complex floats
  add(kExp, [](const Step& s) { each1<T, T>(s, [](T x) { return std::exp(x); }); });
  add(kExpm1, [](const Step& s) { each1<T, T>(s, expm1<T>); });
  add(kLog, [](const Step& s) { each1<T, T>(s, [](T x) { return std::log(x); }); });
  add(kLog1p, [](const Step& s) { each1<T, T>(s, log1p<T>); });
  add(kSqrt, [](const Step& s) { each1<T, T>(s, [](T x) { return std::sqrt(x); }); });
  add(kRsqrt, [](const Step& s) { each1<T, T>(s, [](T x) { return T{1} / std::sqrt(x); }); });
  add(kLogistic, [](const Step& s) { each1<T, T>(s, logistic<T>); });
  add(kTanh, [](const Step& s) { each1<T, T>(s, [](T x) { return std::tanh(x); }); });
  add(kSin, [](const Step& s) { each1<T, T>(s, [](T x) { return std::sin(x); }); });
  add(kCos, [](const Step& s) { each1<T, T>(s, [](T x) { return std::cos(x); }); });
  add(kTan, [](const Step& s) { each1<T, T>(s, [](T x) { return std::tan(x); }); });
}

template <class T>
void add_float(Adder add) {
  add(kAbs, [](const Step& s) { each1<T, T>(s, [](T x) { return std::fabs(x); }); });
  add(kCeil, [](const Step& s) { each1<T, T>(s, [](T x) { return std::ceil(x); }); });
  add(kFloor, [](const Step& s) { each1<T, T>(s, [](T x) { return std::floor(x); }); });
  add(kRoundAfz, [](const Step& s) { each1<T, T>(s, [](T x) { return std::round(x); }); });
  add(kRoundEven, [](const Step& s) { each1<T, T>(s, [](T x) { return std::nearbyint(x); }); });
  add(kIsFinite, [](const Step& s) { each1<T, uint32_t>(s, [](T x) -> uint32_t { return std::isfinite(x); }); });
  add(kCbrt, [](const Step& s) { each1<T, T>(s, [](T x) { return std::cbrt(x); }); });
  add(kAtan2, [](const Step& s) { each2<T, T>(s, [](T a, T b) { return std::atan2(a, b); }); });
  add(kErf, [](const Step& s) { each1<T, T>(s, [](T x) { return std::erf(x); }); });
  add(kErfc, [](const Step& s) { each1<T, T>(s, [](T x) { return std::erfc(x); }); });
  add(kErfInv, [](const Step& s) { each1<T, T>(s, [](T x) { return static_cast<T>(erf_inv(static_cast<double>(x))); }); });
  add(kGelu, [](const Step& s) { each1<T, T>(s, [](T x) { return x * T(0.5) * (T{1} + std::erf(x * static_cast<T>(M_SQRT1_2))); }); });
  add(kAsin, [](const Step& s) { each1<T, T>(s, [](T x) { return std::asin(x); }); });
  add(kAcos, [](const Step& s) { each1<T, T>(s, [](T x) { return std::acos(x); }); });
  add(kAtan, [](const Step& s) { each1<T, T>(s, [](T x) { return std::atan(x); }); });
  add(kSinh, [](const Step& s) { each1<T, T>(s, [](T x) { return std::sinh(x); }); });
  add(kCosh, [](const Step& s) { each1<T, T>(s, [](T x) { return std::cosh(x); }); });
  add(kAsinh, [](const Step& s) { each1<T, T>(s, [](T x) { return std::asinh(x); }); });
  add(kAcosh, [](const Step& s) { each1<T, T>(s, [](T x) { return std::acosh(x); }); });
  add(kAtanh, [](const Step& s) { each1<T, T>(s, [](T x) { return std::atanh(x); }); });
  add(kRecip, [](const Step& s) { each1<T, T>(s, [](T x) { return T{1} / x; }); });
  add(kReal, [](const Step& s) { std::memmove(s.dst, s.a, s.n * sizeof(T)); });
  add(kImag, [](const Step& s) { each1<T, T>(s, [](T) { return T{0}; }); });
  add(kComplex, [](const Step& s) { each2<T, std::complex<T>>(s, [](T a, T b) { return std::complex<T>(a, b); }); });
}

template <class T>
void add_complex(Adder add) {
  using R = typename T::value_type;
  add(kAbs, [](const Step& s) { each1<T, R>(s, [](T x) { return std::abs(x); }); });
  add(kReal, [](const Step& s) { each1<T, R>(s, [](T x) { return x.real(); }); });
  add(kImag, [](const Step& s) { each1<T, R>(s, [](T x) { return x.imag(); }); });
}

void add_pred(Adder add) {
  using T = uint32_t;
  add(kCopy, [](const Step& s) { std::memmove(s.dst, s.a, s.n * sizeof(T)); });
  add(kFill, fill<T>);
  add(kConvert, convert<T>);
  add(kBitcast, bitcast<T>);
  add(kSelect, select<T>);
  add_ordered<T>(add);
  add(kNot, [](const Step& s) { each1<T, T>(s, [](T x) { return x ^ 1U; }); });
  add(kAnd, [](const Step& s) { each2<T, T>(s, [](T a, T b) { return a & b; }); });
  add(kOr, [](const Step& s) { each2<T, T>(s, [](T a, T b) { return a | b; }); });
  add(kXor, [](const Step& s) { each2<T, T>(s, [](T a, T b) { return a ^ b; }); });
  add(kAdd, [](const Step& s) { each2<T, T>(s, [](T a, T b) { return a | b; }); });
  add(kMul, [](const Step& s) { each2<T, T>(s, [](T a, T b) { return a & b; }); });
  add(kEq, [](const Step& s) { each2<T, T>(s, [](T a, T b) -> T { return a == b; }); });
  add(kNe, [](const Step& s) { each2<T, T>(s, [](T a, T b) -> T { return a != b; }); });
}

template <class T>
void add_integers(Adder add) {
  add_all<T>(add);
  add_ordered<T>(add);
  add_integer<T>(add);
}

template <class T>
void add_floats(Adder add) {
  add_all<T>(add);
  add_ordered<T>(add);
  add_functions<T>(add);
  add_float<T>(add);
}

template <class T>
void add_complexes(Adder add) {
  add_all<T>(add);
  add_functions<T>(add);
  add_complex<T>(add);
}

Table make_table() {
  Table table{};
  add_floats<float>({table, Lane::kF32});
  add_floats<double>({table, Lane::kF64});
  Adder{table, Lane::kF32}(kReducePrecision, reduce_precision);
  add_integers<int32_t>({table, Lane::kS32});
  add_integers<uint32_t>({table, Lane::kU32});
  add_integers<int64_t>({table, Lane::kS64});
  add_integers<uint64_t>({table, Lane::kU64});
  add_complexes<C64>({table, Lane::kC64});
  add_complexes<C128>({table, Lane::kC128});
  add_pred({table, Lane::kPred});
  return table;
}

const Table kTable = make_table();

}  // namespace

StepFunction find_step(TileOpcode code, Lane lane) { return kTable[static_cast<size_t>(code)][static_cast<size_t>(lane)]; }

}  // namespace tt::emulator
