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

// Where a value is: in memory, the row-major result of a virtual operation, or a constant.
using Ref = std::variant<Source, NodeId, Splat>;

struct Node {
  emulator::TileOp op;  // its registers are not used
  std::vector<Ref> operands;
  int64_t elements;
  int level;
  StorageId storage = kNoStorage;  // where the result must be stored, if anywhere
  int64_t uses = 1;                // readers in the whole block, whether lowered yet or not
  bool absorbed = false;           // computed by the step that consumes it
};

// Inputs and chain of a fused region: what a step needs to read its operands through their producers.
struct Prologue {
  emulator::TileProgram chain;
  std::vector<Source> sources;  // chain.inputs[i]
};

class Graph {
 public:
  Graph(PlanBuilder& builder) : builder_(builder) {}

  NodeId add(emulator::TileOp op, int64_t elements, std::vector<Ref> operands);
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
  // of it when nobody else reads them; the others are stored first. Every source is a view over `dims`.
  Prologue absorb(std::span<const Ref> roots, std::span<const DataType> types, std::span<const int64_t> dims);
  void add_uses(NodeId id, int64_t more) { nodes_[id].uses += more; }

  Sequence emit();

 private:
  struct Scheduled {
    int level;
    std::function<void(Sequence&)> emit;
  };
  struct Gathering;
  bool gather(const Ref& ref, std::span<const int64_t> dims, Gathering& into);
  void sink();
  void store_crossings();
  std::vector<std::vector<NodeId>> clusters();
  void emit_cluster(std::span<const NodeId> cluster, Sequence& steps);

  PlanBuilder& builder_;
  std::deque<Node> nodes_;  // chains under construction point to nodes
  std::vector<Scheduled> steps_;
  std::unordered_set<StorageId> own_;
};

}  // namespace tt::lowering
