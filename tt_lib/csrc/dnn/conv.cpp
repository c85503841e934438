// A convolution is a product [group, (image, output position), (window position, channel)] x [group, (window position, channel), feature].
// The order within rows and within k is free; it is chosen so that neighbours in memory are neighbours in a tile. Neighbouring outputs can
// be further columns, under a kernel that is zero where they do not meet it: what is not finite there makes them NaN, as within merged
// groups.
#include "dnn/conv.hpp"

#include <algorithm>
#include <cstdlib>
#include <functional>
#include <numeric>
#include <span>

#include "base/error.hpp"
#include "dnn/matmul_plan.hpp"
#include "emulator/cycles.hpp"

namespace tt::dnn {
namespace {

namespace cycles = emulator::cycles;

using MapDims = std::vector<AccessMap::Dim>;
using Dim = MatrixView::Dim;

static_assert(kMaxConvSpatial <= kMaxAxes);

constexpr int64_t kMergedSide = 32;  // groups are merged while channels and features fill no more than a tile

// One spatial dimension of the product. `phases` neighbouring outputs are columns; rows count such blocks. With input dilation each phase
// meets other elements of the kernel: the product sees neither the zeros between inputs nor, mostly, what would meet them.
//   output    row * phases + phase - shift
//   input     row * stride + position * window_dilation - pad_low
//   kernel    in a band of the dilated window: position * input_dilation + first - phase * (stride of the window)
struct Band {
  int64_t phases = 1, shift = 0, rows = 0;
  int64_t window = 0, window_dilation = 1, stride = 1, pad_low = 0;
  int64_t first = 0;
  bool plain = true;  // a phase is an output, a position is one of the kernel

  bool cut(int64_t output) const { return rows * phases != output; }  // the first or the last rows have outputs that do not exist
};

int64_t floor_div(int64_t a, int64_t b) { return a >= 0 ? a / b : -div_up(-a, b); }

Band band_of(const ConvSpec::Spatial& x, int64_t phases) {
  if (phases == 1 && x.input_dilation == 1) return {1, 0, x.output, x.window, x.window_dilation, x.stride, x.pad_low, 0, true};
  const int64_t extent = (x.window - 1) * x.window_dilation + 1, shifts = x.input_dilation == 1 ? 1 : phases;
  Band best;
  for (int64_t shift = 0; shift < shifts; ++shift) {
    const int64_t pad = x.pad_low + shift * x.stride, pad_low = floor_div(pad, x.input_dilation);
    Band band{phases, shift, div_up(x.output + shift, phases), 0, 1, phases * x.stride / x.input_dilation, pad_low};
    band.first = pad - pad_low * x.input_dilation;
    band.window = std::max<int64_t>(floor_div(extent - 1 - band.first + (phases - 1) * x.stride, x.input_dilation) + 1, 1);
    band.plain = false;
    if (shift == 0 || band.rows * band.window < best.rows * best.window) best = band;
  }
  return best;
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
    choose_bands();
  }

  MatmulPlan plan() {
    MatmulPlan p;
    p.batch = groups_;
    p.m = images_;
    p.k = merged_ * channels_;
    p.n = merged_ * features_;
    for (const Band& band : bands_) {
      p.m *= band.rows;
      p.k *= band.window;
      p.n *= band.phases;
    }
    split_input();
    p.sides[0] = {static_cast<Slot>(s_.input.buffer), s_.input.type, {}, s_.input.pad, s_.input.indices};
    p.sides[1] = {static_cast<Slot>(s_.kernel.buffer), s_.kernel.type, {}, s_.kernel.pad, s_.kernel.indices};
    if (p.batch * p.m * p.n * p.k != 0) {
      p.sides[0].view = patches(p);
      p.sides[1].view = filter(p);
    }
    for (const Operand& extra : s_.extras) {
      check(extra.buffer != kNoBuffer, "[", s_.name, "] an operand without a buffer: store it first");
      p.extras.push_back({static_cast<Slot>(extra.buffer), extra.type, result_view(extra.map, p), extra.pad, extra.indices});
    }
    for (const Result& result : s_.results) {
      const auto slot = static_cast<Slot>(s_.input_bytes.size() + result.buffer);
      p.results.push_back({slot, result.type, result_view(result.map, p), {}, result.indices});
    }
    return p;
  }

  bool takes(const AccessMap& map) const {
    const auto dims = split_dims(map, result_sizes());
    if (!dims) return false;
    size_t axes = 0;
    for (const MapDims& group : *dims)
      axes += static_cast<size_t>(std::count_if(group.begin(), group.end(), std::mem_fn(&AccessMap::Dim::padded)));
    for (size_t d = 0; d < bands_.size(); ++d) {
      if (bands_[d].plain) continue;
      const MapDims& outputs = (*dims)[1 + d];
      if (outputs.size() > 1 || (!outputs.empty() && outputs[0].padded())) return false;
      axes += bands_[d].cut(s_.spatial[d].output) ? 1 : 0;
    }
    return axes <= kMaxAxes;
  }

