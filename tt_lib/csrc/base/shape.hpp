// Dimensions of an array and the arithmetic on them.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace tt {

using Dims = std::vector<int64_t>;  // outermost first

int64_t volume(std::span<const int64_t> dims);          // number of elements; 1 for a scalar
Dims row_major_strides(std::span<const int64_t> dims);  // in elements
std::string to_string(std::span<const int64_t> dims);   // "[2,3]"

constexpr int64_t div_up(int64_t a, int64_t b) { return (a + b - 1) / b; }
constexpr int64_t round_up(int64_t a, int64_t b) { return div_up(a, b) * b; }

}  // namespace tt
