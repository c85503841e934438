// Virtual operations assembled to one chain. What a chain reads from outside has a key: a view of memory, or a value of a program over
// rows.
#pragma once

#include <algorithm>
#include <functional>
#include <optional>
#include <unordered_map>
#include <vector>

#include "lowering/chain.hpp"
#include "lowering/graph.hpp"

namespace tt::lowering {

template <class Key>
class ChainAssembly {
 public:
  using Outside = std::function<std::optional<Key>(const Ref&)>;  // the key of what the chain does not compute itself and is no constant
  using TypeOf = std::function<DataType(const Key&)>;

  ChainAssembly(Outside outside, TypeOf type_of) : outside_(std::move(outside)), type_of_(std::move(type_of)) {}

  // The chain's first inputs are the sums that the engines have made of a product's parts, nodes `first` and following, in `accumulator`.
  void start_with_sums(NodeId first, size_t parts, DataType accumulator) { sums_ = {first, parts, accumulator}; }
  // An input ahead of those that the operations ask for.
  void input(const Key& key) { inputs_.push_back(key); }
  void add(NodeId id, const Node& node) {  // operands before users
    nodes_.emplace_back(id, &node);
    if (sums_.holds(id)) return;
    for (const Ref& ref : node.operands) note(ref);
  }
  void output(const Ref& ref, DataType type) {
    outputs_.push_back({ref, type});
    note(ref);
  }

  const std::vector<Key>& inputs() const { return inputs_; }
  const std::vector<std::pair<NodeId, const Node*>>& nodes() const { return nodes_; }
  size_t num_outputs() const { return outputs_.size(); }
  DataType output_type(size_t i) const { return outputs_[i].type; }

  emulator::TileProgram finish() {
    ChainBuilder chain;
    std::vector<uint16_t> sums;
    for (size_t i = 0; i < sums_.count; ++i) sums.push_back(chain.input(sums_.type));
    for (const Key& key : inputs_) input_registers_.push_back(chain.input(type_of_(key)));
    for (const Splat& splat : splats_) splat_registers_.push_back(fill(chain, splat));
    for (const auto& [id, node] : nodes_) {
      if (sums_.holds(id)) {
        const uint16_t sum = sums[id - sums_.first];
        const emulator::TileOp round{emulator::TileOpcode::kConvert, emulator::lane_of(sums_.type), node->op.type, 0};
        computed_[id] = node->op.type == sums_.type ? sum : chain.apply(round, {sum});
        continue;
      }
      uint16_t operands[3];
      size_t count = 0;
      for (const Ref& ref : node->operands) operands[count++] = find(ref);
      computed_[id] = node->op.code == emulator::TileOpcode::kCopy ? operands[0] : chain.apply(node->op, {operands, count});
    }
    for (const Output& output : outputs_) chain.output(find(output.ref), output.type);
    return chain.finish();
  }

 private:
  struct Output {
    Ref ref;
    DataType type;
  };
  struct Sums {
    NodeId first = 0;
    size_t count = 0;
    DataType type{};
    bool holds(NodeId id) const { return id >= first && id - first < count; }
  };

  // Constants live in registers of the lane that uses them.
  static Splat widened(const Splat& splat) {
    Splat wide;
    wide.type = carrier(emulator::lane_of(splat.type));
    emulator::convert_elements(splat.type, splat.bits.data(), wide.type, wide.bits.data(), 1);
    return wide;
  }
  static bool same_splat(const Splat& a, const Splat& b) { return a.type == b.type && a.bits == b.bits; }

  size_t index(const Key& key) const { return static_cast<size_t>(std::find(inputs_.begin(), inputs_.end(), key) - inputs_.begin()); }
  size_t index(const Splat& wide) const {
    const auto found = std::find_if(splats_.begin(), splats_.end(), [&](const Splat& s) { return same_splat(s, wide); });
    return static_cast<size_t>(found - splats_.begin());
  }
  void note(const Ref& ref) {
    if (const auto* splat = std::get_if<Splat>(&ref)) {
      const Splat wide = widened(*splat);
      if (index(wide) == splats_.size()) splats_.push_back(wide);
    } else if (const std::optional<Key> key = outside_(ref)) {
      if (index(*key) == inputs_.size()) inputs_.push_back(*key);
    }
  }
  uint16_t find(const Ref& ref) const {
    if (const auto* splat = std::get_if<Splat>(&ref)) return splat_registers_[index(widened(*splat))];
    if (const std::optional<Key> key = outside_(ref)) return input_registers_[index(*key)];
    return computed_.at(std::get<NodeId>(ref));
  }

  Outside outside_;
  TypeOf type_of_;
  Sums sums_;
  std::vector<std::pair<NodeId, const Node*>> nodes_;
  std::vector<Output> outputs_;
  std::vector<Key> inputs_;
  std::vector<Splat> splats_;
  std::vector<uint16_t> input_registers_, splat_registers_;
  std::unordered_map<NodeId, uint16_t> computed_;
};

}  // namespace tt::lowering
