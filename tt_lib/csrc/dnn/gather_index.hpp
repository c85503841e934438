// What gather and scatter share: arrays of start indices, and windows that are copied or updated between two strided arrays.
#pragma once

#include <cstddef>
#include <cstdint>
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
  int64_t count() const { return volume(batch_dims()); }
  // Component `component` of the vectors [first, first + count). Unsigned values beyond int64 saturate.
  void load(const std::byte* data, int64_t component, int64_t first, int64_t count, int64_t* out) const;
};

// The offset of each row-major position in [first, first + count) of an array of `dims` whose dimensions have `strides`.
void strided_offsets(std::span<const int64_t> dims, std::span<const int64_t> strides, int64_t first, int64_t count, int64_t* out);

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
