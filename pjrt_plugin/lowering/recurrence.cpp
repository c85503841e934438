// What the loop returns is followed back to what it reads: arguments that change are carried, those that do not are fixed or sliced.
#include "lowering/recurrence.hpp"

#include <algorithm>
#include <unordered_map>
#include <unordered_set>

#include "dnn/program_cache.hpp"
#include "dnn/recurrence.hpp"
#include "lowering/chain.hpp"

namespace tt::lowering {
namespace {

using ir::Op;
using ir::Operation;
using ir::Value;

constexpr int64_t kMostTurns = int64_t{1} << 16;  // whose indices are followed

struct Line {  // an index in turn t: first + t * step
  int64_t first, step;
};

class Recurrence {
 public:
  Recurrence(BlockLowering& block, const Operation& loop, const ir::CountedLoop& counted)
      : block_(block), loop_(loop), body_(loop.region(1)), counted_(counted), end_(body_.terminator()), turns_(counted.turns()) {}

  bool lower() {
    const bool is_one =
        turns_ >= 2 && turns_ <= kMostTurns && !ir::has_effect(body_) && find_roots() && find_needed() && find_inputs() && find_places();
    if (!is_one) return false;
    spec_.turns = turns_;
    spec_.lanes = lanes_;
    BufferTable table(block_.builder.plan);
    int level = 0;
    const auto add = [&](const Source& source, std::vector<dnn::Operand>& operands) {
      level = std::max(level, block_.graph.level_of(Ref(source)));
      operands.push_back(table.operand(source));
    };
    for (const size_t i : carried_) add(over_lanes(block_.source(loop_.operand(i))), spec_.carried);
    for (const Value* value : fixed_) add(over_lanes(block_.source(outside(value))), spec_.fixed);
    for (size_t s = 0; s < slices_.size(); ++s) add(over_turns(*slices_[s], starts_[s]), spec_.slices);
    spec_.body = chain();
    emit(level, table);
    return true;
  }

 private:
  size_t argument(const Value* value) const { return static_cast<size_t>(value->index()); }
  bool is_argument(const Value* value) const { return value->block_of_argument() == &body_; }
  bool is_invariant(size_t i) const { return end_.operand(i) == body_.arguments()[i].get(); }
  // What turns may change; invariant arguments are what the loop starts with.
  bool is_inside(const Value* value) const {
    return is_argument(value) ? !is_invariant(argument(value)) : made_here_.contains(value->definer());
  }
  // An integer that every turn adds the same to: it is known without the loop.
  bool is_counter(size_t i) const {
    return !is_invariant(i) && loop_.operand(i)->type().dims.empty() && is_integer(loop_.operand(i)->type().element) &&
           counted_.at(body_.arguments()[i].get(), 0).has_value();
  }
  const Value* outside(const Value* value) const { return is_argument(value) ? loop_.operand(argument(value)) : value; }

  // What each result depends on: a stack on what it writes, anything else on what the body returns.
  bool find_roots() {
    for (const auto& operation : body_.operations()) {
      if (!operation->regions().empty()) return false;
      made_here_.insert(operation.get());
    }
    const ir::Readers condition(loop_.region(0)), readers(body_);
    for (size_t i = 0; i < loop_.operands().size(); ++i) {
      if (!loop_.operand(i)->type().is_tensor() || loop_.operand(i)->type().num_elements() == 0) return false;
      if (is_invariant(i) || is_counter(i)) continue;
      const std::vector<Operation*> writes = ir::only_writes(loop_, i, condition, readers);
      if (writes.size() == 1 && counted_.writes_all(writes)) {
        stacks_.push_back(i);
        writes_.push_back(writes[0]);
        needed_.insert(writes[0]->operand(1));
      } else {
        carried_.push_back(i);
        needed_.insert(end_.operand(i));
      }
    }
    return !carried_.empty() || !stacks_.empty();
  }

  static bool keeps_order(const Operation& operation) {  // the elements of its operand, or one of them everywhere
    const ir::Type &from = operation.operand(0)->type(), &to = operation.result()->type();
    if (from.num_elements() == 1 || operation.op() == Op::kReshape) return true;
    const Dims& dims = operation.ints(ir::Attr::kBroadcastDimensions);
    return from.num_elements() == to.num_elements() && std::is_sorted(dims.begin(), dims.end());
  }

