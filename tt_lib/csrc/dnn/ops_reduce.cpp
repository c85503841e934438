// Reductions and what is built of them: softmax and layer normalisation over rows. Sums are accumulated in FLOAT32.
#include "base/error.hpp"
#include "dnn/dnn.hpp"
#include "dnn/tensor_op.hpp"

namespace tt::dnn {

using emulator::TileOpcode;

namespace {

using Reg = uint16_t;

// Steps in the type that sums are kept in.
struct Steps {
  ChainBuilder chain;
  DataType type;

  explicit Steps(DataType element) : type(compute_type(element)) {}
  Reg operator()(TileOpcode code, std::initializer_list<Reg> operands) {
    return chain.apply({code, emulator::lane_of(type), type, 0}, operands);
  }
  Reg input(DataType from) { return chain.input(from); }
  Reg constant(double value) { return chain.constant(type, value); }
};

int64_t rows_of(const Dims& shape) { return shape[0] * shape[1] * shape[2]; }

// One value per row, seen over all of its columns.
TensorView per_row(const Tensor& values, const Dims& shape) {
  TensorView rows{values, {}};
  rows.map.dims = {{rows_of(shape), 1}, {shape[3], 0}};
  return rows;
}

// The first row of a tensor, seen over the rows of `shape`; batches repeat if it has only one.
TensorView first_row(std::string_view op, const Tensor& tensor, const Dims& shape) {
  const Dims& from = tensor.shape();
  require(from[3] == shape[3], "[", op, "] a row of ", from[3], " elements, expected ", shape[3], " as in the input");
  tensor::Groups groups = tensor::layout_groups(tensor.layout(), from);
  for (size_t d = 0; d < 2; ++d) {
    require(from[d] == 1 || from[d] == shape[d], "[", op, "] dimension ", d, " is ", from[d], ", expected 1 or ", shape[d]);
    if (from[d] == 1) groups[d] = {{shape[d], 0}};
  }
  groups[2] = {{shape[2], 0}};
  return view(tensor, groups);
}

Tensor softmax_into(std::string_view op, const Tensor& x, std::optional<float> scale, const Tensor* mask, bool in_place) {
  std::vector<Tensor> given{x};
  if (mask != nullptr) given.push_back(*mask);
  const AutoFormat inputs(op, given);
  const Tensor& input = inputs[0];
  const Dims& shape = input.shape();
  require(shape[3] > 0, "[", op, "] rows of no elements");
  std::vector<TensorView> views{view(input)};
  if (mask != nullptr) views.push_back(first_row(op, inputs[1], shape));
  // scores = x * scale + mask
  const auto scores = [&](Steps& steps) {
    Reg value = steps.input(input.type());
    const Reg added = mask != nullptr ? steps.input(inputs[1].type()) : Reg{0};
    const Reg row = views.size() > (mask != nullptr ? 2 : 1) ? steps.input(steps.type) : Reg{0};
    if (scale) value = steps(TileOpcode::kMul, {value, steps.constant(*scale)});
    if (mask != nullptr) value = steps(TileOpcode::kAdd, {value, added});
    return std::pair(value, row);
  };
  const int64_t rows = rows_of(shape);
  Steps first(input.type());
  first.chain.output(scores(first).first, first.type);
  const Tensor top = run_reduce(op, inputs.card(), views, first.chain.finish(), TileOpcode::kMax, {rows, shape[3], 1});
  views.push_back(per_row(top, shape));
  Steps second(input.type());
  const auto [score, maximum] = scores(second);
  second.chain.output(second(TileOpcode::kExp, {second(TileOpcode::kSub, {score, maximum})}), second.type);
  const Tensor powers = run_chain(op, inputs.card(), views, second.chain.finish(), {shape, second.type, Layout::kRowMajor});
  Steps pass(input.type());
  pass.chain.output(pass.input(pass.type), pass.type);
  const Tensor sum = run_reduce(op, inputs.card(), {view(powers)}, pass.chain.finish(), TileOpcode::kAdd, {rows, shape[3], 1});
  Steps last(input.type());
  const Reg power = last.input(last.type), total = last.input(last.type);
  store(last.chain, last(TileOpcode::kDiv, {power, total}), inputs.type());
  const Tensor* into = in_place ? &input : nullptr;
  return inputs.finish(run_chain(op, inputs.card(), {view(powers), per_row(sum, shape)}, last.chain.finish(), inputs.result(shape), into));
}

}  // namespace

Tensor reduce(const Tensor& x, ReduceMath math, AlongDim dim, float scaler) {
  const AutoFormat inputs("reduce", {&x});
  const Tensor& input = inputs[0];
  const Dims& s = input.shape();
  require(volume(s) > 0, "[reduce] a tensor of shape ", Text(s), " has no elements");
  const bool over_y = dim != AlongDim::kW, over_x = dim != AlongDim::kH;
  ReduceShape shape{s[0] * s[1], s[2], s[3]};
  if (!over_y) shape = {rows_of(s), s[3], 1};
  if (over_y && over_x) shape = {s[0] * s[1], s[2] * s[3], 1};
  Steps pass(input.type());
  pass.chain.output(pass.input(input.type()), pass.type);
  const TileOpcode combine = math == ReduceMath::kSum ? TileOpcode::kAdd : TileOpcode::kMax;
  const Tensor dense = run_reduce("reduce", inputs.card(), {view(input)}, pass.chain.finish(), combine, shape);
  // Element 0 of each reduced dimension, 0 behind it.
  constexpr int64_t kOut = tensor::kTileHeight;
  const Dims to{s[0], s[1], over_y ? kOut : s[2], over_x ? kOut : s[3]};
  TensorView placed{dense, {}, element(dense.type(), 0)};
  placed.map.dims = {{s[0] * s[1], over_y ? shape.inner : s[2]}, {to[2], over_y ? 0 : 1}, {to[3], over_x ? 0 : 1}};
  if (over_y) placed.map.dims[1].high = 1;
  if (over_x) placed.map.dims[2].high = 1;
  Steps scale(input.type());
  const Reg value = scale.input(dense.type());
  store(scale.chain, scale(TileOpcode::kMul, {value, scale.constant(scaler)}), inputs.type());
  return inputs.finish(run_chain("reduce", inputs.card(), {placed}, scale.chain.finish(), inputs.result(to)));
}

Tensor softmax(const Tensor& x, std::optional<float> scale, const Tensor* mask) { return softmax_into("softmax", x, scale, mask, false); }

Tensor softmax_in_place(const Tensor& x, std::optional<float> scale, const Tensor* mask) {
  require(!x.is_on_host(), "[softmax_in_place] Operands to softmax need to be on device!");
  require(x.type() != DataType::kBFP8B, "[softmax_in_place] BFLOAT8_B cannot be overwritten, use BFLOAT16");
  require(!x.buffer("softmax_in_place")->is_read_only(), "[softmax_in_place] the tensor shares its memory with a jax.Array; use softmax");
  return softmax_into("softmax_in_place", x, scale, mask, true);
}

Tensor layernorm(std::string_view op, const Tensor& a, const Tensor* b, float eps, const Tensor* gamma, const Tensor* beta) {
  std::vector<Tensor> given{a};
  for (const Tensor* more : {b, gamma, beta}) {
    if (more != nullptr) given.push_back(*more);
  }
  if (b != nullptr) require(a.shape() == b->shape(), "[", op, "] shapes differ: a is ", Text(a.shape()), ", b is ", Text(b->shape()));
  const AutoFormat inputs(op, given);
  const Dims& shape = inputs[0].shape();
  require(shape[3] > 0, "[", op, "] rows of no elements");
  const int64_t rows = rows_of(shape);
  const ReduceShape over_rows{rows, shape[3], 1};
  std::vector<TensorView> views{view(inputs[0])};
  if (b != nullptr) views.push_back(view(inputs[1]));
  const size_t terms = views.size();
  const auto load = [&](Steps& steps) {  // the sum of the terms; inputs are declared first
    std::vector<Reg> registers;
    for (const TensorView& input : views) registers.push_back(steps.input(input.tensor.type()));
    if (terms == 2) registers[0] = steps(TileOpcode::kAdd, {registers[0], registers[1]});
    return registers;
  };
  Steps sum(inputs.type());
  sum.chain.output(load(sum)[0], sum.type);
  const Tensor total = run_reduce(op, inputs.card(), views, sum.chain.finish(), TileOpcode::kAdd, over_rows);
  const double inverse = 1.0 / static_cast<double>(shape[3]);
  const auto centred = [&](Steps& steps, const std::vector<Reg>& registers) {
    return steps(TileOpcode::kSub, {registers[0], steps(TileOpcode::kMul, {registers[terms], steps.constant(inverse)})});
  };
  views.push_back(per_row(total, shape));
  Steps spread(inputs.type());
  const Reg deviation = centred(spread, load(spread));
  spread.chain.output(spread(TileOpcode::kMul, {deviation, deviation}), spread.type);
  const Tensor squares = run_reduce(op, inputs.card(), views, spread.chain.finish(), TileOpcode::kAdd, over_rows);
  views.push_back(per_row(squares, shape));
  for (size_t i = terms; i < given.size(); ++i) views.push_back(first_row(op, inputs[i], shape));
  Steps last(inputs.type());
  const std::vector<Reg> registers = load(last);
  const Reg variance = last(TileOpcode::kMul, {registers[terms + 1], last.constant(inverse)});
  const Reg scale = last(TileOpcode::kRsqrt, {last(TileOpcode::kAdd, {variance, last.constant(eps)})});
  Reg value = last(TileOpcode::kMul, {centred(last, registers), scale});
  size_t next = terms + 2;
  if (gamma != nullptr) value = last(TileOpcode::kMul, {value, registers[next++]});
  if (beta != nullptr) value = last(TileOpcode::kAdd, {value, registers[next]});
  store(last.chain, value, inputs.type());
  return inputs.finish(run_chain(op, inputs.card(), views, last.chain.finish(), inputs.result(shape)));
}

}  // namespace tt::dnn
