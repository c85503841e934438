// A loop's arguments that it returns as they are stand for what it starts with.
#include "passes/invariants.hpp"

namespace tt::passes {

Invariants::Invariants(const ir::Operation& loop) : loop_(loop), body_(loop.region(1)) {
  for (size_t i = 0; i < body_.arguments().size(); ++i) argument_[body_.arguments()[i].get()] = i;
  for (const auto& operation : body_.operations()) inside_.insert(operation.get());
  next_.assign(body_.terminator().operands().begin(), body_.terminator().operands().end());
}

ir::Value* Invariants::outside(ir::Value* value) const {
  if (const auto found = argument_.find(value); found != argument_.end()) {
    return next_[found->second] == value ? loop_.operand(found->second) : nullptr;
  }
  const ir::Operation* const made = value->definer();
  if (made == nullptr) return value->block_of_argument() != &body_ ? value : nullptr;
  return inside_.contains(made) ? nullptr : value;
}

}  // namespace tt::passes
