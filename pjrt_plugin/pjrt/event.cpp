// Events: the handle may be destroyed inside its own callback; the state lives on.
#include "pjrt/objects.hpp"

namespace tt::pjrt {
namespace {

void destroy(One<Event>& args) { delete args.object; }
void is_ready(Get<Event, bool>& args) { args.value = args.object->event.is_ready(); }

void error(One<Event>& args) {
  if (const std::shared_ptr<const tt::Error> failure = args.object->event.error()) throw *failure;
}

void await(One<Event>& args) { args.object->event.wait(); }

void on_ready(EventOnReady& args) {
  const metal::Event event = args.event->event;
  event.on_ready([callback = args.callback, user = args.user](const tt::Error* failure) {
    callback(failure == nullptr ? nullptr : to_error(*failure), user);
  });
}

}  // namespace

void install_events(Api& api) {
  install<&destroy>(api, Slot::kEventDestroy);
  install<&is_ready>(api, Slot::kEventIsReady);
  install<&error>(api, Slot::kEventError);
  install<&await>(api, Slot::kEventAwait);
  install<&on_ready>(api, Slot::kEventOnReady);
}

}  // namespace tt::pjrt
