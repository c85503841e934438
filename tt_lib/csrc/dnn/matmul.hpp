// Batched matrix products with an elementwise epilogue.
#pragma once

#include "dnn/operand.hpp"

namespace tt::dnn {

inline constexpr int64_t kMaxParts = 8;  // products in one program, see MatmulSpec::parts

struct MatmulSpec {
  std::string name;
  int64_t batch, m, k, n;             // any may be 0
  std::vector<int64_t> input_bytes;   // input buffers: slots 0 ..
  std::vector<int64_t> output_bytes;  // output buffers: the slots after them
  DataType compute_type;              // operands are multiplied in matmul_operand_type of it, summed in matmul_accumulator_type
  Operand a;                          // over [batch, m, k]; converted to the operand type
  Operand b;                          // over [batch, k, n]
  bool a_in_tiles = false;            // a's buffer holds tiles in face order, row-major over [batch, m / 32, k / 32]
  bool b_in_tiles = false;            // b's buffer is what tilize_operand has made of it
  // Products of one A: b holds that many matrices [batch, k, n], tile columns in turn, and the epilogue takes a sum of each. Other than 1:
  // b_in_tiles, over [batch, k, parts * round_up(n, 32)].
  int64_t parts = 1;
  bool result_in_tiles = false;      // the only result's buffer gets tiles as a_in_tiles has them; m and n are multiples of 32
  TileProgram epilogue = {};         // inputs: the sums (accumulator type), then the extras; without outputs: a conversion to the result
  std::vector<Operand> extras = {};  // over [batch, m, n]
  std::vector<Result> results;       // over [batch, m, n]; epilogue.outputs[i] goes to results[i]
  bool operator==(const MatmulSpec&) const = default;
};

Program matmul(const MatmulSpec& spec, const ChipSpec& chip);

}  // namespace tt::dnn
