// The walk over a block, values, and elementwise operations.
#include "lowering/block.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <utility>

#include "base/error.hpp"
#include "dnn/eltwise.hpp"
#include "dnn/program_cache.hpp"
#include "lowering/chain.hpp"

namespace tt::lowering {

using emulator::TileOp;
using emulator::TileOpcode;
using ir::Op;

namespace {

// One element of an iota, seen everywhere, is a constant.
std::optional<Splat> constant_of(const Ref& ref) {
  const auto* source = std::get_if<Source>(&ref);
  const auto fixed = [](const AccessMap::Dim& dim) { return (dim.stride == 0 || dim.size == 1) && !dim.padded(); };
  if (source == nullptr || source->storage != kNoStorage || !source->indices.empty() || source->map.size() == 0 ||
      !std::all_of(source->map.dims.begin(), source->map.dims.end(), fixed))
    return std::nullopt;
  Splat splat{source->type, {}};
  emulator::convert_elements(DataType::kS64, reinterpret_cast<const std::byte*>(&source->map.offset), splat.type, splat.bits.data(), 1);
  return splat;
}

}  // namespace

void BlockLowering::set(const ir::Value* value, Ref ref) {
  if (const std::optional<Splat> splat = constant_of(ref)) ref = *splat;
  if (const auto* id = producer(ref)) {
    const auto found = context.uses.find(value);
    graph.add_uses(*id, (found == context.uses.end() ? 0 : found->second) - 1);
  }
  context.refs[value] = std::move(ref);
}

Source BlockLowering::source(const ir::Value* value) { return graph.as_source(ref(value), value->type().element, value->type().dims); }
StorageId BlockLowering::dense(const ir::Value* value) {
  const ir::Type type = stored(value->type());
  const StorageId storage = graph.dense(ref(value), type.element, type.dims);
  if (!std::holds_alternative<NodeId>(ref(value))) {
    before_.emplace_back(value, std::exchange(context.refs[value], Source::dense(storage, type.element, type.dims)));
  }
  return storage;
}

Sequence BlockLowering::emit() {
  Sequence steps = graph.emit();
  for (; !before_.empty(); before_.pop_back()) context.refs[before_.back().first] = std::move(before_.back().second);
  return steps;
}

Ref BlockLowering::everywhere(const ir::Value* scalar, const Dims& dims) {
  if (std::holds_alternative<Splat>(ref(scalar))) return ref(scalar);
  return *broadcast_in_dim(source(scalar), {}, dims);
}

void BlockLowering::store_into(const Ref& ref, const ir::Type& type, StorageId destination) {
  if (const auto* id = std::get_if<NodeId>(&ref); id != nullptr && graph.node(*id).storage == kNoStorage) {
    graph.store_in(*id, destination);
  } else {
    graph.store_in(graph.add({TileOpcode::kCopy, emulator::lane_of(type.element), type.element, 0}, type.num_elements(), {ref}),
                   destination);
  }
}

// The storage that holds exactly this value, filled by this block; kNoStorage: none.
StorageId BlockLowering::own_storage(const Ref& ref, const ir::Type& type) const {
  if (const auto* id = std::get_if<NodeId>(&ref)) return graph.node(*id).storage;
  const auto* source = std::get_if<Source>(&ref);
  if (source == nullptr || !source->is_dense() || !graph.owns(source->storage)) return kNoStorage;
  return builder.plan.storages[source->storage].bytes == type.num_bytes() ? source->storage : kNoStorage;
}

std::vector<StorageId> BlockLowering::store_results(const ir::Block& block, std::span<const StorageId> destinations) {
  return store_some_results(block, destinations, [](size_t) { return true; });
}

std::vector<StorageId> BlockLowering::store_some_results(const ir::Block& block, std::span<const StorageId> destinations,
                                                         const std::function<bool(size_t)>& wanted) {
  std::vector<StorageId> storages;
  const auto values = block.terminator().operands();
  for (size_t i = 0; i < values.size(); ++i) {
    if (!wanted(i)) {
      storages.push_back(kNoStorage);
      continue;
    }
    const ir::Type type = stored(values[i]->type());
    StorageId destination = i < destinations.size() ? destinations[i] : kNoStorage;
    const Ref& value = ref(values[i]);
    if (destination == kNoStorage) {
      const StorageId home = own_storage(value, type);
      if (home != kNoStorage && std::find(taken_.begin(), taken_.end(), home) == taken_.end()) {
        taken_.push_back(home);
        storages.push_back(home);
        continue;
      }
      destination = builder.temporary(type.num_bytes());
    }
    store_into(value, type, destination);
    taken_.push_back(destination);
    storages.push_back(destination);
  }
  return storages;
}

StorageId BlockLowering::new_temporary(int64_t bytes, int level) {
  const StorageId storage = builder.temporary(bytes);
  builder.set_available(storage, level);
  return storage;
}

StorageId BlockLowering::new_result(const ir::Value* result, int level) {
  const ir::Type type = stored(result->type());
  const StorageId storage = new_temporary(type.num_bytes(), level);
  graph.own(storage);
  set(result, Source::dense(storage, type.element, type.dims));
  return storage;
}

StorageId BlockLowering::copy_to_result(const ir::Value* value, const ir::Value* result, int& level) {
  const ir::Type& type = value->type();
  const StorageId from = dense(value);
  level = std::max(level, builder.available(from));
  const StorageId to = new_result(result, level);
  if (type.num_elements() == 0) return to;
  graph.at_level(level, [this, from, to, type](Sequence& steps) {
    ClusterChain chain(type.num_elements());
    chain.output(Ref(Source::dense(from, type.element, {{type.num_elements()}})), type.element);
    steps.push_back(eltwise_step(builder, {{chain.finish_for({to})}}));
  });
  return to;
}

void BlockLowering::run_at(int level, metal::Program program, std::vector<StorageId> slots) {
  RunStep run;
  run.program = std::make_shared<const metal::Program>(std::move(program));
  run.slots = std::move(slots);
  graph.at_level(level, [run = std::move(run)](Sequence& steps) mutable { steps.push_back({std::move(run)}); });
}

void BlockLowering::write_view(const ir::Value* value, StorageId destination, AccessMap map, std::vector<SourceIndex> indices, int level) {
  const ir::Type& type = value->type();
  if (type.num_elements() == 0) return;
  Ref roots[1] = {ref(value)};
  const DataType types[1] = {type.element};
  // What is computed beside other values is stored beside them: by then the write is a result of that program.
  const auto* node = std::get_if<NodeId>(&roots[0]);
  if (node != nullptr && context.fusions.fuse_writes && !graph.starts_from_memory(*node, type.dims)) {
    roots[0] = Source::dense(graph.store(*node), type.element, type.dims);
  }
  Prologue prologue = graph.absorb(roots, types, type.dims);
  graph.at_level(level, [this, prologue = std::move(prologue), destination, map = std::move(map), indices = std::move(indices),
                         type](Sequence& steps) {
    BufferTable table(builder.plan);
    dnn::EltwiseSpec spec;
    spec.name = "write_view";
    spec.chain = prologue.chain;
    dnn::EltwisePart part{type.num_elements(), {}, {}};
    for (const Source& source : prologue.sources) part.operands.push_back(table.operand(source));
    dnn::Result result{0, type.element, map, {}};
    for (const SourceIndex& index : indices)
      result.indices.push_back({table.buffer(index.storage), index.element, index.type, index.stride, index.limit});
    part.results.push_back(std::move(result));
    spec.parts = {std::move(part)};
    spec.input_bytes = table.bytes();
    spec.output_bytes = {builder.plan.storages[destination].bytes};
    RunStep run;
    run.slots = table.storages();
    run.slots.push_back(destination);
    run.program = dnn::shared_program(dnn::eltwise, spec, builder.chip);
    run.elementwise = std::make_shared<const dnn::EltwiseSpec>(std::move(spec));
    steps.push_back({std::move(run)});
  });
}

void BlockLowering::refuse(const ir::Operation& operation, std::string_view reason) {
  std::string text = cat("stablehlo.", ir::name(operation.op()));
  const std::string where = to_string(operation.location());
  if (!where.empty()) text += " at " + where;
  if (!reason.empty()) text += cat(": ", reason);
  context.refusals.push_back(std::move(text));
  for (const auto& result : operation.results()) {
    if (!context.refs.contains(result.get())) set(result.get(), Splat{stored(result->type()).element, {}});
  }
}

// The branch of a select whose predicate is a constant; null: of no such select.
const ir::Value* BlockLowering::chosen(const ir::Operation& operation) const {
  if (operation.op() != Op::kSelect) return nullptr;
  const auto* predicate = std::get_if<Splat>(&ref(operation.operand(0)));
  return predicate == nullptr ? nullptr : operation.operand(predicate->bits[0] != std::byte{0} ? 1 : 2);
}

namespace {

// Unsigned x / 2^n and x % 2^n need no division: a shift, and a mask.
void avoid_division(TileOp& op, std::vector<Ref>& operands) {
  if ((op.code != TileOpcode::kDiv && op.code != TileOpcode::kRem) || !is_unsigned(op.type)) return;
  auto* divisor = std::get_if<Splat>(&operands[1]);
  if (divisor == nullptr) return;
  uint64_t value = 0;
  std::memcpy(&value, divisor->bits.data(), static_cast<size_t>(size_of(op.type)));
  if (!std::has_single_bit(value)) return;
  const bool divides = op.code == TileOpcode::kDiv;
  op.code = divides ? TileOpcode::kShrL : TileOpcode::kAnd;
  value = divides ? static_cast<uint64_t>(std::countr_zero(value)) : value - 1;
  std::memcpy(divisor->bits.data(), &value, static_cast<size_t>(size_of(op.type)));
}

}  // namespace

bool BlockLowering::lower_elementwise(const ir::Operation& operation) {
  if (!ir::is_elementwise(operation.op())) return false;
  const ir::Type& type = operation.result()->type();
  std::optional<TileOp> op = tile_op(operation);
  if (!op) {
    refuse(operation, cat("on ", to_string(operation.operand(0)->type())));
    return true;
  }
  if (op->code == TileOpcode::kConvert && operation.operand(0)->type().element == type.element) {
    set(operation.result(), ref(operation.operand(0)));
    return true;
  }
  if (const ir::Value* branch = chosen(operation); branch != nullptr) {
    set(operation.result(), ref(branch));
    return true;
  }
  std::vector<Ref> operands;
  for (const ir::Value* value : operation.operands()) {
    const bool is_scalar = value->type().dims != type.dims && value->type().dims.empty();  // the predicate of select, the bounds of clamp
    operands.push_back(is_scalar ? everywhere(value, type.dims) : ref(value));
  }
  if (std::all_of(operands.begin(), operands.end(), [](const Ref& operand) { return std::holds_alternative<Splat>(operand); })) {
    std::vector<Splat> constants;
    for (const Ref& operand : operands) constants.push_back(std::get<Splat>(operand));
    set(operation.result(), evaluate(*op, constants));
    return true;
  }
  avoid_division(*op, operands);
  set(operation.result(), elementwise(*op, type.num_elements(), std::move(operands)));
  return true;
}

void BlockLowering::lower(const ir::Operation& operation) {
  using Family = bool (*)(BlockLowering&, const ir::Operation&);
  constexpr Family kFamilies[] = {lower_movement, lower_control, lower_collective, lower_reduction, lower_contraction, lower_window,
                                  lower_indexing, lower_numeric, lower_host_call,  lower_placement, lower_user_call,   lower_linalg};
  try {
    for (const Family family : kFamilies) {
      if (family(*this, operation)) return;
    }
    if (!lower_elementwise(operation)) refuse(operation);
  } catch (const Error& error) {
    if (error.category() != ErrorCategory::kUnimplemented) throw;
    refuse(operation, error.what());
  }
}

std::span<const ir::Operation* const> BlockLowering::readers(const ir::Value* value) {
  if (readers_.empty()) {
    for (const auto& operation : block_->operations()) {
      for (const ir::Value* operand : operation->operands()) readers_[operand].push_back(operation.get());
    }
  }
  return readers_[value];
}

void BlockLowering::lower(const ir::Block& block) {
  block_ = &block;
  for (const auto& operation : block.operations()) {
    if (operation->op() != Op::kReturn) lower(*operation);
  }
}

}  // namespace tt::lowering
