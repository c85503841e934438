// A matrix product or convolution whose program takes elementwise operations on its result into an epilogue.
#pragma once

#include <deque>
#include <optional>
#include <span>
#include <vector>

#include "dnn/operand.hpp"
#include "lowering/graph.hpp"

namespace tt::lowering {

// What is done with the sums: `chain` takes one of each part in the accumulator's type, then the extras.
struct Epilogue {
  std::string name;  // its first operations, for the program's name
  emulator::TileProgram chain;
  std::vector<Source> extras;   // as Product::extra has arranged them
  std::vector<DataType> types;  // of the results
};

class Product {
 public:
  virtual ~Product() = default;
  virtual DataType accumulator() const = 0;
  virtual size_t parts() const { return 1; }                            // results, each a node of its own
  virtual std::optional<Source> extra(const Source& source) const = 0;  // how the epilogue reads it, if it can
  // The step that multiplies; `results[i]` gets the epilogue's output i.
  virtual Step build(PlanBuilder& builder, const Epilogue& epilogue, std::span<const StorageId> results) const = 0;
};

// The step that computes `nodes`, among them all parts of one product; those with a storage are stored. Nothing when the epilogue cannot
// take the others.
std::optional<Step> emit_product(PlanBuilder& builder, std::span<const std::pair<NodeId, Node>> nodes);

}  // namespace tt::lowering
