// Sort of k arrays together along one dimension by a comparator: by radix where the comparator is an order of keys, else by a network.
#pragma once

#include <optional>
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
  TileProgram comparator;             // a0, b0, a1, b1 ... -> pred: does a come before b
  std::optional<int64_t> first = {};  // so many elements of each row are wanted; none: all
  // Of the operands, if anything: which are the position in the row and no key of the order, and whose results nobody wants.
  std::vector<bool> positions = {}, unread = {};
};

// Slots: k operands but for positions, k results but for those unread, which are as long as what is wanted. All row-major.
Program sort(const SortSpec& spec, const ChipSpec& chip);

}  // namespace tt::dnn
