// The text of StableHLO's properties: which ones go without saying, and how the rest print.
#pragma once

#include <string>

#include "ir/ir.hpp"

namespace tt::ir {

bool goes_without_saying(const Operation& operation, Attr attr, const Attribute& value);  // a default, left out of the text
std::string property_text(Attr attr, const Attribute& value);                             // the right side of "attr = ..." in a dictionary
std::string clause_text(const Attribute& value);                  // ... in an operation's own syntax: "[1, 0]", "true", "FFT"
std::string padding_text(const Dims& flat);                       // "[[0, 1], [2, 3]]"
std::string flags_text(const Dims& flags);                        // "[true, false]"
std::string convolution_dims_text(const Operation& convolution);  // "[b, 0, 1, f]x[0, 1, i, o]->[b, 0, 1, f]"
std::string dot_algorithm_text(const AttributeDict& algorithm);   // "<lhs_precision_type = f32, ...>"
std::string property_dict(const Operation& operation);            // "<{a = 1 : i64}>", or "" when there is nothing to say

}  // namespace tt::ir
