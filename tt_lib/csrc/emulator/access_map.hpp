// Movement as addressing: how the linear index of an iteration space finds its element in a buffer. Broadcast, transpose, slice,
// reverse and pad are strides, offsets and bounds of such a map; a reader or writer kernel follows it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/shape.hpp"

namespace tt::emulator {

struct AccessMap {
  // One dimension of the iteration space, outermost first. Index i in [0, size) is backed by the source when low <= i < high and
  // (i - low) % step == 0; its source coordinate is then (i - low) / step. Elsewhere it is padding.
  struct Dim {
    int64_t size;
    int64_t stride;  // source elements per source coordinate; 0: broadcast; negative: reversed
    int64_t low = 0;
    int64_t high = -1;  // -1: size
    int64_t step = 1;
    bool padded() const { return low != 0 || (high != -1 && high != size) || step != 1; }
    int64_t limit() const { return high == -1 ? size : high; }
    bool operator==(const Dim&) const = default;
  };

  std::vector<Dim> dims;
  int64_t offset = 0;  // source element of the first unpadded coordinate

  static AccessMap contiguous(std::span<const int64_t> dims);
  int64_t size() const;  // elements of the iteration space
  bool is_padded() const;
  bool is_contiguous() const;  // element i is source element offset + i
  int64_t run_length() const;  // longest n such that every aligned run of n elements is contiguous in the source
  // Elements along the second innermost and the innermost dimension, where the source is contiguous along the former: blocks of so many
  // are transposed. None where the map is padded.
  struct Turned {
    int64_t rows, columns;
  };
  std::optional<Turned> turned() const;
  AccessMap coalesced() const;  // the same function with as few dimensions as possible
  bool operator==(const AccessMap&) const = default;
};
std::string to_string(const AccessMap& map);

// The source elements [first, end) among which all that the map can reach lies; empty where it reaches none.
struct Extent {
  int64_t first, end;
};
Extent extent_of(const AccessMap& map);

// What [start, start + count) is: one run of the source from element `at` on, nothing but padding, or more than that.
struct Piece {
  enum class Kind : uint8_t { kRun, kPadding, kMixed } kind;
  int64_t at = 0;
};
Piece piece_of(const AccessMap& map, int64_t start, int64_t count);

// Copies elements [start, start + count) of the iteration space to `destination`; padding gets `pad` (one element; may be null when the
// map is not padded). `element` is 1, 2, 4, 8 or 16 bytes.
void gather_mapped(const AccessMap& map, size_t element, const std::byte* source, int64_t start, int64_t count, std::byte* destination,
                   const std::byte* pad);

// The same, but what the map does not back stays as it is.
void gather_onto(const AccessMap& map, size_t element, const std::byte* source, int64_t start, int64_t count, std::byte* destination);

// The addresses of the runs of `run` elements that [start, start + count) is made of. Both are multiples of `run`, which divides the map's
// run length; the map is not padded.
void find_runs(const AccessMap& map, size_t element, const std::byte* source, int64_t start, int64_t count, int64_t run,
               const std::byte** runs);

// The inverse: element i of `source` goes to where the map says. The map must not be padded.
void scatter_mapped(const AccessMap& map, size_t element, const std::byte* source, int64_t start, int64_t count, std::byte* destination);

// The source element of element i; for padding one that is near.
int64_t source_element(const AccessMap& map, int64_t i);

// What [start, start + count) is made of: elements of the source, the contiguous runs that these are, which the NoC transfers one by one,
// and runs of padding. The runs of whole turned blocks are their columns.
struct Content {
  int64_t elements, runs, gaps;
};
Content content_of(const AccessMap& map, int64_t start, int64_t count);

}  // namespace tt::emulator
