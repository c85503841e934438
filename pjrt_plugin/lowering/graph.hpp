// The operations of one block as a graph: elementwise work stays virtual until clusters of it become programs; everything else is
// scheduled by level. A level runs its steps first, then its clusters; what a cluster stores can be read from the next level on.
#pragma once

#include <array>
#include <deque>
#include <functional>
#include <map>
#include <string>
#include <unordered_set>
#include <variant>
#include <vector>

#include "emulator/tile_program.hpp"
#include "lowering/plan.hpp"
#include "lowering/source.hpp"

namespace tt::emulator {
struct ChipSpec;
}

namespace tt::lowering {

// The plan being built, shared by all blocks of a program.
class PlanBuilder {
 public:
  explicit PlanBuilder(const emulator::ChipSpec& chip) : chip(chip) {}

  StorageId temporary(int64_t bytes);
  StorageId constant(std::shared_ptr<const std::vector<std::byte>> data);  // equal small constants share one storage
  int available(StorageId storage) const { return available_[storage]; }
  void set_available(StorageId storage, int level) { available_[storage] = level; }

  const emulator::ChipSpec& chip;
  Plan plan;

 private:
  StorageId add(Storage storage);
  std::vector<int> available_;  // per storage: the first level of its block at which it can be read
  std::map<std::vector<std::byte>, StorageId> small_constants_;
};

// The same element everywhere, in its array encoding.
struct Splat {
  DataType type = DataType::kF32;
  std::array<std::byte, 16> bits{};
};

using NodeId = uint32_t;

// Each element of a virtual operation's result, `times` times.
struct Spread {
  NodeId node;
  int64_t times;
};

// Where a value is: in memory, the row-major result of a virtual operation (or that spread along rows), or a constant.
using Ref = std::variant<Source, NodeId, Splat, Spread>;

// The virtual operation that computes the value; null when none does.
inline const NodeId* producer(const Ref& ref) {
  const auto* spread = std::get_if<Spread>(&ref);
  return spread != nullptr ? &spread->node : std::get_if<NodeId>(&ref);
}

class Product;

// A reduction of one value over [outer, reduced, inner] to [outer, inner].
struct Reduction {
  int64_t outer, reduced, inner;
  emulator::TileProgram prologue;  // the node's operands -> the value
  emulator::TileProgram combine;   // accumulator, value -> accumulator

  bool joins(const Reduction& other) const;  // one program can do both, with the same results
};

struct Node {
  emulator::TileOp op;  // its registers are not used. Of a fold: the combination, and the type of the result
  std::vector<Ref> operands;
  int64_t elements;
  int level;
  std::shared_ptr<const Product> product = nullptr;      // of a matrix product; its operands are sources
  size_t part = 0, parts = 1;                            // of a product with several results, which are nodes one after the other
  std::shared_ptr<const Reduction> reduction = nullptr;  // of a reduction; its operands are sources over [outer, reduced, inner]
  int64_t fold = 0;                                      // other than 0: folds rows of that many elements of its operand to one each
  int64_t only_row = 0;                                  // of one element, made from the fold of a single row: the elements of that
  int wave = 0;                    // within the level: what cannot be one program with its producers comes in a later wave
  StorageId storage = kNoStorage;  // where the result must be stored, if anywhere
  int64_t uses = 1;                // readers in the whole block, whether lowered yet or not
  bool absorbed = false;           // computed by the step that consumes it

  bool is_elementwise() const { return product == nullptr && reduction == nullptr && fold == 0; }
};

inline constexpr int64_t kMaxFusedRow = 8192;  // elements; longer rows are folded and spread by programs of their own
bool can_spread(DataType type);                // elements that kernels repeat along rows: registers of 4 or 8 bytes that look like arrays

struct Group;
struct Cluster;

// Inputs and chain of a fused region: what a step needs to read its operands through their producers.
struct Prologue {
  emulator::TileProgram chain;
  std::vector<Source> sources;  // chain.inputs[i]
};

class Graph {
 public:
  Graph(PlanBuilder& builder, const Fusions& fusions) : builder_(builder), fusions_(fusions) {}

  NodeId add(emulator::TileOp op, int64_t elements, std::vector<Ref> operands);
  // The first of the nodes of the product's parts, each of `elements`.
  NodeId add_product(std::shared_ptr<const Product> product, DataType type, int64_t elements, std::vector<Ref> operands);
  NodeId add_reduction(std::shared_ptr<const Reduction> reduction, std::vector<Ref> operands);
  NodeId add_fold(emulator::TileOp op, int64_t rows, int64_t length, Ref operand);  // op: kAdd, kMul, kMax or kMin
  const Node& node(NodeId id) const { return nodes_[id]; }
  int level_of(const Ref& ref) const;                    // the first level at which a step can read it
  StorageId store(NodeId id);                            // asks for the result in memory
  void store_in(NodeId id, StorageId storage);           // the result has no storage yet
  void own(StorageId storage) { own_.insert(storage); }  // a step of this block fills it
  bool owns(StorageId storage) const { return own_.contains(storage); }
  Source as_source(const Ref& ref, DataType type, std::span<const int64_t> dims);  // in memory, under any view
  StorageId dense(const Ref& ref, DataType type, std::span<const int64_t> dims);   // in memory, row-major

  // `emit` appends its steps when the level comes; its results can be read from that level's clusters on.
  void at_level(int level, std::function<void(Sequence&)> emit) { steps_.push_back({level, std::move(emit)}); }

  // The chain that computes `roots` (all over an iteration space of `dims`, root i of types[i]) from memory. Virtual producers become part
  // of it when nobody else reads them; the others are stored first, or computed once more where `recompute` allows it and that takes less
  // than to store and to read them. Every source is a view over `dims`.
  Prologue absorb(std::span<const Ref> roots, std::span<const DataType> types, std::span<const int64_t> dims, bool recompute = false);
  bool starts_from_memory(NodeId root, std::span<const int64_t> dims) const;  // absorbing it takes no other node's result
  void add_uses(NodeId id, int64_t more) { nodes_[id].uses += more; }

  Sequence emit();

 private:
  struct Scheduled {
    int level;
    std::function<void(Sequence&)> emit;
  };
  struct Gathering;
  bool gather(const Ref& ref, std::span<const int64_t> dims, Gathering& into) const;
  bool recompute(NodeId id, std::span<const int64_t> dims, Gathering& into) const;
  void sink();
  void store_crossings();
  Source stored(const Ref& ref) const;  // a virtual operation's result where it has been stored
  Node within(const Node& node, const std::unordered_set<NodeId>& group) const;
  std::vector<std::pair<NodeId, Node>> inside(std::span<const NodeId> ids) const;  // each within them all
  std::array<std::span<const NodeId>, 2> halves(std::span<const NodeId> group);
  void emit_chain(std::span<const NodeId> group, Sequence& steps, std::vector<Cluster>* same_wave);
  void emit_rows(std::span<const NodeId> group, int64_t rows, int64_t length, Sequence& steps);
  void emit_reductions(std::span<const NodeId> group, Sequence& steps);
  void emit_group(const Group& group, Sequence& steps, std::vector<Cluster>& same_wave);
  void emit_wave(std::vector<Cluster>& clusters, Sequence& steps);

  PlanBuilder& builder_;
  const Fusions& fusions_;
  std::deque<Node> nodes_;  // chains under construction point to nodes
  std::vector<Scheduled> steps_;
  std::unordered_set<StorageId> own_;
};

}  // namespace tt::lowering
