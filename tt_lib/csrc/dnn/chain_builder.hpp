// Chains of tile operations, step by step.
#pragma once

#include <array>
#include <span>
#include <vector>

#include "emulator/tile_program.hpp"

namespace tt::dnn {

using emulator::TileOp;
using emulator::TileProgram;

// Appends operations to a chain; inputs first, then steps. finish() renumbers registers so that few are live at once.
class ChainBuilder {
 public:
  uint16_t input(DataType type);
  uint16_t fill(DataType type, const std::array<std::byte, 16>& bits);  // one element in the array encoding of `type`
  uint16_t constant(DataType type, double value);
  uint16_t apply(TileOp op, std::span<const uint16_t> operands);
  uint16_t apply(TileOp op, std::initializer_list<uint16_t> operands) { return apply(op, std::span(operands.begin(), operands.size())); }
  // The steps of another chain on these registers; its outputs. A step that is there already is not made again.
  std::vector<uint16_t> append(const TileProgram& chain, std::span<const uint16_t> inputs);
  void output(uint16_t reg, DataType type) { program_.outputs.push_back({reg, type}); }
  TileProgram finish();

 private:
  TileProgram program_;
  uint16_t next_ = 0;
};

TileProgram conversion(DataType from, DataType to);  // of one input to one output

}  // namespace tt::dnn
