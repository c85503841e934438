// The second operand of a product brought to tiles once, for products that read it again and again.
#pragma once

#include "dnn/operand.hpp"

namespace tt::dnn {

// Tiles of [batch, k, n] in the operand type of `compute_type`, row-major over [batch, k / 32, across], as the matrix engine takes them.
struct TilizeSpec {
  int64_t batch, k, n;
  int64_t first = 0, across = 0;     // tile columns: where these begin, and of the whole (0: just these)
  int64_t step = 1;                  // from one of these to the next
  std::vector<int64_t> input_bytes;  // input buffers: slots 0 ..; the tiles are the slot after them
  DataType compute_type;
  Operand operand;  // over [batch, k, n]
};
bool tiles_alike(DataType operand);  // whether first operands, second ones and results have the same tiles
int64_t tiles_bytes(const TilizeSpec& spec);
Program tilize_operand(const TilizeSpec& spec, const ChipSpec& chip);
std::vector<std::byte> tilize_constant(const TilizeSpec& spec, const std::byte* elements);  // the same, of what is known before it runs

}  // namespace tt::dnn
