// Operations, blocks and modules: construction, typed attribute access, copying.
#include "ir/ir.hpp"

#include <algorithm>
#include <unordered_map>

#include "base/error.hpp"

namespace tt::ir {

const Location& Value::location() const { return definer_ != nullptr ? definer_->location() : *location_; }

Value* Block::add_argument(Type type, const Location& location) {
  arguments_.push_back(std::make_unique<Value>(std::move(type), this, static_cast<int>(arguments_.size()), location));
  return arguments_.back().get();
}

Operation* Block::append(std::unique_ptr<Operation> operation) {
  operations_.push_back(std::move(operation));
  return operations_.back().get();
}

Operation::Operation(Op op, std::vector<Value*> operands, std::vector<Type> result_types, const Location& location)
    : op_(op), operands_(std::move(operands)), location_(&location) {
  for (size_t i = 0; i < result_types.size(); ++i) {
    results_.push_back(std::make_unique<Value>(std::move(result_types[i]), this, static_cast<int>(i)));
  }
}

const Attribute* Operation::find(Attr key) const {
  const auto found = std::find_if(attributes_.begin(), attributes_.end(), [&](const auto& entry) { return entry.first == key; });
  return found == attributes_.end() ? nullptr : &found->second;
}

void Operation::set(Attr key, Attribute value) {
  const auto found = std::find_if(attributes_.begin(), attributes_.end(), [&](const auto& entry) { return entry.first == key; });
  if (found == attributes_.end()) {
    attributes_.emplace_back(key, std::move(value));
  } else {
    found->second = std::move(value);
  }
}

namespace {

template <class T>
const T& get(const Operation& operation, Attr key) {
  const Attribute* attribute = operation.find(key);
  const T* value = attribute == nullptr ? nullptr : std::get_if<T>(&attribute->value);
  if (value == nullptr) {
    fail(ErrorCategory::kInternal, "[stablehlo.", name(operation.op()), "] attribute ", name(key),
         attribute == nullptr ? " is absent" : " is of another kind");
  }
  return *value;
}

}  // namespace

const Dims& Operation::ints(Attr key) const { return get<Dims>(*this, key); }
int64_t Operation::integer(Attr key) const { return get<int64_t>(*this, key); }
double Operation::real(Attr key) const { return get<double>(*this, key); }
bool Operation::flag(Attr key) const { return find(key) != nullptr && get<bool>(*this, key); }
const std::string& Operation::text(Attr key) const { return get<std::string>(*this, key); }
const DenseElements& Operation::elements(Attr key) const { return get<DenseElements>(*this, key); }
const std::string& Operation::symbol(Attr key) const { return get<SymbolRef>(*this, key).name; }

Block& Operation::add_region() {
  regions_.push_back(std::make_unique<Block>());
  return *regions_.back();
}

std::vector<Type> Function::argument_types() const {
  std::vector<Type> types;
  for (const auto& argument : body->arguments()) types.push_back(argument->type());
  return types;
}

Function* Module::find(std::string_view function) const {
  const auto found = std::find_if(functions.begin(), functions.end(), [&](const auto& f) { return f->name == function; });
  return found == functions.end() ? nullptr : found->get();
}

Function& Module::main() const {
  Function* function = find("main");
  require(function != nullptr, "[module] has no function main");
  return *function;
}

namespace {

using ValueMap = std::unordered_map<const Value*, Value*>;

Value* mapped(const ValueMap& map, Value* value) {
  const auto found = map.find(value);
  return found == map.end() ? value : found->second;  // defined outside of what is copied
}

void copy_block(const Block& from, Block& to, ValueMap& map);

std::unique_ptr<Operation> copy_operation(const Operation& from, ValueMap& map) {
  std::vector<Value*> operands;
  for (Value* value : from.operands()) operands.push_back(mapped(map, value));
  std::vector<Type> types;
  for (const auto& result : from.results()) types.push_back(result->type());
  auto copy = std::make_unique<Operation>(from.op(), std::move(operands), std::move(types), from.location());
  for (const auto& [key, value] : from.attributes()) copy->set(key, value);
  copy->discardable() = from.discardable();
  for (const auto& region : from.regions()) copy_block(*region, copy->add_region(), map);
  for (size_t i = 0; i < from.results().size(); ++i) map[from.result(i)] = copy->result(i);
  return copy;
}

void copy_block(const Block& from, Block& to, ValueMap& map) {
  for (const auto& argument : from.arguments()) map[argument.get()] = to.add_argument(argument->type(), argument->location());
  for (const auto& operation : from.operations()) to.append(copy_operation(*operation, map));
}

}  // namespace

int64_t num_partitions(const Module& module) {
  for (const auto& [name, attribute] : module.attributes) {
    const auto* number = std::get_if<int64_t>(&attribute.value);
    if (name == "mhlo.num_partitions" && number != nullptr) return *number;
  }
  return 1;
}

bool is_placement(const Operation& operation) {
  return operation.op() == Op::kCustomCall && operation.text(Attr::kCallTargetName) == kPlacementTarget;
}

bool has_effect(const Operation& operation) {
  if (is_placement(operation)) return false;  // JAX says that it has one, so that XLA does not lose it
  if (info(operation.op()).op_class == OpClass::kEffect) return true;
  if (operation.op() == Op::kCustomCall && operation.flag(Attr::kHasSideEffect)) return true;
  return std::any_of(operation.regions().begin(), operation.regions().end(), [](const auto& region) { return has_effect(*region); });
}

bool has_effect(const Block& block) {
  return std::any_of(block.operations().begin(), block.operations().end(), [](const auto& operation) { return has_effect(*operation); });
}

std::vector<Value*> inline_block(const Block& from, std::span<Value* const> arguments, Block& to) {
  ValueMap map;
  for (size_t i = 0; i < arguments.size(); ++i) map[from.arguments()[i].get()] = arguments[i];
  const auto& operations = from.operations();
  for (size_t i = 0; i + 1 < operations.size(); ++i) to.append(copy_operation(*operations[i], map));
  std::vector<Value*> returned;
  for (Value* value : from.terminator().operands()) returned.push_back(mapped(map, value));
  return returned;
}

}  // namespace tt::ir
