// Selection by the engine of the host.
#include "emulator/select.hpp"

#include "base/error.hpp"
#include "emulator/simd/engine.hpp"

namespace tt::emulator {

size_t select_positions(DataType type, const std::byte* values, size_t n, int64_t low, int64_t high, uint32_t* positions) {
  const SelectFunction select = engine().select[static_cast<size_t>(type)];
  check(select != nullptr, "[select_positions] of no integers");
  return select(values, n, low, high, positions);
}

}  // namespace tt::emulator
