// TimingOnly mode: the same kernels without tile data, one thread, always the kernel with the earliest clock; deterministic.
#include <algorithm>
#include <cmath>
#include <optional>
#include <queue>
#include <tuple>

#include "base/error.hpp"
#include "emulator/cycles.hpp"
#include "emulator/scheduler.hpp"

namespace tt::emulator {

namespace {

// Runnable kernels by clock, ties broken by the order of cores and kernels.
class ClockQueue {
 public:
  void push_runnable(Core& core, size_t core_index) {
    for (int i = 0; i < core.num_kernels; ++i) {
      KernelState& kernel = core.kernels[static_cast<size_t>(i)];
      if (kernel.done || kernel.queued || !core.satisfied(kernel.wait)) continue;
      kernel.queued = true;
      queue_.emplace(kernel.clock, core_index, i);
    }
  }
  bool empty() const { return queue_.empty(); }
  std::pair<size_t, int> pop() {
    const auto [clock, core, kernel] = queue_.top();
    queue_.pop();
    return {core, kernel};
  }

 private:
  using Entry = std::tuple<uint64_t, size_t, int>;
  std::priority_queue<Entry, std::vector<Entry>, std::greater<>> queue_;
};

}  // namespace

uint64_t Run::reserve_dram(Core& core, uint64_t now, int64_t byte_offset, int64_t bytes, int64_t transactions, bool write) {
  constexpr int64_t kInterleave = 4096;  // bytes per page on a channel
  const double bytes_per_cycle = chip->dram_bytes_per_second / chip->clock_hz;
  uint64_t end = now;
  for (int64_t done = 0; done < bytes;) {
    const int64_t page = (byte_offset + done) / kInterleave;
    const int64_t n = std::min(bytes - done, (page + 1) * kInterleave - (byte_offset + done));
    uint64_t& channel = dram_free[static_cast<size_t>(page % chip->dram_channels)];
    channel = std::max(channel, now) + static_cast<uint64_t>(std::ceil(static_cast<double>(n) / bytes_per_cycle));
    end = std::max(end, channel);
    done += n;
  }
  const auto wire = static_cast<uint64_t>(static_cast<double>(bytes) / cycles::kNocBytesPerCycle) + static_cast<uint64_t>(transactions);
  core.noc_free = std::max(core.noc_free, now) + wire;
  (write ? report.dram_write_bytes : report.dram_read_bytes) += static_cast<uint64_t>(bytes);
  return std::max(end, core.noc_free) + cycles::kNocLatency;
}

RunReport Scheduler::run_timing(const LaunchPlan& plan, const BoundBuffer* buffers) {
  Run run;
  run.chip = &chip_;
  run.buffers = buffers;
  run.timing = true;
  run.program = plan.name;
  run.grid_width = chip_.compute_grid.x;
  run.dram_free.assign(static_cast<size_t>(chip_.dram_channels), 0);
  const std::vector<Core*> cores = prepare_all(plan, run);
  std::vector<size_t> index_of(run.core_at.size());
  for (size_t i = 0; i < cores.size(); ++i) index_of[static_cast<size_t>(cores[i]->coord.y) * chip_.compute_grid.x + cores[i]->coord.x] = i;
  ClockQueue queue;
  run.wake = [&](Core& core) {
    queue.push_runnable(core, index_of[static_cast<size_t>(core.coord.y) * chip_.compute_grid.x + core.coord.x]);
  };
  for (size_t i = 0; i < cores.size(); ++i) queue.push_runnable(*cores[i], i);

  std::exception_ptr failure;
  size_t remaining = 0;
  for (Core* core : cores) remaining += static_cast<size_t>(core->num_kernels);
  while (!queue.empty() && !failure) {
    const auto [at, index] = queue.pop();
    Core& core = *cores[at];
    KernelState& kernel = core.kernels[static_cast<size_t>(index)];
    kernel.wait.kind = Wait::Kind::kNone;
    kernel.handle.resume();
    kernel.queued = false;  // not before: it may wake its own core
    if ((kernel.done = kernel.handle.done())) {
      --remaining;
      if (*kernel.error) failure = *kernel.error;
      run.report.cycles = std::max({run.report.cycles, kernel.clock, kernel.outstanding});
    }
    queue.push_runnable(core, at);
  }
  std::optional<Error> error;
  if (!failure && remaining != 0) error = deadlock_error(plan.name, cores);
  for (Core* core : cores) core->destroy_kernels();
  if (failure) std::rethrow_exception(failure);
  if (error) throw *error;
  run.report.cycles += cycles::kLaunch;
  return run.report;
}

}  // namespace tt::emulator
