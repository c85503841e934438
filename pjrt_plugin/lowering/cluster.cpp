// From virtual operations to an eltwise program.
#include "lowering/cluster.hpp"

#include <algorithm>
#include <cstring>

#include "base/error.hpp"
#include "dnn/eltwise.hpp"
#include "dnn/program_cache.hpp"

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
  for (const Source& beneath : source.beneath) operand.beneath.push_back(this->operand(beneath));
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
          [this](const Ref& ref) {
            const auto* node = std::get_if<NodeId>(&ref);
            const auto found = node == nullptr ? layers_.end() : layers_.find(*node);
            if (found != layers_.end()) return std::optional(found->second);
            const auto* source = std::get_if<Source>(&ref);
            return source == nullptr ? std::optional<Source>() : *source;
          },
          [](const Source& source) { return source.type; }) {}

namespace {

// Whether `mask` is true where `view` is no padding, and false elsewhere.
bool is_mask_of(const Source& mask, const Source& view, const Plan& plan) {
  if (mask.type != DataType::kPred || mask.storage == kNoStorage || mask.pad != std::vector{std::byte{0}}) return false;
  const Storage& storage = plan.storages[mask.storage];
  return storage.kind == Storage::Kind::kConstant && storage.data->size() == 1 && (*storage.data)[0] != std::byte{0} &&
         std::equal(mask.map.dims.begin(), mask.map.dims.end(), view.map.dims.begin(), view.map.dims.end(),
                    [](const AccessMap::Dim& a, const AccessMap::Dim& b) {
                      return a.size == b.size && a.low == b.low && a.limit() == b.limit() && a.step == b.step;
                    });
}

bool is_layer(const Source& source, DataType type) {
  return source.type == type && source.storage != kNoStorage && source.indices.empty() && source.beneath.empty();
}

}  // namespace

bool ClusterChain::add_layers(NodeId id, const Node& node, const Plan& plan) {
  if (node.op.code != TileOpcode::kSelect || !node.is_elementwise()) return false;
  const auto *mask = std::get_if<Source>(&node.operands[0]), *top = std::get_if<Source>(&node.operands[1]);
  if (mask == nullptr || top == nullptr || !is_layer(*top, node.op.type) || !is_mask_of(*mask, *top, plan)) return false;
  const auto* below = std::get_if<Source>(&node.operands[2]);
  const auto* layers = std::get_if<NodeId>(&node.operands[2]);
  const auto found = layers == nullptr ? layers_.end() : layers_.find(*layers);
  if (found == layers_.end() && (below == nullptr || !is_layer(*below, node.op.type))) return false;
  Source whole = *top;
  whole.beneath = {found == layers_.end() ? *below : found->second};
  layers_.emplace(id, std::move(whole));
  return true;
}

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

Cluster ClusterChain::finish_for(std::vector<StorageId> outputs) {
  return {name_of(assembly_.nodes()), elements_, finish(), sources(), std::move(outputs)};
}

bool share_a_program(const Cluster& a, const Cluster& b) {
  const auto uniform = [](const Source& source) {
    return source.map.is_padded() ? false : std::all_of(source.map.dims.begin(), source.map.dims.end(), [](const auto& dim) {
      return dim.stride == 0 || dim.size == 1;
    });
  };
  return a.chain == b.chain && std::equal(a.sources.begin(), a.sources.end(), b.sources.begin(), b.sources.end(),
                                          [&](const Source& x, const Source& y) { return uniform(x) == uniform(y); });
}

namespace {

bool reads(const dnn::Operand& operand, size_t buffer) {
  const auto is_index = [&](const dnn::DynamicIndex& index) { return index.buffer == buffer; };
  return operand.buffer == buffer || std::any_of(operand.indices.begin(), operand.indices.end(), is_index) ||
         std::any_of(operand.beneath.begin(), operand.beneath.end(), [&](const dnn::Operand& beneath) { return reads(beneath, buffer); });
}

bool reads(const dnn::EltwisePart& part, size_t buffer) {
  return std::any_of(part.operands.begin(), part.operands.end(), [&](const dnn::Operand& operand) { return reads(operand, buffer); });
}

// Whether the part reads the buffer page by page in order, and nothing else of it.
bool reads_in_order(const dnn::EltwisePart& part, size_t buffer) {
  return std::all_of(part.operands.begin(), part.operands.end(), [&](const dnn::Operand& operand) {
    if (operand.buffer != buffer) return !reads(operand, buffer);
    return operand.map.offset == 0 && operand.indices.empty() && operand.map.is_contiguous();
  });
}

// Buffers that results of their size may overwrite: (input slot, output slot).
std::vector<std::pair<uint16_t, uint16_t>> in_place_slots(const dnn::EltwiseSpec& spec) {
  std::vector<std::pair<uint16_t, uint16_t>> slots;
  for (size_t b = 0; b < spec.input_bytes.size(); ++b) {
    const auto is_reader = [&](const dnn::EltwisePart& part) { return reads(part, b); };
    if (std::count_if(spec.parts.begin(), spec.parts.end(), is_reader) != 1) continue;
    const dnn::EltwisePart& part = *std::find_if(spec.parts.begin(), spec.parts.end(), is_reader);
    if (!reads_in_order(part, b)) continue;
    for (const dnn::Result& result : part.results) {
      if (spec.output_bytes[result.buffer] == spec.input_bytes[b]) slots.emplace_back(b, spec.input_bytes.size() + result.buffer);
    }
  }
  return slots;
}

}  // namespace

Step eltwise_step(PlanBuilder& builder, std::span<const Cluster> parts) {
  dnn::EltwiseSpec spec;
  spec.name = parts[0].name;
  spec.chain = parts[0].chain;
  BufferTable table(builder.plan);
  std::vector<StorageId> outputs;
  for (const Cluster& cluster : parts) {
    dnn::EltwisePart part{cluster.elements, {}, {}};
    for (const Source& memory : cluster.sources) part.operands.push_back(table.operand(memory));
    for (size_t i = 0; i < cluster.outputs.size(); ++i) {
      const DataType type = cluster.chain.outputs[i].type;
      part.results.push_back(dense_result(outputs.size(), type, {&cluster.elements, 1}));
      spec.output_bytes.push_back(cluster.elements * size_of(type));
      outputs.push_back(cluster.outputs[i]);
    }
    spec.parts.push_back(std::move(part));
  }
  spec.input_bytes = table.bytes();

  RunStep run;
  run.slots = table.storages();
  run.in_place = in_place_slots(spec);
  run.is_copy = spec.chain.ops.empty() && run.slots.size() == 1 && outputs.size() == 1 && run.in_place.size() == 1;
  run.slots.insert(run.slots.end(), outputs.begin(), outputs.end());
  run.program = dnn::shared_program(dnn::eltwise, spec, builder.chip);
  run.elementwise = std::make_shared<const dnn::EltwiseSpec>(std::move(spec));
  return {std::move(run)};
}

}  // namespace tt::lowering
