// What a scatter does to an element, and loops for what most scatters do.
#pragma once

#include <span>
#include <string_view>

#include "dnn/scatter_windows.hpp"
#include "emulator/tile_program.hpp"

namespace tt::dnn {

// What a region makes of (current, update), as far as it has loops of its own.
enum class Combine : uint8_t { kAssign, kAdd, kMul, kMax, kMin, kRegion };
Combine recognise_combine(const emulator::TileProgram& region, std::span<const DataType> types);
std::string_view name(Combine combine);

// Combines runs of updates with runs of the target, `run` elements each, one window after the other.
using CombineLoop = void (*)(const std::byte* updates, std::byte* target, std::span<const WindowOffsets> windows, size_t run,
                             emulator::Simd simd);
// Null where only the region knows the answer: rounding of narrow floats.
CombineLoop combine_loop(Combine combine, DataType type);

}  // namespace tt::dnn
