// Tiles in face order from row-major DRAM under any view, and back.
#pragma once

#include "dnn/matmul_view.hpp"
#include "dnn/operand.hpp"

namespace tt::dnn {

inline constexpr int64_t kTileSide = 32;
inline constexpr int64_t kDstBlock = 8;           // tiles of one half of DST
inline constexpr int64_t kPanelBytes = 32 << 10;  // of a column of B's tiles per call: what stays in the host's first cache

// A matrix (per batch entry) that a program reads or writes.
struct Matrix {
  Slot slot = 0;
  DataType type = DataType::kF32;
  MatrixView view;
  std::vector<std::byte> pad;
  std::vector<DynamicIndex> indices;
  bool in_tiles = false;  // the buffer holds tiles as readers make them, row-major over [batch, rows / 32, columns / 32]
};
Matrix input_matrix(const Operand& operand, int64_t batch, int64_t rows, int64_t columns);
Matrix output_matrix(const Result& result, Slot slot, int64_t batch, int64_t rows, int64_t columns);

std::vector<size_t> select(const std::vector<Matrix>& matrices, bool uniform);  // those of one element, or all others

// A rectangle of tiles of one batch entry; its last row and column of tiles may be cut by the matrix.
struct TileBlock {
  int64_t batch;
  int64_t row, column;                                 // first element
  uint32_t height, width;                              // tiles
  int64_t rows = std::numeric_limits<int64_t>::max();  // that count, where the block ends before its tiles do
};

// What a page holds of a tile.
enum class TileForm : uint8_t {
  kFaces,
  kParts,  // kFaces, of which those wholly outside the matrix are unspecified: for steps that leave them out
  kPairs,  // bf16, interleaved for the dot product
  kRows,   // emulator::TileRows, then room for rows that do not lie anywhere in one piece
};
int64_t page_bytes(TileForm form, DataType type);
TileForm second_form(DataType operand);  // of the second operand of a product

// Whether most tiles of the matrix can be given by their rows: 32 neighbours along k lie side by side.
bool lies_in_rows(const Matrix& matrix, DataType operand);

// The runs of a tile's positions along its minor side, and between which coordinates all of them lie.
struct TileRuns {
  std::vector<PositionRun> runs;
  std::array<int64_t, kMaxAxes> low{}, high{};
};

// Reads blocks of a matrix. Pages hold tiles of `page_type`.
class TileReader {
 public:
  TileReader(Dataflow& k, const Matrix& matrix, DataType page_type, TileForm form);

  // Tile (i, j) of the block goes to page `first + i * pitch + j` from the back of `cb`, or to that page of `shared`.
  void read(const TileBlock& block, Cb cb, uint32_t first, uint32_t pitch, std::byte* shared = nullptr);

 private:
  struct Window {  // of one tile
    int64_t row, column, rows, columns;
  };
  void charge(const TileBlock& block) const;
  void bind(const TileBlock& block, Cb cb, uint32_t first, uint32_t pitch);
  void prepare(const TileBlock& block);
  const std::byte* locate(const Window& window, const TileBlock& block) const;  // of a strided view
  int64_t next_tile(const Window& window, const TileBlock& block) const;        // of a strided view, in elements from this one
  void fill(const Window& window, const TileBlock& block, std::byte* tile);
  void tabulate_rows();
  void find_rows(const Window& window, std::byte* page) const;
  void fill_runs(const Window& window, std::byte* to, bool in_faces) const;
  void fill_irregular(const Window& window, int64_t batch, std::byte* tile) const;

  Dataflow& k_;
  const Matrix& matrix_;
  DataType page_type_;
  TileForm form_;
  bool transposed_;
  size_t element_;
  Slot slot_;
  int64_t moved_;  // by dynamic indices
  Position batch_{};
  using Range = std::pair<int64_t, int64_t>;  // start and count
  std::vector<Position> rows_, columns_;
  Range row_range_{-1, 0}, column_range_{-1, 0};
  std::vector<TileRuns> runs_;  // per tile along the minor side
  std::vector<int64_t> row_offsets_;
  std::vector<int32_t> row_coordinates_;
};

// Writes rows of tiles.
class TileWriter {
 public:
  TileWriter(Dataflow& k, const Matrix& matrix);

  // A row of tiles: tile j is page `j` from the front of `cb`.
  void write(const TileBlock& block, Cb cb);

 private:
  void store(uint32_t tile, const std::byte* page);
  void store_irregular(const TileBlock& block, int64_t column, int64_t rows, int64_t columns, const std::byte* page) const;

  Dataflow& k_;
  const Matrix& matrix_;
  bool transposed_;
  size_t element_;
  Slot slot_;
  int64_t moved_;
  Position batch_{};
  std::vector<Position> rows_, columns_;
  std::vector<PositionRun> runs_;
};

}  // namespace tt::dnn
