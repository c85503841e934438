// One operation, of both elements, in f32.
#include "dnn/row_fold.hpp"

namespace tt::dnn {

using emulator::TileOpcode;

std::optional<TileOpcode> row_fold_opcode(const emulator::TileProgram& combine) {
  if (combine.ops.size() != 1 || combine.inputs.size() != 2 || combine.outputs.size() != 1) return std::nullopt;
  const emulator::TileOp& op = combine.ops[0];
  const bool both = (op.a == 0 && op.b == 1) || (op.a == 1 && op.b == 0);
  if (!both || combine.outputs[0].reg != op.dst || op.type != DataType::kF32 || combine.inputs[0] != DataType::kF32) return std::nullopt;
  switch (op.code) {
    case TileOpcode::kAdd:
    case TileOpcode::kMul:
    case TileOpcode::kMax:
    case TileOpcode::kMin: return op.code;
    default: return std::nullopt;
  }
}

}  // namespace tt::dnn
