// The tile engine: a chain step by step over registers that stay in the host's cache.
#include "emulator/tile_program.hpp"

#include <cstdlib>
#include <algorithm>
#include <cstring>
#include <new>

#include "base/error.hpp"
#include "emulator/lane_formats.hpp"
#include "emulator/lane_steps.hpp"

namespace tt::emulator {
namespace {

struct LaneRow {
  Lane lane;
  std::string_view name;
  size_t size;
};
constexpr LaneRow kLanes[kNumLanes] = {
    {Lane::kF32, "f32", 4}, {Lane::kF64, "f64", 8}, {Lane::kS32, "s32", 4}, {Lane::kU32, "u32", 4},   {Lane::kS64, "s64", 8},
    {Lane::kU64, "u64", 8}, {Lane::kC64, "c64", 8}, {Lane::kC128, "c128", 16}, {Lane::kPred, "pred", 4},
};

constexpr size_t kRegisterBytes = kTileElements * 16;

}  // namespace

Lane lane_of(DataType type) {
  switch (type) {
    case DataType::kPred: return Lane::kPred;
    case DataType::kS64: return Lane::kS64;
    case DataType::kU64: return Lane::kU64;
    case DataType::kF64: return Lane::kF64;
    case DataType::kC64: return Lane::kC64;
    case DataType::kC128: return Lane::kC128;
    default: return is_signed(type) ? Lane::kS32 : is_unsigned(type) ? Lane::kU32 : Lane::kF32;
  }
}

size_t lane_size(Lane lane) { return kLanes[static_cast<size_t>(lane)].size; }
std::string_view name(Lane lane) { return kLanes[static_cast<size_t>(lane)].name; }

bool supports(TileOpcode code, Lane lane) { return find_step(code, lane) != nullptr; }

bool TileProgram::operator==(const TileProgram& other) const { return to_string(*this) == to_string(other); }

std::string to_string(const TileProgram& program) {
  std::string out;
  for (size_t i = 0; i < program.inputs.size(); ++i) out += cat("r", i, " = input ", i, " : ", name(program.inputs[i]), "\n");
  for (const TileOp& op : program.ops) {
    out += cat("r", op.dst, " = ", info(op.code).name);
    const uint16_t operands[3] = {op.a, op.b, op.c};
    for (int k = 0; k < info(op.code).operands; ++k) out += cat(k ? ", r" : " r", operands[k]);
    if (op.code == TileOpcode::kFill) {
      std::ostringstream bits;
      bits << " 0x" << std::hex << op.imm;
      if (op.imm2 != 0) bits << " 0x" << op.imm2;
      out += bits.str();
    } else if (op.imm != 0) {
      out += cat(" #", op.imm);
    }
    out += cat(" : ", name(op.lane), " -> ", name(op.type), "\n");
  }
  for (size_t i = 0; i < program.outputs.size(); ++i) out += cat("output ", i, " = r", program.outputs[i].reg, " : ", name(program.outputs[i].type), "\n");
  return out;
}

TileScratch::~TileScratch() { std::free(memory_); }

std::byte* TileScratch::registers(size_t count) {
  if (count * kRegisterBytes > capacity_) {
    std::free(memory_);
    capacity_ = count * kRegisterBytes;
    memory_ = static_cast<std::byte*>(std::aligned_alloc(64, capacity_));
    if (memory_ == nullptr) {
      capacity_ = 0;
      throw std::bad_alloc();
    }
  }
  return memory_;
}

void run_tile_program(const TileProgram& program, const std::byte* const* inputs, std::byte* const* outputs, size_t n, TileScratch& scratch) {
  // Registers are as wide as the widest lane in use needs, so that few fit in the cache.
  std::byte* memory = scratch.registers(program.num_registers + size_t{1});
  const auto reg = [&](uint16_t r) { return memory + r * kRegisterBytes; };
  for (size_t i = 0; i < program.inputs.size(); ++i) load_register(program.inputs[i], inputs[i], reg(static_cast<uint16_t>(i)), n);
  for (const TileOp& op : program.ops) {
    const StepFunction step = find_step(op.code, op.lane);
    check(step != nullptr, "[tile program] ", info(op.code).name, " on ", name(op.lane));
    step({reg(op.dst), reg(op.a), reg(op.b), reg(op.c), n, op.type, op.imm, op.imm2});
    round_register(op.type, reg(op.dst), n);
  }
  for (size_t i = 0; i < program.outputs.size(); ++i) store_register(program.outputs[i].type, reg(program.outputs[i].reg), outputs[i], n);
}

void convert_elements(DataType from, const std::byte* source, DataType to, std::byte* destination, size_t n) {
  if (from == to) {
    std::memcpy(destination, source, n * static_cast<size_t>(size_of(from)));
    return;
  }
  alignas(64) std::byte in[kTileElements * 16], out[kTileElements * 16];
  const StepFunction step = find_step(TileOpcode::kConvert, lane_of(from));
  for (size_t done = 0; done < n; done += kTileElements) {
    const size_t count = std::min(n - done, kTileElements);
    load_register(from, source + done * static_cast<size_t>(size_of(from)), in, count);
    step({out, in, nullptr, nullptr, count, to, 0, 0});
    round_register(to, out, count);
    store_register(to, out, destination + done * static_cast<size_t>(size_of(to)), count);
  }
}

Simd simd() { return Simd::kPortable; }

std::string_view name(Simd simd) {
  constexpr std::string_view kNames[] = {"portable", "avx2", "avx512"};
  return kNames[static_cast<size_t>(simd)];
}

bool host_has_bf16_dot() { return __builtin_cpu_supports("avx512bf16"); }

}  // namespace tt::emulator
