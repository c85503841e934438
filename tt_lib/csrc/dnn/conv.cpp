// A convolution is a product [group, (image, output position), (window position, channel)] x [group, (window position, channel), feature].
// The order within rows and within k is free; it is chosen so that neighbours in memory are neighbours in a tile.
#include "dnn/conv.hpp"

#include <algorithm>
#include <cstdlib>
#include <span>

#include "base/error.hpp"
#include "dnn/matmul_plan.hpp"

namespace tt::dnn {
namespace {

using MapDims = std::vector<AccessMap::Dim>;

static_assert(kMaxConvSpatial <= kMaxAxes);

constexpr int64_t kMergedSide = 32;  // groups are merged while channels and features fill no more than a tile

MapDims reversed(MapDims dims, int64_t& offset) {
  for (AccessMap::Dim& dim : dims) {
    const int64_t last = std::max<int64_t>((dim.limit() - 1 - dim.low) / dim.step, 0), low = dim.low;  // the last backed coordinate
    offset += last * dim.stride;
    dim.stride = -dim.stride;
    if (!dim.padded()) continue;
    dim.low = dim.size - 1 - (low + last * dim.step);
    dim.high = dim.size - low;
  }
  return dims;
}

class Lowering {
 public:
  explicit Lowering(const ConvSpec& spec) : s_(spec) {
    check(s_.spatial.size() <= kMaxConvSpatial, "[", s_.name, "] ", s_.spatial.size(), " spatial dimensions, at most ", kMaxConvSpatial);
    check(s_.feature_groups == 1 || s_.batch_groups == 1, "[", s_.name, "] both feature and batch groups");
    groups_ = std::max(s_.feature_groups, s_.batch_groups);
    channels_ = s_.in_features / s_.feature_groups;
    features_ = s_.out_features / groups_;
    images_ = s_.batch / s_.batch_groups;
    merge_groups();
  }

  MatmulPlan plan() {
    MatmulPlan p;
    p.batch = groups_;
    p.m = images_;
    p.k = merged_ * channels_;
    p.n = merged_ * features_;
    for (const ConvSpec::Spatial& d : s_.spatial) {
      p.m *= d.output;
      p.k *= d.window;
    }
    split_input();
    p.sides[0] = {static_cast<Slot>(s_.input.buffer), s_.input.type, {}, s_.input.pad, s_.input.indices};
    p.sides[1] = {static_cast<Slot>(s_.kernel.buffer), s_.kernel.type, {}, s_.kernel.pad, s_.kernel.indices};
    if (p.batch * p.m * p.n * p.k != 0) {
      p.sides[0].view = patches(p);
      p.sides[1].view = filter(p);
    }
    for (const Operand& extra : s_.extras) {
      Operand moved = extra;
      moved.map = result_order(extra.map);
      p.extras.push_back(input_matrix(moved, p.batch, p.m, p.n));
    }
    for (const Result& result : s_.results) {
      Result moved = result;
      moved.map = result_order(result.map);
      p.results.push_back(output_matrix(moved, static_cast<Slot>(s_.input_bytes.size() + result.buffer), p.batch, p.m, p.n));
    }
    return p;
  }

  bool takes(const AccessMap& map) const { return split_dims(map, result_sizes()).has_value(); }

 private:
  // Groups of few channels are multiplied several at a time, by a kernel whose blocks off the diagonal are zero.
  void merge_groups() {
    if (s_.feature_groups == 1) return;
    for (int64_t f = std::min(kMergedSide, groups_); f > 1 && merged_ == 1; --f) {
      if (groups_ % f == 0 && f * channels_ <= kMergedSide && f * features_ <= kMergedSide) merged_ = f;
    }
    groups_ /= merged_;
  }

  std::vector<MapDims> split(const AccessMap& map, const std::vector<int64_t>& sizes, const char* what) const {
    auto dims = split_dims(map, sizes);
    check(dims.has_value(), "[", s_.name, "] the dimensions of the ", what, "'s map cross those of the array: store it first");
    return *std::move(dims);
  }

