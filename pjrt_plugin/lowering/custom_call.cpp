// Custom calls of users' own kernel programs: jax.ffi.ffi_call of a target that they registered.
#include "metal/custom_call.hpp"

#include <algorithm>

#include "base/error.hpp"
#include "ir/attribute_text.hpp"
#include "lowering/block.hpp"

namespace tt::lowering {
namespace {

using ir::Attr;
using Kind = metal::CustomCall::Attribute;

constexpr std::string_view kTypedConfig = "mhlo.backend_config";

[[noreturn]] void refuse_kind(const std::string& target, const std::string& name, const ir::Attribute& value) {
  fail(ErrorCategory::kInvalidArgument, "[", target, "] attribute \"", name, "\" is ", ir::to_string(value),
       ", expected a flag, a number, text, a list or array of real numbers, or a dict of these");
}

std::optional<Kind> array_of(const ir::DenseElements& elements) {
  const DataType type = elements.type.element;
  if (is_complex(type)) return std::nullopt;
  if (!is_float(type)) return ir::integers(elements);
  std::vector<double> values;
  const auto size = static_cast<size_t>(size_of(type));
  for (size_t i = 0; i < static_cast<size_t>(elements.type.num_elements()); ++i)
    values.push_back(ir::element_as_double(elements.bytes->data() + (elements.splat ? 0 : i * size), type));
  return values;
}

std::optional<Kind> list_of(const ir::AttributeList& list) {
  std::vector<int64_t> integers;
  std::vector<double> reals;
  for (const ir::Attribute& entry : list) {
    if (const auto* integer = std::get_if<int64_t>(&entry.value)) {
      integers.push_back(*integer);
      reals.push_back(static_cast<double>(*integer));
    } else if (const auto* real = std::get_if<double>(&entry.value)) {
      reals.push_back(*real);
    }
  }
  if (integers.size() == list.size()) return integers;
  if (reals.size() == list.size()) return reals;
  return std::nullopt;
}

void add_attributes(const ir::AttributeDict& dict, const std::string& prefix, metal::CustomCall& call) {
  for (const auto& [key, value] : dict) {
    const std::string name = prefix + key;
    if (const auto* inner = std::get_if<ir::AttributeDict>(&value.value)) {
      add_attributes(*inner, name + ".", call);
      continue;
    }
    const auto converted = std::visit(
        [](const auto& content) -> std::optional<Kind> {
          using T = std::decay_t<decltype(content)>;
          if constexpr (std::is_same_v<T, bool> || std::is_same_v<T, int64_t> || std::is_same_v<T, double> ||
                        std::is_same_v<T, std::string> || std::is_same_v<T, Dims>) {
            return content;
          } else if constexpr (std::is_same_v<T, ir::DenseElements>) {
            return array_of(content);
          } else if constexpr (std::is_same_v<T, ir::AttributeList>) {
            return list_of(content);
          } else {
            return std::nullopt;
          }
        },
        value.value);
    if (!converted) refuse_kind(call.target, name, value);
    call.attributes.emplace(name, *converted);
  }
}

void require_row_major(const ir::Operation& operation, Attr key, std::string_view what) {
  const ir::Attribute* layouts = operation.find(key);
  if (layouts == nullptr) return;
  const auto& list = std::get<ir::AttributeList>(layouts->value);
  for (size_t i = 0; i < list.size(); ++i) {
    Dims order = std::get<Dims>(list[i].value);
    std::reverse(order.begin(), order.end());  // now from the outermost dimension
    require(std::is_sorted(order.begin(), order.end()), "[", operation.text(Attr::kCallTargetName), "] the layout of ", what, " ", i,
            " is ", Text(order), ", expected row-major order; transpose the array in the program instead");
  }
}

// (operand, result) pairs that share memory; what is no array does not count.
std::vector<std::pair<size_t, size_t>> aliases(const ir::Operation& operation) {
  std::vector<std::pair<size_t, size_t>> pairs;
  const ir::Attribute* list = operation.find(Attr::kOutputOperandAliases);
  if (list == nullptr) return pairs;
  for (const ir::Attribute& entry : std::get<ir::AttributeList>(list->value)) {
    const auto& members = std::get<ir::AttributeList>(entry.value);  // indices into the tuple of results, operand, indices into its tuple
    const Dims& path = std::get<Dims>(members[0].value);
    const auto operand = static_cast<size_t>(std::get<int64_t>(members[1].value));
    const auto result = static_cast<size_t>(path.empty() ? 0 : path[0]);
    require(operand < operation.operands().size() && result < operation.results().size() &&
                operation.operand(operand)->type() == operation.result(result)->type(),
            "[", operation.text(Attr::kCallTargetName), "] operand ", operand, " and result ", result,
            " cannot share memory: expected operands and results of one type");
    pairs.emplace_back(operand, result);
  }
  return pairs;
}

metal::CustomCall call_of(const ir::Operation& operation, const emulator::ChipSpec& chip) {
  metal::CustomCall call{operation.text(Attr::kCallTargetName), chip, {}, {}, {}};
  for (const ir::Value* value : operation.operands()) {
    if (value->type().is_tensor()) call.inputs.push_back({value->type().element, value->type().dims});
  }
  for (const auto& result : operation.results()) {
    if (result->type().is_tensor()) call.outputs.push_back({result->type().element, result->type().dims});
  }
  for (const auto& [key, value] : operation.discardable()) {
    if (key != kTypedConfig) continue;
    const auto* dict = std::get_if<ir::AttributeDict>(&value.value);
    if (dict == nullptr) refuse_kind(call.target, key, value);
    add_attributes(*dict, "", call);
  }
  const ir::Attribute* config = operation.find(Attr::kBackendConfig);  // of the untyped interface
  const auto* text = config == nullptr ? nullptr : std::get_if<std::string>(&config->value);
  if (text != nullptr && !text->empty()) call.attributes.emplace("backend_config", *text);
  return call;
}

metal::Program program_of(const ir::Operation& operation, metal::CreateProgram create, const emulator::ChipSpec& chip) {
  try {
    require_row_major(operation, Attr::kOperandLayouts, "operand");
    require_row_major(operation, Attr::kResultLayouts, "result");
    return metal::create_program(create, call_of(operation, chip));
  } catch (const Error& error) {
    throw Error(error.category(), cat(error.what(), " (called at ", Text(operation.location()), ")"));
  }
}

}  // namespace

// A result that shares memory with an operand starts as its copy, and the program finds both there. Calls with side effects keep their
// order.
bool lower_user_call(BlockLowering& block, const ir::Operation& operation) {
  if (operation.op() != ir::Op::kCustomCall) return false;
  const metal::CreateProgram create = metal::find_custom_call(operation.text(Attr::kCallTargetName));
  if (create == nullptr) return false;
  metal::Program program = program_of(operation, create, block.builder.chip);
  const auto shared = aliases(operation);
  const bool ordered = operation.flag(Attr::kHasSideEffect);
  int level = ordered ? block.effects_level : 0;
  std::vector<StorageId> operands, results(operation.results().size(), kNoStorage);
  for (const ir::Value* value : operation.operands()) {
    operands.push_back(value->type().is_tensor() ? block.dense(value) : kNoStorage);
    level = std::max(level, block.level_of(value));
  }
  for (const auto& [operand, result] : shared) {
    operands[operand] = results[result] = block.copy_to_result(operation.operand(operand), operation.result(result), level);
  }
  for (size_t i = 0; i < results.size(); ++i) {
    const ir::Value* result = operation.result(i);
    if (results[i] == kNoStorage) results[i] = block.new_result(result, level);
    if (!result->type().is_tensor()) results[i] = kNoStorage;
  }
  if (ordered) block.effects_level = level;
  std::vector<StorageId> slots;
  for (const auto* storages : {&operands, &results}) {
    std::copy_if(storages->begin(), storages->end(), std::back_inserter(slots), [](StorageId id) { return id != kNoStorage; });
  }
  block.run_at(level, std::move(program), std::move(slots));
  return true;
}

}  // namespace tt::lowering
