// Workers spin briefly for the next section, then sleep, so that back-to-back programs start without a system call.
#include "base/thread_pool.hpp"

#include <sched.h>

#include <atomic>
#include <condition_variable>
#include <cstdlib>
#include <mutex>
#include <thread>
#include <vector>

#include "base/error.hpp"

namespace tt {
namespace {

constexpr int kSpins = 4000;

inline void pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

}  // namespace

struct ThreadPool::Impl {
  std::vector<std::thread> workers;
  std::mutex mutex;
  std::condition_variable wake;
  std::atomic<uint64_t> generation = 0;
  std::atomic<int> running = 0;
  std::atomic<bool> stopping = false;
  const std::function<void(int)>* task = nullptr;

  void work(int index) {
    uint64_t seen = 0;
    for (;;) {
      for (int i = 0; i < kSpins && generation.load(std::memory_order_acquire) == seen; ++i) pause();
      if (generation.load(std::memory_order_acquire) == seen) {
        std::unique_lock lock(mutex);
        wake.wait(lock, [&] { return generation.load(std::memory_order_acquire) != seen; });
      }
      seen = generation.load(std::memory_order_acquire);
      if (stopping) return;
      (*task)(index);
      running.fetch_sub(1, std::memory_order_release);
    }
  }

  void publish() {
    {
      std::lock_guard lock(mutex);
      generation.fetch_add(1, std::memory_order_release);
    }
    wake.notify_all();
  }
};

ThreadPool::ThreadPool(int num_threads) : impl_(std::make_unique<Impl>()) {
  for (int i = 1; i < num_threads; ++i) impl_->workers.emplace_back([this, i] { impl_->work(i); });
}

ThreadPool::~ThreadPool() {
  impl_->stopping = true;
  impl_->publish();
  for (std::thread& worker : impl_->workers) worker.join();
}

int ThreadPool::size() const { return static_cast<int>(impl_->workers.size()) + 1; }

void ThreadPool::run(const std::function<void(int)>& task) {
  if (impl_->workers.empty()) return task(0);
  impl_->task = &task;
  impl_->running.store(static_cast<int>(impl_->workers.size()), std::memory_order_release);
  impl_->publish();
  task(0);
  for (int spins = 0; impl_->running.load(std::memory_order_acquire) != 0; ++spins) {
    if (spins < kSpins) {
      pause();
    } else {
      std::this_thread::yield();
    }
  }
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
