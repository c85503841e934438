// Gather: windows of an operand that start where an integer array says, laid side by side. Embedding lookups, take, dynamic slices.
#pragma once

#include <string>

#include "dnn/gather_index.hpp"
#include "dnn/operand.hpp"

namespace tt::dnn {

// StableHLO's gather, field by field. Start indices are clamped so that every window lies inside the operand.
struct GatherSpec {
  std::string name = "gather";
  DataType type;  // of operand and result
  Dims operand_dims;
  DataType index_type;
  Dims indices_dims;
  Dims offset_dims = {};  // result dimensions that run over a window
  Dims collapsed_slice_dims = {};
  Dims operand_batching_dims = {};
  Dims start_indices_batching_dims = {};
  Dims start_index_map = {};  // operand dimension of each index component
  int64_t index_vector_dim = 0;
  Dims slice_sizes = {};  // of a window, per operand dimension
};

Dims gather_result_dims(const GatherSpec& spec);

// Slots: operand, start indices, result. All row-major.
Program gather(const GatherSpec& spec, const ChipSpec& chip);

}  // namespace tt::dnn
