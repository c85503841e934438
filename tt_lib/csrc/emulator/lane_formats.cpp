// Element formats. bf16 and the integers are loops that the compiler vectorises; f16 and the 8-bit floats go element by element.
#include "emulator/lane_formats.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

#include "emulator/float_formats.hpp"

namespace tt::emulator {
namespace {

template <class T>
T at(const std::byte* source, size_t i) {
  T value;
  std::memcpy(&value, source + i * sizeof(T), sizeof(T));
  return value;
}

template <class T, class L>
void widen(const std::byte* source, L* reg, size_t n) {
  for (size_t i = 0; i < n; ++i) reg[i] = static_cast<L>(at<T>(source, i));
}

template <class T, class L>
void narrow(const L* reg, std::byte* destination, size_t n) {
  for (size_t i = 0; i < n; ++i) {
    const T value = static_cast<T>(reg[i]);
    std::memcpy(destination + i * sizeof(T), &value, sizeof(T));
  }
}

float decode(DataType type, uint32_t code) {
  if (type == DataType::kF8E8M0FNU) return code == 255 ? std::numeric_limits<float>::quiet_NaN() : std::ldexp(1.0F, static_cast<int>(code) - 127);
  return std::bit_cast<float>(decode_float(float_format(type), code));
}

uint32_t encode(DataType type, float value) {
  if (type == DataType::kF8E8M0FNU) return std::isnan(value) ? 255 : static_cast<uint32_t>(std::ilogb(value) + 127);
  const FloatFormat f = float_format(type);
  const int width = f.exponent_bits + f.mantissa_bits;
  const uint32_t top = ((1U << f.exponent_bits) - 1) << f.mantissa_bits;
  const uint32_t sign = std::signbit(value) ? 1U << width : 0;
  if (std::isnan(value)) {
    if (f.specials == Specials::kUnsigned0) return 1U << width;
    return f.specials == Specials::kNanOnly ? sign | ((1U << width) - 1) : sign | top | 1U << (f.mantissa_bits - 1);
  }
  if (std::isinf(value)) return sign | top;
  if (value == 0) return f.specials == Specials::kUnsigned0 ? 0 : sign;
  const int exponent = std::ilogb(value);
  const double magnitude = std::fabs(static_cast<double>(value));
  if (exponent < 1 - f.bias) return sign | static_cast<uint32_t>(std::ldexp(magnitude, f.bias - 1 + f.mantissa_bits));
  const auto mantissa = static_cast<uint32_t>(std::ldexp(magnitude, f.mantissa_bits - exponent)) - (1U << f.mantissa_bits);
  return sign | static_cast<uint32_t>(exponent + f.bias) << f.mantissa_bits | mantissa;
}

uint32_t round_bf16_bits(uint32_t bits) {
  const uint32_t rounded = (bits + 0x7fff + (bits >> 16 & 1)) & 0xffff0000;
  return (bits & 0x7fffffff) > 0x7f800000 ? (bits | 0x400000) & 0xffff0000 : rounded;
}

}  // namespace

double round_to(DataType type, double value) {
  if (type == DataType::kF32) return static_cast<float>(value);
  if (type == DataType::kF64) return value;
  if (type == DataType::kF8E8M0FNU) {
    if (!(value > 0) || std::isinf(value)) return std::numeric_limits<double>::quiet_NaN();
    return std::ldexp(1.0, static_cast<int>(std::clamp(std::nearbyint(std::log2(value)), -127.0, 127.0)));
  }
  const FloatFormat f = float_format(type);
  if (std::isnan(value) || value == 0) return value == 0 && f.specials == Specials::kUnsigned0 ? 0.0 : value;
  const double limit = largest_finite(f);
  double rounded = value;
  if (!std::isinf(value)) {
    const int exponent = std::max(std::ilogb(value), 1 - f.bias);
    rounded = std::ldexp(std::nearbyint(std::ldexp(value, f.mantissa_bits - exponent)), exponent - f.mantissa_bits);
  }
  if (std::fabs(rounded) <= limit) return rounded == 0 && f.specials == Specials::kUnsigned0 ? 0.0 : rounded;
  switch (f.specials) {
    case Specials::kIeee: return std::copysign(HUGE_VAL, value);
    case Specials::kFinite: return std::copysign(limit, value);
    default: return std::copysign(std::numeric_limits<double>::quiet_NaN(), value);
  }
}

void load_register(DataType type, const std::byte* source, void* reg, size_t n) {
  switch (type) {
    case DataType::kPred:
      for (size_t i = 0; i < n; ++i) static_cast<uint32_t*>(reg)[i] = source[i] != std::byte{0};
      return;
    case DataType::kS2:
    case DataType::kS4:
    case DataType::kS8: return widen<int8_t>(source, static_cast<int32_t*>(reg), n);
    case DataType::kS16: return widen<int16_t>(source, static_cast<int32_t*>(reg), n);
    case DataType::kU2:
    case DataType::kU4:
    case DataType::kU8: return widen<uint8_t>(source, static_cast<uint32_t*>(reg), n);
    case DataType::kU16: return widen<uint16_t>(source, static_cast<uint32_t*>(reg), n);
    case DataType::kBF16:
      for (size_t i = 0; i < n; ++i) static_cast<uint32_t*>(reg)[i] = static_cast<uint32_t>(at<uint16_t>(source, i)) << 16;
      return;
    case DataType::kF16:
      for (size_t i = 0; i < n; ++i) static_cast<float*>(reg)[i] = decode(type, at<uint16_t>(source, i));
      return;
    default: break;
  }
  const auto size = static_cast<size_t>(size_of(type));
  if (is_float(type) && size == 1) {
    for (size_t i = 0; i < n; ++i) static_cast<float*>(reg)[i] = decode(type, static_cast<uint8_t>(source[i]));
    return;
  }
  std::memcpy(reg, source, n * size);
}

void store_register(DataType type, const void* reg, std::byte* destination, size_t n) {
  switch (type) {
    case DataType::kPred: return narrow<uint8_t>(static_cast<const uint32_t*>(reg), destination, n);
    case DataType::kS2:
    case DataType::kS4:
    case DataType::kS8: return narrow<int8_t>(static_cast<const int32_t*>(reg), destination, n);
    case DataType::kS16: return narrow<int16_t>(static_cast<const int32_t*>(reg), destination, n);
    case DataType::kU2:
    case DataType::kU4:
    case DataType::kU8: return narrow<uint8_t>(static_cast<const uint32_t*>(reg), destination, n);
    case DataType::kU16: return narrow<uint16_t>(static_cast<const uint32_t*>(reg), destination, n);
    case DataType::kBF16:
      for (size_t i = 0; i < n; ++i) {
        const auto code = static_cast<uint16_t>(static_cast<const uint32_t*>(reg)[i] >> 16);
        std::memcpy(destination + 2 * i, &code, 2);
      }
      return;
    case DataType::kF16:
      for (size_t i = 0; i < n; ++i) {
        const auto code = static_cast<uint16_t>(encode(type, static_cast<const float*>(reg)[i]));
        std::memcpy(destination + 2 * i, &code, 2);
      }
      return;
    default: break;
  }
  const auto size = static_cast<size_t>(size_of(type));
  if (is_float(type) && size == 1) {
    for (size_t i = 0; i < n; ++i) destination[i] = static_cast<std::byte>(encode(type, static_cast<const float*>(reg)[i]));
    return;
  }
  std::memcpy(destination, reg, n * size);
}

void round_register(DataType type, void* reg, size_t n) {
  const int unused = 32 - info(type).bits;
  switch (type) {
    case DataType::kS2:
    case DataType::kS4:
    case DataType::kS8:
    case DataType::kS16:
      for (size_t i = 0; i < n; ++i) static_cast<int32_t*>(reg)[i] = static_cast<int32_t>(static_cast<uint32_t*>(reg)[i] << unused) >> unused;
      return;
    case DataType::kU2:
    case DataType::kU4:
    case DataType::kU8:
    case DataType::kU16:
      for (size_t i = 0; i < n; ++i) static_cast<uint32_t*>(reg)[i] &= 0xffffffffU >> unused;
      return;
    case DataType::kBF16:
      for (size_t i = 0; i < n; ++i) static_cast<uint32_t*>(reg)[i] = round_bf16_bits(static_cast<uint32_t*>(reg)[i]);
      return;
    default: break;
  }
  if (is_float(type) && size_of(type) <= 2) {
    for (size_t i = 0; i < n; ++i) static_cast<float*>(reg)[i] = static_cast<float>(round_to(type, static_cast<float*>(reg)[i]));
  }
}

}  // namespace tt::emulator
