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

// The host does not see coming what lies between gaps: run r says where one follows that is to be asked for, beyond the last one as if the
// runs went on.
const std::byte* run_ahead(const TileRuns& runs, size_t r) {
  constexpr size_t kRunsAhead = 16;
  if (r + kRunsAhead < runs.known) return runs.at[r + kRunsAhead];
  return runs.at[r] + (runs.known > 1 ? runs.at[1] - runs.at[0] : 0) * std::ptrdiff_t{kRunsAhead};
}

void prefetch(const std::byte* from, size_t bytes) {
  for (size_t b = 0; b < bytes; b += 64) __builtin_prefetch(from + b, 0, 2);
}

// What a chain runs on once.
struct Pages {
  const std::byte* const* inputs;
  const TileRuns* runs;  // null: no input lies in runs
  std::byte* const* outputs;
  size_t n;
  const std::byte* const* next;  // see TileChain::run
};

// A plan and the table of addresses it runs with.
class Machine {
 public:
  Machine(const TilePlan& plan, const Pages& pages, TileScratch& scratch)
      : p_(plan),
        pages_(pages),
        memory_(scratch.registers(p_.slots * p_.stride + p_.refs() * sizeof(std::byte*))),
        at_(reinterpret_cast<std::byte**>(memory_ + p_.slots * p_.stride)),
        whole_(pages.n % kLanePadding == 0) {
    for (size_t s = 0; s < p_.slots; ++s) at_[p_.first_slot() + s] = slot(s);
    for (size_t c = 0; c < p_.constants.size(); ++c) at_[p_.first_constant() + c] = p_.constants[c].get();
    for (size_t t = 0; t < p_.targets.size(); ++t) at_[p_.first_target() + t] = slot(p_.targets[t]);
  }

  void run() {
    for (size_t i = 0; i < p_.inputs.size(); ++i) bring(i);
    for (const TilePlan::Step& step : p_.steps) {
      if (step.target >= 0 && whole_) {
        const auto o = static_cast<size_t>(step.target);
        bool free = true;
        for (size_t i = 0; free && !step.in_place && i < p_.inputs.size(); ++i) free = !clash(i, o);
        if (free) at_[step.dst] = pages_.outputs[o];
      }
      const std::byte* const a = at_[step.operands[0]];
      const bool in_runs =
          pages_.runs != nullptr && std::any_of(step.operands.begin(), step.operands.end(), [&](auto ref) { return stays_in_runs(ref); });
      const StepArguments whole{at_[step.dst],
                                a,
                                at_[step.operands[1]],
                                at_[step.operands[2]],
                                pages_.n,
                                step.type,
                                step.imm,
                                step.imm2,
                                ask(a),
                                step.still,
                                step.two ? at_[step.second] : nullptr,
                                step.asks_twice && !in_runs ? ask(a) : nullptr};
      if (in_runs) {
        by_runs(step, whole);
      } else {
        step.step(whole);
      }
      if (step.round != nullptr) step.round(at_[step.dst], pages_.n);
    }
    for (size_t o = 0; o < p_.outputs.size(); ++o) {
      const TilePlan::Ref value = p_.outputs[o].value;
      std::byte* const to = pages_.outputs[o];
      if (stays_in_runs(value)) {
        const TileRuns& runs = pages_.runs[value];
        const size_t bytes = runs.length * p_.outputs[o].size;
        for (size_t r = 0; r < pages_.n / runs.length; ++r) p_.outputs[o].store(runs.at[r], to + r * bytes, runs.length);
      } else if (at_[value] != to) {
        p_.outputs[o].store(at_[value], to, pages_.n);
      }
    }
  }

 private:
  std::byte* slot(size_t s) const { return memory_ + s * p_.stride; }
  bool in_runs(size_t i) const { return pages_.runs != nullptr && pages_.runs[i].at != nullptr; }
  bool stays_in_runs(TilePlan::Ref ref) const { return ref < p_.inputs.size() && in_runs(ref) && p_.inputs[ref].plain; }
  size_t elements(size_t i) const { return p_.inputs[i].still ? kLanePadding : pages_.n; }
  bool clash(size_t i, size_t o) const {
    if (in_runs(i)) return false;
    return overlap(pages_.inputs[i], elements(i) * p_.inputs[i].size, pages_.outputs[o], pages_.n * p_.outputs[o].size);
  }

  // An input where it lies, or in its slot.
  void bring(size_t i) {
    const TilePlan::Input& input = p_.inputs[i];
    at_[i] = slot(i);
    if (in_runs(i)) {
      if (input.plain) return;
      const TileRuns& runs = pages_.runs[i];
      const size_t count = pages_.n / runs.length;
      for (size_t r = 0; r < count; ++r) {
        prefetch(run_ahead(runs, r), runs.length * input.size);
        input.load(runs.at[r], at_[i] + r * runs.length * input.lane, runs.length);
      }
      return;
    }
    bool in_place = (whole_ || input.still) && input.plain && !input.spread;  // else steps would run over the end of the array
    for (size_t o = 0; in_place && p_.outputs.size() > 1 && o < p_.outputs.size(); ++o) in_place = !clash(i, o);
    if (in_place) {
      at_[i] = const_cast<std::byte*>(pages_.inputs[i]);  // never written: steps write slots of their own
    } else {
      input.load(pages_.inputs[i], at_[i], elements(i));
      if (input.spread) spread(at_[i], input.lane, pages_.n);
    }
  }

