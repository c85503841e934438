// The shared state behind Event.
#include "metal/event.hpp"

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <vector>

namespace tt::metal {

struct Event::State {
  std::mutex mutex;
  std::condition_variable reached;
  std::atomic<bool> ready = false;
  std::shared_ptr<const Error> error;  // written before `ready`
  std::vector<Callback> callbacks;

  void finish(std::shared_ptr<const Error> outcome) {
    std::vector<Callback> to_run;
    {
      std::lock_guard lock(mutex);
      if (ready) return;
      error = std::move(outcome);
      ready.store(true, std::memory_order_release);
      to_run.swap(callbacks);
    }
    reached.notify_all();
    for (Callback& callback : to_run) callback(error.get());
  }
};

Event Event::pending() {
  Event event;
  event.state_ = std::make_shared<State>();
  return event;
}

bool Event::is_ready() const { return !state_ || state_->ready.load(std::memory_order_acquire); }

bool Event::is_pending_or_failed() const { return state_ && (!is_ready() || state_->error != nullptr); }

std::shared_ptr<const Error> Event::error() const { return state_ && is_ready() ? state_->error : nullptr; }

void Event::wait() const {
  if (!state_) return;
  if (!is_ready()) {
    std::unique_lock lock(state_->mutex);
    state_->reached.wait(lock, [&] { return state_->ready.load(std::memory_order_acquire); });
  }
  if (state_->error) throw *state_->error;
}

void Event::on_ready(Callback callback) const {
  if (!state_) return callback(nullptr);
  {
    std::lock_guard lock(state_->mutex);
    if (!state_->ready) {
      state_->callbacks.push_back(std::move(callback));
      return;
    }
  }
  callback(state_->error.get());
}

void Event::complete() const {
  auto keep = state_;
  if (keep) keep->finish(nullptr);
}

void Event::fail(Error error) const {
  auto keep = state_;
  if (keep) keep->finish(std::make_shared<const Error>(std::move(error)));
}

}  // namespace tt::metal
