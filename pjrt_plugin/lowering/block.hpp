// Lowering of one block: what every operation family works with.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "ir/ir.hpp"
#include "lowering/cluster.hpp"
#include "lowering/graph.hpp"
#include "lowering/lower.hpp"

namespace tt::lowering {

// What all blocks of one program share.
struct Context {
  Context(const emulator::ChipSpec& chip, const Fusions& fusions, int64_t cards, std::span<const int64_t> processes)
      : builder(chip), fusions(fusions), cards(cards), processes(processes) {}

  PlanBuilder builder;
  Fusions fusions;
  int64_t cards;                       // that run the program together
  std::span<const int64_t> processes;  // whose these are; none: all of one
  uint64_t exchanges = 0;              // between cards, so far
  std::unordered_map<const ir::Value*, Ref> refs;
  std::unordered_map<const ir::Value*, int64_t> uses;
  std::vector<std::pair<Source, Source>> constant_tiles;  // second operands of products, and what they are in tiles
  std::vector<std::string> refusals;                      // "stablehlo.fft at model.py:3: reason"
};

// The loop whose body is being lowered: what is the same in every turn can be prepared before it.
struct Loop {
  size_t first_inner;                     // storages from here on belong to the loop
  std::unordered_set<StorageId> carried;  // these change from turn to turn
  Sequence before;                        // steps to run before the loop

  bool is_invariant(const PlanBuilder& builder, const Source& source) const;
};

class BlockLowering {
 public:
  explicit BlockLowering(Context& context, Loop* loop = nullptr)
      : context(context), builder(context.builder), graph(context.builder, context.fusions), loop(loop) {}

  void lower(const ir::Block& block);
  // Stores what the block returns: value i in destinations[i], or, where that is kNoStorage, in a storage of its own that no other
  // returned value, argument or captured value has. Then emits the block's steps.
  std::vector<StorageId> store_results(const ir::Block& block, std::span<const StorageId> destinations);
  std::vector<StorageId> store_some_results(const ir::Block& block, std::span<const StorageId> destinations,
                                            const std::function<bool(size_t)>& wanted);
  Sequence emit();

  // Values
  const Ref& ref(const ir::Value* value) const { return context.refs.at(value); }
  void set(const ir::Value* value, Ref ref);
  Source source(const ir::Value* value);                      // in memory, over the value's dimensions
  StorageId dense(const ir::Value* value);                    // in memory, row-major
  Ref everywhere(const ir::Value* scalar, const Dims& dims);  // in each element of an array
  int level_of(const ir::Value* value) const { return graph.level_of(ref(value)); }
  void store_into(const Ref& ref, const ir::Type& type, StorageId destination);

  // Steps. A result becomes a fresh storage that can be read from `level` on.
  StorageId new_result(const ir::Value* result, int level);
  StorageId new_temporary(int64_t bytes, int level);
  // The result starts as a copy of a value of its type, which costs nothing where the value's memory can be taken over.
  StorageId copy_to_result(const ir::Value* value, const ir::Value* result, int& level);  // raises `level` to when the value is there
  // The program with its slots bound: inputs of `table`, then `outputs`.
  void run_at(int level, metal::Program program, std::vector<StorageId> slots);
  // Writes the value to the elements of `destination` that `map` (over the value's dimensions) names.
  void write_view(const ir::Value* value, StorageId destination, AccessMap map, std::vector<SourceIndex> indices, int level);
  NodeId elementwise(const emulator::TileOp& op, int64_t elements, std::vector<Ref> operands) {
    return graph.add(op, elements, std::move(operands));
  }

  std::span<const ir::Operation* const> readers(const ir::Value* value);  // in the block itself, in order

  void refuse(const ir::Operation& operation, std::string_view reason = {});

  Context& context;
  PlanBuilder& builder;
  Graph graph;
  Loop* loop;             // null: the block is no body of a loop
  int effects_level = 0;  // where the last call with side effects is

 private:
  void lower(const ir::Operation& operation);
  bool lower_elementwise(const ir::Operation& operation);
  const ir::Value* chosen(const ir::Operation& operation) const;
  StorageId own_storage(const Ref& ref, const ir::Type& type) const;
  std::vector<StorageId> taken_;  // by returned values
  // Where values were before this block stored them densely: outside a region, what it has stored may not be there.
  std::vector<std::pair<const ir::Value*, Ref>> before_;
  const ir::Block* block_ = nullptr;
  std::unordered_map<const ir::Value*, std::vector<const ir::Operation*>> readers_;  // made when first asked for
};

// What pad makes of a value in memory, with a scalar of which the program may have to find out the value.
Ref padded(BlockLowering& block, const Source& source, const Dims& low, const Dims& high, const Dims& interior, const ir::Value* scalar);

// The families: each lowers the operations it knows and says whether it did.
bool lower_movement(BlockLowering& block, const ir::Operation& operation);
bool lower_control(BlockLowering& block, const ir::Operation& operation);
bool lower_collective(BlockLowering& block, const ir::Operation& operation);
bool lower_reduction(BlockLowering& block, const ir::Operation& operation);
bool lower_contraction(BlockLowering& block, const ir::Operation& operation);
bool lower_window(BlockLowering& block, const ir::Operation& operation);
bool lower_indexing(BlockLowering& block, const ir::Operation& operation);
bool lower_numeric(BlockLowering& block, const ir::Operation& operation);
bool lower_host_call(BlockLowering& block, const ir::Operation& operation);
bool lower_placement(BlockLowering& block, const ir::Operation& operation);
bool lower_user_call(BlockLowering& block, const ir::Operation& operation);
bool lower_linalg(BlockLowering& block, const ir::Operation& operation);

}  // namespace tt::lowering
