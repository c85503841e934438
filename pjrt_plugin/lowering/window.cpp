// Windows as views: position p of every window is one shifted, padded, strided view of the operand, and the region combines the views.
// Long windows are put together from windows of half their length.
#include <algorithm>
#include <cstring>

#include "base/error.hpp"
#include "lowering/block.hpp"
#include "lowering/prefix.hpp"
#include "lowering/region.hpp"

namespace tt::lowering {

using emulator::Lane;
using emulator::TileOp;
using emulator::TileOpcode;
using ir::Attr;
using ir::Op;

namespace {

constexpr int64_t kMaxPositions = 32;  // of one window that are combined one by one

std::vector<std::byte> bits_of(const Splat& splat) {
  return {splat.bits.begin(), splat.bits.begin() + static_cast<ptrdiff_t>(size_of(splat.type))};
}

struct Window {
  Dims size, strides, base_dilations, window_dilations, low, high;
  Dims output;

  int64_t positions() const { return volume(size); }
};

Window read_window(const ir::Operation& operation, const Dims& output) {
  const size_t rank = output.size();
  const auto ints = [&](Attr key) { return operation.find(key) == nullptr ? Dims(rank, 1) : operation.ints(key); };
  Window window{operation.ints(Attr::kWindowDimensions),
                ints(Attr::kWindowStrides),
                ints(Attr::kBaseDilations),
                ints(Attr::kWindowDilations),
                Dims(rank, 0),
                Dims(rank, 0),
                output};
  if (operation.find(Attr::kPadding) != nullptr) {
    const Dims& padding = operation.ints(Attr::kPadding);
    for (size_t d = 0; d < rank; ++d) {
      window.low[d] = padding[2 * d];
      window.high[d] = padding[2 * d + 1];
    }
  }
  return window;
}

// The view that holds, for every window, its element at `position`; what the window finds outside of the array is `outside`.
std::optional<Source> view_at(const Source& operand, const Window& w, const Dims& position, const std::vector<std::byte>& outside) {
  const size_t rank = position.size();
  Dims interior(rank), start(rank), limit(rank);
  for (size_t d = 0; d < rank; ++d) {
    interior[d] = w.base_dilations[d] - 1;
    start[d] = position[d] * w.window_dilations[d];
    limit[d] = start[d] + (w.output[d] - 1) * w.strides[d] + 1;
  }
  const std::optional<Source> padded = pad(operand, w.low, w.high, interior, outside);
  if (!padded) return std::nullopt;
  // A strided view of a padded dimension: shift first, then keep every stride-th index where the map can say so.
  std::optional<Source> shifted = slice(*padded, start, limit, Dims(rank, 1));
  if (!shifted) return std::nullopt;
  for (size_t d = 0; d < rank; ++d) {
    AccessMap::Dim& dim = shifted->map.dims[d];
    const int64_t stride = w.strides[d];
    if (stride == 1) continue;
    if (!dim.padded()) {
      dim.stride *= stride;
      dim.size = w.output[d];
      continue;
    }
    if (dim.step != 1) return std::nullopt;
    // Output index o reads index o * stride; backed where low <= o * stride < high.
    const int64_t first = div_up(dim.low, stride), end = std::max(first, div_up(dim.limit(), stride));
    shifted->map.offset += (first * stride - dim.low) * dim.stride;
    dim = {w.output[d], dim.stride * stride, std::min(first, w.output[d]), std::min(end, w.output[d]), 1};
  }
  return shifted;
}

void advance(Dims& position, const Dims& size) {
  for (size_t d = position.size(); d-- > 0;) {
    if (++position[d] < size[d]) return;
    position[d] = 0;
  }
}

class WindowReduction {
 public:
  WindowReduction(BlockLowering& block, const ir::Operation& operation)
      : block_(block), operation_(operation), region_(operation.region()) {
    const size_t k = operation.results().size();
    for (size_t v = 0; v < k; ++v) inits_.push_back(operation.operand(k + v));
  }

