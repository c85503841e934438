// Composition of access maps with movement operations.
#include "lowering/source.hpp"

#include <algorithm>

namespace tt::lowering {

using Dim = AccessMap::Dim;

Source Source::dense(StorageId storage, DataType type, std::span<const int64_t> dims) {
  return {storage, type, AccessMap::contiguous(dims)};
}

bool Source::is_dense() const { return storage != kNoStorage && map.offset == 0 && indices.empty() && map.is_contiguous(); }

int64_t distinct_elements(const Source& source) {
  int64_t count = 1;
  for (const AccessMap::Dim& dim : source.map.dims) count *= dim.stride == 0 ? 1 : dim.size;
  return count;
}

Dims dims_of(const Source& source) {
  Dims dims;
  for (const Dim& dim : source.map.dims) dims.push_back(dim.size);
  return dims;
}

std::optional<Source> broadcast_in_dim(const Source& source, std::span<const int64_t> dimensions, std::span<const int64_t> result) {
  Source out = source;
  out.map.dims.assign(result.size(), Dim{1, 0});
  for (size_t d = 0; d < result.size(); ++d) out.map.dims[d].size = result[d];
  for (size_t i = 0; i < dimensions.size(); ++i) {
    const auto d = static_cast<size_t>(dimensions[i]);
    const Dim& dim = source.map.dims[i];
    if (dim.size == result[d]) {
      out.map.dims[d] = dim;
    } else if (dim.padded()) {
      return std::nullopt;
    }
  }
  return out;
}

std::optional<Source> transpose(const Source& source, std::span<const int64_t> permutation) {
  Source out = source;
  for (size_t d = 0; d < permutation.size(); ++d) out.map.dims[d] = source.map.dims[static_cast<size_t>(permutation[d])];
  return out;
}

namespace {

// Splits `from` (dimensions of equal volume to `to`) into dimensions of the sizes `to`; false when the strides do not allow it.
bool regroup(std::span<const Dim> from, std::span<const int64_t> to, std::vector<Dim>& out) {
  std::vector<Dim> real;
  for (const Dim& dim : from) {
    if (dim.size != 1 || dim.padded()) real.push_back(dim);
  }
  if (real.size() == 1) {  // an unsplit dimension keeps its padding
    const auto same = std::count(to.begin(), to.end(), real[0].size);
    const auto ones = std::count(to.begin(), to.end(), 1);
    if (same >= 1 && static_cast<size_t>(same + ones) >= to.size() && (real[0].size != 1)) {
      for (int64_t size : to) out.push_back(size == 1 ? Dim{1, 0} : real[0]);
      return true;
    }
  }
  if (real.empty()) {
    for (int64_t size : to) out.push_back({size, 0});
    return true;
  }
  for (size_t i = 0; i < real.size(); ++i) {
    if (real[i].padded()) return false;
    if (i + 1 < real.size() && real[i].stride != real[i + 1].stride * real[i + 1].size) return false;
  }
  int64_t stride = real.back().stride;
  const size_t first = out.size();
  out.resize(first + to.size(), Dim{1, 0});
  for (size_t i = to.size(); i-- > 0;) {
    out[first + i] = {to[i], to[i] == 1 ? 0 : stride};
    stride *= to[i];
  }
  return true;
}

}  // namespace

std::optional<Source> reshape(const Source& source, std::span<const int64_t> result) {
  const auto has_size = [](const Dim& dim, int64_t size) { return dim.size == size; };
  if (std::equal(source.map.dims.begin(), source.map.dims.end(), result.begin(), result.end(), has_size)) return source;  // padded or not
  Source out = source;
  out.map.dims.clear();
  const std::vector<Dim>& from = source.map.dims;
  if (volume(result) == 0) {
    for (int64_t size : result) out.map.dims.push_back({size, 0});
    return out;
  }
  // Groups of dimensions of equal volume on both sides.
  size_t i = 0, j = 0;
  while (i < from.size() || j < result.size()) {
    const size_t i0 = i, j0 = j;
    int64_t a = 1, b = 1;
    if (i < from.size()) a *= from[i++].size;
    if (j < result.size()) b *= result[j++];
    while (a != b) {
      if (a < b) {
        a *= from[i++].size;
      } else {
        b *= result[j++];
      }
    }
    while (i < from.size() && from[i].size == 1) ++i;
    while (j < result.size() && result[j] == 1) ++j;
    if (!regroup({from.data() + i0, i - i0}, result.subspan(j0, j - j0), out.map.dims)) return std::nullopt;
  }
  return out;
}

std::optional<Source> slice(const Source& source, std::span<const int64_t> start, std::span<const int64_t> limit,
                            std::span<const int64_t> stride) {
  Source out = source;
  for (size_t d = 0; d < start.size(); ++d) {
    Dim& dim = out.map.dims[d];
    const int64_t size = div_up(std::max<int64_t>(limit[d] - start[d], 0), stride[d]);
    if (size == dim.size && start[d] == 0 && stride[d] == 1) continue;
    if (dim.padded()) {
      if (stride[d] != 1 || dim.step != 1) return std::nullopt;
      int64_t low = dim.low - start[d], high = std::min(dim.limit() - start[d], size);
      if (low < 0) {
        out.map.offset -= low * dim.stride;
        low = 0;
      }
      dim.low = std::min(low, size);
      dim.high = std::max(high, dim.low);
    } else {
      out.map.offset += start[d] * dim.stride;
      dim.stride *= stride[d];
    }
    dim.size = size;
    if (dim.low == 0 && dim.high == dim.size) dim.high = -1;
  }
  return out;
}

std::optional<Source> reverse(const Source& source, std::span<const int64_t> dimensions) {
  Source out = source;
  for (int64_t d : dimensions) {
    Dim& dim = out.map.dims[static_cast<size_t>(d)];
    if (dim.size == 0) continue;
    const int64_t coordinates = div_up(std::max<int64_t>(dim.limit() - dim.low, 0), dim.step);
    if (dim.padded()) {
      const int64_t last = dim.low + (coordinates - 1) * dim.step;  // the last backed index
      const int64_t size = dim.size, low = size - 1 - last;
      dim.high = size - dim.low;
      dim.low = low;
      if (coordinates <= 0) dim.low = dim.high = 0;
      if (!dim.padded()) dim.high = -1;
    }
    if (coordinates > 0) out.map.offset += (coordinates - 1) * dim.stride;
    dim.stride = -dim.stride;
  }
  return out;
}

std::optional<Source> pad(const Source& source, std::span<const int64_t> low, std::span<const int64_t> high,
                          std::span<const int64_t> interior, std::vector<std::byte> value) {
  if (source.map.is_padded() && source.pad != value) return std::nullopt;
  Source out = source;
  for (size_t d = 0; d < low.size(); ++d) {
    Dim& dim = out.map.dims[d];
    if (low[d] == 0 && high[d] == 0 && interior[d] == 0) continue;
    if (dim.padded()) return std::nullopt;
    const int64_t step = interior[d] + 1, count = dim.size;
    const int64_t spread = count == 0 ? 0 : (count - 1) * step + 1;
    const int64_t size = spread + low[d] + high[d];
    int64_t first = low[d];
    if (first < 0) {  // cuts off from the front: the first coordinate that stays
      const int64_t cut = div_up(-first, step);
      out.map.offset += cut * dim.stride;
      first += cut * step;
    }
    const int64_t end = count == 0 ? first : std::min(low[d] + spread, size);
    dim = {size, dim.stride, std::min(first, size), std::max(std::min(first, size), end), step};
    if (!dim.padded()) dim.high = -1;  // nothing but cut off
  }
  if (out.map.is_padded()) out.pad = std::move(value);
  return out;
}

}  // namespace tt::lowering
