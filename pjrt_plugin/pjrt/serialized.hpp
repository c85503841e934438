// Executables as bytes: the program's payload and how it was compiled. Loading compiles it again, which takes milliseconds, so that the
// bytes are small and hold nothing of this host.
#pragma once

#include <string>
#include <string_view>

#include "pjrt/objects.hpp"

namespace tt::pjrt {

inline constexpr std::string_view kPlatformVersion = "jax_tt 0.1 (emulated Grayskull)";

// Equal for programs that compile to the same executable on a chip, and for no others.
std::string compile_key(std::string_view payload, const executable::CompileOptions& options, std::string_view chip);

std::string serialize(std::string_view key, std::string_view assignment);

struct Deserialized {
  std::string_view payload;  // in `bytes`
  Options options;
};
Deserialized deserialize(std::string_view bytes, std::string_view chip);  // InvalidArgument when they are none of ours, or for another chip

}  // namespace tt::pjrt
