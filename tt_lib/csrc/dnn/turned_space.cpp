// Cuts a space [outer, rows, middle, columns] to [outer, rows / p, middle, columns / q, p, q].
#include "dnn/turned_space.hpp"

#include <algorithm>
#include <array>
#include <optional>

#include "base/shape.hpp"
#include "emulator/tile_program.hpp"

namespace tt::dnn {
namespace {

using emulator::AccessMap;

constexpr int64_t kPage = static_cast<int64_t>(emulator::kTileElements);
constexpr int64_t kLeastSide = 16;  // of a tile: below, a block is moved as fast element by element
constexpr int64_t kSide = 32;

// Sizes of the factors of an iteration space, outermost first.
struct Space {
  int64_t outer, rows, middle, columns;
};

// The first dimension along which the source is contiguous, and the innermost; none where that is the same.
std::optional<Space> across(const AccessMap& map) {
  if (map.dims.size() < 2) return std::nullopt;
  const AccessMap::Dim& inner = map.dims.back();
  if (inner.padded() || std::abs(inner.stride) < kLeastSide) return std::nullopt;
  int64_t inside = inner.size;
  for (size_t d = map.dims.size() - 1; d-- > 0; inside *= map.dims[d].size) {
    const AccessMap::Dim& dim = map.dims[d];
    if (dim.stride == 1 && !dim.padded()) return Space{map.size() / (inside * dim.size), dim.size, inside / inner.size, inner.size};
  }
  return std::nullopt;
}

int64_t power_of_two_in(int64_t n) { return n & -n; }

// The map's dimensions within each of the factors that the space is cut to; none where a factor ends within one that cannot be cut.
template <size_t kFactors>
std::optional<std::array<std::vector<AccessMap::Dim>, kFactors>> cut(const AccessMap& map, const std::array<int64_t, kFactors>& sizes) {
  std::array<std::vector<AccessMap::Dim>, kFactors> factors;
  std::vector<AccessMap::Dim> left = map.dims;
  for (size_t f = kFactors; f-- > 0;) {
    int64_t size = sizes[f];
    while (size > 1) {
      if (left.empty()) return std::nullopt;
      AccessMap::Dim& dim = left.back();
      if (size % dim.size == 0) {
        size /= dim.size;
        factors[f].insert(factors[f].begin(), dim);
        left.pop_back();
      } else if (dim.size % size == 0 && !dim.padded()) {
        factors[f].insert(factors[f].begin(), {size, dim.stride});
        dim = {dim.size / size, dim.stride * size};
        size = 1;
      } else {
        return std::nullopt;
      }
    }
  }
  for (const AccessMap::Dim& dim : left) {
    if (dim.size != 1 || dim.padded()) return std::nullopt;
  }
  return factors;
}

}  // namespace

void walk_in_tiles(std::span<AccessMap* const> maps) {
  std::optional<Space> space;
  for (const AccessMap* map : maps) {
    if (!space) space = across(*map);
  }
  if (!space) return;
  const int64_t most_p = std::min(power_of_two_in(space->rows), kPage), most_q = std::min(power_of_two_in(space->columns), kPage);
  int64_t p = std::min(most_p, kSide);
  const int64_t q = std::min(most_q, kPage / p);
  p = std::min(most_p, kPage / q);
  if (p < kLeastSide || q < kLeastSide) return;
  const std::array<int64_t, 6> sizes{space->outer, space->rows / p, p, space->middle, space->columns / q, q};
  std::vector<AccessMap> walked;
  for (const AccessMap* map : maps) {
    const auto factors = cut(*map, sizes);
    if (!factors) return;
    AccessMap& result = walked.emplace_back();
    result.offset = map->offset;
    for (const size_t f : {0, 1, 3, 4, 2, 5}) result.dims.insert(result.dims.end(), (*factors)[f].begin(), (*factors)[f].end());
  }
  for (size_t i = 0; i < maps.size(); ++i) *maps[i] = walked[i].coalesced();
}

}  // namespace tt::dnn
