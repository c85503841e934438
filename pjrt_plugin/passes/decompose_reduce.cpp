// argmax and argmin of several NaNs. JAX's combination takes whichever NaN comes first in the order of the reduction, which is not that of
// the elements; as between equal values, it has to be the one with the lower index:
//   pick = (a > b | a != a) | (a == b & i < j);  select(pick, i, j)  ->  select(pick & (i < j | b == b), i, j)
#include "passes/decompose.hpp"

namespace tt::passes {
namespace {

using ir::Attr;
using ir::Block;
using ir::Op;
using ir::Operation;
using ir::Value;

const Operation* made_by(const Value* value, Op op) {
  const Operation* made = value->definer();
  return made != nullptr && made->op() == op ? made : nullptr;
}

bool compares(const Value* value, std::string_view direction, const Value* left, const Value* right) {
  const Operation* made = made_by(value, Op::kCompare);
  return made != nullptr && made->text(Attr::kComparisonDirection) == direction && made->operand(0) == left && made->operand(1) == right;
}

bool picks_first(const Block& region) {
  const auto argument = [&](size_t n) { return region.arguments()[n].get(); };
  const Value *a = argument(0), *i = argument(1), *b = argument(2), *j = argument(3);
  const Operation* index = made_by(region.terminator().operand(1), Op::kSelect);
  if (index == nullptr || index->operand(1) != i || index->operand(2) != j) return false;
  const Operation* pick = made_by(index->operand(0), Op::kOr);
  const Operation* better = pick == nullptr ? nullptr : made_by(pick->operand(0), Op::kOr);
  const Operation* ties = pick == nullptr ? nullptr : made_by(pick->operand(1), Op::kAnd);
  return better != nullptr && ties != nullptr && compares(better->operand(1), "NE", a, a) && compares(ties->operand(0), "EQ", a, b) &&
         compares(ties->operand(1), "LT", i, j);
}

}  // namespace

std::vector<Value*> first_of_nans(const Operation& operation, Builder& b) {
  if (operation.results().size() != 2 || !is_float(operation.result()->type().element) || !picks_first(operation.region())) return {};
  std::vector<Value*> operands(operation.operands().begin(), operation.operands().end());
  auto reduce = b.operation(Op::kReduce, std::move(operands), {operation.result(0)->type(), operation.result(1)->type()},
                            {{Attr::kDimensions, {operation.ints(Attr::kDimensions), {}}}});
  Block& region = reduce->add_region();
  std::vector<Value*> arguments;
  for (const auto& argument : operation.region().arguments()) arguments.push_back(region.add_argument(argument->type()));
  std::vector<Value*> results = ir::inline_block(operation.region(), arguments, region);
  Builder inside = b.within(region);
  Value *i = arguments[1], *right = arguments[2], *j = arguments[3], *pick = results[1]->definer()->operand(0);
  Value* lower = pick->definer()->operand(1)->definer()->operand(1);
  Value* kept = inside.same_type(Op::kOr, {lower, inside.compare("EQ", right, right)});
  pick = inside.same_type(Op::kAnd, {pick, kept});
  results[1] = inside.make(Op::kSelect, {pick, i, j}, i->type());
  inside.append(inside.operation(Op::kReturn, std::move(results), {}));
  const Operation& made = b.append(std::move(reduce));
  return {made.result(0), made.result(1)};
}

}  // namespace tt::passes
