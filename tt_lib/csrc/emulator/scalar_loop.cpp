// Chains with a register per value: constants are filled once, an iteration is a list of calls.
#include "emulator/scalar_loop.hpp"

#include <array>
#include <cmath>
#include <cstring>
#include <vector>

#include "base/error.hpp"
#include "emulator/cycles.hpp"
#include "emulator/simd/engine.hpp"

namespace tt::emulator {
namespace {

struct alignas(64) Register {
  std::array<std::byte, kLanePadding * 16> lanes{};
};

struct Call {
  StepFunction step;
  StepArguments arguments;
  RoundFunction round;

  void operator()() const {
    step(arguments);
    if (round != nullptr) round(arguments.dst, 1);
  }
};

class Machine {
 public:
  explicit Machine(const ScalarLoop& loop) : engine_(engine()) {
    registers_.reserve(loop.body.inputs.size() + loop.condition.ops.size() + loop.body.ops.size());
    for (size_t i = 0; i < loop.body.inputs.size(); ++i) registers_.emplace_back();
    predicate_ = translate(loop.condition, condition_)[0];
    next_ = translate(loop.body, body_);
    for (const Call& fill : fills_) fill();
  }

  int64_t run(const ScalarLoop& loop, std::span<std::byte* const> carried) {
    const std::vector<DataType>& types = loop.body.inputs;
    for (size_t i = 0; i < types.size(); ++i) engine_.load[static_cast<size_t>(types[i])](carried[i], registers_[i].lanes.data(), 1);
    std::vector<Move> moves = parallel_moves(types);
    int64_t iterations = 0;
    for (;; ++iterations) {
      for (const Call& call : condition_) call();
      uint32_t goes_on;
      std::memcpy(&goes_on, predicate_, sizeof(goes_on));
      if (goes_on == 0) break;
      for (const Call& call : body_) call();
      for (const Move& move : moves) std::memcpy(move.to, move.from, sizeof(uint64_t) * 2);
    }
    for (size_t i = 0; i < types.size(); ++i) engine_.store[static_cast<size_t>(types[i])](registers_[i].lanes.data(), carried[i], 1);
    return iterations;
  }

 private:
  struct Move {
    std::byte* to;
    const std::byte* from;
  };

  // Carried values that change places go through registers of their own.
  std::vector<Move> parallel_moves(const std::vector<DataType>& types) {
    std::vector<Move> moves;
    const std::byte* const first = registers_.front().lanes.data();
    const std::byte* const end = first + types.size() * sizeof(Register);
    temporaries_.resize(types.size());
    for (size_t i = 0; i < types.size(); ++i) {
      if (next_[i] == registers_[i].lanes.data() || next_[i] < first || next_[i] >= end) continue;
      moves.push_back({temporaries_[i].lanes.data(), next_[i]});
      next_[i] = temporaries_[i].lanes.data();
    }
    for (size_t i = 0; i < types.size(); ++i) {
      if (next_[i] != registers_[i].lanes.data()) moves.push_back({registers_[i].lanes.data(), next_[i]});
    }
    return moves;
  }

  // The calls of a chain; where its outputs will be.
  std::vector<std::byte*> translate(const TileProgram& program, std::vector<Call>& calls) {
    std::vector<std::byte*> at(program.num_registers, nullptr);
    for (size_t i = 0; i < program.inputs.size(); ++i) at[i] = registers_[i].lanes.data();
    for (const TileOp& op : program.ops) {
      std::byte* const dst = registers_.emplace_back().lanes.data();
      const auto type = static_cast<size_t>(op.type);
      Call call{engine_.steps[static_cast<size_t>(op.code)][static_cast<size_t>(op.lane)],
                {dst, at[op.a], at[op.b], at[op.c], 1, op.type, op.imm, op.imm2, dst},
                is_exact(op.code) ? nullptr : engine_.round[type]};
      (op.code == TileOpcode::kFill ? fills_ : calls).push_back(call);
      at[op.dst] = dst;
    }
    std::vector<std::byte*> outputs;
    for (const TileProgram::Output& output : program.outputs) outputs.push_back(at[output.reg]);
    return outputs;
  }

  const Engine& engine_;
  std::vector<Register> registers_;  // reserved: they do not move
  std::vector<Register> temporaries_;
  std::vector<Call> fills_, condition_, body_;
  std::byte* predicate_ = nullptr;
  std::vector<std::byte*> next_;
};

bool has_every_step(const TileProgram& program) {
  for (const TileOp& op : program.ops) {
    if (op.code == TileOpcode::kMulAdd || !supports(op.code, op.lane)) return false;
  }
  return true;
}

uint64_t cycles_of(const TileProgram& program) {
  double cycles = 0;
  for (const TileOp& op : program.ops) {
    if (op.code != TileOpcode::kFill) cycles += std::max(1.0F, info(op.code).riscv_cycles);
  }
  return static_cast<uint64_t>(std::ceil(cycles));
}

}  // namespace

bool is_scalar_loop(const ScalarLoop& loop) {
  const TileProgram &condition = loop.condition, &body = loop.body;
  if (condition.inputs != body.inputs || body.inputs.empty() || body.outputs.size() != body.inputs.size()) return false;
  if (condition.outputs.size() != 1 || condition.outputs[0].type != DataType::kPred) return false;
  for (size_t i = 0; i < body.inputs.size(); ++i) {
    if (body.outputs[i].type != body.inputs[i] || lane_size(lane_of(body.inputs[i])) > 16) return false;
  }
  return has_every_step(condition) && has_every_step(body);
}

int64_t run_scalar_loop(const ScalarLoop& loop, std::span<std::byte* const> carried) { return Machine(loop).run(loop, carried); }

uint64_t scalar_loop_cycles(const ScalarLoop& loop) {
  constexpr uint64_t kBranch = 2;
  return cycles_of(loop.condition) + cycles_of(loop.body) + loop.body.inputs.size() + kBranch;
}

}  // namespace tt::emulator
