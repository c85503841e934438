// Decoding of the tables of a bytecode file.
#include "stablehlo/tables.hpp"

#include <algorithm>
#include <bit>

namespace tt::stablehlo {

using ir::Attribute;
using ir::Type;

namespace {

constexpr int kMaxDepth = 64;
enum Section { kStrings, kDialects, kAttrTypes, kAttrTypeOffsets, kIr, kResources, kResourceOffsets, kVersions, kProperties };

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

[[noreturn]] void damaged(std::string_view what, uint64_t value) {
  fail(ErrorCategory::kInvalidArgument, "[payload] ", what, " ", value,
       ": the payload is truncated, damaged or of another version than StableHLO 1.13.7");
}

[[noreturn]] void unknown(std::string_view what, uint64_t code) { fail(ErrorCategory::kUnimplemented, "[payload] ", what, " code ", code); }

PayloadType element(DataType type) { return {PayloadType::Kind::kElement, Type::tensor(type, {}), {}, {}}; }

uint64_t read_bits(Bytes& b, int width) { return width <= 8 ? b.byte() : static_cast<uint64_t>(b.signed_varint()); }

double float_value(DataType type, uint64_t bits) {
  switch (type) {
    case DataType::kF64: return std::bit_cast<double>(bits);
    case DataType::kF32: return std::bit_cast<float>(static_cast<uint32_t>(bits));
    case DataType::kBF16: return std::bit_cast<float>(static_cast<uint32_t>(bits) << 16);
    default: unknown("float attribute of element type", static_cast<uint64_t>(type));
  }
}

}  // namespace

Tables::Tables(std::array<std::optional<Bytes>, kSections> sections) {
  for (int i : {kStrings, kDialects, kAttrTypes, kAttrTypeOffsets}) {
    require(sections[static_cast<size_t>(i)].has_value(), "[payload] section ", i, " is missing: the payload is truncated or damaged");
  }
  read_strings(*sections[kStrings]);
  read_dialects(*sections[kDialects]);
  if (sections[kProperties]) {
    Bytes b = *sections[kProperties];
    for (size_t n = b.count(); n > 0; --n) properties_.emplace_back(b.take(b.varint()));
  }
  read_offsets(*sections[kAttrTypes], *sections[kAttrTypeOffsets]);
}

void Tables::read_strings(Bytes b) {
  std::vector<uint64_t> lengths(b.count());
  for (uint64_t& length : lengths) length = b.varint();
  for (size_t i = lengths.size(); i-- > 0;) {  // stored last first
    require(lengths[i] > 0, "[payload] a string of no bytes");
    const auto bytes = b.take(lengths[i]);
    strings_.emplace_back(reinterpret_cast<const char*>(bytes.data()), bytes.size() - 1);
  }
}

void Tables::read_dialects(Bytes b) {
  for (size_t n = b.count(); n > 0; --n) {
    const uint64_t name = b.varint();
    dialects_.push_back(string(name >> 1));
    if ((name & 1) == 0) continue;
    const uint8_t id = b.byte();
    const uint64_t length = b.varint();
    if (id & 0x80) b.align(b.varint());
    b.take(length);
  }
  if (b.at_end()) return;
  b.varint();  // how many operation names there are in all
  while (!b.at_end()) {
    const uint64_t dialect = b.varint();
    if (dialect >= dialects_.size()) damaged("dialect", dialect);
    for (size_t n = b.count(); n > 0; --n) operation_names_.push_back(dialects_[dialect] + "." + string(b.varint() >> 1));
  }
}

void Tables::read_offsets(Bytes data, Bytes offsets) {
  const size_t attributes = static_cast<size_t>(offsets.varint()), types = static_cast<size_t>(offsets.varint());
  for (auto [entries, total] : {std::pair(&attribute_entries_, attributes), std::pair(&type_entries_, types)}) {
    while (entries->size() < total) {
      const uint64_t dialect = offsets.varint();
      if (dialect >= dialects_.size()) damaged("dialect", dialect);
      for (size_t n = offsets.count(); n > 0; --n) {
        const uint64_t size = offsets.varint();
        entries->push_back({dialects_[dialect], (size & 1) != 0, Bytes(data.take(size >> 1)), false});
      }
    }
  }
  attributes_.resize(attribute_entries_.size());
  locations_.resize(attribute_entries_.size());
  types_.resize(type_entries_.size());
}

const std::string& Tables::string(uint64_t i) const {
  if (i >= strings_.size()) damaged("string", i);
  return strings_[i];
}

const std::string& Tables::operation_name(uint64_t i) const {
  if (i >= operation_names_.size()) damaged("operation name", i);
  return operation_names_[i];
}

Bytes Tables::properties(uint64_t i) const {
  if (i >= properties_.size()) damaged("properties", i);
  return properties_[i];
}

const PayloadType& Tables::type(uint64_t i) {
  if (i >= types_.size()) damaged("type", i);
  if (types_[i]) return *types_[i];
  Entry& entry = type_entries_[i];
  if (entry.busy || ++depth_ > kMaxDepth) damaged("a type that contains itself or is nested too deep:", i);
  entry.busy = true;
  Bytes b = entry.bytes;
  PayloadType type;
  if (entry.custom) type = entry.dialect == "vhlo" ? vhlo_type(b) : entry.dialect == "builtin" ? builtin_type(b) : PayloadType{};
  types_[i] = std::make_unique<PayloadType>(std::move(type));
  entry.busy = false;
  --depth_;
  return *types_[i];
}

const Type& Tables::value_type(uint64_t i) {
  const PayloadType& found = type(i);
  if (found.kind != PayloadType::Kind::kValue && found.kind != PayloadType::Kind::kElement) damaged("a value of type", i);
  return found.type;
}

namespace {

Dims read_dims(Bytes& b) {
  Dims dims;
  for (size_t n = b.count(); n > 0; --n) {
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
    case 1: {
      const Type& part = value_type(b.varint());
      return element(part.element == DataType::kF64 ? DataType::kC128 : DataType::kC64);
    }
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
    default: unknown("VHLO type", code);
  }
}

PayloadType Tables::builtin_type(Bytes& b) {
  const uint64_t code = b.varint();
  constexpr DataType kFloats[] = {DataType::kBF16, DataType::kF16, DataType::kF32, DataType::kF64};
  if (code == 0) {
    const uint64_t value = b.varint();
    const bool is_unsigned = (value & 3) == 2;
    switch (value >> 2) {
      case 1: return element(DataType::kPred);
      case 8: return element(is_unsigned ? DataType::kU8 : DataType::kS8);
      case 16: return element(is_unsigned ? DataType::kU16 : DataType::kS16);
      case 32: return element(is_unsigned ? DataType::kU32 : DataType::kS32);
      case 64: return element(is_unsigned ? DataType::kU64 : DataType::kS64);
      default: return {};
    }
  }
  if (code == 1) return element(DataType::kS64);  // index
  if (code >= 3 && code <= 6) return element(kFloats[code - 3]);
  if (code == 13) {
    PayloadType out;
    out.kind = PayloadType::Kind::kValue;
    Dims dims = read_dims(b);
    out.type = Type::tensor(value_type(b.varint()).element, std::move(dims));
    return out;
  }
  return {};
}

const Attribute& Tables::attribute(uint64_t i) {
  if (i >= attributes_.size()) damaged("attribute", i);
  if (attributes_[i]) return *attributes_[i];
  Entry& entry = attribute_entries_[i];
  if (entry.busy || ++depth_ > kMaxDepth) damaged("an attribute that contains itself or is nested too deep:", i);
  entry.busy = true;
  Bytes b = entry.bytes;
  Attribute out;
  if (!entry.custom) {
    out.value = std::string(b.c_string());
  } else if (entry.dialect == "vhlo") {
    out = vhlo_attribute(b);
  } else if (entry.dialect == "builtin") {
    out = builtin_attribute(b);
  }  // other dialects annotate: shardings mean nothing on one device
  attributes_[i] = std::make_unique<Attribute>(std::move(out));
  entry.busy = false;
  --depth_;
  return *attributes_[i];
}

ir::AttributeList Tables::attribute_list(Bytes& b) {
  ir::AttributeList list;
  for (size_t n = b.count(); n > 0; --n) list.push_back(attribute(b.varint()));
  return list;
}

ir::AttributeDict Tables::attribute_dict(Bytes& b) {
  ir::AttributeDict dict;
  for (size_t n = b.count(); n > 0; --n) {
    const auto* key = std::get_if<std::string>(&attribute(b.varint()).value);
    require(key != nullptr, "[payload] a dictionary key that is not a string");
    std::string name = *key;
    dict.emplace_back(std::move(name), attribute(b.varint()));
  }
  return dict;
}

ir::DenseElements Tables::elements(const Type& type, std::span<const std::byte> raw) {
  const auto count = static_cast<size_t>(type.num_elements());
  const auto size = static_cast<size_t>(size_of(type.element));
  ir::DenseElements out{type, false, nullptr};
  std::vector<std::byte> bytes;
  if (type.element == DataType::kPred) {
    const bool all = raw.size() == 1 && (raw[0] == std::byte{0xFF} || raw[0] == std::byte{0});
    require(all || raw.size() == (count + 7) / 8, "[payload] a constant of type ", to_string(type), " with ", raw.size(), " bytes");
    out.splat = all && count != 1;
    bytes.resize(all ? 1 : count);
    for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = (raw[i / 8] >> (i % 8)) & std::byte{1};
  } else {
    require(raw.size() == size || raw.size() == size * count, "[payload] a constant of type ", to_string(type), " with ", raw.size(),
            " bytes");
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
    return {std::string(row.names[value])};
  }
  switch (code) {
    case 1: return {attribute_list(b)};
    case 2: return {b.varint() != 0};
    case 6: return {attribute_dict(b)};
    case 8: {
      const DataType type = value_type(b.varint()).element;
      return {float_value(type, read_bits(b, info(type).bits))};
    }
    case 9: {
      const DataType type = value_type(b.varint()).element;
      const uint64_t bits = read_bits(b, info(type).bits);
      return {static_cast<int64_t>(
          info(type).bits <= 8 && is_signed(type) ? static_cast<uint64_t>(static_cast<int64_t>(static_cast<int8_t>(bits))) : bits)};
    }
    case 10: {  // output tuple indices, operand index, operand tuple indices
      ir::AttributeList list;
      Dims dims;
      for (size_t n = b.count(); n > 0; --n) dims.push_back(b.signed_varint());
      list.push_back({dims});
      list.push_back({b.signed_varint()});
      dims.clear();
      for (size_t n = b.count(); n > 0; --n) dims.push_back(b.signed_varint());
      list.push_back({dims});
      return {std::move(list)};
    }
    case 14: return {string(b.varint())};
    case 15: {
      const Type type = value_type(b.varint());
      return {elements(type, b.take(b.varint()))};
    }
    case 17: {
      const PayloadType& found = type(b.varint());
      if (found.kind == PayloadType::Kind::kOther) return {std::monostate{}};
      if (found.kind != PayloadType::Kind::kFunction) return {found.type};
      Type both;
      both.kind = Type::Kind::kTuple;
      both.members.resize(2);
      both.members[0].kind = both.members[1].kind = Type::Kind::kTuple;
      both.members[0].members = found.arguments;
      both.members[1].members = found.results;
      return {std::move(both)};
    }
    case 20: return {std::monostate{}};  // how accurate a result must be: ours meet the default
    default: unknown("VHLO attribute", code);
  }
}

Attribute Tables::builtin_attribute(Bytes& b) {
  const uint64_t code = b.varint();
  switch (code) {
    case 0: return {attribute_list(b)};
    case 1: return {attribute_dict(b)};
    case 2:
    case 3: return {string(b.varint())};
    case 4: {
      const auto* name = std::get_if<std::string>(&attribute(b.varint()).value);
      require(name != nullptr, "[payload] a symbol whose name is not a string");
      return {ir::SymbolRef{*name}};
    }
    case 6: return {value_type(b.varint())};
    case 8: {
      const DataType type = value_type(b.varint()).element;
      return {type == DataType::kPred ? Attribute{read_bits(b, 1) != 0} : Attribute{static_cast<int64_t>(read_bits(b, info(type).bits))}};
    }
    case 9: {
      const DataType type = value_type(b.varint()).element;
      return {float_value(type, read_bits(b, info(type).bits))};
    }
    case 18: {
      const Type type = value_type(b.varint());
      return {elements(type, b.take(b.varint()))};
    }
    default: return {std::monostate{}};  // unit, locations and what we have no use for
  }
}

std::shared_ptr<const ir::Location> Tables::location(uint64_t i) {
  if (i >= locations_.size()) damaged("location", i);
  if (!locations_[i]) locations_[i] = std::make_shared<const ir::Location>(read_location(i, 0));
  return locations_[i];
}

// JAX names an operation, then lists its frames from the innermost out; the innermost is the user's.
ir::Location Tables::read_location(uint64_t i, int depth) {
  if (i >= attribute_entries_.size()) damaged("location", i);
  const Entry& entry = attribute_entries_[i];
  ir::Location out;
  if (depth > kMaxDepth || !entry.custom || entry.dialect != "builtin") return out;
  Bytes b = entry.bytes;
  const auto text = [&](uint64_t index) {
    const auto* found = std::get_if<std::string>(&attribute(index).value);
    return found == nullptr ? std::string() : *found;
  };
  switch (b.varint()) {
    case 10: return read_location(b.varint(), depth + 1);  // a call site: callee, caller
    case 11:
      out.file = text(b.varint());
      out.line = static_cast<int64_t>(b.varint());
      return out;
    case 12: return b.count() == 0 ? out : read_location(b.varint(), depth + 1);
    case 14: {
      std::string name = text(b.varint());
      out = read_location(b.varint(), depth + 1);
      out.name = std::move(name);
      return out;
    }
    case 22:
      out.file = text(b.varint());
      if (b.count() > 0) out.line = static_cast<int64_t>(b.varint());
      return out;
    default: return out;
  }
}

}  // namespace tt::stablehlo
