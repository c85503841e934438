// Groups grow along the edges between operations of a level, in order, as long as one program can compute them. Where a group cannot take
// in an operation, that operation waits for the next wave, so that waves follow each other and no cycle can arise.
#include "lowering/grouping.hpp"

#include <algorithm>
#include <limits>
#include <map>
#include <numeric>
#include <optional>

#include "emulator/tile_program.hpp"

namespace tt::lowering {
namespace {

constexpr auto kOnePage = static_cast<int64_t>(emulator::kTileElements);
constexpr size_t kMaxRowSources = 18;  // of a program over rows: one circular buffer each, beside those of results and constants
constexpr size_t kMaxRowNodes = 200;
constexpr size_t kMaxEpilogueSources = 12;  // of a product's epilogue
constexpr size_t kMaxEpilogueNodes = 60;
constexpr size_t kMaxReductions = 6;         // in one program: results, parts and what joins them take circular buffers each
constexpr size_t kMaxReductionSources = 12;  // of their prologues and their epilogue
constexpr int kNever = std::numeric_limits<int>::max();

// What is known of a group under construction.
struct Form {
  int64_t elements = 0;                  // of every member, or, of a program over rows, rows * length
  int64_t rows = 0, length = 0;          // other than 0: a program over rows
  size_t products = 0;                   // 1: the others are its epilogue
  size_t reductions = 0;                 // the others are their epilogue
  const Reduction* reduction = nullptr;  // the first of them
  size_t iotas = 0;                      // values made from indices, which epilogues do not have
  size_t sources = 0, nodes = 1;
};

std::optional<Form> joined(const Form& a, const Form& b, const Fusions& fusions) {
  const Form& shaped = a.length != 0 ? a : b;
  const Form& other = a.length != 0 ? b : a;
  Form both = shaped;
  both.products = a.products + b.products;
  both.reductions = a.reductions + b.reductions;
  both.reduction = a.reduction != nullptr ? a.reduction : b.reduction;
  both.iotas = a.iotas + b.iotas;
  both.sources = a.sources + b.sources;
  both.nodes = a.nodes + b.nodes;
  if (both.reductions > 0) {
    const bool together = a.reductions == 0 || b.reductions == 0 || (fusions.batch_reductions && a.reduction->joins(*b.reduction));
    const bool one = together && both.products == 0 && shaped.length == 0 && a.elements == b.elements &&
                     both.reductions <= kMaxReductions && both.sources <= kMaxReductionSources && both.nodes <= kMaxEpilogueNodes;
    return one ? std::optional(both) : std::nullopt;
  }
  if (both.products > 0) {
    const bool epilogue = both.products == 1 && shaped.length == 0 && a.elements == b.elements && both.iotas == 0 &&
                          both.sources <= kMaxEpilogueSources && both.nodes <= kMaxEpilogueNodes;
    return epilogue ? std::optional(both) : std::nullopt;
  }
  if (shaped.length == 0) return a.elements == b.elements ? std::optional(both) : std::nullopt;
  const bool same = other.length != 0 ? other.rows == shaped.rows && other.length == shaped.length
                                      : other.elements == shaped.elements || other.elements == shaped.rows;
  return same && both.sources <= kMaxRowSources && both.nodes <= kMaxRowNodes ? std::optional(both) : std::nullopt;
}

class Grouper {
 public:
  Grouper(std::deque<Node>& nodes, const Fusions& fusions)
      : nodes_(nodes), fusions_(fusions), parent_(nodes.size()), groups_(nodes.size()) {
    std::iota(parent_.begin(), parent_.end(), 0);
  }

  std::vector<Group> run() {
    for (NodeId i = 0; i < nodes_.size(); ++i) {
      if (!nodes_[i].absorbed) place(i);
    }
    join_reductions();
    join_readers();
    return collect();
  }

 private:
  struct Growing {
    Form form;
    std::vector<NodeId> members;
    int read_in = kNever;  // the first wave of this level in which another group reads a member
  };

  NodeId root(NodeId id) {
    while (parent_[id] != id) id = parent_[id] = parent_[parent_[id]];
    return id;
  }

  // Producers at the node's level.
  template <class Visit>
  void for_each_producer(const Node& node, const Visit& visit) const {
    for (const Ref& ref : node.operands) {
      const auto* id = producer(ref);
      if (id != nullptr && nodes_[*id].level == node.level) visit(*id);
    }
  }

