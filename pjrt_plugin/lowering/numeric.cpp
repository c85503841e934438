// Random bits.
#include <algorithm>

#include "base/error.hpp"
#include "dnn/random.hpp"
#include "lowering/block.hpp"

namespace tt::lowering {

using ir::Attr;
using ir::Op;

namespace {

dnn::RngAlgorithm rng_algorithm(const std::string& name) {
  if (name == "THREE_FRY") return dnn::RngAlgorithm::kThreeFry;
  if (name == "PHILOX") return dnn::RngAlgorithm::kPhilox;
  return dnn::RngAlgorithm::kDefault;
}

void lower_rng_bit_generator(BlockLowering& block, const ir::Operation& operation) {
  const ir::Value* state = operation.operand(0);
  const ir::Type& bits = operation.result(1)->type();
  const dnn::RngSpec spec{"rng_bit_generator", rng_algorithm(operation.text(Attr::kRngAlgorithm)), state->type().element, state->type().dims, bits.element,
                          bits.dims};
  const StorageId from = block.dense(state);
  const int level = block.builder.available(from);
  const StorageId next = block.new_result(operation.result(0), level), to = block.new_result(operation.result(1), level);
  block.run_at(level, dnn::rng_bit_generator(spec, block.builder.chip), {from, next, to});
}

}  // namespace

bool lower_numeric(BlockLowering& block, const ir::Operation& operation) {
  switch (operation.op()) {
    case Op::kRngBitGenerator: lower_rng_bit_generator(block, operation); return true;
    default: return false;
  }
}

}  // namespace tt::lowering
