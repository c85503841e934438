// The float formats of arrays narrower than f64: how wide their fields are, what their largest codes mean, and scalar coding of one
// element.
#pragma once

#include <bit>
#include <cstdint>

#include "base/data_type.hpp"

namespace tt::emulator {

// What lies above the largest finite value.
enum class Specials : uint8_t {
  kIeee,       // infinities and NaNs
  kNanOnly,    // "FN": the code of all ones is NaN; what overflows becomes NaN
  kUnsigned0,  // "FNUZ": the code of minus zero is the one NaN; what overflows becomes NaN
  kFinite,     // neither; what overflows saturates
};

struct FloatFormat {
  DataType type;
  int exponent_bits;
  int mantissa_bits;
  int bias;
  Specials specials;
};

// f8E8M0FNU, a bare exponent without sign or zero, is no such format.
inline constexpr FloatFormat kFloatFormats[] = {
    {DataType::kBF16, 8, 7, 127, Specials::kIeee},
    {DataType::kF16, 5, 10, 15, Specials::kIeee},
    {DataType::kF32, 8, 23, 127, Specials::kIeee},
    {DataType::kF8E3M4, 3, 4, 3, Specials::kIeee},
    {DataType::kF8E4M3, 4, 3, 7, Specials::kIeee},
    {DataType::kF8E4M3FN, 4, 3, 7, Specials::kNanOnly},
    {DataType::kF8E4M3B11FNUZ, 4, 3, 11, Specials::kUnsigned0},
    {DataType::kF8E4M3FNUZ, 4, 3, 8, Specials::kUnsigned0},
    {DataType::kF8E5M2, 5, 2, 15, Specials::kIeee},
    {DataType::kF8E5M2FNUZ, 5, 2, 16, Specials::kUnsigned0},
    {DataType::kF4E2M1FN, 2, 1, 1, Specials::kFinite},
};

constexpr FloatFormat float_format(DataType type) {
  for (const FloatFormat& format : kFloatFormats) {
    if (format.type == type) return format;
  }
  return kFloatFormats[0];
}

// Largest finite value: exponent field and mantissa as far as the specials leave them.
constexpr double largest_finite(const FloatFormat& f) {
  const int top = (1 << f.exponent_bits) - (f.specials == Specials::kIeee ? 2 : 1);
  const int mantissa = (1 << f.mantissa_bits) - (f.specials == Specials::kNanOnly ? 2 : 1);
  double value = 1.0 + static_cast<double>(mantissa) / static_cast<double>(1 << f.mantissa_bits);
  for (int e = f.bias; e < top; ++e) value *= 2;
  for (int e = top; e < f.bias; ++e) value /= 2;
  return value;
}

// The value of one code, as f32 bits; NaNs keep their payload.
constexpr uint32_t decode_float(const FloatFormat& f, uint32_t code) {
  const uint32_t sign = (code >> (f.exponent_bits + f.mantissa_bits) & 1) << 31;
  const uint32_t magnitude = code & ((1u << (f.exponent_bits + f.mantissa_bits)) - 1);
  const uint32_t mantissa = magnitude & ((1u << f.mantissa_bits) - 1);
  const int exponent = static_cast<int>(magnitude >> f.mantissa_bits);
  const uint32_t top = (1u << f.exponent_bits) - 1;
  if (f.specials == Specials::kUnsigned0 && sign != 0 && magnitude == 0) return 0xffc00000u;
  if (f.specials == Specials::kNanOnly && magnitude == (1u << (f.exponent_bits + f.mantissa_bits)) - 1) return sign | 0x7fc00000u;
  if (f.specials == Specials::kIeee && static_cast<uint32_t>(exponent) == top) {
    return sign | 0x7f800000u | mantissa << (23 - f.mantissa_bits);
  }
  if (exponent != 0) return sign | static_cast<uint32_t>(exponent + 127 - f.bias) << 23 | mantissa << (23 - f.mantissa_bits);
  if (mantissa == 0) return sign;
  const int shift = std::countl_zero(mantissa) - (31 - f.mantissa_bits);  // brings the leading one to the implicit place
  const int biased = 1 - shift + 127 - f.bias;
  const uint32_t fraction = mantissa << shift & ((1u << f.mantissa_bits) - 1);
  if (biased > 0) return sign | static_cast<uint32_t>(biased) << 23 | fraction << (23 - f.mantissa_bits);
  return sign | mantissa << (23 - f.mantissa_bits);  // only bf16, f32: the denormals of f32
}

}  // namespace tt::emulator
