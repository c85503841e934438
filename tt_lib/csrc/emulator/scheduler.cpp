// Scheduling of kernels in Values mode. Independent cores run to completion one after the other on each host thread, so that their
// pages stay in the host's cache; cores that communicate are parked when all their kernels wait and woken by semaphores.
#include "emulator/scheduler.hpp"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <optional>

#include "base/error.hpp"

namespace tt::emulator {
namespace {

constexpr int kRunning = 0, kParked = 1, kReady = 2;  // Core::parking

void configure(Core& core, const LaunchPlan& plan, Run& run, size_t first, size_t last, std::byte* l1) {
  core.run = &run;
  core.recording = nullptr;
  core.timing = run.timing;
  core.coord = plan.cores[first];
  core.num_kernels = 0;
  core.noc_free = 0;
  core.semaphore_stamps.fill(0);
  core.num_buffers = plan.circular_buffers.size();
  for (const CircularBufferSpec& cb : plan.circular_buffers) {
    core.buffers[cb.id].configure(cb.id, cb.num_pages, cb.page_size, l1 == nullptr ? nullptr : l1 + cb.l1_offset, run.timing);
  }
  for (size_t i = 0; i < plan.semaphores.size(); ++i) core.semaphores[i].store(plan.semaphores[i], std::memory_order_relaxed);
  plan.start(core, first, last);
}

// Resumes the core's kernels until all of them are done (true) or all of them wait (false). Rethrows what a kernel threw.
bool drain(Core& core) {
  for (;;) {
    bool progress = false;
    int done = 0;
    for (int i = 0; i < core.num_kernels; ++i) {
      KernelState& kernel = core.kernels[static_cast<size_t>(i)];
      if (!kernel.done && core.satisfied(kernel.wait)) {
        kernel.wait.kind = Wait::Kind::kNone;
        kernel.handle.resume();
        kernel.done = kernel.handle.done();
        if (kernel.done && *kernel.error) std::rethrow_exception(*kernel.error);
        progress = true;
      }
      done += kernel.done;
    }
    if (done == core.num_kernels) return true;
    if (!progress) return false;
  }
}

std::string describe_wait(const Core& core, const KernelState& kernel) {
  const Wait& wait = kernel.wait;
  const std::string who = cat(name(kernel.role), " kernel \"", kernel.name, "\" on core (", core.coord.x, ",", core.coord.y, ")");
  switch (wait.kind) {
    case Wait::Kind::kFront:
      return cat(who, " waits for ", wait.wanted, " pages in CB ", int{wait.id}, ", present ", core.buffers[wait.id].available());
    case Wait::Kind::kBack:
      return cat(who, " waits for ", wait.wanted, " free pages in CB ", int{wait.id}, ", free ", core.buffers[wait.id].reservable());
    case Wait::Kind::kSemaphoreEqual:
    case Wait::Kind::kSemaphoreMin:
      return cat(who, " waits for ", wait.wanted, " in semaphore ", int{wait.id}, ", present ", core.semaphores[wait.id].load());
    case Wait::Kind::kNone: break;
  }
  return who + " is runnable";
}

// Into how many pieces of work host threads cut a program: to start a core takes as long as a page or two.
size_t count_turns(const LaunchPlan& plan, size_t threads) {
  constexpr double kLeast = 2.5e-6;  // seconds of each
  const size_t cores = plan.cores.size();
  return plan.takes_neighbours ? std::min(cores, std::max(static_cast<size_t>(plan.host_seconds / kLeast), threads)) : cores;
}

constexpr int kMaxListedKernels = 6;
constexpr double kMostMeasured = 100e-6;  // seconds of a program that may turn out to be short

}  // namespace

Error deadlock_error(std::string_view program, std::span<Core* const> cores) {
  std::string message = cat("[", program, "] deadlock: ");
  int listed = 0;
  for (const Core* core : cores) {
    for (int i = 0; i < core->num_kernels; ++i) {
      const KernelState& kernel = core->kernels[static_cast<size_t>(i)];
      if (kernel.done) continue;
      if (listed < kMaxListedKernels) message += (listed ? "; " : "") + describe_wait(*core, kernel);
      ++listed;
    }
  }
  if (listed > kMaxListedKernels) message += cat("; and ", listed - kMaxListedKernels, " more");
  return Error(ErrorCategory::kDeadlock, message);
}

Core* Run::find(CoreCoord coord) const {
  const size_t at = static_cast<size_t>(coord.y) * static_cast<size_t>(grid_width) + coord.x;
  Core* core = coord.x < grid_width && at < core_at.size() ? core_at[at] : nullptr;
  if (core == nullptr)
    fail(ErrorCategory::kUndefinedBehavior, "[", program, "] core (", coord.x, ",", coord.y,
         ") is not part of the program, or not among the receivers it names");
  return core;
}

Scheduler::Scheduler(const ChipSpec& chip, int num_threads) : chip_(chip), pool_(num_threads), shares_(static_cast<size_t>(num_threads)) {
  for (int i = 0; i < num_threads; ++i) {
    threads_.push_back(std::make_unique<HostThread>());
    thread_cores_.push_back(std::make_unique<Core>());
  }
  grid_cores_.resize(static_cast<size_t>(chip.compute_grid.x) * chip.compute_grid.y);
}

void Scheduler::run_values(const LaunchPlan& plan, std::span<const BoundBuffer> buffers) {
  Run run;
  run.chip = &chip_;
  run.buffers = buffers;
  run.num_semaphores = plan.semaphores.size();
  run.program = plan.name;
  run.grid_width = chip_.compute_grid.x;
  if (plan.cores_communicate) return run_together(plan, run);
  if (plan.recordings != nullptr && plan.recordings->begins(recorded_run_) && record(plan, run)) {
    std::vector<std::byte*> addresses;
    for (const BoundBuffer& buffer : buffers) addresses.push_back(buffer.data);
    return repeat(*plan.recordings->ready(), addresses.data());
  }
  run_independent(plan, run);
}

// Calls turn(index, host thread) for each of `turns`, which it may fail.
template <class Turn>
void Scheduler::each_turn(size_t turns, double seconds, const Turn& turn) {
  if (turns == 1) return turn(0, 0);
  const size_t threads = shares_.size();
  for (size_t t = 0; t < threads; ++t) {
    shares_[t].first = t * turns / threads;
    shares_[t].next.store(shares_[t].first, std::memory_order_relaxed);
    shares_[t].end = (t + 1) * turns / threads;
  }
  std::mutex mutex;
  std::exception_ptr failure;
  std::atomic<bool> failed = false;
  auto task = [&](int thread) {
    for (size_t s = 0; s < threads; ++s) {
      const size_t owner = (static_cast<size_t>(thread) + s) % threads;
      Share& share = shares_[owner];
      for (size_t n; !failed && (n = share.next.fetch_add(1, std::memory_order_relaxed)) < share.end;) {
        // Every second one is walked backwards: threads that write to the same lines, such as parts of a stack, meet but once.
        const size_t i = owner % 2 == 0 ? n : share.first + share.end - 1 - n;
        try {
          turn(i, static_cast<size_t>(thread));
        } catch (...) {
          std::lock_guard lock(mutex);
          if (!failed) failure = std::current_exception();
          failed = true;
        }
      }
    }
  };
  pool_.run(task, seconds);
  if (failure) std::rethrow_exception(failure);
}

void Scheduler::run_independent(const LaunchPlan& plan, Run& run) {
  const size_t cores = plan.cores.size(), turns = count_turns(plan, shares_.size());
  each_turn(turns, plan.host_seconds,
            [&](size_t i, size_t thread) { run_alone(plan, run, i * cores / turns, (i + 1) * cores / turns - 1, thread); });
}

void Scheduler::repeat(const RecordedProgram& program, std::byte* const* buffers) {
  constexpr int kMeasured = 3;
  constexpr double kShort = 3e-6;  // less than other threads are worth being told
  using Clock = std::chrono::steady_clock;
  const size_t turns = program.turns.size();
  const auto alone = [&] {
    for (const Recording& turn : program.turns) turn.repeat(buffers, *threads_[0]);
  };
  if (turns == 1 || program.seconds.load(std::memory_order_relaxed) < kShort) return alone();
  if (program.measured.load(std::memory_order_relaxed) < kMeasured && program.host_seconds < kMostMeasured) {
    const auto start = Clock::now();
    alone();
    const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
    program.seconds.store(std::min(seconds, program.seconds.load(std::memory_order_relaxed)), std::memory_order_relaxed);
    program.measured.fetch_add(1, std::memory_order_relaxed);
    return;
  }
  each_turn(turns, program.host_seconds, [&](size_t i, size_t thread) { program.turns[i].repeat(buffers, *threads_[thread]); });
}

// Writes down all turns of a program, or none: what cannot be repeated, or fails, is left to the kernels.
bool Scheduler::record(const LaunchPlan& plan, const Run& run) {
  constexpr size_t kMostEffects = 1024;
  const size_t cores = plan.cores.size(), turns = count_turns(plan, shares_.size());
  Core& core = *thread_cores_[0];
  core.thread = threads_[0].get();
  std::vector<Recording> made;
  size_t room = kMostEffects;
  bool complete = turns <= kMostEffects;
  for (size_t i = 0; i < turns && complete; ++i) {
    Recording& recording = made.emplace_back(run.buffers, plan.l1_bytes, room);
    Run written = run;
    written.buffers = recording.buffers();
    try {
      configure(core, plan, written, i * cores / turns, (i + 1) * cores / turns - 1, memory::start_of(memory::kL1));
      core.recording = &recording;
      complete = drain(core);
    } catch (const std::exception&) {
      complete = false;
    }
    core.destroy_kernels();
    room -= recording.num_effects();
  }
  core.recording = nullptr;
  if (complete) plan.recordings->finish(std::move(made), plan.host_seconds);
  return complete;
}

// A core to the end of its kernels, in the thread's own L1.
void Scheduler::run_alone(const LaunchPlan& plan, Run& run, size_t first, size_t last, size_t thread) {
  Core& core = *thread_cores_[thread];
  core.thread = threads_[thread].get();
  try {
    configure(core, plan, run, first, last, core.thread->l1_start(plan.l1_bytes));
    if (!drain(core)) {
      Core* const stuck = &core;
      throw deadlock_error(plan.name, {&stuck, 1});
    }
  } catch (...) {
    core.destroy_kernels();
    throw;
  }
  core.destroy_kernels();
}

std::vector<Core*> Scheduler::prepare(const LaunchPlan& plan, Run& run, std::span<const size_t> indices) {
  std::vector<Core*> cores;
  run.core_at.assign(grid_cores_.size(), nullptr);
  for (const size_t i : indices) {
    const CoreCoord coord = plan.cores[i];
    const size_t at = static_cast<size_t>(coord.y) * chip_.compute_grid.x + coord.x;
    if (grid_cores_[at] == nullptr) grid_cores_[at] = std::make_unique<Core>();
    run.core_at[at] = grid_cores_[at].get();
    cores.push_back(grid_cores_[at].get());
  }
  for (size_t i = 0; i < cores.size(); ++i) {
    cores[i]->parking.store(kReady);
    configure(*cores[i], plan, run, indices[i], indices[i], /*l1=*/nullptr);
  }
  return cores;
}

// The ready queue of cores that run together, and those that run alone when none of them is ready.
class Together {
 public:
  Together(Scheduler& scheduler, const LaunchPlan& plan, Run& run, std::vector<Core*> cores)
      : scheduler_(scheduler), plan_(plan), run_(run), cores_(std::move(cores)), ready_(scheduler.threads_.size()) {
    const size_t threads = ready_.size();
    for (size_t i = 0; i < cores_.size(); ++i) {
      cores_[i]->home = i * threads / cores_.size();
      ready_[cores_[i]->home].push_back(cores_[i]);
    }
    num_ready_ = cores_.size();
    run_.wake = [this](Core& core) {
      int parked = kParked;
      if (core.parking.compare_exchange_strong(parked, kReady)) enqueue(core);
    };
  }

