// Values of which every element is the same constant.
#pragma once

#include <cstdint>
#include <optional>

#include "ir/ir.hpp"

namespace tt::passes {

// The bits of an element of such a value; none of others, and of elements wider than 64 bits.
std::optional<uint64_t> uniform_bits(const ir::Value* value);

}  // namespace tt::passes
