// Lines of a program's listing that several families print.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "dnn/operand.hpp"

namespace tt::dnn {

std::vector<std::string> lines(std::string_view text);
std::string describe(const Operand& operand, Cb cb);
std::string describe(const Result& result, Cb cb, Slot slot);

}  // namespace tt::dnn
