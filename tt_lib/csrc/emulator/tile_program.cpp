// Tile programs compared and printed; conversion of arrays.
#include "emulator/tile_program.hpp"

#include <algorithm>
#include <cstring>
#include <sstream>

#include "base/error.hpp"
#include "emulator/simd/engine.hpp"

namespace tt::emulator {
namespace {

constexpr size_t kRegisterBytes = kTileElements * 16;

}  // namespace

bool TileProgram::operator==(const TileProgram& other) const {
  const auto same_ops = [](const TileOp& a, const TileOp& b) {
    return a.code == b.code && a.lane == b.lane && a.type == b.type && a.dst == b.dst && a.a == b.a && a.b == b.b && a.c == b.c &&
           a.imm == b.imm && a.imm2 == b.imm2;
  };
  const auto same_outputs = [](const Output& a, const Output& b) { return a.reg == b.reg && a.type == b.type; };
  return inputs == other.inputs && num_registers == other.num_registers &&
         std::equal(ops.begin(), ops.end(), other.ops.begin(), other.ops.end(), same_ops) &&
         std::equal(outputs.begin(), outputs.end(), other.outputs.begin(), other.outputs.end(), same_outputs);
}

std::string to_string(const TileProgram& program) {
  std::string text;
  for (size_t i = 0; i < program.inputs.size(); ++i) text += cat("r", i, " = input ", i, " : ", name(program.inputs[i]), "\n");
  for (const TileOp& op : program.ops) {
    const TileOpcodeInfo& row = info(op.code);
    text += cat("r", op.dst, " = ", row.name);
    const uint16_t operands[] = {op.a, op.b, op.c};
    for (int i = 0; i < row.operands; ++i) text += cat(i == 0 ? " r" : ", r", operands[i]);
    if (op.imm != 0 || op.imm2 != 0 || op.code == TileOpcode::kFill) {
      std::ostringstream bits;
      bits << " 0x" << std::hex << op.imm;
      if (op.imm2 != 0) bits << " 0x" << op.imm2;
      text += bits.str();
    }
    text += cat(" : ", name(op.lane), " -> ", name(op.type), "\n");
  }
  for (size_t i = 0; i < program.outputs.size(); ++i) {
    text += cat("output ", i, " = r", program.outputs[i].reg, " : ", name(program.outputs[i].type), "\n");
  }
  return text;
}

void convert_elements(const Engine& engine, DataType from, const std::byte* source, DataType to, std::byte* destination, size_t n) {
  const auto source_size = static_cast<size_t>(size_of(from)), destination_size = static_cast<size_t>(size_of(to));
  check(source_size != 0 && destination_size != 0, "[convert] ", name(from), " to ", name(to), ": block formats convert by tiles");
  if (from == to) {
    std::memmove(destination, source, n * source_size);
    return;
  }
  alignas(64) std::byte wide[kRegisterBytes];
  alignas(64) std::byte result[kRegisterBytes];
  const Lane lane = lane_of(from);
  for (size_t done = 0; done < n; done += kTileElements) {
    const size_t count = std::min(n - done, kTileElements);
    engine.load[static_cast<size_t>(from)](source + done * source_size, wide, count);
    std::byte* values = wide;
    if (lane != lane_of(to)) {
      values = result;
      engine.steps[static_cast<size_t>(TileOpcode::kConvert)][static_cast<size_t>(lane)](
          {values, wide, nullptr, nullptr, count, to, 0, 0, values});
    }
    if (const RoundFunction round = engine.round[static_cast<size_t>(to)]; round != nullptr) round(values, count);
    engine.store[static_cast<size_t>(to)](values, destination + done * destination_size, count);
  }
}

void convert_elements(DataType from, const std::byte* source, DataType to, std::byte* destination, size_t n) {
  convert_elements(engine(), from, source, to, destination, n);
}

}  // namespace tt::emulator
