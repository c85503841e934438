// Uniform constants, through what repeats them.
#include "passes/uniform.hpp"

#include <cstring>

namespace tt::passes {

std::optional<uint64_t> uniform_bits(const ir::Value* value) {
  const ir::Operation* made = value->definer();
  while (made != nullptr && (made->op() == ir::Op::kBroadcastInDim || made->op() == ir::Op::kReshape)) made = made->operand(0)->definer();
  if (made == nullptr || made->op() != ir::Op::kConstant) return std::nullopt;
  const ir::DenseElements& elements = made->elements();
  const auto size = static_cast<size_t>(size_of(elements.type.element));
  const bool single = elements.splat || elements.bytes->size() == size;
  if (!single || size > sizeof(uint64_t) || elements.bytes->size() < size) return std::nullopt;
  uint64_t bits = 0;
  std::memcpy(&bits, elements.bytes->data(), size);
  return bits;
}

}  // namespace tt::passes
