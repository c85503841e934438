// A tile program made ready to run: step functions are looked up and destinations known once, not page by page.
#pragma once

#include <memory>
#include <vector>

#include "emulator/tile_program.hpp"

namespace tt::emulator {

struct Engine;
struct TilePlan;

// Register storage of one host thread; grows on demand, never shrinks. 64-byte aligned.
class TileScratch {
 public:
  TileScratch() = default;
  ~TileScratch();
  TileScratch(const TileScratch&) = delete;
  TileScratch& operator=(const TileScratch&) = delete;
  std::byte* registers(size_t bytes);

 private:
  std::byte* memory_ = nullptr;
  size_t capacity_ = 0;
};

// An input that lies in runs of equal length, a multiple of the host's vectors (kLanePadding) that divides the number of elements.
struct TileRuns {
  const std::byte* const* at = nullptr;  // none: the input lies in one piece
  size_t length = 0;                     // elements of a run
  size_t known = 0;                      // runs in the table, which may go on where the page ends
};

// Immutable; copies share the steps, and any number of threads may run them.
class TileChain {
 public:
  TileChain() = default;  // of no inputs and no outputs
  // For the engine chosen at load. Bit i of `still`: input i is one element for all, of which only the first 16 copies are there.
  explicit TileChain(TileProgram program, uint64_t still = 0);
  TileChain(TileProgram program, const Engine& engine, uint64_t still = 0);

  const TileProgram& program() const { return *program_; }

  // Runs on n <= kTileElements elements. inputs[i] and outputs[i] are arrays in their array type, any alignment; an output may be the
  // same array as an input (element j is read before element j is written). A null input is not allowed. `next`: the inputs of the next
  // run, or null for those that are known to be at hand; without it, they are taken to lie behind these.
  void run(const std::byte* const* inputs, std::byte* const* outputs, size_t n, TileScratch& scratch,
           const std::byte* const* next = nullptr) const;
  // The same where some inputs lie in runs, all of one length: runs[i], or inputs[i] where that has none. No output may lie where an input
  // in runs does.
  void run_by_run(const std::byte* const* inputs, const TileRuns* runs, std::byte* const* outputs, size_t n, TileScratch& scratch) const;

 private:
  friend class BoundTileChain;

  std::shared_ptr<const TileProgram> program_ = std::make_shared<TileProgram>();
  std::shared_ptr<const TilePlan> plan_;
};

// A chain with registers of its own, for as many elements as it will always have, few of them: nothing is left to decide when it runs. One
// thread at a time. The chain must outlive it.
class BoundTileChain {
 public:
  static constexpr size_t kMostElements = 64;

  BoundTileChain(const TileChain& chain, size_t n);
  ~BoundTileChain();
  BoundTileChain(const BoundTileChain&) = delete;
  BoundTileChain& operator=(const BoundTileChain&) = delete;
  void run(const std::byte* const* inputs, std::byte* const* outputs) const;

 private:
  struct Call;
  const TilePlan& plan_;
  size_t n_;
  TileScratch scratch_;
  std::vector<std::byte*> at_;  // inputs, outputs
  std::vector<Call> calls_;
};

}  // namespace tt::emulator
