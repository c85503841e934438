// What rules are written with: attributes of the right kind, sizes, types, regions.
#pragma once

#include <vector>

#include "ir/op_rules.hpp"

namespace tt::ir::rules {

inline const Type& operand(const Operation& op, size_t i) { return op.operand(i)->type(); }
inline const Type& result(const Operation& op, size_t i = 0) { return op.result(i)->type(); }
inline int64_t rank(const Type& type) { return static_cast<int64_t>(type.dims.size()); }

template <class Value>
inline const Value& attribute(const Operation& op, Attr key, std::string_view kind) {
  const Attribute* found = op.find(key);
  const Value* value = found == nullptr ? nullptr : std::get_if<Value>(&found->value);
  need(op, value != nullptr, "attribute ", name(key), found == nullptr ? " is missing" : cat(" is not ", kind));
  return *value;
}

inline const Dims& ints(const Operation& op, Attr key) { return attribute<Dims>(op, key, "an integer array"); }
inline int64_t integer(const Operation& op, Attr key) { return attribute<int64_t>(op, key, "an integer"); }
inline bool flag(const Operation& op, Attr key) { return attribute<bool>(op, key, "a bool"); }
inline const std::string& text(const Operation& op, Attr key) { return attribute<std::string>(op, key, "a keyword"); }
inline Dims ints_or_empty(const Operation& op, Attr key) { return op.find(key) == nullptr ? Dims{} : ints(op, key); }

inline void need_operands(const Operation& op, size_t least) {
  need(op, op.operands().size() >= least, op.operands().size(), " operands, expected at least ", least);
}

inline void need_dims(const Operation& op, const Type& type, const Dims& expected, Which what) {
  need(op, type.dims == expected, what, " is ", show(type), ", expected dimensions ", show(expected));
}

inline void need_element(const Operation& op, const Type& type, DataType expected, Which what) {
  need(op, type.element == expected, what, " is ", show(type), ", expected elements of type ", name(expected));
}

inline void need_type(const Operation& op, const Type& type, const Type& expected, Which what) {
  need(op, type == expected, what, " is ", show(type), ", expected ", show(expected));
}

inline void need_size(const Operation& op, const Dims& values, int64_t size, Attr key) {
  need(op, static_cast<int64_t>(values.size()) == size, "attribute ", name(key), " has ", values.size(), " entries, expected ", size);
}

inline void need_index(const Operation& op, int64_t value, int64_t limit, Attr key) {
  need(op, value >= 0 && value < limit, "attribute ", name(key), " holds ", value, ", expected 0 to ", limit - 1);
}

// Different dimensions, all of them in [0, limit).
inline const Dims& need_dimensions(const Operation& op, const Dims& values, int64_t limit, Attr key) {
  std::vector<bool> seen(static_cast<size_t>(limit));
  for (const int64_t d : values) {
    need_index(op, d, limit, key);
    need(op, !seen[static_cast<size_t>(d)], "attribute ", name(key), " names dimension ", d, " twice");
    seen[static_cast<size_t>(d)] = true;
  }
  return values;
}

inline void need_scalar_index(const Operation& op, size_t i) {
  need(op, operand(op, i).dims.empty() && is_integer(operand(op, i).element), "operand ", i, " is ", show(operand(op, i)),
       ", expected an integer scalar");
}

// A region over scalars: its arguments and what it returns.
inline void need_region(const Operation& op, size_t i, const std::vector<Type>& arguments, const std::vector<Type>& returned) {
  const Block& block = op.region(i);
  need(op, block.arguments().size() == arguments.size(), "region ", i, " takes ", block.arguments().size(), " values, expected ",
       arguments.size());
  for (size_t a = 0; a < arguments.size(); ++a)
    need_type(op, block.arguments()[a]->type(), arguments[a], Which{"argument", a, "of region", i});
  const auto values = block.terminator().operands();
  need(op, values.size() == returned.size(), "region ", i, " returns ", values.size(), " values, expected ", returned.size());
  for (size_t v = 0; v < returned.size(); ++v) need_type(op, values[v]->type(), returned[v], Which{"value", v, "of region", i});
}

inline Type scalar(DataType element) { return Type::tensor(element, {}); }

inline std::vector<Type> scalars_of(const Operation& op, size_t first, size_t count, size_t times) {
  std::vector<Type> types;
  for (size_t t = 0; t < times; ++t) {
    for (size_t i = 0; i < count; ++i) types.push_back(scalar(operand(op, first + i).element));
  }
  return types;
}

// Movement, in movement_rules.cpp.
void broadcast(const Operation& op);
void broadcast_in_dim(const Operation& op);
void concatenate(const Operation& op);
void constant(const Operation& op);
void dynamic_slice(const Operation& op);
void dynamic_update_slice(const Operation& op);
void get_dimension_size(const Operation& op);
void iota(const Operation& op);
void pad(const Operation& op);
void reshape(const Operation& op);
void reverse(const Operation& op);
void set_dimension_size(const Operation& op);
void slice(const Operation& op);
void torch_index_select(const Operation& op);
void transpose(const Operation& op);
void gather(const Operation& op);
void scatter(const Operation& op);

}  // namespace tt::ir::rules
