// Reductions by any region, of any number of values at once.
#pragma once

#include "dnn/operand.hpp"

namespace tt::dnn {

// The iteration space of the operands is [outer, reduced, inner], row-major; extras and results lie over [outer, inner].
struct ReduceSpec {
  std::string name;
  int64_t outer, reduced, inner;
  std::vector<int64_t> input_bytes;   // input buffers: slots 0 ..
  std::vector<int64_t> output_bytes;  // output buffers: the slots after them
  std::vector<Operand> operands;      // prologue.inputs[i] is operands[i]
  TileProgram prologue;               // operands -> the k values to reduce
  TileProgram combine;                // k accumulators, then k values -> k accumulators
  std::vector<Operand> extras = {};   // further operands of the epilogue
  TileProgram epilogue = {};          // the k reduced values, then the extras -> results; without outputs: passes the values on
  std::vector<Result> results;
  int64_t parts = 1;  // divides `reduced`: cores reduce one part each and send what they have to the cores that join the parts
};

// `reduced` must not be 0. Each value is x0 . x1 . ... in an order that depends on the sizes alone; parts joined by a program of their own
// give the same.
Program reduce(const ReduceSpec& spec, const ChipSpec& chip);
bool fits(const ReduceSpec& spec, const ChipSpec& chip);  // few enough circular buffers, small enough for L1

inline constexpr size_t kMaxReducedValues = 8;

// How many parts to cut `reduced` into so that a second reduction of the parts' results makes use of the grid; 1: not worth it.
int64_t reduce_parts(int64_t outer, int64_t reduced, int64_t inner);

}  // namespace tt::dnn
