// Tilizing readers and untilizing writers. Plain strided matrices go through the engine's tilize; all others are copied run by run.
#include "dnn/matmul_tiles.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <new>

#include "emulator/cycles.hpp"
#include "emulator/fpu.hpp"

namespace tt::dnn {
namespace {

namespace cycles = emulator::cycles;

constexpr size_t kMaxTileBytes = kTileElements * 16;

template <class T>
void copy_steps(std::byte* destination, const std::byte* source, int64_t step, int64_t n) {
  for (int64_t i = 0; i < n; ++i)
    std::memcpy(destination + static_cast<size_t>(i) * sizeof(T), source + i * step * static_cast<int64_t>(sizeof(T)), sizeof(T));
}
template <class T>
void place_steps(std::byte* destination, int64_t step, const std::byte* source, int64_t n) {
  for (int64_t i = 0; i < n; ++i)
    std::memcpy(destination + i * step * static_cast<int64_t>(sizeof(T)), source + static_cast<size_t>(i) * sizeof(T), sizeof(T));
}
struct Wide {
  uint64_t low, high;
};

void copy_run(std::byte* destination, const std::byte* source, int64_t step, int64_t n, size_t element) {
  if (step == 1) {
    std::memcpy(destination, source, static_cast<size_t>(n) * element);
    return;
  }
  switch (element) {
    case 1: return copy_steps<uint8_t>(destination, source, step, n);
    case 2: return copy_steps<uint16_t>(destination, source, step, n);
    case 4: return copy_steps<uint32_t>(destination, source, step, n);
    case 8: return copy_steps<uint64_t>(destination, source, step, n);
    default: return copy_steps<Wide>(destination, source, step, n);
  }
}
void place_run(std::byte* destination, int64_t step, const std::byte* source, int64_t n, size_t element) {
  if (step == 1) {
    std::memcpy(destination, source, static_cast<size_t>(n) * element);
    return;
  }
  switch (element) {
    case 1: return place_steps<uint8_t>(destination, step, source, n);
    case 2: return place_steps<uint16_t>(destination, step, source, n);
    case 4: return place_steps<uint32_t>(destination, step, source, n);
    case 8: return place_steps<uint64_t>(destination, step, source, n);
    default: return place_steps<Wide>(destination, step, source, n);
  }
}

void fill_elements(std::byte* to, const std::vector<std::byte>& pad, size_t n, size_t element) {
  for (size_t i = 0; i < n; ++i) std::memcpy(to + i * element, pad.data(), element);
}

bool is_zero(const std::vector<std::byte>& pad) {
  return std::all_of(pad.begin(), pad.end(), [](std::byte b) { return b == std::byte{0}; });
}

int64_t extent(int64_t size, int64_t at) { return std::clamp<int64_t>(size - at, 0, kTileSide); }

int64_t rows_of(const TileBlock& block, const MatrixView& view) { return std::min(block.rows, view.rows - block.row); }

// The offset of a run within its view, and which of its elements [low, high) are backed.
int64_t locate_run(const MatrixView& view, const Position& batch, const Position& major, const Position& minor, const PositionRun& run,
                   int64_t& low, int64_t& high) {
  int64_t offset = view.offset + batch.offset + major.offset + minor.offset;
  low = 0;
  high = run.count;
  for (size_t a = 0; a < view.axes.size(); ++a) {
    const MatrixView::Axis& axis = view.axes[a];
    const int64_t base = batch.at[a] + major.at[a];
    if (run.axis == static_cast<int>(a)) {
      const Position* along = &minor;
      while (low < high && base + along[low].at[a] < 0) ++low;
      while (low < high && base + along[high - 1].at[a] >= axis.extent) --high;
      continue;
    }
    const int64_t at = base + minor.at[a];
    if (static_cast<uint64_t>(at) >= static_cast<uint64_t>(std::max<int64_t>(axis.extent, 0))) high = low;
    if (axis.dilation != 1) {
      if (at % axis.dilation != 0) high = low;
      offset += at / axis.dilation * axis.stride;
    }
    if (high == low) return 0;
  }
  return offset;
}

// Whole blocks, beyond what was asked for: most runs of patches are shorter than a call of memcpy is worth.
constexpr int64_t kCopied = 64;
void copy_blocks(std::byte* destination, const std::byte* source, int64_t bytes) {
  for (int64_t at = 0; at < bytes; at += kCopied) std::memcpy(destination + at, source + at, kCopied);
}

// The runs of one tile's positions.
void find_tile_runs(const MatrixView& view, const Position* positions, int64_t count, TileRuns& tile) {
  find_runs(view, positions, count, tile.runs);
  tile.low = tile.high = positions[0].at;
  for (int64_t i = 1; i < count; ++i) {
    for (size_t a = 0; a < view.axes.size(); ++a) {
      tile.low[a] = std::min(tile.low[a], positions[i].at[a]);
      tile.high[a] = std::max(tile.high[a], positions[i].at[a]);
    }
  }
}

// A block of a strided matrix that becomes a tile.
struct StridedBlock {
  size_t element;
  DataType type, page_type;
  TileForm form;
  int64_t down, across;  // strides
  size_t rows, columns;
  int64_t next;  // see emulator::tilize

