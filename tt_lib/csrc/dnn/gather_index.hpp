// What gather and scatter share: arrays of start indices, and windows that are copied or updated between two strided arrays.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <vector>

#include "base/data_type.hpp"
#include "base/shape.hpp"

namespace tt::dnn {

// Windows are handled in batches of this many, so that their offsets stay in the host's cache.
inline constexpr int64_t kIndexBatch = 1024;

// An integer array that holds one index vector per batch position.
struct IndexVectors {
  DataType type;
  Dims dims;
  int64_t vector_dim;  // dims.size(): every element is a vector of one component

  Dims batch_dims() const;  // dims without vector_dim
  int64_t components() const;
  void validate() const;
  // Component `component` of the vectors [first, first + count) as runs: body(values, step, i, n) for n values, `step` apart, from first +
  // i.
  template <class Body>
  void for_each_run(const std::byte* data, int64_t component, int64_t first, int64_t count, const Body& body) const {
    const int64_t width = components(), element = size_of(type);
    const int64_t inner = width == 1 ? 1 : volume(std::span(dims).subspan(static_cast<size_t>(vector_dim) + 1));
    if (inner == 1) return body(data + (first * width + component) * element, width, int64_t{0}, count);
    for (int64_t i = 0; i < count;) {
      const int64_t at = (first + i) % inner, n = std::min(count - i, inner - at);
      body(data + (((first + i) / inner * width + component) * inner + at) * element, int64_t{1}, i, n);
      i += n;
    }
  }
};

// The offset of each position in an array with several sets of strides, as few dimensions as possible.
void coalesce(Dims& dims, std::initializer_list<Dims*> strides);

// The offset of each row-major position in [first, first + count) of an array of `dims` whose dimensions have `strides`.
void strided_offsets(std::span<const int64_t> dims, std::span<const int64_t> strides, int64_t first, int64_t count, int64_t* out);

// The same for positions in any order, one dimension without a table.
class BatchOffsets {
 public:
  BatchOffsets(std::span<const int64_t> dims, std::span<const int64_t> strides) : dims_(dims), strides_(strides) {}
  // For positions first + i, i < count.
  void start_at(int64_t first, int64_t count) {
    if (dims_.size() > 1) {
      table_.resize(static_cast<size_t>(kIndexBatch));
      strided_offsets(dims_, strides_, first, count, table_.data());
    } else if (!dims_.empty()) {
      step_ = strides_[0];
      base_ = first * step_;
    }
  }
  int64_t operator[](size_t i) const { return table_.empty() ? base_ + static_cast<int64_t>(i) * step_ : table_[i]; }
  bool is_dense() const { return table_.empty() && (step_ == 1 || dims_.empty()); }

 private:
  std::span<const int64_t> dims_, strides_;
  int64_t base_ = 0, step_ = 0;
  std::vector<int64_t> table_;
};

// One dimension of a window that exists in two arrays; strides in elements.
struct WindowDim {
  int64_t size;
  int64_t from;
  int64_t to;
};

// The same positions in the same order with as few dimensions as possible.
std::vector<WindowDim> coalesce(std::vector<WindowDim> dims);
int64_t window_elements(std::span<const WindowDim> dims);

// Calls body(from offset, to offset) for every position of the window, row-major.
template <class Body>
void for_each_position(std::span<const WindowDim> dims, int64_t from, int64_t to, const Body& body) {
  if (dims.empty()) return body(from, to);
  const WindowDim& outer = dims.front();
  for (int64_t i = 0; i < outer.size; ++i) for_each_position(dims.subspan(1), from + i * outer.from, to + i * outer.to, body);
}

}  // namespace tt::dnn
