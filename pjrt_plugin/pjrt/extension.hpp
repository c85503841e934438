// Tables of functions beside the main one, in a chain that JAX walks.
#pragma once

#include "pjrt/guard.hpp"

namespace tt::pjrt {

template <size_t Count>
struct Extension {
  size_t struct_size;
  int type;
  void* next;
  void* functions[Count];
};

template <auto Function>
void* guarded() {
  return reinterpret_cast<void*>(&Guarded<Function>::call);
}

template <size_t Count>
void install(Api& api, Extension<Count>& extension) {
  extension.struct_size = sizeof(extension);
  extension.next = api.extension_start;
  api.extension_start = &extension;
}

}  // namespace tt::pjrt
