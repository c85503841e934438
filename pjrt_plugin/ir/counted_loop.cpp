// Integers are followed turn by turn, as the program would compute them: with the width of their types.
#include "ir/counted_loop.hpp"

#include <algorithm>
#include <cstring>

#include "base/shape.hpp"

namespace tt::ir {
namespace {

constexpr int kDepth = 8;                         // operations between the counter and an index
constexpr int64_t kMostSteps = int64_t{1} << 20;  // that are followed

// What remains of a number in a type; none: an unsigned one that int64_t does not hold.
std::optional<int64_t> wrapped(int64_t number, DataType type) {
  const int bits = info(type).bits;
  if (bits >= 64) return is_unsigned(type) && number < 0 ? std::nullopt : std::optional(number);
  const auto kept = static_cast<uint64_t>(number) << (64 - bits);
  return is_unsigned(type) ? static_cast<int64_t>(kept >> (64 - bits)) : static_cast<int64_t>(kept) >> (64 - bits);
}

bool is_scalar_integer(const Value* value) {
  return value->type().is_tensor() && value->type().num_elements() == 1 && is_integer(value->type().element);
}

bool holds(std::string_view direction, int64_t a, int64_t b) {
  if (direction == "EQ") return a == b;
  if (direction == "NE") return a != b;
  if (direction == "LT") return a < b;
  if (direction == "LE") return a <= b;
  return direction == "GT" ? a > b : a >= b;
}

std::optional<size_t> argument_of(const Block& block, const Value* value) {
  if (value->block_of_argument() != &block) return std::nullopt;
  return static_cast<size_t>(value->index());
}

}  // namespace

std::optional<int64_t> integer_constant(const Value* value) {
  const Operation* made = value->definer();
  if (made == nullptr || made->op() != Op::kConstant || !is_scalar_integer(value)) return std::nullopt;
  const std::vector<std::byte>& bytes = *made->elements().bytes;
  const auto size = static_cast<size_t>(size_of(value->type().element));
  if (size > sizeof(int64_t) || bytes.size() < size) return std::nullopt;
  int64_t number = 0;
  std::memcpy(&number, bytes.data(), size);
  return wrapped(number, value->type().element);
}

CountedLoop::CountedLoop(const Operation& loop, const KnownInteger& known) : loop_(loop), known_(known) {
  const auto returned = loop.region(1).terminator().operands();
  next_.assign(returned.begin(), returned.end());
}

std::optional<CountedLoop> CountedLoop::of(const Operation& loop, const KnownInteger& known) {
  CountedLoop counted(loop, known);
  const Block& condition = loop.region(0);
  if (has_effect(condition)) return std::nullopt;  // which must happen in every turn
  const Operation* test = condition.terminator().operand(0)->definer();
  if (test == nullptr || test->op() != Op::kCompare || test->text(Attr::kComparisonDirection) != "LT") return std::nullopt;
  const auto i = argument_of(condition, test->operand(0));
  if (!i || !is_scalar_integer(test->operand(0))) return std::nullopt;
  const auto counter = counted.counter(*i);
  const auto limit = counted.constant(test->operand(1));
  if (!counter || !limit || counter->by <= 0) return std::nullopt;
  int64_t distance, last;
  if (__builtin_sub_overflow(*limit, counter->first, &distance)) return std::nullopt;
  counted.turns_ = distance <= 0 ? 0 : (distance - 1) / counter->by + 1;
  if (__builtin_mul_overflow(counted.turns_, counter->by, &last) || __builtin_add_overflow(last, counter->first, &last) ||
      wrapped(last, test->operand(0)->type().element) != last)
    return std::nullopt;  // it starts anew before it ends
  return counted;
}

std::optional<CountedLoop::Counter> CountedLoop::counter(size_t i) const {
  const Value* const own = loop_.region(1).arguments()[i].get();
  const Operation* next = next_[i]->definer();
  if (next == nullptr || next->op() != Op::kAdd || !is_scalar_integer(own)) return std::nullopt;
  const bool swapped = next->operand(1) == own;
  if (next->operand(swapped ? 1 : 0) != own) return std::nullopt;
  const auto first = constant(loop_.operand(i)), by = constant(next->operand(swapped ? 0 : 1));
  return first && by ? std::optional(Counter{*first, *by}) : std::nullopt;
}

// What is the same in every turn, in either region.
std::optional<int64_t> CountedLoop::constant(const Value* value) const {
  for (const auto& region : loop_.regions()) {
    const auto i = argument_of(*region, value);
    if (i && next_[*i] == loop_.region(1).arguments()[*i].get()) return constant(loop_.operand(*i));
  }
  if (const auto known = known_(value)) return known;
  return integer_constant(value);
}

std::optional<int64_t> CountedLoop::at(const Value* value, int64_t turn) const { return at(value, turn, kDepth); }

std::optional<int64_t> CountedLoop::at(const Value* value, int64_t turn, int depth) const {
  const DataType type = value->type().element;
  if (const auto known = constant(value)) return known;
  if (const auto i = argument_of(loop_.region(1), value)) {
    const auto counted = counter(*i);
    int64_t number = 0;
    if (!counted || __builtin_mul_overflow(turn, counted->by, &number) || __builtin_add_overflow(number, counted->first, &number))
      return std::nullopt;
    return wrapped(number, type);
  }
  const Operation* made = value->definer();
  if (made == nullptr || depth == 0 || (!is_scalar_integer(value) && type != DataType::kPred)) return std::nullopt;
  const auto operand = [&](size_t i) { return at(made->operand(i), turn, depth - 1); };
  switch (made->op()) {
    case Op::kReshape: return operand(0);
    case Op::kConvert: {
      const auto a = is_integer(made->operand(0)->type().element) ? operand(0) : std::nullopt;
      return a && is_integer(type) ? wrapped(*a, type) : std::nullopt;
    }
    case Op::kSelect: {
      const auto chosen = operand(0);
      return chosen ? operand(*chosen != 0 ? 1 : 2) : std::nullopt;
    }
    case Op::kAdd:
    case Op::kSubtract:
    case Op::kMultiply:
    case Op::kCompare: {
      const auto a = operand(0), b = operand(1);
      if (!a || !b) return std::nullopt;
      if (made->op() == Op::kCompare) return holds(made->text(Attr::kComparisonDirection), *a, *b);
      const auto x = static_cast<uint64_t>(*a), y = static_cast<uint64_t>(*b);
      const uint64_t result = made->op() == Op::kAdd ? x + y : made->op() == Op::kSubtract ? x - y : x * y;
      return is_integer(type) ? wrapped(static_cast<int64_t>(result), type) : std::nullopt;
    }
    default: return std::nullopt;
  }
}

bool CountedLoop::writes_all(const std::vector<Operation*>& writes) const {
  if (turns_ == 0 || writes.empty() || turns_ > kMostSteps / static_cast<int64_t>(writes.size())) return false;
  const Dims& dims = writes[0]->result()->type().dims;
  std::optional<size_t> along;  // the dimension that slices do not span
  for (const Operation* write : writes) {
    const Dims& slice = write->operand(1)->type().dims;
    for (size_t d = 0; d < dims.size(); ++d) {
      if (slice[d] == dims[d]) continue;
      if (along.value_or(d) != d) return false;
      along = d;
    }
  }
  if (!along) return true;
  std::vector<bool> written(static_cast<size_t>(dims[*along]));
  for (const Operation* write : writes) {
    const int64_t size = write->operand(1)->type().dims[*along];
    for (int64_t turn = 0; turn < turns_; ++turn) {
      const auto start = at(write->operand(2 + *along), turn);
      if (!start) return false;
      const auto from = written.begin() + std::clamp<int64_t>(*start, 0, dims[*along] - size);
      std::fill(from, from + size, true);
    }
  }
  return std::find(written.begin(), written.end(), false) == written.end();
}

void Readers::note(const Block& block) {
  for (const auto& operation : block.operations()) {
    for (const Value* operand : operation->operands()) readers_[operand].push_back(operation.get());
    for (const auto& region : operation->regions()) note(*region);
  }
}

const std::vector<Operation*>& Readers::operator()(const Value* value) const {
  static const std::vector<Operation*> kNone;
  const auto found = readers_.find(value);
  return found == readers_.end() ? kNone : found->second;
}

std::vector<Operation*> only_writes(const Operation& loop, size_t i, const Readers& condition, const Readers& body) {
  const Operation& end = loop.region(1).terminator();
  const Value* value = loop.region(1).arguments()[i].get();
  std::vector<Operation*> writes;
  if (!condition(loop.region(0).arguments()[i].get()).empty()) return {};
  while (body(value).size() == 1) {
    Operation* const reader = body(value)[0];
    if (reader == &end) return end.operand(i) == value ? writes : std::vector<Operation*>();
    const auto& here = loop.region(1).operations();
    const bool in_body = std::any_of(here.begin(), here.end(), [&](const auto& operation) { return operation.get() == reader; });
    if (!in_body || reader->op() != Op::kDynamicUpdateSlice || reader->operand(0) != value) return {};
    writes.push_back(reader);
    value = reader->result();
  }
  return {};
}

}  // namespace tt::ir
