// Reads inputs and writes outputs in place where their arrays have the lane's form, and steps through the plan, run by run where inputs
// lie so.
#include "emulator/tile_chain.hpp"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>
#include <new>

#include "base/error.hpp"
#include "emulator/grayskull.hpp"
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

// The host does not see coming what lies between gaps: it is asked for run by run, beyond the last one as if the runs went on.
void ask_ahead(const std::byte* const* runs, size_t r, size_t count, size_t bytes) {
  constexpr size_t kRunsAhead = 8;
  const std::ptrdiff_t pitch = count > 1 ? runs[1] - runs[0] : 0;
  const std::byte* const run = r + kRunsAhead < count ? runs[r + kRunsAhead] : runs[r] + pitch * std::ptrdiff_t{kRunsAhead};
  for (size_t b = 0; b < bytes; b += 64) __builtin_prefetch(run + b, 0, 2);
}

// A plan and the table of addresses it runs with.
class Machine {
 public:
  Machine(const TilePlan& plan, TileScratch& scratch)
      : p_(plan),
        memory_(scratch.registers(p_.slots * p_.stride + p_.refs() * sizeof(std::byte*))),
        at_(reinterpret_cast<std::byte**>(memory_ + p_.slots * p_.stride)) {
    for (size_t s = 0; s < p_.slots; ++s) at_[p_.first_slot() + s] = slot(s);
    for (size_t c = 0; c < p_.constants.size(); ++c) at_[p_.first_constant() + c] = p_.constants[c].get();
  }

  void run(const std::byte* const* inputs, std::byte* const* outputs, size_t n, const std::byte* const* next) {
    const auto there = [&](size_t i) { return p_.inputs[i].still ? kLanePadding : n; };
    const auto clash = [&](size_t i, size_t o) {
      return overlap(inputs[i], there(i) * p_.inputs[i].size, outputs[o], n * p_.outputs[o].size);
    };
    const bool whole = n % kLanePadding == 0;  // else steps would run over the end of the arrays
    for (size_t t = 0; t < p_.targets.size(); ++t) at_[p_.first_target() + t] = slot(p_.targets[t]);
    for (size_t i = 0; i < p_.inputs.size(); ++i) {
      bool in_place = (whole || p_.inputs[i].still) && p_.inputs[i].plain && !p_.inputs[i].spread;
      for (size_t o = 0; in_place && p_.outputs.size() > 1 && o < p_.outputs.size(); ++o) in_place = !clash(i, o);
      if (in_place) {
        at_[i] = const_cast<std::byte*>(inputs[i]);  // never written: steps write slots of their own
      } else {
        at_[i] = slot(i);
        p_.inputs[i].load(inputs[i], at_[i], there(i));
        if (p_.inputs[i].spread) spread(at_[i], p_.inputs[i].lane, n);
      }
    }
    // Each step asks the host's caches for one page of the next run.
    size_t asked = 0;
    const auto ask = [&](const std::byte* fallback) {
      while (asked < p_.inputs.size() + p_.outputs.size()) {
        const size_t i = asked++;
        const std::byte* page = nullptr;
        if (i >= p_.inputs.size()) {
          page = outputs[i - p_.inputs.size()] + n * p_.outputs[i - p_.inputs.size()].size;
        } else {
          if (!p_.inputs[i].still) page = next == nullptr ? inputs[i] + n * p_.inputs[i].size : next[i];
        }
        if (page != nullptr) return page;
      }
      return fallback;
    };
    for (const TilePlan::Step& step : p_.steps) {
      if (step.target >= 0 && whole) {
        const auto o = static_cast<size_t>(step.target);
        bool free = true;
        for (size_t i = 0; free && !step.in_place && i < p_.inputs.size(); ++i) free = !clash(i, o);
        if (free) at_[step.dst] = outputs[o];
      }
      const std::byte* const a = at_[step.operands[0]];
      step.step({at_[step.dst], a, at_[step.operands[1]], at_[step.operands[2]], n, step.type, step.imm, step.imm2, ask(a), step.still,
                 step.two ? at_[step.second] : nullptr});
      if (step.round != nullptr) step.round(at_[step.dst], n);
    }
    for (size_t o = 0; o < p_.outputs.size(); ++o) {
      const std::byte* result = at_[p_.outputs[o].value];
      if (result != outputs[o]) p_.outputs[o].store(result, outputs[o], n);
    }
  }

 private:
  std::byte* slot(size_t s) const { return memory_ + s * p_.stride; }

  const TilePlan& p_;
  std::byte* memory_;
  std::byte** at_;
};

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
  if (n > 0 && plan_ != nullptr) Machine(*plan_, scratch).run(inputs, outputs, n, next);
}

void TileChain::run_by_run(const std::byte* const* inputs, const TileRuns* runs, std::byte* const* outputs, size_t n,
                           TileScratch& scratch) const {
  if (n == 0 || plan_ == nullptr) return;
  const TilePlan& p = *plan_;
  const auto* const any = std::find_if(runs, runs + p.inputs.size(), [](const TileRuns& input) { return input.at != nullptr; });
  const size_t length = any->length, count = n / length;
  check(n <= kTileElements && n % length == 0 && length % kLanePadding == 0, "[tile program] ", n, " elements in runs of ", length);
  std::array<const std::byte*, kMaxCircularBuffers> in, next{};  // next: nothing, it is asked for here
  std::array<std::byte*, kMaxCircularBuffers> out;
  Machine machine(p, scratch);
  for (size_t r = 0; r < count; ++r) {
    for (size_t i = 0; i < p.inputs.size(); ++i) {
      const size_t bytes = length * p.inputs[i].size;
      if (runs[i].at == nullptr) {
        in[i] = inputs[i] + (p.inputs[i].still ? 0 : r * bytes);
      } else {
        in[i] = runs[i].at[r];
        ask_ahead(runs[i].at, r, count, bytes);
      }
    }
    for (size_t o = 0; o < p.outputs.size(); ++o) out[o] = outputs[o] + r * length * p.outputs[o].size;
    machine.run(in.data(), out.data(), length, next.data());
  }
}

}  // namespace tt::emulator
