// Decoding of types, attributes and locations: their codes in the bytecode of VHLO, MLIR's own dialect and Shardy.
#include <algorithm>
#include <bit>

#include "ir/attribute_text.hpp"
#include "stablehlo/tables.hpp"

namespace tt::stablehlo {

using ir::Attribute;
using ir::Type;

namespace {

constexpr int kMaxFrames = 1000;  // of a Python stack; the rest is unknown
constexpr size_t kMaxRank = 64;

struct ElementCode {
  uint64_t code;
  DataType type;
};

// VHLO's codes of element types.
constexpr ElementCode kVhloElements[] = {
    {0, DataType::kPred},        {2, DataType::kBF16},        {3, DataType::kF16},
    {4, DataType::kF32},         {5, DataType::kF64},         {6, DataType::kF8E4M3FN},
    {7, DataType::kF8E5M2},      {9, DataType::kS64},         {10, DataType::kS4},
    {11, DataType::kS8},         {12, DataType::kS16},        {13, DataType::kS32},
    {14, DataType::kS64},        {15, DataType::kU4},         {16, DataType::kU8},
    {17, DataType::kU16},        {18, DataType::kU32},        {19, DataType::kU64},
    {27, DataType::kF8E4M3FNUZ}, {28, DataType::kF8E5M2FNUZ}, {29, DataType::kF8E4M3B11FNUZ},
    {31, DataType::kS2},         {32, DataType::kU2},         {35, DataType::kF8E4M3},
    {36, DataType::kF8E3M4},     {37, DataType::kF4E2M1FN},   {40, DataType::kF8E8M0FNU},
};

struct EnumNames {
  uint64_t code;
  std::array<std::string_view, 6> names;
};

constexpr EnumNames kVhloEnums[] = {
    {3, {"EQ", "NE", "GE", "GT", "LE", "LT"}},
    {4, {"NOTYPE", "FLOAT", "TOTALORDER", "SIGNED", "UNSIGNED"}},
    {5,
     {"API_VERSION_UNSPECIFIED", "API_VERSION_ORIGINAL", "API_VERSION_STATUS_RETURNING", "API_VERSION_STATUS_RETURNING_UNIFIED",
      "API_VERSION_TYPED_FFI"}},
    {7, {"FFT", "IFFT", "RFFT", "IRFFT"}},
    {11, {"DEFAULT", "HIGH", "HIGHEST"}},
    {12, {"DEFAULT", "THREE_FRY", "PHILOX"}},
    {13, {"", "UNIFORM", "NORMAL"}},
    {16, {"TRANSPOSE_INVALID", "NO_TRANSPOSE", "TRANSPOSE", "ADJOINT"}},
    {19, {"DEFAULT", "HIGHEST", "TOLERANCE"}},
};

[[noreturn]] void unknown(std::string_view what, uint64_t code) {
  fail(ErrorCategory::kUnimplemented, "[payload] ", what, " code ", code, " has no counterpart on tt");
}

PayloadType without_counterpart(std::string label) {
  PayloadType out;
  out.label = std::move(label);
  return out;
}

PayloadType element(DataType type) { return {PayloadType::Kind::kElement, Type::tensor(type, {}), {}, {}, {}}; }

uint64_t read_bits(Bytes& b, int width) { return width <= 8 ? b.byte() : static_cast<uint64_t>(b.signed_varint()); }

double float_value(DataType type, uint64_t bits) {
  switch (type) {
    case DataType::kF64: return std::bit_cast<double>(bits);
    case DataType::kF32: return std::bit_cast<float>(static_cast<uint32_t>(bits));
    case DataType::kBF16: return std::bit_cast<float>(static_cast<uint32_t>(bits) << 16);
    case DataType::kF16: return static_cast<double>(std::bit_cast<_Float16>(static_cast<uint16_t>(bits)));
    default: unknown("float attribute of element type", static_cast<uint64_t>(type));
  }
}

Attribute float_attribute(DataType type, Bytes& b) {
  Attribute out{float_value(type, read_bits(b, info(type).bits)), {}};
  if (type != DataType::kF64) out.number = type;
  return out;
}

Attribute integer_attribute(DataType type, Bytes& b) {
  const int width = info(type).bits;
  const uint64_t bits = read_bits(b, width);
  if (type == DataType::kPred) return {bits != 0, {}};
  const bool small = width <= 8 && is_signed(type);
  const int unused = 64 - width;
  Attribute out{small ? static_cast<int64_t>(bits << unused) >> unused : static_cast<int64_t>(bits), {}};
  if (type != DataType::kS64) out.number = type;
  return out;
}

Dims read_dims(Bytes& b) {
  Dims dims;
  size_t rank = b.count();
  if (rank > kMaxRank) damaged("a tensor of rank", rank);
  for (; rank > 0; --rank) {
    const int64_t size = b.signed_varint();
    if (size < 0) fail(ErrorCategory::kUnimplemented, "[payload] a tensor of dynamic shape; export the program with static shapes");
    dims.push_back(size);
  }
  int64_t elements = 1;
  for (int64_t d : dims) {
    if (__builtin_mul_overflow(elements, std::max<int64_t>(d, 1), &elements) || elements > (int64_t{1} << 48))
      damaged("a tensor with a dimension of", static_cast<uint64_t>(d));
  }
  return dims;
}

}  // namespace

PayloadType Tables::vhlo_type(Bytes& b) {
  const uint64_t code = b.varint();
  for (const ElementCode& row : kVhloElements) {
    if (row.code == code) return element(row.type);
  }
  PayloadType out;
  out.kind = PayloadType::Kind::kValue;
  switch (code) {
    case 1: return complex_element(b);
    case 8:
      out.kind = PayloadType::Kind::kFunction;
      for (size_t n = b.count(); n > 0; --n) out.arguments.push_back(value_type(b.varint()));
      for (size_t n = b.count(); n > 0; --n) out.results.push_back(value_type(b.varint()));
      return out;
    case 20:
    case 21: {
      if (code == 21) b.varint();  // an encoding
      Dims dims = read_dims(b);
      out.type = Type::tensor(value_type(b.varint()).element, std::move(dims));
      return out;
    }
    case 22: out.type = Type::token(); return out;
    case 23:
      out.type.kind = Type::Kind::kTuple;
      for (size_t n = b.count(); n > 0; --n) out.type.members.push_back(value_type(b.varint()));
      return out;
    case 33: return {};  // none: the absent algorithm of a dot_general
    case 34: return without_counterpart("tf32");
    default: return without_counterpart(cat("VHLO type code ", code));
  }
}

PayloadType Tables::complex_element(Bytes& b) {
  return element(value_type(b.varint()).element == DataType::kF64 ? DataType::kC128 : DataType::kC64);
}

// Inside Shardy's regions types are StableHLO's own.
PayloadType Tables::stablehlo_type(Bytes& b) {
  const uint64_t code = b.varint();
  if (code != 0) return without_counterpart(cat("StableHLO type code ", code));
  PayloadType out;
  out.kind = PayloadType::Kind::kValue;
  out.type = Type::token();
  return out;
}

// A type without an encoding of its own is there as text.
PayloadType Tables::named_type(std::string_view name) {
  for (int i = 0; i < kNumDataTypes; ++i) {
    const DataTypeInfo& type = info(static_cast<DataType>(i));
    if (type.name == name && type.type_class != TypeClass::kBlockFloat) return element(type.type);
  }
  return without_counterpart(std::string(name));
}

PayloadType Tables::builtin_type(Bytes& b) {
  const uint64_t code = b.varint();
  constexpr DataType kFloats[] = {DataType::kBF16, DataType::kF16, DataType::kF32, DataType::kF64};
  if (code == 0) {
    const uint64_t value = b.varint();
    const bool is_unsigned = (value & 3) == 2;
    switch (value >> 2) {
      case 1: return element(DataType::kPred);
      case 2: return element(is_unsigned ? DataType::kU2 : DataType::kS2);
      case 4: return element(is_unsigned ? DataType::kU4 : DataType::kS4);
      case 8: return element(is_unsigned ? DataType::kU8 : DataType::kS8);
      case 16: return element(is_unsigned ? DataType::kU16 : DataType::kS16);
      case 32: return element(is_unsigned ? DataType::kU32 : DataType::kS32);
      case 64: return element(is_unsigned ? DataType::kU64 : DataType::kS64);
      default: return {};
    }
  }
  if (code == 1) return element(DataType::kS64);  // index
  if (code >= 3 && code <= 6) return element(kFloats[code - 3]);
  if (code == 9) return complex_element(b);
  if (code == 13) {
    PayloadType out;
    out.kind = PayloadType::Kind::kValue;
    Dims dims = read_dims(b);
    out.type = Type::tensor(value_type(b.varint()).element, std::move(dims));
    return out;
  }
  return {};
}

ir::DenseElements Tables::elements(const Type& type, std::span<const std::byte> raw) {
  require(type.is_tensor(), "[payload] a constant of type ", Text(type));
  const auto count = static_cast<size_t>(type.num_elements());
  const auto size = static_cast<size_t>(size_of(type.element));
  ir::DenseElements out{type, false, nullptr};
  std::vector<std::byte> bytes;
  if (type.element == DataType::kPred) {
    const bool all = raw.size() == 1 && (raw[0] == std::byte{0xFF} || raw[0] == std::byte{0});
    require(all || raw.size() == (count + 7) / 8, "[payload] a constant of type ", Text(type), " with ", raw.size(), " bytes");
    out.splat = all && count != 1;
    bytes.resize(all ? 1 : count);
    for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = (raw[i / 8] >> (i % 8)) & std::byte{1};
  } else {
    require(raw.size() == size || raw.size() == size * count, "[payload] a constant of type ", Text(type), " with ", raw.size(), " bytes");
    out.splat = raw.size() == size && count != 1;
    bytes.assign(raw.begin(), raw.end());
    const int unused = 8 - info(type.element).bits;
    if (unused > 0 && is_signed(type.element)) {
      for (std::byte& b : bytes) b = static_cast<std::byte>(static_cast<int8_t>(static_cast<uint8_t>(b) << unused) >> unused);
    }
  }
  out.bytes = std::make_shared<const std::vector<std::byte>>(std::move(bytes));
  return out;
}

Attribute Tables::vhlo_attribute(Bytes& b) {
  const uint64_t code = b.varint();
  for (const EnumNames& row : kVhloEnums) {
    if (row.code != code) continue;
    const uint64_t value = b.varint();
    if (value >= row.names.size()) damaged("an enumeration value of", value);
    return {std::string(row.names[value]), {}};
  }
  switch (code) {
    case 1: return {attribute_list(b), {}};
    case 2: return {b.varint() != 0, {}};
    case 6: return {attribute_dict(b), {}};
    case 8: return float_attribute(value_type(b.varint()).element, b);
    case 9: return integer_attribute(value_type(b.varint()).element, b);
    case 10: {  // output tuple indices, operand index, operand tuple indices
      ir::AttributeList list;
      Dims dims;
      for (size_t n = b.count(); n > 0; --n) dims.push_back(b.signed_varint());
      list.push_back({dims, {}});
      list.push_back({b.signed_varint(), {}});
      dims.clear();
      for (size_t n = b.count(); n > 0; --n) dims.push_back(b.signed_varint());
      list.push_back({dims, {}});
      return {std::move(list), {}};
    }
    case 14: return {string(b.varint()), {}};
    case 15: {
      const Type type = value_type(b.varint());
      return {elements(type, b.take(b.varint())), {}};
    }
    case 17: {
      const uint64_t index = b.varint();
      const PayloadType& found = type(index);
      if (found.kind == PayloadType::Kind::kOther) {
        if (found.label.empty()) return {};
        return {found.label, {}};
      }
      charge(type_entries_[index].weight);
      if (found.kind != PayloadType::Kind::kFunction) return {found.type, {}};
      Type both;
      both.kind = Type::Kind::kTuple;
      both.members.resize(2);
      both.members[0].kind = both.members[1].kind = Type::Kind::kTuple;
      both.members[0].members = found.arguments;
      both.members[1].members = found.results;
      return {std::move(both), {}};
    }
    case 18: {
      Dims bounds;
      for (size_t n = b.count(); n > 0; --n) bounds.push_back(b.signed_varint());
      return {std::move(bounds), {}};
    }
    case 20: {  // how accurate a result must be
      ir::AttributeDict accuracy;
      for (const char* key : {"atol", "rtol"}) accuracy.emplace_back(key, Attribute{float_value(DataType::kF64, read_bits(b, 64)), {}});
      accuracy.emplace_back("ulps", Attribute{b.signed_varint(), {}});
      accuracy.emplace_back("mode", attribute_copy(b.varint()));
      const auto* mode = std::get_if<std::string>(&accuracy.back().second.value);
      if (mode != nullptr && *mode == "DEFAULT") return {};
      return {std::move(accuracy), {}};
    }
    default: unknown("VHLO attribute", code);
  }
}

Attribute Tables::builtin_attribute(Bytes& b) {
  const uint64_t code = b.varint();
  switch (code) {
    case 0: return {attribute_list(b), {}};
    case 1: return {attribute_dict(b), {}};
    case 2:
    case 3: return {string(b.varint()), {}};
    case 4: {
      const auto* name = std::get_if<std::string>(&attribute(b.varint()).value);
      require(name != nullptr, "[payload] a symbol whose name is not a string");
      return {ir::SymbolRef{*name}, {}};
    }
    case 6: return {value_type(b.varint()), {}};
    case 8: return integer_attribute(value_type(b.varint()).element, b);
    case 9: return float_attribute(value_type(b.varint()).element, b);
    case 18: {
      const Type type = value_type(b.varint());
      return {elements(type, b.take(b.varint())), {}};
    }
    default: return {};  // unit, locations and what we have no use for
  }
}

const ir::Location& Tables::location(uint64_t i) { return location(i, 0); }

const ir::Location& Tables::location(uint64_t i, int depth) {
  if (i >= location_of_.size()) damaged("location", i);
  if (location_of_[i] != nullptr) return *location_of_[i];
  Entry& entry = attribute_entries_[i];
  if (entry.busy) damaged("a location that contains itself:", i);
  if (depth > kMaxFrames || !entry.custom || entry.dialect != "builtin") return ir::kUnknownLocation;
  entry.busy = true;
  ir::Location read = read_location(entry.bytes, depth);
  entry.busy = false;
  const bool says_something = read.kind != ir::Location::Kind::kUnknown;
  location_of_[i] = says_something ? &locations_.emplace_back(std::move(read)) : &ir::kUnknownLocation;
  return *location_of_[i];
}

ir::Location Tables::read_location(Bytes b, int depth) {
  using Kind = ir::Location::Kind;
  ir::Location out;
  const auto text = [&] {
    const auto* found = std::get_if<std::string>(&attribute(b.varint()).value);
    if (found == nullptr) return;
    charge(1 + found->size() / 16);
    out.text = *found;
  };
  const auto inside = [&] { out.inside.push_back(&location(b.varint(), depth + 1)); };
  const uint64_t code = b.varint();
  switch (code) {
    case 10:  // a call site: callee, caller
      out.kind = Kind::kCallSite;
      inside();
      inside();
      break;
    case 12:
    case 13:  // with metadata
      out.kind = Kind::kFused;
      for (size_t n = b.count(); n > 0; --n) inside();
      if (code == 13) out.text = ir::to_string(attribute_copy(b.varint()));
      break;
    case 14:
      out.kind = Kind::kName;
      text();
      inside();
      if (out.inside[0]->kind == Kind::kUnknown) out.inside.clear();
      break;
    case 11:
    case 22: {  // one place; or up to four numbers: the more there are, the less goes without saying
      out.kind = Kind::kFile;
      text();
      auto& [line, column, last_line, last_column] = out.range;
      const size_t n = code == 11 ? 2 : b.count();
      if (n > 0) line = last_line = b.varint();
      if (n > 1) column = last_column = b.varint();
      if (n > 3) last_line = b.varint();
      if (n > 2) last_column = b.varint();
      break;
    }
    default: break;
  }
  return out;
}

}  // namespace tt::stablehlo