  void run() {
    const size_t k = inits_.size();
    Window window = read_window(operation_, operation_.result()->type().dims);
    std::vector<Source> values;
    for (size_t v = 0; v < k; ++v) values.push_back(block_.source(operation_.operand(v)));
    if (operation_.result()->type().num_elements() == 0) {
      for (const auto& result : operation_.results()) block_.new_result(result.get(), 0);
      return;
    }
    std::vector<Ref> results;
    if (window.positions() <= kMaxPositions) {
      results = combine(values, window);
    } else if (const auto prefix = as_prefix(window)) {
      results = {lower_prefix(block_, region_, values[0], *constant(0), *prefix)};
    } else {
      results = by_dimension(values, window);
    }
    for (size_t v = 0; v < k; ++v) block_.set(operation_.result(v), results[v]);
  }

 private:
  const Splat* constant(size_t v) const { return std::get_if<Splat>(&block_.ref(inits_[v])); }  // null: computed by the program
  std::vector<Ref> initial_values(const Dims& dims) const {
    std::vector<Ref> values;
    for (const ir::Value* init : inits_) values.push_back(block_.everywhere(init, dims));
    return values;
  }

  // Positions one by one.
  std::vector<Ref> combine(std::vector<Source> values, Window window) {
    for (size_t v = 0; v < values.size(); ++v) {
      if (constant(v) == nullptr) {  // no view shows it beside the array
        materialise_padding(values, window);
        break;
      }
    }
    const bool starts_with_first = is_neutral() && window.positions() > 1;
    std::vector<Ref> sum;
    if (!starts_with_first) sum = initial_values(window.output);
    Dims position(window.size.size(), 0);
    const int64_t elements = volume(window.output);
    for (int64_t p = 0; p < window.positions(); ++p, advance(position, window.size)) {
      if (sum.empty()) {
        sum.push_back(view(values[0], 0, window, position));
        continue;
      }
      std::vector<Ref> arguments = sum;
      for (size_t v = 0; v < values.size(); ++v) arguments.push_back(view(values[v], v, window, position));
      sum = apply_region(block_, region_, arguments, elements);
    }
    return sum;
  }

  Ref view(const Source& value, size_t v, const Window& window, const Dims& position) {
    const Splat* outside = constant(v);
    if (auto found = view_at(value, window, position, outside == nullptr ? std::vector<std::byte>() : bits_of(*outside))) return *found;
    // The padded array in memory: then any window is a plain strided view.
    Window plain = window;
    auto found = view_at(materialise_padded(value, v, plain), plain, position, {});
    check(found.has_value(), "[reduce_window] no view of a plain array");
    return *found;
  }

  // Whether the initial value changes nothing.
  bool is_neutral() const { return inits_.size() == 1 && constant(0) != nullptr && is_identity(region_chain(region_), *constant(0)); }

  // Whether the windows are all the prefixes (or suffixes) along one dimension, and the initial value changes nothing.
  std::optional<Prefix> as_prefix(const Window& w) const {
    std::optional<Prefix> found;
    for (size_t d = 0; d < w.size.size(); ++d) {
      if (w.strides[d] != 1 || w.base_dilations[d] != 1 || w.window_dilations[d] != 1) return std::nullopt;
      if (w.size[d] == 1 && w.low[d] == 0 && w.high[d] == 0) continue;
      const int64_t reach = w.size[d] - 1;
      const bool forward = w.low[d] == reach && w.high[d] == 0, backward = w.low[d] == 0 && w.high[d] == reach;
      if (found || w.size[d] != w.output[d] || (!forward && !backward)) return std::nullopt;
      found = Prefix{d, backward};
    }
    return is_neutral() ? found : std::nullopt;
  }

  // Copies the operand with its padding; `window` then needs none.
  Source materialise_padded(const Source& value, size_t v, Window& window) {
    const size_t rank = window.size.size();
    Dims interior(rank), dims = dims_of(value);
    for (size_t d = 0; d < rank; ++d) {
      interior[d] = window.base_dilations[d] - 1;
      dims[d] = std::max<int64_t>((dims[d] - 1) * window.base_dilations[d] + 1, 0) + window.low[d] + window.high[d];
    }
    const Ref filled = padded(block_, value, window.low, window.high, interior, inits_[v]);
    window.base_dilations.assign(rank, 1);
    window.low.assign(rank, 0);
    window.high.assign(rank, 0);
    return Source::dense(block_.graph.dense(filled, value.type, dims), value.type, dims);
  }

