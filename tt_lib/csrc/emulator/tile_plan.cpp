// One walk makes values of registers and joins operations, a second one gives them slots in order.
#include "emulator/tile_plan.hpp"

#include <algorithm>
#include <new>
#include <optional>

#include "base/error.hpp"

namespace tt::emulator {
namespace {

constexpr size_t kStagger = 1024;  // slots start at different places of a 4 KiB page: equal low address bits look like conflicts
constexpr size_t kMaxOutputs = 64;
constexpr size_t kNone = SIZE_MAX;

// An array of this type looks like a register.
bool is_plain(DataType type) { return type != DataType::kPred && static_cast<size_t>(size_of(type)) == lane_size(lane_of(type)); }

// Whether a step reads a constant operand by its first elements: those of floats do that go vector by vector, those of integers take the
// second so.
bool takes_still(TileOpcode code, Lane lane, size_t operand) {
  if (code == TileOpcode::kSelect) return operand > 0;
  if (code < TileOpcode::kAdd || code == TileOpcode::kComplex) return false;
  switch (lane) {
    case Lane::kC64:
    case Lane::kC128: return false;
    case Lane::kF32:
    case Lane::kF64: return code != TileOpcode::kRem && code != TileOpcode::kPow && code != TileOpcode::kAtan2;
    default: return operand == 1 && info(code).operands == 2;
  }
}

bool commutes(TileOpcode code) {
  using enum TileOpcode;
  return code == kAdd || code == kMul || code == kAnd || code == kOr || code == kXor;
}

class Planner {
 public:
  Planner(const TileProgram& program, const Engine& engine, uint64_t still, TilePlan& plan) : engine_(engine), plan_(plan) {
    read(program, still);
    for_each_live([&](Node& node) {
      join_shifts(node);
      join_rotation(node);
    });
    for_each_live([&](Node& node) { join_rounds(node); });
    for_each_live([&](Node& node) { join_pair(node); });
    place();
    for (size_t o = 0; o < program.outputs.size(); ++o) {
      const auto& [reg, type] = program.outputs[o];
      need_all(results_[o]);
      plan_.outputs.push_back({ref_of(results_[o]), engine.store[static_cast<size_t>(type)], static_cast<size_t>(size_of(type))});
    }
  }

 private:
  struct Value {
    size_t size;           // bytes of an element in a register
    size_t maker = kNone;  // the node; none: an input or a constant
    size_t uses = 0;
    std::optional<uint64_t> constant = {};  // its bits
    size_t home = 0;                        // input, slot, constant or target, by `kind`
    enum class Kind { kInput, kSlot, kConstant, kTarget } kind = Kind::kSlot;
  };
  struct Node {
    StepFunction step;
    RoundFunction round;
    TileOpcode code;
    Lane lane;
    DataType type;
    uint64_t imm, imm2;
    std::vector<size_t> operands;  // values
    size_t result;
    bool rotates = false;   // its only operand, by imm
    bool joined = false;    // of two operations; takes every constant as such
    bool mixes = false;     // rotates the first operand by imm, exclusive or with the second
    size_t second = kNone;  // another result
  };

  template <class F>
  void for_each_live(F visit) {
    for (Node& node : nodes_) {
      if (is_live(node)) visit(node);
    }
  }
  bool is_live(const Node& node) const {
    const auto reads = [&](size_t v) { return v != kNone && &nodes_[values_[v].maker] == &node && values_[v].uses > 0; };
    return reads(node.result) || reads(node.second);
  }

  size_t new_value(Value value) {
    values_.push_back(value);
    return values_.size() - 1;
  }

