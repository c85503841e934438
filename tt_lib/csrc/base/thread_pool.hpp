// The host threads that emulate the card: a fixed crew that runs one parallel section at a time.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>

namespace tt {

class ThreadPool {
 public:
  explicit ThreadPool(int num_threads);  // counts the calling thread
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int size() const;
  // Runs task(0) on the calling thread and task(i) on each worker i that comes before it returns; returns when all have returned. The tasks
  // take their shares from a common source, so that it does not matter who comes. A task must not throw. `seconds`: about how long it takes
  // one thread; workers that sleep are woken for long sections, or when many short ones come in a row. While other pools have as many
  // callers as there are threads (several cards at work), each caller goes alone.
  void run(const std::function<void(int)>& task, double seconds);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

int default_num_threads();  // JAX_TT_NUM_THREADS, else the processors this process may use

}  // namespace tt
