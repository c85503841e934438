// The text of attribute values, as MLIR prints them.
#include "ir/attribute_text.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "base/error.hpp"
#include "ir/decimal.hpp"

namespace tt::ir {
namespace {

constexpr int64_t kHexAbove = 100;  // more elements than this print as one hexadecimal string

struct SmallFloat {  // how many of an 8- or 4-bit float's bits are exponent and mantissa
  DataType type;
  int exponent_bits, mantissa_bits, bias;
};
constexpr std::array<SmallFloat, 9> kSmallFloats = {{
    {DataType::kF8E3M4, 3, 4, 3},
    {DataType::kF8E4M3, 4, 3, 7},
    {DataType::kF8E4M3FN, 4, 3, 7},
    {DataType::kF8E4M3B11FNUZ, 4, 3, 11},
    {DataType::kF8E4M3FNUZ, 4, 3, 8},
    {DataType::kF8E5M2, 5, 2, 15},
    {DataType::kF8E5M2FNUZ, 5, 2, 16},
    {DataType::kF8E8M0FNU, 8, 0, 127},
    {DataType::kF4E2M1FN, 2, 1, 1},
}};

template <class T>
T load(const std::byte* at) {
  T value;
  std::memcpy(&value, at, sizeof value);
  return value;
}

double small_float(uint8_t bits, const SmallFloat& format) {
  const bool unsigned_exponent = format.type == DataType::kF8E8M0FNU;
  const int total = (unsigned_exponent ? 0 : 1) + format.exponent_bits + format.mantissa_bits;
  const bool negative = !unsigned_exponent && ((bits >> (total - 1)) & 1);
  const int exponent = (bits >> format.mantissa_bits) & ((1 << format.exponent_bits) - 1);
  const int mantissa = bits & ((1 << format.mantissa_bits) - 1);
  const int top = (1 << format.exponent_bits) - 1;
  const bool ieee = format.type == DataType::kF8E5M2 || format.type == DataType::kF8E4M3 || format.type == DataType::kF8E3M4;
  const bool fnuz = format.type == DataType::kF8E4M3FNUZ || format.type == DataType::kF8E5M2FNUZ || format.type == DataType::kF8E4M3B11FNUZ;
  if (ieee && exponent == top) return mantissa ? NAN : (negative ? -INFINITY : INFINITY);
  if (fnuz && bits == 0x80) return NAN;
  if (format.type == DataType::kF8E4M3FN && (bits & 0x7F) == 0x7F) return NAN;
  if (unsigned_exponent && bits == 0xFF) return NAN;
  const int one = 1 << format.mantissa_bits;
  const bool normal = exponent != 0 || unsigned_exponent;
  const double value = std::ldexp(normal ? one + mantissa : mantissa, (normal ? exponent : 1) - format.bias - format.mantissa_bits);
  return negative ? -value : value;
}

// The bits of `value`, which is a value of `type`, as the number MLIR prints for what has no decimal form.
uint64_t bits_of(double value, DataType type) {
  switch (type) {
    case DataType::kF64: return std::bit_cast<uint64_t>(value);
    case DataType::kF32: return std::bit_cast<uint32_t>(static_cast<float>(value));
    case DataType::kBF16: return std::bit_cast<uint32_t>(static_cast<float>(value)) >> 16;
    case DataType::kF16: return std::bit_cast<uint16_t>(static_cast<_Float16>(value));
    default: break;
  }
  for (const SmallFloat& format : kSmallFloats) {
    if (format.type != type) continue;
    for (int bits = 0; bits < 256; ++bits) {
      const double candidate = small_float(static_cast<uint8_t>(bits), format);
      if (candidate == value || (std::isnan(candidate) && std::isnan(value))) return static_cast<uint64_t>(bits);
    }
  }
  return 0;
}

std::string hex(uint64_t bits) {
  std::array<char, 24> text{};
  std::snprintf(text.data(), text.size(), "0x%llX", static_cast<unsigned long long>(bits));
  return text.data();
}

std::string element_text(const std::byte* at, DataType type) {
  if (is_complex(type)) {
    const DataType part = real_part(type);
    return "(" + element_text(at, part) + "," + element_text(at + size_of(part), part) + ")";
  }
  if (is_float(type)) return float_text(element_as_double(at, type), type);
  if (type == DataType::kPred) return *at != std::byte{0} ? "true" : "false";
  const int64_t value = element_as_integer(at, type);
  return is_unsigned(type) ? std::to_string(static_cast<uint64_t>(value)) : std::to_string(value);
}

// Appends the elements from `at` on as nested lists over dims[dim..].
void append_nested(std::string& out, const DenseElements& elements, size_t dim, const std::byte*& at) {
  const int64_t size = size_of(elements.type.element);
  if (dim == elements.type.dims.size()) {
    out += element_text(at, elements.type.element);
    at += size;
    return;
  }
  out += "[";
  for (int64_t i = 0; i < elements.type.dims[dim]; ++i) {
    if (i) out += ", ";
    append_nested(out, elements, dim + 1, at);
  }
  out += "]";
}

std::string hex_string(const DenseElements& elements) {
  std::vector<std::byte> packed;
  const std::vector<std::byte>* bytes = elements.bytes.get();
  if (elements.type.element == DataType::kPred) {  // eight to the byte, as in MLIR's memory
    packed.resize((bytes->size() + 7) / 8);
    for (size_t i = 0; i < bytes->size(); ++i) {
      if ((*bytes)[i] != std::byte{0}) packed[i / 8] |= std::byte{1} << (i % 8);
    }
    bytes = &packed;
  }
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  std::string out = "\"0x";
  for (std::byte b : *bytes) {
    out += kDigits[static_cast<size_t>(b) >> 4];
    out += kDigits[static_cast<size_t>(b) & 15];
  }
  return out + "\"";
}

}  // namespace

double element_as_double(const std::byte* at, DataType type) {
  switch (type) {
    case DataType::kF64: return load<double>(at);
    case DataType::kF32: return load<float>(at);
    case DataType::kBF16: return std::bit_cast<float>(static_cast<uint32_t>(load<uint16_t>(at)) << 16);
    case DataType::kF16: return static_cast<double>(load<_Float16>(at));
    default: break;
  }
  for (const SmallFloat& format : kSmallFloats) {
    if (format.type == type) return small_float(static_cast<uint8_t>(*at), format);
  }
  fail(ErrorCategory::kInternal, "[ir] ", name(type), " is not a real float type");
}

int64_t element_as_integer(const std::byte* at, DataType type) {
  const bool is_unsigned_type = is_unsigned(type) || type == DataType::kPred;
  switch (size_of(type)) {
    case 1: return is_unsigned_type ? int64_t{load<uint8_t>(at)} : int64_t{load<int8_t>(at)};
    case 2: return is_unsigned_type ? int64_t{load<uint16_t>(at)} : int64_t{load<int16_t>(at)};
    case 4: return is_unsigned_type ? int64_t{load<uint32_t>(at)} : int64_t{load<int32_t>(at)};
    default: return load<int64_t>(at);
  }
}

std::string float_text(double value, DataType type) {
  if (!std::isfinite(value)) return hex(bits_of(value, type));
  const std::string text = decimal_text(value, {.digits = 6, .max_padding = 0, .keep_zeros = true});
  const bool wide = type == DataType::kF64 || type == DataType::kF32;  // six digits tell any narrower format's values apart
  const double parsed = type == DataType::kF64 ? std::strtod(text.c_str(), nullptr) : std::strtof(text.c_str(), nullptr);
  if (parsed == value || !wide) return text;
  std::string longer = decimal_text(value, {.digits = type == DataType::kF64 ? 17 : 9, .max_padding = 3, .keep_zeros = false});
  return longer.find('.') == std::string::npos ? hex(bits_of(value, type)) : longer;
}

std::string quoted(std::string_view text) {
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  std::string out = "\"";
  for (char c : text) {
    if (c == '\\') {
      out += "\\\\";
    } else if (c >= 0x20 && c < 0x7F && c != '"') {
      out += c;
    } else {
      out += {'\\', kDigits[static_cast<uint8_t>(c) >> 4], kDigits[static_cast<uint8_t>(c) & 15]};
    }
  }
  return out + "\"";
}

std::string list_text(std::span<const int64_t> values) {
  std::string out = "[";
  for (size_t i = 0; i < values.size(); ++i) out += (i ? ", " : "") + std::to_string(values[i]);
  return out + "]";
}

Dims integers(const DenseElements& elements) {
  Dims values(static_cast<size_t>(elements.type.num_elements()));
  const auto size = static_cast<size_t>(size_of(elements.type.element));
  for (size_t i = 0; i < values.size(); ++i) {
    values[i] = element_as_integer(elements.bytes->data() + (elements.splat ? 0 : i * size), elements.type.element);
  }
  return values;
}

std::string to_string(const DenseElements& elements) {
  std::string body;
  const int64_t count = elements.type.num_elements();
  if (count > 0 || !elements.type.dims.empty()) {
    const std::byte* at = elements.bytes->data();
    if (elements.splat) {
      body = element_text(at, elements.type.element);
    } else if (count > kHexAbove) {
      body = hex_string(elements);
    } else if (count > 0) {
      append_nested(body, elements, 0, at);
    }
  }
  return "dense<" + body + "> : " + to_string(elements.type);
}

std::string to_string(const AttributeDict& dict) {
  std::vector<const std::pair<std::string, Attribute>*> sorted;
  for (const auto& entry : dict) sorted.push_back(&entry);
  std::sort(sorted.begin(), sorted.end(), [](const auto* a, const auto* b) { return a->first < b->first; });
  std::string out;
  for (const auto* entry : sorted) {
    out += (out.empty() ? "" : ", ") + entry->first;
    if (!std::holds_alternative<std::monostate>(entry->second.value)) out += " = " + to_string(entry->second);
  }
  return "{" + out + "}";
}

std::string to_string(const Attribute& attribute) {
  struct Printer {
    std::optional<DataType> number;
    std::string operator()(std::monostate) const { return "unit"; }
    std::string operator()(bool value) const { return value ? "true" : "false"; }
    std::string operator()(int64_t value) const { return cat(value, " : ", name(number.value_or(DataType::kS64))); }
    std::string operator()(double value) const {
      const DataType type = number.value_or(DataType::kF64);
      return cat(float_text(value, type), " : ", name(type));
    }
    std::string operator()(const std::string& text) const { return quoted(text); }
    std::string operator()(const Dims& dims) const {
      std::string out = "array<i64";
      for (size_t i = 0; i < dims.size(); ++i) out += cat(i ? ", " : ": ", dims[i]);
      return out + ">";
    }
    std::string operator()(const DenseElements& elements) const { return to_string(elements); }
    std::string operator()(const SymbolRef& symbol) const { return "@" + symbol.name; }
    std::string operator()(const Type& type) const { return to_string(type); }
    std::string operator()(const AttributeList& list) const {
      std::string out;
      for (const Attribute& entry : list) out += (out.empty() ? "" : ", ") + to_string(entry);
      return "[" + out + "]";
    }
    std::string operator()(const AttributeDict& dict) const { return to_string(dict); }
    std::string operator()(const Foreign& foreign) const { return foreign.text; }
  };
  return std::visit(Printer{attribute.number}, attribute.value);
}

}  // namespace tt::ir
