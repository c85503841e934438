// Loops that turn a known number of times over elementwise work: lanes never meet, so a core takes all turns of its own lanes.
#pragma once

#include <string>

#include "dnn/operand.hpp"

namespace tt::dnn {

struct RecurrenceSpec {
  std::string name = "recurrence";
  int64_t turns;
  int64_t lanes;                      // elements of what is carried
  std::vector<int64_t> input_bytes;   // input buffers: slots 0 ..
  std::vector<int64_t> output_bytes;  // output buffers: the slots after them
  TileProgram body;                   // carried, fixed, slices -> the next of each carried, one of each stack
  std::vector<Operand> carried;       // before the first turn, over [lanes]
  std::vector<Operand> fixed;         // the same in every turn, over [lanes]
  std::vector<Operand> slices;        // over [turns, lanes]
  // What is stored, over the lanes, or of the first lane alone where the map has as many elements as turns (or one).
  struct Final {
    size_t carried;  // of which the last turn leaves this
    Result result;
    bool operator==(const Final&) const = default;
  };
  std::vector<Final> finals;
  std::vector<Result> stacks;  // over [turns, lanes] or [turns]
  bool operator==(const RecurrenceSpec&) const = default;
};

// A circular buffer for each operand and stack, two for what is carried.
inline constexpr size_t kMaxRecurrenceBuffers = 30;
inline size_t recurrence_buffers(const RecurrenceSpec& spec) {
  return 2 * spec.carried.size() + spec.fixed.size() + spec.slices.size() + spec.stacks.size();
}

Program recurrence(const RecurrenceSpec& spec, const ChipSpec& chip);

}  // namespace tt::dnn
