// Where the elements of a matrix lie: rows, columns and batch entries each walk their own dimensions of a buffer. Padded maps and the
// patches of a convolution share one form: coordinates along an axis add up, and an element outside its axis is padding.
#pragma once

#include <array>
#include <optional>
#include <span>
#include <vector>

#include "emulator/access_map.hpp"

namespace tt::dnn {

inline constexpr size_t kMaxAxes = 8;

struct MatrixView {
  enum Group : size_t { kBatch, kRows, kColumns };
  // Index i along the dimension adds i * stride to the offset and i * reach to the coordinate along `axis`.
  struct Dim {
    int64_t size;
    int64_t stride;
    int axis = -1;
    int64_t reach = 0;
  };
  // Coordinate c is backed when 0 <= c < extent and c % dilation == 0; with dilation != 1 it adds c / dilation * stride to the offset.
  struct Axis {
    int64_t extent;
    int64_t dilation = 1;
    int64_t stride = 0;
    int64_t start = 0;  // coordinate of index 0
  };
  std::array<std::vector<Dim>, 3> groups;  // batch, rows, columns; each outermost first
  std::vector<Axis> axes;
  int64_t offset = 0;
  std::optional<emulator::AccessMap> irregular;  // a map whose dimensions cross those of the matrix: walked row by row
  int64_t rows = 0, columns = 0;

  // Row and column strides when the matrix is a plain strided one.
  bool is_strided() const { return !irregular && axes.empty() && groups[kRows].size() <= 1 && groups[kColumns].size() <= 1; }
  bool is_strided_within(int64_t side) const;  // whether each square of `side` is, where squares stand side by side
  int64_t row_stride() const { return groups[kRows].empty() ? 0 : groups[kRows].back().stride; }
  int64_t column_stride() const { return groups[kColumns].empty() ? 0 : groups[kColumns].back().stride; }
  int64_t offset_of(Group group, int64_t index) const;  // where there are no axes
  bool is_uniform() const;                              // one element, everywhere
  bool runs_along_rows() const;                         // whether neighbours in memory are neighbours in a column of the matrix
  void add(Group group, Dim dim);                       // inside the group's present dimensions; joins them where it can
  void add(Group group, const emulator::AccessMap::Dim& dim);
  int64_t run_length() const;  // elements of one contiguous run, for the cost of transfers
};

// The dimensions of `map`, split where the dimensions `sizes` begin and end; nothing when one crosses a border.
std::optional<std::vector<std::vector<emulator::AccessMap::Dim>>> split_dims(const emulator::AccessMap& map,
                                                                             std::span<const int64_t> sizes);

MatrixView matrix_view(const emulator::AccessMap& map, int64_t batch, int64_t rows, int64_t columns);

struct Position {
  int64_t offset;
  std::array<int64_t, kMaxAxes> at;  // coordinates
};

// Positions of indices [start, start + count) along a group.
void find_positions(const MatrixView& view, MatrixView::Group group, int64_t start, int64_t count, std::vector<Position>& positions);
Position batch_position(const MatrixView& view, int64_t batch);  // of a batch entry, with the axes' starts

// Consecutive positions at equal steps in memory. Along `axis` (if any) their coordinates grow; along all others they are equal.
struct PositionRun {
  int32_t first, count;
  int64_t step;
  int axis;
};
void find_runs(const MatrixView& view, const Position* positions, int64_t count, std::vector<PositionRun>& runs);

}  // namespace tt::dnn
