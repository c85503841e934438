// Groups grow along the edges between operations of a level, in order, as long as one program can compute them. Where a group cannot take
// in an operation, that operation waits for the next wave, so that waves follow each other and no cycle can arise.
#include "lowering/grouping.hpp"

#include <algorithm>
#include <map>
#include <numeric>
#include <optional>

#include "emulator/tile_program.hpp"

namespace tt::lowering {
namespace {

constexpr auto kOnePage = static_cast<int64_t>(emulator::kTileElements);
constexpr size_t kMaxRowSources = 18;  // of a program over rows: one circular buffer each, beside those of results and constants
constexpr size_t kMaxRowNodes = 200;

// What is known of a group under construction.
struct Form {
  int64_t elements = 0;          // of every member, or, of a program over rows, rows * length
  int64_t rows = 0, length = 0;  // other than 0: a program over rows
  size_t sources = 0, nodes = 1;
};

std::optional<Form> joined(const Form& a, const Form& b) {
  const Form& shaped = a.length != 0 ? a : b;
  const Form& other = a.length != 0 ? b : a;
  Form both = shaped;
  both.sources = a.sources + b.sources;
  both.nodes = a.nodes + b.nodes;
  if (shaped.length == 0) return a.elements == b.elements ? std::optional(both) : std::nullopt;
  const bool same = other.length != 0 ? other.rows == shaped.rows && other.length == shaped.length
                                      : other.elements == shaped.elements || other.elements == shaped.rows;
  return same && both.sources <= kMaxRowSources && both.nodes <= kMaxRowNodes ? std::optional(both) : std::nullopt;
}

class Grouper {
 public:
  explicit Grouper(std::deque<Node>& nodes) : nodes_(nodes), parent_(nodes.size()), forms_(nodes.size()) {
    std::iota(parent_.begin(), parent_.end(), 0);
  }

  std::vector<Group> run() {
    for (NodeId i = 0; i < nodes_.size(); ++i) {
      if (!nodes_[i].absorbed) place(i);
    }
    join_readers();
    return collect();
  }

 private:
  NodeId root(NodeId id) {
    while (parent_[id] != id) id = parent_[id] = parent_[parent_[id]];
    return id;
  }

  // Producers at the node's level.
  template <class Visit>
  void for_each_producer(const Node& node, const Visit& visit) const {
    for (const Ref& ref : node.operands) {
      if (const auto* id = std::get_if<NodeId>(&ref)) {
        if (nodes_[*id].level == node.level) visit(*id, int64_t{0});
      } else if (const auto* spread = std::get_if<Spread>(&ref)) {
        if (nodes_[spread->node].level == node.level) visit(spread->node, spread->times);
      }
    }
  }

  void place(NodeId i) {
    Node& node = nodes_[i];
    node.wave = 0;
    for_each_producer(node, [&](NodeId id, int64_t) { node.wave = std::max(node.wave, nodes_[id].wave); });
    Form alone{node.elements, 0, 0, 0, 1};
    if (node.fold != 0) alone = {node.elements * node.fold, node.elements, node.fold, 0, 1};
    for (const Ref& ref : node.operands) {
      const auto* source = std::get_if<Source>(&ref);
      alone.sources += source != nullptr && source->storage != kNoStorage;
    }
    std::optional<Form> form = alone;
    std::vector<NodeId> producers;
    for_each_producer(node, [&](NodeId id, int64_t times) {
      if (nodes_[id].wave != node.wave) return;
      if (times != 0 && form) form = joined(*form, {node.elements, nodes_[id].elements, times, 0, 0});
      const NodeId group = root(id);
      if (std::find(producers.begin(), producers.end(), group) != producers.end()) return;
      producers.push_back(group);
      if (form) form = joined(*form, forms_[group]);
    });
    if (!form) {
      ++node.wave;
      forms_[i] = alone;
      return;
    }
    for (NodeId group : producers) parent_[group] = i;
    forms_[i] = *form;
  }

  void join(NodeId a, NodeId b) {
    a = root(a);
    b = root(b);
    if (a == b) return;
    const auto form = joined(forms_[a], forms_[b]);
    if (!form || (forms_[a].length == 0) != (forms_[b].length == 0)) return;
    parent_[a] = b;
    forms_[b] = *form;
  }

  // Siblings that read the same memory belong together as much as producer and consumer do; and so do operations on a page or less, where
  // starting a program costs more than the work.
  void join_readers() {
    std::map<std::tuple<int, int, int64_t, StorageId>, NodeId> readers;
    const auto meet = [&](NodeId i, StorageId storage) {
      const Node& node = nodes_[i];
      const int64_t elements = node.elements * std::max<int64_t>(node.fold, 1);
      const auto [found, is_new] = readers.try_emplace({node.level, node.wave, elements, storage}, i);
      if (!is_new) join(i, found->second);
    };
    for (NodeId i = 0; i < nodes_.size(); ++i) {
      const Node& node = nodes_[i];
      if (node.absorbed) continue;
      if (node.elements <= kOnePage && node.fold == 0) meet(i, kNoStorage);
      for (const Ref& ref : node.operands) {
        if (const auto* source = std::get_if<Source>(&ref); source != nullptr && source->storage != kNoStorage) meet(i, source->storage);
      }
    }
  }

  std::vector<Group> collect() {
    std::map<NodeId, size_t> index;
    std::vector<Group> groups;
    for (NodeId i = 0; i < nodes_.size(); ++i) {
      if (nodes_[i].absorbed) continue;
      const NodeId leader = root(i);
      const auto [found, is_new] = index.try_emplace(leader, groups.size());
      if (is_new) groups.push_back({{}, forms_[leader].rows, forms_[leader].length});
      groups[found->second].nodes.push_back(i);
    }
    const auto before = [&](const Group& a, const Group& b) {
      const Node &x = nodes_[a.nodes[0]], &y = nodes_[b.nodes[0]];
      return std::pair(x.level, x.wave) < std::pair(y.level, y.wave);
    };
    std::stable_sort(groups.begin(), groups.end(), before);
    return groups;
  }

  std::deque<Node>& nodes_;
  std::vector<NodeId> parent_;
  std::vector<Form> forms_;
};

}  // namespace

std::vector<Group> group_nodes(std::deque<Node>& nodes) { return Grouper(nodes).run(); }

}  // namespace tt::lowering