  void read(const TileProgram& program, uint64_t still) {
    std::vector<size_t> in(program.num_registers, kNone);
    for (size_t i = 0; i < program.inputs.size(); ++i) {
      const DataType type = program.inputs[i];
      const bool is_still = i < 64 && (still >> i & 1) != 0;
      plan_.inputs.push_back({engine_.load[static_cast<size_t>(type)], static_cast<size_t>(size_of(type)), lane_size(lane_of(type)),
                              is_plain(type), is_still, /*spread=*/false});
      in[i] = new_value({.size = plan_.inputs[i].lane, .home = i, .kind = Value::Kind::kInput});
      widest_ = std::max(widest_, plan_.inputs[i].lane);
    }
    for (const TileOp& op : program.ops) {
      widest_ = std::max(widest_, lane_size(lane_of(op.type)));
      if (op.code == TileOpcode::kFill) {
        in[op.dst] = constant(op);
        continue;
      }
      std::vector<size_t> operands;
      const uint16_t registers[] = {op.a, op.b, op.c};
      for (int k = 0; k < info(op.code).operands; ++k) operands.push_back(in[registers[k]]);
      in[op.dst] = add(op, std::move(operands));
    }
    for (const auto& [reg, type] : program.outputs) {
      results_.push_back(in[reg]);
      ++values_[in[reg]].uses;
    }
    choose_targets(program);
    for (const Node& node : nodes_) {  // what nobody reads from the start
      if (values_[node.result].uses == 0) values_[node.result].uses = 1, drop(node.result);
    }
  }

  size_t constant(const TileOp& op) {
    const size_t size = lane_size(lane_of(op.type));
    auto* memory = static_cast<std::byte*>(std::aligned_alloc(64, kTileElements * size));
    if (memory == nullptr) throw std::bad_alloc();
    plan_.constants.emplace_back(memory);
    find_step(op)({memory, nullptr, nullptr, nullptr, kTileElements, op.type, op.imm, op.imm2, memory});
    return new_value({.size = size, .constant = op.imm, .home = plan_.constants.size() - 1, .kind = Value::Kind::kConstant});
  }

  StepFunction find_step(const TileOp& op) const {
    const StepFunction step = engine_.steps[static_cast<size_t>(op.code)][static_cast<size_t>(op.lane)];
    if (step == nullptr) {
      fail(ErrorCategory::kUnimplemented, "[tile program] ", info(op.code).name, " has no form for ", name(op.lane),
           " lanes: ask supports() before building the program");
    }
    return step;
  }

  size_t add(const TileOp& op, std::vector<size_t> operands) {
    const StepFunction rounded =
        op.type == DataType::kBF16 && op.lane == Lane::kF32 ? engine_.bf16_steps[static_cast<size_t>(op.code)] : nullptr;
    const RoundFunction round = rounded != nullptr || is_exact(op.code) ? nullptr : engine_.round[static_cast<size_t>(op.type)];
    if (op.code == TileOpcode::kMulAdd && round != nullptr) {  // both of its results are rounded
      TileOp product = op, sum = op;
      product.code = TileOpcode::kMul;
      sum.code = TileOpcode::kAdd;
      return add(sum, {add(product, {operands[0], operands[1]}), operands[2]});
    }
    const bool integers = op.lane == Lane::kS32 || op.lane == Lane::kU32 || op.lane == Lane::kS64 || op.lane == Lane::kU64;
    if (integers && commutes(op.code) && values_[operands[0]].constant) std::swap(operands[0], operands[1]);
    for (const size_t operand : operands) ++values_[operand].uses;
    const size_t result = new_value({.size = lane_size(lane_of(op.type)), .maker = nodes_.size()});
    nodes_.push_back(
        {rounded != nullptr ? rounded : find_step(op), round, op.code, op.lane, op.type, op.imm, op.imm2, std::move(operands), result});
    return result;
  }

  Node* maker(size_t value) { return values_[value].maker == kNone ? nullptr : &nodes_[values_[value].maker]; }
  // One reader less; what nobody reads any more is gone.
  void drop(size_t value) {
    if (--values_[value].uses > 0 || values_[value].maker == kNone) return;
    const Node& node = nodes_[values_[value].maker];
    if (is_live(node)) return;  // for its other result
    for (const size_t operand : node.operands) drop(operand);
  }

