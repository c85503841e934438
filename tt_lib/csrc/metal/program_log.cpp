// A list of programs with one estimate each. Programs that nobody else holds any more become sums when the list grows long.
#include "metal/program_log.hpp"

#include <mutex>
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
  std::vector<Entry> entries;
  ProgramTotals gone;  // of programs that are no longer there
};

constexpr size_t kLong = 4096;  // programs

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

void retire(Log& log) {
  std::erase_if(log.entries, [&](Entry& entry) {
    const bool is_last = entry.program.use_count() == 1;
    if (is_last) add(entry, log.gone);
    return is_last;
  });
}

}  // namespace

void log_program(std::shared_ptr<const Program> program, const emulator::ChipSpec& chip, std::vector<emulator::BufferType> placement) {
  std::lock_guard lock(log().mutex);
  if (log().entries.size() >= kLong && log().entries.size() == log().entries.capacity()) retire(log());
  log().entries.push_back({std::move(program), &chip, std::move(placement)});
}

ProgramTotals program_totals() {
  std::lock_guard lock(log().mutex);
  ProgramTotals totals = log().gone;
  for (Entry& entry : log().entries) add(entry, totals);
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
