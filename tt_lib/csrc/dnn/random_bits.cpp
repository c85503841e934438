// ThreeFry with 20 rounds and Philox with 10, as loops over lanes that the compiler vectorises for each instruction set.
#include "dnn/random_bits.hpp"

#include "emulator/tile_program.hpp"

namespace tt::dnn {
namespace {

using Lanes = std::array<uint32_t, kRandomLanes>;
using ThreeFryWords = std::array<Lanes, 2>;
using PhiloxWords = std::array<Lanes, 4>;

constexpr int kVector = 16;  // lanes that stay in registers through all rounds

[[gnu::always_inline]] inline void threefry_lanes(uint64_t key, uint64_t counter, ThreeFryWords& words) {
  constexpr int kRotations[2][4] = {{13, 15, 26, 6}, {17, 29, 16, 24}};
  constexpr uint32_t kParity = 0x1BD11BDA;
  const auto key0 = static_cast<uint32_t>(key), key1 = static_cast<uint32_t>(key >> 32);
  const uint32_t keys[3] = {key0, key1, kParity ^ key0 ^ key1};
  for (int block = 0; block < kRandomLanes; block += kVector) {
    uint32_t a[kVector], b[kVector];
    for (int i = 0; i < kVector; ++i) {
      const uint64_t at = counter + static_cast<uint64_t>(block + i);
      a[i] = static_cast<uint32_t>(at) + keys[0];
      b[i] = static_cast<uint32_t>(at >> 32) + keys[1];
    }
    for (uint32_t group = 0; group < 5; ++group) {
      for (int rotation : kRotations[group % 2]) {
        for (int i = 0; i < kVector; ++i) {
          a[i] += b[i];
          b[i] = (b[i] << rotation | b[i] >> (32 - rotation)) ^ a[i];
        }
      }
      const uint32_t add_a = keys[(group + 1) % 3], add_b = keys[(group + 2) % 3] + group + 1;
      for (int i = 0; i < kVector; ++i) {
        a[i] += add_a;
        b[i] += add_b;
      }
    }
    for (int i = 0; i < kVector; ++i) {
      words[0][static_cast<size_t>(block + i)] = a[i];
      words[1][static_cast<size_t>(block + i)] = b[i];
    }
  }
}

[[gnu::always_inline]] inline void philox_lanes(uint64_t key, uint64_t low, uint64_t high, PhiloxWords& words) {
  constexpr uint64_t kMultiplier0 = 0xD2511F53, kMultiplier1 = 0xCD9E8D57;
  constexpr uint32_t kWeyl0 = 0x9E3779B9, kWeyl1 = 0xBB67AE85;
  for (int block = 0; block < kRandomLanes; block += kVector) {
    uint32_t x0[kVector], x1[kVector], x2[kVector], x3[kVector];
    for (int i = 0; i < kVector; ++i) {
      const uint64_t at = low + static_cast<uint64_t>(block + i);
      const uint64_t above = high + (at < low ? 1 : 0);
      x0[i] = static_cast<uint32_t>(at);
      x1[i] = static_cast<uint32_t>(at >> 32);
      x2[i] = static_cast<uint32_t>(above);
      x3[i] = static_cast<uint32_t>(above >> 32);
    }
    auto key0 = static_cast<uint32_t>(key), key1 = static_cast<uint32_t>(key >> 32);
    for (int round = 0; round < 10; ++round) {
      for (int i = 0; i < kVector; ++i) {
        const uint64_t product0 = kMultiplier0 * x0[i], product1 = kMultiplier1 * x2[i];
        x0[i] = static_cast<uint32_t>(product1 >> 32) ^ x1[i] ^ key0;
        x1[i] = static_cast<uint32_t>(product1);
        x2[i] = static_cast<uint32_t>(product0 >> 32) ^ x3[i] ^ key1;
        x3[i] = static_cast<uint32_t>(product0);
      }
      key0 += kWeyl0;
      key1 += kWeyl1;
    }
    for (int i = 0; i < kVector; ++i) {
      const auto at = static_cast<size_t>(block + i);
      words[0][at] = x0[i];
      words[1][at] = x1[i];
      words[2][at] = x2[i];
      words[3][at] = x3[i];
    }
  }
}

[[gnu::target("avx2")]] void threefry_avx2(uint64_t key, uint64_t counter, ThreeFryWords& words) { threefry_lanes(key, counter, words); }
[[gnu::target("avx512f")]] void threefry_avx512(uint64_t key, uint64_t counter, ThreeFryWords& words) {
  threefry_lanes(key, counter, words);
}
[[gnu::target("avx2")]] void philox_avx2(uint64_t key, uint64_t low, uint64_t high, PhiloxWords& words) {
  philox_lanes(key, low, high, words);
}
[[gnu::target("avx512f")]] void philox_avx512(uint64_t key, uint64_t low, uint64_t high, PhiloxWords& words) {
  philox_lanes(key, low, high, words);
}

}  // namespace

void threefry2x32(uint64_t key, uint64_t counter, ThreeFryWords& words) {
  switch (emulator::simd()) {
    case emulator::Simd::kAmx:
    case emulator::Simd::kAvx512: return threefry_avx512(key, counter, words);
    case emulator::Simd::kAvx2: return threefry_avx2(key, counter, words);
    case emulator::Simd::kPortable: return threefry_lanes(key, counter, words);
  }
}

void philox4x32(uint64_t key, uint64_t counter_low, uint64_t counter_high, PhiloxWords& words) {
  switch (emulator::simd()) {
    case emulator::Simd::kAmx:
    case emulator::Simd::kAvx512: return philox_avx512(key, counter_low, counter_high, words);
    case emulator::Simd::kAvx2: return philox_avx2(key, counter_low, counter_high, words);
    case emulator::Simd::kPortable: return philox_lanes(key, counter_low, counter_high, words);
  }
}

}  // namespace tt::dnn
