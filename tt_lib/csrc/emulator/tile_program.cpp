// Runs tile programs: places registers, reads inputs and writes outputs in place where their arrays have the lane's form, steps through
// the operations.
#include "emulator/tile_program.hpp"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>
#include <new>
#include <sstream>

#include "base/error.hpp"
#include "emulator/simd/engine.hpp"

namespace tt::emulator {
namespace {

constexpr size_t kRegisterBytes = kTileElements * 16;
constexpr size_t kStagger = 256;  // registers start at different places of a 4 KiB page: equal low address bits look like conflicts

// Operations whose results need no rounding: their values come from operands, or are codes of the type already.
constexpr bool is_exact(TileOpcode code) {
  constexpr TileOpcode kExact[] = {TileOpcode::kCopy, TileOpcode::kFill,  TileOpcode::kBitcast, TileOpcode::kSelect, TileOpcode::kMax,
                                   TileOpcode::kMin,  TileOpcode::kClamp, TileOpcode::kAnd,     TileOpcode::kOr,     TileOpcode::kXor};
  for (const TileOpcode exact : kExact) {
    if (exact == code) return true;
  }
  return false;
}
constexpr auto kIsExact = [] {
  std::array<bool, kNumTileOpcodes> table{};
  for (int i = 0; i < kNumTileOpcodes; ++i) table[static_cast<size_t>(i)] = is_exact(static_cast<TileOpcode>(i));
  return table;
}();

struct TypeTraits {
  Lane lane;
  uint8_t lane_bytes;
  bool plain;  // an array of this type looks like a register
};
const std::array<TypeTraits, kNumDataTypes>& type_traits() {
  static const auto table = [] {
    std::array<TypeTraits, kNumDataTypes> made{};
    for (int i = 0; i < kNumDataTypes; ++i) {
      const auto type = static_cast<DataType>(i);
      if (size_of(type) == 0) continue;
      const Lane lane = lane_of(type);
      made[static_cast<size_t>(i)] = {lane, static_cast<uint8_t>(lane_size(lane)),
                                      type != DataType::kPred && static_cast<size_t>(size_of(type)) == lane_size(lane)};
    }
    return made;
  }();
  return table;
}
const TypeTraits& traits(DataType type) { return type_traits()[static_cast<size_t>(type)]; }

bool overlap(const std::byte* a, size_t a_bytes, const std::byte* b, size_t b_bytes) { return a < b + b_bytes && b < a + a_bytes; }

// One run: where each register lies, and which arrays stand in for registers.
class Run {
 public:
  Run(const Engine& engine, const TileProgram& program, const std::byte* const* inputs, std::byte* const* outputs, size_t n,
      TileScratch& scratch)
      : engine_(engine), program_(program), inputs_(inputs), outputs_(outputs), n_(n) {
    size_t widest = 4;
    for (const DataType type : program.inputs) widest = std::max<size_t>(widest, traits(type).lane_bytes);
    for (const TileOp& op : program.ops) widest = std::max<size_t>(widest, traits(op.type).lane_bytes);
    stride_ = kTileElements * widest + kStagger;
    const size_t count = program.num_registers + size_t{1};  // the last one is spare
    const size_t table_bytes = count * (sizeof(std::byte*) + sizeof(int32_t));
    std::byte* memory = scratch.registers((count * stride_ + table_bytes) / kRegisterBytes + 1);
    storage_ = memory;
    at_ = reinterpret_cast<std::byte**>(memory + count * stride_);
    target_ = reinterpret_cast<int32_t*>(at_ + count);
    for (size_t r = 0; r < count; ++r) at_[r] = own(r);
  }

  void run() {
    read_inputs();
    choose_targets();
    for (size_t i = 0; i < program_.ops.size(); ++i) execute(program_.ops[i], target_ops_ != 0 && is_target(i));
    write_outputs();
  }

 private:
  std::byte* own(size_t reg) const { return storage_ + reg * stride_; }
  bool whole() const { return n_ % kLanePadding == 0; }  // else steps would run over the end of the arrays
  size_t bytes(DataType type) const { return n_ * static_cast<size_t>(size_of(type)); }

  bool overlaps_an_output(size_t input) const {
    for (size_t o = 0; o < program_.outputs.size(); ++o) {
      if (overlap(inputs_[input], bytes(program_.inputs[input]), outputs_[o], bytes(program_.outputs[o].type))) return true;
    }
    return false;
  }
  bool overlaps_an_input(size_t output) const {
    for (size_t i = 0; i < program_.inputs.size(); ++i) {
      if (overlap(inputs_[i], bytes(program_.inputs[i]), outputs_[output], bytes(program_.outputs[output].type))) return true;
    }
    return false;
  }

  void read_inputs() {
    for (size_t i = 0; i < program_.inputs.size(); ++i) {
      const DataType type = program_.inputs[i];
      if (whole() && traits(type).plain && (program_.outputs.size() == 1 || !overlaps_an_output(i))) {
        at_[i] = const_cast<std::byte*>(inputs_[i]);  // never written: execute() moves the register to its own storage first
      } else {
        engine_.load[static_cast<size_t>(type)](inputs_[i], at_[i], n_);
      }
    }
  }

