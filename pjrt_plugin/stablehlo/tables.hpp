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
};

class Tables {
 public:
  static constexpr size_t kSections = 9;
  explicit Tables(std::array<std::optional<Bytes>, kSections> sections);

  const std::string& string(uint64_t i) const;
  const std::string& operation_name(uint64_t i) const;  // "vhlo.add_v1"
  Bytes properties(uint64_t i) const;
  const PayloadType& type(uint64_t i);
  const ir::Type& value_type(uint64_t i);
  const ir::Attribute& attribute(uint64_t i);
  std::shared_ptr<const ir::Location> location(uint64_t i);

 private:
  struct Entry {
    std::string_view dialect;
    bool custom = false;
    Bytes bytes;
    bool busy = false;
  };
  void read_strings(Bytes bytes);
  void read_dialects(Bytes bytes);
  void read_offsets(Bytes data, Bytes offsets);
  PayloadType vhlo_type(Bytes& b);
  PayloadType builtin_type(Bytes& b);
  ir::Attribute vhlo_attribute(Bytes& b);
  ir::Attribute builtin_attribute(Bytes& b);
  ir::AttributeList attribute_list(Bytes& b);
  ir::AttributeDict attribute_dict(Bytes& b);
  ir::Location read_location(uint64_t i, int depth);
  ir::DenseElements elements(const ir::Type& type, std::span<const std::byte> raw);

  std::vector<std::string> strings_;
  std::vector<std::string> dialects_;
  std::vector<std::string> operation_names_;
  std::vector<Bytes> properties_;
  std::vector<Entry> attribute_entries_, type_entries_;
  std::vector<std::unique_ptr<ir::Attribute>> attributes_;
  std::vector<std::unique_ptr<PayloadType>> types_;
  std::vector<std::shared_ptr<const ir::Location>> locations_;
  int depth_ = 0;
};

}  // namespace tt::stablehlo
