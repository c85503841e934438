// Elementwise chains: any number of operands under any views, one compute kernel, any number of results. Copies, transposes, slices,
// pads, concatenations and updates of slices are chains without steps.
#pragma once

#include "dnn/operand.hpp"

namespace tt::dnn {

struct EltwiseSpec {
  std::string name;
  int64_t elements;                   // of the iteration space
  std::vector<int64_t> input_bytes;   // input buffers: slots 0 ..
  std::vector<int64_t> output_bytes;  // output buffers: the slots after them
  std::vector<Operand> operands;      // chain.inputs[i] is operands[i]
  TileProgram chain;
  std::vector<Result> results;  // chain.outputs[i] goes to results[i]
};

// At most this many operands plus results: one circular buffer each.
inline constexpr size_t kMaxEltwiseBuffers = 30;

Program eltwise(const EltwiseSpec& spec, const ChipSpec& chip);

}  // namespace tt::dnn
