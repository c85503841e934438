// Comparators that are an order of keys: which operands they compare, in which direction.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "emulator/tile_program.hpp"

namespace tt::dnn {

struct SortKey {
  size_t operand;
  bool descending;
  bool canonical;  // floats: -0 equals +0 and all NaN are equal and greatest; else IEEE's total order
  bool operator==(const SortKey&) const = default;
};
using KeyOrder = std::vector<SortKey>;  // most significant first

// Understands the comparators of lax.sort, jnp.sort, top_k and plain `a < b`, over integers, i1, f16, bf16, f32 and f64. A plain IEEE
// comparison of floats counts as canonical: they differ for NaN only, where it is no order at all.
std::optional<KeyOrder> recognise_comparator(const emulator::TileProgram& comparator);
bool is_key(const KeyOrder& order, size_t operand);
std::string describe(const KeyOrder& order);

}  // namespace tt::dnn