  void work(size_t thread) {
    while (const auto next = take(thread)) {
      try {
        if (next->core != nullptr) {
          next->core->thread = scheduler_.threads_[thread].get();
          step(*next->core);
        } else {
          scheduler_.run_alone(plan_, run_, next->index, next->index, thread);
        }
      } catch (...) {
        std::lock_guard lock(mutex_);
        if (!failure_) failure_ = std::current_exception();
      }
      release();
    }
  }

  void finish() {
    const bool deadlock = !failure_ && finished_.load() != cores_.size();
    std::optional<Error> error;
    if (deadlock) error = deadlock_error(run_.program, cores_);
    for (Core* core : cores_) core->destroy_kernels();
    if (failure_) std::rethrow_exception(failure_);
    if (error) throw *error;
  }

 private:
  struct Next {
    Core* core;    // null: the core of the plan that runs alone
    size_t index;  // of that
  };

  void step(Core& core) {
    core.parking.store(kRunning);
    for (;;) {
      if (drain(core)) {
        core.release_buffers();
        finished_.fetch_add(1);
        return;
      }
      core.parking.store(kParked);
      if (!can_progress(core)) return;
      int parked = kParked;
      if (!core.parking.compare_exchange_strong(parked, kRunning)) return;  // woken meanwhile: it stands in the queue
    }
  }

