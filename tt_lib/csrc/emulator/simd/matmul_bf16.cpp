// The bf16 product with VDPBF16PS: per pair two fused multiply-adds, the odd element first, denormals as zeros.
#include "emulator/simd/matmul.hpp"

namespace tt::emulator::TT_SIMD {
namespace {

struct Bf16Dot {
  using Sum = float;
  using V = Vec<float>;
  static constexpr size_t kSteps = kFace / 2;
  static constexpr bool kUnrolled = true;
  static constexpr size_t kElement = 2;
  static constexpr size_t kColumns = lanes<V>;
  TT_INLINE static __m512i broadcast(const std::byte* row, size_t k) {
    int pair;
    std::memcpy(&pair, row + 4 * k, 4);
    return _mm512_set1_epi32(pair);
  }
  TT_INLINE static __m512i row(const std::byte* b, size_t k, size_t column) {
    return _mm512_loadu_si512(b + (k * 2 * kFace + 2 * column) * 2);
  }
  TT_INLINE static V accumulate(__m512i a, __m512i b, V sum) {
    return bits<V>(_mm512_dpbf16_ps(bits<__m512>(sum), bits<__m512bh>(a), bits<__m512bh>(b)));
  }
};

}  // namespace

void matmul_bf16_dot(const MatmulBlock& block) { matmul_blocked<Bf16Dot>(block); }

}  // namespace tt::emulator::TT_SIMD
