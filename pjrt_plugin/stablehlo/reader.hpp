// The payload JAX sends (MLIR bytecode with VHLO inside) -> ir::Module. Treats its input as hostile: every read is bounds-checked.
#pragma once

#include <cstddef>
#include <memory>
#include <span>

#include "ir/ir.hpp"

namespace tt::stablehlo {

inline constexpr int64_t kVersion[3] = {1, 13, 7};  // the StableHLO version that the plugin asks JAX for

// Fails with InvalidArgument on malformed bytes, and with ONE Unimplemented error that lists every operation, attribute or type of
// the program that has no counterpart in the IR, each with its Python location.
std::unique_ptr<ir::Module> read(std::span<const std::byte> payload);

}  // namespace tt::stablehlo
