// Between arrays of every element type and registers: loads, stores and the rounding that follows an operation.
#pragma once

#include <cstddef>

#include "emulator/tile_program.hpp"

namespace tt::emulator {

void load_register(DataType type, const std::byte* source, void* reg, size_t n);
void store_register(DataType type, const void* reg, std::byte* destination, size_t n);  // of values that rounding has made representable
void round_register(DataType type, void* reg, size_t n);
double round_to(DataType type, double value);  // to a float format narrower than f64, to nearest even

}  // namespace tt::emulator
