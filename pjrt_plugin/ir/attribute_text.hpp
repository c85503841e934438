// The text of attribute values, as MLIR prints them.
#pragma once

#include <span>
#include <string>

#include "ir/types.hpp"

namespace tt::ir {

std::string to_string(const DenseElements& elements);    // "dense<[1, 2]> : tensor<2xi32>"
std::string to_string(const Attribute& attribute);       // "3 : i32", "\"text\"", "[...]", "{...}"
std::string to_string(const AttributeDict& dict);        // "{a = 1 : i64, b}", keys sorted
Dims integers(const DenseElements& elements);            // all of them, row-major
std::string list_text(std::span<const int64_t> values);  // "[1, 2]"
std::string float_text(double value, DataType type);     // "1.000000e+00", "0x7F800000"
std::string quoted(std::string_view text);

double element_as_double(const std::byte* at, DataType type);    // of a real float type
int64_t element_as_integer(const std::byte* at, DataType type);  // of i1 and integers; unsigned 64-bit values wrap

}  // namespace tt::ir