  // The operations that the roots need, backwards; counters that they read become carried, which needs more.
  bool find_needed() {
    for (bool again = true; again;) {
      again = false;
      const auto& operations = body_.operations();
      for (auto at = operations.rbegin(); at != operations.rend(); ++at) {
        const Operation& operation = **at;
        const auto& results = operation.results();
        const bool is_needed = std::any_of(results.begin(), results.end(), [&](const auto& r) { return needed_.contains(r.get()); });
        if (!is_needed || operation.op() == Op::kDynamicSlice) continue;
        if (!takes(operation)) return false;
        for (const Value* value : operation.operands()) needed_.insert(value);
      }
      for (size_t i = 0; i < loop_.operands().size(); ++i) {
        const bool is_new = needed_.contains(body_.arguments()[i].get()) && !is_invariant(i) &&
                            std::find(carried_.begin(), carried_.end(), i) == carried_.end();
        if (!is_new) continue;
        if (std::find(stacks_.begin(), stacks_.end(), i) != stacks_.end()) return false;
        carried_.push_back(i);
        again |= needed_.insert(end_.operand(i)).second;
      }
    }
    return true;
  }

  static bool takes(const Operation& operation) {
    switch (operation.op()) {
      case Op::kConstant: return operation.elements().splat || operation.result()->type().num_elements() == 1;
      case Op::kReshape:
      case Op::kBroadcastInDim: return keeps_order(operation);
      default: return ir::is_elementwise(operation.op()) && tile_op(operation).has_value();
    }
  }
  static bool is_alias(const Operation& operation) {
    return operation.op() == Op::kReshape || operation.op() == Op::kBroadcastInDim ||
           (operation.op() == Op::kConvert && operation.operand(0)->type().element == operation.result()->type().element);
  }

  // Lanes, and the inputs of the chain beside what is carried.
  bool find_inputs() {
    const auto see = [&](const Value* value) {
      const int64_t elements = value->type().num_elements();
      lanes_ = std::max(lanes_, elements);
      sizes_.push_back(elements);
    };
    for (const size_t i : carried_) see(loop_.operand(i));
    for (const Operation* write : writes_) see(write->operand(1));
    std::unordered_set<const Value*> seen;
    const auto read = [&](const Value* value) {
      if (is_inside(value) || constant(value) != nullptr || !seen.insert(value).second) return;
      fixed_.push_back(value);
      see(value);
    };
    for (const auto& operation : body_.operations()) {
      if (operation->results().size() != 1 || !needed_.contains(operation->result())) continue;
      see(operation->result());
      if (operation->op() == Op::kDynamicSlice) {
        const Value* const base = operation->operand(0);
        if (is_inside(base)) return false;
        slices_.push_back(operation.get());
      } else {
        for (const Value* value : operation->operands()) read(value);
      }
    }
    for (const size_t i : carried_) read(end_.operand(i));
    for (const Operation* write : writes_) read(write->operand(1));
    return std::all_of(sizes_.begin(), sizes_.end(), [&](int64_t size) { return size == 1 || size == lanes_; }) &&
           3 * carried_.size() + fixed_.size() + slices_.size() + stacks_.size() <= dnn::kMaxRecurrenceBuffers;
  }

  // What is the same in every turn and known without running anything; null: it is no such constant.
  const Splat* constant(const Value* value) const { return std::get_if<Splat>(&block_.ref(outside(value))); }

  Source over_lanes(const Source& source) const {
    if (source.map.size() == lanes_) return source;
    Source everywhere = source;  // its dimensions have one element
    everywhere.map.dims.push_back({lanes_, 0});
    return everywhere;
  }

  std::optional<Line> line(const Value* index, int64_t most) const {
    const auto first = counted_.at(index, 0), second = counted_.at(index, 1);
    if (!first || !second) return std::nullopt;
    const Line line{*first, *second - *first};
    for (int64_t turn = 0; turn < turns_; ++turn) {
      const auto at = counted_.at(index, turn);
      if (!at || *at != line.first + turn * line.step || *at < 0 || *at > most) return std::nullopt;
    }
    return line;
  }

  // Where slices and what is stacked lie in every turn.
  bool find_places() {
    const auto lines = [&](const Operation& operation, size_t indices, const Dims& dims, const Dims& size) {
      std::vector<Line> starts;
      for (size_t d = 0; d < dims.size(); ++d) {
        const std::optional<Line> start = line(operation.operand(indices + d), dims[d] - size[d]);
        if (!start) return std::vector<Line>();
        starts.push_back(*start);
      }
      return starts;
    };
    for (const Operation* slice : slices_) {
      starts_.push_back(lines(*slice, 1, slice->operand(0)->type().dims, slice->result()->type().dims));
      if (starts_.back().empty()) return false;
    }
    for (const Operation* write : writes_) {
      const Dims &dims = write->operand(0)->type().dims, &size = write->operand(1)->type().dims, strides = row_major_strides(dims);
      const std::vector<Line> starts = lines(*write, 2, dims, size);
      if (starts.empty()) return false;
      AccessMap& map = maps_.emplace_back();
      map.dims.push_back({turns_, 0});
      for (size_t d = 0; d < dims.size(); ++d) {
        map.offset += starts[d].first * strides[d];
        map.dims[0].stride += starts[d].step * strides[d];
        map.dims.push_back({size[d], strides[d]});
      }
    }
    return true;
  }

