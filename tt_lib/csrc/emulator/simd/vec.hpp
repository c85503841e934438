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

// dst[i] = f(a[i]) and so on, a vector at a time over the padded length.
template <class T, class R = T, class F>
TT_INLINE void map1(const StepArguments& s, F f) {
  constexpr size_t w = kVectorBytes / (sizeof(T) > sizeof(R) ? sizeof(T) : sizeof(R));
  const auto* a = static_cast<const T*>(s.a);
  auto* dst = static_cast<R*>(s.dst);
  for (size_t i = 0, n = padded(s.n); i < n; i += w) store<Vec<R, w>>(dst + i, f(load<Vec<T, w>>(a + i)));
}
template <class T, class R = T, class F>
TT_INLINE void map2(const StepArguments& s, F f) {
  constexpr size_t w = kVectorBytes / (sizeof(T) > sizeof(R) ? sizeof(T) : sizeof(R));
  const auto* a = static_cast<const T*>(s.a);
  const auto* b = static_cast<const T*>(s.b);
  auto* dst = static_cast<R*>(s.dst);
  for (size_t i = 0, n = padded(s.n); i < n; i += w) store<Vec<R, w>>(dst + i, f(load<Vec<T, w>>(a + i), load<Vec<T, w>>(b + i)));
}
template <class T, class F>
TT_INLINE void map3(const StepArguments& s, F f) {
  constexpr size_t w = kVectorBytes / sizeof(T);
  const auto* a = static_cast<const T*>(s.a);
  const auto* b = static_cast<const T*>(s.b);
  const auto* c = static_cast<const T*>(s.c);
  auto* dst = static_cast<T*>(s.dst);
  for (size_t i = 0, n = padded(s.n); i < n; i += w) {
    store<Vec<T, w>>(dst + i, f(load<Vec<T, w>>(a + i), load<Vec<T, w>>(b + i), load<Vec<T, w>>(c + i)));
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
void install_complex(Engine& engine);
void install_formats(Engine& engine);
void install_converts(Engine& engine);
void install_matmul(Engine& engine);
void install_layout(Engine& engine);

}  // namespace tt::emulator::TT_SIMD
