// A tile program as the host runs it: values instead of registers, operations that have a form together joined, storage reused while it
// is warm.
#pragma once

#include <array>
#include <cstdlib>
#include <memory>
#include <vector>

#include "emulator/simd/engine.hpp"
#include "emulator/tile_program.hpp"

namespace tt::emulator {

struct TilePlan {
  // Where a run finds a value, in its table of addresses: inputs, then slots of its own, constants, and results that outputs may take.
  using Ref = uint32_t;
  struct Input {
    LoadFunction load;
    size_t size;  // of an element
    size_t lane;  // bytes of an element in a register
    bool plain;   // the array looks like a register
    bool still;   // the array has one element for all, kLanePadding times
    bool spread;  // ... and somebody needs all of them
  };
  struct Output {
    Ref value;
    StoreFunction store;
    size_t size;  // of an element
  };
  struct Step {
    StepFunction step;
    RoundFunction round;  // null: nothing is left to round
    std::array<Ref, 3> operands;
    Ref dst;
    DataType type;
    uint64_t imm, imm2;
    uint32_t still;  // operands that are constants, where the step takes them as such
    int target;      // the output whose array the step may write, or -1
    bool in_place;   // even where that array is an input
    bool two;        // results, the other one:
    Ref second;
    std::array<uint8_t, 3> pitch;  // bytes from one element of an operand to the next; 0: `still`
    uint8_t size;                  // bytes of an element of the results
    bool asks_twice;               // for pages of the next run
  };
  struct Free {
    void operator()(std::byte* memory) const { std::free(memory); }
  };

  TilePlan(const TileProgram& program, const Engine& engine, uint64_t still = 0);  // still: see TileChain

  std::vector<Input> inputs;
  std::vector<Output> outputs;
  std::vector<Step> steps;
  size_t slots = 0;   // one per input first
  size_t stride = 0;  // bytes of a slot
  std::vector<std::unique_ptr<std::byte[], Free>> constants;
  std::vector<Ref> targets;  // the slot of each result that an output may take

  size_t first_slot() const { return inputs.size(); }
  size_t first_constant() const { return first_slot() + slots; }
  size_t first_target() const { return first_constant() + constants.size(); }
  size_t refs() const { return first_target() + targets.size(); }
};

}  // namespace tt::emulator
