// Building the graph, absorbing producers into steps, and the order in which everything is emitted.
#include "lowering/graph.hpp"

#include <algorithm>
#include <limits>
#include <numeric>

#include "base/error.hpp"
#include "lowering/chain.hpp"
#include "lowering/cluster.hpp"

namespace tt::lowering {

StorageId PlanBuilder::add(Storage storage) {
  plan.storages.push_back(std::move(storage));
  available_.push_back(0);
  return static_cast<StorageId>(plan.storages.size() - 1);
}

StorageId PlanBuilder::temporary(int64_t bytes) { return add({Storage::Kind::kTemporary, bytes, 0, nullptr, -1}); }

StorageId PlanBuilder::constant(std::shared_ptr<const std::vector<std::byte>> data) {
  constexpr size_t kSmall = 64;
  const auto bytes = static_cast<int64_t>(data->size());
  if (data->size() > kSmall) return add({Storage::Kind::kConstant, bytes, 0, std::move(data), -1});
  const auto [found, is_new] = small_constants_.try_emplace(*data, kNoStorage);
  if (is_new) found->second = add({Storage::Kind::kConstant, bytes, 0, std::move(data), -1});
  return found->second;
}

NodeId Graph::add(emulator::TileOp op, int64_t elements, std::vector<Ref> operands) {
  int level = 0;
  for (const Ref& ref : operands) {
    if (const auto* id = std::get_if<NodeId>(&ref)) {
      level = std::max(level, nodes_[*id].level);
    } else {
      level = std::max(level, level_of(ref));
    }
  }
  nodes_.push_back({op, std::move(operands), elements, level});
  return static_cast<NodeId>(nodes_.size() - 1);
}

int Graph::level_of(const Ref& ref) const {
  if (const auto* id = std::get_if<NodeId>(&ref)) return nodes_[*id].level + 1;
  const auto* source = std::get_if<Source>(&ref);
  if (source == nullptr) return 0;
  int level = source->storage == kNoStorage ? 0 : builder_.available(source->storage);
  for (const SourceIndex& index : source->indices) level = std::max(level, builder_.available(index.storage));
  return level;
}

StorageId Graph::store(NodeId id) {
  const Node& node = nodes_[id];
  if (node.storage == kNoStorage) store_in(id, builder_.temporary(node.elements * size_of(node.op.type)));
  return node.storage;
}

void Graph::store_in(NodeId id, StorageId storage) {
  nodes_[id].storage = storage;
  builder_.set_available(storage, nodes_[id].level + 1);
}

Source Graph::as_source(const Ref& ref, DataType type, std::span<const int64_t> dims) {
  if (const auto* source = std::get_if<Source>(&ref)) return *source;
  if (const auto* id = std::get_if<NodeId>(&ref)) return Source::dense(store(*id), type, dims);
  const Splat& splat = std::get<Splat>(ref);
  const auto size = static_cast<size_t>(size_of(splat.type));
  Source source;
  source.storage =
      builder_.constant(std::make_shared<std::vector<std::byte>>(splat.bits.begin(), splat.bits.begin() + static_cast<ptrdiff_t>(size)));
  source.type = type;
  for (int64_t d : dims) source.map.dims.push_back({d, 0});
  return source;
}

StorageId Graph::dense(const Ref& ref, DataType type, std::span<const int64_t> dims) {
  if (const auto* id = std::get_if<NodeId>(&ref)) return store(*id);
  const int64_t elements = volume(dims);
  if (const auto* source = std::get_if<Source>(&ref)) {
    if (source->is_dense() && builder_.plan.storages[source->storage].bytes == elements * size_of(type)) return source->storage;
  }
  return store(add({emulator::TileOpcode::kCopy, emulator::lane_of(type), type, 0}, elements, {ref}));
}

// ---- prologues

struct Graph::Gathering {
  std::vector<Source> sources;
  std::vector<Splat> splats;
  std::vector<NodeId> nodes;  // operands before users
};

bool Graph::gather(const Ref& ref, std::span<const int64_t> dims, Gathering& into) {
  constexpr size_t kMaxSources = 10;
  if (std::holds_alternative<Splat>(ref)) return true;
  if (const auto* id = std::get_if<NodeId>(&ref)) {
    const Node& node = nodes_[*id];
    if (node.uses > 1 || node.storage != kNoStorage) return into.sources.size() < kMaxSources;
    for (const Ref& operand : node.operands) {
      if (!gather(operand, dims, into)) return false;
    }
    into.nodes.push_back(*id);
    return true;
  }
  const std::optional<Source> view = reshape(std::get<Source>(ref), dims);
  if (!view) return false;
  into.sources.push_back(*view);
  return into.sources.size() <= kMaxSources;
}

Prologue Graph::absorb(std::span<const Ref> roots, std::span<const DataType> types, std::span<const int64_t> dims) {
  Gathering found;
  bool whole = true;
  for (const Ref& root : roots) whole = whole && gather(root, dims, found);
  ClusterChain cluster(volume(dims), /*splats_as_inputs=*/false);
  auto leaf = [&](const Ref& ref, DataType type) -> Ref {
    if (const auto* id = std::get_if<NodeId>(&ref)) return Source::dense(store(*id), type, dims);
    if (const auto* source = std::get_if<Source>(&ref)) {
      if (auto view = reshape(*source, dims)) return *view;
      return Source::dense(dense(ref, type, dims), type, dims);
    }
    return ref;
  };
  if (whole) {
    for (NodeId id : found.nodes) {
      Node& node = nodes_[id];
      node.absorbed = true;
      for (Ref& operand : node.operands) {
        const auto* producer = std::get_if<NodeId>(&operand);
        if (producer == nullptr || !nodes_[*producer].absorbed)
          operand = leaf(operand, producer ? nodes_[*producer].op.type : DataType::kF32);
      }
      cluster.add(id, node);
    }
  }
  for (size_t i = 0; i < roots.size(); ++i) {
    const auto* id = std::get_if<NodeId>(&roots[i]);
    if (id != nullptr && nodes_[*id].absorbed) {
      cluster.output(*id, types[i]);
    } else {
      cluster.output(leaf(roots[i], types[i]), types[i]);
    }
  }
  return {cluster.finish(), cluster.sources()};
}

// ---- emission

void Graph::sink() {
  constexpr int kNone = std::numeric_limits<int>::max();
  std::vector<int> low(nodes_.size(), kNone), high(nodes_.size(), -1);
  for (size_t i = nodes_.size(); i-- > 0;) {
    Node& node = nodes_[i];
    if (node.absorbed) continue;
    if (node.storage == kNoStorage && high[i] < 0) {
      node.absorbed = true;  // nobody reads it
      continue;
    }
    if (node.storage == kNoStorage && low[i] == high[i]) node.level = low[i];
    for (const Ref& operand : node.operands) {
      if (const auto* id = std::get_if<NodeId>(&operand)) {
        low[*id] = std::min(low[*id], node.level);
        high[*id] = std::max(high[*id], node.level);
      }
    }
  }
}

void Graph::store_crossings() {
  for (const Node& node : nodes_) {
    if (node.absorbed) continue;
    for (const Ref& operand : node.operands) {
      const auto* id = std::get_if<NodeId>(&operand);
      if (id != nullptr && nodes_[*id].level != node.level) store(*id);
    }
  }
}

std::vector<std::vector<NodeId>> Graph::clusters() {
  constexpr auto kOnePage = static_cast<int64_t>(emulator::kTileElements);
  std::vector<NodeId> parent(nodes_.size());
  std::iota(parent.begin(), parent.end(), 0);
  auto root = [&](NodeId id) {
    while (parent[id] != id) id = parent[id] = parent[parent[id]];
    return id;
  };
  // Siblings that read the same memory belong together as much as producer and consumer do.
  std::map<std::tuple<int, int64_t, StorageId>, NodeId> readers;
  for (NodeId i = 0; i < nodes_.size(); ++i) {
    const Node& node = nodes_[i];
    if (node.absorbed) continue;
    if (node.elements <= kOnePage) {  // a page or less: starting a program costs more than the work
      const auto [found, is_new] = readers.try_emplace({node.level, node.elements, kNoStorage}, i);
      if (!is_new) parent[root(i)] = root(found->second);
    }
    for (const Ref& operand : node.operands) {
      if (const auto* id = std::get_if<NodeId>(&operand)) {
        if (nodes_[*id].level == node.level) parent[root(i)] = root(*id);
      } else if (const auto* source = std::get_if<Source>(&operand); source != nullptr && source->storage != kNoStorage) {
        const auto [found, is_new] = readers.try_emplace({node.level, node.elements, source->storage}, i);
        if (!is_new) parent[root(i)] = root(found->second);
      }
    }
  }
  std::map<NodeId, size_t> index;
  std::vector<std::vector<NodeId>> groups;
  for (NodeId i = 0; i < nodes_.size(); ++i) {
    if (nodes_[i].absorbed) continue;
    const auto [found, is_new] = index.try_emplace(root(i), groups.size());
    if (is_new) groups.emplace_back();
    groups[found->second].push_back(i);
  }
  std::stable_sort(groups.begin(), groups.end(), [&](const auto& a, const auto& b) { return nodes_[a[0]].level < nodes_[b[0]].level; });
  return groups;
}

void Graph::emit_cluster(std::span<const NodeId> cluster, Sequence& steps) {
  constexpr size_t kMaxNodes = 256;
  const int64_t elements = nodes_[cluster[0]].elements;
  ClusterChain chain(elements, /*splats_as_inputs=*/true, [&](NodeId id) {
    return Source::dense(nodes_[id].storage, nodes_[id].op.type, {&elements, 1});
  });
  for (NodeId id : cluster) chain.add(id, nodes_[id]);
  for (NodeId id : cluster) {
    if (nodes_[id].storage != kNoStorage) chain.output(id, nodes_[id].op.type);
  }
  if (cluster.size() > 1 && (cluster.size() > kMaxNodes || !chain.fits())) {
    const auto left = cluster.first(cluster.size() / 2), right = cluster.subspan(cluster.size() / 2);
    for (NodeId id : right) {
      for (const Ref& operand : nodes_[id].operands) {
        const auto* producer = std::get_if<NodeId>(&operand);
        if (producer != nullptr && *producer < right[0]) store(*producer);
      }
    }
    emit_cluster(left, steps);
    emit_cluster(right, steps);
    return;
  }
  std::vector<StorageId> outputs;
  for (NodeId id : cluster) {
    if (nodes_[id].storage != kNoStorage) outputs.push_back(nodes_[id].storage);
  }
  if (!outputs.empty()) steps.push_back(chain.step(builder_, outputs));
}

Sequence Graph::emit() {
  sink();
  store_crossings();
  const std::vector<std::vector<NodeId>> groups = clusters();
  std::stable_sort(steps_.begin(), steps_.end(), [](const Scheduled& a, const Scheduled& b) { return a.level < b.level; });
  Sequence sequence;
  size_t next_step = 0;
  for (const std::vector<NodeId>& group : groups) {
    while (next_step < steps_.size() && steps_[next_step].level <= nodes_[group[0]].level) steps_[next_step++].emit(sequence);
    emit_cluster(group, sequence);
  }
  while (next_step < steps_.size()) steps_[next_step++].emit(sequence);
  return sequence;
}

}  // namespace tt::lowering
