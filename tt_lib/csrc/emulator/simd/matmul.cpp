// Products of blocks of tiles: a register block of sums is held while k runs over all tiles.
#include "emulator/simd/matmul.hpp"

#include <limits>
#include <type_traits>

namespace tt::emulator::TT_SIMD {
namespace {

// sums[R][N] += column of A (R rows) times row of B (N vectors), per k.
template <class T>
struct Dense {
  using Sum = T;
  using V = Vec<T>;
  static constexpr size_t kSteps = kFace;                      // per face of K
  static constexpr bool kUnrolled = std::is_same_v<T, float>;  // the others are rare, and take long to compile
  TT_INLINE static V broadcast(const std::byte* row, size_t k) {
    T value;
    std::memcpy(&value, row + k * sizeof(T), sizeof(T));
    return value - V{};  // 0 + value would lose the sign of -0
  }
  TT_INLINE static V row(const std::byte* b, size_t k, size_t column) { return load<V>(b + (k * kFace + column) * sizeof(T)); }
  TT_INLINE static V accumulate(V a, V b, V sum) { return multiply_add(a, b, sum); }
  static constexpr size_t kElement = sizeof(T);
  static constexpr size_t kColumns = lanes<V>;
};

// bf16 with the arithmetic of VDPBF16PS in plain FMAs: the odd element of a pair first, denormals as zeros (by MXCSR).
struct Bf16Pairs {
  using Sum = float;
  using V = Vec<float>;
  using U = Vec<uint32_t>;
  static constexpr size_t kSteps = kFace / 2;
  static constexpr bool kUnrolled = true;
  static constexpr size_t kElement = 2;
  static constexpr size_t kColumns = lanes<V>;
  TT_INLINE static U broadcast(const std::byte* row, size_t k) {
    uint32_t pair;
    std::memcpy(&pair, row + 4 * k, 4);
    return U{} + pair;
  }
  TT_INLINE static U row(const std::byte* b, size_t k, size_t column) { return load<U>(b + (k * 2 * kFace + 2 * column) * 2); }
  TT_INLINE static V accumulate(U a, U b, V sum) {
    sum = multiply_add(bits<V>(a & 0xffff0000u), bits<V>(b & 0xffff0000u), sum);
    return multiply_add(bits<V>(a << 16), bits<V>(b << 16), sum);
  }
};

[[gnu::noinline]] void matmul_bf16_pairs(const MatmulBlock& block) { matmul_blocked<Bf16Pairs>(block); }
void matmul_bf16(const MatmulBlock& block) {
#if defined(__AVX512F__)
  if (host_has_bf16_dot()) return matmul_bf16_dot(block);
#endif
  constexpr unsigned kDenormalsAreZero = 0x8040;  // DAZ and FTZ, as the instruction always has them
  const unsigned control = _mm_getcsr();
  _mm_setcsr(control | kDenormalsAreZero);
  matmul_bf16_pairs(block);
  _mm_setcsr(control);
}

template <class T>
void matmul_dense(const MatmulBlock& block) {
  matmul_blocked<Dense<T>>(block);
}

// Complex products are summed part by part: sum += (ar * br - ai * bi, ar * bi + ai * br), every step rounded.
template <class P>
struct ComplexDense {
  struct Sum {
    P re, im;
  };
  using V = Vec<P>;  // pairs of parts
  using Int = std::conditional_t<sizeof(P) == 4, int32_t, int64_t>;
  using I = Vec<Int>;
  struct Pair {
    V first, second;
  };
  static constexpr size_t kSteps = kFace;
  static constexpr bool kUnrolled = false;
  static constexpr size_t kElement = sizeof(Sum);
  static constexpr size_t kColumns = lanes<V> / 2;
  // The real part, and the imaginary part with the sign that i * i asks for.
  TT_INLINE static Pair broadcast(const std::byte* row, size_t k) {
    P parts[2];
    std::memcpy(parts, row + k * kElement, kElement);
    I sign;
    for (size_t i = 0; i < lanes<V>; ++i) sign[i] = i % 2 == 0 ? std::numeric_limits<Int>::min() : Int{0};
    return {parts[0] - V{}, bits<V>(bits<I>(parts[1] - V{}) ^ sign)};
  }
  // A row, and the row with the parts of each element swapped.
  TT_INLINE static Pair row(const std::byte* b, size_t k, size_t column) {
    const V x = load<V>(b + (k * kFace + column) * kElement);
    I order;
    for (size_t i = 0; i < lanes<V>; ++i) order[i] = static_cast<Int>(i ^ 1);
    return {x, __builtin_shuffle(x, order)};
  }
  TT_INLINE static V accumulate(const Pair& a, const Pair& b, V sum) { return sum + (a.first * b.first + a.second * b.second); }
};
template <class P>
void matmul_complex(const MatmulBlock& block) {
  matmul_blocked<ComplexDense<P>>(block);
}

}  // namespace

void install_matmul(Engine& engine) {
  engine.matmul[static_cast<size_t>(DataType::kF32)] = matmul_dense<float>;
  engine.matmul[static_cast<size_t>(DataType::kF64)] = matmul_dense<double>;
  engine.matmul[static_cast<size_t>(DataType::kS32)] = matmul_dense<uint32_t>;
  engine.matmul[static_cast<size_t>(DataType::kS64)] = matmul_dense<uint64_t>;
  engine.matmul[static_cast<size_t>(DataType::kC64)] = matmul_complex<float>;
  engine.matmul[static_cast<size_t>(DataType::kC128)] = matmul_complex<double>;
  engine.matmul[static_cast<size_t>(DataType::kBF16)] = matmul_bf16;
}

}  // namespace tt::emulator::TT_SIMD
