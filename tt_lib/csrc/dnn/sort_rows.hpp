// Sorting rows in memory: the permutation that puts a row in order, by radix or by a comparator.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "dnn/sort_keys.hpp"
#include "emulator/core.hpp"

namespace tt::dnn {

// A row of one operand: n elements, `stride` elements apart.
struct RowView {
  DataType type;
  const std::byte* data;
  int64_t stride;
};

// order[i] is the source position of the element that comes i-th. Stable.
void radix_order(const KeyOrder& keys, std::span<const RowView> row, int64_t n, uint32_t* order, std::vector<std::byte>& staging);

// The start of that order: the `count` elements that come first, 0 < count <= n, found without sorting the others.
void select_order(const SortKey& key, const RowView& row, int64_t n, int64_t count, uint32_t* order);

// Sorts a single dense array by itself into `out`, without a permutation: equal keys keep their bits' order.
void radix_sort(const SortKey& key, DataType type, const std::byte* in, int64_t n, std::byte* out, std::vector<std::byte>& staging);

// The same order for any comparator, by a sorting network over all rows at once: rows[r] are the operands of row r.
// order: rows x n.
class NetworkSorter {
 public:
  NetworkSorter(const emulator::TileChain& comparator, emulator::HostThread& host) : comparator_(comparator), host_(host) {}
  void run(std::span<const std::vector<RowView>> rows, int64_t n, uint32_t* order);

 private:
  void push(size_t row, uint32_t low, uint32_t high);
  void flush();
  void load(bool swapped);

  const emulator::TileChain& comparator_;
  emulator::HostThread& host_;
  std::span<const std::vector<RowView>> rows_;
  uint32_t* order_ = nullptr;
  int64_t n_ = 0;
  struct Lane {
    size_t row;
    uint32_t low;  // positions in the row
    uint32_t high;
  };
  std::vector<Lane> lanes_;
};

// out[i] = in[order[i]], both with their strides.
void permute_row(const RowView& in, const uint32_t* order, int64_t n, std::byte* out, int64_t out_stride);
// out[i] = order[i], as integers of a type.
void write_order(DataType type, const uint32_t* order, int64_t n, std::byte* out, int64_t out_stride);

}  // namespace tt::dnn
