// ttDNN: the ops of tt_lib. Every op takes tensors on a card (or on the host: they are moved to the default card), in any layout, and
// returns new tensors in the layout of the first input. Shapes are [W, Z, Y, X]. Bad arguments are InvalidArgument errors that name the op.
#pragma once

#include <array>
#include <functional>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "tensor/tensor.hpp"

namespace tt::dnn {

using tensor::Layout;
using tensor::MemoryConfig;
using tensor::Tensor;

// Elementwise ops by name, for callers that go over all of them.
struct EltwiseOp {
  std::string_view name;
  std::string_view summary;  // a formula in x (and y)
};
std::span<const EltwiseOp> unary_ops();
std::span<const EltwiseOp> binary_ops();
Tensor unary(std::string_view name, const Tensor& x);
Tensor binary(std::string_view name, const Tensor& a, const Tensor& b);  // equal shapes

enum class BcastMath : uint8_t { kAdd, kSub, kMul };
enum class AlongDim : uint8_t { kH, kW, kHW };                                 // Y, X, both
Tensor bcast(const Tensor& a, const Tensor& b, BcastMath math, AlongDim dim);  // b: its first row, column or element serves all

enum class ReduceMath : uint8_t { kSum, kMax };
// scaler * reduction. A reduced dimension becomes 32 long: its element 0 holds the result, the others are 0.
Tensor reduce(const Tensor& x, ReduceMath math, AlongDim dim, float scaler);

Tensor softmax(const Tensor& x, std::optional<float> scale = {}, const Tensor* mask = nullptr);           // over X, of x * scale + mask
Tensor softmax_in_place(const Tensor& x, std::optional<float> scale = {}, const Tensor* mask = nullptr);  // overwrites x
// Layer normalisation over X of a (+ b), times gamma's first row, plus beta's.
Tensor layernorm(std::string_view name, const Tensor& a, const Tensor* b, float eps, const Tensor* gamma, const Tensor* beta);

Tensor matmul(const Tensor& a, const Tensor& b);                                             // [W,Z,Y,S] x [1,1,S,X]
Tensor bmm(const Tensor& a, const Tensor& b);                                                // [W,Z,Y,S] x [W,Z,S,X]
Tensor matmul_into(std::string_view name, const Tensor& a, const Tensor& b, Layout layout);  // either of the two, in a layout of choice
// [1,C,H,W] CHANNELS_LAST by a weight matrix [1,1,kh*kw*C,O] (rows and columns padded to 32): [1,1,OH*OW,O], both padded to 32.
// conv_params: kernel height and width, stride height and width, padding height and width.
Tensor conv(const Tensor& a, const Tensor& b, std::span<const int64_t> conv_params, bool untilize_out);
Tensor conv_weight_to_matrix(const Tensor& weight);  // [O,I,KH,KW] -> [1,1,KH*KW*I,O] padded to 32, TILE

Tensor permute(std::string_view name, const Tensor& x, std::span<const int64_t> dims);
Tensor reshape(const Tensor& x, std::span<const int64_t> shape);  // one -1 is inferred; without a copy where storage allows
Tensor to_layout(std::string_view name, const Tensor& x, Layout layout);
Tensor pad(std::string_view name, const Tensor& x, std::span<const int64_t> shape, std::span<const int64_t> start, double value,
           std::optional<Layout> layout = {});
Tensor unpad(std::string_view name, const Tensor& x, std::span<const int64_t> start, std::span<const int64_t> end,
             std::optional<Layout> layout = {});  // inclusive end
// ROW_MAJOR [n,c,h,w]: bf16 bits `high` in the first h_ones rows and w_ones columns, `low` elsewhere; card and type of `any`.
Tensor fill_rm(int64_t n, int64_t c, int64_t h, int64_t w, int64_t h_ones, int64_t w_ones, const Tensor& any, uint16_t high, uint16_t low);

Tensor split_heads(std::string_view name, const Tensor& x, int64_t heads, bool transposed);  // [B,1,S,H*D] -> [B,H,S,D] or [B,H,D,S]
Tensor concat_heads(const Tensor& x);                                                        // [B,H,S,D] -> [B,1,S,H*D]
Tensor columns(std::string_view name, const Tensor& x, int64_t first, int64_t count);        // of X; whole tiles

}  // namespace tt::dnn
