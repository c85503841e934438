// What lowering produces: storages, and the steps that fill them.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "base/data_type.hpp"
#include "metal/program.hpp"

namespace tt::dnn {
struct EltwiseSpec;
struct MatmulSpec;
struct ReduceSpec;
struct RowSpec;
}  // namespace tt::dnn

namespace tt::lowering {

using StorageId = uint32_t;
inline constexpr StorageId kNoStorage = ~StorageId{0};

// A piece of device memory that a program of the plan names by number.
struct Storage {
  enum class Kind : uint8_t { kTemporary, kParameter, kResult, kConstant };

  Kind kind = Kind::kTemporary;
  int64_t bytes = 0;
  size_t index = 0;                                    // of the parameter or result
  std::shared_ptr<const std::vector<std::byte>> data;  // of a constant
  bool in_tiles = false;                               // TILE, else ROW_MAJOR
  // Of a temporary: where its bytes are in the host memory of an execution, and where it lies on the card: in L1, from the start of what
  // programs may use, or in the DRAM of the arena. -1: never used, or in memory of the host.
  int64_t offset = -1, address = -1;
  emulator::BufferType memory = emulator::BufferType::kDram;

  // Whether programs may keep it to themselves: not what has been moved to the host.
  bool is_internal() const { return kind == Kind::kTemporary && memory != emulator::BufferType::kHost; }
};

struct Step;
using Sequence = std::vector<Step>;

// Runs a kernel program with `slots[i]` bound to its slot i.
struct RunStep {
  std::shared_ptr<const metal::Program> program;
  std::vector<StorageId> slots;
  // Output slots that may share the memory of an input slot: each element is read before it is written.
  std::vector<std::pair<uint16_t, uint16_t>> in_place;  // (input slot, output slot)
  bool is_copy = false;                                 // slot 1 = slot 0: dropped when both share memory
  int64_t l1_in_use = 0;                                // bytes at the end of each core's L1 where temporaries lie meanwhile
  // What the program was made from, where it may become part of a larger one.
  std::shared_ptr<const dnn::EltwiseSpec> elementwise = nullptr;
  std::shared_ptr<const dnn::MatmulSpec> product = nullptr;
  std::shared_ptr<const dnn::RowSpec> rows = nullptr;
  std::shared_ptr<const dnn::ReduceSpec> reduction = nullptr;

  bool moves = false;  // brings data to tiles

  size_t inputs() const {  // slots: those of outputs follow
    const auto all = program->slots();
    return static_cast<size_t>(std::count_if(all.begin(), all.end(), [](const metal::SlotSpec& slot) { return !slot.is_output; }));
  }
};

// An integer that the dispatch core writes before every turn of a loop: first, first + by, ...
struct Counter {
  StorageId storage;
  int64_t bytes;
  int64_t first, by;

  int64_t at(int64_t turn) const {  // wraps, as the sums in the loop would
    return static_cast<int64_t>(static_cast<uint64_t>(first) + static_cast<uint64_t>(by) * static_cast<uint64_t>(turn));
  }
};

// Runs `condition`, then while its predicate holds `body`, then exchanges the memory of each pair in `carried`, and so on. Where it can be
// seen how often, the condition is empty, and counters are not carried.
struct WhileStep {
  std::shared_ptr<Sequence> condition;
  StorageId predicate;
  std::shared_ptr<Sequence> body;
  std::vector<std::pair<StorageId, StorageId>> carried;  // (region argument, next value)
  std::optional<int64_t> turns = {};
  std::vector<Counter> counters = {};
};

// Runs the branch that the selector names; out of range: the last.
struct CaseStep {
  StorageId selector;
  DataType selector_type;  // i1: branch 0 when true, 1 when false
  std::vector<std::shared_ptr<Sequence>> branches;
};

struct Step {
  std::variant<RunStep, WhileStep, CaseStep> action;
};

struct Plan {
  std::vector<Storage> storages;
  Sequence steps;
  std::vector<StorageId> parameters;
  std::vector<StorageId> results;
  std::vector<int64_t> donors;  // per result: the donated parameter whose memory it takes over, or -1
  int64_t frame_bytes = 0;      // of host memory, for all temporaries
  int64_t arena_bytes = 0;      // of DRAM
};

// What lowering joins into one program, and what it keeps in L1 between programs; each can be left out by its name.
struct Fusions {
  bool assign_layouts = true;    // what products alone make and read is left in tiles
  bool batch_chains = true;      // equal elementwise chains on different memory, such as the updates of all parameters
  bool batch_reductions = true;  // reductions of one shape, such as the moments of an array
  bool fuse_attention = true;    // a product, a program over its rows and a product with its result
  bool fuse_epilogues = true;    // matrix products and convolutions with the elementwise operations that read them
  bool fuse_norms = true;        // reductions and what reads both their results and what was reduced
  bool fuse_parts = true;        // the parts of a long reduction with what joins them
  bool fuse_reductions = true;   // reductions with the elementwise operations that read them
  bool hoist_steps = true;       // programs of a loop that do the same in every turn, to before it
  bool hoist_tiles = true;       // second operands of products that are the same in every turn of a loop: made tiles before it
  bool l1_intermediates = true;  // temporaries in L1 where they fit beside the circular buffers of the programs
  bool fuse_turns = true;        // of loops over elementwise work
  bool fuse_writes = true;       // what is written into a slice or in another order, into the programs that make it
  bool fuse_rows = true;         // folds of rows, what is spread along them, and elementwise operations around them
  bool skip_fills = true;        // of arrays of which a loop writes every element and reads none
  bool recompute = true;         // what a reduction and others read, where that takes less than to store it
};

bool only_moves(const RunStep& run);  // whether its program computes nothing

// The programs of a sequence and of all that it contains, in order.
template <class Steps, class Visit>
void for_each_run(Steps& steps, const Visit& visit) {
  for (auto& step : steps) {
    if (auto* run = std::get_if<RunStep>(&step.action)) {
      visit(*run);
    } else if (auto* loop = std::get_if<WhileStep>(&step.action)) {
      for_each_run(*loop->condition, visit);
      for_each_run(*loop->body, visit);
    } else {
      for (const auto& branch : std::get<CaseStep>(step.action).branches) for_each_run(*branch, visit);
    }
  }
}

}  // namespace tt::lowering