 private:
  // Groups of few channels are multiplied several at a time, by a kernel whose blocks off the diagonal are zero.
  void merge_groups() {
    if (s_.feature_groups == 1 || s_.spatial.size() == kMaxAxes) return;  // the diagonal takes an axis
    for (int64_t f = std::min(kMergedSide, groups_); f > 1 && merged_ == 1; --f) {
      if (groups_ % f == 0 && f * channels_ <= kMergedSide && f * features_ <= kMergedSide) merged_ = f;
    }
    groups_ /= merged_;
  }

  // Columns of the product that would be empty are filled with neighbouring outputs along the last two dimensions, where that is less work.
  void choose_bands() {
    for (const ConvSpec::Spatial& x : s_.spatial) bands_.push_back(band_of(x, x.input_dilation / std::gcd(x.input_dilation, x.stride)));
    double least = cost(bands_);
    const std::vector<Band> first = bands_;
    const size_t rank = bands_.size();
    const int64_t room = kTileSide / std::max<int64_t>(columns(first), 1);
    for (int64_t wide = 1; rank > 0 && wide <= room; wide *= 2) {
      for (int64_t high = 1; wide * high <= room && (rank > 1 || high == 1); high *= 2) {
        std::vector<Band> bands = first;
        const auto widen = [&](size_t d, int64_t by) { bands[d] = band_of(s_.spatial[d], bands[d].phases * by); };
        if (wide > 1) widen(rank - 1, wide);
        if (high > 1) widen(rank - 2, high);
        if (const double now = cost(bands); now < least) {
          least = now;
          bands_ = bands;
        }
      }
    }
  }

  int64_t columns(const std::vector<Band>& bands) const {
    return std::accumulate(bands.begin(), bands.end(), merged_ * features_, [](int64_t n, const Band& band) { return n * band.phases; });
  }

