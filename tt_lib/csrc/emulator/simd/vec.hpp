// Vectors of the instruction set this source is compiled for, on GCC's vector extensions, and loops over registers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#if defined(__AVX2__) || defined(__SSE2__)
#include <immintrin.h>
#endif

#include "emulator/simd/engine.hpp"

#ifndef TT_SIMD
#error "compiled through cmake/tile_math.cmake, which names the instruction set"
#endif

namespace tt::emulator::TT_SIMD {

#if defined(__AVX512F__)
inline constexpr size_t kVectorBytes = 64;
#elif defined(__AVX2__)
inline constexpr size_t kVectorBytes = 32;
#else
inline constexpr size_t kVectorBytes = 16;
#endif

#define TT_INLINE [[gnu::always_inline]] inline  // no weak symbol may leave a source compiled for AVX: the linker could pick it for all

template <class T, size_t N>
struct VecOf {
  typedef T type __attribute__((vector_size(sizeof(T) * N), may_alias));
};
template <class T, size_t N = kVectorBytes / sizeof(T)>
using Vec = typename VecOf<T, N>::type;

template <class V>
inline constexpr size_t lanes = sizeof(V) / sizeof(V{}[0]);

template <class V>
TT_INLINE V load(const void* from) {
  V v;
  std::memcpy(&v, from, sizeof(V));
  return v;
}
template <class V>
TT_INLINE void store(void* to, V v) {
  std::memcpy(to, &v, sizeof(V));
}
template <class To, class From>
TT_INLINE To bits(From from) {
  static_assert(sizeof(To) == sizeof(From));
  To to;
  std::memcpy(&to, &from, sizeof(To));
  return to;
}
template <class To, class From>
TT_INLINE To convert(From from) {
  return __builtin_convertvector(from, To);
}

// a * b + c, rounded once.
TT_INLINE Vec<double> multiply_add(Vec<double> a, Vec<double> b, Vec<double> c) {
#if defined(__AVX512F__)
  return bits<Vec<double>>(_mm512_fmadd_pd(bits<__m512d>(a), bits<__m512d>(b), bits<__m512d>(c)));
#elif defined(__AVX2__)
  return bits<Vec<double>>(_mm256_fmadd_pd(bits<__m256d>(a), bits<__m256d>(b), bits<__m256d>(c)));
#else
  Vec<double> sum;
  for (size_t i = 0; i < lanes<Vec<double>>; ++i) sum[i] = __builtin_fma(a[i], b[i], c[i]);
  return sum;
#endif
}

#if !defined(__AVX2__)
// A fused f32 multiply-add without the instruction: the product is exact in double, the sum is rounded to odd, so that the last rounding
// to f32 is the only one that counts.
TT_INLINE Vec<float, 2> fused_through_double(Vec<float, 2> a, Vec<float, 2> b, Vec<float, 2> c) {
  using D = Vec<double>;
  using I = Vec<int64_t>;
  const D product = convert<D>(a) * convert<D>(b), addend = convert<D>(c);
  const D sum = product + addend;
  const D part = sum - product;
  const D error = (product - (sum - part)) + (addend - part);
  const I inexact = ((error > 0) | (error < 0)) & ((bits<I>(sum) & 1) == 0);
  const I outward = (error > 0) == (sum > 0);
  const I odd = bits<I>(sum) + (outward != 0 ? I{} + 1 : I{} - 1);
  return convert<Vec<float, 2>>(inexact != 0 ? bits<D>(odd) : sum);
}
#endif
TT_INLINE Vec<float> multiply_add(Vec<float> a, Vec<float> b, Vec<float> c) {
#if defined(__AVX512F__)
  return bits<Vec<float>>(_mm512_fmadd_ps(bits<__m512>(a), bits<__m512>(b), bits<__m512>(c)));
#elif defined(__AVX2__)
  return bits<Vec<float>>(_mm256_fmadd_ps(bits<__m256>(a), bits<__m256>(b), bits<__m256>(c)));
#else
  using H = Vec<float, 2>;
  const H low = fused_through_double(H{a[0], a[1]}, H{b[0], b[1]}, H{c[0], c[1]});
  const H high = fused_through_double(H{a[2], a[3]}, H{b[2], b[3]}, H{c[2], c[3]});
  return Vec<float>{low[0], low[1], high[0], high[1]};
#endif
}

TT_INLINE void prefetch(const void* from, size_t offset) { __builtin_prefetch(static_cast<const std::byte*>(from) + offset, 0, 2); }

// Operand `i` of a step: its elements one after the other, or the first ones again and again.
template <class T>
class Operand {
 public:
  TT_INLINE Operand(const void* elements, const StepArguments& s, int i)
      : at_(static_cast<const T*>(elements)), step_((s.still >> i & 1) != 0 ? 0 : 1) {}
  TT_INLINE const T* from(size_t i) const { return at_ + i * step_; }

