// Scatter: updates windows of k arrays where an integer array says, combining old and new elements by a region.
#pragma once

#include <string>
#include <vector>

#include "dnn/gather_index.hpp"
#include "dnn/operand.hpp"

namespace tt::dnn {

// StableHLO's scatter, field by field. A window that does not lie inside the operand as a whole is skipped, as XLA does. Updates of one
// element are applied in the order of the index vectors.
struct ScatterSpec {
  std::string name = "scatter";
  std::vector<DataType> types;  // of the k operands, their updates and results
  Dims operand_dims;
  DataType index_type;
  Dims indices_dims;
  Dims update_dims;
  Dims update_window_dims = {};
  Dims inserted_window_dims = {};
  Dims input_batching_dims = {};
  Dims scatter_indices_batching_dims = {};
  Dims scatter_dims_to_operand_dims = {};  // operand dimension of each index component
  int64_t index_vector_dim = 0;
  TileProgram region;  // k current elements, k updates -> k new elements
};

// Slots: k operands, start indices, k updates, k results. All row-major. A result may be bound to its operand's buffer: updated in place.
Program scatter(const ScatterSpec& spec, const ChipSpec& chip);

}  // namespace tt::dnn
