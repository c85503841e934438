// A concatenation that elementwise operations read is a choice between padded views, which their readers follow:
//   %2 = concatenate %0, %1  ->  %2 = select (pad true, false), (pad %0, 0), (pad %1, 0)
// What little is done to a part alone is done to all of it and chosen afterwards:
//   %3 = negate %0, %4 = concatenate %3, %1  ->  %4 = select (pad true, false), (negate %2), %2
// Shifts (jnp.roll), halves that change places (rotary embeddings) and rows that come before others are such; no array is put together in
// memory.
#include <algorithm>
#include <functional>
#include <numeric>

#include "ir/counted_loop.hpp"
#include "passes/pass.hpp"
#include "passes/replace.hpp"

namespace tt::passes {
namespace {

using ir::Attr;
using ir::Op;
using ir::Operation;
using ir::Type;
using ir::Value;

constexpr int64_t kOnePage = 1024;    // elements
constexpr size_t kMostParts = 3;      // each is read for all of the result
constexpr size_t kMostOfAPage = 8;    // where the result is no more than a page
constexpr int64_t kShortestRow = 32;  // elements of all parts side by side: shorter ones take long to bring
constexpr int kMostLifted = 4;        // operations of a part, done for all of the result

// Takes little time, so that it may be done where its result is not used.
bool is_cheap(Op op) {
  switch (op) {
    case Op::kAbs:
    case Op::kAdd:
    case Op::kAnd:
    case Op::kCompare:
    case Op::kConvert:
    case Op::kMaximum:
    case Op::kMinimum:
    case Op::kMultiply:
    case Op::kNegate:
    case Op::kNot:
    case Op::kOr:
    case Op::kSelect:
    case Op::kSubtract:
    case Op::kXor: return true;
    default: return false;
  }
}

Value* splat(Builder& builder, const Type& type, const std::vector<std::byte>& element) {
  ir::DenseElements elements{type, true, std::make_shared<const std::vector<std::byte>>(element)};
  return builder.make(Op::kConstant, {}, type, {{Attr::kValue, {std::move(elements), {}}}});
}

// Values of the shape of one part, in the shape of the whole.
class Part {
 public:
  Part(Builder& builder, const ir::Readers& readers, const Dims& whole, size_t along, Value* part, int64_t first)
      : builder_(builder), readers_(readers), whole_(whole), along_(along), part_(part), first_(first), leaf_(part) {
    for (int left = kMostLifted; left > 0 && goes_along(leaf_); --left) {
      Value* const operand = leaf_->definer()->operand(0);
      if (operand->type().element != part->type().element) break;
      leaf_ = operand;
    }
  }

  Value* padded() { return pad(leaf_); }  // what it is made of
  Value* mask() { return pad(splat(builder_, Type::tensor(DataType::kPred, part_->type().dims), {std::byte{1}})); }
  Value* made_of(Value* all) {  // the part, where `all` has what this and the others are made of
    all_ = all;
    left_ = kMostLifted;
    return lift(part_);
  }

 private:
  Value* lift(Value* value) {
    if (value == leaf_) return all_;
    const Operation* const made = value->definer();
    const Type type = Type::tensor(value->type().element, whole_);
    if (made != nullptr && made->op() == Op::kConstant && made->elements().splat) return splat(builder_, type, *made->elements().bytes);
    if (made != nullptr && made->op() == Op::kBroadcastInDim && made->operand(0)->type().dims.empty())
      return builder_.broadcast(made->operand(0), {}, whole_);
    if (left_ == 0 || !goes_along(value)) return pad(value);
    --left_;
    std::vector<Value*> operands;
    for (Value* operand : made->operands()) operands.push_back(lift(operand));
    return builder_.make(made->op(), std::move(operands), type, Builder::Attributes(made->attributes().begin(), made->attributes().end()));
  }

  bool goes_along(const Value* value) const {
    const Operation* const made = value->definer();
    return made != nullptr && is_cheap(made->op()) && readers_(value).size() == 1 &&
           std::all_of(made->operands().begin(), made->operands().end(),
                       [&](const Value* operand) { return operand->type().dims == value->type().dims; });
  }

