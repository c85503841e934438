// The table of element types.
#include "base/data_type.hpp"

#include <array>

namespace tt {
namespace {

using enum TypeClass;
constexpr std::array<DataTypeInfo, kNumDataTypes> kTypes = {{
    {DataType::kPred, "i1", "bool", kPred, 1, 1},
    {DataType::kS2, "i2", "int2", kSigned, 2, 1},
    {DataType::kS4, "i4", "int4", kSigned, 4, 1},
    {DataType::kS8, "i8", "int8", kSigned, 8, 1},
    {DataType::kS16, "i16", "int16", kSigned, 16, 2},
    {DataType::kS32, "i32", "int32", kSigned, 32, 4},
    {DataType::kS64, "i64", "int64", kSigned, 64, 8},
    {DataType::kU2, "ui2", "uint2", kUnsigned, 2, 1},
    {DataType::kU4, "ui4", "uint4", kUnsigned, 4, 1},
    {DataType::kU8, "ui8", "uint8", kUnsigned, 8, 1},
    {DataType::kU16, "ui16", "uint16", kUnsigned, 16, 2},
    {DataType::kU32, "ui32", "uint32", kUnsigned, 32, 4},
    {DataType::kU64, "ui64", "uint64", kUnsigned, 64, 8},
    {DataType::kBF16, "bf16", "bfloat16", kFloat, 16, 2},
    {DataType::kF16, "f16", "float16", kFloat, 16, 2},
    {DataType::kF32, "f32", "float32", kFloat, 32, 4},
    {DataType::kF64, "f64", "float64", kFloat, 64, 8},
    {DataType::kF8E3M4, "f8E3M4", "float8_e3m4", kFloat, 8, 1},
    {DataType::kF8E4M3, "f8E4M3", "float8_e4m3", kFloat, 8, 1},
    {DataType::kF8E4M3FN, "f8E4M3FN", "float8_e4m3fn", kFloat, 8, 1},
    {DataType::kF8E4M3B11FNUZ, "f8E4M3B11FNUZ", "float8_e4m3b11fnuz", kFloat, 8, 1},
    {DataType::kF8E4M3FNUZ, "f8E4M3FNUZ", "float8_e4m3fnuz", kFloat, 8, 1},
    {DataType::kF8E5M2, "f8E5M2", "float8_e5m2", kFloat, 8, 1},
    {DataType::kF8E5M2FNUZ, "f8E5M2FNUZ", "float8_e5m2fnuz", kFloat, 8, 1},
    {DataType::kF8E8M0FNU, "f8E8M0FNU", "float8_e8m0fnu", kFloat, 8, 1},
    {DataType::kF4E2M1FN, "f4E2M1FN", "float4_e2m1fn", kFloat, 4, 1},
    {DataType::kC64, "complex<f32>", "complex64", kComplex, 64, 8},
    {DataType::kC128, "complex<f64>", "complex128", kComplex, 128, 16},
    {DataType::kBFP8B, "bfp8_b", "", kBlockFloat, 8, 0},
    {DataType::kBFP4B, "bfp4_b", "", kBlockFloat, 4, 0},
}};

}  // namespace

const DataTypeInfo& info(DataType type) { return kTypes[static_cast<size_t>(type)]; }

DataType real_part(DataType type) {
  if (type == DataType::kC64) return DataType::kF32;
  if (type == DataType::kC128) return DataType::kF64;
  return type;
}

}  // namespace tt
