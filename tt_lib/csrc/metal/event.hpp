// A moment on a device queue: not reached yet, reached, or failed with an Error. A handle; copies share the state.
#pragma once

#include <functional>
#include <memory>

#include "base/error.hpp"

namespace tt::metal {

class Event {
 public:
  using Callback = std::function<void(const Error*)>;  // null: success

  Event() = default;       // already reached
  static Event pending();  // to be completed by complete() or fail()

  bool is_ready() const;
  bool is_pending_or_failed() const;
  std::shared_ptr<const Error> error() const;  // null unless ready and failed
  void wait() const;                           // blocks; throws the Error if failed
  void on_ready(Callback callback) const;      // runs it at once if ready, else on the completing thread, outside any lock
  void complete() const;
  void fail(Error error) const;

 private:
  struct State;
  std::shared_ptr<State> state_;  // null: reached
};

}  // namespace tt::metal