  void materialise_padding(std::vector<Source>& values, Window& window) {
    Window plain = window;
    for (size_t v = 0; v < values.size(); ++v) {
      plain = window;
      values[v] = materialise_padded(values[v], v, plain);
    }
    window = plain;
  }

  Source stored(const Ref& ref, DataType type, const Dims& dims) { return block_.graph.as_source(ref, type, dims); }

  // One dimension after the other; in each, windows of 2^i are put together from windows of 2^(i-1).
  std::vector<Ref> by_dimension(std::vector<Source> values, Window window) {
    materialise_padding(values, window);
    std::vector<Ref> result(values.begin(), values.end());
    const size_t rank = window.size.size();
    for (size_t d = 0; d < rank; ++d) {
      const int64_t length = window.size[d];
      if (length == 1) continue;
      const int64_t dilation = window.window_dilations[d];
      // `done` elements of each window have been combined into `result`; `power` holds windows of `width`.
      std::vector<Source> power = values;
      int64_t width = 1, done = 0;
      std::vector<Source> sum;
      for (int64_t rest = length; rest > 0; rest >>= 1) {
        if (rest & 1) {
          sum = sum.empty() ? power : join(sum, power, d, done * dilation);
          done += width;
        }
        if (rest > 1) power = join(power, power, d, width * dilation);
        width *= 2;
      }
      values = sum;
    }
    // Every stride-th window.
    Dims limit(rank);
    for (size_t d = 0; d < rank; ++d) limit[d] = (window.output[d] - 1) * window.strides[d] + 1;
    for (size_t v = 0; v < values.size(); ++v) result[v] = *slice(values[v], Dims(rank, 0), limit, window.strides);
    std::vector<Ref> arguments = initial_values(window.output);
    arguments.insert(arguments.end(), result.begin(), result.end());
    return apply_region(block_, region_, arguments, volume(window.output));
  }

  // result[i] = a[i] . b[i + shift] along dimension d, as far as both reach.
  std::vector<Source> join(const std::vector<Source>& a, const std::vector<Source>& b, size_t d, int64_t shift) {
    Dims size = dims_of(a[0]);
    const int64_t reach = std::min(size[d], dims_of(b[0])[d] - shift);
    size[d] = std::max<int64_t>(reach, 0);
    Dims start(size.size(), 0), limit = size, ones(size.size(), 1);
    std::vector<Ref> arguments;
    for (const Source& value : a) arguments.push_back(*slice(value, start, limit, ones));
    start[d] += shift;
    limit[d] += shift;
    for (const Source& value : b) arguments.push_back(*slice(value, start, limit, ones));
    const std::vector<Ref> joined = apply_region(block_, region_, arguments, volume(size));
    std::vector<Source> out;
    for (size_t v = 0; v < joined.size(); ++v) out.push_back(stored(joined[v], a[v].type, size));
    return out;
  }

