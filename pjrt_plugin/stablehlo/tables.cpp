// The tables of a bytecode file: where things are, and each decoded once.
#include "stablehlo/tables.hpp"

#include <algorithm>

namespace tt::stablehlo {

using ir::Attribute;
using ir::Type;

namespace {

constexpr int kMaxDepth = 64;
constexpr size_t kFreeCopies = size_t{1} << 20;
constexpr size_t kCopiesPerByte = 64;
enum Section { kStrings, kDialects, kAttrTypes, kAttrTypeOffsets, kIr, kResources, kResourceOffsets, kVersions, kProperties };

// Marks a table entry as being decoded, so that one which contains itself is found.
class Visit {
 public:
  Visit(bool& busy, int& depth, std::string_view what, uint64_t i) : busy_(busy), depth_(depth) {
    if (busy || depth >= kMaxDepth) damaged(cat(what, " that contains itself or is nested too deep:"), i);
    busy_ = true;
    ++depth_;
  }
  ~Visit() {
    busy_ = false;
    --depth_;
  }
  Visit(const Visit&) = delete;
  Visit& operator=(const Visit&) = delete;

 private:
  bool& busy_;
  int& depth_;
};

size_t weight(const Type& type) {
  size_t sum = 1;
  for (const Type& member : type.members) sum += weight(member);
  return sum;
}

size_t weight(const Attribute& attribute) {
  size_t sum = 1;
  if (const auto* text = std::get_if<std::string>(&attribute.value)) sum += text->size() / 16;
  if (const auto* foreign = std::get_if<ir::Foreign>(&attribute.value)) sum += foreign->text.size() / 16;
  if (const auto* dims = std::get_if<Dims>(&attribute.value)) sum += dims->size() / 4;
  if (const auto* type = std::get_if<Type>(&attribute.value)) sum += weight(*type);
  if (const auto* list = std::get_if<ir::AttributeList>(&attribute.value)) {
    for (const Attribute& entry : *list) sum += weight(entry);
  }
  if (const auto* dict = std::get_if<ir::AttributeDict>(&attribute.value)) {
    for (const auto& [key, value] : *dict) sum += 1 + key.size() / 16 + weight(value);
  }
  return sum;
}

}  // namespace

void damaged(std::string_view what, uint64_t value) {
  fail(ErrorCategory::kInvalidArgument, "[payload] ", what, " ", value,
       ": the payload is truncated, damaged or of another version than StableHLO 1.13.7");
}

Tables::Tables(std::array<std::optional<Bytes>, kSections> sections, size_t payload_size)
    : copies_left_(kFreeCopies + kCopiesPerByte * payload_size) {
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
    uint8_t id = 0;
    b.section(id);  // the dialect's version: the producer string has said it
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
  location_of_.resize(attribute_entries_.size());
  types_.resize(type_entries_.size());
}

const std::string& Tables::string(uint64_t i) const {
  if (i >= strings_.size()) damaged("string", i);
  return strings_[i];
}

Bytes Tables::properties(uint64_t i) const {
  if (i >= properties_.size()) damaged("properties", i);
  return properties_[i];
}

const PayloadType& Tables::type(uint64_t i) {
  if (i >= types_.size()) damaged("type", i);
  if (types_[i]) return *types_[i];
  Entry& entry = type_entries_[i];
  const Visit visit(entry.busy, depth_, "a type", i);
  Bytes b = entry.bytes;
  PayloadType type;
  if (entry.custom && entry.dialect == "vhlo") {
    type = vhlo_type(b);
  } else if (entry.custom && entry.dialect == "builtin") {
    type = builtin_type(b);
  } else if (entry.custom && entry.dialect == "stablehlo") {
    type = stablehlo_type(b);
  } else if (!entry.custom) {
    type = named_type(b.c_string());
  } else {
    type.label = cat("a type of dialect ", entry.dialect);
  }
  entry.weight = weight(type.type);
  for (const Type& part : type.arguments) entry.weight += weight(part);
  for (const Type& part : type.results) entry.weight += weight(part);
  types_[i] = std::make_unique<PayloadType>(std::move(type));
  return *types_[i];
}

const Type& Tables::value_type(uint64_t i) {
  const PayloadType& found = type(i);
  if (found.kind == PayloadType::Kind::kOther && !found.label.empty())
    fail(ErrorCategory::kUnimplemented, "[payload] ", found.label, " has no counterpart on tt");
  if (found.kind != PayloadType::Kind::kValue && found.kind != PayloadType::Kind::kElement) damaged("a value of type", i);
  charge(type_entries_[i].weight);
  return found.type;
}

const Attribute& Tables::attribute(uint64_t i) {
  if (i >= attributes_.size()) damaged("attribute", i);
  if (attributes_[i]) return *attributes_[i];
  Entry& entry = attribute_entries_[i];
  const Visit visit(entry.busy, depth_, "an attribute", i);
  Bytes b = entry.bytes;
  Attribute out;
  if (!entry.custom) {
    out.value = std::string(b.c_string());
  } else if (entry.dialect == "vhlo") {
    out = vhlo_attribute(b);
  } else if (entry.dialect == "builtin") {
    out = builtin_attribute(b);
  } else if (entry.dialect == "sdy") {
    out.value = ir::Foreign{cat(ir::kShardyPrefix, shardy_text(b))};
  }
  entry.weight = weight(out);
  attributes_[i] = std::make_unique<Attribute>(std::move(out));
  return *attributes_[i];
}

Attribute Tables::attribute_copy(uint64_t i) {
  const Attribute& found = attribute(i);
  charge(attribute_entries_[i].weight);
  return found;
}

void Tables::charge(size_t weight) {
  require(weight <= copies_left_, "[payload] unfolds into a program far larger than itself: it is damaged or made to do so");
  copies_left_ -= weight;
}

ir::AttributeList Tables::attribute_list(Bytes& b) {
  ir::AttributeList list;
  for (size_t n = b.count(); n > 0; --n) list.push_back(attribute_copy(b.varint()));
  return list;
}

ir::AttributeDict Tables::attribute_dict(Bytes& b) {
  ir::AttributeDict dict;
  for (size_t n = b.count(); n > 0; --n) {
    const auto* key = std::get_if<std::string>(&attribute(b.varint()).value);
    require(key != nullptr, "[payload] a dictionary key that is not a string");
    charge(1 + key->size() / 16);
    std::string name = *key;
    dict.emplace_back(std::move(name), attribute_copy(b.varint()));
  }
  return dict;
}

}  // namespace tt::stablehlo