  void split_input() {
    std::vector<int64_t> sizes{s_.batch_groups, images_};
    for (const ConvSpec::Spatial& d : s_.spatial) sizes.push_back(d.input);
    sizes.insert(sizes.end(), {s_.batch_groups > 1 ? 1 : groups_, merged_ * channels_});
    if (volume(sizes) == 0) return;
    check(!s_.input.map.is_padded(), "[", s_.name, "] the input's map is padded: store it first");
    input_ = split(s_.input.map, sizes, "input");
    const auto stride = [](const MapDims& dims) { return dims.empty() ? 0 : std::abs(dims.back().stride); };
    images_last_ = stride(input_[1]) == 1;
    channels_last_ = stride(input_.back()) == 1;
  }

  // Rows or k in the chosen order: `outer` before the positions, or after them.
  template <class Dim>
  static std::vector<Dim> ordered(bool positions_first, std::vector<Dim> outer, std::vector<Dim> positions) {
    if (positions_first) std::swap(outer, positions);
    outer.insert(outer.end(), positions.begin(), positions.end());
    return outer;
  }

  MatrixView patches(const MatmulPlan& p) const {
    using Dim = MatrixView::Dim;
    MatrixView view;
    view.rows = p.m;
    view.columns = p.k;
    view.offset = s_.input.map.offset;
    const auto plain = [](const MapDims& dims) {
      std::vector<Dim> out;
      for (const AccessMap::Dim& dim : dims) out.push_back({dim.size, dim.stride});
      return out;
    };
    std::vector<Dim> outputs, windows;
    for (size_t d = 0; d < s_.spatial.size(); ++d) {
      const ConvSpec::Spatial& x = s_.spatial[d];
      const MapDims& dims = input_[2 + d];
      check(dims.size() <= 1, "[", s_.name, "] spatial dimension ", d, " of the input has no single stride: store it first");
      const int64_t stride = dims.empty() ? 0 : dims[0].stride, dilation = x.input_dilation;
      const int64_t last = (x.output - 1) * x.stride + (x.window - 1) * x.window_dilation - x.pad_low;
      const int64_t extent = (x.input - 1) * dilation + 1;
      const bool inside = x.pad_low <= 0 && last < extent && dilation == 1, dense = dilation == 1;
      const int axis = inside ? -1 : static_cast<int>(view.axes.size());
      if (!inside) {
        view.axes.push_back({extent, dilation, dense ? 0 : stride, -x.pad_low});
      }
      if (dense) view.offset -= x.pad_low * stride;
      outputs.push_back({x.output, dense ? x.stride * stride : 0, axis, inside ? 0 : x.stride});
      windows.push_back({x.window, dense ? x.window_dilation * stride : 0, axis, inside ? 0 : x.window_dilation});
    }
    for (const Dim& dim : plain(input_[s_.batch_groups > 1 ? 0 : input_.size() - 2])) view.add(MatrixView::kBatch, dim);
    for (const Dim& dim : ordered(images_last_, plain(input_[1]), outputs)) view.add(MatrixView::kRows, dim);
    for (const Dim& dim : ordered(channels_last_, plain(input_.back()), windows)) view.add(MatrixView::kColumns, dim);
    return view;
  }

