// Control flow: loops and branches become steps whose sequences are lowered once.
#include <algorithm>
#include <cstring>
#include <unordered_set>

#include "base/error.hpp"
#include "dnn/scalar_loop.hpp"
#include "ir/counted_loop.hpp"
#include "lowering/block.hpp"
#include "lowering/chain.hpp"
#include "lowering/mentions.hpp"
#include "lowering/recurrence.hpp"

namespace tt::lowering {

using ir::Op;

namespace {

void collect_captured(const ir::Block& block, std::unordered_set<const ir::Value*>& defined, std::vector<const ir::Value*>& captured) {
  for (const auto& argument : block.arguments()) defined.insert(argument.get());
  for (const auto& operation : block.operations()) {
    for (const ir::Value* value : operation->operands()) {
      if (defined.insert(value).second) captured.push_back(value);
    }
    for (const auto& region : operation->regions()) collect_captured(*region, defined, captured);
    for (const auto& result : operation->results()) defined.insert(result.get());
  }
}

// Brings what a region captures into memory; the first level at which the region may run.
int prepare_captured(BlockLowering& block, const ir::Operation& operation) {
  std::unordered_set<const ir::Value*> defined;
  std::vector<const ir::Value*> captured;
  for (const auto& region : operation.regions()) collect_captured(*region, defined, captured);
  int level = 0;
  for (const ir::Value* value : captured) {
    level = std::max(level, block.level_of(value));
    if (producer(block.ref(value)) != nullptr) block.context.refs[value] = block.source(value);
  }
  return level;
}

// A scalar in memory that a step may look at.
StorageId scalar_storage(BlockLowering& block, const ir::Value* value, int& level) {
  const StorageId storage = block.dense(value);
  level = std::max(level, block.builder.available(storage));
  return storage;
}

// The loop where its turns can be seen, with the integers that lowering has found out.
std::optional<ir::CountedLoop> counted(const BlockLowering& block, const ir::Operation& operation) {
  return ir::CountedLoop::of(operation, [&refs = block.context.refs](const ir::Value* value) -> std::optional<int64_t> {
    const auto found = refs.find(value);
    const auto* splat = found == refs.end() ? nullptr : std::get_if<Splat>(&found->second);
    if (splat == nullptr || !is_integer(splat->type)) return std::nullopt;
    int64_t number = 0;
    emulator::convert_elements(splat->type, splat->bits.data(), DataType::kS64, reinterpret_cast<std::byte*>(&number), 1);
    return is_unsigned(splat->type) && number < 0 ? std::nullopt : std::optional(number);
  });
}

// A loop over scalars becomes one kernel. False: it is none, or does what that kernel cannot.
bool lower_scalar_loop(BlockLowering& block, const ir::Operation& operation) {
  for (const ir::Value* value : operation.operands()) {
    if (!value->type().is_tensor() || !value->type().dims.empty()) return false;
  }
  dnn::ScalarLoop loop;
  try {
    loop = {region_chain(operation.region(0)), region_chain(operation.region(1))};
  } catch (const Error& error) {
    if (error.category() != ErrorCategory::kUnimplemented) throw;
    return false;
  }
  if (!emulator::is_scalar_loop(loop)) return false;
  int level = 0;
  std::vector<StorageId> slots;
  for (const ir::Value* value : operation.operands()) {
    const bool is_constant = std::holds_alternative<Splat>(block.ref(value));
    slots.push_back(is_constant ? block.source(value).storage : scalar_storage(block, value, level));
  }
  const auto known = counted(block, operation);
  const int64_t turns = known ? std::max<int64_t>(known->turns(), 1) : 1;
  for (const auto& result : operation.results()) slots.push_back(block.new_result(result.get(), level));
  block.run_at(level, dnn::scalar_loop(loop, turns, block.builder.chip), std::move(slots));
  return true;
}

}  // namespace

bool Loop::is_invariant(const PlanBuilder& builder, const Source& source) const {
  if (source.storage == kNoStorage || !source.indices.empty() || carried.contains(source.storage)) return false;
  return source.storage < first_inner || builder.plan.storages[source.storage].kind == Storage::Kind::kConstant;
}

namespace {

// What the dispatch core counts, where argument i of the loop is nothing else.
std::optional<Counter> counter_of(const std::optional<ir::CountedLoop>& loop, const ir::Type& type, size_t i) {
  const auto found = loop ? loop->counter(i) : std::nullopt;
  if (!found || info(type.element).bits < 8) return std::nullopt;
  return Counter{kNoStorage, type.num_bytes(), found->first, found->by};
}

Splat value_at(const Counter& counter, DataType type, int64_t turn) {
  Splat splat{type, {}};
  const int64_t value = counter.at(turn);
  std::memcpy(splat.bits.data(), &value, static_cast<size_t>(counter.bytes));
  return splat;
}

void lower_while(BlockLowering& block, const ir::Operation& operation) {
  if (lower_scalar_loop(block, operation)) return;
  const ir::Block &condition = operation.region(0), &body = operation.region(1);
  const auto known = counted(block, operation);
  if (known && block.context.fusions.fuse_turns && lower_recurrence(block, operation, *known)) return;
  int level = prepare_captured(block, operation);
  const size_t count = operation.operands().size();
  std::vector<StorageId> carried(count, kNoStorage);
  WhileStep loop;
  const ir::Readers readers(condition), body_readers(body);
  for (size_t i = 0; i < count; ++i) {
    const ir::Value* initial = operation.operand(i);
    const ir::Type type = stored(initial->type());
    const bool invariant = body.terminator().operand(i) == body.arguments()[i].get();
    Ref inside = block.ref(initial);
    std::optional<Ref> after;  // where it is not what the last turn left
    if (invariant) {
      if (producer(inside) != nullptr) inside = block.source(initial);
      level = std::max(level, block.graph.level_of(inside));
    } else if (auto counter = counter_of(known, type, i)) {
      counter->storage = block.builder.temporary(counter->bytes);
      inside = Source::dense(counter->storage, type.element, type.dims);
      after = value_at(*counter, type.element, known->turns());
      loop.counters.push_back(*counter);
    } else {
      // The loop overwrites its argument: nobody else may read that memory.
      const auto* node = std::get_if<NodeId>(&inside);
      if (node != nullptr && block.graph.node(*node).uses > 1) inside = block.source(initial);
      carried[i] = block.builder.temporary(type.num_bytes());
      const bool is_overwritten =
          known && block.context.fusions.skip_fills && known->writes_all(ir::only_writes(operation, i, readers, body_readers));
      if (!is_overwritten) block.store_into(inside, type, carried[i]);
      level = std::max(level, block.builder.available(carried[i]));
      inside = Source::dense(carried[i], type.element, type.dims);
    }
    block.context.refs[condition.arguments()[i].get()] = inside;
    block.context.refs[body.arguments()[i].get()] = inside;
    block.set(operation.result(i), after.value_or(inside));
  }
  Loop turning{block.builder.plan.storages.size(), {carried.begin(), carried.end()}, {}};
  for (const Counter& counter : loop.counters) turning.carried.insert(counter.storage);
  BlockLowering test(block.context);
  test.lower(condition);
  loop.predicate = test.store_results(condition, {})[0];
  loop.condition = std::make_shared<Sequence>(test.emit());
  if (known) {
    loop.turns = known->turns();
    loop.condition->clear();
  }
  BlockLowering iteration(block.context, &turning);
  iteration.lower(body);
  // Only what changes is stored.
  std::vector<StorageId> destinations(count, kNoStorage);
  const std::vector<StorageId> next = iteration.store_some_results(body, destinations, [&](size_t i) { return carried[i] != kNoStorage; });
  loop.body = std::make_shared<Sequence>(iteration.emit());
  const Mentions mentions(*loop.body);
  std::erase_if(loop.counters, [&](const Counter& counter) { return mentions(counter.storage) == 0; });
  for (size_t i = 0; i < count; ++i) {
    if (carried[i] == kNoStorage) continue;
    loop.carried.emplace_back(carried[i], next[i]);
    block.builder.set_available(carried[i], level);
  }
  block.graph.at_level(level, [loop = std::move(loop), before = std::move(turning.before)](Sequence& steps) {
    steps.insert(steps.end(), before.begin(), before.end());
    steps.push_back({loop});
  });
}

void lower_branches(BlockLowering& block, const ir::Operation& operation) {
  int level = prepare_captured(block, operation);
  CaseStep step;
  step.selector = scalar_storage(block, operation.operand(0), level);
  step.selector_type = operation.operand(0)->type().element;
  std::vector<StorageId> results;
  for (const auto& result : operation.results()) results.push_back(block.new_result(result.get(), level));
  for (const auto& region : operation.regions()) {
    BlockLowering branch(block.context);
    branch.lower(*region);
    branch.store_results(*region, results);
    step.branches.push_back(std::make_shared<Sequence>(branch.emit()));
  }
  // What the branches have said of the results' levels was theirs.
  for (StorageId storage : results) block.builder.set_available(storage, level);
  block.graph.at_level(level, [step = std::move(step)](Sequence& steps) { steps.push_back({step}); });
}

}  // namespace

bool lower_control(BlockLowering& block, const ir::Operation& operation) {
  switch (operation.op()) {
    case Op::kWhile: lower_while(block, operation); return true;
    case Op::kIf:
    case Op::kCase: lower_branches(block, operation); return true;
    case Op::kOptimizationBarrier:
      for (size_t i = 0; i < operation.results().size(); ++i) block.set(operation.result(i), block.ref(operation.operand(i)));
      return true;
    case Op::kTuple:
    case Op::kGetTupleElement: block.refuse(operation, "a tuple that is more than a name for its members"); return true;
    case Op::kAfterAll:
    case Op::kCreateToken:
    case Op::kReplicaId: {  // of one replica: token and index are zero
      block.set(operation.result(), Splat{stored(operation.result()->type()).element, {}});
      return true;
    }
    default: return false;
  }
}

}  // namespace tt::lowering
