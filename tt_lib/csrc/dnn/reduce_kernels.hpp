// The kernels of reductions and the plan they follow.
#pragma once

#include <array>
#include <optional>
#include <utility>
#include <vector>

#include "dnn/reduce.hpp"

namespace tt::dnn {

// How an iteration space [outer, reduced, inner] lies in pages. A unit of work is a page of results: long rows are accumulated page by
// page over as many lanes as fit, of short rows a page holds several.
struct ReduceLayout {
  int64_t outer, reduced, inner;
  int64_t chunk = 0;  // results per unit (inner elements, or batch * inner)
  int64_t batch = 1;  // outer rows per unit
  int64_t rows = 1;   // rows of `reduced` per page
  int64_t units = 0;

  // The pages of a unit in the iteration space, and its results.
  struct Unit {
    int64_t first_outer, outers;  // rows of `outer`
    int64_t first_inner, inners;
    int64_t results() const { return outers * inners; }
  };
  // Where an element is: on which page of which unit, how far from its start, and how many elements follow it there.
  struct Place {
    int64_t unit, page, offset, run;
  };

  ReduceLayout(int64_t outer, int64_t reduced, int64_t inner);
  int64_t chunks_per_row() const { return batch > 1 ? 1 : div_up(inner, chunk); }
  int64_t pages_per_unit() const { return batch > 1 ? 1 : div_up(reduced, rows); }
  Unit unit(int64_t index) const;
  std::pair<int64_t, int64_t> page(const Unit& unit, int64_t i) const;  // start and length
  int64_t first_result(const Unit& unit) const { return unit.first_outer * inner + unit.first_inner; }
  Place place(int64_t element) const;
  bool starts_pages_at_multiples_of(int64_t period) const;
};

// Units of work with the circular buffers that they pass through.
struct ReduceStage {
  ReduceLayout layout;
  std::vector<Cb> in, out;
  uint32_t block = 1;     // pages per hand-over from the reader
  bool received = false;  // the pages come from other cores: values to combine, a whole unit at a time
  bool sends = false;     // the results go there

  uint32_t pages_from(int64_t first) const { return static_cast<uint32_t>(std::min<int64_t>(block, layout.pages_per_unit() - first)); }
};

struct ReducePlan {
  ReduceSpec spec;
  TileChain prologue, combine, step, epilogue;  // step: the prologue of a page, combined with the accumulators
  std::vector<emulator::TileOpcode> row_folds;  // of all values, if the engines reduce rows of each by themselves
  bool identity = false;                        // the prologue passes its operands on
  std::vector<ReduceStage> stages;              // one, or the parts and what joins them
  std::vector<bool> repeats;                    // operands of which one page serves all units
  std::vector<Cb> extra;                        // of the epilogue, for each of its units
  Cb value = 0, accumulator = 0, spare = 0;     // pages that only the compute kernel uses: one per value
  uint8_t arrived = 0;                          // semaphore: cores whose parts have come
  std::vector<emulator::CoreCoord> joining;     // by units of the last stage: the core that joins them

  size_t k() const { return spec.combine.outputs.size(); }
  int64_t element_size(size_t value) const { return size_of(spec.combine.inputs[value]); }
};

struct ReduceArgs {
  const ReducePlan* plan;
  std::array<WorkRange, 2> units;                 // of each stage
  uint32_t senders = 0;                           // cores that this one waits for
  std::vector<emulator::CoreCoord> targets = {};  // cores that wait for this one
};

Kernel reduce_reader(Dataflow k, ReduceArgs a);
Kernel reduce_compute(Compute k, ReduceArgs a);
Kernel reduce_writer(Dataflow k, ReduceArgs a);

}  // namespace tt::dnn
