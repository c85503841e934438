// Text and comparison of types and attributes.
#include "ir/types.hpp"

#include <algorithm>

#include "base/error.hpp"

namespace tt::ir {

std::string to_string(const Type& type) {
  if (type.kind == Type::Kind::kToken) return "!stablehlo.token";
  if (type.kind == Type::Kind::kTuple) {
    std::string out = "tuple<";
    for (size_t i = 0; i < type.members.size(); ++i) out += (i ? ", " : "") + to_string(type.members[i]);
    return out + ">";
  }
  std::string out = "tensor<";
  for (int64_t d : type.dims) out += cat(d, "x");
  return cat(out, name(type.element), ">");
}

bool DenseElements::operator==(const DenseElements& other) const {
  return type == other.type && splat == other.splat && (bytes == other.bytes || *bytes == *other.bytes);
}

bool Attribute::operator==(const Attribute& other) const { return number == other.number && value == other.value; }

}  // namespace tt::ir