 private:
  const T* at_;
  size_t step_;
};

// dst[i] = f(a[i]) and so on, a vector at a time over the padded length.
template <class T, class R = T, class F>
TT_INLINE void map1(const StepArguments& s, F f) {
  constexpr size_t w = kVectorBytes / (sizeof(T) > sizeof(R) ? sizeof(T) : sizeof(R));
  const Operand<T> a(s.a, s, 0);
  auto* dst = static_cast<R*>(s.dst);
  const void* const ahead = s.ahead;
#pragma GCC unroll 4
  for (size_t i = 0, n = padded(s.n); i < n; i += w) {
    prefetch(ahead, i * sizeof(T));
    store<Vec<R, w>>(dst + i, f(load<Vec<T, w>>(a.from(i))));
  }
}
template <class T, class R = T, class F>
TT_INLINE void map2(const StepArguments& s, F f) {
  constexpr size_t w = kVectorBytes / (sizeof(T) > sizeof(R) ? sizeof(T) : sizeof(R));
  const Operand<T> a(s.a, s, 0), b(s.b, s, 1);
  auto* dst = static_cast<R*>(s.dst);
  const void* const ahead = s.ahead;
#pragma GCC unroll 4
  for (size_t i = 0, n = padded(s.n); i < n; i += w) {
    prefetch(ahead, i * sizeof(T));
    store<Vec<R, w>>(dst + i, f(load<Vec<T, w>>(a.from(i)), load<Vec<T, w>>(b.from(i))));
  }
}
template <class T, class F>
TT_INLINE void map3(const StepArguments& s, F f) {
  constexpr size_t w = kVectorBytes / sizeof(T);
  const Operand<T> a(s.a, s, 0), b(s.b, s, 1), c(s.c, s, 2);
  auto* dst = static_cast<T*>(s.dst);
  const void* const ahead = s.ahead;
  const void* const ahead_too = s.ahead_too != nullptr ? s.ahead_too : ahead;
#pragma GCC unroll 4
  for (size_t i = 0, n = padded(s.n); i < n; i += w) {
    prefetch(ahead, i * sizeof(T));
    prefetch(ahead_too, i * sizeof(T));
    store<Vec<T, w>>(dst + i, f(load<Vec<T, w>>(a.from(i)), load<Vec<T, w>>(b.from(i)), load<Vec<T, w>>(c.from(i))));
  }
}

// The same, one element at a time over the true length: for what calls the C library.
template <class T, class R = T, class F>
TT_INLINE void each1(const StepArguments& s, F f) {
  const auto* a = static_cast<const T*>(s.a);
  auto* dst = static_cast<R*>(s.dst);
  for (size_t i = 0; i < s.n; ++i) dst[i] = f(a[i]);
}
template <class T, class R = T, class F>
TT_INLINE void each2(const StepArguments& s, F f) {
  const auto* a = static_cast<const T*>(s.a);
  const auto* b = static_cast<const T*>(s.b);
  auto* dst = static_cast<R*>(s.dst);
  for (size_t i = 0; i < s.n; ++i) dst[i] = f(a[i], b[i]);
}

// One row of an engine's table under construction.
struct StepRow {
  TileOpcode code;
  StepFunction step;
};
template <size_t N>
TT_INLINE void install(Engine& engine, Lane lane, const StepRow (&rows)[N]) {
  for (const StepRow& row : rows) engine.steps[static_cast<size_t>(row.code)][static_cast<size_t>(lane)] = row.step;
}

// Each source of this folder fills its part of the table.
void install_f32(Engine& engine);
void install_f32_functions(Engine& engine);
void install_f64(Engine& engine);
void install_integers(Engine& engine);
void install_joined(Engine& engine);
void install_complex(Engine& engine);
void install_formats(Engine& engine);
void install_converts(Engine& engine);
void install_matmul(Engine& engine);
void install_layout(Engine& engine);
void install_rows(Engine& engine);
void install_select(Engine& engine);

}  // namespace tt::emulator::TT_SIMD
