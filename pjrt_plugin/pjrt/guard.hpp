// The border: no exception crosses it. Each function of the API is a plain function on its argument struct, installed by slot.
#pragma once

#include <exception>
#include <string>

#include "base/error.hpp"
#include "pjrt/abi.hpp"

namespace tt::pjrt {

struct Error {
  void* vtable = nullptr;  // read by JAX, null allowed
  ErrorCode code;
  std::string message;
};

ErrorCode code_of(ErrorCategory category);
Error* to_error(const tt::Error& error);
Error* current_error() noexcept;  // of the exception being handled

template <auto Function>
struct Guarded;

template <class Args, void (*Function)(Args&)>
struct Guarded<Function> {
  static Error* call(Args* args) noexcept {
    try {
      // A host counts its struct without padding at the end; a newer one has fields that we do not know.
      require(args->struct_size + alignof(Args) > sizeof(Args), "[pjrt] an argument struct of ", args->struct_size,
              " bytes, expected at least ", sizeof(Args), ": the host is built for a PJRT version that tt does not know");
      Function(*args);
      return nullptr;
    } catch (...) {
      return current_error();
    }
  }
};

template <auto Function>
void install(Api& api, Slot slot) {
  api.slots[static_cast<size_t>(slot)] = reinterpret_cast<void*>(&Guarded<Function>::call);
}

// Each noun installs its own entries.
void install_errors(Api& api);
void install_events(Api& api);
void install_client(Api& api);
void install_devices(Api& api);
void install_executables(Api& api);
void install_buffers(Api& api);
void install_uploads(Api& api);
void install_layouts(Api& api);
void install_shardings(Api& api);

}  // namespace tt::pjrt