  // Cycles of the product: of the engine, and of readers that make tiles of patches and of the kernel.
  double cost(const std::vector<Band>& bands) const {
    int64_t m = images_, k = merged_ * channels_;
    for (const Band& band : bands) {
      m *= band.rows;
      k *= band.window;
    }
    const int64_t run = bands.empty() ? k : merged_ * channels_ * bands.back().window;
    const auto transactions = [](int64_t run) {
      return static_cast<double>(kTileSide * div_up(kTileSide, std::clamp<int64_t>(run, 1, kTileSide)));
    };
    const double tile = cycles::kCopyTile + cycles::kPackTile, issue = cycles::kNocIssue;
    const auto rows = static_cast<double>(groups_ * div_up(m, kTileSide)), depth = static_cast<double>(div_up(k, kTileSide)),
               across = static_cast<double>(div_up(columns(bands), kTileSide));
    return rows * depth * (across * 4 * cycles::kMatmulPhase + tile + issue * transactions(run)) +
           depth * across * (tile + issue * transactions(kTileSide));
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

  static std::vector<Dim> unpadded(const MapDims& dims) {
    std::vector<Dim> out;
    for (const AccessMap::Dim& dim : dims) out.push_back({dim.size, dim.stride});
    return out;
  }

  // The stride of a spatial dimension.
  int64_t single(const MapDims& dims, size_t d, const char* what) const {
    check(dims.size() <= 1, "[", s_.name, "] spatial dimension ", d, " of the ", what, " has no single stride: store it first");
    return dims.empty() ? 0 : dims[0].stride;
  }

  MatrixView patches(const MatmulPlan& p) const {
    MatrixView view;
    view.rows = p.m;
    view.columns = p.k;
    view.offset = s_.input.map.offset;
    std::vector<Dim> outputs, windows;
    for (size_t d = 0; d < s_.spatial.size(); ++d) {
      const Band& band = bands_[d];
      const int64_t stride = single(input_[2 + d], d, "input"), input = s_.spatial[d].input;
      const int64_t last = (band.rows - 1) * band.stride + (band.window - 1) * band.window_dilation - band.pad_low;
      const bool inside = band.pad_low <= 0 && last < input;
      const int axis = inside ? -1 : static_cast<int>(view.axes.size());
      if (!inside) view.axes.push_back({input, 1, 0, -band.pad_low});
      view.offset -= band.pad_low * stride;
      outputs.push_back({band.rows, band.stride * stride, axis, inside ? 0 : band.stride});
      windows.push_back({band.window, band.window_dilation * stride, axis, inside ? 0 : band.window_dilation});
    }
    for (const Dim& dim : unpadded(input_[s_.batch_groups > 1 ? 0 : input_.size() - 2])) view.add(MatrixView::kBatch, dim);
    for (const Dim& dim : ordered(images_last_, unpadded(input_[1]), outputs)) view.add(MatrixView::kRows, dim);
    for (const Dim& dim : ordered(channels_last_, unpadded(input_.back()), windows)) view.add(MatrixView::kColumns, dim);
    return view;
  }

  // The kernel as [group, k, (phase, feature)]. With merged groups k holds (group within, channel), columns (group within, feature): an
  // axis that counts their difference leaves only the diagonal.
  MatrixView filter(const MatmulPlan& p) const {
    std::vector<int64_t> sizes;
    for (const ConvSpec::Spatial& d : s_.spatial) sizes.push_back(d.window);
    sizes.insert(sizes.end(), {channels_, groups_, merged_, features_});
    check(!s_.kernel.map.is_padded(), "[", s_.name, "] the kernel's map is padded: store it first");
    const std::vector<MapDims> dims = split(s_.kernel.map, sizes, "kernel");
    const size_t rank = s_.spatial.size();
    MatrixView view;
    view.rows = p.k;
    view.columns = p.n;
    view.offset = s_.kernel.map.offset;
    std::vector<Dim> windows, phases;
    for (size_t d = 0; d < rank; ++d) {
      const ConvSpec::Spatial& x = s_.spatial[d];
      const Band& band = bands_[d];
      int64_t stride = single(dims[d], d, "kernel");
      if (x.reversed) {
        view.offset += (x.window - 1) * stride;
        stride = -stride;
      }
      if (band.plain) {
        windows.push_back({x.window, stride});
        continue;
      }
      const bool dense = x.window_dilation == 1;
      const int axis = static_cast<int>(view.axes.size());
      view.axes.push_back({(x.window - 1) * x.window_dilation + 1, x.window_dilation, dense ? 0 : stride, band.first});
      if (dense) view.offset += band.first * stride;
      windows.push_back({band.window, dense ? x.input_dilation * stride : 0, axis, x.input_dilation});
      phases.push_back({band.phases, dense ? -x.stride * stride : 0, axis, -x.stride});
    }
    const MapDims& within = dims[rank + 2];
    std::vector<Dim> channels = unpadded(dims[rank]), groups;
    if (merged_ > 1) {
      check(within.size() <= 1, "[", s_.name, "] a grouped kernel's map is irregular: store it first");
      const int diagonal = static_cast<int>(view.axes.size());
      view.axes.push_back({1});
      channels.insert(channels.begin(), {merged_, 0, diagonal, 1});
      groups.push_back({merged_, within.empty() ? 0 : within[0].stride, diagonal, -1});
    }
    for (const Dim& dim : unpadded(dims[rank + 1])) view.add(MatrixView::kBatch, dim);
    for (const Dim& dim : ordered(channels_last_, channels, windows)) view.add(MatrixView::kRows, dim);
    for (const Dim& dim : phases) view.add(MatrixView::kColumns, dim);
    for (const Dim& dim : groups) view.add(MatrixView::kColumns, dim);
    for (const Dim& dim : unpadded(dims.back())) view.add(MatrixView::kColumns, dim);
    return view;
  }

  std::vector<int64_t> result_sizes() const {
    std::vector<int64_t> sizes{images_};
    for (const ConvSpec::Spatial& d : s_.spatial) sizes.push_back(d.output);
    sizes.insert(sizes.end(), {groups_, merged_ * features_});
    return sizes;
  }

  // A map over [image, spatial..., feature] as [group, rows, (phase, feature)].
  MatrixView result_view(const AccessMap& map, const MatmulPlan& p) const {
    MatrixView view;
    view.rows = p.m;
    view.columns = p.n;
    view.offset = map.offset;
    const std::vector<int64_t> sizes = result_sizes();
    if (volume(sizes) == 0) return view;
    const std::vector<MapDims> dims = split(map, sizes, "result");
    const auto add_all = [&](MatrixView::Group group, const MapDims& all) {
      for (const AccessMap::Dim& dim : all) view.add(group, dim);
    };
    add_all(MatrixView::kBatch, dims[dims.size() - 2]);
    if (!images_last_) add_all(MatrixView::kRows, dims[0]);
    for (size_t d = 0; d < bands_.size(); ++d) {
      const Band& band = bands_[d];
      if (band.plain) {
        add_all(MatrixView::kRows, dims[1 + d]);
        continue;
      }
      const int64_t stride = single(dims[1 + d], d, "result"), output = s_.spatial[d].output;
      const bool cut = band.cut(output);
      const int axis = cut ? static_cast<int>(view.axes.size()) : -1;
      if (cut) view.axes.push_back({output, 1, 0, -band.shift});
      view.offset -= band.shift * stride;
      view.add(MatrixView::kRows, Dim{band.rows, band.phases * stride, axis, cut ? band.phases : 0});
      view.add(MatrixView::kColumns, Dim{band.phases, stride, axis, cut ? 1 : 0});
    }
    if (images_last_) add_all(MatrixView::kRows, dims[0]);
    add_all(MatrixView::kColumns, dims.back());
    return view;
  }

  const ConvSpec& s_;
  int64_t groups_, channels_, features_, images_, merged_ = 1;
  std::vector<Band> bands_;     // one per spatial dimension
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
