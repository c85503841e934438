// Operations that StableHLO keeps for old programs become those that took their place.
//   broadcast -> broadcast_in_dim;  dot -> dot_general;  torch_index_select -> gather
//   einsum, unary_einsum -> sums over what one operand alone has, dot_general, transpose
#include <algorithm>
#include <cctype>
#include <string_view>

#include "passes/pass.hpp"
#include "passes/replace.hpp"

namespace tt::passes {
namespace {

using ir::Attr;
using ir::Op;
using ir::Operation;
using ir::Type;
using ir::Value;

// first, first + 1, ... count of them
Dims numbers(int64_t first, int64_t count) {
  Dims out(static_cast<size_t>(std::max<int64_t>(count, 0)));
  for (size_t i = 0; i < out.size(); ++i) out[i] = first + static_cast<int64_t>(i);
  return out;
}

int64_t rank(const Value* value) { return static_cast<int64_t>(value->type().dims.size()); }

std::vector<Value*> broadcast(const Operation& operation, Builder& builder) {
  const Dims& result = operation.result()->type().dims;
  Value* operand = operation.operand(0);
  return {builder.broadcast(operand, numbers(static_cast<int64_t>(result.size()) - rank(operand), rank(operand)), result)};
}

std::vector<Value*> dot(const Operation& operation, Builder& builder) {
  Builder::Attributes attributes{{Attr::kLhsBatchingDimensions, {Dims{}, {}}},
                                 {Attr::kRhsBatchingDimensions, {Dims{}, {}}},
                                 {Attr::kLhsContractingDimensions, {Dims{rank(operation.operand(0)) - 1}, {}}},
                                 {Attr::kRhsContractingDimensions, {Dims{0}, {}}}};
  if (const ir::Attribute* precision = operation.find(Attr::kPrecisionConfig)) attributes.emplace_back(Attr::kPrecisionConfig, *precision);
  return {builder.make(Op::kDotGeneral, {operation.operand(0), operation.operand(1)}, operation.result()->type(), std::move(attributes))};
}

std::vector<Value*> index_select(const Operation& operation, Builder& builder) {
  Value *operand = operation.operand(0), *index = operation.operand(1);
  const int64_t dim = operation.integer(Attr::kDim), batch = operation.integer(Attr::kBatchDims);
  Dims sizes = operand->type().dims;
  for (int64_t d = 0; d < batch; ++d) sizes[static_cast<size_t>(d)] = std::min<int64_t>(sizes[static_cast<size_t>(d)], 1);
  sizes[static_cast<size_t>(dim)] = std::min<int64_t>(sizes[static_cast<size_t>(dim)], 1);
  Dims offset = numbers(batch, dim - batch);
  const Dims after = numbers(dim + rank(index) - batch, rank(operand) - dim - 1);
  offset.insert(offset.end(), after.begin(), after.end());
  return {builder.make(Op::kGather, {operand, index}, operation.result()->type(),
                       {{Attr::kOffsetDims, {std::move(offset), {}}},
                        {Attr::kCollapsedSliceDims, {Dims{dim}, {}}},
                        {Attr::kOperandBatchingDims, {numbers(0, batch), {}}},
                        {Attr::kStartIndicesBatchingDims, {numbers(0, batch), {}}},
                        {Attr::kStartIndexMap, {Dims{dim}, {}}},
                        {Attr::kIndexVectorDim, {rank(index), {}}},
                        {Attr::kIndicesAreSorted, {false, {}}},
                        {Attr::kSliceSizes, {std::move(sizes), {}}}})};
}

// A value whose dimensions have letters, each once.
struct Labelled {
  Value* value;
  std::string labels;

