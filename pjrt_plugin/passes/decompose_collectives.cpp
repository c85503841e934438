// Collectives as what goes over the links and what each card computes of it. Over the links go two forms, of T cards in a group:
//   all_gather [1, ...] -> [T, ...]            block t is what card t has
//   all_to_all [T, ...] -> [T, ...], along 0   block t is the block for this card of what card t has
// Sums and such are folded in the order of the group, so that all its cards get the same bits.
#include <algorithm>
#include <unordered_map>
#include <unordered_set>

#include "base/error.hpp"
#include "ir/attribute_text.hpp"
#include "ir/op_rules.hpp"
#include "passes/decompose.hpp"

namespace tt::passes {
namespace {

using ir::Attr;
using ir::Op;
using ir::Operation;
using ir::Type;
using ir::Value;
using Values = std::vector<Value*>;

Type with_dims(const Value* value, Dims dims) { return Type::tensor(value->type().element, std::move(dims)); }

class Collective {
 public:
  Collective(const Operation& operation, Builder& builder)
      : operation_(operation), b_(builder), groups_(operation.elements(Attr::kReplicaGroups)) {
    size_ = groups_.type.dims[1];
    const Dims devices = ir::integers(groups_);
    whole_ = std::find(devices.begin(), devices.end(), int64_t{-1}) == devices.end();
    if (!whole_) find_sizes(devices);
  }

  int64_t size() const { return size_; }

  Values apply(Value* (Collective::*one)(Value*) const, bool any_sizes = false) const {
    if (!whole_ && !any_sizes) return {};
    if (size_ <= 1) return {operation_.operands().begin(), operation_.operands().end()};
    Values out;
    for (Value* operand : operation_.operands()) out.push_back((this->*one)(operand));
    return out;
  }

  Value* all_gather(Value* value) const { return join_first(gather(value), static_cast<size_t>(operation_.integer(Attr::kAllGatherDim))); }

  Value* all_to_all(Value* value) const {
    Value* blocks = exchange(split(value, static_cast<size_t>(operation_.integer(Attr::kSplitDimension))));
    return join_first(blocks, static_cast<size_t>(operation_.integer(Attr::kConcatDimension)));
  }

  Value* reduce_scatter(Value* value) const {
    return fold(exchange(split(value, static_cast<size_t>(operation_.integer(Attr::kScatterDimension)))));
  }

  Value* all_reduce(Value* value) const { return fold(gather(value)); }

  // Of the region's own values alone.
  static bool is_elementwise(const ir::Block& region) {
    std::unordered_set<const Value*> own;
    for (const auto& argument : region.arguments()) own.insert(argument.get());
    return std::all_of(region.operations().begin(), region.operations().end(), [&](const auto& op) {
      for (const auto& result : op->results()) own.insert(result.get());
      return (op->op() == Op::kConstant || op->op() == Op::kReturn || ir::is_elementwise(op->op())) &&
             std::all_of(op->operands().begin(), op->operands().end(), [&](const Value* operand) { return own.contains(operand); });
    });
  }

 private:
  void find_sizes(const Dims& devices) {
    constexpr int64_t kMost = 1 << 16;
    const int64_t last = *std::max_element(devices.begin(), devices.end());
    ir::need(operation_, last < kMost, "attribute replica_groups names device ", last);
    sizes_.resize(static_cast<size_t>(last + 1), 1);
    for (auto first = devices.begin(); first != devices.end(); first += size_) {
      const int64_t members = size_ - std::count(first, first + size_, int64_t{-1});
      for (auto device = first; device != first + size_; ++device) {
        if (*device >= 0) sizes_[static_cast<size_t>(*device)] = members;
      }
    }
  }

  Value* reshape(Value* value, Dims dims) const { return b_.make(Op::kReshape, {value}, with_dims(value, std::move(dims))); }

  Value* move(Value* value, size_t from, size_t to) const {  // one dimension to another place
    if (from == to) return value;
    Dims order(value->type().dims.size());
    for (size_t d = 0; d < order.size(); ++d) order[d] = static_cast<int64_t>(d);
    order.erase(order.begin() + static_cast<std::ptrdiff_t>(from));
    order.insert(order.begin() + static_cast<std::ptrdiff_t>(to), static_cast<int64_t>(from));
    Dims dims;
    for (const int64_t d : order) dims.push_back(value->type().dims[static_cast<size_t>(d)]);
    return b_.make(Op::kTranspose, {value}, with_dims(value, std::move(dims)), {{Attr::kPermutation, {std::move(order), {}}}});
  }

  // [..., T * d, ...] -> [T, ..., d, ...]
  Value* split(Value* value, size_t dimension) const {
    Dims dims = value->type().dims;
    dims[dimension] /= size_;
    dims.insert(dims.begin() + static_cast<std::ptrdiff_t>(dimension), size_);
    return move(reshape(value, std::move(dims)), dimension, 0);
  }
  // [T, ..., d, ...] -> [..., T * d, ...]
  Value* join_first(Value* value, size_t dimension) const {
    Value* moved = move(value, 0, dimension);
    Dims dims = moved->type().dims;
    dims[dimension + 1] *= size_;
    dims.erase(dims.begin() + static_cast<std::ptrdiff_t>(dimension));
    return reshape(moved, std::move(dims));
  }

