// What this host can do at most, on all its threads: fused multiply-adds of f32, products of bf16 (AMX, else the dot product), and bytes
// moved by a copy of arrays beyond its caches. Prints JSON; compiled for the host by tests/bench/peaks.py.
#include <immintrin.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <functional>
#include <thread>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;

// Seconds of the best of several runs of work(thread, threads) on all threads.
double best_seconds(const std::function<void(size_t, size_t)>& work) {
  const size_t threads = std::max(1u, std::thread::hardware_concurrency());
  double best = 1e9;
  for (int run = 0; run < 7; ++run) {
    const auto start = Clock::now();
    std::vector<std::thread> crew;
    for (size_t i = 0; i < threads; ++i) crew.emplace_back(work, i, threads);
    for (std::thread& member : crew) member.join();
    best = std::min(best, std::chrono::duration<double>(Clock::now() - start).count());
  }
  return best;
}

double per_second(double work_of_a_thread, double seconds) {
  return work_of_a_thread * std::max(1u, std::thread::hardware_concurrency()) / seconds * 1e-9;
}

constexpr long kRounds = 20'000'000;
constexpr int kChains = 12;  // independent sums: more than latency times throughput

#if defined(__AVX512F__)
using Vector = __m512;
Vector multiply_add(Vector a, Vector b, Vector c) { return _mm512_fmadd_ps(a, b, c); }
#elif defined(__FMA__)
using Vector = __m256;
Vector multiply_add(Vector a, Vector b, Vector c) { return _mm256_fmadd_ps(a, b, c); }
#else
using Vector = __m128;
Vector multiply_add(Vector a, Vector b, Vector c) { return _mm_add_ps(_mm_mul_ps(a, b), c); }
#endif

template <class Step>
void chains(const Step& step) {
  Vector sum[kChains] = {};
  for (long i = 0; i < kRounds; ++i) {
#pragma GCC unroll 12
    for (Vector& s : sum) {
      s = step(s);
      asm volatile("" : "+v"(s));
    }
  }
}

double fma_peak() {
  const double seconds = best_seconds([](size_t, size_t) {
    Vector a{}, b{};
    asm volatile("" : "+v"(a), "+v"(b));
    chains([&](Vector s) { return multiply_add(a, b, s); });
  });
  return per_second(2.0 * kRounds * kChains * sizeof(Vector) / sizeof(float), seconds);
}

#if defined(__AMX_BF16__)
bool may_use_tile_registers() { return syscall(SYS_arch_prctl, 0x1023, 18) == 0; }

struct alignas(64) TileConfiguration {
  uint8_t palette, start_row, reserved[14];
  uint16_t row_bytes[16];
  uint8_t rows[16];
};
constexpr TileConfiguration kEightFullTiles = {1, 0, {}, {64, 64, 64, 64, 64, 64, 64, 64}, {16, 16, 16, 16, 16, 16, 16, 16}};

double amx_peak() {
  const double seconds = best_seconds([](size_t, size_t) {
    _tile_loadconfig(&kEightFullTiles);
    for (long i = 0; i < kRounds / 20; ++i) {
      _tile_dpbf16ps(0, 4, 6);
      _tile_dpbf16ps(1, 4, 7);
      _tile_dpbf16ps(2, 5, 6);
      _tile_dpbf16ps(3, 5, 7);
    }
    _tile_release();
  });
  return per_second(2.0 * (kRounds / 20) * 4 * 16 * 16 * 32, seconds);
}
#endif

#if defined(__AVX512BF16__)
double dot_peak() {
  const double seconds = best_seconds([](size_t, size_t) {
    __m512i a{}, b{};
    asm volatile("" : "+v"(a), "+v"(b));
    chains([&](Vector s) { return _mm512_dpbf16_ps(s, reinterpret_cast<__m512bh>(a), reinterpret_cast<__m512bh>(b)); });
  });
  return per_second(2.0 * kRounds * kChains * sizeof(Vector) / sizeof(uint16_t), seconds);
}
#endif

double bf16_peak() {
#if defined(__AMX_BF16__)
  if (may_use_tile_registers()) return amx_peak();
#endif
#if defined(__AVX512BF16__)
  return dot_peak();
#else
  return fma_peak();
#endif
}

double memory_peak() {
  constexpr size_t kBytes = size_t{256} << 20;
  std::vector<char> from(kBytes, 1), to(kBytes, 2);
  const double seconds = best_seconds([&](size_t thread, size_t threads) {
    const size_t share = kBytes / threads;
    std::memcpy(to.data() + thread * share, from.data() + thread * share, share);
  });
  return 2.0 * kBytes / seconds * 1e-9;
}

}  // namespace

int main() { std::printf("{\"fma\": %.0f, \"bf16\": %.0f, \"memory\": %.1f}\n", fma_peak(), bf16_peak(), memory_peak()); }