  Value* pad(Value* value) {
    const Type& type = value->type();
    Dims low(whole_.size(), 0), high(whole_.size(), 0);
    low[along_] = first_;
    high[along_] = whole_[along_] - first_ - type.dims[along_];
    Value* const zero = builder_.constant(Type::tensor(type.element, {}), 0);
    return builder_.make(
        Op::kPad, {value, zero}, Type::tensor(type.element, whole_),
        {{Attr::kEdgePaddingLow, {low, {}}}, {Attr::kEdgePaddingHigh, {high, {}}}, {Attr::kInteriorPadding, {Dims(low.size(), 0), {}}}});
  }

  Builder& builder_;
  const ir::Readers& readers_;
  const Dims& whole_;
  const size_t along_;
  Value* const part_;
  const int64_t first_;  // of the part, along that dimension
  Value* leaf_;          // what the part is made of, or itself
  Value* all_ = nullptr;
  int left_ = 0;
};

class Folding {
 public:
  explicit Folding(const ir::Block& body) : readers_(body) {}

  void sweep(ir::Block& block) {
    std::vector<std::unique_ptr<Operation>> operations;
    operations.swap(block.operations());
    for (auto& moved : operations) {
      const Operation& operation = *block.append(std::move(moved));
      replace_operands(*block.operations().back(), replaced_);
      for (const auto& region : operation.regions()) sweep(*region);
      if (operation.op() == Op::kConcatenate && pays(operation)) fold(operation, block);  // it stays, unread, until dead code goes
    }
  }

 private:
  bool pays(const Operation& operation) const {
    const Type& type = operation.result()->type();
    const auto along = static_cast<size_t>(operation.integer(Attr::kDimension));
    const bool one_page = type.num_elements() <= kOnePage;
    const int64_t row = std::accumulate(type.dims.begin() + static_cast<ptrdiff_t>(along), type.dims.end(), int64_t{1}, std::multiplies());
    const auto is_empty = [](const Value* part) { return part->type().num_elements() == 0; };
    const auto is_constant = [](const Value* part) { return part->definer() != nullptr && part->definer()->op() == Op::kConstant; };
    const size_t parts = operation.operands().size();
    return parts > 1 && std::none_of(operation.operands().begin(), operation.operands().end(), is_empty) &&
           parts <= (one_page ? kMostOfAPage : kMostParts) && (one_page || row >= kShortestRow) &&
           !std::all_of(operation.operands().begin(), operation.operands().end(), is_constant) &&
           (type.element == DataType::kPred || info(type.element).bits >= 8) && are_elementwise(readers_(operation.result()));
  }

  // Operations, or those that read reshapes.
  bool are_elementwise(const std::vector<Operation*>& readers) const {
    return !readers.empty() && std::all_of(readers.begin(), readers.end(), [&](const Operation* reader) {
      return ir::is_elementwise(reader->op()) || (reader->op() == Op::kReshape && are_elementwise(readers_(reader->result())));
    });
  }

  void fold(const Operation& operation, ir::Block& block) {
    Builder builder(block, operation.location());
    const Type& type = operation.result()->type();
    const auto along = static_cast<size_t>(operation.integer(Attr::kDimension));
    std::vector<Part> parts;
    int64_t first = 0;
    for (Value* part : operation.operands()) {
      parts.emplace_back(builder, readers_, type.dims, along, part, first);
      first += part->type().dims[along];
    }
    const auto choose = [&](const auto& value_of) {
      Value* chosen = value_of(parts.back());
      for (size_t i = parts.size() - 1; i-- > 0;) {
        Value* const value = value_of(parts[i]);
        if (value != chosen) chosen = builder.make(Op::kSelect, {parts[i].mask(), value, chosen}, type);
      }
      return chosen;
    };
    Value* const all = choose([](Part& part) { return part.padded(); });
    replaced_[operation.result()] = choose([&](Part& part) { return part.made_of(all); });
  }

  const ir::Readers readers_;
  Replaced replaced_;
};

}  // namespace

void fold_concatenates(ir::Module& module) {
  for (const auto& function : module.functions) Folding(*function->body).sweep(*function->body);
}

}  // namespace tt::passes