  Value* gather(Value* value) const {
    Dims dims = value->type().dims;
    dims.insert(dims.begin(), 1);
    Value* block = reshape(value, dims);
    dims[0] = size_;
    return b_.make(Op::kAllGather, {block}, with_dims(value, std::move(dims)),
                   {{Attr::kAllGatherDim, {int64_t{0}, {}}}, {Attr::kReplicaGroups, {groups_, {}}}});
  }

  Value* exchange(Value* blocks) const {
    return b_.make(Op::kAllToAll, {blocks}, blocks->type(),
                   {{Attr::kSplitDimension, {int64_t{0}, {}}},
                    {Attr::kConcatDimension, {int64_t{0}, {}}},
                    {Attr::kSplitCount, {size_, {}}},
                    {Attr::kReplicaGroups, {groups_, {}}}});
  }

  // What the region makes of the parts [T, ...], one after the other.
  Value* fold(Value* stack) const {
    Value* sum = part(stack, 0);
    Value* const members = whole_ ? nullptr : b_.element(sizes_, b_.make(Op::kPartitionId, {}, Type::tensor(DataType::kU32, {})));
    for (int64_t t = 1; t < size_; ++t) {
      Value* const more = combine(sum, part(stack, t));
      if (whole_) {
        sum = more;
      } else {  // smaller groups end before this part
        Value* const is_there = b_.compare("LT", b_.constant(members->type(), static_cast<double>(t)), members);
        sum = b_.make(Op::kSelect, {is_there, more, sum}, sum->type());
      }
    }
    return sum;
  }

  Value* part(Value* stack, int64_t t) const {
    const Dims& dims = stack->type().dims;
    Dims start(dims.size(), 0), limit = dims, strides(dims.size(), 1);
    start[0] = t;
    limit[0] = t + 1;
    Dims one = dims;
    one[0] = 1;
    Value* slice = b_.make(Op::kSlice, {stack}, with_dims(stack, std::move(one)),
                           {{Attr::kStartIndices, {std::move(start), {}}},
                            {Attr::kLimitIndices, {std::move(limit), {}}},
                            {Attr::kStrides, {std::move(strides), {}}}});
    return reshape(slice, Dims(dims.begin() + 1, dims.end()));
  }

  // The region's operations on whole arrays.
  Value* combine(Value* a, Value* b) const {
    const ir::Block& region = operation_.region();
    const Dims& dims = a->type().dims;
    std::unordered_map<const Value*, Value*> arrays{{region.arguments()[0].get(), a}, {region.arguments()[1].get(), b}};
    for (const auto& op : region.operations()) {
      if (op->op() == Op::kReturn) return arrays.at(op->operand(0));
      Values operands;
      for (const Value* operand : op->operands()) operands.push_back(arrays.at(operand));
      if (op->op() == Op::kConstant) {
        Value* scalar = b_.make(Op::kConstant, {}, op->result()->type(), {{Attr::kValue, *op->find(Attr::kValue)}});
        arrays[op->result()] = b_.broadcast(scalar, {}, dims);
        continue;
      }
      Builder::Attributes attributes(op->attributes().begin(), op->attributes().end());
      arrays[op->result()] = b_.make(op->op(), std::move(operands), with_dims(op->result(), dims), std::move(attributes));
    }
    return a;
  }

  const Operation& operation_;
  Builder& b_;
  const ir::DenseElements& groups_;
  int64_t size_;  // of the largest
  bool whole_;    // all groups have as many devices
  Dims sizes_;    // else, by device: of its group
};

bool is_gather_of_blocks(const Operation& operation) {
  return operation.operands().size() == 1 && operation.integer(Attr::kAllGatherDim) == 0 && !operation.operand(0)->type().dims.empty() &&
         operation.operand(0)->type().dims[0] == 1;
}

bool is_exchange_of_blocks(const Operation& operation) {
  return operation.operands().size() == 1 && operation.integer(Attr::kSplitDimension) == 0 &&
         operation.integer(Attr::kConcatDimension) == 0 && operation.operand(0)->type().dims[0] == operation.integer(Attr::kSplitCount);
}

}  // namespace

std::vector<Value*> all_gather(const Operation& operation, Builder& builder) {
  const Collective collective(operation, builder);
  if (collective.size() > 1 && is_gather_of_blocks(operation)) return {};
  return collective.apply(&Collective::all_gather);
}

std::vector<Value*> all_to_all(const Operation& operation, Builder& builder) {
  const Collective collective(operation, builder);
  if (collective.size() > 1 && is_exchange_of_blocks(operation)) return {};
  return collective.apply(&Collective::all_to_all);
}

std::vector<Value*> all_reduce(const Operation& operation, Builder& builder) {
  if (!Collective::is_elementwise(operation.region())) return {};
  return Collective(operation, builder).apply(&Collective::all_reduce, /*any_sizes=*/true);
}

std::vector<Value*> reduce_scatter(const Operation& operation, Builder& builder) {
  if (!Collective::is_elementwise(operation.region())) return {};
  return Collective(operation, builder).apply(&Collective::reduce_scatter);
}

}  // namespace tt::passes
