// Loads, stores and roundings: between arrays of every element type and registers.
#include "emulator/float_formats.hpp"
#include "emulator/simd/quantise.hpp"
#include "emulator/simd/vec.hpp"

namespace tt::emulator::TT_SIMD {
namespace {

template <class T>
using Packed [[gnu::aligned(1), gnu::may_alias]] = T;  // an element of an array of any alignment

template <class T>
void zero_padding(T* reg, size_t n) {
  for (size_t i = n, end = padded(n); i < end; ++i) reg[i] = T{};
}

// Registers whose lane is the storage type.
template <size_t size>
void load_plain(const std::byte* source, void* reg, size_t n) {
  std::memcpy(reg, source, n * size);
  std::memset(static_cast<std::byte*>(reg) + n * size, 0, (padded(n) - n) * size);
}
template <size_t size>
void store_plain(const void* reg, std::byte* destination, size_t n) {
  std::memcpy(destination, reg, n * size);
}

// Integers narrower than 32 bits, in storage type T with B significant bits.
template <class L, int B>
TT_INLINE L wrap(L value) {
  if constexpr (B == 32) return value;
  if constexpr (static_cast<L>(-1) < 0) return static_cast<L>(static_cast<uint32_t>(value) << (32 - B)) >> (32 - B);
  return value & static_cast<L>((uint64_t{1} << B) - 1);
}
template <class T, class L, int B>
void load_narrow(const std::byte* source, void* reg, size_t n) {
  const auto* from = reinterpret_cast<const Packed<T>*>(source);
  auto* to = static_cast<L*>(reg);
  for (size_t i = 0; i < n; ++i) to[i] = wrap<L, B>(static_cast<L>(from[i]));
  zero_padding(to, n);
}
template <class T, class L>
void store_narrow(const void* reg, std::byte* destination, size_t n) {
  const auto* from = static_cast<const L*>(reg);
  auto* to = reinterpret_cast<Packed<T>*>(destination);
  for (size_t i = 0; i < n; ++i) to[i] = static_cast<T>(from[i]);
}
template <class L, int B>
void round_narrow(void* reg, size_t n) {
  auto* r = static_cast<L*>(reg);
  for (size_t i = 0, end = padded(n); i < end; ++i) r[i] = wrap<L, B>(r[i]);
}

void load_pred(const std::byte* source, void* reg, size_t n) {
  const auto* from = reinterpret_cast<const uint8_t*>(source);
  auto* to = static_cast<uint32_t*>(reg);
  for (size_t i = 0; i < n; ++i) to[i] = from[i] != 0;
  zero_padding(to, n);
}

void load_bf16(const std::byte* source, void* reg, size_t n) {
  const auto* from = reinterpret_cast<const Packed<uint16_t>*>(source);
  auto* to = static_cast<uint32_t*>(reg);
  for (size_t i = 0; i < n; ++i) to[i] = static_cast<uint32_t>(from[i]) << 16;
  zero_padding(to, n);
}
void store_bf16(const void* reg, std::byte* destination, size_t n) {
  const auto* from = static_cast<const uint32_t*>(reg);
  auto* to = reinterpret_cast<Packed<uint16_t>*>(destination);
  for (size_t i = 0; i < n; ++i) to[i] = static_cast<uint16_t>(from[i] >> 16);
}

// f16: by arithmetic on the fields, so that the loop vectorises: denormals are integers times 2^-24.
void load_f16(const std::byte* source, void* reg, size_t n) {
  const auto* from = reinterpret_cast<const Packed<uint16_t>*>(source);
  auto* to = static_cast<uint32_t*>(reg);
  for (size_t i = 0; i < n; ++i) {
    const uint32_t code = from[i];
    const uint32_t magnitude = code & 0x7fff;
    const uint32_t normal = (magnitude << 13) + (112u << 23);
    const uint32_t special = magnitude << 13 | 0x7f800000u;  // NaNs keep their payload
    const uint32_t tiny = std::bit_cast<uint32_t>(static_cast<float>(static_cast<int32_t>(magnitude)) * 0x1p-24f);
    const uint32_t value = magnitude >= 0x7c00 ? special : magnitude < 0x400 ? tiny : normal;
    to[i] = value | (code & 0x8000) << 16;
  }
  zero_padding(to, n);
}
void store_f16(const void* reg, std::byte* destination, size_t n) {
  const auto* from = static_cast<const uint32_t*>(reg);
  auto* to = reinterpret_cast<Packed<uint16_t>*>(destination);
  for (size_t i = 0; i < n; ++i) {
    const uint32_t magnitude = from[i] & 0x7fffffff;
    const uint32_t special = (magnitude >> 13 & 0x3ff) | 0x7c00;
    const uint32_t tiny =
        static_cast<uint32_t>(static_cast<int32_t>(std::bit_cast<float>(magnitude < (113u << 23) ? magnitude : 0) * 0x1p24f));
    const uint32_t normal = (magnitude - (112u << 23)) >> 13;
    const uint32_t code = magnitude >= 0x7f800000u ? special : magnitude < (113u << 23) ? tiny : normal;
    to[i] = static_cast<uint16_t>(code | (from[i] >> 31) << 15);
  }
}

// 8 bits and fewer: loads through a table of all codes.
struct DecodeTable {
  uint32_t value[256];
};
constexpr DecodeTable decode_table(DataType type) {
  DecodeTable table{};
  for (uint32_t code = 0; code < 256; ++code) {
    if (type == DataType::kF8E8M0FNU) {
      table.value[code] = code == 255 ? 0x7fc00000u : code == 0 ? 0x00400000u : code << 23;
    } else {
      const FloatFormat format = float_format(type);
      table.value[code] = decode_float(format, code & ((2u << (format.exponent_bits + format.mantissa_bits)) - 1));
    }
  }
  return table;
}
template <DataType type>
void load_f8(const std::byte* source, void* reg, size_t n) {
  static constexpr DecodeTable kTable = decode_table(type);
  const auto* from = reinterpret_cast<const uint8_t*>(source);
  auto* to = static_cast<uint32_t*>(reg);
  for (size_t i = 0; i < n; ++i) to[i] = kTable.value[from[i]];
  zero_padding(to, n);
}
template <DataType type>
void store_f8(const void* reg, std::byte* destination, size_t n) {
  constexpr FloatFormat f = float_format(type);
  constexpr uint32_t smallest_normal = static_cast<uint32_t>(128 - f.bias) << 23;
  constexpr int sign_shift = f.exponent_bits + f.mantissa_bits;
  const auto* from = static_cast<const uint32_t*>(reg);
  auto* to = reinterpret_cast<uint8_t*>(destination);
  for (size_t i = 0; i < n; ++i) {
    const uint32_t magnitude = from[i] & 0x7fffffff, sign = from[i] >> 31;
    const float tiny = std::bit_cast<float>(magnitude < smallest_normal ? magnitude : 0);
    constexpr float kDenormalScale = static_cast<float>(uint64_t{1} << (f.bias - 1 + f.mantissa_bits));
    uint32_t code = magnitude < smallest_normal ? static_cast<uint32_t>(static_cast<int32_t>(tiny * kDenormalScale))
                                                : (magnitude - (static_cast<uint32_t>(127 - f.bias) << 23)) >> (23 - f.mantissa_bits);
    if constexpr (f.specials == Specials::kIeee) {
      constexpr uint32_t kInfinity = ((1u << f.exponent_bits) - 1) << f.mantissa_bits;
      const uint32_t payload = magnitude >> (23 - f.mantissa_bits) & ((1u << f.mantissa_bits) - 1);
      code = magnitude >= 0x7f800000u ? kInfinity | payload : code;
    } else if constexpr (f.specials == Specials::kNanOnly) {
      code = magnitude > 0x7f800000u ? (1u << sign_shift) - 1 : code;
    }
    code |= sign << sign_shift;
    if constexpr (f.specials == Specials::kUnsigned0) code = magnitude > 0x7f800000u ? 1u << sign_shift : code;
    to[i] = static_cast<uint8_t>(code);
  }
}
void store_e8m0(const void* reg, std::byte* destination, size_t n) {
  const auto* from = static_cast<const uint32_t*>(reg);
  auto* to = reinterpret_cast<uint8_t*>(destination);
  for (size_t i = 0; i < n; ++i) to[i] = static_cast<uint8_t>(from[i] >= 0x7f800000u ? 255 : from[i] >> 23);
}

template <DataType type>
void round_f32(void* reg, size_t n) {
  auto* r = static_cast<float*>(reg);
  constexpr size_t w = kVectorBytes / sizeof(float);
  for (size_t i = 0, end = padded(n); i < end; i += w) store(r + i, quantise<type>(load<Vec<float>>(r + i)));
}

template <DataType type>
void install_f8(Engine& engine) {
  constexpr size_t i = static_cast<size_t>(type);
  engine.load[i] = load_f8<type>;
  if constexpr (type == DataType::kF8E8M0FNU) {
    engine.store[i] = store_e8m0;
  } else {
    engine.store[i] = store_f8<type>;
  }
  engine.round[i] = round_f32<type>;
}

struct Row {
  DataType type;
  LoadFunction load;
  StoreFunction store;
  RoundFunction round;
};
constexpr Row kRows[] = {
    {DataType::kPred, load_pred, store_narrow<uint8_t, uint32_t>, nullptr},
    {DataType::kS2, load_narrow<int8_t, int32_t, 2>, store_narrow<int8_t, int32_t>, round_narrow<int32_t, 2>},
    {DataType::kS4, load_narrow<int8_t, int32_t, 4>, store_narrow<int8_t, int32_t>, round_narrow<int32_t, 4>},
    {DataType::kS8, load_narrow<int8_t, int32_t, 8>, store_narrow<int8_t, int32_t>, round_narrow<int32_t, 8>},
    {DataType::kS16, load_narrow<int16_t, int32_t, 16>, store_narrow<int16_t, int32_t>, round_narrow<int32_t, 16>},
    {DataType::kU2, load_narrow<uint8_t, uint32_t, 2>, store_narrow<uint8_t, uint32_t>, round_narrow<uint32_t, 2>},
    {DataType::kU4, load_narrow<uint8_t, uint32_t, 4>, store_narrow<uint8_t, uint32_t>, round_narrow<uint32_t, 4>},
    {DataType::kU8, load_narrow<uint8_t, uint32_t, 8>, store_narrow<uint8_t, uint32_t>, round_narrow<uint32_t, 8>},
    {DataType::kU16, load_narrow<uint16_t, uint32_t, 16>, store_narrow<uint16_t, uint32_t>, round_narrow<uint32_t, 16>},
    {DataType::kS32, load_plain<4>, store_plain<4>, nullptr},
    {DataType::kU32, load_plain<4>, store_plain<4>, nullptr},
    {DataType::kF32, load_plain<4>, store_plain<4>, nullptr},
    {DataType::kS64, load_plain<8>, store_plain<8>, nullptr},
    {DataType::kU64, load_plain<8>, store_plain<8>, nullptr},
    {DataType::kF64, load_plain<8>, store_plain<8>, nullptr},
    {DataType::kC64, load_plain<8>, store_plain<8>, nullptr},
    {DataType::kC128, load_plain<16>, store_plain<16>, nullptr},
    {DataType::kBF16, load_bf16, store_bf16, round_f32<DataType::kBF16>},
    {DataType::kF16, load_f16, store_f16, round_f32<DataType::kF16>},
};

}  // namespace

void install_formats(Engine& engine) {
  for (const Row& row : kRows) {
    const auto i = static_cast<size_t>(row.type);
    engine.load[i] = row.load;
    engine.store[i] = row.store;
    engine.round[i] = row.round;
  }
  install_f8<DataType::kF8E3M4>(engine);
  install_f8<DataType::kF8E4M3>(engine);
  install_f8<DataType::kF8E4M3FN>(engine);
  install_f8<DataType::kF8E4M3B11FNUZ>(engine);
  install_f8<DataType::kF8E4M3FNUZ>(engine);
  install_f8<DataType::kF8E5M2>(engine);
  install_f8<DataType::kF8E5M2FNUZ>(engine);
  install_f8<DataType::kF8E8M0FNU>(engine);
  install_f8<DataType::kF4E2M1FN>(engine);
}

}  // namespace tt::emulator::TT_SIMD
