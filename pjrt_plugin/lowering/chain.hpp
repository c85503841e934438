// StableHLO's scalar operations as tile operations.
#pragma once

#include <map>
#include <optional>
#include <span>
#include <vector>

#include "dnn/chain_builder.hpp"
#include "ir/ir.hpp"
#include "lowering/graph.hpp"

namespace tt::lowering {

// The tile operation of an elementwise StableHLO operation on operands of `type`; nothing when the engines have none.
std::optional<emulator::TileOp> tile_op(const ir::Operation& operation);

// The value of a constant's element in the encoding of `type`.
Splat splat_of(const ir::DenseElements& elements, int64_t index = 0);

DataType carrier(emulator::Lane lane);  // the array type whose encoding is the register's own

// The operation on constants.
Splat evaluate(const emulator::TileOp& op, std::span<const Splat> operands);

using dnn::ChainBuilder;
uint16_t fill(ChainBuilder& chain, const Splat& splat);

// The chain of a region whose operations are all elementwise on scalars: arguments -> returned values. Captured values are not allowed
// unless they are constants. Fails with Unimplemented, naming the operation, when it cannot be done.
emulator::TileProgram region_chain(const ir::Block& block);

}  // namespace tt::lowering
