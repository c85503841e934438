// Arrays that JAX places in memory of the host: arguments and results by their attributes, others by calls in the program.
#pragma once

#include <string_view>

#include "emulator/grayskull.hpp"
#include "ir/types.hpp"

namespace tt::lowering {

inline constexpr std::string_view kDeviceKind = "device", kHostKind = "pinned_host";

emulator::BufferType memory_of_kind(std::string_view kind);         // InvalidArgument names those that there are
emulator::BufferType memory_of(const ir::AttributeDict& argument);  // or result of main
inline std::string_view kind_of(emulator::BufferType memory) { return memory == emulator::BufferType::kHost ? kHostKind : kDeviceKind; }

}  // namespace tt::lowering
