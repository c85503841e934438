// What StableHLO demands of an operation beyond its numbers of operands and results: attributes, types, shapes, regions.
#pragma once

#include "base/error.hpp"
#include "ir/ir.hpp"

namespace tt::ir {

void check_rules(const Operation& op);  // InvalidArgument names the operation, its location and the rule; operands are defined already

// Parts of messages: written out only when a rule is broken.
struct ShownType {
  const Type& type;
  friend std::ostream& operator<<(std::ostream& out, const ShownType& shown) { return out << to_string(shown.type); }
};
struct ShownDims {
  const Dims& dims;
  friend std::ostream& operator<<(std::ostream& out, const ShownDims& shown) { return out << tt::to_string(shown.dims); }
};
inline ShownType show(const Type& type) { return {type}; }
inline ShownDims show(const Dims& dims) { return {dims}; }

// "the result", "operand 1", "argument 0 of region 1"
struct Which {
  constexpr Which(const char* name, size_t index = kNone, const char* inside = nullptr, size_t outer = 0)
      : name(name), index(index), inside(inside), outer(outer) {}
  static constexpr size_t kNone = ~size_t{0};
  const char* name;
  size_t index;
  const char* inside;
  size_t outer;
  friend std::ostream& operator<<(std::ostream& out, const Which& which);
};

[[noreturn]] void broken(const Operation& op, const std::string& what);

template <class... Parts>
void need(const Operation& op, bool holds, const Parts&... parts) {
  if (!holds) [[unlikely]]
    broken(op, cat(parts...));
}

}  // namespace tt::ir
