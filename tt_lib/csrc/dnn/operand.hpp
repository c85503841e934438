// What the op families share: how a program's operands and results lie in its buffers, and how work is split over cores.
#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "emulator/access_map.hpp"
#include "emulator/grayskull.hpp"
#include "emulator/tile_chain.hpp"
#include "kernel_api/dataflow_api.hpp"
#include "metal/program.hpp"

namespace tt::dnn {

using emulator::AccessMap;
using emulator::ChipSpec;
using emulator::kTileElements;
using emulator::Role;
using emulator::TileChain;
using emulator::TileProgram;
using metal::Program;

// An index that only the data knows. When the program starts, clamp(value, 0, limit) * stride elements are added to a map's offset.
struct DynamicIndex {
  size_t buffer;  // input buffer that holds the value as its element `element`
  int64_t element;
  DataType type;  // an integer type
  int64_t stride;
  int64_t limit;
  bool operator==(const DynamicIndex&) const = default;
};

inline constexpr size_t kNoBuffer = std::numeric_limits<size_t>::max();

// One operand of an op: the elements that `map` finds in input buffer `buffer`, over the op's iteration space. Without a buffer, the
// value of an element is the source index itself: an iota under any view.
struct Operand {
  size_t buffer = kNoBuffer;
  DataType type = DataType::kF32;
  AccessMap map;
  std::vector<std::byte> pad = {};  // one element, when the map is padded
  std::vector<DynamicIndex> indices = {};
  std::vector<Operand> beneath = {};  // one, in place of padding: of a concatenation. Neither has dynamic indices or is an iota
  bool operator==(const Operand&) const = default;
};

// Where a result goes: output buffer `buffer` (counted among the outputs), through `map`.
struct Result {
  size_t buffer = 0;
  DataType type = DataType::kF32;
  AccessMap map;
  std::vector<DynamicIndex> indices = {};
  bool operator==(const Result&) const = default;
};

// Units [first, first + count) of some work, for one core.
struct WorkRange {
  int64_t first;
  int64_t count;
  void join(const WorkRange& last) { count = last.first + last.count - first; }  // up to the end of a later one
};

// Splits `units` as evenly as possible over at most `max_cores` cores, at least `min_units` each.
std::vector<WorkRange> split_work(int64_t units, int64_t min_units, int64_t max_cores);

// The map's offset once its dynamic indices are known: peeks them.
int64_t resolve_offset(Dataflow& k, const AccessMap& map, const std::vector<DynamicIndex>& indices);

// The same where calls may be recorded: moves the map, or gives a slot that is moved instead.
Slot resolve(Dataflow& k, Slot slot, size_t element, const std::vector<DynamicIndex>& indices, AccessMap& map);

// Reads elements [start, start + count) of an operand into page `index` from the back of `cb`. `slot` and `map` are the operand's once its
// dynamic indices are resolved.
void read_operand(Dataflow& k, const Operand& operand, Slot slot, const AccessMap& map, int64_t start, int64_t count, Cb cb,
                  uint32_t index);

// The operands of a running program: their maps at the offsets that their dynamic indices name.
class Operands {
 public:
  Operands(Dataflow& k, const std::vector<Operand>& operands);                                  // peeks the dynamic indices
  void read(Dataflow& k, size_t s, int64_t start, int64_t count, Cb cb, uint32_t index) const;  // as read_operand does
  Slot slot(size_t s) const { return operands_[s].indices.empty() ? static_cast<Slot>(operands_[s].buffer) : moved_[s].slot; }
  const AccessMap& map(size_t s) const { return operands_[s].indices.empty() ? operands_[s].map : moved_[s].map; }
  void read_runs(Dataflow& k, size_t s, int64_t start, int64_t count, Cb cb, uint32_t index, uint32_t run) const;  // noc_async_read_runs

 private:
  struct Moved {
    Slot slot;
    AccessMap map;
  };
  const std::vector<Operand>& operands_;
  std::vector<Moved> moved_;  // one per operand if any has an index
};

bool is_uniform(const Operand& operand);    // all elements are the same source element
int64_t period_of(const Operand& operand);  // elements after which the operand repeats itself

}  // namespace tt::dnn
