// Loops of the RISC-V cores' kernels, compiled for each instruction set of the host. Their results do not depend on which one it is: no
// fused operations, and sums in the order that the source says.
#pragma once

#include <type_traits>

#include "emulator/tile_program.hpp"

namespace tt::dnn {

// Of copies, so that no array the loop writes to can be what it holds.
template <class Loop>
[[gnu::optimize("O3")]] void run_portable(const Loop& loop) {
  const Loop mine = loop;
  mine();
}
template <class Loop>
[[gnu::target("avx2"), gnu::optimize("O3")]] void run_avx2(const Loop& loop) {
  const Loop mine = loop;
  mine();
}
template <class Loop>
[[gnu::target("avx512f,avx512dq,avx512bw,avx512vl"), gnu::optimize("O3")]] void run_avx512(const Loop& loop) {
  const Loop mine = loop;
  mine();
}

// `loop` is a lambda with the attribute TT_LOOP, which lets it take over the instruction set it is called from.
#define TT_LOOP __attribute__((always_inline))

// T: what the loop computes with. Where there are fused operations, as in AVX-512, GCC 12 makes them of products of complex numbers
// whatever it is told.
template <class T, class Loop>
void run_on_host(const Loop& loop, emulator::Simd simd = emulator::simd()) {
  switch (simd) {
    case emulator::Simd::kPortable: return run_portable(loop);
    case emulator::Simd::kAvx2: return run_avx2(loop);
    default: return std::is_arithmetic_v<T> ? run_avx512(loop) : run_avx2(loop);
  }
}

}  // namespace tt::dnn
