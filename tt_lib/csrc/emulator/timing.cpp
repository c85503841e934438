// TimingOnly mode: the same kernels without tile data, one thread, always the kernel with the earliest clock; deterministic.
#include <algorithm>
#include <cmath>
#include <numeric>
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

// When a bank that is free at `free` is done with these bytes.
uint64_t serve(uint64_t& free, uint64_t now, int64_t bytes, double bytes_per_cycle) {
  free = std::max(free, now) + static_cast<uint64_t>(std::ceil(static_cast<double>(bytes) / bytes_per_cycle));
  return free;
}

// From one core to another and back: both NoCs run one way only, so that request and answer together go all the way round.
constexpr uint64_t round_trip_hops(CoreCoord a, CoreCoord b) { return (a.x != b.x ? kNocGrid.x : 0u) + (a.y != b.y ? kNocGrid.y : 0u); }

}  // namespace

Run::Service Run::serve_page(const Core& core, uint64_t now, BufferType memory, int64_t page, int64_t bytes) {
  if (memory == BufferType::kDram) {
    uint64_t& channel = dram_free[static_cast<size_t>(page % chip->dram_channels)];
    return {serve(channel, now, bytes, chip->dram_bytes_per_second / chip->clock_hz), cycles::kNocLatency};
  }
  if (memory == BufferType::kHost) return {serve(pcie_free, now, bytes, chip->pcie_bytes_per_second / chip->clock_hz), cycles::kNocLatency};
  const CoreCoord owner = l1_owner(page, *chip);
  uint64_t end = serve(l1_free[static_cast<size_t>(owner.y) * chip->compute_grid.x + owner.x], now, bytes, cycles::kL1PortBytesPerCycle);
  if (owner == core.coord) return {end, cycles::kNocEndpoints};
  l1_noc_free = std::max(l1_noc_free, static_cast<double>(now)) + static_cast<double>(bytes) / cycles::kL1NocBytesPerCycle;
  end = std::max(end, static_cast<uint64_t>(l1_noc_free));
  return {end, cycles::kNocEndpoints + cycles::kNocHop * round_trip_hops(core.coord, owner)};
}

uint64_t Run::reserve(Core& core, uint64_t now, const Transfer& t) {
  Service last{now, 0};
  for (int64_t done = 0; done < t.bytes;) {
    const int64_t at = t.offset + done, n = std::min(t.bytes - done, kInterleavedPage - at % kInterleavedPage);
    const Service page = serve_page(core, now, t.memory, at / kInterleavedPage, n);
    last = {std::max(last.end, page.end), std::max(last.latency, page.latency)};
    done += n;
  }
  const auto wire = static_cast<uint64_t>(static_cast<double>(t.bytes) / cycles::kNocBytesPerCycle) + static_cast<uint64_t>(t.transactions);
  core.noc_free = std::max(core.noc_free, now) + wire;
  uint64_t& counted = t.memory == BufferType::kL1     ? report.l1_bytes
                      : t.memory == BufferType::kHost ? report.host_bytes
                      : t.is_write                    ? report.dram_write_bytes
                                                      : report.dram_read_bytes;
  counted += static_cast<uint64_t>(t.bytes);
  return std::max(last.end, core.noc_free) + last.latency;
}

RunReport Scheduler::run_timing(const LaunchPlan& plan, std::span<const BoundBuffer> buffers, const BufferType* placement) {
  Run run;
  run.chip = &chip_;
  run.buffers = buffers;
  run.num_semaphores = plan.semaphores.size();
  run.timing = true;
  run.program = plan.name;
  run.grid_width = chip_.compute_grid.x;
  run.placement = placement;
  run.dram_free.assign(static_cast<size_t>(chip_.dram_channels), 0);
  run.l1_free.assign(static_cast<size_t>(num_compute_cores(chip_)), 0);
  std::vector<size_t> all(plan.cores.size());
  std::iota(all.begin(), all.end(), size_t{0});
  const std::vector<Core*> cores = prepare(plan, run, all);
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