  BlockLowering& block_;
  const ir::Operation& operation_;
  const ir::Block& region_;
  std::vector<const ir::Value*> inits_;
};

Splat pred(bool value) {
  Splat splat;
  splat.type = DataType::kPred;
  splat.bits[0] = static_cast<std::byte>(value);
  return splat;
}

Splat s32(int32_t value) {
  Splat splat;
  splat.type = DataType::kS32;
  std::memcpy(splat.bits.data(), &value, sizeof(value));
  return splat;
}

// Each window picks a position; each element then collects from the windows that picked it, in their order: from the
// last position to the first. Windows are small: passes::decompose has taken the others.
void lower_select_and_scatter(BlockLowering& block, const ir::Operation& operation) {
  const ir::Value *operand = operation.operand(0), *source = operation.operand(1);
  const DataType type = operand->type().element;
  const Dims &windows = source->type().dims, &dims = operand->type().dims;
  const Window window = read_window(operation, windows);
  const int64_t count = volume(windows), elements = volume(dims);
  Ref sum = block.everywhere(operation.operand(2), dims);
  if (elements == 0 || count == 0) return block.set(operation.result(), sum);
  const auto node = [&](TileOpcode code, Lane lane, DataType result, int64_t n, std::vector<Ref> operands) -> Ref {
    const NodeId id = block.elementwise({code, lane, result, 0}, n, std::move(operands));
    block.graph.add_uses(id, 1000);
    return id;
  };
  Source values = block.source(operand);
  if (values.map.is_padded()) values = Source::dense(block.dense(operand), type, dims);
  const Source inside = block.graph.as_source(pred(true), DataType::kPred, dims);
  const std::vector<std::byte> zero(static_cast<size_t>(size_of(type)));
  Ref best, picked, found;
  Dims position(dims.size(), 0);
  for (int64_t p = 0; p < window.positions(); ++p, advance(position, window.size)) {
    const Ref value = *view_at(values, window, position, zero);
    const Ref here = *view_at(inside, window, position, {std::byte{0}});
    if (p == 0) {
      best = value;
      picked = s32(0);
      found = here;
      continue;
    }
    const Ref arguments[2] = {best, value};
    const Ref keep =
        node(TileOpcode::kAnd, Lane::kPred, DataType::kPred, count, {found, apply_region(block, operation.region(0), arguments, count)[0]});
    const Ref take = node(TileOpcode::kAnd, Lane::kPred, DataType::kPred, count,
                          {here, node(TileOpcode::kNot, Lane::kPred, DataType::kPred, count, {keep})});
    best = node(TileOpcode::kSelect, emulator::lane_of(type), type, count, {take, value, best});
    picked = node(TileOpcode::kSelect, Lane::kS32, DataType::kS32, count, {take, s32(static_cast<int32_t>(p)), picked});
    found = node(TileOpcode::kOr, Lane::kPred, DataType::kPred, count, {found, here});
  }
  const Source choice = block.graph.as_source(picked, DataType::kS32, windows);
  Source given = block.source(source);
  if (given.map.is_padded()) given = Source::dense(block.dense(source), type, windows);
  for (int64_t p = window.positions(); p-- > 0;) {
    for (size_t d = dims.size(), rest = static_cast<size_t>(p); d-- > 0; rest /= static_cast<size_t>(window.size[d]))
      position[d] = static_cast<int64_t>(rest % static_cast<size_t>(window.size[d]));
    Dims low(dims.size()), high(dims.size()), interior(dims.size());
    for (size_t d = 0; d < dims.size(); ++d) {
      low[d] = position[d] - window.low[d];
      interior[d] = window.strides[d] - 1;
      high[d] = dims[d] - low[d] - ((windows[d] - 1) * window.strides[d] + 1);
    }
    const Ref chosen = *pad(choice, low, high, interior, {std::byte{0xFF}, std::byte{0xFF}, std::byte{0xFF}, std::byte{0xFF}});
    const Ref value = *pad(given, low, high, interior, zero);
    const Ref match = node(TileOpcode::kEq, Lane::kS32, DataType::kPred, elements, {chosen, s32(static_cast<int32_t>(p))});
    const Ref arguments[2] = {sum, value};
    sum = node(TileOpcode::kSelect, emulator::lane_of(type), type, elements,
               {match, apply_region(block, operation.region(1), arguments, elements)[0], sum});
  }
  block.set(operation.result(), sum);
}

}  // namespace

bool lower_window(BlockLowering& block, const ir::Operation& operation) {
  switch (operation.op()) {
    case Op::kReduceWindow: WindowReduction(block, operation).run(); return true;
    case Op::kSelectAndScatter: lower_select_and_scatter(block, operation); return true;
    case Op::kMap: {
      std::vector<Ref> arguments;
      for (const ir::Value* value : operation.operands()) arguments.push_back(block.ref(value));
      block.set(operation.result(), apply_region(block, operation.region(), arguments, operation.result()->type().num_elements())[0]);
      return true;
    }
    default: return false;
  }
}

}  // namespace tt::lowering
