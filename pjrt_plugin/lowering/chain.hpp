// TileProgram construction: registers, inputs, constants.
#pragma once

#include <map>
#include <optional>
#include <span>
#include <vector>

#include "emulator/tile_program.hpp"
#include "ir/ir.hpp"
#include "lowering/graph.hpp"

namespace tt::lowering {

// The tile operation of an elementwise StableHLO operation on operands of `type`; nothing when the engines have none.
std::optional<emulator::TileOp> tile_op(const ir::Operation& operation);

// The value of a constant's element in the encoding of `type`.
Splat splat_of(const ir::DenseElements& elements, int64_t index = 0);

// Appends operations to a chain; inputs first, then steps. finish() renumbers registers so that few are live at once.
class ChainBuilder {
 public:
  uint16_t input(DataType type);
  uint16_t fill(const Splat& splat);
  uint16_t apply(emulator::TileOp op, std::span<const uint16_t> operands);
  void output(uint16_t reg, DataType type) { program_.outputs.push_back({reg, type}); }
  emulator::TileProgram finish();

 private:
  emulator::TileProgram program_;
  uint16_t next_ = 0;
};

// The chain of a region whose operations are all elementwise on scalars: arguments -> returned values. Captured values are not allowed
// unless they are constants. Fails with Unimplemented, naming the operation, when it cannot be done.
emulator::TileProgram region_chain(const ir::Block& block);

}  // namespace tt::lowering
