// Sort of k arrays together along one dimension by a comparator: by radix where the comparator is an order of keys, else by a network.
#pragma once

#include <string>
#include <vector>

#include "dnn/operand.hpp"
#include "dnn/sort_keys.hpp"

namespace tt::dnn {

// StableHLO's sort. Always stable, whatever is_stable says.
struct SortSpec {
  std::string name = "sort";
  std::vector<DataType> types;  // of the k operands and results
  Dims dims;
  int64_t dimension;
  TileProgram comparator;  // a0, b0, a1, b1 ... -> pred: does a come before b
};

// Slots: k operands, k results. All row-major.
Program sort(const SortSpec& spec, const ChipSpec& chip);

}  // namespace tt::dnn
