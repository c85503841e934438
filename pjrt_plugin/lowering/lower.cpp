// Parameters, the main block, results, and the one error that lists what cannot be lowered.
#include "lowering/lower.hpp"

#include "base/error.hpp"
#include "dnn/eltwise.hpp"
#include "lowering/attention.hpp"
#include "lowering/block.hpp"
#include "lowering/hoisting.hpp"
#include "lowering/layouts.hpp"
#include "lowering/memory.hpp"
#include "lowering/memory_kinds.hpp"
#include "lowering/mentions.hpp"
#include "lowering/norms.hpp"
#include "lowering/writes.hpp"

namespace tt::lowering {
namespace {

void count_uses(const ir::Block& block, std::unordered_map<const ir::Value*, int64_t>& uses) {
  for (const auto& operation : block.operations()) {
    for (const ir::Value* value : operation->operands()) ++uses[value];
    for (const auto& region : operation->regions()) count_uses(*region, uses);
  }
}

void refuse_all(const Context& context) {
  std::string text = cat("[compile] ", context.refusals.size(), context.refusals.size() == 1 ? " operation is" : " operations are",
                         " not supported on tt yet:");
  for (const std::string& refusal : context.refusals) text += "\n  " + refusal;
  throw Error(ErrorCategory::kUnimplemented, text);
}

// Such as those that products have in tiles.
void drop_unread_constants(Plan& plan) {
  const Mentions mentions(plan);
  for (StorageId id = 0; id < plan.storages.size(); ++id) {
    Storage& storage = plan.storages[id];
    if (storage.kind != Storage::Kind::kConstant || mentions(id) > 0) continue;
    storage.data = std::make_shared<const std::vector<std::byte>>();
    storage.bytes = 0;
  }
}

}  // namespace

ir::Type stored(const ir::Type& type) { return type.is_tensor() ? type : ir::Type::tensor(DataType::kPred, {0}); }

Plan lower(const ir::Module& module, std::span<const uint8_t> donated, const Fusions& fusions, const emulator::ChipSpec& chip,
           std::span<const int64_t> processes) {
  const ir::Function& main = module.main();
  Context context(chip, fusions, ir::num_partitions(module), processes);
  count_uses(*main.body, context.uses);
  PlanBuilder& builder = context.builder;
  for (size_t i = 0; i < main.body->arguments().size(); ++i) {
    const ir::Value* argument = main.body->arguments()[i].get();
    const ir::Type type = stored(argument->type());
    const StorageId storage = builder.temporary(type.num_bytes());
    builder.plan.storages[storage].kind = Storage::Kind::kParameter;
    builder.plan.storages[storage].index = i;
    if (i < main.argument_attributes.size()) builder.plan.storages[storage].memory = memory_of(main.argument_attributes[i]);
    builder.plan.parameters.push_back(storage);
    context.refs[argument] = Source::dense(storage, type.element, type.dims);
  }
  BlockLowering block(context);
  block.lower(*main.body);
  if (!context.refusals.empty()) refuse_all(context);
  builder.plan.results = block.store_results(*main.body, {});
  for (size_t i = 0; i < builder.plan.results.size(); ++i) {
    Storage& storage = builder.plan.storages[builder.plan.results[i]];
    storage.kind = Storage::Kind::kResult;
    storage.index = i;
    storage.memory = i < main.result_attributes.size() ? memory_of(main.result_attributes[i]) : emulator::BufferType::kDram;
  }
  builder.plan.steps = block.emit();
  if (fusions.fuse_writes) fuse_writes(builder.plan, chip);
  if (fusions.fuse_attention) fuse_attention(builder.plan, chip, fusions.l1_intermediates);
  if (fusions.fuse_norms) fuse_norms(builder.plan, chip, fusions.l1_intermediates);
  if (fusions.hoist_steps) hoist_steps(builder.plan);
  if (fusions.assign_layouts) assign_layouts(builder.plan, chip);
  drop_unread_constants(builder.plan);
  plan_memory(builder.plan, donated, chip, fusions.l1_intermediates);
  return std::move(builder.plan);
}

bool only_moves(const RunStep& run) { return run.moves || (run.elementwise != nullptr && run.elementwise->chain.ops.empty()); }

}  // namespace tt::lowering
