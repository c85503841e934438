// What is moved between the card and the host is copied by a program of its own, whose reader or writer goes over PCIe.
#include "lowering/memory_kinds.hpp"

#include <algorithm>

#include "base/error.hpp"
#include "lowering/block.hpp"

namespace tt::lowering {
namespace {

using emulator::BufferType;

const std::string* find_text(const ir::AttributeDict& dict, std::string_view key) {
  const auto found = std::find_if(dict.begin(), dict.end(), [&](const auto& entry) { return entry.first == key; });
  return found == dict.end() ? nullptr : std::get_if<std::string>(&found->second.value);
}

const std::string* placement_of(const ir::Operation& operation) {
  for (const auto& [key, value] : operation.discardable()) {
    const auto* attributes = std::get_if<ir::AttributeDict>(&value.value);
    if (key == "mhlo.frontend_attributes" && attributes != nullptr) return find_text(*attributes, "_xla_buffer_placement");
  }
  return nullptr;
}

}  // namespace

BufferType memory_of_kind(std::string_view kind) {
  if (kind == kHostKind) return BufferType::kHost;
  require(kind == kDeviceKind, "[memory] there is no memory \"", kind, "\", expected \"", kDeviceKind, "\" or \"", kHostKind, "\"");
  return BufferType::kDram;
}

BufferType memory_of(const ir::AttributeDict& argument) {
  const std::string* kind = find_text(argument, "mhlo.memory_kind");
  return kind == nullptr ? BufferType::kDram : memory_of_kind(*kind);
}

bool lower_placement(BlockLowering& block, const ir::Operation& operation) {
  if (!ir::is_placement(operation)) return false;
  const std::string* kind = placement_of(operation);
  require(kind != nullptr && operation.operands().size() == 1 && operation.results().size() == 1, "[custom_call] \"", ir::kPlacementTarget,
          "\" with ", operation.operands().size(), " operands and ", operation.results().size(),
          " results, expected one of each and the attribute _xla_buffer_placement");
  const BufferType to = memory_of_kind(*kind);
  const auto* source = std::get_if<Source>(&block.ref(operation.operand(0)));
  const bool in_memory = source != nullptr && source->storage != kNoStorage;
  const BufferType from = in_memory ? block.builder.plan.storages[source->storage].memory : BufferType::kDram;
  if (from == to) {
    block.set(operation.result(), block.ref(operation.operand(0)));
    return true;
  }
  int level = block.level_of(operation.operand(0));
  const StorageId moved = block.copy_to_result(operation.operand(0), operation.result(), level);
  block.builder.plan.storages[moved].memory = to;
  return true;
}

}  // namespace tt::lowering
