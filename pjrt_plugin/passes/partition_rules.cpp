// One rule per family: elementwise operations, movement, reductions, matrix products.
#include "passes/partition_rules.hpp"

#include <algorithm>
#include <array>

#include "passes/uniform.hpp"

namespace tt::passes {
namespace {

using ir::Attr;
using ir::Op;
using ir::Operation;
using ir::Sharding;
using ir::Value;

// Dimension d of the result is cut as dimension from[d] of the operand; -1: not at all.
Sharding mapped(const Sharding& sharding, const Dims& from) {
  Sharding out = Sharding::replicated(from.size(), static_cast<int64_t>(sharding.partitions()));
  for (size_t d = 0; d < from.size(); ++d) {
    if (from[d] >= 0) out.cut(d, sharding, static_cast<size_t>(from[d]));
  }
  return out;
}

Sharding without(const Sharding& sharding, const Dims& dimensions) {
  Dims from(sharding.counts.size());
  for (size_t d = 0; d < from.size(); ++d) from[d] = static_cast<int64_t>(d);
  for (const int64_t d : dimensions) from[static_cast<size_t>(d)] = -1;
  return mapped(sharding, from);
}

// As the operand in most pieces is.
std::optional<Sharding> elementwise(const Operation& operation, const std::vector<Dims>& dims, std::vector<Sharding>& shardings) {
  const size_t most = static_cast<size_t>(
      std::max_element(shardings.begin(), shardings.end(), [](const auto& a, const auto& b) { return a.num_tiles() < b.num_tiles(); }) -
      shardings.begin());
  const Dims& whole = operation.result()->type().dims;
  if (dims[most] != whole) return std::nullopt;
  const Sharding sharding = shardings[most];
  for (size_t i = 0; i < dims.size(); ++i) {
    if (dims[i] == whole) shardings[i] = sharding;
  }
  return sharding;
}

std::optional<Sharding> broadcast(const Operation& operation, const std::vector<Dims>& dims, std::vector<Sharding>& shardings) {
  const Dims &whole = operation.result()->type().dims, &places = operation.ints(Attr::kBroadcastDimensions);
  Dims from(whole.size(), -1);
  for (size_t d = 0; d < places.size(); ++d) {
    const auto place = static_cast<size_t>(places[d]);
    if (dims[0][d] == whole[place]) from[place] = static_cast<int64_t>(d);
  }
  return mapped(shardings[0], from);
}

std::optional<Sharding> transpose(const Operation& operation, std::vector<Sharding>& shardings) {
  return mapped(shardings[0], operation.ints(Attr::kPermutation));
}

// A dimension in pieces keeps its place among the elements: what is before it has as many elements, and it is split or joined with what
// follows so that its pieces stay pieces.
std::optional<Sharding> reshape(const Operation& operation, const std::vector<Dims>& dims, std::vector<Sharding>& shardings) {
  const Dims &from = dims[0], &to = operation.result()->type().dims;
  Dims sources(to.size(), -1);
  int64_t before = 1;
  for (size_t d = 0; d < from.size(); before *= from[d++]) {
    if (shardings[0].counts[d] == 1) continue;
    int64_t elements = 1;
    size_t place = 0;
    while (place < to.size() && (elements < before || (elements == before && to[place] == 1))) elements *= to[place++];
    if (place == to.size() || elements != before || to[place] % shardings[0].counts[d] != 0) return std::nullopt;
    // A longer dimension holds this one and others: all of them, in order.
    int64_t held = from[d];
    for (size_t next = d + 1; next < from.size() && held < to[place]; ++next) {
      if (shardings[0].counts[next] != 1) return std::nullopt;
      held *= from[next];
    }
    if (held % to[place] != 0) return std::nullopt;
    sources[place] = static_cast<int64_t>(d);
  }
  return mapped(shardings[0], sources);
}

bool is_in(const Dims& dimensions, size_t d) {
  return std::find(dimensions.begin(), dimensions.end(), static_cast<int64_t>(d)) != dimensions.end();
}

// What is summed over dimensions in pieces is a sum of as many addends.
void add_addends(const Sharding& from, const Dims& dimensions, Sharding& to) {
  for (const int64_t dimension : dimensions) {
    const auto d = static_cast<size_t>(dimension);
    to.addends *= from.counts[d];
    for (size_t p = 0; p < from.partitions(); ++p) to.addend_of[p] = to.addend_of[p] * from.counts[d] + from.piece_of[p][d];
  }
}

std::optional<Sharding> reduce(const Operation& operation, std::vector<Sharding>& shardings) {
  if (shardings.size() != 2) return std::nullopt;
  const Dims& reduced = operation.ints(Attr::kDimensions);
  if (!combination(operation)) shardings[0] = without(shardings[0], reduced);
  Dims from;
  for (size_t d = 0; d < shardings[0].counts.size(); ++d) {
    if (!is_in(reduced, d)) from.push_back(static_cast<int64_t>(d));
  }
  Sharding out = mapped(shardings[0], from);
  add_addends(shardings[0], reduced, out);
  return out;
}

// Batch entries, rows of the first operand, columns of the second, and addends: those of the operand that has dimensions in pieces, where
// they go together.
class ProductRule {
 public:
  ProductRule(const Operation& operation, const std::vector<Dims>& dims, std::vector<Sharding>& shardings)
      : dims_(dims),
        given_(shardings),
        needed_(shardings),
        batch_{&operation.ints(Attr::kLhsBatchingDimensions), &operation.ints(Attr::kRhsBatchingDimensions)},
        contracted_{&operation.ints(Attr::kLhsContractingDimensions), &operation.ints(Attr::kRhsContractingDimensions)},
        out_(replicated(operation.result()->type().dims.size())) {
    for (size_t side = 0; side < 2; ++side) needed_[side] = replicated(dims[side].size());
  }

