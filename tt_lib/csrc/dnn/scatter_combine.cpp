// Typed loops for the combinations of two scalars that most scatters name.
#include "dnn/scatter_combine.hpp"

#include <algorithm>
#include <array>
#include <type_traits>

#include "base/maximum.hpp"
#include "dnn/instruction_sets.hpp"

namespace tt::dnn {
namespace {

using emulator::Simd;
using emulator::TileOpcode;
using emulator::TileProgram;

// Of two elements, or of two vectors of floats. Unsigned arithmetic wraps where signed would overflow.
struct Add {
  template <class T>
  [[gnu::always_inline]] static T combine(T current, T update) {
    if constexpr (std::is_integral_v<T>) {
      using Unsigned = std::make_unsigned_t<T>;
      return static_cast<T>(static_cast<Unsigned>(current) + static_cast<Unsigned>(update));
    } else {
      return current + update;
    }
  }
};
struct Multiply {
  template <class T>
  [[gnu::always_inline]] static T combine(T current, T update) {
    if constexpr (std::is_integral_v<T>) {
      using Unsigned = std::make_unsigned_t<T>;
      return static_cast<T>(static_cast<Unsigned>(current) * static_cast<Unsigned>(update));
    } else {
      return current * update;
    }
  }
};
struct Maximum {
  template <class T>
  [[gnu::always_inline]] static T combine(T current, T update) {
    if constexpr (std::is_integral_v<T>) {
      return current < update ? update : current;
    } else {
      return maximum(current, update);
    }
  }
};
struct Minimum {
  template <class T>
  [[gnu::always_inline]] static T combine(T current, T update) {
    if constexpr (std::is_integral_v<T>) {
      return update < current ? update : current;
    } else {
      return minimum(current, update);
    }
  }
};

// Floats in a lane of a vector: between scalars, the compiler chooses by branches.
template <class Op, class T>
[[gnu::always_inline]] inline T combine_one(T current, T update) {
  if constexpr (std::is_floating_point_v<T>) {
    using Vector [[gnu::vector_size(16)]] = T;
    return Op::combine(Vector{current}, Vector{update})[0];
  } else {
    return Op::combine(current, update);
  }
}

constexpr size_t kFew = 4;  // not worth a loop over vectors

template <class Op, class T>
[[gnu::always_inline]] inline void combine_run(const T* from, T* to, size_t run) {
  if (run < kFew) {
    for (size_t i = 0; i < run; ++i) to[i] = combine_one<Op>(to[i], from[i]);
  } else {
#pragma GCC ivdep
    for (size_t i = 0; i < run; ++i) to[i] = Op::combine(to[i], from[i]);
  }
}

constexpr size_t kAhead = 16;  // windows: the host cannot foresee where they lie

template <class T, class Op>
void combine_windows(const std::byte* updates, std::byte* target, std::span<const WindowOffsets> windows, size_t run, Simd simd) {
  const T* in = reinterpret_cast<const T*>(updates);
  T* out = reinterpret_cast<T*>(target);
  run_on_host<T>(
      [=]() TT_LOOP {
        if (run == 1) {
          for (const WindowOffsets& at : windows) out[at.target] = combine_one<Op>(out[at.target], in[at.update]);
          return;
        }
        for (size_t w = 0; w < windows.size(); ++w) {
          const WindowOffsets next = windows[std::min(w + kAhead, windows.size() - 1)];
          __builtin_prefetch(in + next.update);
          __builtin_prefetch(out + next.target, 1);
          combine_run<Op>(in + windows[w].update, out + windows[w].target, run);
        }
      },
      simd);
}

template <class T>
CombineLoop loop_of(Combine combine) {
  switch (combine) {
    case Combine::kAdd: return combine_windows<T, Add>;
    case Combine::kMul: return combine_windows<T, Multiply>;
    case Combine::kMax: return combine_windows<T, Maximum>;
    case Combine::kMin: return combine_windows<T, Minimum>;
    default: return nullptr;
  }
}

}  // namespace

Combine recognise_combine(const TileProgram& region, std::span<const DataType> types) {
  const size_t k = types.size();
  bool assigns = region.ops.empty();
  for (size_t i = 0; i < region.outputs.size(); ++i) assigns &= region.outputs[i].reg == k + i;
  if (assigns) return Combine::kAssign;
  if (k != 1 || region.ops.size() != 1) return Combine::kRegion;
  const emulator::TileOp& op = region.ops[0];
  if (region.outputs[0].reg != op.dst || op.a + op.b != 1 || op.type != types[0]) return Combine::kRegion;
  switch (op.code) {
    case TileOpcode::kAdd: return Combine::kAdd;
    case TileOpcode::kMul: return Combine::kMul;
    case TileOpcode::kMax: return Combine::kMax;
    case TileOpcode::kMin: return Combine::kMin;
    default: return Combine::kRegion;
  }
}

std::string_view name(Combine combine) {
  constexpr std::array<std::string_view, 6> kNames = {"assign", "add", "mul", "max", "min", "region"};
  return kNames[static_cast<size_t>(combine)];
}

CombineLoop combine_loop(Combine combine, DataType type) {
  switch (type) {
    case DataType::kF32: return loop_of<float>(combine);
    case DataType::kF64: return loop_of<double>(combine);
    case DataType::kS32: return loop_of<int32_t>(combine);
    case DataType::kU32: return loop_of<uint32_t>(combine);
    case DataType::kS64: return loop_of<int64_t>(combine);
    case DataType::kU64: return loop_of<uint64_t>(combine);
    default: return nullptr;
  }
}

}  // namespace tt::dnn
