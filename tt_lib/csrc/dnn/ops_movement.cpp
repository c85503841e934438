// Ops that move elements: layouts, padding, permutations, heads.
#include <algorithm>

#include "base/error.hpp"
#include "dnn/dnn.hpp"
#include "dnn/tensor_op.hpp"

namespace tt::dnn {

using tensor::Groups;
using tensor::layout_groups;

namespace {

void check_four(std::string_view op, std::string_view what, std::span<const int64_t> values) {
  require(values.size() == 4, "[", op, "] ", what, " has ", values.size(), " entries, expected 4");
}

// Slices and pads need plain dimensions; a tiled tensor is brought to rows first.
Tensor in_rows(std::string_view op, const AutoFormat& inputs) {
  const Tensor& x = inputs[0];
  if (x.layout() != Layout::kTile) return x;
  return run_copy(op, inputs.card(), view(x), {x.shape(), x.type(), Layout::kRowMajor});
}

}  // namespace

Tensor to_layout(std::string_view op, const Tensor& x, Layout layout) {
  require(tensor::fits(layout, x.shape()), "[", op, "] Last 2 dims of input shape must be multiples of 32, got ", Text(x.shape()),
          "; see tilize_with_val_padding");
  const AutoFormat inputs(op, {&x});
  if (inputs[0].layout() == layout) return inputs[0];
  return inputs.finish(run_copy(op, inputs.card(), view(inputs[0]), inputs.result(x.shape(), layout, inputs.type())));
}

Tensor pad(std::string_view op, const Tensor& x, std::span<const int64_t> shape, std::span<const int64_t> start, double value,
           std::optional<Layout> layout) {
  check_four(op, "the output shape", shape);
  check_four(op, "the start", start);
  const Dims to(shape.begin(), shape.end());
  for (size_t d = 0; d < 4; ++d) {
    require(start[d] == 0, "[", op, "] On device padding only supports start indices of 0, got ", Text(start),
            "; Tensor.pad pads on the host at any position");
    require(to[d] >= x.shape()[d], "[", op, "] dimension ", d, " of ", Text(x.shape()), " does not fit into ", Text(to));
  }
  require(!layout || tensor::fits(*layout, to), "[", op, "] the output ", Text(to), " needs multiples of 32 in the last two dimensions");
  const AutoFormat inputs(op, {&x});
  const Tensor rows = in_rows(op, inputs);
  AccessMap map = tensor::storage_map(rows.layout(), rows.shape());
  for (size_t d = 0; d < 4; ++d) map.dims[d] = {to[d], map.dims[d].stride, 0, rows.shape()[d]};
  TensorSpec spec = layout ? inputs.result(to, *layout, inputs.type()) : inputs.result(to);
  return inputs.finish(run_copy(op, inputs.card(), {rows, std::move(map), element(rows.type(), value)}, std::move(spec)));
}

Tensor unpad(std::string_view op, const Tensor& x, std::span<const int64_t> start, std::span<const int64_t> end,
             std::optional<Layout> layout) {
  check_four(op, "the start", start);
  check_four(op, "the end", end);
  Dims shape(4);
  for (size_t d = 0; d < 4; ++d) {
    require(start[d] >= 0 && start[d] <= end[d] && end[d] < x.shape()[d], "[", op, "] dimension ", d, ": elements ", start[d], "..", end[d],
            " (end inclusive) of ", Text(x.shape()));
    shape[d] = end[d] - start[d] + 1;
  }
  const AutoFormat inputs(op, {&x});
  const Tensor rows = in_rows(op, inputs);
  AccessMap map = tensor::storage_map(rows.layout(), rows.shape());
  for (size_t d = 0; d < 4; ++d) {
    map.offset += start[d] * map.dims[d].stride;
    map.dims[d].size = shape[d];
  }
  TensorSpec spec = layout ? inputs.result(shape, *layout, inputs.type()) : inputs.result(shape);
  return inputs.finish(run_copy(op, inputs.card(), {rows, std::move(map)}, std::move(spec)));
}

Tensor permute(std::string_view op, const Tensor& x, std::span<const int64_t> dims) {
  Dims sorted(dims.begin(), dims.end());
  std::sort(sorted.begin(), sorted.end());
  require(sorted == Dims({0, 1, 2, 3}), "[", op, "] Illegal permute args: ", Text(dims), ", expected each of 0, 1, 2, 3 once");
  const AutoFormat inputs(op, {&x});
  const Groups from = layout_groups(inputs[0].layout(), x.shape());
  Groups to;
  Dims shape(4);
  for (size_t d = 0; d < 4; ++d) {
    const auto source = static_cast<size_t>(dims[d]);
    to[d] = from[source];
    shape[d] = x.shape()[source];
  }
  return inputs.finish(run_copy(op, inputs.card(), view(inputs[0], to), inputs.result(std::move(shape))));
}

Tensor reshape(const Tensor& x, std::span<const int64_t> shape) {
  check_four("reshape", "the shape", shape);
  Dims to(shape.begin(), shape.end());
  const auto inferred = std::count(to.begin(), to.end(), -1);
  require(inferred <= 1, "[reshape] Only one -1 is allowed in reshape, got ", Text(to));
  require(std::all_of(to.begin(), to.end(), [](int64_t d) { return d >= -1 && d != 0; }),
          "[reshape] New shape entries can only have -1 or positive values, got ", Text(to));
  if (inferred == 1) {
    const int64_t rest = -volume(to);
    require(volume(x.shape()) % rest == 0, "[reshape] ", Text(x.shape()), " cannot be divided into ", Text(to));
    *std::find(to.begin(), to.end(), -1) = volume(x.shape()) / rest;
  }
  require(volume(to) == volume(x.shape()), "[reshape] ", Text(x.shape()), " has ", volume(x.shape()), " elements, ", Text(to), " has ",
          volume(to));
  const AutoFormat inputs("reshape", {&x});
  const Tensor& input = inputs[0];
  // Rows stay where they are; so do tiles as long as a row of tiles is as wide as before.
  const bool same_storage =
      input.layout() == Layout::kRowMajor || (input.layout() == Layout::kTile && to[3] == x.shape()[3] && to[2] % tensor::kTileHeight == 0);
  if (same_storage) return inputs.finish(input.with_shape(std::move(to)));
  const Tensor rows = run_copy("reshape", inputs.card(), view(input), {input.shape(), input.type(), Layout::kRowMajor});
  const TensorSpec spec = inputs.result(to);
  const Tensor flat = rows.with_shape(std::move(to));
  if (spec.layout == Layout::kRowMajor) return inputs.finish(flat);
  return inputs.finish(run_copy("reshape", inputs.card(), view(flat), spec));
}

Tensor fill_rm(int64_t n, int64_t c, int64_t h, int64_t w, int64_t h_ones, int64_t w_ones, const Tensor& any, uint16_t high, uint16_t low) {
  require(n > 0 && c > 0 && h > 0 && w > 0, "[fill_rm] shape ", Text(Dims{n, c, h, w}), " has a dimension that is not positive");
  require(h_ones >= 0 && h_ones <= h && w_ones >= 0 && w_ones <= w, "[fill_rm] ", h_ones, " rows and ", w_ones, " columns of ",
          Text(Dims{n, c, h, w}));
  require(high < 0xFFFF && low < 0xFFFF, "[fill_rm] values are bfloat16 bit patterns below 0xFFFF, got ", high, " and ", low);
  const AutoFormat inputs("fill_rm", {&any});
  const auto value = [](uint16_t bits) {
    float number = 0;
    const std::array<std::byte, 2> bytes{static_cast<std::byte>(bits & 0xFF), static_cast<std::byte>(bits >> 8)};
    emulator::convert_elements(DataType::kBF16, bytes.data(), DataType::kF32, reinterpret_cast<std::byte*>(&number), 1);
    return static_cast<double>(number);
  };
  const DataType type = compute_type(inputs.type());
  ChainBuilder chain;
  // The first element of `any` is read where `high` goes; its value does not matter.
  const uint16_t inside = chain.input(DataType::kPred), yes = chain.constant(type, value(high)), no = chain.constant(type, value(low));
  store(chain, chain.apply({emulator::TileOpcode::kSelect, emulator::lane_of(type), type, 0}, {inside, yes, no}), inputs.type());
  const Tensor ones = Tensor::from_values({{1, 1, 1, 4}, DataType::kPred}, std::vector<double>(4, 1.0)).place(inputs.card());
  AccessMap map;
  map.dims = {{n, 0}, {c, 0}, {h, 0, 0, h_ones}, {w, 0, 0, w_ones}};
  const TensorSpec spec{{n, c, h, w}, inputs.type(), Layout::kRowMajor};
  return run_chain("fill_rm", inputs.card(), {{ones, std::move(map), element(DataType::kPred, 0)}}, chain.finish(), spec);
}

Tensor columns(std::string_view op, const Tensor& x, int64_t first, int64_t count) {
  const AutoFormat inputs(op, {&x});
  if (inputs[0].layout() != Layout::kTile)
    return unpad(op, x, Dims{0, 0, 0, first}, Dims{x.shape()[0] - 1, x.shape()[1] - 1, x.shape()[2] - 1, first + count - 1});
  check(first % tensor::kTileWidth == 0 && count % tensor::kTileWidth == 0, "[", op, "] columns that are no whole tiles");
  Groups groups = layout_groups(Layout::kTile, x.shape());
  const int64_t offset = first / tensor::kTileWidth * groups[3][0].stride;
  groups[3][0].size = count / tensor::kTileWidth;
  TensorView part = view(inputs[0], groups);
  part.map.offset = offset;
  return inputs.finish(run_copy(op, inputs.card(), part, inputs.result({x.shape()[0], x.shape()[1], x.shape()[2], count})));
}

Tensor split_heads(std::string_view op, const Tensor& x, int64_t heads, bool transposed) {
  const Dims& shape = x.shape();
  const int64_t width = shape[3] / heads;
  require(shape[1] == 1 && shape[3] % heads == 0, "[", op, "] ", Text(shape), " cannot be split into ", heads, " heads");
  const AutoFormat inputs(op, {&x});
  Groups groups = layout_groups(inputs[0].layout(), shape);
  std::vector<AccessMap::Dim>& columns = groups[3];
  require(columns[0].size % heads == 0, "[", op, "] heads of ", width, " columns are no whole tiles");
  columns[0].size /= heads;
  groups[1] = {{heads, columns[0].size * columns[0].stride}};
  Dims to{shape[0], heads, shape[2], width};
  if (transposed) {
    std::swap(groups[2], groups[3]);
    std::swap(to[2], to[3]);
  }
  return inputs.finish(run_copy(op, inputs.card(), view(inputs[0], groups), inputs.result(std::move(to))));
}

Tensor concat_heads(const Tensor& x) {
  const Dims& shape = x.shape();
  const AutoFormat inputs("concat_heads", {&x});
  Groups groups = layout_groups(inputs[0].layout(), shape);
  groups[3].insert(groups[3].begin(), groups[1].begin(), groups[1].end());
  groups[1] = {{1, 0}};
  return inputs.finish(
      run_copy("concat_heads", inputs.card(), view(inputs[0], groups), inputs.result({shape[0], 1, shape[2], shape[1] * shape[3]})));
}

}  // namespace tt::dnn
