// From virtual operations to an eltwise program.
#include "lowering/cluster.hpp"

#include <algorithm>
#include <cstring>

#include "base/error.hpp"
#include "dnn/eltwise.hpp"

namespace tt::lowering {

using emulator::Lane;
using emulator::TileOpcode;

size_t BufferTable::buffer(StorageId storage) {
  const auto found = std::find(storages_.begin(), storages_.end(), storage);
  if (found != storages_.end()) return static_cast<size_t>(found - storages_.begin());
  storages_.push_back(storage);
  return storages_.size() - 1;
}

dnn::Operand BufferTable::operand(const Source& source) {
  dnn::Operand operand;
  if (source.storage != kNoStorage) operand.buffer = buffer(source.storage);
  operand.type = source.type;
  operand.map = source.map;
  operand.pad = source.pad;
  for (const SourceIndex& index : source.indices) {
    operand.indices.push_back({buffer(index.storage), index.element, index.type, index.stride, index.limit});
  }
  return operand;
}

std::vector<int64_t> BufferTable::bytes() const {
  std::vector<int64_t> bytes;
  for (StorageId storage : storages_) bytes.push_back(plan_.storages[storage].bytes);
  return bytes;
}

dnn::Result dense_result(size_t buffer, DataType type, std::span<const int64_t> dims) {
  return {buffer, type, AccessMap::contiguous(dims), {}};
}

ClusterChain::ClusterChain(int64_t elements)
    : elements_(elements),
      assembly_(
          [](const Ref& ref) {
            const auto* source = std::get_if<Source>(&ref);
            return source == nullptr ? std::optional<Source>() : *source;
          },
          [](const Source& source) { return source.type; }) {}

bool ClusterChain::fits() const { return sources().size() + assembly_.num_outputs() <= dnn::kMaxEltwiseBuffers; }

std::string name_of(std::span<const std::pair<NodeId, const Node*>> nodes) {
  constexpr size_t kNamed = 3;
  std::string text;
  size_t count = 0;
  for (const auto& [id, node] : nodes) {
    if (node->op.code == TileOpcode::kCopy) continue;
    if (count < kNamed) text += cat(count ? "+" : "", node->fold != 0 ? "reduce_row_" : "", emulator::info(node->op.code).name);
    ++count;
  }
  if (count == 0) return "copy";
  return count > kNamed ? cat(text, "+", count - kNamed, " more") : text;
}

Step ClusterChain::step(PlanBuilder& builder, const std::vector<StorageId>& outputs) {
  dnn::EltwiseSpec spec;
  spec.name = name_of(assembly_.nodes());
  spec.elements = elements_;
  spec.chain = finish();
  BufferTable table(builder.plan);
  for (const Source& memory : sources()) spec.operands.push_back(table.operand(memory));
  const int64_t dims[1] = {elements_};
  for (size_t i = 0; i < outputs.size(); ++i) {
    spec.results.push_back(dense_result(i, assembly_.output_type(i), dims));
    spec.output_bytes.push_back(elements_ * size_of(assembly_.output_type(i)));
  }
  spec.input_bytes = table.bytes();

  RunStep run;
  run.slots = table.storages();
  // A buffer that is only read page by page in order may be overwritten by a result of its size.
  for (size_t b = 0; b < run.slots.size(); ++b) {
    bool in_order = true;
    for (const dnn::Operand& operand : spec.operands) {
      for (const dnn::DynamicIndex& index : operand.indices) in_order &= index.buffer != b;
      if (operand.buffer == b) in_order &= operand.map.offset == 0 && operand.indices.empty() && operand.map.is_contiguous();
    }
    for (size_t o = 0; in_order && o < outputs.size(); ++o) {
      if (spec.output_bytes[o] == spec.input_bytes[b]) run.in_place.emplace_back(b, run.slots.size() + o);
    }
  }
  run.is_copy = spec.chain.ops.empty() && run.slots.size() == 1 && outputs.size() == 1 && run.in_place.size() == 1;
  run.slots.insert(run.slots.end(), outputs.begin(), outputs.end());
  run.program = std::make_shared<const metal::Program>(dnn::eltwise(spec, builder.chip));
  return {std::move(run)};
}

}  // namespace tt::lowering
