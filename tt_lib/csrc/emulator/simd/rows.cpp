// Rows of f32 folded to one element each, and elements repeated along rows.
//
// A row is folded over 64 lanes: lane i combines elements i, i + 64, ... in order; what does not fill 64 lanes is combined into the first
// ones. Then the lanes are halved, 64 to 32 to ... 1. The order depends on the row's length alone, not on the instruction set.
#include "emulator/simd/floats.hpp"
#include "emulator/simd/vec.hpp"

namespace tt::emulator::TT_SIMD {
namespace {

constexpr size_t kLanes = 16;
using V = Vec<float>;
constexpr size_t kParts = kLanes * sizeof(float) / kVectorBytes;  // vectors of this instruction set

struct Lanes {
  V part[kParts];
};

struct Add {
  static constexpr float kIdentity = -0.0f;
  template <class W>
  TT_INLINE static W combine(W a, W b) {
    return a + b;
  }
};
struct Multiply {
  static constexpr float kIdentity = 1.0f;
  template <class W>
  TT_INLINE static W combine(W a, W b) {
    return a * b;
  }
};
struct Maximum {
  static constexpr float kIdentity = -__builtin_inff();
  TT_INLINE static V combine(V a, V b) { return FloatSteps<float>::max(a, b); }
};
struct Minimum {
  static constexpr float kIdentity = __builtin_inff();
  TT_INLINE static V combine(V a, V b) { return FloatSteps<float>::min(a, b); }
};

template <class Op>
TT_INLINE Lanes combine(const Lanes& a, const Lanes& b) {
  Lanes c;
  for (size_t p = 0; p < kParts; ++p) c.part[p] = Op::combine(a.part[p], b.part[p]);
  return c;
}
TT_INLINE Lanes load_lanes(const float* from) {
  Lanes lanes;
  for (size_t p = 0; p < kParts; ++p) lanes.part[p] = load<V>(from + p * (kLanes / kParts));
  return lanes;
}

// `count` of the 16 lanes, the others filled with `rest`.
TT_INLINE Lanes load_some_lanes(const float* from, size_t count, float rest) {
#if defined(__AVX512F__)
  const auto mask = static_cast<__mmask16>((1u << count) - 1);
  return {{bits<V>(_mm512_mask_loadu_ps(_mm512_set1_ps(rest), mask, from))}};
#else
  alignas(64) float lanes[kLanes];
  for (size_t i = 0; i < kLanes; ++i) lanes[i] = i < count ? from[i] : rest;
  return load_lanes(lanes);
#endif
}

// One row to 16 lanes, of which the instruction set's vectors are combined to one.
template <class Op>
TT_INLINE V fold_to_vector(const float* row, size_t n) {
  Lanes lanes[4];
  for (Lanes& lane : lanes) {
    for (V& part : lane.part) part = V{} + Op::kIdentity;
  }
  size_t i = 0;
  if (n >= 4 * kLanes) {
    for (size_t b = 0; b < 4; ++b) lanes[b] = load_lanes(row + b * kLanes);
    for (i = 4 * kLanes; i + 4 * kLanes <= n; i += 4 * kLanes) {
      for (size_t b = 0; b < 4; ++b) lanes[b] = combine<Op>(lanes[b], load_lanes(row + i + b * kLanes));
    }
  }
  for (size_t b = 0; i < n; ++b, i += kLanes) {
    const Lanes more = n - i < kLanes ? load_some_lanes(row + i, n - i, Op::kIdentity) : load_lanes(row + i);
    lanes[b] = combine<Op>(lanes[b], more);
  }
  Lanes all = combine<Op>(combine<Op>(lanes[0], lanes[2]), combine<Op>(lanes[1], lanes[3]));
  for (size_t count = kParts; count > 1; count /= 2) {
    for (size_t p = 0; p < count / 2; ++p) all.part[p] = Op::combine(all.part[p], all.part[p + count / 2]);
  }
  return all.part[0];
}

// x and y hold rows of `width` lanes each; the halves of each row are combined, the rows of y follow those of x.
template <class Op, size_t width>
TT_INLINE V halve(V x, V y) {
  constexpr size_t w = lanes<V>;
  Vec<int32_t> low, high;
  for (size_t i = 0; i < w; ++i) {
    const size_t row = i / (width / 2), lane = i % (width / 2);  // rows at or over w / width are those of y
    low[i] = static_cast<int32_t>(row * width + lane);
    high[i] = static_cast<int32_t>(row * width + lane + width / 2);
  }
  return Op::combine(__builtin_shuffle(x, y, low), __builtin_shuffle(x, y, high));
}
template <class Op, size_t width>
TT_INLINE V halve_all(V* rows) {  // as many vectors as rows of `width` lanes fit one, which they become in the end
  for (size_t i = 0; i < width / 2; ++i) rows[i] = halve<Op, width>(rows[2 * i], rows[2 * i + 1]);
  if constexpr (width == 2) {
    return rows[0];
  } else {
    return halve_all<Op, width / 2>(rows);
  }
}

template <class Op>
void fold_rows(const std::byte* const* pages, size_t side_by_side, size_t count, size_t length, float* results) {
  constexpr size_t w = lanes<V>;
  size_t at = 0;  // in the page
  for (size_t r = 0; r < count; r += w) {
    const size_t here = count - r < w ? count - r : w;
    V folded[w];
    for (size_t i = 0; i < w; ++i) {
      if (i >= here) {
        folded[i] = V{};
        continue;
      }
      folded[i] = fold_to_vector<Op>(reinterpret_cast<const float*>(*pages) + at * length, length);
      if (++at == side_by_side) ++pages, at = 0;
    }
    const V sums = halve_all<Op, w>(folded);
    std::memcpy(results + r, &sums, here * sizeof(float));
  }
}

template <class T, size_t kTimes>
void repeat_few(const T* from, size_t count, T* to) {
  for (size_t e = 0; e < count; ++e) {
    for (size_t i = 0; i < kTimes; ++i) to[e * kTimes + i] = from[e];
  }
}

template <class T>
void repeat_as(const std::byte* elements, size_t count, size_t times, std::byte* to) {
  const auto* from = reinterpret_cast<const T*>(elements);
  auto* out = reinterpret_cast<T*>(to);
  if constexpr (sizeof(T) <= 8) {
    if (times == 2) return repeat_few<T, 2>(from, count, out);
    if (times == 4) return repeat_few<T, 4>(from, count, out);
  }
  for (size_t e = 0; e < count; ++e, out += times) {
    const T value = from[e];
    for (size_t i = 0; i < times; ++i) out[i] = value;
  }
}

void repeat(size_t element, const std::byte* elements, size_t count, size_t times, std::byte* to) {
  switch (element) {
    case 1: return repeat_as<uint8_t>(elements, count, times, to);
    case 2: return repeat_as<uint16_t>(elements, count, times, to);
    case 4: return repeat_as<uint32_t>(elements, count, times, to);
    case 8: return repeat_as<uint64_t>(elements, count, times, to);
    default: return repeat_as<unsigned __int128>(elements, count, times, to);
  }
}

}  // namespace

void install_rows(Engine& engine) {
  engine.fold_rows[static_cast<size_t>(TileOpcode::kAdd)] = fold_rows<Add>;
  engine.fold_rows[static_cast<size_t>(TileOpcode::kMul)] = fold_rows<Multiply>;
  engine.fold_rows[static_cast<size_t>(TileOpcode::kMax)] = fold_rows<Maximum>;
  engine.fold_rows[static_cast<size_t>(TileOpcode::kMin)] = fold_rows<Minimum>;
  engine.repeat = repeat;
}

}  // namespace tt::emulator::TT_SIMD
