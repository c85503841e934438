// Products with one operand in common whose results only loops read become one product, with their other operands side by side:
//   %2 = dot_general %0, %w, %3 = dot_general %0, %v  ->  %2 = slice of dot_general %0, [%w %v], %3 = its other slice
// What hoist_products takes out of a recurrent layer's loop is such: the gates' weights. Elsewhere products keep their epilogues.
#include <algorithm>
#include <unordered_map>

#include "passes/pass.hpp"
#include "passes/replace.hpp"

namespace tt::passes {
namespace {

using ir::Attr;
using ir::Op;
using ir::Operation;
using ir::Type;
using ir::Value;

struct Products {
  size_t side;  // of the operand in common
  std::vector<const Operation*> members;
};

bool has_steps(const Operation& operation) {
  return operation.op() == Op::kWhile || operation.op() == Op::kIf || operation.op() == Op::kCase;
}

Attr contracting(size_t side) { return side == 0 ? Attr::kLhsContractingDimensions : Attr::kRhsContractingDimensions; }
Attr batching(size_t side) { return side == 0 ? Attr::kLhsBatchingDimensions : Attr::kRhsBatchingDimensions; }

// The first dimension of an operand that is neither a batch's nor summed over; its rank: there is none.
size_t first_free(const Operation& product, size_t side) {
  const Dims &batch = product.ints(batching(side)), &summed = product.ints(contracting(side));
  const size_t rank = product.operand(side)->type().dims.size();
  for (size_t d = 0; d < rank; ++d) {
    const auto is_it = [&](int64_t other) { return other == static_cast<int64_t>(d); };
    if (std::none_of(batch.begin(), batch.end(), is_it) && std::none_of(summed.begin(), summed.end(), is_it)) return d;
  }
  return rank;
}

// The same dimension in the result.
size_t in_result(const Operation& product, size_t side) {
  const size_t batches = product.ints(batching(0)).size();
  return batches + (side == 0 ? 0 : product.operand(0)->type().dims.size() - batches - product.ints(contracting(0)).size());
}

class Joining {
 public:
  void sweep(ir::Block& block) {
    for (const auto& operation : block.operations()) {
      for (const auto& region : operation->regions()) sweep(*region);
    }
    note_readers(block);
    const std::vector<Products> groups = find(block);
    if (!groups.empty()) rewrite(block, groups);
  }

 private:
  // Values that something else than a loop's body reads, or a branch.
  void note_readers(const ir::Block& block) {
    read_here_.clear();
    for (const auto& operation : block.operations()) {
      for (size_t i = 0; i < operation->operands().size(); ++i) {
        const bool stays =
            operation->op() == Op::kWhile && operation->region(1).terminator().operand(i) == operation->region(1).arguments()[i].get();
        if (!stays) ++read_here_[operation->operand(i)];
      }
    }
  }

  // In order; those on both sides of a loop stay apart.
  std::vector<Products> find(const ir::Block& block) {
    std::vector<Products> done, open;
    const auto close = [&] {
      for (Products& group : open) {
        if (group.members.size() > 1 && pays(group)) done.push_back(std::move(group));
      }
      open.clear();
    };
    for (const auto& operation : block.operations()) {
      if (has_steps(*operation)) close();
      if (operation->op() == Op::kDotGeneral && !read_here_.contains(operation->result())) take(*operation, open);
    }
    return done;
  }

  static void take(const Operation& product, std::vector<Products>& open) {
    for (Products& group : open) {
      if (!joins(group, product)) continue;
      group.members.push_back(&product);
      const Operation* const first = group.members[0];  // no longer free to join others by its other operand
      std::erase_if(open, [&](const Products& other) { return other.members.size() == 1 && other.members[0] == first; });
      return;
    }
    for (const size_t side : {0, 1}) open.push_back({side, {&product}});
  }

  static bool joins(const Products& group, const Operation& product) {
    const Operation& first = *group.members[0];
    if (product.operand(group.side) != first.operand(group.side) ||
        !std::equal(product.attributes().begin(), product.attributes().end(), first.attributes().begin(), first.attributes().end()))
      return false;
    const Type &other = product.operand(1 - group.side)->type(), &present = first.operand(1 - group.side)->type();
    const size_t along = first_free(first, 1 - group.side);
    if (other.element != present.element || other.dims.size() != present.dims.size() || along == present.dims.size()) return false;
    Dims dims = other.dims;
    dims[along] = present.dims[along];
    return dims == present.dims && product.result()->type().element == first.result()->type().element;
  }

  // To bring the others together costs less than to read once more what they have in common.
  static bool pays(const Products& group) {
    int64_t others = 0;
    for (const Operation* product : group.members) others += product->operand(1 - group.side)->type().num_elements();
    return others > 0 && others <= group.members[0]->operand(group.side)->type().num_elements();
  }

  static void rewrite(ir::Block& block, const std::vector<Products>& groups) {
    std::unordered_map<const Operation*, const Products*> last;
    for (const Products& group : groups) last[group.members.back()] = &group;
    Replaced replaced;
    std::vector<std::unique_ptr<Operation>> operations;
    operations.swap(block.operations());
    for (auto& operation : operations) {
      replace_operands(*operation, replaced);
      const Operation& present = *block.append(std::move(operation));  // members stay, unread, until dead code goes
      if (const auto found = last.find(&present); found != last.end()) join(*found->second, block, replaced);
    }
  }

  static void join(const Products& group, ir::Block& block, Replaced& replaced) {
    const Operation& first = *group.members[0];
    Builder builder(block, first.location());
    const size_t side = 1 - group.side, along = first_free(first, side), at = in_result(first, side);
    std::vector<Value*> parts;
    Type together = first.operand(side)->type(), whole = first.result()->type();
    together.dims[along] = 0;
    for (const Operation* product : group.members) {
      parts.push_back(product->operand(side));
      together.dims[along] += parts.back()->type().dims[along];
    }
    whole.dims[at] = together.dims[along];
    std::vector<Value*> operands{first.operand(0), first.operand(1)};
    operands[side] = builder.make(Op::kConcatenate, parts, together, {{Attr::kDimension, {static_cast<int64_t>(along), {}}}});
    Value* const product =
        builder.make(Op::kDotGeneral, operands, whole, Builder::Attributes(first.attributes().begin(), first.attributes().end()));
    Dims start(whole.dims.size(), 0), limit = whole.dims;
    for (const Operation* member : group.members) {
      limit[at] = start[at] + member->result()->type().dims[at];
      replaced[member->result()] = builder.make(
          Op::kSlice, {product}, member->result()->type(),
          {{Attr::kStartIndices, {start, {}}}, {Attr::kLimitIndices, {limit, {}}}, {Attr::kStrides, {Dims(start.size(), 1), {}}}});
      start[at] = limit[at];
    }
  }

  std::unordered_map<const Value*, int> read_here_;
};

}  // namespace

void join_products(ir::Module& module) {
  for (const auto& function : module.functions) Joining().sweep(*function->body);
}

}  // namespace tt::passes