  // x << k | x >> (32 - k) is one step of the host.
  void join_shifts(Node& node) {
    if (node.code != TileOpcode::kOr || node.type != DataType::kU32) return;
    const Node *left = maker(node.operands[0]), *right = maker(node.operands[1]);
    if (left == nullptr || right == nullptr) return;
    if (left->code == TileOpcode::kShrL) std::swap(left, right);
    if (left->code != TileOpcode::kShl || right->code != TileOpcode::kShrL || left->operands[0] != right->operands[0]) return;
    if (left->type != DataType::kU32 || right->type != DataType::kU32) return;
    const auto &k = values_[left->operands[1]].constant, &rest = values_[right->operands[1]].constant;
    if (!k || !rest || *k == 0 || *k >= 32 || *k + *rest != 32) return;
    const size_t x = left->operands[0];
    ++values_[x].uses;
    for (const size_t operand : node.operands) drop(operand);
    node.step = engine_.rotate_left32;
    node.operands = {x};
    node.imm = *k;
    node.rotates = true;
  }

  void join_rotation(Node& node) {
    if (node.code != TileOpcode::kXor || node.type != DataType::kU32 || node.joined) return;
    for (size_t k = 0; k < 2; ++k) {
      const Node* rotation = maker(node.operands[k]);
      if (rotation == nullptr || !rotation->rotates || values_[rotation->result].uses != 1) continue;
      join(node, k, *rotation, engine_.rotate_left32_xor);
      node.mixes = true;
      return;
    }
  }

  // Four rounds of Threefry between two injections of its key: sum += word, word = rotated word ^ sum.
  void join_rounds(Node& node) {
    constexpr int kRounds = 4;
    constexpr size_t kWindow = 64;  // operations among which the rounds lie
    uint64_t rotations = 0;
    const auto last = static_cast<size_t>(&node - nodes_.data());
    const Node* mix = &node;
    Node *first_sum = nullptr, *last_sum = nullptr;
    for (int round = kRounds - 1; round >= 0; --round) {
      if (mix == nullptr || !mix->mixes) return;
      const size_t word = mix->operands[0], sum = mix->operands[1];
      Node* add = maker(sum);
      if (add == nullptr || add->code != TileOpcode::kAdd || add->type != DataType::kU32 || add->joined || add->second != kNone) return;
      if (add->operands[1] != word) std::swap(add->operands[0], add->operands[1]);
      if (add->operands[1] != word || is_still(word) || is_still(add->operands[0])) return;
      if (last_sum == nullptr) last_sum = add;
      const bool inner = round < kRounds - 1;
      if (inner && (values_[sum].uses != 2 || values_[mix->result].uses != 2)) return;
      rotations |= mix->imm << (8 * round);
      first_sum = add;
      if (round == 0) break;
      mix = maker(word);
      if (mix != nullptr && mix->mixes && mix->operands[1] != add->operands[0]) return;  // of another sum
    }
    const auto summed = static_cast<size_t>(last_sum - nodes_.data());
    if (last - summed > kWindow) return;
    for (size_t n = summed + 1; n < last; ++n) {  // nobody may read the sum before it is made
      for (const size_t operand : nodes_[n].operands) {
        if (operand == last_sum->result && is_live(nodes_[n])) return;
      }
    }
    const std::vector<size_t> operands = {first_sum->operands[1], first_sum->operands[0]}, before = node.operands;
    const size_t sum = last_sum->result;
    for (const size_t operand : operands) ++values_[operand].uses;
    ++values_[sum].uses;  // stays
    for (const size_t operand : before) drop(operand);
    for (const size_t operand : last_sum->operands) drop(operand);
    --values_[sum].uses;
    last_sum->operands.clear();
    values_[sum].maker = last;
    node.second = sum;
    node.operands = operands;
    node.imm = rotations;
    node.step = engine_.rotate_rounds;
    node.joined = true;
    node.mixes = false;
  }

