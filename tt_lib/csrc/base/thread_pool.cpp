// Workers spin briefly for the next section, then sleep, so that back-to-back programs start without a system call. To wake one takes as
// long as many a section: it pays once the sections that went without it have taken that long.
#include "base/thread_pool.hpp"

#include <sched.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <mutex>
#include <thread>
#include <vector>

#include "base/error.hpp"

namespace tt {
namespace {

constexpr int kSpins = 4000;
constexpr double kWakeUp = 50e-6;                            // seconds of work that are worth it
constexpr auto kForgotten = std::chrono::microseconds(500);  // between sections that do not come in a row

// Callers that are in a section of some pool.
class Callers {
 public:
  Callers() : others_(count().fetch_add(1, std::memory_order_relaxed)) {}
  Callers(const Callers&) = delete;
  Callers& operator=(const Callers&) = delete;
  ~Callers() { count().fetch_sub(1, std::memory_order_relaxed); }
  int others() const { return others_; }

 private:
  static std::atomic<int>& count() {
    static std::atomic<int> callers = 0;
    return callers;
  }
  int others_;
};

inline void pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

}  // namespace

// One word says it all: which section it is, whether it still takes workers, and how many are in it. A worker that wakes up late finds the
// section closed and stays out; the caller waits only for those that came in.
struct ThreadPool::Impl {
  static constexpr uint64_t kInside = 0xffff, kOpen = 1 << 16, kSection = 1 << 17;

  std::vector<std::thread> workers;
  std::mutex mutex;
  std::condition_variable wake;
  std::atomic<uint64_t> state = 0;
  std::atomic<bool> stopping = false;
  std::atomic<int> asleep = 0;
  double missed = 0;  // seconds of sections in a row for which nobody was woken
  std::chrono::steady_clock::time_point last_missed;
  const std::function<void(int)>* task = nullptr;

  // Joins the open section, if there is one that this worker has not seen.
  bool enter(uint64_t& seen) {
    uint64_t now = state.load(std::memory_order_acquire);
    while ((now & kOpen) != 0 && now / kSection != seen) {
      if (state.compare_exchange_weak(now, now + 1, std::memory_order_acquire)) {
        seen = now / kSection;
        return true;
      }
    }
    return false;
  }

  void work(int index) {
    uint64_t seen = 0;
    for (;;) {
      bool inside = enter(seen);
      for (int i = 0; i < kSpins && !inside; ++i) {
        pause();
        inside = enter(seen);
      }
      if (!inside) {
        std::unique_lock lock(mutex);
        ++asleep;
        wake.wait(lock, [&] { return stopping || (inside = enter(seen)); });
        --asleep;
      }
      if (stopping) return;
      (*task)(index);
      state.fetch_sub(1, std::memory_order_release);
    }
  }

  void open(double seconds) {
    const uint64_t section = state.load(std::memory_order_relaxed) / kSection;
    state.store((section + 1) * kSection | kOpen, std::memory_order_release);
    if (asleep == 0 || !is_worth_waking(seconds)) return;
    { const std::lock_guard lock(mutex); }  // a worker on its way to sleep has seen the section or is woken
    wake.notify_all();
  }

  bool is_worth_waking(double seconds) {
    const auto now = std::chrono::steady_clock::now();
    missed = (now - last_missed < kForgotten ? missed : 0) + seconds;
    last_missed = now;
    if (missed < kWakeUp) return false;
    missed = 0;
    return true;
  }

  void close() {
    state.fetch_and(~kOpen, std::memory_order_acq_rel);
    for (int spins = 0; (state.load(std::memory_order_acquire) & kInside) != 0; ++spins) {
      if (spins < kSpins) {
        pause();
      } else {
        std::this_thread::yield();
      }
    }
  }
};

ThreadPool::ThreadPool(int num_threads) : impl_(std::make_unique<Impl>()) {
  for (int i = 1; i < num_threads; ++i) impl_->workers.emplace_back([this, i] { impl_->work(i); });
}

ThreadPool::~ThreadPool() {
  {
    std::lock_guard lock(impl_->mutex);
    impl_->stopping = true;
  }
  impl_->wake.notify_all();
  for (std::thread& worker : impl_->workers) worker.join();
}

int ThreadPool::size() const { return static_cast<int>(impl_->workers.size()) + 1; }

void ThreadPool::run(const std::function<void(int)>& task, double seconds) {
  const Callers callers;
  if (callers.others() + 1 >= size()) return task(0);  // alone, or every thread of the host has a caller to serve
  impl_->task = &task;
  impl_->open(seconds);
  task(0);
  impl_->close();
}

int default_num_threads() {
  if (const char* text = std::getenv("JAX_TT_NUM_THREADS"); text != nullptr && *text != '\0') {
    require(std::atoi(text) > 0, "[threads] JAX_TT_NUM_THREADS is \"", text, "\", expected a number of 1 or more");
    return std::atoi(text);
  }
  cpu_set_t set;
  return sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
}

}  // namespace tt
