// A list of programs, kept alive as long as the process, with one estimate each.
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
  double seconds = -1;  // per run; negative: not estimated yet
};

struct Log {
  std::mutex mutex;
  std::vector<Entry> entries;
};

Log& log() {
  static auto* const instance = new Log;
  return *instance;
}

}  // namespace

void log_program(std::shared_ptr<const Program> program, const emulator::ChipSpec& chip) {
  std::lock_guard lock(log().mutex);
  log().entries.push_back({std::move(program), &chip});
}

ProgramTotals program_totals() {
  std::lock_guard lock(log().mutex);
  ProgramTotals totals;
  for (Entry& entry : log().entries) {
    ++totals.compiled;
    const int64_t runs = entry.program->runs();
    totals.runs += runs;
    if (runs == 0) continue;
    if (entry.seconds < 0) entry.seconds = static_cast<double>(estimate(*entry.program, *entry.chip).cycles) / entry.chip->clock_hz;
    totals.seconds += entry.seconds * static_cast<double>(runs);
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