  Form form_of(const Node& node) const {
    Form form{node.elements};
    if (node.fold != 0) {
      form.elements = node.elements * node.fold;
      form.rows = node.elements;
      form.length = node.fold;
    }
    form.products = node.product != nullptr && node.part == 0;
    form.reductions = node.reduction != nullptr;
    form.reduction = node.reduction.get();
    for (const Ref& ref : node.operands) {
      const auto* source = std::get_if<Source>(&ref);
      if (source == nullptr || node.product != nullptr) continue;
      (source->storage == kNoStorage ? form.iotas : form.sources) += 1;
    }
    return form;
  }

  // The form of the node with what `taken` compute: spreads from those make it a program over rows.
  std::optional<Form> form_with(const Node& node, const std::vector<NodeId>& taken) {
    std::optional<Form> form = form_of(node);
    for (const Ref& ref : node.operands) {
      const auto* spread = std::get_if<Spread>(&ref);
      if (spread == nullptr || !form || std::find(taken.begin(), taken.end(), root(spread->node)) == taken.end()) continue;
      form = joined(*form, Form{.elements = node.elements, .rows = nodes_[spread->node].elements, .length = spread->times, .nodes = 0},
                    fusions_);
    }
    for (NodeId group : taken) {
      if (form) form = joined(*form, groups_[group].form, fusions_);
    }
    return form;
  }

  void place(NodeId i) {
    Node& node = nodes_[i];
    node.wave = 0;
    for_each_producer(node, [&](NodeId id) { node.wave = std::max(node.wave, nodes_[id].wave); });
    std::vector<NodeId> producers;  // groups of the last wave
    for_each_producer(node, [&](NodeId id) {
      const NodeId group = root(id);
      if (nodes_[id].wave == node.wave && std::find(producers.begin(), producers.end(), group) == producers.end())
        producers.push_back(group);
    });
    if (node.part > 0) producers.push_back(root(i - 1));
    std::vector<NodeId> taken = producers;
    std::optional<Form> form = form_with(node, taken);
    if (!form) {
      // Not all of them can be one program with the node: it waits for the next wave, and so do those that can.
      ++node.wave;
      taken.clear();
      std::stable_sort(producers.begin(), producers.end(),
                       [&](NodeId a, NodeId b) { return groups_[a].form.products > groups_[b].form.products; });
      for (NodeId group : producers) {
        taken.push_back(group);
        if (groups_[group].read_in <= node.wave || !form_with(node, taken)) taken.pop_back();
      }
      form = form_with(node, taken);
    }
    groups_[i] = {*form, {i}};
    for (NodeId group : taken) {
      for (NodeId member : groups_[group].members) nodes_[member].wave = node.wave;
      absorb(group, i);
    }
    for_each_producer(node, [&](NodeId id) {
      if (root(id) != i) groups_[root(id)].read_in = std::min(groups_[root(id)].read_in, node.wave);
    });
  }

  // `from` becomes part of `into`.
  void absorb(NodeId from, NodeId into) {
    parent_[from] = into;
    Growing &a = groups_[from], &b = groups_[into];
    if (a.members.size() > b.members.size()) std::swap(a.members, b.members);
    b.members.insert(b.members.end(), a.members.begin(), a.members.end());
    b.read_in = std::min(a.read_in, b.read_in);
    a.members.clear();
  }

  bool join(NodeId a, NodeId b) {
    a = root(a);
    b = root(b);
    const Form &x = groups_[a].form, &y = groups_[b].form;
    if (a == b) return true;
    if ((x.length == 0) != (y.length == 0) || (x.reductions == 0) != (y.reductions == 0) || x.products + y.products > 0) return false;
    const auto form = joined(x, y, fusions_);
    if (!form) return false;
    absorb(a, b);
    groups_[b].form = *form;
    return true;
  }

  // Reductions of one shape, whatever they read.
  void join_reductions() {
    std::map<std::tuple<int, int, int64_t, int64_t, int64_t>, NodeId> siblings;
    for (NodeId i = 0; i < nodes_.size(); ++i) {
      const Node& node = nodes_[i];
      if (node.absorbed || node.reduction == nullptr) continue;
      const Reduction& r = *node.reduction;
      const auto [found, is_new] = siblings.try_emplace({node.level, node.wave, r.outer, r.reduced, r.inner}, i);
      if (!is_new && !join(i, found->second)) found->second = i;
    }
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
      if (node.absorbed || node.product != nullptr || node.reduction != nullptr) continue;
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
      if (is_new) groups.push_back({{}, groups_[leader].form.rows, groups_[leader].form.length});
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
  const Fusions& fusions_;
  std::vector<NodeId> parent_;
  std::vector<Growing> groups_;
};

}  // namespace

std::vector<Group> group_nodes(std::deque<Node>& nodes, const Fusions& fusions) { return Grouper(nodes, fusions).run(); }

}  // namespace tt::lowering