  static bool can_progress(const Core& core) {
    for (int i = 0; i < core.num_kernels; ++i) {
      const KernelState& kernel = core.kernels[static_cast<size_t>(i)];
      if (!kernel.done && core.satisfied(kernel.wait)) return true;
    }
    return false;
  }

  void enqueue(Core& core) {
    {
      std::lock_guard lock(mutex_);
      ready_[core.home].push_back(&core);
      ++num_ready_;
    }
    changed_.notify_one();
  }

  // The next core; none when none is left that could run and none is running (all done, or deadlock), or after a failure.
  std::optional<Next> take(size_t index) {
    std::unique_lock lock(mutex_);
    const auto some = [&] { return num_ready_ > 0 || next_alone_ < plan_.senders.size(); };
    changed_.wait(lock, [&] { return some() || running_ == 0 || failure_; });
    if (failure_ || !some()) {
      changed_.notify_all();
      return std::nullopt;
    }
    ++running_;
    if (num_ready_ == 0) return Next{nullptr, plan_.senders[next_alone_++]};
    while (ready_[index].empty()) index = (index + 1) % ready_.size();
    Core* core = ready_[index].front();
    ready_[index].pop_front();
    --num_ready_;
    return Next{core, 0};
  }

  void release() {
    std::lock_guard lock(mutex_);
    if (--running_ == 0 && num_ready_ == 0 && next_alone_ == plan_.senders.size()) changed_.notify_all();
  }

  Scheduler& scheduler_;
  const LaunchPlan& plan_;
  Run& run_;
  std::vector<Core*> cores_;
  size_t next_alone_ = 0;  // of the senders
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::deque<Core*>> ready_;  // by the thread where a core's pages are likely in the cache
  size_t num_ready_ = 0;
  int running_ = 0;
  std::atomic<size_t> finished_ = 0;
  std::exception_ptr failure_;
};

void Scheduler::run_together(const LaunchPlan& plan, Run& run) {
  Together together(*this, plan, run, prepare(plan, run, plan.receivers));
  pool_.run([&](int thread) { together.work(static_cast<size_t>(thread)); }, plan.host_seconds);
  together.finish();
}

}  // namespace tt::emulator
