// Element types of arrays: names, sizes and classes. Sub-byte types take one byte per element on host and device.
#pragma once

#include <cstdint>
#include <string_view>

namespace tt {

enum class DataType : uint8_t {
  kPred,
  kS2,
  kS4,
  kS8,
  kS16,
  kS32,
  kS64,
  kU2,
  kU4,
  kU8,
  kU16,
  kU32,
  kU64,
  kBF16,
  kF16,
  kF32,
  kF64,
  kF8E3M4,
  kF8E4M3,
  kF8E4M3FN,
  kF8E4M3B11FNUZ,
  kF8E4M3FNUZ,
  kF8E5M2,
  kF8E5M2FNUZ,
  kF8E8M0FNU,
  kF4E2M1FN,
  kC64,
  kC128,
  kBFP8B,
  kBFP4B,  // block formats: 16 elements share an exponent; TILE layout only
};
inline constexpr int kNumDataTypes = static_cast<int>(DataType::kBFP4B) + 1;

enum class TypeClass : uint8_t { kPred, kSigned, kUnsigned, kFloat, kComplex, kBlockFloat };

struct DataTypeInfo {
  DataType type;
  std::string_view name;   // StableHLO's spelling: "i1" "i32" "ui8" "bf16" "f8E4M3FN" "complex<f32>"
  std::string_view numpy;  // numpy's (or ml_dtypes') spelling; empty for block formats
  TypeClass type_class;
  uint8_t bits;  // significant bits of one element
  uint8_t size;  // bytes per element in an array; 0 for block formats
};

const DataTypeInfo& info(DataType type);
inline std::string_view name(DataType type) { return info(type).name; }
inline int64_t size_of(DataType type) { return info(type).size; }
inline bool is_float(DataType type) { return info(type).type_class == TypeClass::kFloat; }
inline bool is_complex(DataType type) { return info(type).type_class == TypeClass::kComplex; }
inline bool is_signed(DataType type) { return info(type).type_class == TypeClass::kSigned; }
inline bool is_unsigned(DataType type) { return info(type).type_class == TypeClass::kUnsigned; }
inline bool is_integer(DataType type) { return is_signed(type) || is_unsigned(type); }
DataType real_part(DataType complex_type);  // c64 -> f32, c128 -> f64; else the type itself

}  // namespace tt
