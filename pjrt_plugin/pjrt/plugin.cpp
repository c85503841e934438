// The one symbol of the plugin: the function table.
#include <utility>

#include "pjrt/guard.hpp"

namespace tt::pjrt {
namespace {

// What a slot answers that nobody has installed.
template <size_t I>
Error* unimplemented(void*) noexcept {
  return new Error{nullptr, ErrorCode::kUnimplemented, std::string(kSlotNames[I]) + " is not implemented by tt"};
}

template <size_t... I>
void fill(Api& api, std::index_sequence<I...>) {
  ((api.slots[I] = reinterpret_cast<void*>(&unimplemented<I>)), ...);
}

Api make_api() {
  Api api{};
  api.struct_size = sizeof(Api);
  api.version.struct_size = sizeof(ApiVersion);
  api.version.major = kApiMajor;
  api.version.minor = kApiMinor;
  fill(api, std::make_index_sequence<kNumSlots>());
  install_errors(api);
  install_events(api);
  install_client(api);
  install_devices(api);
  install_executables(api);
  install_buffers(api);
  install_uploads(api);
  install_layouts(api);
  install_shardings(api);
  return api;
}

}  // namespace
}  // namespace tt::pjrt

extern "C" __attribute__((visibility("default"))) const void* GetPjrtApi() {
  static const tt::pjrt::Api api = tt::pjrt::make_api();
  return &api;
}
