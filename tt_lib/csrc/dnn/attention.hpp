// Attention as one program: rows of a product are worked on in L1 and multiplied again there. Scores never leave the core.
#pragma once

#include "dnn/fused_rows.hpp"

namespace tt::dnn {

struct AttentionSpec {
  std::string name;
  int64_t batch, m, k, n, v;               // ([batch, m, k] x [batch, k, n] worked on row by row) x [batch, n, v]
  std::vector<int64_t> input_bytes;        // input buffers: slots 0 ..
  std::vector<int64_t> output_bytes;       // output buffers: the slots after them
  DataType scores_type, last_type;         // the products are computed in
  Operand queries, keys, values;           // over [batch, m, k], [batch, k, n] and [batch, n, v]
  TileProgram scores;                      // of the sums and the extras; its outputs are the first operands of `rows`
  std::vector<Operand> score_extras = {};  // over [batch, m, n]
  RowSpec rows;                            // over [batch * m, n]; results without a buffer stay in L1
  size_t weights;                          // the result of `rows` that the values are multiplied by
  TileProgram last;                        // of the sums of the second product and the extras
  std::vector<Operand> last_extras = {};   // over [batch, m, v]
  Result result;                           // over [batch, m, v]
  bool operator==(const AttentionSpec&) const = default;
};

bool fits(const AttentionSpec& spec, const ChipSpec& chip);  // whether some rows can be worked on in L1
Program attention(const AttentionSpec& spec, const ChipSpec& chip);

}  // namespace tt::dnn
