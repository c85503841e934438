// From virtual operations to an eltwise program.
#include "lowering/cluster.hpp"

#include <algorithm>
#include <cstring>

#include "base/error.hpp"
#include "dnn/eltwise.hpp"

namespace tt::lowering {

using emulator::Lane;
using emulator::TileOpcode;

DataType carrier(Lane lane) {
  switch (lane) {
    case Lane::kF32: return DataType::kF32;
    case Lane::kF64: return DataType::kF64;
    case Lane::kS32: return DataType::kS32;
    case Lane::kU32: return DataType::kU32;
    case Lane::kS64: return DataType::kS64;
    case Lane::kU64: return DataType::kU64;
    case Lane::kC64: return DataType::kC64;
    case Lane::kC128: return DataType::kC128;
    case Lane::kPred: return DataType::kPred;
  }
  return DataType::kF32;
}

bool same(const Source& a, const Source& b) {
  const auto same_index = [](const SourceIndex& x, const SourceIndex& y) {
    return x.storage == y.storage && x.element == y.element && x.stride == y.stride && x.limit == y.limit;
  };
  return a.storage == b.storage && a.type == b.type && a.map == b.map && a.pad == b.pad && a.indices.size() == b.indices.size() &&
         std::equal(a.indices.begin(), a.indices.end(), b.indices.begin(), same_index);
}

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

size_t ClusterChain::source(const Source& source) {
  for (size_t i = 0; i < sources_.size(); ++i) {
    if (same(sources_[i], source)) return i;
  }
  sources_.push_back(source);
  return sources_.size() - 1;
}

// Constants live in registers of the lane that uses them, so that a chain does not convert them page by page.
size_t ClusterChain::splat(const Splat& splat, Lane lane) {
  Splat carried;
  carried.type = carrier(lane);
  emulator::convert_elements(splat.type, splat.bits.data(), carried.type, carried.bits.data(), 1);
  for (size_t i = 0; i < splats_.size(); ++i) {
    if (splats_[i].type == carried.type && splats_[i].bits == carried.bits) return i;
  }
  splats_.push_back(carried);
  return splats_.size() - 1;
}

void ClusterChain::add(NodeId id, const Node& node) {
  for (const Ref& ref : node.operands) {
    if (const auto* memory = std::get_if<Source>(&ref)) {
      source(*memory);
    } else if (const auto* constant = std::get_if<Splat>(&ref)) {
      splat(*constant, emulator::lane_of(constant->type));
    }
  }
  position_[id] = nodes_.size();
  nodes_.emplace_back(id, &node);
}

bool ClusterChain::fits() const { return sources_.size() + outputs_.size() <= dnn::kMaxEltwiseBuffers; }

emulator::TileProgram ClusterChain::finish() {
  // Roots may be leaves; find them before the registers are numbered.
  for (const Output& output : outputs_) {
    if (const auto* memory = std::get_if<Source>(&output.ref)) source(*memory);
    if (const auto* constant = std::get_if<Splat>(&output.ref)) splat(*constant, emulator::lane_of(constant->type));
  }
  constexpr size_t kMaxSplatInputs = 8;
  const bool as_inputs = splats_as_inputs_ && splats_.size() <= kMaxSplatInputs &&
                         sources_.size() + splats_.size() + outputs_.size() <= dnn::kMaxEltwiseBuffers;
  ChainBuilder chain;
  std::vector<uint16_t> source_registers, splat_registers;
  for (const Source& memory : sources_) source_registers.push_back(chain.input(memory.type));
  splats_as_inputs_ = as_inputs;
  if (as_inputs) {
    for (const Splat& constant : splats_) splat_registers.push_back(chain.input(constant.type));
  } else {
    for (const Splat& constant : splats_) splat_registers.push_back(fill(chain, constant));
  }
  std::vector<uint16_t> results(nodes_.size());
  auto reg = [&](const Ref& ref) {
    if (const auto* memory = std::get_if<Source>(&ref)) return source_registers[source(*memory)];
    if (const auto* constant = std::get_if<Splat>(&ref)) return splat_registers[splat(*constant, emulator::lane_of(constant->type))];
    return results[position_.at(std::get<NodeId>(ref))];
  };
  for (size_t i = 0; i < nodes_.size(); ++i) {
    const Node& node = *nodes_[i].second;
    uint16_t operands[3];
    size_t n = 0;
    for (const Ref& ref : node.operands) operands[n++] = reg(ref);
    results[i] = node.op.code == TileOpcode::kCopy ? operands[0] : chain.apply(node.op, {operands, n});
  }
  for (const Output& output : outputs_) chain.output(reg(output.ref), output.type);
  return chain.finish();
}

std::string ClusterChain::name() const {
  constexpr size_t kNamed = 3;
  std::string text;
  size_t count = 0;
  for (const auto& [id, node] : nodes_) {
    if (node->op.code == TileOpcode::kCopy) continue;
    if (count < kNamed) text += (count ? "+" : "") + std::string(emulator::info(node->op.code).name);
    ++count;
  }
  if (count == 0) return "copy";
  return count > kNamed ? cat(text, "+", count - kNamed, " more") : text;
}

Step ClusterChain::step(PlanBuilder& builder, const std::vector<StorageId>& outputs) {
  dnn::EltwiseSpec spec;
  spec.name = name();
  spec.elements = elements_;
  spec.chain = finish();
  BufferTable table(builder.plan);
  for (const Source& memory : sources_) spec.operands.push_back(table.operand(memory));
  if (splats_as_inputs_) {
    for (const Splat& constant : splats_) {
      const auto size = static_cast<ptrdiff_t>(size_of(constant.type));
      Source scalar;
      scalar.storage = builder.constant(std::make_shared<std::vector<std::byte>>(constant.bits.begin(), constant.bits.begin() + size));
      scalar.type = constant.type;
      scalar.map.dims = {{elements_, 0}};
      spec.operands.push_back(table.operand(scalar));
    }
  }
  const int64_t dims[1] = {elements_};
  for (size_t i = 0; i < outputs.size(); ++i) {
    spec.results.push_back(dense_result(i, outputs_[i].type, dims));
    spec.output_bytes.push_back(elements_ * size_of(outputs_[i].type));
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
