// Splitting maps into batch, rows and columns, and walking the groups.
#include "dnn/matmul_view.hpp"

#include <algorithm>
#include <cstdlib>

#include "base/error.hpp"

namespace tt::dnn {

using emulator::AccessMap;

namespace {

bool is_trivial(const AccessMap::Dim& dim) { return dim.size == 1 && !dim.padded(); }

// Neighbours along the group that one transfer brings: those of the innermost dimension, and of the next one where it goes on from there.
int64_t run_of(const std::vector<MatrixView::Dim>& dims) {
  if (dims.empty() || std::abs(dims.back().stride) > 1) return 1;
  const MatrixView::Dim& inner = dims.back();
  const bool goes_on = dims.size() > 1 && inner.axis < 0 && dims[dims.size() - 2].stride == inner.size * inner.stride && inner.stride != 0;
  return goes_on ? inner.size * dims[dims.size() - 2].size : inner.size;
}

// Which of two groups to walk along: the one of longer runs, else the one whose neighbours lie closer to each other.
std::pair<int64_t, int64_t> density(const std::vector<MatrixView::Dim>& dims) {
  const int64_t stride = dims.empty() ? 0 : std::abs(dims.back().stride);
  return stride == 0 ? std::pair<int64_t, int64_t>{1, 1} : std::pair{run_of(dims), std::max<int64_t>(dims.back().size / stride, 1)};
}

}  // namespace

void MatrixView::add(Group group, Dim dim) {
  if (dim.size == 1) return;
  std::vector<Dim>& dims = groups[group];
  if (!dims.empty() && dims.back().axis < 0 && dim.axis < 0 && dims.back().stride == dim.size * dim.stride) {
    dims.back() = {dims.back().size * dim.size, dim.stride};
  } else {
    dims.push_back(dim);
  }
}

void MatrixView::add(Group group, const AccessMap::Dim& dim) {
  if (is_trivial(dim)) return;
  if (!dim.padded()) return add(group, Dim{dim.size, dim.stride});
  require(axes.size() < kMaxAxes, "[matmul] an operand has more than ", kMaxAxes, " padded dimensions: store it first");
  const bool dense = dim.step == 1;
  groups[group].push_back({dim.size, dense ? dim.stride : 0, static_cast<int>(axes.size()), 1});
  axes.push_back({dim.limit() - dim.low, dim.step, dense ? 0 : dim.stride, -dim.low});
  if (dense) offset -= dim.low * dim.stride;
}

bool MatrixView::is_strided_within(int64_t side) const {
  const auto is_whole = [&](const std::vector<Dim>& dims) { return dims.size() <= 1 || dims.back().size % side == 0; };
  return !irregular && axes.empty() && is_whole(groups[kRows]) && is_whole(groups[kColumns]);
}

int64_t MatrixView::offset_of(Group group, int64_t index) const {
  int64_t at = 0;
  for (size_t d = groups[group].size(); d-- > 0;) {
    const Dim& dim = groups[group][d];
    at += (d == 0 ? index : index % dim.size) * dim.stride;
    index /= dim.size;
  }
  return at;
}

bool MatrixView::is_uniform() const {
  const auto stays = [](const Dim& dim) { return dim.stride == 0; };
  return is_strided() && std::all_of(groups.begin(), groups.end(), [&](const auto& g) { return std::all_of(g.begin(), g.end(), stays); });
}

bool MatrixView::runs_along_rows() const { return density(groups[kRows]) > density(groups[kColumns]); }

int64_t MatrixView::run_length() const {
  return irregular ? irregular->run_length() : run_of(groups[runs_along_rows() ? kRows : kColumns]);
}

std::optional<std::vector<std::vector<AccessMap::Dim>>> split_dims(const AccessMap& map, std::span<const int64_t> sizes) {
  std::vector<std::vector<AccessMap::Dim>> groups(sizes.size());
  const AccessMap merged = map.coalesced();
  size_t group = sizes.size();
  int64_t rest = 1;  // of the current group, not yet covered
  for (size_t d = merged.dims.size(); d-- > 0;) {
    AccessMap::Dim dim = merged.dims[d];
    for (bool done = is_trivial(dim); !done;) {
      while (rest == 1 && group > 0 && dim.size != 1) rest = sizes[--group];
      if (dim.size <= rest && rest % dim.size == 0) {
        groups[std::min(group, sizes.size() - 1)].insert(groups[std::min(group, sizes.size() - 1)].begin(), dim);
        rest /= dim.size;
        done = true;
      } else if (!dim.padded() && rest > 1 && dim.size % rest == 0) {
        groups[group].insert(groups[group].begin(), {rest, dim.stride});
        dim.size /= rest;
        dim.stride *= rest;
        rest = 1;
      } else {
        return std::nullopt;
      }
    }
  }
  return groups;
}

MatrixView matrix_view(const AccessMap& map, int64_t batch, int64_t rows, int64_t columns) {
  check(map.size() == batch * rows * columns, "[matmul] a map of ", map.size(), " elements for ", batch, " matrices of ", rows, " x ",
        columns);
  MatrixView view;
  view.rows = rows;
  view.columns = columns;
  view.offset = map.offset;
  if (batch * rows * columns == 0) return view;
  const int64_t sizes[3] = {batch, rows, columns};
  const auto split = split_dims(map, sizes);
  if (!split) {
    view.irregular = map;
    return view;
  }
  for (size_t g = 0; g < 3; ++g) {
    for (const AccessMap::Dim& dim : (*split)[g]) view.add(static_cast<MatrixView::Group>(g), dim);
  }
  return view;
}

void find_positions(const MatrixView& view, MatrixView::Group group, int64_t start, int64_t count, std::vector<Position>& positions) {
  positions.clear();
  positions.reserve(static_cast<size_t>(count));
  const std::vector<MatrixView::Dim>& dims = view.groups[group];
  std::vector<int64_t> index(dims.size());
  Position here{};
  for (size_t d = dims.size(); d-- > 0;) {
    index[d] = start % dims[d].size;
    start /= dims[d].size;
    here.offset += index[d] * dims[d].stride;
    if (dims[d].axis >= 0) here.at[static_cast<size_t>(dims[d].axis)] += index[d] * dims[d].reach;
  }
  for (int64_t i = 0; i < count; ++i) {
    positions.push_back(here);
    for (size_t d = dims.size(); d-- > 0;) {
      const MatrixView::Dim& dim = dims[d];
      const bool wraps = ++index[d] == dim.size;
      const int64_t moved = wraps ? 1 - dim.size : 1;
      here.offset += moved * dim.stride;
      if (dim.axis >= 0) here.at[static_cast<size_t>(dim.axis)] += moved * dim.reach;
      if (!wraps) break;
      index[d] = 0;
    }
  }
}

Position batch_position(const MatrixView& view, int64_t batch) {
  const std::vector<MatrixView::Dim>& dims = view.groups[MatrixView::kBatch];
  Position position{};
  for (size_t d = dims.size(); d-- > 0; batch /= dims[d].size) {
    const int64_t index = batch % dims[d].size;
    position.offset += index * dims[d].stride;
    if (dims[d].axis >= 0) position.at[static_cast<size_t>(dims[d].axis)] += index * dims[d].reach;
  }
  for (size_t a = 0; a < view.axes.size(); ++a) position.at[a] += view.axes[a].start;
  return position;
}

void find_runs(const MatrixView& view, const Position* positions, int64_t count, std::vector<PositionRun>& runs) {
  runs.clear();
  const size_t axes = view.axes.size();
  for (int64_t first = 0; first < count;) {
    PositionRun run{static_cast<int32_t>(first), 1, 1, -1};
    const Position& begin = positions[first];
    if (first + 1 < count) run.step = positions[first + 1].offset - begin.offset;
    for (int64_t i = first + 1; i < count && positions[i].offset - positions[i - 1].offset == run.step; ++i) {
      bool extends = true;
      for (size_t a = 0; a < axes && extends; ++a) {
        if (positions[i].at[a] == begin.at[a] && run.axis != static_cast<int>(a)) continue;
        extends =
            view.axes[a].dilation == 1 && (run.axis < 0 || run.axis == static_cast<int>(a)) && positions[i].at[a] >= positions[i - 1].at[a];
        if (extends) run.axis = static_cast<int>(a);
      }
      if (!extends) break;
      ++run.count;
    }
    runs.push_back(run);
    first += run.count;
  }
}

}  // namespace tt::dnn
