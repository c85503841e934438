// Places registers, reads inputs and writes outputs in place where their arrays have the lane's form, steps through the operations.
#include "emulator/tile_chain.hpp"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <new>
#include <optional>

#include "base/error.hpp"
#include "emulator/simd/engine.hpp"

namespace tt::emulator {
namespace {

constexpr size_t kStagger = 256;  // registers start at different places of a 4 KiB page: equal low address bits look like conflicts
constexpr size_t kMaxOutputs = 64;

// An array of this type looks like a register.
bool is_plain(DataType type) { return type != DataType::kPred && static_cast<size_t>(size_of(type)) == lane_size(lane_of(type)); }

// Whether a step reads a constant operand by its first elements: those of floats do that go vector by vector, those of integers take the
// second so.
bool takes_still(TileOpcode code, Lane lane, int operand) {
  if (code < TileOpcode::kAdd || code == TileOpcode::kSelect || code == TileOpcode::kComplex) return false;
  switch (lane) {
    case Lane::kC64:
    case Lane::kC128: return false;
    case Lane::kF32:
    case Lane::kF64: return code != TileOpcode::kRem && code != TileOpcode::kPow && code != TileOpcode::kAtan2;
    default: return operand == 1 && info(code).operands == 2;
  }
}

bool reads(const TileOp& op, uint16_t reg) {
  const int operands = info(op.code).operands;
  return (operands > 0 && op.a == reg) || (operands > 1 && op.b == reg) || (operands > 2 && op.c == reg);
}

// Whether nobody reads what the register holds before operation `from`.
bool is_dead(const TileProgram& program, size_t from, uint16_t reg) {
  for (size_t i = from; i < program.ops.size(); ++i) {
    if (reads(program.ops[i], reg)) return false;
    if (program.ops[i].dst == reg) return true;
  }
  return std::none_of(program.outputs.begin(), program.outputs.end(), [&](const TileProgram::Output& output) { return output.reg == reg; });
}

// x << k | x >> (32 - k), in operations `at`.. of a program, is one step of the host.
struct Rotation {
  uint16_t dst, x;
  uint64_t left;
};
std::optional<Rotation> rotation_at(const TileProgram& program, size_t at, const std::vector<std::optional<uint64_t>>& constants) {
  if (at + 3 > program.ops.size()) return std::nullopt;
  const TileOp *left = &program.ops[at], *right = &program.ops[at + 1], *both = &program.ops[at + 2];
  if (left->code == TileOpcode::kShrL) std::swap(left, right);
  if (left->code != TileOpcode::kShl || right->code != TileOpcode::kShrL || both->code != TileOpcode::kOr) return std::nullopt;
  for (const TileOp* op : {left, right, both}) {
    if (op->type != DataType::kU32) return std::nullopt;
  }
  const bool joins = (both->a == left->dst && both->b == right->dst) || (both->a == right->dst && both->b == left->dst);
  const TileOp &first = program.ops[at], &second = program.ops[at + 1];
  if (!joins || left->a != right->a || left->dst == right->dst || reads(second, first.dst)) return std::nullopt;
  const std::optional<uint64_t>&k = constants[left->b], &rest = constants[right->b];
  if (!k || !rest || *k == 0 || *k >= 32 || *k + *rest != 32) return std::nullopt;
  for (const TileOp* part : {left, right}) {
    if (part->dst != both->dst && !is_dead(program, at + 3, part->dst)) return std::nullopt;
  }
  return Rotation{both->dst, left->a, *k};
}

bool overlap(const std::byte* a, size_t a_bytes, const std::byte* b, size_t b_bytes) { return a < b + b_bytes && b < a + a_bytes; }

}  // namespace

TileScratch::~TileScratch() { std::free(memory_); }

std::byte* TileScratch::registers(size_t bytes) {
  if (bytes > capacity_) {
    std::free(memory_);
    const size_t rounded = (bytes + 4095) / 4096 * 4096;
    memory_ = static_cast<std::byte*>(std::aligned_alloc(64, rounded));
    capacity_ = memory_ == nullptr ? 0 : rounded;
    if (memory_ == nullptr) throw std::bad_alloc();
  }
  return memory_;
}

struct TileChain::Plan {
  struct Input {
    LoadFunction load;
    size_t size;  // of an element
    bool plain;
  };
  struct Output {
    uint16_t reg;
    StoreFunction store;
    size_t size;
  };
  struct Free {
    void operator()(std::byte* memory) const { std::free(memory); }
  };
  struct Step {
    StepFunction step;
    RoundFunction round;  // null: nothing is left to round
    TileOp op;
    int target = -1;             // the output whose array the step may write
    bool in_place = false;       // even where that array is an input
    bool spare = false;          // goes through the spare register: results are wider than the operands they would overwrite
    bool two_roundings = false;  // kMulAdd of a narrow type
    size_t result_size = 0;
    uint32_t still = 0;                                // operands that are constants, where the step takes them as such
    std::unique_ptr<std::byte[], Free> constant = {};  // of kFill: what the register holds, made once
  };

