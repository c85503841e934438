// The cards of this process: JAX and tt_lib that name the same card get the same one.
#pragma once

#include <memory>
#include <string_view>

#include "metal/device.hpp"

namespace tt::metal {

// The card `id` of the given kind ("e150", "e75"), created when nobody holds it (or when it was closed).
std::shared_ptr<Device> open_device(std::string_view arch, int id);

}  // namespace tt::metal

extern "C" {
// For Python, before the interpreter ends: waits for what is queued on all cards of the process, which may call back into it.
__attribute__((visibility("default"))) void tt_finish_devices();
}
