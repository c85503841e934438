// What ops on tensors share: views, where inputs must be and where results go, and programs found again in the card's cache.
#pragma once

#include <initializer_list>
#include <string_view>
#include <vector>

#include "dnn/chain_builder.hpp"
#include "dnn/reduce.hpp"
#include "tensor/tensor.hpp"

namespace tt::dnn {

using tensor::Card;
using tensor::Layout;
using tensor::Tensor;
using tensor::TensorSpec;

// Element i of an op's iteration space is element map(i) of the tensor's storage; `pad` is one element for what the map leaves unbacked.
struct TensorView {
  Tensor tensor;
  AccessMap map;
  std::vector<std::byte> pad = {};
};
TensorView view(const Tensor& tensor);                                // the array in row-major order
TensorView view(const Tensor& tensor, const tensor::Groups& groups);  // its dimensions rearranged
std::vector<std::byte> element(DataType type, double value);

// The inputs of an op as it needs them: on one card, BFLOAT8_B unpacked. The result follows the first input.
class AutoFormat {
 public:
  AutoFormat(std::string_view op, std::initializer_list<const Tensor*> inputs);
  AutoFormat(std::string_view op, const std::vector<Tensor>& inputs);

  const Tensor& operator[](size_t i) const { return inputs_[i]; }
  const std::shared_ptr<Card>& card() const { return card_; }
  DataType type() const { return type_; }  // of the result, before packing
  // A result of this shape, in the first input's layout if the shape allows.
  TensorSpec result(Dims shape) const;
  TensorSpec result(Dims shape, Layout layout, DataType type) const;
  // Packs BFLOAT8_B; takes to the host what a card would not be given (rows of odd width) unless the first input was there already.
  Tensor finish(Tensor result) const;

 private:
  void prepare(const std::vector<Tensor>& inputs);

  std::string op_;
  std::vector<Tensor> inputs_;
  std::shared_ptr<Card> card_;
  DataType type_ = DataType::kBF16;
  Layout layout_ = Layout::kRowMajor;
  bool packs_ = false, was_on_host_ = false;
};

// DataType in which chains compute with elements of `type`.
DataType compute_type(DataType type);
// Ends a chain: the register, rounded to `type`, is the next output.
void store(ChainBuilder& chain, uint16_t reg, DataType type);

// Runs a chain over `elements`; inputs[i] is chain input i. The result lies in its layout, or overwrites `into`.
Tensor run_chain(std::string_view op, const std::shared_ptr<Card>& card, const std::vector<TensorView>& inputs, const TileProgram& chain,
                 TensorSpec result, const Tensor* into = nullptr);
// A copy of a view as a tensor; elements are converted to the result's type.
Tensor run_copy(std::string_view op, const std::shared_ptr<Card>& card, const TensorView& input, TensorSpec result);

// Reduces [outer, reduced, inner] by `combine`; a dense FLOAT32 (or wider) tensor of shape [1, outer, 1, inner].
struct ReduceShape {
  int64_t outer, reduced, inner;
};
Tensor run_reduce(std::string_view op, const std::shared_ptr<Card>& card, const std::vector<TensorView>& inputs,
                  const TileProgram& prologue, emulator::TileOpcode combine, ReduceShape shape);

// Runs any program on tensors of one card: inputs in slot order, then outputs.
void launch(const std::shared_ptr<Card>& card, std::string_view op, const std::shared_ptr<const Program>& program,
            const std::vector<const Tensor*>& inputs, const std::vector<const Tensor*>& outputs);
// The card's program under `key`, built once.
std::shared_ptr<const Program> cached(const std::shared_ptr<Card>& card, const std::string& key, const std::function<Program()>& build);

}  // namespace tt::dnn
