// The plan that the kernels of a reduction follow: its stages, the rounds and their circular buffers.
#pragma once

#include <array>
#include <optional>
#include <vector>

#include "dnn/reduce.hpp"
#include "dnn/reduce_layout.hpp"

namespace tt::dnn {

// Units of work of every round that reduces.
struct ReduceStage {
  ReduceLayout layout;
  uint32_t block = 1;     // pages per hand-over from the reader
  bool received = false;  // the pages come from other cores: values to combine, a whole unit at a time
  bool sends = false;     // the results go there

  uint32_t pages_from(int64_t first) const { return static_cast<uint32_t>(std::min<int64_t>(block, layout.pages_per_unit() - first)); }
};

// An operand in memory, which several rounds may read.
struct ReduceStream {
  Operand operand;
  size_t first_round, rounds;  // that read it
  bool repeats;                // one page serves all units
  bool stays = false;          // in L1, after the first round that reads it
  Cb cb = 0;
};

// Where an operand or an extra of a round is found.
struct ReduceInput {
  std::optional<size_t> stream = {};         // of the plan
  Cb cb = 0;                                 // of the stream, of an extra in memory, or of what a round has left
  uint32_t place = 0, places = 1;            // the latter: page `place` of the `places` of each unit
  bool is_reduced = false, is_made = false;  // by an earlier round that reduces, or that is elementwise
  enum class Feed : uint8_t { kStreamed, kResident, kOnce };
  Feed feed = Feed::kOnce;  // how pages of an operand come to the round
  bool is_read = false;     // by the reader, in this round
  bool is_again = false;    // the pages are those of an operand before it
};

struct ReduceRoundPlan {
  TileChain prologue, combine, epilogue;
  std::vector<TileChain> steps, combines;       // [n - 1]: the accumulators with n pages of operands, by way of the prologue, or of values
  std::vector<emulator::TileOpcode> row_folds;  // of all values, if the engines reduce rows of each by themselves
  bool reduces = true;
  bool identity = false;  // the prologue passes its operands on
  std::vector<DataType> values;
  std::vector<ReduceInput> in, extra;
  std::vector<Operand> memory;  // by input: what the reader reads of it
  std::vector<Operand> extras;
  std::vector<Result> results;
  std::vector<Cb> out;
  std::vector<bool> stays;                    // by result of an elementwise round: in L1, for later rounds
  std::vector<std::optional<uint32_t>> kept;  // by result of one that reduces: which of the pages of a unit it is for later rounds
  uint32_t num_kept = 0;
  bool waits = false;  // until all parts are joined: for what is kept, or for the room of the next round's parts
  Cb reduced = 0;      // pages of what is kept: of all units that are joined, else of the core's own
  uint32_t reduced_pages = 0;

  size_t k() const { return values.size(); }
  int64_t element_size(size_t value) const { return size_of(values[value]); }
};

struct ReducePlan {
  std::vector<ReduceStage> stages;  // one, or the parts and what joins them
  std::vector<ReduceStream> streams;
  std::vector<ReduceRoundPlan> rounds;
  std::vector<Cb> part, parts;               // by value: what is sent, and what comes to the cores that join
  Cb value = 0, accumulator = 0, spare = 0;  // pages that only the compute kernel uses: one per value
  size_t num_inputs = 0;                     // slots
  uint8_t arrived = 0;                       // semaphore: cores whose parts have come
  uint8_t joined = 0, valid = 0;             // semaphores: units that are joined, and how often all of them were
  std::vector<emulator::CoreCoord> joining;  // by units of the last stage: the core that joins them; the first tells all when they are done
  std::vector<std::pair<emulator::CoreCoord, emulator::CoreCoord>> grid;  // rectangles of all cores

  bool in_parts() const { return stages.size() > 1; }
  // Of what a round keeps: the unit that a unit of the first stage reads.
  int64_t reduced_unit(int64_t index, const WorkRange& own) const;
};

ReducePlan plan_reduction(const ReduceSpec& spec);                                                    // without chains and circular buffers
bool plan_buffers(ReducePlan& plan, const ReduceSpec& spec, const ChipSpec& chip, Program& program);  // false: too many of them
void prepare_rounds(ReducePlan& plan, const ReduceSpec& spec);
void add_notes(const ReduceSpec& spec, const ReducePlan& plan, Program& program);

}  // namespace tt::dnn
