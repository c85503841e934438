// Reads inputs and writes outputs in place where their arrays have the lane's form, and steps through the plan.
#include "emulator/tile_chain.hpp"

#include <cstdlib>
#include <cstring>
#include <new>

#include "base/error.hpp"
#include "emulator/simd/engine.hpp"
#include "emulator/tile_plan.hpp"

namespace tt::emulator {
namespace {

// The first kLanePadding elements of a register, again and again up to n.
void spread(std::byte* reg, size_t element, size_t n) {
  const size_t line = kLanePadding * element;
  for (size_t i = kLanePadding; i < n; i += kLanePadding) std::memcpy(reg + i * element, reg, line);
}

bool overlap(const std::byte* a, size_t a_bytes, const std::byte* b, size_t b_bytes) { return a < b + b_bytes && b < a + a_bytes; }

}  // namespace

TileScratch::~TileScratch() { std::free(memory_); }

std::byte* TileScratch::registers(size_t bytes) {
  if (bytes > capacity_) {
    std::free(memory_);
    const size_t rounded = (bytes + 4095) / 4096 * 4096;
    memory_ = static_cast<std::byte*>(std::aligned_alloc(64, rounded));
    capacity_ = memory_ == nullptr ? 0 : rounded;
    if (memory_ == nullptr) throw std::bad_alloc();
  }
  return memory_;
}

TileChain::TileChain(TileProgram program, uint64_t still) : TileChain(std::move(program), engine(), still) {}

TileChain::TileChain(TileProgram program, const Engine& engine, uint64_t still)
    : program_(std::make_shared<const TileProgram>(std::move(program))),
      plan_(std::make_shared<const TilePlan>(*program_, engine, still)) {}

void TileChain::run(const std::byte* const* inputs, std::byte* const* outputs, size_t n, TileScratch& scratch,
                    const std::byte* const* next) const {
  check(n <= kTileElements, "[tile program] runs on at most ", kTileElements, " elements, got ", n);
  if (n == 0 || plan_ == nullptr) return;
  const TilePlan& p = *plan_;
  std::byte* const memory = scratch.registers(p.slots * p.stride + p.refs() * sizeof(std::byte*));
  auto* const at = reinterpret_cast<std::byte**>(memory + p.slots * p.stride);  // the table of addresses
  const auto slot = [&](size_t s) { return memory + s * p.stride; };
  const auto there = [&](size_t i) { return p.inputs[i].still ? kLanePadding : n; };
  const auto clash = [&](size_t i, size_t o) { return overlap(inputs[i], there(i) * p.inputs[i].size, outputs[o], n * p.outputs[o].size); };
  const bool whole = n % kLanePadding == 0;  // else steps would run over the end of the arrays

  for (size_t s = 0; s < p.slots; ++s) at[p.first_slot() + s] = slot(s);
  for (size_t c = 0; c < p.constants.size(); ++c) at[p.first_constant() + c] = p.constants[c].get();
  for (size_t t = 0; t < p.targets.size(); ++t) at[p.first_target() + t] = slot(p.targets[t]);
  for (size_t i = 0; i < p.inputs.size(); ++i) {
    bool in_place = (whole || p.inputs[i].still) && p.inputs[i].plain && !p.inputs[i].spread;
    for (size_t o = 0; in_place && p.outputs.size() > 1 && o < p.outputs.size(); ++o) in_place = !clash(i, o);
    if (in_place) {
      at[i] = const_cast<std::byte*>(inputs[i]);  // never written: steps write slots of their own
    } else {
      at[i] = slot(i);
      p.inputs[i].load(inputs[i], at[i], there(i));
      if (p.inputs[i].spread) spread(at[i], p.inputs[i].lane, n);
    }
  }
  // Each step asks the host's caches for one page of the next run.
  size_t asked = 0;
  const auto ask = [&](const std::byte* fallback) {
    while (asked < p.inputs.size() + p.outputs.size()) {
      const size_t i = asked++;
      const std::byte* page = nullptr;
      if (i >= p.inputs.size()) {
        page = outputs[i - p.inputs.size()] + n * p.outputs[i - p.inputs.size()].size;
      } else {
        if (!p.inputs[i].still) page = next == nullptr ? inputs[i] + n * p.inputs[i].size : next[i];
      }
      if (page != nullptr) return page;
    }
    return fallback;
  };
  for (const TilePlan::Step& step : p.steps) {
    if (step.target >= 0 && whole) {
      const auto o = static_cast<size_t>(step.target);
      bool free = true;
      for (size_t i = 0; free && !step.in_place && i < p.inputs.size(); ++i) free = !clash(i, o);
      if (free) at[step.dst] = outputs[o];
    }
    const std::byte* const a = at[step.operands[0]];
    step.step({at[step.dst], a, at[step.operands[1]], at[step.operands[2]], n, step.type, step.imm, step.imm2, ask(a), step.still,
               step.two ? at[step.second] : nullptr});
    if (step.round != nullptr) step.round(at[step.dst], n);
  }
  for (size_t o = 0; o < p.outputs.size(); ++o) {
    const std::byte* result = at[p.outputs[o].value];
    if (result != outputs[o]) p.outputs[o].store(result, outputs[o], n);
  }
}

}  // namespace tt::emulator
