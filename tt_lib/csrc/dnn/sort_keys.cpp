// Runs a comparator on symbols: every register holds a key of one operand, a comparison of two keys, or a lexicographic order of keys.
#include "dnn/sort_keys.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/error.hpp"

namespace tt::dnn {
namespace {

using emulator::Lane;
using emulator::TileOp;
using emulator::TileOpcode;
using emulator::TileProgram;

struct Symbol {
  enum class Kind : uint8_t {
    kUnknown,
    kZero,    // the constant 0
    kNan,     // a constant NaN
    kKey,     // an input, perhaps with zeros or NaNs unified
    kIsZero,  // input == 0
    kIsNan,   // input != input
    kOrder,   // does a come before b
    kSame,    // are the keys of a and b equal
    kTie,     // the first key is the same, and the rest is in order
  };
  Kind kind = Kind::kUnknown;
  size_t input = 0;
  bool zeros_unified = false, nans_unified = false;
  KeyOrder order;  // kOrder; kSame: one key, its direction does not matter; kTie: the key, then the rest
};
using Kind = Symbol::Kind;

bool is_sortable_float(DataType type) {
  return type == DataType::kF16 || type == DataType::kBF16 || type == DataType::kF32 || type == DataType::kF64;
}

bool is_sortable(DataType type) { return is_integer(type) || type == DataType::kPred || is_sortable_float(type); }

Symbol constant(const TileOp& op) {
  float as_float = 1;
  if (is_sortable_float(op.type)) {
    emulator::convert_elements(op.type, reinterpret_cast<const std::byte*>(&op.imm), DataType::kF32,
                               reinterpret_cast<std::byte*>(&as_float), 1);
  }
  if (as_float == 0) return {.kind = Kind::kZero, .order = {}};
  if (std::isnan(as_float)) return {.kind = Kind::kNan, .order = {}};
  return {};
}

class Interpreter {
 public:
  explicit Interpreter(const TileProgram& program) : program_(program), registers_(program.num_registers) {
    for (size_t i = 0; i < program.inputs.size(); ++i) {
      if (is_sortable(program.inputs[i])) registers_[i] = {.kind = Kind::kKey, .input = i, .order = {}};
    }
  }

  std::optional<KeyOrder> run() {
    for (const TileOp& op : program_.ops) registers_[op.dst] = evaluate(op);
    const Symbol& result = registers_[program_.outputs[0].reg];
    if (result.kind != Kind::kOrder) return std::nullopt;
    return result.order;
  }

 private:
  Symbol evaluate(const TileOp& op) {
    const Symbol &a = registers_[op.a], &b = registers_[op.b], &c = registers_[op.c];
    switch (op.code) {
      case TileOpcode::kCopy: return a;
      case TileOpcode::kFill: return constant(op);
      case TileOpcode::kSelect: return select(a, b, c);
      case TileOpcode::kLt:
      case TileOpcode::kLtTotal: return order(op, a, b);
      case TileOpcode::kGt:
      case TileOpcode::kGtTotal: return order(op, b, a);
      case TileOpcode::kEq:
      case TileOpcode::kEqTotal: return equal(op, a, b);
      case TileOpcode::kNe:
        return a.kind == Kind::kKey && same_key(a, b) ? Symbol{.kind = Kind::kIsNan, .input = a.input, .order = {}} : Symbol{};
      case TileOpcode::kAnd: return conjunction(a, b);
      case TileOpcode::kOr: return disjunction(a, b);
      default: return {};
    }
  }

  static bool same_key(const Symbol& a, const Symbol& b) { return a.kind == Kind::kKey && b.kind == Kind::kKey && a.input == b.input; }