  const Engine& engine;
  std::vector<Input> inputs;
  std::vector<Output> outputs;
  std::vector<Step> steps;
  size_t count = 0;   // registers, the spare one included
  size_t stride = 0;  // bytes of a register

  Plan(const TileProgram& program, const Engine& engine) : engine(engine) {
    check(program.outputs.size() <= kMaxOutputs, "[tile program] ", program.outputs.size(), " outputs, at most ", kMaxOutputs);
    size_t widest = 4;
    for (const DataType type : program.inputs) {
      inputs.push_back({engine.load[static_cast<size_t>(type)], static_cast<size_t>(size_of(type)), is_plain(type)});
      widest = std::max(widest, lane_size(lane_of(type)));
    }
    std::vector<std::optional<uint64_t>> constants(program.num_registers);  // what kFill has left in each register
    for (size_t i = 0; i < program.ops.size(); ++i) {
      const TileOp& op = program.ops[i];
      if (const auto rotation = rotation_at(program, i, constants)) {
        const TileOp& last = program.ops[i += 2];
        constants[last.dst].reset();
        steps.push_back({engine.rotate_left32,
                         nullptr,
                         {TileOpcode::kOr, last.lane, last.type, rotation->dst, rotation->x, rotation->x, 0, rotation->left}});
        steps.back().result_size = lane_size(last.lane);
        continue;
      }
      steps.push_back(make_step(op));
      const uint16_t operands[] = {op.a, op.b, op.c};
      for (int k = 0; k < info(op.code).operands; ++k) {
        if (constants[operands[k]] && takes_still(op.code, op.lane, k)) steps.back().still |= 1u << k;
      }
      constants[op.dst].reset();
      if (op.code == TileOpcode::kFill) constants[op.dst] = op.imm;
      widest = std::max(widest, steps.back().result_size);
    }
    for (const auto& [reg, type] : program.outputs) {
      outputs.push_back({reg, engine.store[static_cast<size_t>(type)], static_cast<size_t>(size_of(type))});
      choose_target(program, outputs.size() - 1);
    }
    stride = kTileElements * widest + kStagger;
    count = program.num_registers + size_t{1};
  }

  Step make_step(const TileOp& op) const {
    const auto code = static_cast<size_t>(op.code);
    Step made{engine.steps[code][static_cast<size_t>(op.lane)], nullptr, op, -1, false, false, false, lane_size(lane_of(op.type))};
    const StepFunction rounded = op.type == DataType::kBF16 && op.lane == Lane::kF32 ? engine.bf16_steps[code] : nullptr;
    if (rounded != nullptr) {
      made.step = rounded;
    } else if (!is_exact(op.code)) {
      made.round = engine.round[static_cast<size_t>(op.type)];
      made.two_roundings = op.code == TileOpcode::kMulAdd && made.round != nullptr;
    }
    if (made.step == nullptr) {
      fail(ErrorCategory::kUnimplemented, "[tile program] ", info(op.code).name, " has no form for ", name(op.lane),
           " lanes: ask supports() before building the program");
    }
    const int operands = info(op.code).operands;
    const size_t read_size = op.code == TileOpcode::kSelect ? 4 : lane_size(op.lane);
    const bool overwrites = (operands > 0 && op.a == op.dst) || (operands > 1 && op.b == op.dst) || (operands > 2 && op.c == op.dst);
    made.spare = overwrites && made.result_size != read_size;
    if (op.code == TileOpcode::kFill) {
      made.constant.reset(static_cast<std::byte*>(std::aligned_alloc(64, kTileElements * made.result_size)));
      if (made.constant == nullptr) throw std::bad_alloc();
      made.step({made.constant.get(), nullptr, nullptr, nullptr, kTileElements, op.type, op.imm, op.imm2, made.constant.get()});
    }
    return made;
  }