  bool has(char label) const { return labels.find(label) != std::string::npos; }
  Dims places_of(std::string_view wanted) const {
    Dims places;
    for (const char label : wanted) places.push_back(static_cast<int64_t>(labels.find(label)));
    return places;
  }
};

Labelled summed(const Labelled& from, std::string_view unread, Builder& builder) {
  if (unread.empty()) return from;
  Labelled sum{builder.sum(from.value, from.places_of(unread)), ""};
  std::copy_if(from.labels.begin(), from.labels.end(), std::back_inserter(sum.labels),
               [&](char label) { return unread.find(label) == std::string_view::npos; });
  return sum;
}

Value* in_order(const Labelled& from, std::string_view labels, const Type& type, Builder& builder) {
  if (from.labels == labels) return from.value;
  return builder.make(Op::kTranspose, {from.value}, type, {{Attr::kPermutation, {from.places_of(labels), {}}}});
}

Labelled product(const Labelled& a, const Labelled& b, std::string_view result, DataType element, Builder& builder) {
  std::string batching, contracted;
  Labelled out{nullptr, ""};
  for (const char label : a.labels) {
    if (b.has(label)) (result.find(label) != std::string_view::npos ? batching : contracted) += label;
  }
  out.labels = batching;
  Dims dims;
  for (const int64_t d : a.places_of(batching)) dims.push_back(a.value->type().dims[static_cast<size_t>(d)]);
  for (const Labelled* side : {&a, &b}) {
    for (size_t d = 0; d < side->labels.size(); ++d) {
      if (a.has(side->labels[d]) && b.has(side->labels[d])) continue;
      out.labels += side->labels[d];
      dims.push_back(side->value->type().dims[d]);
    }
  }
  out.value = builder.make(Op::kDotGeneral, {a.value, b.value}, Type::tensor(element, std::move(dims)),
                           {{Attr::kLhsBatchingDimensions, {a.places_of(batching), {}}},
                            {Attr::kRhsBatchingDimensions, {b.places_of(batching), {}}},
                            {Attr::kLhsContractingDimensions, {a.places_of(contracted), {}}},
                            {Attr::kRhsContractingDimensions, {b.places_of(contracted), {}}}});
  return out;
}

bool are_different_letters(std::string_view labels) {
  return std::all_of(labels.begin(), labels.end(), [&](char label) {
    return std::isalpha(static_cast<unsigned char>(label)) != 0 && std::count(labels.begin(), labels.end(), label) == 1;
  });
}

// "ab,bc->ac"; without a result for diagonals and ellipses.
std::vector<Value*> einsum(const Operation& operation, Builder& builder) {
  const std::string& config = operation.text(Attr::kEinsumConfig);
  const size_t arrow = config.find("->"), comma = config.find(',');
  if (arrow == std::string::npos || (comma < arrow) != (operation.operands().size() == 2)) return {};
  const std::string result = config.substr(arrow + 2);
  std::vector<Labelled> operands{{operation.operand(0), config.substr(0, std::min(comma, arrow))}};
  if (comma < arrow) operands.push_back({operation.operand(1), config.substr(comma + 1, arrow - comma - 1)});
  for (const Labelled& operand : operands) {
    if (!are_different_letters(operand.labels) || static_cast<int64_t>(operand.labels.size()) != rank(operand.value)) return {};
  }
  if (!are_different_letters(result) || static_cast<int64_t>(result.size()) != rank(operation.result())) return {};
  for (const char label : result) {
    if (std::none_of(operands.begin(), operands.end(), [&](const Labelled& operand) { return operand.has(label); })) return {};
  }
  for (size_t i = 0; i < operands.size(); ++i) {
    std::string unread;
    for (const char label : operands[i].labels) {
      const bool elsewhere = operands.size() == 2 && operands[1 - i].has(label);
      if (!elsewhere && result.find(label) == std::string::npos) unread += label;
    }
    operands[i] = summed(operands[i], unread, builder);
  }
  const Type& type = operation.result()->type();
  const Labelled whole = operands.size() == 2 ? product(operands[0], operands[1], result, type.element, builder) : operands[0];
  return {in_order(whole, result, type, builder)};
}

constexpr Replacement kReplacements[] = {
    {Op::kBroadcast, broadcast}, {Op::kDot, dot}, {Op::kEinsum, einsum}, {Op::kTorchIndexSelect, index_select}, {Op::kUnaryEinsum, einsum},
};

}  // namespace

void rewrite_deprecated(ir::Module& module) { replace_operations(module, kReplacements); }

}  // namespace tt::passes