  void join_pair(Node& node) {
    if (node.joined || node.rotates || node.round != nullptr || info(node.code).operands != 2) return;
    for (size_t k = 0; k < 2; ++k) {
      const Node* first = maker(node.operands[k]);
      if (first == nullptr || first->joined || first->rotates || first->round != nullptr || values_[first->result].uses != 1) continue;
      if (first->operands.size() != 2 || first->lane != node.lane || first->type != node.type) continue;
      const StepFunction step = engine_.joined(node.lane, node.type, first->code, node.code, k == 1);
      if (step != nullptr) return join(node, k, *first, step);
    }
  }

  // The node takes the operands of the one that makes its operand k.
  void join(Node& node, size_t k, const Node& first, StepFunction step) {
    std::vector<size_t> operands = first.operands;
    operands.push_back(node.operands[1 - k]);
    for (const size_t operand : first.operands) ++values_[operand].uses;
    drop(first.result);
    node.operands = std::move(operands);
    node.imm = first.imm;
    node.step = step;
    node.joined = true;
  }

  // An output may give its array to the step that makes its value.
  void choose_targets(const TileProgram& program) {
    target_of_.assign(nodes_.size(), -1);
    for (size_t o = 0; o < results_.size(); ++o) {
      const size_t made_by = values_[results_[o]].maker;
      const DataType type = program.outputs[o].type;
      if (made_by == kNone || !is_plain(type) || nodes_[made_by].type != type || target_of_[made_by] >= 0) continue;
      target_of_[made_by] = static_cast<int>(o);
    }
  }

  // Slots are given back with the last use, and the last one given back is taken first.
  void place() {
    std::vector<bool> live(nodes_.size(), false);
    std::vector<size_t> last(values_.size(), kNone);  // the node that reads a value last
    size_t final_node = 0;
    for (size_t n = nodes_.size(); n-- > 0;) {
      live[n] = is_live(nodes_[n]);
      if (!live[n]) continue;
      final_node = std::max(final_node, n);
      for (const size_t operand : nodes_[n].operands) {
        if (last[operand] == kNone) last[operand] = n;
      }
    }
    for (const size_t result : results_) last[result] = nodes_.size();
    plan_.slots = plan_.inputs.size();
    plan_.stride = kTileElements * widest_ + kStagger;
    for (size_t n = 0; n < nodes_.size(); ++n) {
      if (live[n]) emit(n, last, n == final_node);
    }
    for (TilePlan::Step& step : plan_.steps) {  // they name values: the table's order is known only now
      for (TilePlan::Ref& ref : step.operands) ref = ref_of(ref);
      step.dst = ref_of(step.dst);
      step.second = ref_of(step.second);
    }
  }

  void emit(size_t n, const std::vector<size_t>& last, bool is_final) {
    const Node& node = nodes_[n];
    const size_t size = values_[node.result].size;
    const bool same_width = size == lane_size(node.lane) && (node.code != TileOpcode::kSelect || size == 4);
    const auto give_back = [&] {
      for (size_t k = 0; k < node.operands.size(); ++k) {
        const size_t v = node.operands[k];
        if (last[v] != n || std::find(node.operands.begin(), node.operands.begin() + static_cast<int64_t>(k), v) !=
                                node.operands.begin() + static_cast<int64_t>(k))
          continue;
        const Value& value = values_[v];
        if (value.kind == Value::Kind::kSlot) free_.push_back(value.home);
        // The line of a still input is read to the end of the step.
        const bool loaded = value.kind == Value::Kind::kInput && !plan_.inputs[value.home].plain && !plan_.inputs[value.home].still;
        if (loaded) free_.push_back(value.home);
      }
    };
    if (same_width) give_back();
    const size_t slot = take_slot();
    if (node.second != kNone) values_[node.second].home = take_slot();
    if (!same_width) give_back();
    Value& result = values_[node.result];
    result.home = slot;
    if (target_of_[n] >= 0) {
      plan_.targets.push_back(static_cast<TilePlan::Ref>(slot));
      result.home = plan_.targets.size() - 1;
      result.kind = Value::Kind::kTarget;
    }
    TilePlan::Step step{node.step,
                        node.round,
                        {},
                        handle(node.result),
                        node.type,
                        node.imm,
                        node.imm2,
                        0,
                        target_of_[n],
                        false,
                        node.second != kNone,
                        handle(node.second != kNone ? node.second : node.result),
                        {},
                        static_cast<uint8_t>(size),
                        node.joined && node.operands.size() == 3};
    step.in_place = is_final && same_width;
    for (size_t k = 0; k < 3; ++k) {
      const size_t operand = node.operands[std::min(k, node.operands.size() - 1)];
      step.operands[k] = handle(operand);
      step.pitch[k] = static_cast<uint8_t>(values_[operand].size);
    }
    for (size_t k = 0; k < node.operands.size(); ++k) {
      if (!is_still(node.operands[k])) continue;
      if (node.joined || takes_still(node.code, node.lane, k)) {
        step.still |= 1u << k;
        step.pitch[k] = 0;
      } else {
        need_all(node.operands[k]);
      }
    }
    plan_.steps.push_back(step);
  }

