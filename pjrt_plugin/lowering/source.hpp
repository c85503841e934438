// A value that lies in memory, seen through an access map: movement operations compose maps instead of moving data.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "base/shape.hpp"
#include "emulator/access_map.hpp"
#include "lowering/plan.hpp"

namespace tt::lowering {

using emulator::AccessMap;

// An index held by a scalar in memory; see dnn::DynamicIndex.
struct SourceIndex {
  StorageId storage;
  int64_t element;
  DataType type;
  int64_t stride;
  int64_t limit;
  bool operator==(const SourceIndex&) const = default;
};

struct Source {
  StorageId storage = kNoStorage;  // none: the value of an element is its source index (an iota)
  DataType type = DataType::kF32;
  AccessMap map;  // one dimension per dimension of the value
  std::vector<std::byte> pad = {};
  std::vector<SourceIndex> indices = {};
  std::vector<Source> beneath = {};  // one, in place of padding: only among the sources of a cluster
  bool operator==(const Source&) const = default;

  static Source dense(StorageId storage, DataType type, std::span<const int64_t> dims);
  bool is_dense() const;  // the whole value, row-major, from the start of the storage; the caller compares sizes
};

Dims dims_of(const Source& source);
int64_t distinct_elements(const Source& source);  // that the view reads, at most

// Each returns the view of the operation's result, or nothing when one map cannot express it.
std::optional<Source> broadcast_in_dim(const Source& source, std::span<const int64_t> dimensions, std::span<const int64_t> result);
std::optional<Source> transpose(const Source& source, std::span<const int64_t> permutation);
std::optional<Source> reshape(const Source& source, std::span<const int64_t> result);
std::optional<Source> slice(const Source& source, std::span<const int64_t> start, std::span<const int64_t> limit,
                            std::span<const int64_t> stride);
std::optional<Source> reverse(const Source& source, std::span<const int64_t> dimensions);
std::optional<Source> pad(const Source& source, std::span<const int64_t> low, std::span<const int64_t> high,
                          std::span<const int64_t> interior, std::vector<std::byte> value);

}  // namespace tt::lowering