  // A slice in every turn: over [turns, lanes].
  Source over_turns(const Operation& slice, const std::vector<Line>& starts) const {
    const Value* const base = outside(slice.operand(0));
    const Dims &dims = base->type().dims, &size = slice.result()->type().dims;
    Source source = block_.source(base);
    if (source.map.is_padded()) source = Source::dense(block_.dense(base), base->type().element, dims);
    AccessMap map{{{turns_, 0}}, source.map.offset};
    for (size_t d = 0; d < dims.size(); ++d) {
      const int64_t stride = source.map.dims[d].stride;
      map.offset += starts[d].first * stride;
      map.dims[0].stride += starts[d].step * stride;
      map.dims.push_back({size[d], stride});
    }
    source.map = std::move(map);
    if (slice.result()->type().num_elements() != lanes_) source.map.dims.push_back({lanes_, 0});
    return source;
  }

  emulator::TileProgram chain() {
    ChainBuilder chain;
    std::unordered_map<const Value*, uint16_t> registers;
    for (const size_t i : carried_) registers[body_.arguments()[i].get()] = chain.input(loop_.operand(i)->type().element);
    for (const Value* value : fixed_) registers[value] = chain.input(value->type().element);
    for (const Operation* slice : slices_) registers[slice->result()] = chain.input(slice->result()->type().element);
    const auto reg = [&](const Value* value) {
      if (const auto found = registers.find(value); found != registers.end()) return found->second;
      return registers[value] = fill(chain, *constant(value));
    };
    for (const auto& operation : body_.operations()) {
      if (operation->results().size() != 1 || !needed_.contains(operation->result()) || operation->op() == Op::kDynamicSlice) continue;
      std::vector<uint16_t> operands;
      for (const Value* value : operation->operands()) operands.push_back(reg(value));
      registers[operation->result()] = operation->op() == Op::kConstant ? fill(chain, splat_of(operation->elements()))
                                       : is_alias(*operation)           ? operands[0]
                                                                        : chain.apply(*tile_op(*operation), operands);
    }
    for (const size_t i : carried_) chain.output(reg(end_.operand(i)), loop_.operand(i)->type().element);
    for (const Operation* write : writes_) chain.output(reg(write->operand(1)), write->operand(1)->type().element);
    return chain.finish();
  }

  void emit(int level, BufferTable& table) {
    std::vector<StorageId> outputs;
    const auto output = [&](size_t i) {
      outputs.push_back(block_.new_result(loop_.result(i), level));
      spec_.output_bytes.push_back(block_.builder.plan.storages[outputs.back()].bytes);
      return outputs.size() - 1;
    };
    for (size_t c = 0; c < carried_.size(); ++c) {
      const ir::Type& type = loop_.operand(carried_[c])->type();
      spec_.finals.push_back({c, dense_result(output(carried_[c]), type.element, type.dims)});
    }
    for (size_t s = 0; s < stacks_.size(); ++s) {
      const DataType type = loop_.operand(stacks_[s])->type().element;
      spec_.stacks.push_back({output(stacks_[s]), type, maps_[s], {}});
    }
    for (size_t i = 0; i < loop_.operands().size(); ++i) {
      if (is_invariant(i)) block_.set(loop_.result(i), block_.ref(loop_.operand(i)));
      if (!is_counter(i) || std::find(carried_.begin(), carried_.end(), i) != carried_.end()) continue;
      const auto number = counted_.at(body_.arguments()[i].get(), turns_);
      Splat splat{loop_.operand(i)->type().element, {}};
      emulator::convert_elements(DataType::kS64, reinterpret_cast<const std::byte*>(&*number), splat.type, splat.bits.data(), 1);
      block_.set(loop_.result(i), splat);
    }
    spec_.input_bytes = table.bytes();
    std::vector<StorageId> slots = table.storages();
    slots.insert(slots.end(), outputs.begin(), outputs.end());
    block_.run_at(level, dnn::recurrence(spec_, block_.builder.chip), std::move(slots));
  }

  BlockLowering& block_;
  const Operation& loop_;
  const ir::Block& body_;
  const ir::CountedLoop& counted_;
  const Operation& end_;
  const int64_t turns_;
  int64_t lanes_ = 1;
  std::unordered_set<const Operation*> made_here_;
  std::unordered_set<const Value*> needed_;
  std::vector<size_t> carried_, stacks_;  // arguments
  std::vector<const Operation*> writes_;  // of the stacks
  std::vector<AccessMap> maps_;           // of these
  std::vector<const Value*> fixed_;
  std::vector<const Operation*> slices_;
  std::vector<std::vector<Line>> starts_;  // of these, in each dimension
  std::vector<int64_t> sizes_;
  dnn::RecurrenceSpec spec_;
};

}  // namespace

bool lower_recurrence(BlockLowering& block, const ir::Operation& loop, const ir::CountedLoop& counted) {
  return Recurrence(block, loop, counted).lower();
}

}  // namespace tt::lowering
