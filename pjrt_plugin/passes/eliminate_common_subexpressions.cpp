// Operations that compute the same from the same become one: %1 = sin %0, %2 = sin %0  ->  %1 = sin %0, %2 replaced by %1.
#include <algorithm>
#include <unordered_map>

#include "passes/pass.hpp"

namespace tt::passes {
namespace {

using ir::Op;
using Replaced = std::unordered_map<const ir::Value*, ir::Value*>;

bool same_block(const ir::Block& a, const ir::Block& b);

// `inner` maps values of b's regions to those of a's.
bool same(const ir::Operation& a, const ir::Operation& b, const std::unordered_map<const ir::Value*, const ir::Value*>& inner) {
  if (a.op() != b.op() || a.operands().size() != b.operands().size() || a.results().size() != b.results().size()) return false;
  for (size_t i = 0; i < a.operands().size(); ++i) {
    const auto found = inner.find(b.operand(i));
    if (a.operand(i) != (found == inner.end() ? b.operand(i) : found->second)) return false;
  }
  for (size_t i = 0; i < a.results().size(); ++i) {
    if (a.result(i)->type() != b.result(i)->type()) return false;
  }
  if (!std::equal(a.attributes().begin(), a.attributes().end(), b.attributes().begin(), b.attributes().end())) return false;
  if (a.regions().size() != b.regions().size()) return false;
  for (size_t r = 0; r < a.regions().size(); ++r) {
    if (!same_block(a.region(r), b.region(r))) return false;
  }
  return true;
}

// Blocks that capture nothing but what both may see.
bool same_block(const ir::Block& a, const ir::Block& b) {
  if (a.arguments().size() != b.arguments().size() || a.operations().size() != b.operations().size()) return false;
  std::unordered_map<const ir::Value*, const ir::Value*> inner;
  for (size_t i = 0; i < a.arguments().size(); ++i) {
    if (a.arguments()[i]->type() != b.arguments()[i]->type()) return false;
    inner[b.arguments()[i].get()] = a.arguments()[i].get();
  }
  for (size_t i = 0; i < a.operations().size(); ++i) {
    const ir::Operation &x = *a.operations()[i], &y = *b.operations()[i];
    if ((x.op() != Op::kReturn && !ir::is_pure(x.op())) || !same(x, y, inner)) return false;
    for (size_t r = 0; r < x.results().size(); ++r) inner[y.result(r)] = x.result(r);
  }
  return true;
}

size_t hash(const ir::Operation& operation) {
  size_t hash = static_cast<size_t>(operation.op());
  const auto mix = [&](size_t value) { hash = (hash ^ value) * 0x9e3779b97f4a7c15u; };
  for (const ir::Value* value : operation.operands()) mix(reinterpret_cast<size_t>(value) >> 4);
  const ir::Type& type = operation.result()->type();
  mix(static_cast<size_t>(type.element));
  for (int64_t d : type.dims) mix(static_cast<size_t>(d));
  if (operation.op() == Op::kConstant) {
    const std::vector<std::byte>& bytes = *operation.elements().bytes;
    for (size_t i = 0; i < std::min<size_t>(bytes.size(), 16); ++i) mix(static_cast<size_t>(bytes[i]));
  }
  return hash;
}

void sweep(ir::Block& block, Replaced& replaced) {
  std::unordered_multimap<size_t, ir::Operation*> seen;
  std::vector<std::unique_ptr<ir::Operation>> gone;  // their results are keys of `replaced` until the block is done
  for (auto& operation : block.operations()) {
    for (size_t i = 0; i < operation->operands().size(); ++i) {
      if (const auto found = replaced.find(operation->operand(i)); found != replaced.end()) operation->set_operand(i, found->second);
    }
    for (const auto& region : operation->regions()) sweep(*region, replaced);
    if (!ir::is_pure(operation->op())) continue;
    const size_t key = hash(*operation);
    const auto [first, last] = seen.equal_range(key);
    const auto twin = std::find_if(first, last, [&](const auto& entry) { return same(*entry.second, *operation, {}); });
    if (twin == last) {
      seen.emplace(key, operation.get());
      continue;
    }
    for (size_t r = 0; r < operation->results().size(); ++r) replaced[operation->result(r)] = twin->second->result(r);
    gone.push_back(std::move(operation));
  }
  std::erase(block.operations(), nullptr);
  for (const auto& operation : gone) {
    for (const auto& result : operation->results()) replaced.erase(result.get());
  }
}

}  // namespace

void eliminate_common_subexpressions(ir::Module& module) {
  for (const auto& function : module.functions) {
    Replaced replaced;
    sweep(*function->body, replaced);
  }
}

}  // namespace tt::passes
