// Elements of less than a byte lie in a byte each: packing and unpacking them is arithmetic.
//   bitcast_convert 4x2xi4 -> 4xi8:  the sum of the elements' bits, each shifted to its place
//   bitcast_convert 4xi8 -> 4x2xi4:  the bits shifted from their places, cut off
#include <algorithm>

#include "passes/decompose.hpp"

namespace tt::passes {
namespace {

using ir::Op;
using ir::Operation;
using ir::Type;
using ir::Value;

DataType unsigned_of(int bits) {
  constexpr DataType kTypes[] = {DataType::kPred, DataType::kU2, DataType::kU4, DataType::kU8, DataType::kU16, DataType::kU32};
  for (const DataType type : kTypes) {
    if (info(type).bits == bits) return type;
  }
  return DataType::kU64;
}

class Repacking {
 public:
  Repacking(int narrow, int wide, Builder& builder) : narrow_(narrow), working_(unsigned_of(std::max(wide, 8))), b_(builder) {}

  Value* packed(Value* elements, const Type& result) {
    Value* bits = b_.convert(as(elements, unsigned_of(narrow_)), working_);
    Value* sum = b_.sum(b_.same_type(Op::kShiftLeft, {bits, places(bits->type())}), {static_cast<int64_t>(result.dims.size())});
    return as(b_.convert(sum, unsigned_of(info(result.element).bits)), result.element);
  }

  Value* unpacked(Value* element, const Type& result) {
    Value* bits = b_.convert(as(element, unsigned_of(info(element->type().element).bits)), working_);
    Dims kept(element->type().dims.size());
    for (size_t d = 0; d < kept.size(); ++d) kept[d] = static_cast<int64_t>(d);
    bits = b_.broadcast(bits, std::move(kept), result.dims);
    bits = b_.same_type(Op::kShiftRightLogical, {bits, places(bits->type())});
    bits = b_.same_type(Op::kAnd, {bits, b_.constant(bits->type(), static_cast<double>((1 << narrow_) - 1))});
    return as(b_.convert(bits, unsigned_of(narrow_)), result.element);
  }

 private:
  Value* as(Value* value, DataType element) {  // of the same width
    if (value->type().element == element) return value;
    return b_.make(Op::kBitcastConvert, {value}, Type::tensor(element, value->type().dims));
  }
  Value* places(const Type& type) {  // how far the bits of each element are shifted; the first element has the lowest
    Value* index = b_.make(Op::kIota, {}, type, {{ir::Attr::kIotaDimension, {static_cast<int64_t>(type.dims.size()) - 1, {}}}});
    return b_.same_type(Op::kMultiply, {index, b_.constant(type, narrow_)});
  }

  int narrow_;
  DataType working_;
  Builder& b_;
};

}  // namespace

std::vector<Value*> bitcast_of_parts(const Operation& operation, Builder& builder) {
  Value* operand = operation.operand(0);
  const Type& result = operation.result()->type();
  const int from = info(operand->type().element).bits, to = info(result.element).bits;
  if (from == to || std::min(from, to) >= 8 || std::max(from, to) > 64) return {};
  Repacking repacking(std::min(from, to), std::max(from, to), builder);
  return {from < to ? repacking.packed(operand, result) : repacking.unpacked(operand, result)};
}

}  // namespace tt::passes
