// Types and attributes of the IR: plain values, compared by content.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "base/data_type.hpp"
#include "base/shape.hpp"

namespace tt::ir {

struct Type {
  enum class Kind : uint8_t { kTensor, kToken, kTuple };

  Kind kind = Kind::kTensor;
  DataType element = DataType::kF32;  // of a tensor
  Dims dims;                          // of a tensor; all static
  std::vector<Type> members;          // of a tuple

  static Type tensor(DataType element, Dims dims) { return {Kind::kTensor, element, std::move(dims), {}}; }
  static Type token() { return {Kind::kToken, DataType::kPred, {}, {}}; }
  bool is_tensor() const { return kind == Kind::kTensor; }
  int64_t num_elements() const { return volume(dims); }
  int64_t num_bytes() const { return num_elements() * size_of(element); }
  bool operator==(const Type&) const = default;
};

std::string to_string(const Type& type);  // "tensor<2x3xf32>"

// The value of a constant: one element when `splat`, else all of them, row-major, in the array encoding of the element type
// (i1 and sub-byte types are unpacked to one byte per element).
struct DenseElements {
  Type type;
  bool splat = false;
  std::shared_ptr<const std::vector<std::byte>> bytes;

  bool operator==(const DenseElements& other) const;
};

struct SymbolRef {
  std::string name;
  bool operator==(const SymbolRef&) const = default;
};

// An attribute of another dialect, kept as its text: "#sdy.sharding<@mesh, [{}]>".
struct Foreign {
  std::string text;
  bool operator==(const Foreign&) const = default;
};

struct Attribute;
using AttributeList = std::vector<Attribute>;
using AttributeDict = std::vector<std::pair<std::string, Attribute>>;  // in the order of the payload

// One attribute value. std::monostate is MLIR's unit attribute; Dims is an integer array; an enum is its StableHLO keyword.
struct Attribute {
  using Value = std::variant<std::monostate, bool, int64_t, double, std::string, Dims, DenseElements, SymbolRef, Type, AttributeList,
                             AttributeDict, Foreign>;
  Value value;
  std::optional<DataType> number;  // the type of an int64_t or double in a dictionary: "3 : i32"

  bool operator==(const Attribute& other) const;
};

}  // namespace tt::ir
