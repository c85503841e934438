// Ops on tensors as kernel programs: from views to a cached program on the card's queue.
#include "dnn/tensor_op.hpp"

#include <algorithm>

#include "base/error.hpp"
#include "dnn/bfp8.hpp"
#include "dnn/eltwise.hpp"
#include "metal/program_log.hpp"

namespace tt::dnn {

using emulator::TileOpcode;

TensorView view(const Tensor& tensor) { return {tensor, tensor::storage_map(tensor.layout(), tensor.shape())}; }
TensorView view(const Tensor& tensor, const tensor::Groups& groups) { return {tensor, tensor::join(groups)}; }

std::vector<std::byte> element(DataType type, double value) {
  std::vector<std::byte> bytes(static_cast<size_t>(size_of(type)));
  emulator::convert_elements(DataType::kF64, reinterpret_cast<const std::byte*>(&value), type, bytes.data(), 1);
  return bytes;
}

DataType compute_type(DataType type) { return is_float(type) && type != DataType::kF64 ? DataType::kF32 : type; }

void store(ChainBuilder& chain, uint16_t reg, DataType type) {
  const DataType computed = compute_type(type);
  if (computed != type) reg = chain.apply({TileOpcode::kConvert, emulator::lane_of(computed), type, 0}, {reg});
  chain.output(reg, type);
}

AutoFormat::AutoFormat(std::string_view op, std::initializer_list<const Tensor*> inputs) : op_(op) {
  std::vector<Tensor> tensors;
  for (const Tensor* input : inputs) tensors.push_back(*input);
  prepare(tensors);
}

AutoFormat::AutoFormat(std::string_view op, const std::vector<Tensor>& inputs) : op_(op) { prepare(inputs); }

void AutoFormat::prepare(const std::vector<Tensor>& inputs) {
  for (const Tensor& input : inputs) {
    if (input.is_on_host()) continue;
    require(card_ == nullptr || card_ == input.card(), "[", op_, "] Operands to ", op_, " need to be on the same device!");
    card_ = input.card();
  }
  if (card_ == nullptr) card_ = tensor::default_card();
  require(card_ != nullptr, "[", op_,
          "] Requires setting default device if no inputs to op are on device; call SetDefaultDevice, or move an input with to(device)");
  was_on_host_ = inputs[0].is_on_host();
  layout_ = inputs[0].layout();
  packs_ = inputs[0].type() == DataType::kBFP8B;
  type_ = packs_ ? DataType::kBF16 : inputs[0].type();
  for (const Tensor& input : inputs) {
    Tensor placed = input.is_on_host() ? input.place(card_) : input;
    placed.buffer(op_);  // refuses tensors of a closed card
    inputs_.push_back(placed.type() == DataType::kBFP8B ? unpack_bfp8(placed) : std::move(placed));
  }
}

TensorSpec AutoFormat::result(Dims shape) const {
  const Layout layout = tensor::fits(layout_, shape) ? layout_ : Layout::kRowMajor;
  return {std::move(shape), type_, layout};
}

TensorSpec AutoFormat::result(Dims shape, Layout layout, DataType type) const { return {std::move(shape), type, layout}; }

Tensor AutoFormat::finish(Tensor result) const {
  if (packs_ && result.layout() == Layout::kTile && result.type() == DataType::kBF16) return pack_bfp8(result);
  if (was_on_host_ && !tensor::fits_on_card(result.spec())) return result.to_host();
  return result;
}

std::shared_ptr<const Program> cached(const std::shared_ptr<Card>& card, const std::string& key, const std::function<Program()>& build) {
  return card->program(key, [&] {
    auto program = std::make_shared<const Program>(build());
    metal::log_program(program, card->device()->chip());
    return program;
  });
}

void launch(const std::shared_ptr<Card>& card, std::string_view op, const std::shared_ptr<const Program>& program,
            const std::vector<const Tensor*>& inputs, const std::vector<const Tensor*>& outputs) {
  constexpr int64_t kSmallBytes = 64 << 10;  // less than that runs on the calling thread
  const auto device = card->device();
  std::vector<std::shared_ptr<metal::Buffer>> buffers;
  std::vector<metal::Event> awaited;
  int64_t touched = 0;
  for (const Tensor* tensor : inputs) {
    buffers.push_back(tensor->buffer(op));
    if (const metal::Event& ready = buffers.back()->ready(); ready.is_pending_or_failed()) awaited.push_back(ready);
  }
  const size_t first_output = buffers.size();
  for (const Tensor* tensor : outputs) buffers.push_back(tensor->buffer(op));
  for (const metal::SlotSpec& slot : program->slots()) touched += slot.bytes;
  auto run = [buffers, awaited = std::move(awaited), program, raw = device.get()] {
    for (const metal::Event& event : awaited) event.wait();
    std::vector<std::byte*> slots;
    for (const auto& buffer : buffers) slots.push_back(buffer->data());
    raw->run(*program, slots.data());
  };
  const metal::Event done = device->enqueue(std::move(run), touched <= kSmallBytes);
  for (size_t i = first_output; i < buffers.size(); ++i) buffers[i]->set_ready(done);
}

namespace {

std::string key_of(std::string_view op, const std::vector<TensorView>& inputs, std::string_view chain) {
  std::string key = cat(op, '\n', chain);
  for (const TensorView& input : inputs) {
    key += cat('\n', tensor::num_bytes(input.tensor.spec()), name(input.tensor.type()), to_string(input.map), '|');
    key.append(reinterpret_cast<const char*>(input.pad.data()), input.pad.size());
  }
  return key;
}

std::vector<Operand> bind_inputs(std::vector<int64_t>& input_bytes, const std::vector<TensorView>& inputs) {
  std::vector<Operand> operands;
  for (size_t i = 0; i < inputs.size(); ++i) {
    input_bytes.push_back(tensor::num_bytes(inputs[i].tensor.spec()));
    operands.push_back({i, inputs[i].tensor.type(), inputs[i].map, inputs[i].pad});
  }
  return operands;
}

std::vector<const Tensor*> tensors_of(const std::vector<TensorView>& inputs) {
  std::vector<const Tensor*> tensors;
  for (const TensorView& input : inputs) tensors.push_back(&input.tensor);
  return tensors;
}

}  // namespace

Tensor run_chain(std::string_view op, const std::shared_ptr<Card>& card, const std::vector<TensorView>& inputs, const TileProgram& chain,
                 TensorSpec result, const Tensor* into) {
  const Tensor output = into != nullptr ? *into : Tensor::empty(std::move(result), card);
  const TensorSpec& spec = output.spec();
  const int64_t elements = volume(spec.shape);
  if (elements == 0) return output;
  const std::string key = cat(key_of(op, inputs, emulator::to_string(chain)), '\n', tensor::to_string(spec));
  const auto program = cached(card, key, [&] {
    EltwiseSpec eltwise;
    eltwise.name = op;
    eltwise.chain = chain;
    eltwise.output_bytes = {tensor::num_bytes(spec)};
    EltwisePart part{
        elements, bind_inputs(eltwise.input_bytes, inputs), {{0, spec.type, tensor::storage_map(spec.layout, spec.shape), {}}}};
    // Where every tensor lies in the same order, walk that order.
    const AccessMap& order = part.results[0].map;
    const bool alike = std::all_of(inputs.begin(), inputs.end(), [&](const TensorView& input) { return input.map == order; });
    if (alike) {
      for (Operand& operand : part.operands) operand.map = AccessMap::contiguous({&elements, 1});
      part.results[0].map = AccessMap::contiguous({&elements, 1});
    }
    eltwise.parts = {std::move(part)};
    return dnn::eltwise(eltwise, card->device()->chip());
  });
  launch(card, op, program, tensors_of(inputs), {&output});
  return output;
}

Tensor run_copy(std::string_view op, const std::shared_ptr<Card>& card, const TensorView& input, TensorSpec result) {
  ChainBuilder chain;
  const DataType from = input.tensor.type();
  uint16_t value = chain.input(from);
  if (from != result.type) value = chain.apply({TileOpcode::kConvert, emulator::lane_of(from), result.type, 0}, {value});
  chain.output(value, result.type);
  return run_chain(op, card, {input}, chain.finish(), std::move(result));
}

Tensor run_reduce(std::string_view op, const std::shared_ptr<Card>& card, const std::vector<TensorView>& inputs,
                  const TileProgram& prologue, TileOpcode combine, ReduceShape shape) {
  const DataType type = prologue.outputs[0].type;
  const Tensor output = Tensor::empty({{1, shape.outer, 1, shape.inner}, type, Layout::kRowMajor}, card);
  if (shape.outer * shape.inner == 0) return output;
  const std::string key = cat(key_of(op, inputs, emulator::to_string(prologue)), "\nreduce ", int(combine), ' ', shape.outer, ' ',
                              shape.reduced, ' ', shape.inner);
  const auto program = cached(card, key, [&] {
    ReduceSpec reduce;
    reduce.name = op;
    reduce.outer = shape.outer;
    reduce.reduced = shape.reduced;
    reduce.inner = shape.inner;
    ReduceRound& round = reduce.rounds[0];
    round.operands = bind_inputs(reduce.input_bytes, inputs);
    round.prologue = prologue;
    ChainBuilder fold;
    const uint16_t a = fold.input(type), b = fold.input(type);
    fold.output(fold.apply({combine, emulator::lane_of(type), type, 0}, {a, b}), type);
    round.combine = fold.finish();
    reduce.output_bytes = {tensor::num_bytes(output.spec())};
    const int64_t dims[2] = {shape.outer, shape.inner};
    round.results = {{0, type, AccessMap::contiguous(dims), {}}};
    return dnn::reduce(reduce, card->device()->chip());
  });
  launch(card, op, program, tensors_of(inputs), {&output});
  return output;
}

}  // namespace tt::dnn
