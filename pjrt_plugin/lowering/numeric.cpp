// Random bits and Fourier transforms.
#include <algorithm>

#include "base/error.hpp"
#include "dnn/fft.hpp"
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
  const dnn::RngSpec spec{"rng_bit_generator",   rng_algorithm(operation.text(Attr::kRngAlgorithm)),
                          state->type().element, state->type().dims,
                          bits.element,          bits.dims};
  const StorageId from = block.dense(state);
  const int level = block.builder.available(from);
  const StorageId next = block.new_result(operation.result(0), level), to = block.new_result(operation.result(1), level);
  block.run_at(level, dnn::rng_bit_generator(spec, block.builder.chip), {from, next, to});
}

dnn::FftKind fft_kind(const std::string& name) {
  if (name == "IFFT") return dnn::FftKind::kIfft;
  if (name == "RFFT") return dnn::FftKind::kRfft;
  return name == "IRFFT" ? dnn::FftKind::kIrfft : dnn::FftKind::kFft;
}

void lower_fft(BlockLowering& block, const ir::Operation& operation) {
  const ir::Value* operand = operation.operand(0);
  dnn::FftSpec spec;
  spec.kind = fft_kind(operation.text(Attr::kFftType));
  spec.type = operand->type().element;
  spec.dims = operand->type().dims;
  spec.fft_length = operation.ints(Attr::kFftLength);
  const StorageId from = block.dense(operand);
  const int level = block.builder.available(from);
  const StorageId to = block.new_result(operation.result(), level);
  if (operation.result()->type().num_elements() == 0) return;
  dnn::FftStages stages = dnn::fft(spec, block.builder.chip);
  const StorageId scratch = stages.scratch_bytes > 0 ? block.new_temporary(stages.scratch_bytes, level) : kNoStorage;
  const auto storage = [&](dnn::FftStages::Array array) {
    return array == dnn::FftStages::Array::kOperand ? from : array == dnn::FftStages::Array::kScratch ? scratch : to;
  };
  for (dnn::FftStages::Stage& stage : stages.stages) {
    block.run_at(level, std::move(stage.program), {storage(stage.from), storage(stage.to)});
  }
}

}  // namespace

bool lower_numeric(BlockLowering& block, const ir::Operation& operation) {
  switch (operation.op()) {
    case Op::kRngBitGenerator: lower_rng_bit_generator(block, operation); return true;
    case Op::kFft: lower_fft(block, operation); return true;
    default: return false;
  }
}

}  // namespace tt::lowering
