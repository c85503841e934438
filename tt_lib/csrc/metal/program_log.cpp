// A list of programs with one estimate each. Programs that nobody else holds any more become sums when the list grows long.
#include "metal/program_log.hpp"

#include <algorithm>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "emulator/scheduler.hpp"
#include "metal/device.hpp"

namespace tt::metal {
namespace {

struct Entry {
  std::shared_ptr<const Program> program;
  const emulator::ChipSpec* chip;
  std::vector<emulator::BufferType> placement;
  double seconds = -1;  // per run; negative: not estimated yet
};

struct Log {
  std::mutex mutex;
  std::unordered_map<const Program*, std::vector<Entry>> entries;  // of a program, under each of its placements
  size_t retire_at = 4096;
  ProgramTotals gone;  // of programs that are no longer there
};

Log& log() {
  static auto* const instance = new Log;
  return *instance;
}

void add(Entry& entry, ProgramTotals& totals) {
  ++totals.compiled;
  const int64_t runs = entry.program->runs();
  totals.runs += runs;
  if (runs == 0) return;
  if (entry.seconds < 0)
    entry.seconds = static_cast<double>(estimate(*entry.program, *entry.chip, entry.placement).cycles) / entry.chip->clock_hz;
  totals.seconds += entry.seconds * static_cast<double>(runs);
}

// The first entry goes last: its program's address is the key.
void retire(Log& log) {
  for (auto at = log.entries.begin(); at != log.entries.end();) {
    std::vector<Entry>& entries = at->second;
    while (!entries.empty() && entries.back().program.use_count() == 1) {
      add(entries.back(), log.gone);
      entries.pop_back();
    }
    at = entries.empty() ? log.entries.erase(at) : std::next(at);
  }
  log.retire_at = std::max<size_t>(4096, 2 * log.entries.size());
}

}  // namespace

std::shared_ptr<const Program> log_program(std::shared_ptr<const Program> program, const emulator::ChipSpec& chip,
                                           std::vector<emulator::BufferType> placement) {
  std::lock_guard lock(log().mutex);
  if (log().entries.size() >= log().retire_at) retire(log());
  std::vector<Entry>& entries = log().entries[program.get()];
  const auto known = std::find_if(entries.begin(), entries.end(), [&](const Entry& entry) { return entry.placement == placement; });
  if (known != entries.end()) return known->program;
  if (!entries.empty()) program = std::make_shared<const Program>(program->without_runs());
  entries.push_back({program, &chip, std::move(placement)});
  return program;
}

ProgramTotals program_totals() {
  std::lock_guard lock(log().mutex);
  ProgramTotals totals = log().gone;
  for (auto& [program, entries] : log().entries) {
    for (Entry& entry : entries) add(entry, totals);
  }
  return totals;
}

}  // namespace tt::metal

int tt_program_totals(double totals[3]) {
  try {
    const tt::metal::ProgramTotals found = tt::metal::program_totals();
    totals[0] = static_cast<double>(found.compiled);
    totals[1] = static_cast<double>(found.runs);
    totals[2] = found.seconds;
    return 0;
  } catch (...) {
    return 1;
  }
}
