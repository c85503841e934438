// Fills tiles in face order from row-major DRAM: strided matrices, and patches of a convolution's input.
#pragma once

#include "dnn/matmul.hpp"

namespace tt::dnn {

class TileLoader {
 public:
  TileLoader(Dataflow& k, DataType operand) : k_(k), operand_(operand) {}

  // rows x columns elements at (row, column) of matrix `batch` -> page `index` from the back of `cb`, the rest of the tile zero.
  void load(const MatrixOperand& matrix, int64_t batch, int64_t row, int64_t column, int64_t rows, int64_t columns, bool interleave, Cb cb,
            uint32_t index);
  void load_patches(const MatrixOperand& input, const Patches& patches, int64_t group, int64_t row, int64_t column, int64_t rows,
                    int64_t columns, Cb cb, uint32_t index);

 private:
  void finish(const std::byte* tile, DataType type, bool interleave, std::byte* page);  // converts and stores

  Dataflow& k_;
  DataType operand_;
};

}  // namespace tt::dnn
