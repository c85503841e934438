// Calls of the host process: the custom call that jax_tt emits for callbacks into Python.
#include "metal/host_call.hpp"

#include <algorithm>
#include <charconv>

#include "base/error.hpp"
#include "lowering/block.hpp"

namespace tt::lowering {
namespace {

uint64_t function_of(const ir::Operation& operation) {
  const std::string& text = operation.text(ir::Attr::kBackendConfig);
  uint64_t id = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), id);
  require(error == std::errc() && end == text.data() + text.size(), "[custom_call] \"", ir::kHostCallTarget, "\" of function \"", text,
          "\", expected a number");
  return id;
}

}  // namespace

// Tokens are not passed on, only waited for. Calls with side effects keep their order.
bool lower_host_call(BlockLowering& block, const ir::Operation& operation) {
  if (operation.op() != ir::Op::kCustomCall || operation.text(ir::Attr::kCallTargetName) != ir::kHostCallTarget) return false;
  if (!metal::has_host_calls()) {
    block.refuse(operation, "callbacks into Python need the package jax_tt in the process");
    return true;
  }
  const bool ordered = operation.flag(ir::Attr::kHasSideEffect);
  int level = ordered ? block.effects_level : 0;
  std::vector<StorageId> slots;
  std::vector<int64_t> input_bytes, output_bytes;
  for (const ir::Value* value : operation.operands()) {
    level = std::max(level, block.level_of(value));
    if (!value->type().is_tensor()) continue;
    slots.push_back(block.dense(value));
    level = std::max(level, block.builder.available(slots.back()));
    input_bytes.push_back(value->type().num_bytes());
  }
  for (const auto& result : operation.results()) {
    const StorageId storage = block.new_result(result.get(), level);
    if (!result->type().is_tensor()) continue;
    slots.push_back(storage);
    output_bytes.push_back(result->type().num_bytes());
  }
  if (ordered) block.effects_level = level;
  block.run_at(level, metal::host_call("python_callback", function_of(operation), input_bytes, output_bytes), std::move(slots));
  return true;
}

}  // namespace tt::lowering
