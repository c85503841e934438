// One operation, of both elements, in f32.
#include "dnn/row_fold.hpp"

#include <algorithm>

namespace tt::dnn {

using emulator::TileOpcode;

std::optional<TileOpcode> row_fold_opcode(const emulator::TileProgram& combine, size_t value) {
  const size_t k = combine.outputs.size();
  if (combine.ops.size() != k || combine.inputs.size() != 2 * k || combine.inputs[value] != DataType::kF32) return std::nullopt;
  const auto& op =
      *std::find_if(combine.ops.begin(), combine.ops.end() - 1, [&](const auto& o) { return o.dst == combine.outputs[value].reg; });
  const bool both = (op.a == value && op.b == k + value) || (op.a == k + value && op.b == value);
  if (!both || combine.outputs[value].reg != op.dst || op.type != DataType::kF32) return std::nullopt;
  switch (op.code) {
    case TileOpcode::kAdd:
    case TileOpcode::kMul:
    case TileOpcode::kMax:
    case TileOpcode::kMin: return op.code;
    default: return std::nullopt;
  }
}

}  // namespace tt::dnn
