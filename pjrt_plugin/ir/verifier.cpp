// The structure of a module: definitions before uses, numbers of operands, results and regions, terminators, calls, types of sane size.
#include <algorithm>
#include <unordered_map>
#include <unordered_set>

#include "ir/op_rules.hpp"

namespace tt::ir {
namespace {

constexpr int kMaxDepth = 128;
constexpr int64_t kMaxElements = int64_t{1} << 46;

class Verifier {
 public:
  explicit Verifier(const Module& module) : module_(module) {}

  void run() {
    for (const auto& function : module_.functions) {
      require(function->body != nullptr, "[verify] function @", function->name, " has no body");
      function_ = function.get();
      visible_.clear();
      block(*function->body, 0);
      same_types(function->body->terminator(), function->body->terminator().operands(), function->result_types);
    }
    acyclic();
  }

 private:
  void types(const Operation& op, const Type& type) {
    if (type.kind == Type::Kind::kTuple) {
      for (const Type& member : type.members) types(op, member);
      return;
    }
    int64_t elements = 1;
    for (const int64_t d : type.dims) {
      need(op, d >= 0, "a dimension of ", d, " elements in ", show(type));
      need(op, d == 0 || elements <= kMaxElements / d, show(type), " has more than 2**46 elements");
      elements *= std::max<int64_t>(d, 1);
    }
  }

  static void same_types(const Operation& op, std::span<Value* const> values, const std::vector<Type>& expected) {
    need(op, values.size() == expected.size(), values.size(), " values, expected ", expected.size());
    for (size_t i = 0; i < expected.size(); ++i) {
      need(op, values[i]->type() == expected[i], "value ", i, " is ", show(values[i]->type()), ", expected ", show(expected[i]));
    }
  }

  static void count(const Operation& op, std::string_view what, size_t have, int8_t want) {
    need(op, want < 0 || have == static_cast<size_t>(want), have, " ", what, ", expected ", int{want});
  }

  // What a block defines is visible in it and in the regions of its operations, not behind it.
  void block(const Block& block, int depth) {
    std::vector<const Value*> defined;
    const auto define = [&](const Value* value) {
      visible_.insert(value);
      defined.push_back(value);
    };
    for (const auto& argument : block.arguments()) define(argument.get());
    require(!block.operations().empty() && block.terminator().op() == Op::kReturn, "[verify] a block of @", function_->name,
            " does not end in a return");
    for (const auto& op : block.operations()) {
      operation(*op, depth);
      need(*op, (op->op() == Op::kReturn) == (op == block.operations().back()), "a return in the middle of a block");
      for (const auto& result : op->results()) define(result.get());
    }
    for (const Value* value : defined) visible_.erase(value);
  }

  void operation(const Operation& op, int depth) {
    const OpInfo& row = info(op.op());
    need(op, depth < kMaxDepth, "regions are nested deeper than ", kMaxDepth);
    count(op, "operands", op.operands().size(), row.operands);
    count(op, "results", op.results().size(), row.results);
    count(op, "regions", op.regions().size(), row.regions);
    for (size_t i = 0; i < op.operands().size(); ++i)
      need(op, visible_.contains(op.operand(i)), "operand ", i, " is used before it is defined");
    for (const auto& result : op.results()) types(op, result->type());
    if (row.op_class == OpClass::kElementwise || row.op_class == OpClass::kMovement || row.op_class == OpClass::kCompute) {
      for (const Value* operand : op.operands()) need(op, operand->type().is_tensor(), "an operand of type ", show(operand->type()));
      for (const auto& result : op.results()) need(op, result->type().is_tensor(), "a result of type ", show(result->type()));
    }
    for (const auto& region : op.regions()) block(*region, depth + 1);
    check_rules(op);
    if (op.op() == Op::kCall || op.op() == Op::kComposite) call(op);
  }

  void call(const Operation& op) {
    const Attr key = op.op() == Op::kCall ? Attr::kCallee : Attr::kDecomposition;
    const Attribute* attribute = op.find(key);
    const auto* symbol = attribute == nullptr ? nullptr : std::get_if<SymbolRef>(&attribute->value);
    need(op, symbol != nullptr, "attribute ", name(key), " names no function");
    const Function* callee = module_.find(symbol->name);
    need(op, callee != nullptr && callee->body != nullptr, "calls @", symbol->name, ", which the program does not have");
    same_types(op, op.operands(), callee->argument_types());
    need(op, op.results().size() == callee->result_types.size(), op.results().size(), " results, @", symbol->name, " returns ",
         callee->result_types.size());
    for (size_t i = 0; i < callee->result_types.size(); ++i) {
      need(op, op.result(i)->type() == callee->result_types[i], "result ", i, " is ", show(op.result(i)->type()), ", @", symbol->name,
           " returns ", show(callee->result_types[i]));
    }
    calls_[function_].push_back({callee, &op});
  }

  // Calls must come to an end: they are inlined.
  void acyclic() {
    std::unordered_set<const Function*> done, open;
    for (const auto& function : module_.functions) walk(function.get(), done, open);
  }

  void walk(const Function* function, std::unordered_set<const Function*>& done, std::unordered_set<const Function*>& open) {
    if (done.contains(function)) return;
    open.insert(function);
    for (const auto& [callee, op] : calls_[function]) {
      need(*op, !open.contains(callee), "@", callee->name, " calls itself");
      walk(callee, done, open);
    }
    open.erase(function);
    done.insert(function);
  }

  const Module& module_;
  const Function* function_ = nullptr;
  std::unordered_set<const Value*> visible_;
  std::unordered_map<const Function*, std::vector<std::pair<const Function*, const Operation*>>> calls_;
};

}  // namespace

void verify(const Module& module) { Verifier(module).run(); }

}  // namespace tt::ir
