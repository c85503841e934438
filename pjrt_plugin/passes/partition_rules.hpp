// Which operations can be computed on pieces of arrays.
#pragma once

#include <optional>
#include <vector>

#include "ir/ir.hpp"
#include "ir/sharding.hpp"

namespace tt::passes {

// The sharding of the result when the operation is computed on pieces of its operands, of arrays of `dims`; `shardings` become what it
// needs of these operands. Nothing: it needs whole arrays.
std::optional<ir::Sharding> shard_operation(const ir::Operation& operation, const std::vector<Dims>& dims,
                                            std::vector<ir::Sharding>& shardings);

// The operation by which the parts of a reduction over dimensions in pieces are combined: the only one of its region. Nothing: not known.
std::optional<ir::Op> combination(const ir::Operation& reduce);

// Makes the attributes of an operation that is computed on pieces those of the pieces.
void fit_attributes(ir::Operation& operation, const ir::Sharding& result);

}  // namespace tt::passes