  size_t take_slot() {
    if (free_.empty()) return plan_.slots++;
    const size_t slot = free_.back();
    free_.pop_back();
    return slot;
  }

  bool is_still(size_t v) const {
    return values_[v].constant.has_value() || (values_[v].kind == Value::Kind::kInput && plan_.inputs[values_[v].home].still);
  }
  void need_all(size_t v) {
    if (values_[v].kind == Value::Kind::kInput) plan_.inputs[values_[v].home].spread = plan_.inputs[values_[v].home].still;
  }

  static TilePlan::Ref handle(size_t value) { return static_cast<TilePlan::Ref>(value); }
  TilePlan::Ref ref_of(size_t v) const {
    const Value& value = values_[v];
    switch (value.kind) {
      case Value::Kind::kInput: return static_cast<TilePlan::Ref>(value.home);
      case Value::Kind::kSlot: return static_cast<TilePlan::Ref>(plan_.first_slot() + value.home);
      case Value::Kind::kConstant: return static_cast<TilePlan::Ref>(plan_.first_constant() + value.home);
      case Value::Kind::kTarget: return static_cast<TilePlan::Ref>(plan_.first_target() + value.home);
    }
    return 0;
  }

  const Engine& engine_;
  TilePlan& plan_;
  size_t widest_ = 4;
  std::vector<Value> values_;
  std::vector<Node> nodes_;
  std::vector<size_t> results_;  // values
  std::vector<int> target_of_;   // per node: the output, or -1
  std::vector<size_t> free_;     // slots
};

void verify(const TileProgram& program) {
  std::vector<bool> written(program.num_registers);
  require(program.inputs.size() <= written.size(), "[tile program] ", program.inputs.size(), " inputs, but ", written.size(), " registers");
  std::fill_n(written.begin(), program.inputs.size(), true);
  const auto read = [&](uint16_t reg, size_t step, std::string_view who) {
    require(reg < written.size() && written[reg], "[tile program] step ", step, ", ", who, ", reads register ", reg,
            ", which nothing has written");
  };
  for (size_t i = 0; i < program.ops.size(); ++i) {
    const TileOp& op = program.ops[i];
    const TileOpcodeInfo& row = info(op.code);
    const uint16_t operands[] = {op.a, op.b, op.c};
    for (int8_t k = 0; k < row.operands; ++k) read(operands[k], i, row.name);
    require(op.dst < written.size(), "[tile program] step ", i, ", ", row.name, ", writes register ", op.dst, ", there are ",
            written.size());
    written[op.dst] = true;
  }
  for (const TileProgram::Output& output : program.outputs) read(output.reg, program.ops.size(), "an output");
}

}  // namespace

TilePlan::TilePlan(const TileProgram& program, const Engine& engine, uint64_t still) {
  verify(program);
  check(program.outputs.size() <= kMaxOutputs, "[tile program] ", program.outputs.size(), " outputs, at most ", kMaxOutputs);
  Planner(program, engine, still, *this);
}

}  // namespace tt::emulator
