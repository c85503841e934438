// select_and_scatter with large windows: reduce_window finds where each window's choice lies, scatter brings its source there.
//   %r = select_and_scatter %x, %s, %init by select, add
//   -> %v, %at = reduce_window %x, iota by (a, i), (b, j) -> i >= 0 && (j < 0 || select(a, b)) ? (a, i) : (b, j)
//      %r = scatter (broadcast %init), %at, %s by add            (on flat arrays; -1 is the place of no element)
#include <limits>

#include "passes/decompose.hpp"

namespace tt::passes {
namespace {

using ir::Attr;
using ir::Op;
using ir::Operation;
using ir::Type;
using ir::Value;

class SelectAndScatter {
 public:
  SelectAndScatter(const Operation& operation, Builder& builder)
      : operation_(operation),
        b_(builder),
        operand_(operation.operand(0)->type()),
        source_(operation.operand(1)->type()),
        place_(operand_.num_elements() <= std::numeric_limits<int32_t>::max() ? DataType::kS32 : DataType::kS64) {}

  Value* run() {
    const Type flat = Type::tensor(operand_.element, {operand_.num_elements()});
    Value* into = b_.broadcast(operation_.operand(2), {}, flat.dims);
    Value* at = b_.make(Op::kReshape, {chosen_places()}, Type::tensor(place_, {source_.num_elements(), 1}));
    Value* from = b_.make(Op::kReshape, {operation_.operand(1)}, Type::tensor(source_.element, {source_.num_elements()}));
    auto scatter = b_.operation(Op::kScatter, {into, at, from}, {flat},
                                {{Attr::kUpdateWindowDims, {Dims{}, {}}},
                                 {Attr::kInsertedWindowDims, {Dims{0}, {}}},
                                 {Attr::kScatterDimsToOperandDims, {Dims{0}, {}}},
                                 {Attr::kIndexVectorDim, {int64_t{1}, {}}}});
    const Type scalar = Type::tensor(operand_.element, {});
    ir::Block& region = scatter->add_region();
    Value* arguments[2] = {region.add_argument(scalar), region.add_argument(scalar)};
    Builder inside = b_.within(region);
    inside.append(inside.operation(Op::kReturn, ir::inline_block(operation_.region(1), arguments, region), {}));
    return b_.make(Op::kReshape, {b_.append(std::move(scatter)).result()}, operand_);
  }

 private:
  Value* chosen_places() {
    const Type value = Type::tensor(operand_.element, {}), place = Type::tensor(place_, {});
    const Dims flat{operand_.num_elements()};
    Value* places = b_.make(Op::kIota, {}, Type::tensor(place_, flat), {{Attr::kIotaDimension, {int64_t{0}, {}}}});
    places = b_.make(Op::kReshape, {places}, Type::tensor(place_, operand_.dims));
    Builder::Attributes window;
    for (const Attr attr : {Attr::kWindowDimensions, Attr::kWindowStrides, Attr::kPadding}) {
      if (const ir::Attribute* found = operation_.find(attr)) window.emplace_back(attr, *found);
    }
    auto reduce = b_.operation(Op::kReduceWindow, {operation_.operand(0), places, b_.constant(value, 0), b_.constant(place, -1)},
                               {source_, Type::tensor(place_, source_.dims)}, std::move(window));
    ir::Block& region = reduce->add_region();
    Value *a = region.add_argument(value), *i = region.add_argument(place), *b = region.add_argument(value),
          *j = region.add_argument(place);
    Builder inside = b_.within(region);
    Value* const pair[2] = {a, b};
    Value* none = inside.constant(place, 0);
    Value* keep = ir::inline_block(operation_.region(0), pair, region)[0];
    keep = inside.same_type(Op::kOr, {keep, inside.compare("LT", j, none)});
    keep = inside.same_type(Op::kAnd, {keep, inside.compare("GE", i, none)});
    Value* best = inside.make(Op::kSelect, {keep, a, b}, value);
    Value* best_place = inside.make(Op::kSelect, {keep, i, j}, place);
    inside.append(inside.operation(Op::kReturn, {best, best_place}, {}));
    return b_.append(std::move(reduce)).result(1);
  }

  const Operation& operation_;
  Builder& b_;
  const Type &operand_, &source_;
  DataType place_;
};

}  // namespace

std::vector<Value*> select_and_scatter(const Operation& operation, Builder& builder) {
  constexpr int64_t kMaxPositions = 64;  // windows of up to so many elements are looked at position by position
  if (volume(operation.ints(Attr::kWindowDimensions)) <= kMaxPositions) return {};
  return {SelectAndScatter(operation, builder).run()};
}

}  // namespace tt::passes