  // The kernel as [group, k, feature]. With merged groups k holds (group within, channel), columns (group within, feature): an axis that
  // counts their difference leaves only the diagonal.
  MatrixView filter(const MatmulPlan& p) const {
    std::vector<int64_t> sizes;
    for (const ConvSpec::Spatial& d : s_.spatial) sizes.push_back(d.window);
    sizes.insert(sizes.end(), {channels_, groups_, merged_, features_});
    std::vector<MapDims> dims = split(s_.kernel.map, sizes, "kernel");
    AccessMap map;
    map.offset = s_.kernel.map.offset;
    const size_t rank = s_.spatial.size();
    MapDims windows;
    for (size_t d = 0; d < rank; ++d) {
      const MapDims turned = s_.spatial[d].reversed ? reversed(dims[d], map.offset) : dims[d];
      windows.insert(windows.end(), turned.begin(), turned.end());
    }
    const MapDims &channels = dims[rank], &outer = dims[rank + 1], &within = dims[rank + 2], &features = dims[rank + 3];
    map.dims = outer;
    if (merged_ == 1) {
      const MapDims k = ordered(channels_last_, channels, windows);
      map.dims.insert(map.dims.end(), k.begin(), k.end());
      map.dims.insert(map.dims.end(), features.begin(), features.end());
      return matrix_view(map, p.batch, p.k, p.n);
    }
    check(!s_.kernel.map.is_padded() && within.size() <= 1, "[", s_.name,
          "] a grouped kernel's map is padded or irregular: store it first");
    MatrixView view;
    view.rows = p.k;
    view.columns = p.n;
    view.offset = map.offset;
    view.axes.push_back({1});
    for (const AccessMap::Dim& dim : outer) view.add(MatrixView::kBatch, {dim.size, dim.stride});
    MapDims inner{{merged_, 0}};
    inner.insert(inner.end(), channels.begin(), channels.end());
    const MapDims k = ordered(channels_last_, inner, windows);
    const size_t diagonal = channels_last_ ? windows.size() : 0;
    for (size_t i = 0; i < k.size(); ++i) {
      const bool is_group = i == diagonal;
      view.add(MatrixView::kRows, {k[i].size, k[i].stride, is_group ? 0 : -1, is_group ? 1 : 0});
    }
    view.add(MatrixView::kColumns, {merged_, within.empty() ? 0 : within[0].stride, 0, -1});
    for (const AccessMap::Dim& dim : features) view.add(MatrixView::kColumns, {dim.size, dim.stride});
    return view;
  }

  std::vector<int64_t> result_sizes() const {
    std::vector<int64_t> sizes{images_};
    for (const ConvSpec::Spatial& d : s_.spatial) sizes.push_back(d.output);
    sizes.insert(sizes.end(), {groups_, merged_ * features_});
    return sizes;
  }

  // A map over [image, spatial..., feature] as one over [group, rows, feature].
  AccessMap result_order(const AccessMap& map) const {
    const std::vector<int64_t> sizes = result_sizes();
    if (volume(sizes) == 0) return map;
    const std::vector<MapDims> dims = split(map, sizes, "result");
    MapDims positions;
    for (size_t d = 0; d < s_.spatial.size(); ++d) positions.insert(positions.end(), dims[1 + d].begin(), dims[1 + d].end());
    AccessMap moved;
    moved.offset = map.offset;
    moved.dims = dims[dims.size() - 2];
    const MapDims rows = ordered(images_last_, dims[0], positions);
    moved.dims.insert(moved.dims.end(), rows.begin(), rows.end());
    moved.dims.insert(moved.dims.end(), dims.back().begin(), dims.back().end());
    return moved;
  }

  const ConvSpec& s_;
  int64_t groups_, channels_, features_, images_, merged_ = 1;
  std::vector<MapDims> input_;  // batch groups, images, spatial..., feature groups, channels
  bool images_last_ = false;    // the image varies fastest along rows
  bool channels_last_ = false;  // the channel varies fastest along k
};

}  // namespace

bool takes_extra(const ConvSpec& spec, const AccessMap& map) { return Lowering(spec).takes(map); }

Program conv(const ConvSpec& spec, const ChipSpec& chip) {
  MatmulSpec product{};
  product.name = spec.name;
  product.input_bytes = spec.input_bytes;
  product.output_bytes = spec.output_bytes;
  product.compute_type = spec.compute_type;
  product.epilogue = spec.epilogue;
  product.extras = spec.extras;
  product.results = spec.results;
  return build_matmul(Lowering(spec).plan(), product, chip);
}

}  // namespace tt::dnn
