// Matrix products and convolutions of tensors.
#include "base/error.hpp"
#include "dnn/conv.hpp"
#include "dnn/dnn.hpp"
#include "dnn/matmul.hpp"
#include "dnn/tensor_op.hpp"

namespace tt::dnn {
namespace {

Operand operand(size_t buffer, const Tensor& x) { return {buffer, x.type(), view(x).map}; }

// Runs the program that `build` makes of the completed spec. A result that is tiled leaves the card's writers as tiles.
template <class Spec>
Tensor run_product(std::string_view op, const AutoFormat& inputs, Spec spec, const Tensor& a, const Tensor& b, TensorSpec result,
                   std::string_view geometry, Program (*build)(const Spec&, const ChipSpec&)) {
  spec.name = op;
  spec.compute_type = size_of(a.type()) >= size_of(b.type()) ? a.type() : b.type();
  spec.input_bytes = {tensor::num_bytes(a.spec()), tensor::num_bytes(b.spec())};
  const Tensor out = Tensor::empty(std::move(result), inputs.card());
  spec.output_bytes = {tensor::num_bytes(out.spec())};
  spec.results = {{0, out.type(), view(out).map}};
  const std::string key = cat(op, " product ", geometry, ' ', tensor::to_string(a.spec()), ' ', tensor::to_string(b.spec()), ' ',
                              tensor::to_string(out.spec()));
  const auto program = cached(inputs.card(), key, [&] { return build(spec, inputs.card()->device()->chip()); });
  launch(inputs.card(), op, program, {&a, &b}, {&out});
  return inputs.finish(out);
}

}  // namespace

Tensor matmul_into(std::string_view op, const Tensor& a, const Tensor& b, Layout layout) {
  const Dims &as = a.shape(), &bs = b.shape();
  require(as[3] == bs[2], "[", op, "] Dimension K (A.shape[3] and B.shape[2]) must match: a is ", Text(as), ", b is ", Text(bs));
  const bool shared = bs[0] * bs[1] == 1;
  require(shared || (as[0] == bs[0] && as[1] == bs[1]), "[", op, "] batches differ: a is ", Text(as), ", b is ", Text(bs));
  const AutoFormat inputs(op, {&a, &b});
  const Dims shape{as[0], as[1], as[2], bs[3]};
  if (!tensor::fits(layout, shape)) layout = Layout::kRowMajor;
  const TensorSpec result = inputs.result(shape, layout, inputs.type());
  require(volume(as) > 0 && volume(bs) > 0, "[", op, "] empty operands: a is ", Text(as), ", b is ", Text(bs));
  MatmulSpec spec{};
  // One matrix for all batches: they stand below each other.
  spec.batch = shared ? 1 : as[0] * as[1];
  spec.m = shared ? as[0] * as[1] * as[2] : as[2];
  spec.k = as[3];
  spec.n = bs[3];
  spec.a = operand(0, inputs[0]);
  spec.b = operand(1, inputs[1]);
  return run_product(op, inputs, std::move(spec), inputs[0], inputs[1], result, cat(spec.batch), matmul);
}

Tensor matmul(const Tensor& a, const Tensor& b) {
  require(b.shape()[0] * b.shape()[1] == 1, "[matmul] b must be one matrix [1,1,S,X], got ", Text(b.shape()), "; see bmm for batches");
  return matmul_into("matmul", a, b, a.layout());
}

Tensor bmm(const Tensor& a, const Tensor& b) {
  require(a.shape()[0] == b.shape()[0] && a.shape()[1] == b.shape()[1], "[bmm] batches differ: a is ", Text(a.shape()), ", b is ",
          Text(b.shape()));
  return matmul_into("bmm", a, b, a.layout());
}

Tensor conv(const Tensor& a, const Tensor& b, std::span<const int64_t> conv_params, bool untilize_out) {
  require(conv_params.size() == 6, "[conv] conv_params has ", conv_params.size(),
          " entries, expected 6: kernel height and width, stride height and width, padding height and width");
  require(a.layout() == Layout::kChannelsLast, "[conv] the activation is ", name(a.layout()), ", expected CHANNELS_LAST");
  const Dims& shape = a.shape();
  require(shape[0] == 1, "[conv] a batch of ", shape[0], ", expected 1");
  const int64_t channels = shape[1], kh = conv_params[0], kw = conv_params[1];
  require(kh > 0 && kw > 0 && conv_params[2] > 0 && conv_params[3] > 0 && conv_params[4] >= 0 && conv_params[5] >= 0, "[conv] conv_params ",
          Text(conv_params), ": kernel and stride must be positive, padding not negative");
  const int64_t k = kh * kw * channels;
  require(b.shape()[0] * b.shape()[1] == 1 && b.shape()[2] >= k, "[conv] the weight matrix is ", Text(b.shape()), ", expected [1,1,", k,
          " or more,O]; see convert_conv_weight_tensor_to_tiled_layout");
  const AutoFormat inputs("conv", {&a, &b});
  ConvSpec spec{};
  spec.batch = 1;
  spec.in_features = channels;
  spec.out_features = b.shape()[3];
  for (size_t d = 0; d < 2; ++d) {
    const int64_t size = shape[2 + d], window = conv_params[d], stride = conv_params[2 + d], padding = conv_params[4 + d];
    require(size + 2 * padding >= window, "[conv] a kernel of ", window, " over ", size, " elements padded by ", padding);
    spec.spatial.push_back({size, window, (size + 2 * padding - window) / stride + 1, stride, padding});
  }
  // Rows of the weight matrix are (kernel row, kernel column, channel): as rows they split, as tiles they would not.
  Tensor weight = inputs[1];
  if (weight.layout() != Layout::kRowMajor) {
    weight = run_copy("conv", inputs.card(), view(weight), {weight.shape(), weight.type(), Layout::kRowMajor});
  }
  spec.input = {0, inputs[0].type(), AccessMap::contiguous(Dims{1, shape[2], shape[3], channels})};
  spec.kernel = {1, weight.type(), AccessMap::contiguous(Dims{kh, kw, channels, spec.out_features})};
  const int64_t rows = spec.spatial[0].output * spec.spatial[1].output;
  const Dims dense{1, 1, rows, spec.out_features};
  const Dims padded{1, 1, round_up(rows, tensor::kTileHeight), round_up(spec.out_features, tensor::kTileWidth)};
  const Tensor product = run_product("conv", inputs, std::move(spec), inputs[0], weight,
                                     inputs.result(dense, Layout::kRowMajor, inputs.type()), to_string(conv_params), conv);
  return pad("conv", product, padded, Dims(4, 0), 0, untilize_out ? Layout::kRowMajor : Layout::kTile);
}

Tensor conv_weight_to_matrix(const Tensor& weight) {
  constexpr std::string_view kOp = "convert_conv_weight_tensor_to_tiled_layout";
  const Dims& s = weight.shape();
  const int64_t rows = s[1] * s[2] * s[3];
  const Tensor rows_first = permute(kOp, weight, Dims{2, 3, 1, 0});
  const Tensor matrix = reshape(rows_first, Dims{1, 1, rows, s[0]});
  return pad(kOp, matrix, Dims{1, 1, round_up(rows, tensor::kTileHeight), round_up(s[0], tensor::kTileWidth)}, Dims(4, 0), 0,
             Layout::kTile);
}

}  // namespace tt::dnn
