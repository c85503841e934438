// Chooses the instruction set of the tile engines: the best one of the host, or the one JAX_TT_SIMD names.
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>

#include "base/error.hpp"
#include "emulator/simd/engine.hpp"

namespace tt::emulator {
namespace {

struct SimdInfo {
  Simd simd;
  std::string_view name;
  const Engine& (*engine)();
};
constexpr std::array<SimdInfo, 4> kSimds = {{
    {Simd::kPortable, "portable", portable::engine},
    {Simd::kAvx2, "avx2", avx2::engine},
    {Simd::kAvx512, "avx512", avx512::engine},
    {Simd::kAmx, "amx", avx512::engine_with_amx},
}};

Simd choose() {
  const char* wanted = std::getenv("JAX_TT_SIMD");
  if (wanted != nullptr && *wanted != '\0') {
    for (const SimdInfo& row : kSimds) {
      if (row.name != wanted) continue;
      require(host_supports(row.simd), "[simd] JAX_TT_SIMD is \"", wanted, "\", which this host lacks: choose a smaller one");
      return row.simd;
    }
    fail(ErrorCategory::kInvalidArgument, "[simd] JAX_TT_SIMD is \"", wanted, "\", expected \"amx\", \"avx512\", \"avx2\" or \"portable\"");
  }
  return std::find_if(kSimds.rbegin(), kSimds.rend(), [](const SimdInfo& row) { return host_supports(row.simd); })->simd;
}

// The kernel keeps the tile registers for processes that ask for them.
bool may_use_tile_registers() {
  constexpr long kRequestPermission = 0x1023, kTileData = 18;
  static const bool may = __builtin_cpu_supports("amx-tile") != 0 && __builtin_cpu_supports("amx-bf16") != 0 &&
                          syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
  return may;
}

}  // namespace

bool host_supports(Simd simd) {
  switch (simd) {
    case Simd::kPortable: return true;
    case Simd::kAvx2:
      return __builtin_cpu_supports("avx2") != 0 && __builtin_cpu_supports("fma") != 0 && __builtin_cpu_supports("f16c") != 0;
    case Simd::kAvx512:
      return host_supports(Simd::kAvx2) && __builtin_cpu_supports("avx512f") != 0 && __builtin_cpu_supports("avx512bw") != 0 &&
             __builtin_cpu_supports("avx512dq") != 0 && __builtin_cpu_supports("avx512vl") != 0;
    case Simd::kAmx: return host_supports(Simd::kAvx512) && may_use_tile_registers();
  }
  return false;
}

bool host_has_bf16_dot() {
  static const bool has = host_supports(Simd::kAvx512) && __builtin_cpu_supports("avx512bf16") != 0;
  return has;
}

Simd simd() {
  static const Simd chosen = choose();
  return chosen;
}

std::string_view name(Simd simd) { return kSimds[static_cast<size_t>(simd)].name; }

const Engine& engine(Simd simd) {
  check(host_supports(simd), "[simd] this host lacks ", name(simd));
  return kSimds[static_cast<size_t>(simd)].engine();
}

const Engine& engine() {
  static const Engine& chosen = engine(simd());
  return chosen;
}

bool supports(TileOpcode code, Lane lane) { return engine().steps[static_cast<size_t>(code)][static_cast<size_t>(lane)] != nullptr; }

}  // namespace tt::emulator
