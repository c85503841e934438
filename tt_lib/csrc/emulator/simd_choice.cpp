// Chooses the instruction set of the tile engines: the best one of the host, or the one JAX_TT_SIMD names.
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
constexpr std::array<SimdInfo, 3> kSimds = {{
    {Simd::kPortable, "portable", portable::engine},
    {Simd::kAvx2, "avx2", avx2::engine},
    {Simd::kAvx512, "avx512", avx512::engine},
}};

Simd choose() {
  const char* wanted = std::getenv("JAX_TT_SIMD");
  if (wanted != nullptr && *wanted != '\0') {
    for (const SimdInfo& row : kSimds) {
      if (row.name != wanted) continue;
      require(host_supports(row.simd), "[simd] JAX_TT_SIMD is \"", wanted, "\", which this host lacks: choose a smaller one");
      return row.simd;
    }
    fail(ErrorCategory::kInvalidArgument, "[simd] JAX_TT_SIMD is \"", wanted, "\", expected \"avx512\", \"avx2\" or \"portable\"");
  }
  return host_supports(Simd::kAvx512) ? Simd::kAvx512 : host_supports(Simd::kAvx2) ? Simd::kAvx2 : Simd::kPortable;
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