  // An output's last writer writes the array itself where nobody can tell the difference.
  void choose_target(const TileProgram& program, size_t o) {
    const auto [reg, type] = program.outputs[o];
    if (!is_plain(type)) return;
    for (size_t i = steps.size(); i-- > 0;) {
      Step& step = steps[i];
      if (step.op.dst != reg) continue;
      if (step.op.type != type || step.target >= 0 || step.constant != nullptr) return;
      step.target = static_cast<int>(o);
      step.in_place = i + 1 == steps.size() && lane_size(step.op.lane) == step.result_size && step.op.code != TileOpcode::kSelect;
      return;
    }
  }
};

TileChain::TileChain(TileProgram program) : TileChain(std::move(program), engine()) {}

TileChain::TileChain(TileProgram program, const Engine& engine)
    : program_(std::make_shared<const TileProgram>(std::move(program))), plan_(std::make_shared<const Plan>(*program_, engine)) {}

void TileChain::run(const std::byte* const* inputs, std::byte* const* outputs, size_t n, TileScratch& scratch,
                    const std::byte* const* next) const {
  check(n <= kTileElements, "[tile program] runs on at most ", kTileElements, " elements, got ", n);
  if (n == 0 || plan_ == nullptr) return;
  const Plan& p = *plan_;
  std::byte* const memory = scratch.registers(p.count * (p.stride + sizeof(std::byte*)));
  auto* const at = reinterpret_cast<std::byte**>(memory + p.count * p.stride);  // per register: its own storage, or the array in its place
  const auto own = [&](size_t reg) { return memory + reg * p.stride; };
  const auto clash = [&](size_t i, size_t o) { return overlap(inputs[i], n * p.inputs[i].size, outputs[o], n * p.outputs[o].size); };
  const bool whole = n % kLanePadding == 0;  // else steps would run over the end of the arrays

  for (size_t r = 0; r < p.count; ++r) at[r] = own(r);
  for (size_t i = 0; i < p.inputs.size(); ++i) {
    bool in_place = whole && p.inputs[i].plain;
    for (size_t o = 0; in_place && p.outputs.size() > 1 && o < p.outputs.size(); ++o) in_place = !clash(i, o);
    if (in_place) {
      at[i] = const_cast<std::byte*>(inputs[i]);  // never written: steps write registers of their own
    } else {
      p.inputs[i].load(inputs[i], at[i], n);
    }
  }
  // Each step asks the host's caches for one page of the next run.
  size_t asked = 0;
  const auto ask = [&](const std::byte* fallback) {
    while (asked < p.inputs.size() + p.outputs.size()) {
      const size_t i = asked++;
      const std::byte* page = nullptr;
      if (i >= p.inputs.size()) {
        page = outputs[i - p.inputs.size()] + n * p.outputs[i - p.inputs.size()].size;
      } else {
        page = next == nullptr ? inputs[i] + n * p.inputs[i].size : next[i];
      }
      if (page != nullptr) return page;
    }
    return fallback;
  };
  for (const Plan::Step& step : p.steps) {
    const TileOp& op = step.op;
    if (step.constant != nullptr) {
      at[op.dst] = step.constant.get();
      continue;
    }
    std::byte* dst = own(op.dst);
    if (step.target >= 0 && whole) {
      const auto o = static_cast<size_t>(step.target);
      bool free = true;
      for (size_t i = 0; free && !step.in_place && i < p.inputs.size(); ++i) free = !clash(i, o);
      if (free) dst = outputs[o];
    }
    StepArguments s{dst, at[op.a], at[op.b], at[op.c], n, op.type, op.imm, op.imm2, ask(at[op.a]), step.still};
    if (step.spare || step.two_roundings) s.dst = own(p.count - 1);
    if (step.two_roundings) {
      p.engine.steps[static_cast<size_t>(TileOpcode::kMul)][static_cast<size_t>(op.lane)](s);
      step.round(s.dst, n);
      s = {dst, s.dst, s.c, nullptr, n, op.type, 0, 0, s.ahead, step.still >> 1 & 2};
      p.engine.steps[static_cast<size_t>(TileOpcode::kAdd)][static_cast<size_t>(op.lane)](s);
    } else {
      step.step(s);
    }
    if (step.round != nullptr) step.round(s.dst, n);
    if (s.dst != dst) std::memcpy(dst, s.dst, padded(n) * step.result_size);
    at[op.dst] = dst;
  }
  for (size_t o = 0; o < p.outputs.size(); ++o) {
    const std::byte* result = at[p.outputs[o].reg];
    if (result != outputs[o]) p.outputs[o].store(result, outputs[o], n);
  }
}

}  // namespace tt::emulator
