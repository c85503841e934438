// The kernels of attention, and what they know.
#pragma once

#include "dnn/matmul_tiles.hpp"
#include "dnn/row_plan.hpp"

namespace tt::dnn {

// A chain over tiles: of sums, and of extras read from DRAM. Those of one element have one page, which stays.
struct SumChain {
  TileChain chain;
  std::vector<Matrix> extras;
  std::vector<Cb> cbs;  // of the extras
};

struct AttentionPlan {
  uint32_t kt, nt, vt;   // tiles
  uint32_t width;        // columns of tiles of the scores that are made at a time: a block
  bool resident;         // keys and values stay while their batch entry lasts; else blocks of them are read for each unit
  DataType left, right;  // operands of the first product and of the last
  Matrix queries, keys, values, result;
  bool queries_in_rows;
  SumChain scores, last;
  RowPlan rows;
  size_t weights;  // which result of the rows
  Cb queries_cb = 0, keys_cb = 0, values_cb = 0, sums = 0, scored = 0, weights_cb = 0, tail = 0, out = 0;

  uint32_t blocks() const { return div_up(nt, width); }
  uint32_t width_of(uint32_t block) const { return std::min(width, nt - block * width); }
  uint32_t held() const { return resident ? nt : width; }  // columns of keys in L1 that belong together
};

struct AttentionArgs {
  const AttentionPlan* plan;
  WorkRange units;
};

Kernel attention_reader(Dataflow k, AttentionArgs a);
Kernel attention_compute(Compute k, AttentionArgs a);
Kernel attention_writer(Dataflow k, AttentionArgs a);

}  // namespace tt::dnn
