// Elementwise chains: any number of operands under any views, one compute kernel, any number of results. Copies, transposes, slices,
// pads, concatenations and updates of slices are chains without steps.
#pragma once

#include "dnn/operand.hpp"

namespace tt::dnn {

// One iteration space under the chain.
struct EltwisePart {
  int64_t elements;
  std::vector<Operand> operands;  // chain.inputs[i] is operands[i]
  std::vector<Result> results;    // chain.outputs[i] goes to results[i]
  bool operator==(const EltwisePart&) const = default;
};

// Several parts under one chain, such as the updates of all parameters, share one program and its cores.
struct EltwiseSpec {
  std::string name;
  std::vector<int64_t> input_bytes;   // input buffers: slots 0 ..
  std::vector<int64_t> output_bytes;  // output buffers: the slots after them
  TileProgram chain;
  std::vector<EltwisePart> parts;  // operand i has one type in all parts
  bool operator==(const EltwiseSpec&) const = default;
};

// At most this many operands plus results: one circular buffer each.
inline constexpr size_t kMaxEltwiseBuffers = 30;

Program eltwise(const EltwiseSpec& spec, const ChipSpec& chip);

}  // namespace tt::dnn
