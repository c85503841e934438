// Building the graph, absorbing producers into steps, and the order in which everything is emitted.
#include "lowering/graph.hpp"

#include <algorithm>
#include <limits>

#include "base/error.hpp"
#include "lowering/chain.hpp"
#include "lowering/cluster.hpp"
#include "lowering/grouping.hpp"
#include "lowering/product.hpp"
#include "lowering/reducer.hpp"
#include "lowering/row_cluster.hpp"

namespace tt::lowering {

bool can_spread(DataType type) {
  const emulator::Lane lane = emulator::lane_of(type);
  return lane != emulator::Lane::kPred && emulator::lane_size(lane) <= 8;
}

StorageId PlanBuilder::add(Storage storage) {
  plan.storages.push_back(std::move(storage));
  available_.push_back(0);
  return static_cast<StorageId>(plan.storages.size() - 1);
}

StorageId PlanBuilder::temporary(int64_t bytes) { return add({Storage::Kind::kTemporary, bytes, 0, nullptr}); }

StorageId PlanBuilder::constant(std::shared_ptr<const std::vector<std::byte>> data) {
  constexpr size_t kSmall = 64;
  const auto bytes = static_cast<int64_t>(data->size());
  if (data->size() > kSmall) return add({Storage::Kind::kConstant, bytes, 0, std::move(data)});
  const auto [found, is_new] = small_constants_.try_emplace(*data, kNoStorage);
  if (is_new) found->second = add({Storage::Kind::kConstant, bytes, 0, std::move(data)});
  return found->second;
}

NodeId Graph::add(emulator::TileOp op, int64_t elements, std::vector<Ref> operands) {
  int level = 0;
  for (const Ref& ref : operands) {
    if (const auto* id = producer(ref)) {
      level = std::max(level, nodes_[*id].level);
    } else {
      level = std::max(level, level_of(ref));
    }
  }
  int64_t only_row = 0;
  for (const Ref& ref : operands) {
    const auto* id = std::get_if<NodeId>(&ref);
    if (elements == 1 && id != nullptr) only_row = std::max(only_row, nodes_[*id].only_row);
  }
  nodes_.push_back({op, std::move(operands), elements, level});
  nodes_.back().only_row = only_row;
  return static_cast<NodeId>(nodes_.size() - 1);
}

NodeId Graph::add_product(std::shared_ptr<const Product> product, DataType type, int64_t elements, std::vector<Ref> operands) {
  const size_t parts = product->parts();
  for (size_t part = 0; part < parts; ++part) {
    Node& node = nodes_[add({emulator::TileOpcode::kCopy, emulator::lane_of(type), type, 0}, elements, operands)];
    node.product = product;
    node.part = part;
    node.parts = parts;
  }
  return static_cast<NodeId>(nodes_.size() - parts);
}

NodeId Graph::add_reduction(std::shared_ptr<const Reduction> reduction, std::vector<Ref> operands) {
  const DataType type = reduction->combine.outputs[0].type;
  const NodeId id =
      add({emulator::TileOpcode::kCopy, emulator::lane_of(type), type, 0}, reduction->outer * reduction->inner, std::move(operands));
  nodes_[id].reduction = std::move(reduction);
  return id;
}

NodeId Graph::add_fold(emulator::TileOp op, int64_t rows, int64_t length, Ref operand) {
  const NodeId id = add(op, rows, {std::move(operand)});
  nodes_[id].fold = length;
  if (rows == 1) nodes_[id].only_row = length;
  return id;
}

int Graph::level_of(const Ref& ref) const {
  if (const auto* id = producer(ref)) return nodes_[*id].level + 1;
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

Source Graph::stored(const Ref& ref) const {
  const auto* spread = std::get_if<Spread>(&ref);
  const Node& node = nodes_[*producer(ref)];
  const int64_t rows[2] = {node.elements, spread == nullptr ? 1 : spread->times};
  Source source = Source::dense(node.storage, node.op.type, std::span(rows).first(1));
  if (spread != nullptr) source.map.dims.push_back({spread->times, 0});
  return source;
}

Source Graph::as_source(const Ref& ref, DataType type, std::span<const int64_t> dims) {
  if (const auto* spread = std::get_if<Spread>(&ref)) {
    store(spread->node);
    std::optional<Source> view = reshape(stored(ref), dims);
    return view ? *view : Source::dense(dense(ref, type, dims), type, dims);  // a dimension of rows and times is written out
  }
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
  bool recompute = false;  // what others read too
  bool shared = false;     // under such a node
  std::vector<Source> sources;
  std::vector<NodeId> nodes;     // operands before users
  std::vector<NodeId> absorbed;  // of these, what nobody else reads
  std::vector<NodeId> left;      // to be stored: where they are met once more they are not computed either
  double cycles = 0;             // of what is computed once more, per tile
};

bool Graph::gather(const Ref& ref, std::span<const int64_t> dims, Gathering& into) const {
  constexpr size_t kMaxSources = 10;
  if (std::holds_alternative<Splat>(ref)) return true;
  if (std::holds_alternative<Spread>(ref)) return into.sources.size() < kMaxSources;
  if (const auto* id = std::get_if<NodeId>(&ref)) {
    const Node& node = nodes_[*id];
    if (std::find(into.nodes.begin(), into.nodes.end(), *id) != into.nodes.end()) return true;
    if (into.shared && node.storage != kNoStorage) into.sources.push_back(Source::dense(node.storage, node.op.type, dims));
    if (node.storage != kNoStorage) return into.sources.size() < kMaxSources;
    if (into.shared && (!node.is_elementwise() || node.op.lane != emulator::Lane::kF32)) return false;
    if (!node.is_elementwise()) return into.sources.size() < kMaxSources;
    if (node.uses > 1 && !into.shared) return recompute(*id, dims, into) || into.sources.size() < kMaxSources;
    for (const Ref& operand : node.operands) {
      if (!gather(operand, dims, into)) return false;
    }
    into.nodes.push_back(*id);
    if (!into.shared) into.absorbed.push_back(*id);
    if (into.shared) into.cycles += emulator::info(node.op.code).sfpu_cycles;
    return true;
  }
  const std::optional<Source> view = reshape(std::get<Source>(ref), dims);
  if (!view) return false;
  into.sources.push_back(*view);
  return into.sources.size() <= kMaxSources;
}

// Takes a node that others read too and what it is made of, if that is little work on no more memory than the node itself would take.
bool Graph::recompute(NodeId id, std::span<const int64_t> dims, Gathering& into) const {
  constexpr double kLittle = 300;  // a tile takes its cores longer to write and to read
  if (!into.recompute || std::find(into.left.begin(), into.left.end(), id) != into.left.end()) return false;
  Gathering tried = into;
  tried.shared = true;
  into.left.push_back(id);
  if (!gather(id, dims, tried) || tried.cycles - into.cycles > kLittle) return false;
  const auto is_large = [&](const Source& source) {
    const bool known = std::find(into.sources.begin(), into.sources.end(), source) != into.sources.end();
    return !known && distinct_elements(source) * 8 > volume(dims);
  };
  std::vector<Source> added(tried.sources.begin() + static_cast<ptrdiff_t>(into.sources.size()), tried.sources.end());
  std::erase_if(added, [&](const Source& source) { return !is_large(source); });
  if (std::any_of(added.begin(), added.end(), [&](const Source& source) { return source != added[0]; })) return false;
  tried.shared = false;
  into = std::move(tried);
  return true;
}

bool Graph::starts_from_memory(NodeId root, std::span<const int64_t> dims) const {
  Gathering found;
  if (!gather(root, dims, found)) return false;
  const std::unordered_set<NodeId> computed(found.nodes.begin(), found.nodes.end());
  const auto is_known = [&](const Ref& ref) { return producer(ref) == nullptr || computed.contains(*producer(ref)); };
  return computed.contains(root) && std::all_of(found.nodes.begin(), found.nodes.end(), [&](NodeId id) {
           return std::all_of(nodes_[id].operands.begin(), nodes_[id].operands.end(), is_known);
         });
}

Prologue Graph::absorb(std::span<const Ref> roots, std::span<const DataType> types, std::span<const int64_t> dims, bool recompute) {
  Gathering found;
  found.recompute = recompute;
  bool whole = true;
  for (const Ref& root : roots) whole = whole && gather(root, dims, found);
  if (!whole) found = {};
  const auto computed = [&](NodeId id) { return std::find(found.nodes.begin(), found.nodes.end(), id) != found.nodes.end(); };
  ClusterChain cluster(volume(dims));
  auto leaf = [&](const Ref& ref, DataType type) -> Ref {
    if (const auto* id = std::get_if<NodeId>(&ref)) return Source::dense(store(*id), type, dims);
    if (std::holds_alternative<Spread>(ref)) return as_source(ref, type, dims);
    if (const auto* source = std::get_if<Source>(&ref)) {
      if (auto view = reshape(*source, dims)) return *view;
      return Source::dense(dense(ref, type, dims), type, dims);
    }
    return ref;
  };
  std::deque<Node> nodes;
  for (const NodeId id : found.nodes) {
    nodes.push_back(nodes_[id]);
    for (Ref& operand : nodes.back().operands) {
      const auto* from = std::get_if<NodeId>(&operand);
      if (from == nullptr || !computed(*from)) operand = leaf(operand, from != nullptr ? nodes_[*from].op.type : DataType::kF32);
    }
    cluster.add(id, nodes.back());
  }
  for (const NodeId id : found.absorbed) nodes_[id].absorbed = true;
  for (size_t i = 0; i < roots.size(); ++i) {
    const auto* id = std::get_if<NodeId>(&roots[i]);
    cluster.output(id != nullptr && computed(*id) ? roots[i] : leaf(roots[i], types[i]), types[i]);
  }
  return {cluster.finish(), cluster.sources()};
}

// ---- emission

void Graph::sink() {
  constexpr int kNone = std::numeric_limits<int>::max();
  std::vector<int> low(nodes_.size(), kNone), high(nodes_.size(), -1);
  for (size_t end = nodes_.size(); end > 0;) {
    const size_t first = end - nodes_[end - 1].parts;  // the parts of a product stay together
    int lowest = kNone, highest = -1;
    bool is_stored = false;
    for (size_t i = first; i < end; ++i) {
      lowest = std::min(lowest, low[i]);
      highest = std::max(highest, high[i]);
      is_stored = is_stored || nodes_[i].storage != kNoStorage;
    }
    for (size_t i = first; i < end; ++i) {
      Node& node = nodes_[i];
      node.absorbed = node.absorbed || (!is_stored && highest < 0);  // nobody reads it
      if (node.absorbed) continue;
      if (!is_stored && lowest == highest) node.level = lowest;
      for (const Ref& operand : node.operands) {
        if (const auto* id = producer(operand)) {
          low[*id] = std::min(low[*id], node.level);
          high[*id] = std::max(high[*id], node.level);
        }
      }
    }
    end = first;
  }
}

void Graph::store_crossings() {
  for (const Node& node : nodes_) {
    if (node.absorbed) continue;
    for (const Ref& operand : node.operands) {
      const auto* id = producer(operand);
      if (id != nullptr && (nodes_[*id].level != node.level || nodes_[*id].wave != node.wave)) store(*id);
    }
  }
}

// The node with what earlier groups have computed as sources.
Node Graph::within(const Node& node, const std::unordered_set<NodeId>& group) const {
  Node inside = node;
  for (Ref& ref : inside.operands) {
    const auto* id = producer(ref);
    if (id != nullptr && !group.contains(*id)) ref = stored(ref);
  }
  return inside;
}

// The first half of a group that one program cannot compute, and the second, which reads what the first has stored.
std::array<std::span<const NodeId>, 2> Graph::halves(std::span<const NodeId> group) {
  const auto left = group.first(group.size() / 2), right = group.subspan(group.size() / 2);
  for (NodeId id : right) {
    for (const Ref& operand : nodes_[id].operands) {
      const auto* before = producer(operand);
      if (before != nullptr && *before < right[0]) store(*before);
    }
  }
  return {left, right};
}

void Graph::emit_chain(std::span<const NodeId> group, Sequence& steps, std::vector<Cluster>* same_wave) {
  constexpr size_t kMaxNodes = 256;
  if (nodes_[group[0]].elements == 0) return;
  const std::unordered_set<NodeId> members(group.begin(), group.end());
  std::deque<Node> nodes;
  ClusterChain chain(nodes_[group[0]].elements);
  std::vector<StorageId> outputs;
  for (NodeId id : group) {
    nodes.push_back(within(nodes_[id], members));
    if (!chain.add_layers(id, nodes.back(), builder_.plan)) chain.add(id, nodes.back());
    if (nodes_[id].storage == kNoStorage) continue;
    outputs.push_back(nodes_[id].storage);
    chain.output(id, nodes_[id].op.type);
  }
  if (group.size() > 1 && (group.size() > kMaxNodes || !chain.fits())) {
    for (const auto half : halves(group)) emit_chain(half, steps, nullptr);
    return;
  }
  if (outputs.empty()) return;
  Cluster cluster = chain.finish_for(std::move(outputs));
  if (same_wave != nullptr) {
    same_wave->push_back(std::move(cluster));
  } else {
    steps.push_back(eltwise_step(builder_, {&cluster, 1}));
  }
}

std::vector<std::pair<NodeId, Node>> Graph::inside(std::span<const NodeId> ids) const {
  const std::unordered_set<NodeId> members(ids.begin(), ids.end());
  std::vector<std::pair<NodeId, Node>> nodes;
  for (NodeId id : ids) nodes.emplace_back(id, within(nodes_[id], members));
  return nodes;
}

void Graph::emit_rows(std::span<const NodeId> group, int64_t rows, int64_t length, Sequence& steps) {
  if (lowering::emit_rows(builder_, inside(group), rows, length, steps)) return;
  check(group.size() > 1, "[graph] a row of ", length, " elements does not fit");
  for (const auto half : halves(group)) emit_rows(half, rows, length, steps);
}

void Graph::emit_reductions(std::span<const NodeId> group, Sequence& steps) {
  if (emit_reduction(builder_, inside(group), fusions_.fuse_parts, steps)) return;
  // Not all of it fits: the reductions are stored one by one, the others are a chain of their own.
  std::vector<NodeId> others;
  for (const NodeId id : group) {
    if (nodes_[id].reduction == nullptr) {
      others.push_back(id);
      continue;
    }
    store(id);
    check(emit_reduction(builder_, inside({&id, 1}), fusions_.fuse_parts, steps), "[graph] a reduction of one value does not fit");
  }
  if (!others.empty()) emit_chain(others, steps, nullptr);
}

void Graph::emit_group(const Group& group, Sequence& steps, std::vector<Cluster>& same_wave) {
  if (group.length != 0) return emit_rows(group.nodes, group.rows, group.length, steps);
  const auto reduces = [&](NodeId id) { return nodes_[id].reduction != nullptr; };
  if (std::any_of(group.nodes.begin(), group.nodes.end(), reduces)) return emit_reductions(group.nodes, steps);
  const auto product = std::find_if(group.nodes.begin(), group.nodes.end(), [&](NodeId id) { return nodes_[id].product != nullptr; });
  if (product == group.nodes.end()) return emit_chain(group.nodes, steps, &same_wave);
  if (std::optional<Step> step = emit_product(builder_, inside(group.nodes))) {
    steps.push_back(*std::move(step));
    return;
  }
  // The epilogue cannot read something: the product is stored, the others are a chain of their own.
  std::vector<NodeId> others = group.nodes;
  const auto parts = std::stable_partition(others.begin(), others.end(), [&](NodeId id) { return nodes_[id].product == nullptr; });
  for (const NodeId id : std::span(parts, others.end())) store(id);
  steps.push_back(*emit_product(builder_, inside(std::span(parts, others.end()))));
  emit_chain({others.begin(), parts}, steps, nullptr);
}

// Clusters of one wave do not read each other's results: those with the same chain become one program. A copy of a whole temporary stays
// by itself: it is gone where both can share memory.
void Graph::emit_wave(std::vector<Cluster>& clusters, Sequence& steps) {
  const auto may_go = [&](const Cluster& c) {
    return c.chain.ops.empty() && c.sources.size() == 1 && c.outputs.size() == 1 && c.sources[0].is_dense() &&
           builder_.plan.storages[c.sources[0].storage].kind == Storage::Kind::kTemporary;
  };
  while (!clusters.empty()) {
    const auto joins = [&](const Cluster& c) {
      return fusions_.batch_chains && !may_go(clusters[0]) && !may_go(c) && share_a_program(clusters[0], c);
    };
    const auto rest = std::stable_partition(clusters.begin() + 1, clusters.end(), joins);
    steps.push_back(eltwise_step(builder_, {clusters.begin(), rest}));
    clusters.erase(clusters.begin(), rest);
  }
}

Sequence Graph::emit() {
  sink();
  const std::vector<Group> groups = group_nodes(nodes_, fusions_);
  store_crossings();
  std::stable_sort(steps_.begin(), steps_.end(), [](const Scheduled& a, const Scheduled& b) { return a.level < b.level; });
  Sequence sequence;
  size_t next_step = 0;
  std::vector<Cluster> same_wave;
  std::pair<int, int> wave{-1, 0};
  for (const Group& group : groups) {
    const Node& first = nodes_[group.nodes[0]];
    if (wave != std::pair(first.level, first.wave)) emit_wave(same_wave, sequence);
    wave = {first.level, first.wave};
    while (next_step < steps_.size() && steps_[next_step].level <= first.level) steps_[next_step++].emit(sequence);
    emit_group(group, sequence, same_wave);
  }
  emit_wave(same_wave, sequence);
  while (next_step < steps_.size()) steps_[next_step++].emit(sequence);
  return sequence;
}

}  // namespace tt::lowering