  Sharding apply() {
    for (size_t i = 0; i < batch_[0]->size(); ++i)
      try_shared(*batch_[0], *batch_[1], i, [&](const Sharding& from, size_t d, Sharding& to) { to.cut(i, from, d); });
    size_t place = batch_[0]->size();
    for (size_t side = 0; side < 2; ++side) {
      for (size_t d = 0; d < dims_[side].size(); ++d) {
        if (!is_in(*batch_[side], d) && !is_in(*contracted_[side], d)) try_own(side, d, place++);
      }
    }
    for (size_t i = 0; i < contracted_[0]->size(); ++i) {
      try_shared(*contracted_[0], *contracted_[1], i,
                 [](const Sharding& from, size_t d, Sharding& to) { add_addends(from, {static_cast<int64_t>(d)}, to); });
    }
    given_ = needed_;
    return out_;
  }

 private:
  Sharding replicated(size_t rank) const { return Sharding::replicated(rank, static_cast<int64_t>(given_[0].partitions())); }

  // A dimension of both operands.
  template <class Extend>
  void try_shared(const Dims& first, const Dims& second, size_t i, const Extend& extend) {
    const size_t d[2] = {static_cast<size_t>(first[i]), static_cast<size_t>(second[i])};
    const size_t side = given_[0].counts[d[0]] > 1 ? 0 : 1;
    if (given_[side].counts[d[side]] == 1) return;
    Sharding extended = out_;
    extend(given_[side], d[side], extended);
    if (!extended.covers()) return;
    out_ = std::move(extended);
    for (size_t to = 0; to < 2; ++to) needed_[to].cut(d[to], given_[side], d[side]);
  }

  void try_own(size_t side, size_t d, size_t place) {
    if (given_[side].counts[d] == 1) return;
    Sharding extended = out_;
    extended.cut(place, given_[side], d);
    if (!extended.covers()) return;  // these devices have other pieces already
    out_ = std::move(extended);
    needed_[side].cut(d, given_[side], d);
  }

