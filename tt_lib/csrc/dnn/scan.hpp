// Running combinations along a dimension: result[j] = x[0] . x[1] . ... . x[j], many lanes side by side.
#pragma once

#include <string>

#include "dnn/operand.hpp"

namespace tt::dnn {

struct ScanSpec {
  std::string name = "scan";
  int64_t length;                    // steps
  int64_t lanes;                     // independent scans
  std::vector<int64_t> input_bytes;  // input buffers: slots 0 ..
  int64_t output_bytes;              // the slot after them
  Operand operand;                   // over [length, lanes]
  TileProgram combine;               // (running combination, next element) -> running combination, all of operand.type
  Result result;                     // over [length, lanes], of operand.type
};

Program scan(const ScanSpec& spec, const ChipSpec& chip);

}  // namespace tt::dnn
