// The names that MLIR's printer gives to values.
#include "ir/value_names.hpp"

#include <array>

#include "base/error.hpp"

namespace tt::ir {
namespace {

struct NamedResults {  // operations whose results have names of their own
  Op op;
  std::array<std::string_view, 3> names;
};
constexpr NamedResults kNamedResults[] = {
    {Op::kRngBitGenerator, {"output_state", "output"}},
    {Op::kBatchNormTraining, {"output", "batch_mean", "batch_var"}},
    {Op::kBatchNormGrad, {"grad_operand", "grad_scale", "grad_offset"}},
};

const NamedResults* named_results(Op op) {
  for (const NamedResults& row : kNamedResults) {
    if (row.op == op) return &row;
  }
  return nullptr;
}

bool is_integer_constant(const Operation& operation) {
  const DataType element = operation.result()->type().element;
  return is_integer(element) || element == DataType::kPred;
}

}  // namespace

std::string ValueNames::unique(std::string_view wanted, Counters& counters, Scope& scope) {
  const auto is_taken = [&](const std::string& name) {
    for (const Scope* at = &scope; at != nullptr; at = at->parent) {
      if (at->taken.contains(name)) return true;
    }
    return false;
  };
  std::string name(wanted);
  while (is_taken(name)) name = cat(wanted, "_", counters.conflict++);
  scope.taken.insert(name);
  return name;
}

void ValueNames::name_results(const Operation& operation, Counters& counters, Scope& scope) {
  const size_t count = operation.results().size();
  if (count == 0) return;
  if (const NamedResults* row = named_results(operation.op())) {
    for (size_t i = 0; i < count; ++i) names_[operation.result(i)] = "%" + unique(row->names[i], counters, scope);
    return;
  }
  if (operation.op() == Op::kConstant) {
    names_[operation.result()] = "%" + unique(is_integer_constant(operation) ? "c" : "cst", counters, scope);
    return;
  }
  const std::string group = cat("%", counters.value++);
  for (size_t i = 0; i < count; ++i) names_[operation.result(i)] = count == 1 ? group : cat(group, "#", i);
}

// A region's values are numbered before those of the regions inside it, which all go on from there.
void ValueNames::name_block(const Block& block, const Operation* parent, Counters counters, const Scope* outer) {
  Scope scope{outer, {}};
  const bool loop = parent != nullptr && parent->op() == Op::kWhile;
  for (const auto& argument : block.arguments()) {
    names_[argument.get()] = "%" + unique(loop ? std::string("iterArg") : cat("arg", counters.argument++), counters, scope);
  }
  for (const auto& operation : block.operations()) name_results(*operation, counters, scope);
  for (const auto& operation : block.operations()) {
    for (const auto& region : operation->regions()) name_block(*region, operation.get(), counters, &scope);
  }
}

void ValueNames::name_region(const Block& block, const Operation* parent) { name_block(block, parent, {}, nullptr); }

void ValueNames::name_operation(const Operation& operation) {
  Scope scope;
  for (const Value* operand : operation.operands()) of(operand);
  name_results(operation, loose_, scope);
  for (const auto& region : operation.regions()) name_block(*region, &operation, loose_, &scope);
}

const std::string& ValueNames::of(const Value* value) {
  const auto [at, is_new] = names_.try_emplace(value);
  if (is_new) at->second = cat("%", loose_.value++);
  return at->second;
}

std::string ValueNames::results(const Operation& operation) const {
  const size_t count = operation.results().size();
  if (count == 0) return "";
  if (named_results(operation.op()) != nullptr) {
    std::string out;
    for (const auto& result : operation.results()) out += (out.empty() ? "" : ", ") + names_.at(result.get());
    return out + " = ";
  }
  const std::string& first = names_.at(operation.result());
  return count == 1 ? first + " = " : cat(first.substr(0, first.find('#')), ":", count, " = ");
}

}  // namespace tt::ir
