// Runs the cores of one program: for values on all host threads, or for cycles, earliest clock first.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "base/thread_pool.hpp"
#include "emulator/bound_buffer.hpp"
#include "emulator/core.hpp"
#include "emulator/recording.hpp"

namespace tt::emulator {

struct CircularBufferSpec {
  uint8_t id;
  uint32_t num_pages;
  uint32_t page_size;
  int64_t l1_offset;  // from the start of the usable L1
};

// What the scheduler must know of a program. `start` creates the kernels of core `first` (suspended at their first statement), with the
// work of those up to `last`.
struct LaunchPlan {
  std::span<const CoreCoord> cores;
  std::span<const CircularBufferSpec> circular_buffers;
  std::span<const uint32_t> semaphores;  // initial values
  bool cores_communicate = false;        // by multicast or semaphore
  // Indices of the cores that others send to or that wait: they must be in flight together; and of the others, which may run whenever.
  std::span<const size_t> receivers, senders;
  int64_t l1_bytes = 0;     // that the circular buffers take
  double host_seconds = 0;  // in Values mode on one host thread, about
  std::string_view name;
  bool takes_neighbours = false;     // one core can do the work of several that are listed one after the other
  Recordings* recordings = nullptr;  // null: what the kernels do is not to be repeated
  std::function<void(Core&, size_t first, size_t last)> start;
};

struct RunReport {
  uint64_t cycles = 0;
  uint64_t dram_read_bytes = 0;
  uint64_t dram_write_bytes = 0;
  uint64_t l1_bytes = 0;        // read and written in buffers that are spread over L1
  uint64_t host_bytes = 0;      // read and written in memory of the host
  uint64_t noc_bytes = 0;       // core to core
  uint64_t compute_cycles = 0;  // summed over cores: engines busy
  uint64_t riscv_cycles = 0;
};

// A piece of a buffer that a kernel reads or writes.
struct Transfer {
  BufferType memory = BufferType::kDram;
  int64_t offset = 0;  // in the buffer
  int64_t bytes = 0;
  int64_t transactions = 1;
  bool is_write = false;
};

// One execution of a program.
struct Run {
  const ChipSpec* chip = nullptr;
  std::span<const BoundBuffer> buffers;
  size_t num_semaphores = 0;
  bool timing = false;
  std::string_view program;
  std::vector<Core*> core_at;  // by y * width + x; null: not in the program. Only when cores communicate or timing
  int grid_width = 0;
  RunReport report;                          // TimingOnly
  const BufferType* placement = nullptr;     // TimingOnly: where each slot's buffer lies
  std::vector<uint64_t> dram_free, l1_free;  // TimingOnly: when each channel, and each core's L1, is free
  uint64_t pcie_free = 0;                    // TimingOnly
  double l1_noc_free = 0;                    // TimingOnly: when the NoC is done with what L1 buffers were asked for
  std::function<void(Core&)> wake;           // a semaphore of a core has changed

  Core* find(CoreCoord coord) const;
  uint64_t reserve(Core& core, uint64_t now, const Transfer& transfer);  // when it is done

 private:
  struct Service {
    uint64_t end, latency;
  };
  Service serve_page(const Core& core, uint64_t now, BufferType memory, int64_t page, int64_t bytes);
};

// Names every waiting kernel: core, circular buffer or semaphore, wanted, present.
Error deadlock_error(std::string_view program, std::span<Core* const> cores);

class Scheduler {
 public:
  Scheduler(const ChipSpec& chip, int num_threads);

  void run_values(const LaunchPlan& plan, std::span<const BoundBuffer> buffers);
  void repeat(const RecordedProgram& program, std::byte* const* buffers);  // the same without the kernels
  RunReport run_timing(const LaunchPlan& plan, std::span<const BoundBuffer> buffers, const BufferType* placement);
  int num_threads() const { return pool_.size(); }

 private:
  void run_independent(const LaunchPlan& plan, Run& run);
  template <class Turn>
  void each_turn(size_t turns, double seconds, const Turn& turn);
  bool record(const LaunchPlan& plan, const Run& run);
  void run_together(const LaunchPlan& plan, Run& run);
  void run_alone(const LaunchPlan& plan, Run& run, size_t first, size_t last, size_t thread);
  std::vector<Core*> prepare(const LaunchPlan& plan, Run& run, std::span<const size_t> indices);  // those of the plan's cores

  friend class Together;

  // The cores that a host thread prefers, the same in each program of as many cores: what they have worked on is in its cache. Who is done
  // with his own takes others'.
  struct alignas(64) Share {
    std::atomic<size_t> next;
    size_t first, end;
  };

  const ChipSpec& chip_;
  ThreadPool pool_;
  const int recorded_run_ = default_recorded_run();
  std::vector<std::unique_ptr<HostThread>> threads_;
  std::vector<Share> shares_;                        // one per host thread
  std::vector<std::unique_ptr<Core>> thread_cores_;  // one per host thread, for independent cores
  std::vector<std::unique_ptr<Core>> grid_cores_;    // one per core of the grid, for those that run together
};

}  // namespace tt::emulator
