// Collectives: a program runs on one device, number 0, which talks to itself or to nobody.
#include <algorithm>

#include "base/error.hpp"
#include "ir/attribute_text.hpp"
#include "lowering/block.hpp"

namespace tt::lowering {

using ir::Attr;
using ir::Op;

namespace {

// The devices that the groups (source-target pairs) name.
Dims devices_of(const ir::Operation& operation, Attr key) {
  Dims devices = ir::integers(operation.elements(key));
  std::erase(devices, -1);  // fills up short groups
  if (std::any_of(devices.begin(), devices.end(), [](int64_t device) { return device != 0; })) {
    fail(ErrorCategory::kUnimplemented, "among devices ", ir::to_string(operation.elements(key)), ", the program runs on device 0 only");
  }
  return devices;
}

void pass_on(BlockLowering& block, const ir::Operation& operation) {
  const size_t count = operation.results().size();
  for (size_t i = 0; i < count; ++i) block.set(operation.result(i), block.ref(operation.operand(i)));
}

// To every device of a group; the others get zeros.
void lower_to_receivers(BlockLowering& block, const ir::Operation& operation, Attr key) {
  if (!devices_of(operation, key).empty()) return pass_on(block, operation);
  block.set(operation.result(), Splat{operation.result()->type().element, {}});
}

// Each device of the only group there is takes part.
void lower_among_all(BlockLowering& block, const ir::Operation& operation) {
  devices_of(operation, Attr::kReplicaGroups);
  const size_t count = operation.results().size();
  require(operation.operands().size() == count, operation.operands().size(), " operands and ", count, " results");
  for (size_t i = 0; i < count; ++i) {
    const ir::Type &from = operation.operand(i)->type(), &to = operation.result(i)->type();
    require(from == to, "from ", Text(from), " to ", Text(to), ", one device gets what it gives");
  }
  pass_on(block, operation);
}

}  // namespace

bool lower_collective(BlockLowering& block, const ir::Operation& operation) {
  switch (operation.op()) {
    case Op::kAllGather:
    case Op::kAllReduce:
    case Op::kAllToAll:
    case Op::kReduceScatter: lower_among_all(block, operation); return true;
    case Op::kCollectiveBroadcast: lower_to_receivers(block, operation, Attr::kReplicaGroups); return true;
    case Op::kCollectivePermute: lower_to_receivers(block, operation, Attr::kSourceTargetPairs); return true;
    default: return false;
  }
}

}  // namespace tt::lowering
