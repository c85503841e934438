// What a loop stacks and only a transpose reads is stacked in that order:
//   %1 = while (%a = zeros<128x16x64>) { update %a[i, :, :] }, %2 = transpose %1, dims = [1, 0, 2]
//   ->  %1 = while (%a = zeros<16x128x64>) { update %a[:, i, :] }, %2 replaced by %1
// Recurrent layers over batch-major arrays are such.
#include <algorithm>
#include <unordered_set>

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

// Shorter rows take longer to write in every turn than to move all at once after the loop; and so do many at a distance at which they all
// lie in the same bank of a memory that is interleaved.
constexpr int64_t kLeastRow = 256, kManyBytes = 8192, kInterleaved = 8192;

Type permuted(const Type& type, const Dims& permutation) {
  Type result = type;
  for (size_t d = 0; d < permutation.size(); ++d) result.dims[d] = type.dims[static_cast<size_t>(permutation[d])];
  return result;
}

bool pays(const Operation& write, const Dims& permutation) {
  const Type whole = permuted(write.result()->type(), permutation), slice = permuted(write.operand(1)->type(), permutation);
  size_t d = permutation.size();
  int64_t row = size_of(whole.element);
  for (; d > 0 && permutation[d - 1] == static_cast<int64_t>(d - 1); --d) row *= whole.dims[d - 1];
  int64_t distance = row;  // from one row of a slice to the next
  for (; d > 0 && slice.dims[d - 1] == 1; --d) distance *= whole.dims[d - 1];
  return row >= kLeastRow && (slice.num_bytes() <= kManyBytes || distance % kInterleaved != 0);
}

// The same in the other shape, where every element is the same; null: they differ.
Value* reshaped(const Value* value, const Type& type, Builder& builder) {
  const Operation* made = value->definer();
  if (made == nullptr) return nullptr;
  if (made->op() == Op::kBroadcastInDim && made->operand(0)->type().dims.empty()) return builder.broadcast(made->operand(0), {}, type.dims);
  if (made->op() != Op::kConstant || !made->elements().splat) return nullptr;
  return builder.make(Op::kConstant, {}, type, {{Attr::kValue, {ir::DenseElements{type, true, made->elements().bytes}, {}}}});
}

// The body's writes go to where the transpose would have put them.
void transpose_writes(ir::Block& body, const std::vector<Operation*>& writes, const Dims& permutation) {
  std::vector<std::unique_ptr<Operation>> operations;
  operations.swap(body.operations());
  for (auto& operation : operations) {
    if (std::find(writes.begin(), writes.end(), operation.get()) != writes.end()) {
      Builder builder(body, operation->location());
      const Type slice = permuted(operation->operand(1)->type(), permutation);
      Value* const update = builder.make(Op::kTranspose, {operation->operand(1)}, slice, {{Attr::kPermutation, {permutation, {}}}});
      std::vector<Value*> operands{operation->operand(0), update};
      for (const int64_t d : permutation) operands.push_back(operation->operand(2 + static_cast<size_t>(d)));
      operation->set_operands(std::move(operands));
      operation->result()->set_type(permuted(operation->result()->type(), permutation));
    }
    body.append(std::move(operation));
  }
}

class Transposition {
 public:
  void sweep(ir::Block& block) {
    for (const auto& operation : block.operations()) {
      for (const auto& region : operation->regions()) sweep(*region);
    }
    const ir::Readers readers(block);
    std::vector<std::unique_ptr<Operation>> operations;
    operations.swap(block.operations());
    std::unordered_set<const Operation*> here;
    for (const auto& operation : operations) here.insert(operation.get());
    for (auto& operation : operations) {
      replace_operands(*operation, replaced_);
      if (folded_.contains(operation.get())) {
        gone_.push_back(std::move(operation));  // its result is a key of `replaced_`
        continue;
      }
      if (operation->op() == Op::kWhile) transpose(*operation, readers, here, Builder(block, operation->location()));
      block.append(std::move(operation));
    }
  }

 private:
  void transpose(Operation& loop, const ir::Readers& readers, const std::unordered_set<const Operation*>& here, Builder before) {
    const ir::Readers condition(loop.region(0)), body(loop.region(1));
    for (size_t i = 0; i < loop.results().size(); ++i) {
      const auto& reader = readers(loop.result(i));
      if (reader.size() != 1 || reader[0]->op() != Op::kTranspose || !here.contains(reader[0])) continue;
      const Dims& permutation = reader[0]->ints(Attr::kPermutation);
      const Type& type = reader[0]->result()->type();
      const auto writes = ir::only_writes(loop, i, condition, body);
      const bool all = std::all_of(writes.begin(), writes.end(), [&](const Operation* write) { return pays(*write, permutation); });
      Value* const initial = writes.empty() || !all ? nullptr : reshaped(loop.operand(i), type, before);
      if (initial == nullptr) continue;
      transpose_writes(loop.region(1), writes, permutation);
      loop.set_operand(i, initial);
      for (const auto& region : loop.regions()) region->arguments()[i]->set_type(type);
      loop.result(i)->set_type(type);
      replaced_[reader[0]->result()] = loop.result(i);
      folded_.insert(reader[0]);
    }
  }

  std::unordered_set<const Operation*> folded_;  // transposes that loops do
  Replaced replaced_;
  std::vector<std::unique_ptr<Operation>> gone_;
};

}  // namespace

void transpose_stacks(ir::Module& module) {
  for (const auto& function : module.functions) Transposition().sweep(*function->body);
}

}  // namespace tt::passes
