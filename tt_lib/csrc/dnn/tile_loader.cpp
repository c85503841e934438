// Tilizing readers.
#include "dnn/tile_loader.hpp"

#include <algorithm>
#include <cstring>

#include "emulator/fpu.hpp"

namespace tt::dnn {
namespace {

constexpr size_t kMaxTileBytes = kTileElements * 16;
constexpr int64_t kSide = 32, kFace = 16;

// Columns of a patch tile that lie side by side in the input: one window position, consecutive channels.
struct Run {
  int64_t first, count;
  int64_t offset;                // of the first channel
  std::array<int64_t, 4> reach;  // window position times its dilation, per spatial dimension
};

std::vector<Run> runs_of(const Patches& p, int64_t column, int64_t columns) {
  std::vector<Run> runs;
  for (int64_t c = 0; c < columns;) {
    int64_t position = (column + c) / p.channels;
    const int64_t channel = (column + c) % p.channels;
    const int64_t count = p.channel_stride == 1 ? std::min(columns - c, p.channels - channel) : 1;
    Run run{c, count, channel * p.channel_stride, {}};
    for (size_t d = p.spatial.size(); d-- > 0;) {
      run.reach[d] = position % p.spatial[d].window * p.spatial[d].window_dilation;
      position /= p.spatial[d].window;
    }
    runs.push_back(run);
    c += count;
  }
  return runs;
}

// Copies `count` elements to columns [first, first + count) of a row of a tile.
void place(std::byte* tile, int64_t row, int64_t first, int64_t count, size_t element, const std::byte* from) {
  while (count > 0) {
    const int64_t n = std::min(count, kFace - first % kFace);
    const int64_t at = ((row / kFace) * 2 + first / kFace) * kFace * kFace + row % kFace * kFace + first % kFace;
    std::memcpy(tile + static_cast<size_t>(at) * element, from, static_cast<size_t>(n) * element);
    from += static_cast<size_t>(n) * element;
    first += n;
    count -= n;
  }
}

}  // namespace

void TileLoader::finish(const std::byte* tile, DataType type, bool interleave, std::byte* page) {
  alignas(64) std::byte converted[kMaxTileBytes];
  if (type != operand_) {
    emulator::convert_elements(type, tile, operand_, interleave ? converted : page, kTileElements);
    tile = interleave ? converted : page;
  }
  if (interleave) {
    emulator::interleave_bf16_pairs(reinterpret_cast<const uint16_t*>(tile), reinterpret_cast<uint16_t*>(page));
  } else if (tile != page) {
    std::memcpy(page, tile, kTileElements * static_cast<size_t>(size_of(operand_)));
  }
}

void TileLoader::load(const MatrixOperand& matrix, int64_t batch, int64_t row, int64_t column, int64_t rows, int64_t columns,
                      bool interleave, Cb cb, uint32_t index) {
  const auto element = static_cast<size_t>(size_of(matrix.type));
  if (!k_.values()) {
    return k_.charge(
        {rows * columns * static_cast<int64_t>(element), 0, matrix.strides[2] == 1 ? std::max<int64_t>(rows, 1) : rows * columns + 1, 0});
  }
  std::byte* page = k_.new_page(cb, index);
  if (rows == 0 || columns == 0) {
    std::memset(page, 0, kTileElements * static_cast<size_t>(size_of(operand_)));
    return;
  }
  const int64_t at = matrix.offset + batch * matrix.strides[0] + row * matrix.strides[1] + column * matrix.strides[2];
  const std::byte* source = k_.dram(static_cast<Slot>(matrix.buffer)) + at * static_cast<int64_t>(element);
  const bool direct = matrix.type == operand_ && !interleave;
  alignas(64) std::byte staged[kMaxTileBytes];
  std::byte* tile = direct ? page : staged;
  emulator::tilize(element, source, matrix.strides[1], matrix.strides[2], static_cast<size_t>(rows), static_cast<size_t>(columns), tile);
  if (!direct) finish(tile, matrix.type, interleave, page);
}

void TileLoader::load_patches(const MatrixOperand& input, const Patches& p, int64_t group, int64_t row, int64_t column, int64_t rows,
                              int64_t columns, Cb cb, uint32_t index) {
  const auto element = static_cast<size_t>(size_of(input.type));
  const std::vector<Run> runs = runs_of(p, column, columns);
  if (!k_.values()) {
    return k_.charge({rows * columns * static_cast<int64_t>(element), 0, rows * static_cast<int64_t>(runs.size()) + 1, 0});
  }
  std::byte* page = k_.new_page(cb, index);
  alignas(64) std::byte staged[kMaxTileBytes];
  std::byte* tile = input.type == operand_ ? page : staged;
  std::memset(tile, 0, kTileElements * element);
  const std::byte* base =
      k_.dram(static_cast<Slot>(input.buffer)) + (input.offset + group * p.group_stride) * static_cast<int64_t>(element);
  for (int64_t r = 0; r < rows; ++r) {
    std::array<int64_t, 4> origin{};
    int64_t position = row + r;
    for (size_t d = p.spatial.size(); d-- > 0;) {
      origin[d] = position % p.spatial[d].output * p.spatial[d].stride - p.spatial[d].pad_low;
      position /= p.spatial[d].output;
    }
    for (const Run& run : runs) {
      int64_t offset = position * p.image_stride + run.offset;
      bool inside = true;
      for (size_t d = 0; d < p.spatial.size(); ++d) {
        const Patches::Spatial& s = p.spatial[d];
        const int64_t dilated = origin[d] + run.reach[d];
        const int64_t at = s.input_dilation == 1 ? dilated : dilated / s.input_dilation;
        inside &= dilated >= 0 && at < s.input && (s.input_dilation == 1 || dilated % s.input_dilation == 0);
        offset += at * s.input_stride;
      }
      if (inside) place(tile, r, run.first, run.count, element, base + offset * static_cast<int64_t>(element));
    }
  }
  if (tile != page) finish(tile, input.type, false, page);
}

}  // namespace tt::dnn
