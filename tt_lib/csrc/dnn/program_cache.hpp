// Programs are made once for equal specs and shared by whoever holds them: equal layers of a model, and executables of their own.
#pragma once

#include <memory>
#include <mutex>
#include <string_view>
#include <type_traits>
#include <unordered_map>
#include <utility>

#include "dnn/operand.hpp"
#include "metal/program.hpp"

namespace tt::dnn {

// What tells most specs apart; the cache compares whole ones.
class SpecHash {
 public:
  template <class Spec>
  static size_t of(const Spec& spec) {
    SpecHash hash;
    hash.add(std::hash<std::string_view>{}(spec.name));
    for (const auto* sizes : {&spec.input_bytes, &spec.output_bytes}) {
      for (const int64_t bytes : *sizes) hash.add(static_cast<size_t>(bytes));
    }
    hash.add_parts(spec);
    return hash.value_;
  }

 private:
  void add(size_t value) { value_ = (value_ ^ value) * 0x9e3779b97f4a7c15ULL + (value_ >> 29); }
  void add(const TileProgram& chain) {
    for (const emulator::TileOp& op : chain.ops)
      add(static_cast<size_t>(op.code) << 32 ^ op.imm ^ size_t{op.a} << 16 ^ size_t{op.dst} << 48);
  }
  void add(const AccessMap& map) {
    add(static_cast<size_t>(map.offset));
    for (const AccessMap::Dim& dim : map.dims) add(static_cast<size_t>(dim.size ^ dim.stride << 20));
  }
  template <class Spec>
  void add_parts(const Spec& spec) {
    if constexpr (requires { spec.parts.front().operands; }) {
      add(spec.chain);
      for (const auto& part : spec.parts) add_maps(part.operands), add_maps(part.results);
    }
    if constexpr (requires { spec.epilogue; }) add(spec.epilogue);
    if constexpr (requires { spec.operands.front().map; }) add_maps(spec.operands);
    if constexpr (requires { spec.rounds; }) {
      for (const auto& round : spec.rounds) add(round.prologue), add_parts(round);
    }
    if constexpr (requires { spec.a.map; }) add(spec.a.map), add(spec.b.map);
    if constexpr (requires { spec.steps.front().chain; }) {
      for (const auto& step : spec.steps) add(step.chain);
    }
  }
  template <class Views>
  void add_maps(const Views& views) {
    for (const auto& view : views) add(view.map);
  }

  size_t value_ = 0;
};

template <class Spec>
class ProgramCache {
 public:
  size_t size() const {  // programs that somebody holds, and some of which are gone
    std::lock_guard lock(mutex_);
    return entries_.size();
  }
  static ProgramCache& instance() {
    static ProgramCache cache;
    return cache;
  }

  std::shared_ptr<const Program> get(Program (*make)(const Spec&, const ChipSpec&), const Spec& spec, const ChipSpec& chip) {
    const size_t hash = SpecHash::of(spec);
    {
      std::lock_guard lock(mutex_);
      if (auto found = find(hash, spec, chip)) return found;
    }
    auto made = std::make_shared<const Program>(make(spec, chip));
    std::lock_guard lock(mutex_);
    if (auto found = find(hash, spec, chip)) return found;  // another thread was faster
    if (entries_.size() >= purge_at_) {
      std::erase_if(entries_, [](const auto& entry) { return entry.second.program.expired(); });
      purge_at_ = std::max<size_t>(kFew, 2 * entries_.size());
    }
    entries_.emplace(hash, Entry{spec, &chip, made});
    return made;
  }

 private:
  static constexpr size_t kFew = 64;
  struct Entry {
    Spec spec;
    const ChipSpec* chip;
    std::weak_ptr<const Program> program;
  };

  std::shared_ptr<const Program> find(size_t hash, const Spec& spec, const ChipSpec& chip) const {
    const auto [first, last] = entries_.equal_range(hash);
    for (auto at = first; at != last; ++at) {
      if (at->second.chip != &chip || !(at->second.spec == spec)) continue;
      if (auto program = at->second.program.lock()) return program;
    }
    return nullptr;
  }

  mutable std::mutex mutex_;
  std::unordered_multimap<size_t, Entry> entries_;
  size_t purge_at_ = kFew;
};

// The program that `make` makes of the spec: a new one if nobody holds an equal one.
template <class Spec>
std::shared_ptr<const Program> shared_program(Program (*make)(const Spec&, const ChipSpec&), const Spec& spec, const ChipSpec& chip) {
  return ProgramCache<Spec>::instance().get(make, spec, chip);
}

}  // namespace tt::dnn
