// Looks a chip up by name.
#include "emulator/grayskull.hpp"

#include "base/error.hpp"

namespace tt::emulator {

const ChipSpec& find_chip(std::string_view name) {
  for (const ChipSpec& chip : kChips) {
    if (chip.name == name) return chip;
  }
  fail(ErrorCategory::kInvalidArgument, "[device] unknown card \"", name, "\", expected \"e150\" or \"e75\"");
}

}  // namespace tt::emulator
