// Products of blocks of tiles: a register block of sums is held while k runs over all tiles.
#include "emulator/simd/matmul.hpp"

namespace tt::emulator::TT_SIMD {
namespace {

// sums[R][N] += column of A (R rows) times row of B (N vectors), per k.
template <class T>
struct Dense {
  using Sum = T;
  using V = Vec<T>;
  static constexpr size_t kSteps = kFace;  // per face of K
  TT_INLINE static V broadcast(const std::byte* a, size_t row, size_t k) {
    T value;
    std::memcpy(&value, a + (row * kFace + k) * sizeof(T), sizeof(T));
    return value - V{};  // 0 + value would lose the sign of -0
  }
  TT_INLINE static V row(const std::byte* b, size_t k, size_t column) { return load<V>(b + (k * kFace + column) * sizeof(T)); }
  TT_INLINE static V accumulate(V a, V b, V sum) { return multiply_add(a, b, sum); }
  static constexpr size_t kElement = sizeof(T);
};

// bf16 with the arithmetic of VDPBF16PS in plain FMAs: the odd element of a pair first, denormals as zeros (by MXCSR).
struct Bf16Pairs {
  using Sum = float;
  using V = Vec<float>;
  using U = Vec<uint32_t>;
  static constexpr size_t kSteps = kFace / 2;
  static constexpr size_t kElement = 2;
  TT_INLINE static U broadcast(const std::byte* a, size_t row, size_t k) {
    uint32_t pair;
    std::memcpy(&pair, a + (row * kFace + 2 * k) * 2, 4);
    return U{} + pair;
  }
  TT_INLINE static U row(const std::byte* b, size_t k, size_t column) { return load<U>(b + (k * 2 * kFace + 2 * column) * 2); }
  TT_INLINE static V accumulate(U a, U b, V sum) {
    sum = multiply_add(bits<V>(a & 0xffff0000u), bits<V>(b & 0xffff0000u), sum);
    return multiply_add(bits<V>(a << 16), bits<V>(b << 16), sum);
  }
};

[[gnu::noinline]] void matmul_bf16_pairs(const std::byte* const* a, const std::byte* const* b, std::byte* const* acc, size_t mt, size_t nt,
                                         size_t kt) {
  matmul_blocked<Bf16Pairs>(a, b, acc, mt, nt, kt);
}
void matmul_bf16(const std::byte* const* a, const std::byte* const* b, std::byte* const* acc, size_t mt, size_t nt, size_t kt) {
#if defined(__AVX512F__)
  if (host_has_bf16_dot()) return matmul_bf16_dot(a, b, acc, mt, nt, kt);
#endif
  constexpr unsigned kDenormalsAreZero = 0x8040;  // DAZ and FTZ, as the instruction always has them
  const unsigned control = _mm_getcsr();
  _mm_setcsr(control | kDenormalsAreZero);
  matmul_bf16_pairs(a, b, acc, mt, nt, kt);
  _mm_setcsr(control);
}

template <class T>
void matmul_dense(const std::byte* const* a, const std::byte* const* b, std::byte* const* acc, size_t mt, size_t nt, size_t kt) {
  matmul_blocked<Dense<T>>(a, b, acc, mt, nt, kt);
}

// Complex products are summed part by part: sum += (ar * br - ai * bi, ar * bi + ai * br), every step rounded.
template <class P>
void matmul_complex(const std::byte* const* a, const std::byte* const* b, std::byte* const* acc, size_t mt, size_t nt, size_t kt) {
  for (size_t m = 0; m < mt; ++m) {
    for (size_t n = 0; n < nt; ++n) {
      for (size_t k = 0; k < kt; ++k) {
        const auto* left = reinterpret_cast<const P*>(a[m * kt + k]);
        const auto* right = reinterpret_cast<const P*>(b[k * nt + n]);
        auto* sums = reinterpret_cast<P*>(acc[m * nt + n]);
        for (size_t row = 0; row < kTile; ++row) {
          for (size_t inner = 0; inner < kTile; ++inner) {
            const P* x = left + 2 * tile_offset(row, inner);
            const P re = x[0], im = x[1];
            for (size_t half = 0; half < 2; ++half) {
              const P* y = right + 2 * tile_offset(inner, half * kFace);
              P* sum = sums + 2 * tile_offset(row, half * kFace);
              for (size_t column = 0; column < kFace; ++column) {
                const P yr = y[2 * column], yi = y[2 * column + 1];
                sum[2 * column] += re * yr - im * yi;
                sum[2 * column + 1] += re * yi + im * yr;
              }
            }
          }
        }
      }
    }
  }
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
