// Reductions by any region, of any number of values at once, and what follows of them over the same iteration space.
#pragma once

#include <optional>

#include "dnn/operand.hpp"

namespace tt::dnn {

// A result of an earlier round. Cores that read it have it in L1: it need not be in memory. Of a round that reduces all have what they
// read, of an elementwise one each its own part.
struct RoundResult {
  size_t round, result;
  bool operator==(const RoundResult&) const = default;
};

// k values over [outer, reduced, inner] become k values over [outer, inner], where extras and results lie. A round that combines nothing is
// elementwise: its prologue makes the results, over [outer, reduced, inner].
struct ReduceRound {
  std::vector<Operand> operands;  // prologue.inputs[i] is operands[i]
  TileProgram prologue;           // operands -> the k values to reduce
  TileProgram combine;            // k accumulators, then k values -> k accumulators
  std::vector<Operand> extras;    // further operands of the epilogue
  TileProgram epilogue;           // the k reduced values, then the extras -> results; without outputs: passes the values on
  std::vector<Result> results;    // without a buffer: for later rounds only
  std::vector<std::optional<RoundResult>> operands_from = {}, extras_from = {};  // what these are instead of memory; empty: none

  bool reduces() const { return !combine.outputs.empty(); }
  bool operator==(const ReduceRound&) const = default;
};

// The iteration space of the operands is [outer, reduced, inner], row-major.
struct ReduceSpec {
  std::string name;
  int64_t outer, reduced, inner;
  std::vector<int64_t> input_bytes;   // input buffers: slots 0 ..
  std::vector<int64_t> output_bytes;  // output buffers: the slots after them
  std::vector<ReduceRound> rounds = std::vector<ReduceRound>(1);
  int64_t parts = 1;   // divides `reduced`: cores reduce one part each and send what they have to the cores that join the parts
  int64_t l1_use = 0;  // bytes of each core's L1 that others need: operands of several rounds stay in L1 where the rest has room for them
  bool operator==(const ReduceSpec&) const = default;
};

// `reduced` must not be 0, and the first round reduces. Each value is x0 . x1 . ... in an order that depends on the sizes alone; parts
// joined by a program of their own give the same.
Program reduce(const ReduceSpec& spec, const ChipSpec& chip);
bool fits(const ReduceSpec& spec, const ChipSpec& chip);  // few enough circular buffers, small enough for L1

bool stays_in_l1(const ReduceSpec& spec, const ChipSpec& chip);  // something that several rounds read, of one that fits

inline constexpr size_t kMaxReducedValues = 8;

// How many parts to cut `reduced` into so that a second reduction of the parts' results makes use of the grid; 1: not worth it.
int64_t reduce_parts(int64_t outer, int64_t reduced, int64_t inner);

// Whether later rounds can read what earlier ones have reduced: a page of the iteration space meets one page of results.
bool has_rounds(int64_t outer, int64_t reduced, int64_t inner, int64_t parts);

}  // namespace tt::dnn
