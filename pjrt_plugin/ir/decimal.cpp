// Decimal text of binary floating-point numbers.
#include "ir/decimal.hpp"

#include <bit>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <vector>

#include "base/error.hpp"

namespace tt::ir {
namespace {

class BigInteger {
 public:
  explicit BigInteger(uint64_t value) : words_{static_cast<uint32_t>(value), static_cast<uint32_t>(value >> 32)} { trim(); }

  bool is_zero() const { return words_.empty(); }
  int bits() const { return is_zero() ? 0 : static_cast<int>(words_.size() * 32) - std::countl_zero(words_.back()); }

  void multiply(uint32_t factor) {
    uint64_t carry = 0;
    for (uint32_t& word : words_) {
      carry += uint64_t{word} * factor;
      word = static_cast<uint32_t>(carry);
      carry >>= 32;
    }
    if (carry != 0) words_.push_back(static_cast<uint32_t>(carry));
  }

  uint32_t divide(uint32_t divisor) {  // returns the remainder
    uint64_t rest = 0;
    for (size_t i = words_.size(); i-- > 0;) {
      rest = rest << 32 | words_[i];
      words_[i] = static_cast<uint32_t>(rest / divisor);
      rest %= divisor;
    }
    trim();
    return static_cast<uint32_t>(rest);
  }

 private:
  void trim() {
    while (!words_.empty() && words_.back() == 0) words_.pop_back();
  }
  std::vector<uint32_t> words_;  // least significant first
};

struct Decimal {
  std::string digits;  // most significant first, without trailing zeros
  int exponent;        // of the last digit
};

// A value is m * 2^e = m * 5^-e * 10^e. Whole decimal digits beyond what `digits` needs are cut off first, the rest is rounded half up.
Decimal to_decimal(double magnitude, int digits) {
  int exponent = 0;
  uint64_t mantissa = static_cast<uint64_t>(std::ldexp(std::frexp(magnitude, &exponent), 53));
  exponent -= 53;
  const int zeros = std::countr_zero(mantissa);
  mantissa >>= zeros;
  exponent += zeros;
  BigInteger number(mantissa);
  for (int i = 0; i < exponent; ++i) number.multiply(2);
  for (int i = 0; i < -exponent; ++i) number.multiply(5);
  exponent = std::min(exponent, 0);

  const int bits_needed = (digits * 196 + 58) / 59;  // 196/59 is slightly more than log2(10)
  const int cut = std::max(0, number.bits() - bits_needed) * 59 / 196;
  for (int i = 0; i < cut; ++i) number.divide(10);
  exponent += cut;

  std::string text;  // least significant first
  while (!number.is_zero()) text += static_cast<char>('0' + number.divide(10));
  size_t first = 0;
  if (text.size() > static_cast<size_t>(digits)) {
    first = text.size() - static_cast<size_t>(digits);
    if (text[first - 1] >= '5') {
      size_t at = first;
      while (at < text.size() && text[at] == '9') text[at++] = '0';
      if (at < text.size()) {
        ++text[at];
      } else {
        text += '1';
      }
    }
  }
  while (first + 1 < text.size() && text[first] == '0') ++first;
  return {std::string(text.rbegin(), text.rend() - static_cast<std::ptrdiff_t>(first)), exponent + static_cast<int>(first)};
}

}  // namespace

std::string decimal_text(double value, const DecimalFormat& format) {
  const std::string sign = std::signbit(value) ? "-" : "";
  if (value == 0) return sign + (format.keep_zeros ? "0." + std::string(static_cast<size_t>(format.digits), '0') + "e+00" : "0.0");
  const auto [digits, exponent] = to_decimal(std::fabs(value), format.digits);
  const int count = static_cast<int>(digits.size());
  const int leading = exponent + count - 1;  // the exponent of the first digit
  bool scientific = format.max_padding == 0;
  if (!scientific)
    scientific = exponent >= 0 ? exponent > format.max_padding || leading + 1 > format.digits : -leading > format.max_padding;
  if (scientific) {
    std::string fraction = count == 1 && !format.keep_zeros ? "0" : digits.substr(1);
    if (format.keep_zeros) fraction.resize(static_cast<size_t>(format.digits), '0');
    std::string power = std::to_string(std::abs(leading));
    if (format.keep_zeros && power.size() < 2) power = "0" + power;
    return cat(sign, digits[0], ".", fraction, format.keep_zeros ? "e" : "E", leading < 0 ? "-" : "+", power);
  }
  if (exponent >= 0) return sign + digits + std::string(static_cast<size_t>(exponent), '0');
  if (leading >= 0) {
    const auto whole = static_cast<size_t>(leading + 1);
    return sign + digits.substr(0, whole) + "." + digits.substr(whole);
  }
  return sign + "0." + std::string(static_cast<size_t>(-leading - 1), '0') + digits;
}

}  // namespace tt::ir
