// Operations of a pass.
#include "passes/builder.hpp"

#include <algorithm>
#include <cstring>

#include "base/error.hpp"
#include "ir/op_rules.hpp"

namespace tt::passes {

using ir::Attr;
using ir::Op;
using ir::Type;
using ir::Value;

ir::Operation& Builder::append(std::unique_ptr<ir::Operation> operation) {
  ir::check_rules(*operation);
  return *block_.append(std::move(operation));
}

std::unique_ptr<ir::Operation> Builder::operation(Op op, std::vector<Value*> operands, std::vector<Type> results,
                                                  Attributes attributes) const {
  auto made = std::make_unique<ir::Operation>(op, std::move(operands), std::move(results), location_);
  for (auto& [key, value] : attributes) made->set(key, std::move(value));
  return made;
}

Value* Builder::make(Op op, std::vector<Value*> operands, Type result, Attributes attributes) {
  return append(operation(op, std::move(operands), {std::move(result)}, std::move(attributes))).result();
}

Value* Builder::constant(const Type& type, double value) {
  const auto as_float = static_cast<float>(value);
  const auto as_integer = static_cast<int64_t>(value);  // little-endian: its first bytes are those of a narrower one
  const auto* bytes = reinterpret_cast<const std::byte*>(&as_integer);
  if (type.element == DataType::kF32) bytes = reinterpret_cast<const std::byte*>(&as_float);
  if (type.element == DataType::kF64) bytes = reinterpret_cast<const std::byte*>(&value);
  check(value == 0 || type.element == DataType::kF32 || type.element == DataType::kF64 || is_integer(type.element), "[passes] a constant ",
        value, " of type ", name(type.element));
  const auto size = static_cast<size_t>(size_of(type.element));
  std::vector<std::byte> bits(size);  // complex numbers and narrow floats: zero
  std::copy_n(bytes, std::min(size, sizeof(value)), bits.begin());
  ir::DenseElements splat{type, true, std::make_shared<const std::vector<std::byte>>(std::move(bits))};
  return make(Op::kConstant, {}, type, {{Attr::kValue, {std::move(splat), {}}}});
}

Value* Builder::constant(const Type& type, std::vector<std::byte> elements) {
  ir::DenseElements dense{type, false, std::make_shared<const std::vector<std::byte>>(std::move(elements))};
  return make(Op::kConstant, {}, type, {{Attr::kValue, {std::move(dense), {}}}});
}

Value* Builder::same_type(Op op, std::initializer_list<Value*> operands) { return make(op, operands, (*operands.begin())->type()); }

Value* Builder::convert(Value* value, DataType element) {
  if (value->type().element == element) return value;
  return make(Op::kConvert, {value}, Type::tensor(element, value->type().dims));
}

Value* Builder::compare(std::string_view direction, Value* a, Value* b) {
  return make(Op::kCompare, {a, b}, Type::tensor(DataType::kPred, a->type().dims),
              {{Attr::kComparisonDirection, {std::string(direction), {}}}});
}

Value* Builder::broadcast(Value* value, Dims dimensions, const Dims& result) {
  return make(Op::kBroadcastInDim, {value}, Type::tensor(value->type().element, result),
              {{Attr::kBroadcastDimensions, {std::move(dimensions), {}}}});
}

Value* Builder::element(const Dims& table, Value* index) {
  std::vector<std::byte> bytes(table.size() * sizeof(int32_t));
  for (size_t i = 0; i < table.size(); ++i) {
    const auto number = static_cast<int32_t>(table[i]);
    std::memcpy(bytes.data() + i * sizeof(number), &number, sizeof(number));
  }
  Value* all = constant(Type::tensor(DataType::kS32, {static_cast<int64_t>(table.size())}), std::move(bytes));
  Value* one = make(Op::kDynamicSlice, {all, index}, Type::tensor(DataType::kS32, {1}), {{Attr::kSliceSizes, {Dims{1}, {}}}});
  return make(Op::kReshape, {one}, Type::tensor(DataType::kS32, {}));
}

Value* Builder::sum(Value* value, Dims dimensions) {
  const Type scalar = Type::tensor(value->type().element, {});
  Dims kept;
  for (size_t d = 0; d < value->type().dims.size(); ++d) {
    if (std::find(dimensions.begin(), dimensions.end(), static_cast<int64_t>(d)) == dimensions.end()) kept.push_back(value->type().dims[d]);
  }
  Value* zero = constant(scalar, 0);
  auto reduce = operation(Op::kReduce, {value, zero}, {Type::tensor(scalar.element, std::move(kept))},
                          {{Attr::kDimensions, {std::move(dimensions), {}}}});
  ir::Block& region = reduce->add_region();
  Value *a = region.add_argument(scalar, location_), *b = region.add_argument(scalar, location_);
  Builder inside = within(region);
  inside.append(operation(Op::kReturn, {inside.same_type(Op::kAdd, {a, b})}, {}));
  return append(std::move(reduce)).result();
}

}  // namespace tt::passes
