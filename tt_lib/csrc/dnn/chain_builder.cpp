// Registers of a chain: numbered as they come, renumbered at the end.
#include "dnn/chain_builder.hpp"

#include <algorithm>
#include <cstring>

#include "base/error.hpp"

namespace tt::dnn {

using emulator::TileOpcode;

uint16_t ChainBuilder::input(DataType type) {
  check(program_.ops.empty(), "[chain] an input after the first operation");
  program_.inputs.push_back(type);
  return next_++;
}

uint16_t ChainBuilder::fill(DataType type, const std::array<std::byte, 16>& bits) {
  TileOp op{TileOpcode::kFill, emulator::lane_of(type), type, 0};
  std::memcpy(&op.imm, bits.data(), 8);
  std::memcpy(&op.imm2, bits.data() + 8, 8);
  return apply(op, {});
}

uint16_t ChainBuilder::constant(DataType type, double value) {
  std::array<std::byte, 16> bits{};
  emulator::convert_elements(DataType::kF64, reinterpret_cast<const std::byte*>(&value), type, bits.data(), 1);
  return fill(type, bits);
}

uint16_t ChainBuilder::apply(TileOp op, std::span<const uint16_t> operands) {
  op.a = operands.size() > 0 ? operands[0] : 0;
  op.b = operands.size() > 1 ? operands[1] : 0;
  op.c = operands.size() > 2 ? operands[2] : 0;
  op.dst = next_;
  program_.ops.push_back(op);
  return next_++;
}

std::vector<uint16_t> ChainBuilder::append(const TileProgram& chain, std::span<const uint16_t> inputs) {
  std::vector<uint16_t> at(chain.num_registers);
  std::copy(inputs.begin(), inputs.end(), at.begin());
  for (const TileOp& op : chain.ops) {
    const uint16_t operands[3] = {at[op.a], at[op.b], at[op.c]};
    const auto count = static_cast<size_t>(emulator::info(op.code).operands);
    const auto same = [&](const TileOp& made) {
      const uint16_t read[3] = {made.a, made.b, made.c};
      return made.code == op.code && made.lane == op.lane && made.type == op.type && made.imm == op.imm && made.imm2 == op.imm2 &&
             std::equal(operands, operands + count, read);
    };
    const auto found = std::find_if(program_.ops.begin(), program_.ops.end(), same);
    at[op.dst] = found != program_.ops.end() ? found->dst : apply(op, {operands, count});
  }
  std::vector<uint16_t> outputs;
  for (const TileProgram::Output& output : chain.outputs) outputs.push_back(at[output.reg]);
  return outputs;
}

TileProgram ChainBuilder::finish() {
  // Linear scan: a register is free after the last operation that reads it. Inputs keep their numbers.
  constexpr size_t kForever = ~size_t{0};
  std::vector<size_t> last(next_, 0);
  for (size_t i = 0; i < program_.ops.size(); ++i) {
    const TileOp& op = program_.ops[i];
    const int count = emulator::info(op.code).operands;
    if (count > 0) last[op.a] = i;
    if (count > 1) last[op.b] = i;
    if (count > 2) last[op.c] = i;
  }
  for (const TileProgram::Output& output : program_.outputs) last[output.reg] = kForever;
  std::vector<uint16_t> renamed(next_), free;
  const auto inputs = static_cast<uint16_t>(program_.inputs.size());
  uint16_t count = inputs;
  for (uint16_t r = 0; r < inputs; ++r) renamed[r] = r;
  for (size_t i = 0; i < program_.ops.size(); ++i) {
    TileOp& op = program_.ops[i];
    const uint16_t old[3] = {op.a, op.b, op.c};
    const int operands = emulator::info(op.code).operands;
    op.a = renamed[op.a];
    op.b = renamed[op.b];
    op.c = renamed[op.c];
    const uint16_t dst = op.dst;
    if (free.empty()) {
      renamed[dst] = count++;
    } else {
      renamed[dst] = free.back();
      free.pop_back();
    }
    op.dst = renamed[dst];
    for (int k = 0; k < operands; ++k) {
      if (last[old[k]] == i && old[k] >= inputs && std::find(old, old + k, old[k]) == old + k) free.push_back(renamed[old[k]]);
    }
  }
  for (TileProgram::Output& output : program_.outputs) output.reg = renamed[output.reg];
  program_.num_registers = count;
  return std::move(program_);
}

TileProgram conversion(DataType from, DataType to) {
  TileProgram program;
  program.inputs = {from};
  if (from != to) program.ops = {{emulator::TileOpcode::kConvert, emulator::lane_of(from), to, 1}};
  program.outputs = {{static_cast<uint16_t>(from == to ? 0 : 1), to}};
  program.num_registers = 2;
  return program;
}

}  // namespace tt::dnn
