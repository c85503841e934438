// Fused programs over rows: elementwise chains over [rows, n], folds of each row to one element, chains over those elements, step by step.
// What one step hands to the next stays in L1. Softmax, layer norm and their gradients are such programs.
#pragma once

#include "dnn/operand.hpp"

namespace tt::dnn {

struct RowValue {
  enum class Kind : uint8_t { kOperand, kResult, kPages, kElements };
  Kind kind;
  size_t index;  // into operands, results, pages or elements of the spec
  bool operator==(const RowValue&) const = default;
};

struct RowStep {
  enum class Kind : uint8_t {
    kPages,     // chain over all elements; an input with one element per row is repeated along the row
    kElements,  // chain over one element per row
    kFold,      // inputs[0], over [rows, n] in f32, to outputs[0], one element per row
  };
  Kind kind;
  TileProgram chain = {};
  emulator::TileOpcode fold = emulator::TileOpcode::kAdd;  // kAdd, kMul, kMax or kMin
  std::vector<RowValue> inputs, outputs;
  bool operator==(const RowStep&) const = default;
};

struct RowSpec {
  std::string name;
  int64_t rows, n;
  std::vector<int64_t> input_bytes;   // input buffers: slots 0 ..
  std::vector<int64_t> output_bytes;  // output buffers: the slots after them
  std::vector<Operand> operands;      // over [rows, n], or over [rows]: then with one element per row
  std::vector<Result> results;        // likewise
  std::vector<DataType> pages;        // values over [rows, n] that stay in L1
  std::vector<DataType> elements;     // values over [rows] that stay in L1; of 4 or 8 bytes
  std::vector<RowStep> steps;
  bool operator==(const RowSpec&) const = default;
};

bool fits(const RowSpec& spec, const ChipSpec& chip);  // in L1 and the circular buffers
Program fused_rows(const RowSpec& spec, const ChipSpec& chip);

}  // namespace tt::dnn
