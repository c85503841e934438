// A product in a loop of a slice that the loop's counter picks, with what no iteration changes, is computed before the loop for all slices
// at once:
//   while (i < 128) { dot_general(xs[i], w) ... }  ->  %all = dot_general(xs, w); while (i < 128) { %all[i] ... }
// One large product in place of many small ones, the same sums in the same order. Scans over sequences are such.
#include <algorithm>
#include <optional>

#include "ir/counted_loop.hpp"
#include "passes/invariants.hpp"
#include "passes/pass.hpp"
#include "passes/replace.hpp"

namespace tt::passes {
namespace {

using ir::Attr;
using ir::Op;
using ir::Operation;
using ir::Type;
using ir::Value;

constexpr int64_t kMostRows = 512;                  // of a slice: larger products gain little
constexpr int64_t kLeastDepth = 16;                 // terms of a sum that are worth writing it and reading it again
constexpr int64_t kMostTurns = int64_t{1} << 20;    // whose indices are followed
constexpr int64_t kMostBytes = int64_t{256} << 20;  // of what is kept for all iterations

class Loop {
 public:
  explicit Loop(const Operation& loop) : body_(loop.region(1)), invariants_(loop), counted_(ir::CountedLoop::of(loop)) {}

  void hoist(Builder& before) {
    if (!counted_) return;
    std::vector<std::unique_ptr<Operation>> operations;
    operations.swap(body_.operations());
    Replaced replaced;
    std::vector<std::unique_ptr<Operation>> gone;
    for (auto& operation : operations) {
      replace_operands(*operation, replaced);
      Value* const slice = operation->op() == Op::kDotGeneral ? hoisted(*operation, before) : nullptr;
      if (slice == nullptr) {
        body_.append(std::move(operation));
        continue;
      }
      replaced[operation->result()] = slice;
      gone.push_back(std::move(operation));
    }
  }

 private:
  // A slice that the counter picks along dimension 0 of what no iteration changes.
  struct Scanned {
    Value* all;              // outside
    const Operation* slice;  // in the body
  };

  // Whether the index takes each of 0 .. count - 1 once, such as from the front or from the end.
  bool visits_all(const Value* index, int64_t count) const {
    if (count != counted_->turns() || count > kMostTurns) return false;
    std::vector<bool> visited(static_cast<size_t>(count));
    for (int64_t turn = 0; turn < count; ++turn) {
      const auto at = counted_->at(index, turn);
      if (!at || *at < 0 || *at >= count || visited[static_cast<size_t>(*at)]) return false;
      visited[static_cast<size_t>(*at)] = true;
    }
    return true;
  }

  std::optional<Scanned> scanned(const Value* value) const {
    const Operation* made = value->definer();
    if (made != nullptr && made->op() == Op::kReshape) made = made->operand(0)->definer();
    if (made == nullptr || made->op() != Op::kDynamicSlice) return std::nullopt;
    const Type& all = made->operand(0)->type();
    const Dims& sizes = made->ints(Attr::kSliceSizes);
    if (all.dims.empty() || sizes[0] != 1 || !visits_all(made->operand(1), all.dims[0])) return std::nullopt;
    if (!std::equal(sizes.begin() + 1, sizes.end(), all.dims.begin() + 1, all.dims.end())) return std::nullopt;
    if (!std::equal(value->type().dims.begin(), value->type().dims.end(), all.dims.begin() + 1, all.dims.end())) return std::nullopt;
    Value* const outside = invariants_.outside(made->operand(0));
    return outside == nullptr ? std::nullopt : std::optional(Scanned{outside, made});
  }

  Value* hoisted(const Operation& product, Builder& before) {
    for (size_t side = 0; side < 2; ++side) {
      const auto slice = scanned(product.operand(side));
      Value* const other = slice ? invariants_.outside(product.operand(1 - side)) : nullptr;
      if (other != nullptr && pays(product, side)) return hoisted(product, *slice, other, side, before);
    }
    return nullptr;
  }

  bool pays(const Operation& product, size_t side) const {
    const Type& slice = product.operand(side)->type();
    int64_t depth = 1;
    for (const int64_t d : product.ints(side == 0 ? Attr::kLhsContractingDimensions : Attr::kRhsContractingDimensions)) {
      depth *= slice.dims[static_cast<size_t>(d)];
    }
    const Type& result = product.result()->type();
    return depth >= kLeastDepth && slice.num_elements() <= kMostRows * depth &&
           counted_->turns() * result.num_elements() * size_of(result.element) <= kMostBytes;
  }

  // The scanned dimension is the first free one of its side.
  Value* hoisted(const Operation& product, const Scanned& scanned, Value* other, size_t side, Builder& before) {
    const Attr batching[] = {Attr::kLhsBatchingDimensions, Attr::kRhsBatchingDimensions},
               contracting[] = {Attr::kLhsContractingDimensions, Attr::kRhsContractingDimensions};
    const auto rank = [&](size_t s) { return product.operand(s)->type().dims.size(); };
    const size_t batches = product.ints(batching[0]).size();
    const size_t at = batches + (side == 0 ? 0 : rank(0) - batches - product.ints(contracting[0]).size());

    Builder::Attributes attributes(product.attributes().begin(), product.attributes().end());
    for (auto& [key, value] : attributes) {
      if (key != batching[side] && key != contracting[side]) continue;
      Dims dims = product.ints(key);
      for (int64_t& d : dims) ++d;
      value = {std::move(dims), {}};
    }
    Type result = product.result()->type();
    result.dims.insert(result.dims.begin() + static_cast<int64_t>(at), counted_->turns());
    std::vector<Value*> operands{other, other};
    operands[side] = scanned.all;
    Value* const all = before.make(Op::kDotGeneral, std::move(operands), result, std::move(attributes));

    Builder inside = before.within(body_);
    Value* const index = scanned.slice->operand(1);
    Value* zero = nullptr;
    std::vector<Value*> slice{all};
    for (size_t d = 0; d < result.dims.size(); ++d) {
      if (d != at && zero == nullptr) zero = inside.constant(index->type(), 0);
      slice.push_back(d == at ? index : zero);
    }
    Type one = result;
    one.dims[at] = 1;
    Value* const taken = inside.make(Op::kDynamicSlice, std::move(slice), one, {{Attr::kSliceSizes, {one.dims, {}}}});
    return inside.make(Op::kReshape, {taken}, product.result()->type());
  }

  ir::Block& body_;
  const Invariants invariants_;
  const std::optional<ir::CountedLoop> counted_;
};

std::vector<Value*> hoist(const Operation& loop, Builder& before) {
  Loop(loop).hoist(before);
  return {};
}

constexpr Replacement kReplacements[] = {{Op::kWhile, hoist}};

}  // namespace

void hoist_products(ir::Module& module) { replace_operations(module, kReplacements); }

}  // namespace tt::passes