  // An output's last writer writes the array itself where nobody can tell the difference.
  void choose_targets() {
    for (size_t r = 0; r < program_.num_registers; ++r) target_[r] = -1;
    if (!whole() || program_.ops.empty()) return;
    const size_t last = program_.ops.size() - 1;
    for (size_t o = 0; o < program_.outputs.size(); ++o) {
      const auto [reg, type] = program_.outputs[o];
      if (!traits(type).plain || target_[reg] >= 0) continue;
      size_t writer = last;
      while (writer > 0 && program_.ops[writer].dst != reg) --writer;
      const TileOp& op = program_.ops[writer];
      if (op.dst != reg || op.type != type) continue;
      const bool in_step = writer == last && lane_size(op.lane) == traits(type).lane_bytes && op.code != TileOpcode::kSelect;
      if (!in_step && overlaps_an_input(o)) continue;
      target_[reg] = static_cast<int32_t>(o);
      ++target_ops_;
    }
  }
  bool is_target(size_t i) const {
    const uint16_t reg = program_.ops[i].dst;
    if (target_[reg] < 0) return false;
    for (size_t later = i + 1; later < program_.ops.size(); ++later) {
      if (program_.ops[later].dst == reg) return false;
    }
    return true;
  }

  void execute(const TileOp& op, bool to_output) {
    const auto code = static_cast<size_t>(op.code);
    const auto type = static_cast<size_t>(op.type);
    const StepFunction step = engine_.steps[code][static_cast<size_t>(op.lane)];
    if (step == nullptr) [[unlikely]] {
      fail(ErrorCategory::kUnimplemented, "[tile program] ", info(op.code).name, " has no form for ", name(op.lane),
           " lanes: ask supports() before building the program");
    }
    StepArguments s{nullptr, at_[op.a], at_[op.b], at_[op.c], n_, op.type, op.imm, op.imm2};
    std::byte* dst = to_output ? outputs_[target_[op.dst]] : own(op.dst);
    const size_t result_bytes = traits(op.type).lane_bytes;
    // Where results are wider than what is read, a step may not write over its operands.
    const size_t read_bytes = op.code == TileOpcode::kSelect ? 4 : lane_size(op.lane);
    const bool spare = result_bytes != read_bytes && (s.a == dst || s.b == dst || s.c == dst);
    s.dst = spare ? own(program_.num_registers) : dst;
    const RoundFunction round = engine_.round[type];
    if (op.code == TileOpcode::kMulAdd && round != nullptr) {
      s.dst = own(program_.num_registers);
      engine_.steps[static_cast<size_t>(TileOpcode::kMul)][static_cast<size_t>(op.lane)](s);
      round(s.dst, n_);
      s.a = s.dst;
      s.b = s.c;
      s.dst = dst;
      engine_.steps[static_cast<size_t>(TileOpcode::kAdd)][static_cast<size_t>(op.lane)](s);
    } else {
      step(s);
    }
    if (round != nullptr && !kIsExact[code]) round(s.dst, n_);
    if (spare && s.dst != dst) std::memcpy(dst, s.dst, padded(n_) * result_bytes);
    at_[op.dst] = dst;
  }

  void write_outputs() {
    for (size_t o = 0; o < program_.outputs.size(); ++o) {
      const auto [reg, type] = program_.outputs[o];
      if (at_[reg] == outputs_[o]) continue;
      engine_.store[static_cast<size_t>(type)](at_[reg], outputs_[o], n_);
    }
  }

  const Engine& engine_;
  const TileProgram& program_;
  const std::byte* const* inputs_;
  std::byte* const* outputs_;
  size_t n_;
  size_t stride_ = 0;
  std::byte* storage_ = nullptr;
  std::byte** at_ = nullptr;   // per register: its own storage, or the array that stands in for it
  int32_t* target_ = nullptr;  // per register: the output its last writer writes, or -1
  int target_ops_ = 0;
};

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

TileScratch::~TileScratch() { std::free(memory_); }

std::byte* TileScratch::registers(size_t count) {
  if (count > capacity_) {
    std::free(memory_);
    memory_ = static_cast<std::byte*>(std::aligned_alloc(64, count * kRegisterBytes));
    capacity_ = memory_ == nullptr ? 0 : count;
    if (memory_ == nullptr) throw std::bad_alloc();
  }
  return memory_;
}

void run_tile_program(const Engine& engine, const TileProgram& program, const std::byte* const* inputs, std::byte* const* outputs, size_t n,
                      TileScratch& scratch) {
  check(n <= kTileElements, "[tile program] runs on at most ", kTileElements, " elements, got ", n);
  if (n != 0) Run(engine, program, inputs, outputs, n, scratch).run();
}

void run_tile_program(const TileProgram& program, const std::byte* const* inputs, std::byte* const* outputs, size_t n,
                      TileScratch& scratch) {
  run_tile_program(engine(), program, inputs, outputs, n, scratch);
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
      engine.steps[static_cast<size_t>(TileOpcode::kConvert)][static_cast<size_t>(lane)]({values, wide, nullptr, nullptr, count, to, 0, 0});
    }
    if (const RoundFunction round = engine.round[static_cast<size_t>(to)]; round != nullptr) round(values, count);
    engine.store[static_cast<size_t>(to)](values, destination + done * destination_size, count);
  }
}

void convert_elements(DataType from, const std::byte* source, DataType to, std::byte* destination, size_t n) {
  convert_elements(engine(), from, source, to, destination, n);
}

}  // namespace tt::emulator