  Symbol select(const Symbol& condition, const Symbol& yes, const Symbol& no) {
    if (no.kind == Kind::kKey && no.input == condition.input) {
      Symbol key = no;
      key.zeros_unified |= condition.kind == Kind::kIsZero && yes.kind == Kind::kZero;
      key.nans_unified |= condition.kind == Kind::kIsNan && yes.kind == Kind::kNan;
      const bool changed = key.zeros_unified != no.zeros_unified || key.nans_unified != no.nans_unified;
      return changed ? key : Symbol{};
    }
    // same ? rest : order
    if (condition.kind == Kind::kSame && no.kind == Kind::kOrder) return disjunction(no, conjunction(condition, yes));
    return {};
  }

  // `first` < `second` in the operation's order.
  Symbol order(const TileOp& op, const Symbol& first, const Symbol& second) {
    const std::optional<SortKey> key = key_of(op, first, second);
    if (!key) return {};
    Symbol result{.kind = Kind::kOrder, .order = {*key}};
    result.order[0].descending = first.input % 2 == 1;
    return result;
  }

  Symbol equal(const TileOp& op, const Symbol& a, const Symbol& b) {
    if (a.kind == Kind::kKey && b.kind == Kind::kZero) return {.kind = Kind::kIsZero, .input = a.input, .order = {}};
    if (b.kind == Kind::kKey && a.kind == Kind::kZero) return {.kind = Kind::kIsZero, .input = b.input, .order = {}};
    const std::optional<SortKey> key = key_of(op, a, b);
    if (!key) return {};
    return {.kind = Kind::kSame, .order = {*key}};
  }

  // The key that two symbols are, if they are a's and b's value of the same operand.
  std::optional<SortKey> key_of(const TileOp& op, const Symbol& a, const Symbol& b) {
    if (a.kind != Kind::kKey || b.kind != Kind::kKey || a.input / 2 != b.input / 2 || a.input == b.input) return std::nullopt;
    if (a.zeros_unified != b.zeros_unified || a.nans_unified != b.nans_unified) return std::nullopt;
    const DataType type = program_.inputs[a.input];
    if (!is_sortable_float(type)) return SortKey{a.input / 2, false, false};
    const bool total = op.code == TileOpcode::kLtTotal || op.code == TileOpcode::kGtTotal || op.code == TileOpcode::kEqTotal;
    if (total && a.zeros_unified != a.nans_unified) return std::nullopt;
    return SortKey{a.input / 2, false, !total || a.zeros_unified};
  }

  static Symbol conjunction(const Symbol& a, const Symbol& b) {
    if (a.kind == Kind::kOrder && b.kind == Kind::kSame) return conjunction(b, a);
    if (a.kind != Kind::kSame || b.kind != Kind::kOrder) return {};
    Symbol tie{.kind = Kind::kTie, .order = a.order};
    tie.order.insert(tie.order.end(), b.order.begin(), b.order.end());
    return tie;
  }

  static Symbol disjunction(const Symbol& a, const Symbol& b) {
    if (a.kind == Kind::kTie && b.kind == Kind::kOrder) return disjunction(b, a);
    if (a.kind != Kind::kOrder || b.kind != Kind::kTie || a.order.size() != 1) return {};
    if (a.order[0].operand != b.order[0].operand || a.order[0].canonical != b.order[0].canonical) return {};
    Symbol result = b;
    result.kind = Kind::kOrder;
    result.order[0] = a.order[0];
    return result;
  }

  const TileProgram& program_;
  std::vector<Symbol> registers_;
};

}  // namespace

std::optional<KeyOrder> recognise_comparator(const TileProgram& comparator) {
  if (comparator.outputs.size() != 1) return std::nullopt;
  return Interpreter(comparator).run();
}

bool is_key(const KeyOrder& order, size_t operand) {
  return std::any_of(order.begin(), order.end(), [operand](const SortKey& key) { return key.operand == operand; });
}

std::string describe(const KeyOrder& order) {
  std::string out;
  for (const SortKey& key : order) {
    out += cat(out.empty() ? "" : ", ", "operand ", key.operand, key.descending ? " descending" : " ascending",
               key.canonical ? "" : " (total)");
  }
  return out;
}

}  // namespace tt::dnn