  // Each step asks the host's caches for one page of the next run.
  const std::byte* ask(const std::byte* fallback) {
    while (asked_ < p_.inputs.size() + p_.outputs.size()) {
      const size_t i = asked_++;
      const std::byte* page = nullptr;
      if (i >= p_.inputs.size()) {
        page = pages_.outputs[i - p_.inputs.size()] + pages_.n * p_.outputs[i - p_.inputs.size()].size;
      } else if (!p_.inputs[i].still && !in_runs(i)) {
        page = pages_.next == nullptr ? pages_.inputs[i] + pages_.n * p_.inputs[i].size : pages_.next[i];
      }
      if (page != nullptr) return page;
    }
    return fallback;
  }

  // Operands that lie in runs come one run after the other, the rest keeps step with them.
  void by_runs(const TilePlan::Step& step, const StepArguments& whole) const {
    std::array<const TileRuns*, 3> runs{};
    const TileRuns* any = nullptr;
    for (size_t k = 0; k < runs.size(); ++k) {
      if (stays_in_runs(step.operands[k])) any = runs[k] = &pages_.runs[step.operands[k]];
    }
    const size_t length = any->length, count = pages_.n / length;
    const auto part = [&](size_t k, const void* operand, size_t r) -> const void* {
      return runs[k] != nullptr ? runs[k]->at[r] : static_cast<const std::byte*>(operand) + r * length * step.pitch[k];
    };
    const auto result = [&](void* of, size_t r) { return static_cast<std::byte*>(of) + r * length * step.size; };
    StepArguments s = whole;
    s.n = length;
    for (size_t r = 0; r < count; ++r) {
      s.dst = result(whole.dst, r);
      s.a = part(0, whole.a, r);
      s.b = part(1, whole.b, r);
      s.c = part(2, whole.c, r);
      if (step.two) s.second = result(whole.second, r);
      s.ahead = static_cast<const std::byte*>(whole.ahead) + r * length * step.size;
      for (size_t k = 0; k < runs.size(); ++k) {
        if (runs[k] != nullptr && (k == 0 || runs[k] != runs[k - 1])) prefetch(run_ahead(*runs[k], r), length * step.pitch[k]);
      }
      step.step(s);
    }
  }

  const TilePlan& p_;
  const Pages& pages_;
  std::byte* memory_;
  std::byte** at_;
  bool whole_;
  size_t asked_ = 0;  // of the pages of the next run
};

}  // namespace

struct BoundTileChain::Call {
  StepFunction step;
  RoundFunction round;  // null: nothing is left to round
  StepArguments arguments;
};

BoundTileChain::BoundTileChain(const TileChain& chain, size_t n) : plan_(*chain.plan_), n_(n) {
  constexpr size_t kLine = 64;
  const size_t stride = (plan_.stride * padded(n) / kTileElements + kLine) / kLine * kLine;
  std::byte* const memory = scratch_.registers(plan_.slots * stride);
  std::vector<std::byte*> at(plan_.refs());
  for (size_t i = 0; i < plan_.inputs.size(); ++i) at_.push_back(at[i] = memory + i * stride);
  for (size_t s = 0; s < plan_.slots; ++s) at[plan_.first_slot() + s] = memory + s * stride;
  for (size_t c = 0; c < plan_.constants.size(); ++c) at[plan_.first_constant() + c] = plan_.constants[c].get();
  for (size_t t = 0; t < plan_.targets.size(); ++t) at[plan_.first_target() + t] = memory + plan_.targets[t] * stride;
  for (const TilePlan::Step& step : plan_.steps) {
    const std::byte* const a = at[step.operands[0]];
    std::byte* const second = step.two ? at[step.second] : nullptr;
    calls_.push_back({step.step,
                      step.round,
                      {at[step.dst], a, at[step.operands[1]], at[step.operands[2]], n, step.type, step.imm, step.imm2, a, step.still,
                       second, step.asks_twice ? a : nullptr}});
  }
  for (const TilePlan::Output& output : plan_.outputs) at_.push_back(at[output.value]);
}

BoundTileChain::~BoundTileChain() = default;

void BoundTileChain::run(const std::byte* const* inputs, std::byte* const* outputs) const {
  const size_t num_inputs = plan_.inputs.size();
  for (size_t i = 0; i < num_inputs; ++i) {
    const TilePlan::Input& input = plan_.inputs[i];
    input.load(inputs[i], at_[i], input.still ? kLanePadding : n_);
    if (input.spread) spread(at_[i], input.lane, n_);
  }
  for (const Call& call : calls_) {
    call.step(call.arguments);
    if (call.round != nullptr) call.round(call.arguments.dst, n_);
  }
  for (size_t o = 0; o < plan_.outputs.size(); ++o) plan_.outputs[o].store(at_[num_inputs + o], outputs[o], n_);
}

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
  if (n > 0 && plan_ != nullptr) Machine(*plan_, {inputs, nullptr, outputs, n, next}, scratch).run();
}

void TileChain::run_by_run(const std::byte* const* inputs, const TileRuns* runs, std::byte* const* outputs, size_t n,
                           TileScratch& scratch) const {
  if (n == 0 || plan_ == nullptr) return;
  const auto* const any = std::find_if(runs, runs + plan_->inputs.size(), [](const TileRuns& input) { return input.at != nullptr; });
  check(n <= kTileElements && n % any->length == 0 && any->length % kLanePadding == 0, "[tile program] ", n, " elements in runs of ",
        any->length);
  Machine(*plan_, {inputs, runs, outputs, n, nullptr}, scratch).run();
}

}  // namespace tt::emulator
