// The text of StableHLO's properties.
#include "ir/property_text.hpp"

#include <algorithm>
#include <map>

#include "base/error.hpp"
#include "ir/attribute_text.hpp"

namespace tt::ir {
namespace {

bool is_all(const Attribute& value, int64_t wanted) {
  const auto* dims = std::get_if<Dims>(&value.value);
  return dims != nullptr && std::all_of(dims->begin(), dims->end(), [&](int64_t d) { return d == wanted; });
}

bool is_all_default(const Attribute& value) {
  const auto* list = std::get_if<AttributeList>(&value.value);
  return list != nullptr && std::all_of(list->begin(), list->end(), [](const Attribute& entry) {
           const auto* text = std::get_if<std::string>(&entry.value);
           return text != nullptr && *text == "DEFAULT";
         });
}

bool is_empty(const Attribute& value) {
  if (const auto* list = std::get_if<AttributeList>(&value.value)) return list->empty();
  if (const auto* dict = std::get_if<AttributeDict>(&value.value)) return dict->empty();
  if (const auto* text = std::get_if<std::string>(&value.value)) return text->empty();
  return false;
}

bool is_absent_or_empty(const Operation& operation, Attr attr) {
  const Attribute* value = operation.find(attr);
  return value == nullptr || is_empty(*value);
}

template <class T>
bool is_value(const Attribute& value, const T& wanted) {
  const auto* have = std::get_if<T>(&value.value);
  return have != nullptr && *have == wanted;
}

std::string joined(const AttributeList& list, std::string_view before, std::string_view after) {
  std::string out;
  for (const Attribute& entry : list) out += cat(out.empty() ? "" : ", ", before, clause_text(entry), after);
  return "[" + out + "]";
}

const Dims* dims_of(const Operation& operation, Attr attr) {
  const Attribute* found = operation.find(attr);
  return found == nullptr ? nullptr : std::get_if<Dims>(&found->value);
}

// "#stablehlo.gather<offset_dims = [1], ...>": the members in the order of the spec, empty ones left out.
std::string dimension_numbers(const Operation& operation, std::string_view kind, std::span<const Attr> members) {
  std::string out;
  for (Attr attr : members) {
    const Dims* dims = dims_of(operation, attr);
    if (dims != nullptr && !dims->empty()) out += cat(out.empty() ? "" : ", ", name(attr), " = ", list_text(*dims));
  }
  const int64_t vector_dim = operation.integer(Attr::kIndexVectorDim);
  if (vector_dim != 0) out += cat(out.empty() ? "" : ", ", "index_vector_dim = ", vector_dim);
  return cat("#stablehlo.", kind, "<", out, ">");
}

constexpr Attr kGatherMembers[] = {Attr::kOffsetDims, Attr::kCollapsedSliceDims, Attr::kOperandBatchingDims,
                                   Attr::kStartIndicesBatchingDims, Attr::kStartIndexMap};
constexpr Attr kScatterMembers[] = {Attr::kUpdateWindowDims, Attr::kInsertedWindowDims, Attr::kInputBatchingDims,
                                    Attr::kScatterIndicesBatchingDims, Attr::kScatterDimsToOperandDims};

bool is_member(Attr attr) {
  return attr == Attr::kIndexVectorDim ||
         std::find(std::begin(kGatherMembers), std::end(kGatherMembers), attr) != std::end(kGatherMembers) ||
         std::find(std::begin(kScatterMembers), std::end(kScatterMembers), attr) != std::end(kScatterMembers);
}

std::string result_accuracy_text(const AttributeDict& dict) {
  std::string out;
  for (const auto& [key, value] : dict) {
    if (const auto* mode = std::get_if<std::string>(&value.value)) {
      out += cat(out.empty() ? "" : ", ", "mode = #stablehlo.result_accuracy_mode<", *mode, ">");
    } else if (const auto* number = std::get_if<double>(&value.value); number != nullptr && *number != 0) {
      out += cat(out.empty() ? "" : ", ", key, " = ", float_text(*number, DataType::kF64));
    } else if (const auto* ulps = std::get_if<int64_t>(&value.value); ulps != nullptr && *ulps != 0) {
      out += cat(out.empty() ? "" : ", ", key, " = ", *ulps);
    }
  }
  return "#stablehlo.result_accuracy<" + out + ">";
}

std::string alias_text(const Attribute& value) {
  const auto& list = std::get<AttributeList>(value.value);
  return cat("#stablehlo.output_operand_alias<output_tuple_indices = ", clause_text(list[0]), ", operand_index = ", clause_text(list[1]),
             ", operand_tuple_indices = ", clause_text(list[2]), ">");
}

}  // namespace

bool goes_without_saying(const Operation& operation, Attr attr, const Attribute& value) {
  switch (attr) {
    case Attr::kIndicesAreSorted:
    case Attr::kUniqueIndices:
    case Attr::kHasSideEffect:
    case Attr::kUseGlobalDeviceIds: return is_value(value, false);
    case Attr::kWindowStrides:
    case Attr::kBaseDilations:
    case Attr::kWindowDilations:
    case Attr::kLhsDilation:
    case Attr::kRhsDilation: return is_all(value, 1);
    case Attr::kPadding:
    case Attr::kWindowReversal: return is_all(value, 0);
    case Attr::kPrecisionConfig: return is_all_default(value) && operation.find(Attr::kDotAlgorithm) == nullptr;
    case Attr::kApiVersion: return is_value(value, std::string("API_VERSION_ORIGINAL"));
    case Attr::kBackendConfig:
    case Attr::kCalledComputations:
    case Attr::kOutputOperandAliases:
    case Attr::kCompositeAttributes: return is_empty(value);
    case Attr::kOperandLayouts:
    case Attr::kResultLayouts:  // one is shown when the other is
      return is_absent_or_empty(operation, Attr::kOperandLayouts) && is_absent_or_empty(operation, Attr::kResultLayouts);
    case Attr::kChannelHandle:
    case Attr::kVersion: return is_value(value, int64_t{0});
    default: return false;
  }
}

std::string padding_text(const Dims& flat) {
  std::string out;
  for (size_t i = 0; i + 1 < flat.size(); i += 2) out += cat(i ? ", " : "", "[", flat[i], ", ", flat[i + 1], "]");
  return "[" + out + "]";
}

std::string flags_text(const Dims& flags) {
  std::string out;
  for (int64_t flag : flags) out += cat(out.empty() ? "" : ", ", flag != 0 ? "true" : "false");
  return "[" + out + "]";
}

std::string clause_text(const Attribute& value) {
  if (const auto* dims = std::get_if<Dims>(&value.value)) return list_text(*dims);
  if (const auto* number = std::get_if<int64_t>(&value.value)) return std::to_string(*number);
  if (const auto* text = std::get_if<std::string>(&value.value)) return *text;
  if (const auto* list = std::get_if<AttributeList>(&value.value)) return joined(*list, "", "");
  return to_string(value);
}

std::string property_text(Attr attr, const Attribute& value) {
  switch (attr) {
    case Attr::kPadding: {
      const Dims& flat = std::get<Dims>(value.value);
      return cat("dense<", padding_text(flat), "> : tensor<", flat.size() / 2, "x2xi64>");
    }
    case Attr::kWindowReversal: {
      const std::string flags = flags_text(std::get<Dims>(value.value));
      return cat("array<i1: ", flags.substr(1, flags.size() - 2), ">");
    }
    case Attr::kTransposeA: return "#stablehlo<transpose " + clause_text(value) + ">";
    case Attr::kChannelHandle: return cat("#stablehlo.channel_handle<handle = ", clause_text(value), ", type = 0>");
    case Attr::kPrecisionConfig: return joined(std::get<AttributeList>(value.value), "#stablehlo<precision ", ">");
    case Attr::kResultAccuracy: return result_accuracy_text(std::get<AttributeDict>(value.value));
    case Attr::kApiVersion: {
      const Attribute number{int64_t{clause_text(value) == "API_VERSION_TYPED_FFI"                  ? 4
                                     : clause_text(value) == "API_VERSION_STATUS_RETURNING_UNIFIED" ? 3
                                     : clause_text(value) == "API_VERSION_STATUS_RETURNING"         ? 2
                                                                                                    : 0},
                             DataType::kS32};
      return to_string(number);
    }
    case Attr::kVersion: return to_string(Attribute{value.value, DataType::kS32});
    case Attr::kOperandLayouts:
    case Attr::kResultLayouts: {
      std::string out;
      for (const Attribute& entry : std::get<AttributeList>(value.value)) {
        const Dims& order = std::get<Dims>(entry.value);
        const std::string body = order.empty() ? "" : order.size() == 1 ? std::to_string(order[0]) : list_text(order);
        out += cat(out.empty() ? "" : ", ", "dense<", body, "> : tensor<", order.size(), "xindex>");
      }
      return "[" + out + "]";
    }
    case Attr::kOutputOperandAliases: {
      std::string out;
      for (const Attribute& entry : std::get<AttributeList>(value.value)) out += (out.empty() ? "" : ", ") + alias_text(entry);
      return "[" + out + "]";
    }
    default: return to_string(value);
  }
}

std::string dot_algorithm_text(const AttributeDict& algorithm) {
  std::string out;
  for (const auto& [key, value] : algorithm) out += cat(out.empty() ? "" : ", ", key, " = ", clause_text(value));
  return "<" + out + ">";
}

std::string convolution_dims_text(const Operation& convolution) {
  const auto side = [&](Attr first, std::string_view first_name, Attr second, std::string_view second_name, Attr spatial) {
    std::map<int64_t, std::string> places{{convolution.integer(first), std::string(first_name)},
                                          {convolution.integer(second), std::string(second_name)}};
    const Dims& dims = convolution.ints(spatial);
    for (size_t i = 0; i < dims.size(); ++i) places[dims[i]] = std::to_string(i);
    std::string out;
    for (const auto& [place, label] : places) out += (out.empty() ? "" : ", ") + label;
    return "[" + out + "]";
  };
  return side(Attr::kInputBatchDimension, "b", Attr::kInputFeatureDimension, "f", Attr::kInputSpatialDimensions) + "x" +
         side(Attr::kKernelInputFeatureDimension, "i", Attr::kKernelOutputFeatureDimension, "o", Attr::kKernelSpatialDimensions) + "->" +
         side(Attr::kOutputBatchDimension, "b", Attr::kOutputFeatureDimension, "f", Attr::kOutputSpatialDimensions);
}

std::string property_dict(const Operation& operation) {
  std::map<std::string, std::string> entries;  // sorted, as MLIR prints them
  const bool gather = operation.op() == Op::kGather, scatter = operation.op() == Op::kScatter;
  if (gather) entries["dimension_numbers"] = dimension_numbers(operation, "gather", kGatherMembers);
  if (scatter) entries["scatter_dimension_numbers"] = dimension_numbers(operation, "scatter", kScatterMembers);
  for (const auto& [attr, value] : operation.attributes()) {
    if (goes_without_saying(operation, attr, value) || ((gather || scatter) && is_member(attr))) continue;
    entries[std::string(name(attr))] = attr == Attr::kUseGlobalDeviceIds ? "" : property_text(attr, value);
  }
  if (entries.empty()) return "";
  std::string out;
  for (const auto& [key, text] : entries) out += cat(out.empty() ? "" : ", ", key, text.empty() ? "" : " = ", text);
  return "<{" + out + "}>";
}

}  // namespace tt::ir