  const std::vector<Dims>& dims_;
  std::vector<Sharding>& given_;
  std::vector<Sharding> needed_;
  std::array<const Dims*, 2> batch_, contracted_;
  Sharding out_;
};

// All operands in the same pieces, whole along the dimension.
std::optional<Sharding> concatenate(const Operation& operation, std::vector<Sharding>& shardings) {
  const auto most =
      std::max_element(shardings.begin(), shardings.end(), [](const auto& a, const auto& b) { return a.num_tiles() < b.num_tiles(); });
  const Sharding sharding = without(*most, {operation.integer(Attr::kDimension)});
  std::fill(shardings.begin(), shardings.end(), sharding);
  return sharding;
}

// Whole along the dimensions of which it takes a part.
std::optional<Sharding> slice(const Operation& operation, const std::vector<Dims>& dims, std::vector<Sharding>& shardings) {
  Dims cut;
  for (size_t d = 0; d < dims[0].size(); ++d) {
    if (operation.result()->type().dims[d] != dims[0][d]) cut.push_back(static_cast<int64_t>(d));
  }
  shardings[0] = without(shardings[0], cut);
  return shardings[0];
}

// Where the update is as long as what it goes into, both are cut as either of them is.
std::optional<Sharding> dynamic_update_slice(const std::vector<Dims>& dims, std::vector<Sharding>& shardings) {
  Dims partial;
  for (size_t d = 0; d < dims[0].size(); ++d) {
    if (dims[0][d] != dims[1][d]) partial.push_back(static_cast<int64_t>(d));
  }
  const Sharding into = without(shardings[0], partial), update = without(shardings[1], partial);
  shardings[0] = shardings[1] = into.num_tiles() < update.num_tiles() ? update : into;
  return shardings[0];
}

std::optional<Sharding> reverse(const Operation& operation, std::vector<Sharding>& shardings) {
  shardings[0] = without(shardings[0], operation.ints(Attr::kDimensions));
  return shardings[0];
}

}  // namespace

std::optional<Sharding> shard_operation(const Operation& operation, const std::vector<Dims>& dims, std::vector<Sharding>& shardings) {
  if (ir::is_elementwise(operation.op()) || ir::is_placement(operation)) return elementwise(operation, dims, shardings);
  switch (operation.op()) {
    case Op::kBroadcastInDim: return broadcast(operation, dims, shardings);
    case Op::kTranspose: return transpose(operation, shardings);
    case Op::kReshape: return reshape(operation, dims, shardings);
    case Op::kReduce: return reduce(operation, shardings);
    case Op::kDotGeneral: return ProductRule(operation, dims, shardings).apply();
    case Op::kConcatenate: return concatenate(operation, shardings);
    case Op::kDynamicSlice:
    case Op::kSlice: return slice(operation, dims, shardings);
    case Op::kDynamicUpdateSlice: return dynamic_update_slice(dims, shardings);
    case Op::kReverse: return reverse(operation, shardings);
    default: return std::nullopt;
  }
}

std::optional<Op> combination(const Operation& reduce) {
  const ir::Block& region = reduce.region();
  if (region.operations().size() != 2 || region.operations()[0]->operands().size() != 2) return std::nullopt;
  const Operation& only = *region.operations()[0];
  const Value *a = region.arguments()[0].get(), *b = region.arguments()[1].get(), *x = only.operand(0), *y = only.operand(1);
  if (!((x == a && y == b) || (x == b && y == a)) || region.terminator().operand(0) != only.result()) return std::nullopt;
  switch (only.op()) {
    case Op::kAdd: return uniform_bits(reduce.operand(1)) == uint64_t{0} ? std::optional(Op::kAdd) : std::nullopt;
    case Op::kAnd:
    case Op::kMaximum:
    case Op::kMinimum:
    case Op::kOr: return only.op();  // it makes no difference how often they take the initial value
    default: return std::nullopt;
  }
}

void fit_attributes(Operation& operation, const Sharding& result) {
  if (operation.op() != Op::kSlice && operation.op() != Op::kDynamicSlice) return;
  const Attr key = operation.op() == Op::kSlice ? Attr::kLimitIndices : Attr::kSliceSizes;
  Dims ends = operation.ints(key);
  for (size_t d = 0; d < ends.size(); ++d) ends[d] /= result.counts[d];  // where it is cut, it takes all
  operation.set(key, {std::move(ends), {}});
}

}  // namespace tt::passes
