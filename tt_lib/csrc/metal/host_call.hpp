// Functions of the host process that programs call by number: what jax.pure_callback and jax.debug.print come to.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "metal/program.hpp"

namespace tt::metal {

// A program that calls function `id` with its slots: inputs, then outputs.
Program host_call(std::string name, uint64_t id, std::span<const int64_t> input_bytes, std::span<const int64_t> output_bytes);
bool has_host_calls();  // whether somebody in this process takes them

}  // namespace tt::metal

extern "C" {
// Calls function `id`. buffers: its operands, then where its results go. Returns 0, or else leaves a message of less than `size` bytes.
using tt_host_function = int (*)(uint64_t id, void* const* buffers, char* message, size_t size);
// For Python: who takes the calls of this process from now on; null: nobody.
__attribute__((visibility("default"))) void tt_set_host_function(tt_host_function function);
// Whether some program may still call function `id`.
__attribute__((visibility("default"))) int tt_holds_host_function(uint64_t id);
}
