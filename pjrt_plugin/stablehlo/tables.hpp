// The tables of a bytecode file: strings, operation names, types and attributes, decoded on first use.
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "ir/ir.hpp"
#include "stablehlo/bytes.hpp"

namespace tt::stablehlo {

// A type of the payload: an element type counts as a tensor without dimensions, a function as its arguments and results.
struct PayloadType {
  enum class Kind : uint8_t { kElement, kValue, kFunction, kOther };
  Kind kind = Kind::kOther;
  ir::Type type;
  std::vector<ir::Type> arguments, results;
  std::string label;  // of a type without a counterpart: "VHLO type code 24", "tf32"
};

[[noreturn]] void damaged(std::string_view what, uint64_t value);

class Tables {
 public:
  static constexpr size_t kSections = 9;
  Tables(std::array<std::optional<Bytes>, kSections> sections, size_t payload_size);

  const std::string& string(uint64_t i) const;
  const std::vector<std::string>& operation_names() const { return operation_names_; }  // "vhlo.add_v1"
  Bytes properties(uint64_t i) const;
  const PayloadType& type(uint64_t i);
  const ir::Type& value_type(uint64_t i);  // of a value; fails with Unimplemented when the IR has no such type
  const ir::Attribute& attribute(uint64_t i);
  ir::Attribute attribute_copy(uint64_t i);  // counted, as value types are: a small payload must not unfold into a large program
  const ir::Location& location(uint64_t i);
  ir::Locations take_locations() { return std::move(locations_); }

 private:
  struct Entry {
    std::string_view dialect;
    bool custom = false;
    Bytes bytes;
    bool busy = false;
    size_t weight = 1;  // what one more copy costs
  };
  void read_strings(Bytes bytes);
  void read_dialects(Bytes bytes);
  void read_offsets(Bytes data, Bytes offsets);
  PayloadType vhlo_type(Bytes& b);
  PayloadType builtin_type(Bytes& b);
  PayloadType stablehlo_type(Bytes& b);
  static PayloadType named_type(std::string_view name);
  PayloadType complex_element(Bytes& b);
  ir::Attribute vhlo_attribute(Bytes& b);
  ir::Attribute builtin_attribute(Bytes& b);
  std::string shardy_text(Bytes& b);  // without "#sdy.sharding"
  std::string shardy_list(Bytes& b, std::string_view open, std::string_view close);
  void charge(size_t weight);
  ir::AttributeList attribute_list(Bytes& b);
  ir::AttributeDict attribute_dict(Bytes& b);
  ir::Location read_location(Bytes b, int depth);
  const ir::Location& location(uint64_t i, int depth);
  static ir::DenseElements elements(const ir::Type& type, std::span<const std::byte> raw);

  std::vector<std::string> strings_;
  std::vector<std::string> dialects_;
  std::vector<std::string> operation_names_;
  std::vector<Bytes> properties_;
  std::vector<Entry> attribute_entries_, type_entries_;
  std::vector<std::unique_ptr<ir::Attribute>> attributes_;
  std::vector<std::unique_ptr<PayloadType>> types_;
  ir::Locations locations_;
  std::vector<const ir::Location*> location_of_;  // attribute
  int depth_ = 0;
  size_t copies_left_;
};

}  // namespace tt::stablehlo