  // Rows that lie side by side are named; those outside the matrix are zeros, and what is cut off along k is made.
  void name_rows(const std::byte* source, std::byte* page) const {
    alignas(64) static constexpr std::array<std::byte, kTileSide * 16> kZeros{};
    auto& tile = *new (page) emulator::TileRows;
    const bool cut = columns < kTileSide;
    std::byte* const made = page + sizeof(emulator::TileRows);
    if (cut) std::memset(made, 0, rows * kTileSide * element);
    for (size_t r = 0; r < kTileSide; ++r) {
      const std::byte* const row = source + static_cast<int64_t>(r) * down * static_cast<int64_t>(element);
      tile.row[r] = r >= rows ? kZeros.data() : cut ? made + r * kTileSide * element : row;
      if (cut && r < rows) copy_run(made + r * kTileSide * element, row, across, static_cast<int64_t>(columns), element);
    }
  }

  void tilize(const std::byte* source, std::byte* page) const {
    const bool convert = type != page_type, interleave = form == TileForm::kPairs;
    if (interleave && !convert) {
      return emulator::tilize_pairs(reinterpret_cast<const uint16_t*>(source), down, across, rows, columns,
                                    reinterpret_cast<uint16_t*>(page), next);
    }
    if (!convert) return emulator::tilize(element, source, down, across, rows, columns, page, next, form != TileForm::kParts);
    alignas(64) std::byte staged[kMaxTileBytes], converted[kMaxTileBytes];
    emulator::tilize(element, source, down, across, rows, columns, staged, next);
    emulator::convert_elements(type, staged, page_type, interleave ? converted : page, kTileElements);
    if (interleave) emulator::interleave_bf16_pairs(reinterpret_cast<const uint16_t*>(converted), reinterpret_cast<uint16_t*>(page));
  }
};

// By dynamic indices, in elements; where calls are recorded, by another slot.
int64_t move(Dataflow& k, const Matrix& matrix, size_t element, Slot& slot) {
  AccessMap map;
  if (!matrix.indices.empty()) slot = resolve(k, slot, element, matrix.indices, map);
  return map.offset;
}

}  // namespace

Matrix input_matrix(const Operand& operand, int64_t batch, int64_t rows, int64_t columns) {
  check(operand.buffer != kNoBuffer, "[matmul] an operand without a buffer: store it first");
  return {static_cast<Slot>(operand.buffer), operand.type, matrix_view(operand.map, batch, rows, columns), operand.pad, operand.indices};
}

Matrix output_matrix(const Result& result, Slot slot, int64_t batch, int64_t rows, int64_t columns) {
  return {slot, result.type, matrix_view(result.map, batch, rows, columns), {}, result.indices};
}

std::vector<size_t> select(const std::vector<Matrix>& matrices, bool uniform) {
  std::vector<size_t> selected;
  for (size_t i = 0; i < matrices.size(); ++i) {
    if (matrices[i].view.is_uniform() == uniform) selected.push_back(i);
  }
  return selected;
}

int64_t page_bytes(TileForm form, DataType type) {
  const int64_t tile = static_cast<int64_t>(kTileElements) * size_of(type);
  return form == TileForm::kRows ? tile + static_cast<int64_t>(sizeof(emulator::TileRows)) : tile;
}

TileForm second_form(DataType operand) { return operand == DataType::kBF16 ? TileForm::kPairs : TileForm::kFaces; }

bool lies_in_rows(const Matrix& matrix, DataType operand) {
  const MatrixView& view = matrix.view;
  if (view.irregular || matrix.type != operand || view.columns < kTileSide || !is_zero(matrix.pad)) return false;
  constexpr int64_t kMaxExtent = int64_t{1} << 30;
  const auto plain = [](const MatrixView::Axis& axis) { return axis.dilation == 1 && axis.extent < kMaxExtent; };
  if (!std::all_of(view.axes.begin(), view.axes.end(), plain)) return false;
  const std::vector<MatrixView::Dim>& k = view.groups[MatrixView::kColumns];
  return !k.empty() && k.back().stride == 1 && k.back().axis < 0 && (k.size() == 1 || k.back().size % kTileSide == 0);
}

TileReader::TileReader(Dataflow& k, const Matrix& matrix, DataType page_type, TileForm form)
    : k_(k),
      matrix_(matrix),
      page_type_(page_type),
      form_(form),
      transposed_(matrix.view.runs_along_rows()),
      element_(static_cast<size_t>(size_of(matrix.type))),
      slot_(matrix.slot),
      moved_(move(k, matrix, element_, slot_)) {}

void TileReader::charge(const TileBlock& block) const {
  const MatrixView& view = matrix_.view;
  const int64_t rows = std::min<int64_t>(block.height * kTileSide, rows_of(block, view));
  const int64_t columns = std::min<int64_t>(block.width * kTileSide, view.columns - block.column);
  const int64_t run = std::max<int64_t>(view.run_length(), 1), element = static_cast<int64_t>(element_);
  const int64_t transactions = transposed_ ? columns * div_up(rows, run) : rows * div_up(columns, run);
  k_.spend(uint64_t{block.height} * block.width * (cycles::kCopyTile + cycles::kPackTile));
  k_.charge({.from = matrix_.slot, .read_bytes = rows * columns * element, .transactions = transactions});
}

// Positions of the block's rows and columns; those of the block before it are kept where they are the same.
void TileReader::prepare(const TileBlock& block) {
  const MatrixView& view = matrix_.view;
  const auto find = [&](std::vector<Position>& positions, MatrixView::Group group, int64_t start, int64_t count, Range& last) {
    if (last == Range{start, count}) return false;
    last = {start, count};
    find_positions(view, group, start, count, positions);
    return true;
  };
  const int64_t rows = std::min<int64_t>(block.height * kTileSide, rows_of(block, view));
  const int64_t columns = std::min<int64_t>(block.width * kTileSide, view.columns - block.column);
  const bool new_rows = find(rows_, MatrixView::kRows, block.row, rows, row_range_);
  const bool new_columns = find(columns_, MatrixView::kColumns, block.column, columns, column_range_);
  if (new_rows && form_ == TileForm::kRows) tabulate_rows();
  if (!(transposed_ ? new_rows : new_columns)) return;
  const std::vector<Position>& minor = transposed_ ? rows_ : columns_;
  const auto count = static_cast<int64_t>(minor.size());
  runs_.resize(static_cast<size_t>(div_up(count, kTileSide)));
  for (size_t t = 0; t < runs_.size(); ++t) {
    const auto first = static_cast<int64_t>(t) * kTileSide;
    find_tile_runs(view, minor.data() + first, std::min(kTileSide, count - first), runs_[t]);
  }
}

// Offsets and coordinates of the rows by axis, whole tiles of them: what find_rows compares 32 at a time. Rows outside the matrix are
// outside an axis that every view has.
void TileReader::tabulate_rows() {
  const size_t axes = matrix_.view.axes.size(), padded = round_up(static_cast<int64_t>(rows_.size()), kTileSide);
  row_offsets_.assign(padded, 0);
  row_coordinates_.assign((axes + 1) * padded, 0);
  for (size_t r = 0; r < padded; ++r) {
    const bool inside = r < rows_.size();
    row_coordinates_[axes * padded + r] = inside ? 0 : -1;
    if (!inside) continue;
    row_offsets_[r] = rows_[r].offset;
    for (size_t a = 0; a < axes; ++a) row_coordinates_[a * padded + r] = static_cast<int32_t>(rows_[r].at[a]);
  }
}

// Tiles that lie in DRAM as they are.
void TileReader::bind(const TileBlock& block, Cb cb, uint32_t first, uint32_t pitch) {
  const int64_t across = div_up(matrix_.view.columns, kTileSide), down = div_up(matrix_.view.rows, kTileSide);
  const int64_t tile = page_bytes(form_, page_type_);
  for (uint32_t i = 0; i < block.height; ++i) {
    const int64_t start = (block.batch * down + block.row / kTileSide + i) * across + block.column / kTileSide;
    for (uint32_t j = 0; j < block.width; ++j) k_.noc_async_read(matrix_.slot, (start + j) * tile, tile, cb, first + i * pitch + j);
  }
}

void TileReader::read(const TileBlock& block, Cb cb, uint32_t first, uint32_t pitch, std::byte* shared) {
  if (matrix_.in_tiles) return bind(block, cb, first, pitch);
  if (!k_.values()) return charge(block);
  const MatrixView& view = matrix_.view;
  batch_ = batch_position(view, block.batch);
  const bool strided = view.is_strided();
  if (!strided) k_.cannot_repeat();
  if (!strided && !view.irregular) prepare(block);
  const size_t page_bytes = k_.get_page_size(cb);
  alignas(64) std::byte staged[kMaxTileBytes];
  alignas(64) std::byte converted[kMaxTileBytes];
  for (uint32_t i = 0; i < block.height; ++i) {
    for (uint32_t j = 0; j < block.width; ++j) {
      const uint32_t index = first + i * pitch + j;
      std::byte* page = shared != nullptr ? shared + index * page_bytes : k_.new_page(cb, index);
      const int64_t row = i * kTileSide, column = j * kTileSide;
      const Window window{row, column, extent(rows_of(block, view), row), extent(view.columns - block.column, column)};
      if (strided) {
        const StridedBlock made{element_,
                                matrix_.type,
                                page_type_,
                                form_,
                                view.row_stride(),
                                view.column_stride(),
                                static_cast<size_t>(window.rows),
                                static_cast<size_t>(window.columns),
                                next_tile(window, block)};
        k_.perform([made, source = locate(window, block), page](const auto& at, auto&) {
          made.form == TileForm::kRows ? made.name_rows(at(source), at(page)) : made.tilize(at(source), at(page));
        });
        continue;
      }
      if (form_ == TileForm::kRows) {
        find_rows(window, page);
        continue;
      }
      const bool convert = matrix_.type != page_type_, interleave = form_ == TileForm::kPairs;
      std::byte* tile = convert || interleave ? staged : page;
      fill(window, block, tile);
      if (convert) {
        std::byte* to = interleave ? converted : page;
        emulator::convert_elements(matrix_.type, tile, page_type_, to, kTileElements);
        tile = to;
      }
      if (interleave) emulator::interleave_bf16_pairs(reinterpret_cast<const uint16_t*>(tile), reinterpret_cast<uint16_t*>(page));
    }
  }
}

void TileReader::fill(const Window& window, const TileBlock& block, std::byte* tile) {
  const MatrixView& view = matrix_.view;
  if (view.irregular)
    return fill_irregular({block.row + window.row, block.column + window.column, window.rows, window.columns}, block.batch, tile);
  fill_runs(window, tile, /*in_faces=*/true);
}

// In elements, to the tile that is read next: to the right, or the first one of the next row.
int64_t TileReader::next_tile(const Window& window, const TileBlock& block) const {
  const MatrixView& view = matrix_.view;
  const int64_t last = (block.width - 1) * kTileSide;
  return window.column < last ? kTileSide * view.column_stride() : kTileSide * view.row_stride() - last * view.column_stride();
}

const std::byte* TileReader::locate(const Window& window, const TileBlock& block) const {
  const MatrixView& view = matrix_.view;
  const int64_t at = view.offset + moved_ + batch_.offset + (block.row + window.row) * view.row_stride() +
                     (block.column + window.column) * view.column_stride();
  return k_.dram(slot_) + at * static_cast<int64_t>(element_);
}

// The addresses of a tile's rows. Rows outside the matrix and padding are zeros; what is cut off along k is made.
void TileReader::find_rows(const Window& window, std::byte* page) const {
  alignas(64) static constexpr std::array<std::byte, kTileSide * 16> kZeros{};
  const MatrixView& view = matrix_.view;
  auto& tile = *new (page) emulator::TileRows;
  if (window.columns < kTileSide) {
    std::byte* made = page + sizeof(emulator::TileRows);
    fill_runs(window, made, /*in_faces=*/false);
    for (size_t r = 0; r < kTileSide; ++r) tile.row[r] = made + r * kTileSide * element_;
    return;
  }
  const Position& column = columns_[static_cast<size_t>(window.column)];
  const auto first = static_cast<size_t>(window.row);
  const size_t axes = view.axes.size(), padded = row_offsets_.size();
  std::array<uint32_t, kTileSide> outside{};
  for (size_t a = 0; a <= axes; ++a) {
    const int32_t* at = row_coordinates_.data() + a * padded + first;
    const auto base = static_cast<uint32_t>(a == axes ? 0 : batch_.at[a] + column.at[a]);
    const auto extent = static_cast<uint32_t>(a == axes ? 1 : std::max<int64_t>(view.axes[a].extent, 0));
    for (size_t r = 0; r < kTileSide; ++r) outside[r] |= static_cast<uint32_t>(static_cast<uint32_t>(at[r]) + base >= extent);
  }
  const std::byte* source = k_.dram(matrix_.slot) + (view.offset + moved_ + batch_.offset + column.offset) * static_cast<int64_t>(element_);
  const int64_t* offsets = row_offsets_.data() + first;
  for (size_t r = 0; r < kTileSide; ++r) {
    tile.row[r] = outside[r] != 0 ? kZeros.data() : source + offsets[r] * static_cast<int64_t>(element_);
  }
}

// In faces, or linear.
void TileReader::fill_runs(const Window& window, std::byte* tile, bool in_faces) const {
  const MatrixView& view = matrix_.view;
  const auto element = static_cast<int64_t>(element_);
  const std::byte* source = k_.dram(matrix_.slot);
  const int64_t last_block = k_.dram_size(matrix_.slot) - kCopied;
  alignas(64) std::byte staged[kMaxTileBytes + kCopied];
  const std::vector<Position>& majors = transposed_ ? columns_ : rows_;
  const std::vector<Position>& minors = transposed_ ? rows_ : columns_;
  const int64_t major0 = transposed_ ? window.column : window.row, minor0 = transposed_ ? window.row : window.column;
  const int64_t count = transposed_ ? window.columns : window.rows;
  const TileRuns& tile_runs = runs_[static_cast<size_t>(minor0 / kTileSide)];
  const bool zero = is_zero(matrix_.pad);
  // Lines that are backed as a whole: where their coordinates lie, and which bytes go where.
  struct Range {
    int64_t first, last;
  };
  struct Copy {
    int64_t from, to, bytes, step;
  };
  std::array<Range, kMaxAxes> ranges;
  for (size_t a = 0; a < view.axes.size(); ++a) {
    const MatrixView::Axis& axis = view.axes[a];
    ranges[a] = {-batch_.at[a] - tile_runs.low[a],
                 axis.dilation == 1 ? axis.extent - batch_.at[a] - tile_runs.high[a] - 1 : std::numeric_limits<int64_t>::min()};
  }
  std::array<Copy, kTileSide> copies;
  size_t num_copies = 0;
  for (const PositionRun& run : tile_runs.runs) {
    copies[num_copies++] = {minors[static_cast<size_t>(minor0 + run.first)].offset * element, run.first * element, run.count * element,
                            run.step};
  }
  const int64_t start = view.offset + moved_ + batch_.offset;
  for (int64_t i = 0; i < count; ++i) {
    const Position& major = majors[static_cast<size_t>(major0 + i)];
    std::byte* line = staged + i * kTileSide * element;
    bool inside = true;
    for (size_t a = 0; a < view.axes.size(); ++a) inside &= major.at[a] >= ranges[a].first && major.at[a] <= ranges[a].last;
    if (inside) {
      const int64_t beside = (start + major.offset) * element;
      for (size_t c = 0; c < num_copies; ++c) {
        const Copy& copy = copies[c];
        const int64_t from = beside + copy.from;
        std::byte* to = line + copy.to;  // what lies behind is written later
        if (copy.step == 1 && from + copy.bytes <= last_block) {
          copy_blocks(to, source + from, copy.bytes);
        } else {
          copy_run(to, source + from, copy.step, copy.bytes / element, element_);
        }
      }
      continue;
    }
    if (zero) {
      std::memset(line, 0, kTileSide * element_);
    } else {
      fill_elements(line, matrix_.pad, kTileSide, element_);
    }
    for (const PositionRun& run : tile_runs.runs) {
      int64_t low, high;
      const int64_t at = locate_run(view, batch_, major, minors[static_cast<size_t>(minor0 + run.first)], run, low, high);
      if (low >= high) continue;
      copy_run(line + (run.first + low) * element, source + (at + moved_ + low * run.step) * element, run.step, high - low, element_);
    }
  }
  const auto rows = static_cast<size_t>(window.rows), columns = static_cast<size_t>(window.columns);
  const int64_t down = transposed_ ? 1 : kTileSide, across = transposed_ ? kTileSide : 1;
  if (in_faces) {
    emulator::tilize(element_, staged, down, across, rows, columns, tile);
  } else {
    std::memset(tile, 0, kTileElements * element_);
    for (int64_t r = 0; r < window.rows; ++r) {
      copy_run(tile + r * kTileSide * element, staged + r * down * element, across, window.columns, element_);
    }
  }
}

void TileReader::fill_irregular(const Window& window, int64_t batch, std::byte* tile) const {
  const MatrixView& view = matrix_.view;
  emulator::AccessMap map = *view.irregular;
  map.offset += moved_;
  alignas(64) std::byte linear[kMaxTileBytes];
  for (int64_t r = 0; r < window.rows; ++r) {
    const int64_t start = (batch * view.rows + window.row + r) * view.columns + window.column;
    emulator::gather_mapped(map, element_, k_.dram(matrix_.slot), start, window.columns,
                            linear + static_cast<size_t>(r * kTileSide) * element_, matrix_.pad.empty() ? nullptr : matrix_.pad.data());
  }
  emulator::tilize(element_, linear, kTileSide, 1, static_cast<size_t>(window.rows), static_cast<size_t>(window.columns), tile);
}

TileWriter::TileWriter(Dataflow& k, const Matrix& matrix)
    : k_(k),
      matrix_(matrix),
      transposed_(matrix.view.runs_along_rows()),
      element_(static_cast<size_t>(size_of(matrix.type))),
      slot_(matrix.slot),
      moved_(move(k, matrix, element_, slot_)) {}

void TileWriter::write(const TileBlock& block, Cb cb) {
  const MatrixView& view = matrix_.view;
  if (matrix_.in_tiles) {
    const int64_t across = div_up(view.columns, kTileSide), down = div_up(view.rows, kTileSide),
                  tile = page_bytes(TileForm::kFaces, matrix_.type);
    const int64_t start = (block.batch * down + block.row / kTileSide) * across + block.column / kTileSide;
    for (uint32_t j = 0; j < block.width; ++j) k_.noc_async_write(cb, j, matrix_.slot, (start + j) * tile, tile);
    return;
  }
  const int64_t rows = extent(rows_of(block, view), 0), columns = std::min<int64_t>(block.width * kTileSide, view.columns - block.column);
  if (!k_.values()) {
    const int64_t run = std::max<int64_t>(view.run_length(), 1), element = static_cast<int64_t>(element_);
    const int64_t transactions = transposed_ ? columns * div_up(rows, run) : rows * div_up(columns, run);
    return k_.charge({.to = matrix_.slot, .write_bytes = rows * columns * element, .transactions = transactions});
  }
  batch_ = batch_position(view, block.batch);
  const bool strided = view.is_strided_within(kTileSide);
  if (!strided) k_.cannot_repeat();
  if (!strided && !view.irregular) {
    find_positions(view, MatrixView::kRows, block.row, rows, rows_);
    find_positions(view, MatrixView::kColumns, block.column, columns, columns_);
  }
  for (uint32_t j = 0; j < block.width; ++j) {
    const int64_t column = j * kTileSide, width = extent(columns, column);
    if (view.irregular) {
      store_irregular(block, block.column + column, rows, width, k_.page(cb, j));
    } else if (strided) {
      const int64_t at = view.offset + moved_ + batch_.offset + view.offset_of(MatrixView::kRows, block.row) +
                         view.offset_of(MatrixView::kColumns, block.column + column);
      const int64_t right = kTileSide * view.column_stride(), down = kTileSide * view.row_stride();
      const int64_t next = j + 1 < block.width ? right : down - j * right;
      k_.perform([=, element = element_, page = k_.page(cb, j), to = k_.dram(slot_) + at * static_cast<int64_t>(element_),
                  below = view.row_stride(), beside = view.column_stride()](const auto& here, auto&) {
        emulator::untilize(element, here(page), here(to), below, beside, static_cast<size_t>(rows), static_cast<size_t>(width), next);
      });
    } else {
      store(j, k_.page(cb, j));
    }
  }
}

void TileWriter::store(uint32_t tile, const std::byte* page) {
  alignas(64) std::byte linear[kMaxTileBytes];
  const auto first = static_cast<size_t>(tile * kTileSide);
  const int64_t rows = static_cast<int64_t>(rows_.size()), columns = extent(static_cast<int64_t>(columns_.size()), tile * kTileSide);
  emulator::untilize(element_, page, linear, transposed_ ? 1 : kTileSide, transposed_ ? kTileSide : 1, static_cast<size_t>(rows),
                     static_cast<size_t>(columns));
  const Position* majors = transposed_ ? columns_.data() + first : rows_.data();
  const Position* minors = transposed_ ? rows_.data() : columns_.data() + first;
  find_runs(matrix_.view, minors, transposed_ ? rows : columns, runs_);
  std::byte* destination = k_.dram(matrix_.slot) + moved_ * static_cast<int64_t>(element_);
  for (int64_t i = 0; i < (transposed_ ? columns : rows); ++i) {
    for (const PositionRun& run : runs_) {
      int64_t low, high;
      const int64_t at = locate_run(matrix_.view, batch_, majors[i], minors[run.first], run, low, high) + low * run.step;
      if (low >= high) continue;
      place_run(destination + at * static_cast<int64_t>(element_), run.step,
                linear + static_cast<size_t>(i * kTileSide + run.first + low) * element_, high - low, element_);
    }
  }
}

void TileWriter::store_irregular(const TileBlock& block, int64_t column, int64_t rows, int64_t columns, const std::byte* page) const {
  const MatrixView& view = matrix_.view;
  emulator::AccessMap map = *view.irregular;
  map.offset += moved_;
  alignas(64) std::byte linear[kMaxTileBytes];
  emulator::untilize(element_, page, linear, kTileSide, 1, static_cast<size_t>(rows), static_cast<size_t>(columns));
  for (int64_t r = 0; r < rows; ++r) {
    const int64_t start = (block.batch * view.rows + block.row + r) * view.columns + column;
    emulator::scatter_mapped(map, element_, linear + static_cast<size_t>(r * kTileSide) * element_, start, columns, k_.dram(matrix_.slot));
  }
}

}  // namespace tt::dnn
