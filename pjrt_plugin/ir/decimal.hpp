// Decimal text of binary floating-point numbers, digit for digit what LLVM prints (which is not always the nearest decimal).
#pragma once

#include <string>

namespace tt::ir {

struct DecimalFormat {
  int digits;       // significant digits at most
  int max_padding;  // zeros that may pad a number before it turns to scientific notation; 0: always scientific
  bool keep_zeros;  // "1.000000e+00" instead of "1.0E+0"
};

std::string decimal_text(double value, const DecimalFormat& format);  // of a finite value

}  // namespace tt::ir
