// kConvert and kBitcast: from every lane to every element type.
#include <limits>

#include "emulator/float_formats.hpp"
#include "emulator/simd/quantise.hpp"
#include "emulator/simd/vec.hpp"

namespace tt::emulator::TT_SIMD {
namespace {

template <class T>
inline constexpr bool is_real = std::is_floating_point_v<T>;

// The nearest double that still rounds on to every narrower format as the integer would: bits that do not fit leave a sticky one.
template <class T>
TT_INLINE double to_sticky_double(T value) {
  if constexpr (sizeof(T) < 8 || is_real<T>) {
    return static_cast<double>(value);
  } else {
    const bool negative = value < 0;
    const uint64_t magnitude = negative ? -static_cast<uint64_t>(value) : static_cast<uint64_t>(value);
    const uint64_t sticky = (magnitude & ~uint64_t{0x7ff}) | static_cast<uint64_t>((magnitude & 0x7ff) != 0) << 11;
    const auto rounded = static_cast<double>(magnitude >> 53 != 0 ? sticky : magnitude);
    return negative ? -rounded : rounded;
  }
}

template <DataType type>
void quantise_doubles(const double* from, float* to, size_t n) {
  constexpr size_t w = kVectorBytes / sizeof(double);
  for (size_t i = 0; i < n; i += w) store(to + i, convert<Vec<float, w>>(quantise<type>(load<Vec<double>>(from + i))));
}
using Quantiser = void (*)(const double*, float*, size_t);
Quantiser quantiser(DataType type) {
  switch (type) {
    case DataType::kBF16: return quantise_doubles<DataType::kBF16>;
    case DataType::kF16: return quantise_doubles<DataType::kF16>;
    case DataType::kF8E3M4: return quantise_doubles<DataType::kF8E3M4>;
    case DataType::kF8E4M3: return quantise_doubles<DataType::kF8E4M3>;
    case DataType::kF8E4M3FN: return quantise_doubles<DataType::kF8E4M3FN>;
    case DataType::kF8E4M3B11FNUZ: return quantise_doubles<DataType::kF8E4M3B11FNUZ>;
    case DataType::kF8E4M3FNUZ: return quantise_doubles<DataType::kF8E4M3FNUZ>;
    case DataType::kF8E5M2: return quantise_doubles<DataType::kF8E5M2>;
    case DataType::kF8E5M2FNUZ: return quantise_doubles<DataType::kF8E5M2FNUZ>;
    case DataType::kF8E8M0FNU: return quantise_doubles<DataType::kF8E8M0FNU>;
    case DataType::kF4E2M1FN: return quantise_doubles<DataType::kF4E2M1FN>;
    default: return nullptr;
  }
}

// To a narrow float from a lane that holds more than it: one rounding, through double.
template <class From>
void to_narrow_float(const StepArguments& s, Quantiser quantise) {
  const auto* from = static_cast<const From*>(s.a);
  auto* to = static_cast<float*>(s.dst);
  for (size_t i = 0, n = padded(s.n); i < n; i += kLanePadding) {
    double wide[kLanePadding];
    for (size_t j = 0; j < kLanePadding; ++j) wide[j] = to_sticky_double(from[i + j]);
    quantise(wide, to + i, kLanePadding);
  }
}

template <class From, class To>
void cast(const StepArguments& s) {
  const auto* from = static_cast<const From*>(s.a);
  auto* to = static_cast<To*>(s.dst);
  const size_t n = padded(s.n);
  if constexpr (is_real<From> && !is_real<To>) {
    // The range of the array type, not of the lane.
    const int width = info(s.type).bits;
    const To high = static_cast<To>(std::numeric_limits<To>::max() >> (static_cast<int>(sizeof(To)) * 8 - width));
    const To low = static_cast<To>(std::numeric_limits<To>::is_signed ? -high - 1 : 0);
    const auto high_real = static_cast<From>(high), low_real = static_cast<From>(low);
    for (size_t i = 0; i < n; ++i) {
      const From x = from[i];
      const bool inside = x > low_real && x < high_real;
      const To value = static_cast<To>(inside ? x : From{0});
      to[i] = x >= high_real ? high : x <= low_real ? low : value;
    }
  } else {
    for (size_t i = 0; i < n; ++i) to[i] = static_cast<To>(from[i]);
  }
}

template <class From>
void to_pred(const StepArguments& s) {
  const auto* from = static_cast<const From*>(s.a);
  auto* to = static_cast<uint32_t*>(s.dst);
  for (size_t i = 0, n = padded(s.n); i < n; ++i) to[i] = from[i] != 0;
}

template <class From, class Part>
void to_complex(const StepArguments& s) {
  const auto* from = static_cast<const From*>(s.a);
  auto* to = static_cast<Part*>(s.dst);
  for (size_t i = padded(s.n); i-- > 0;) {  // backwards: dst may be a
    const From value = from[i];
    to[2 * i] = static_cast<Part>(value);
    to[2 * i + 1] = 0;
  }
}

template <class From>
void convert_real(const StepArguments& s) {
  switch (lane_of(s.type)) {
    case Lane::kF32:
      if (const Quantiser quantise = quantiser(s.type); quantise != nullptr && !std::is_same_v<From, float>) {
        return to_narrow_float<From>(s, quantise);
      }
      return cast<From, float>(s);
    case Lane::kF64: return cast<From, double>(s);
    case Lane::kS32: return cast<From, int32_t>(s);
    case Lane::kU32: return cast<From, uint32_t>(s);
    case Lane::kS64: return cast<From, int64_t>(s);
    case Lane::kU64: return cast<From, uint64_t>(s);
    case Lane::kC64: return to_complex<From, float>(s);
    case Lane::kC128: return to_complex<From, double>(s);
    case Lane::kPred: return to_pred<From>(s);
  }
}

template <class Part>
void convert_complex(const StepArguments& s) {
  const auto* from = static_cast<const Part*>(s.a);
  const size_t n = padded(s.n);
  if (is_complex(s.type)) {
    Part copy[2 * kTileElements];
    std::memcpy(copy, from, 2 * n * sizeof(Part));
    StepArguments parts = s;
    parts.a = copy;
    parts.n = 2 * n;
    return s.type == DataType::kC64 ? cast<Part, float>(parts) : cast<Part, double>(parts);
  }
  Part real[kTileElements];
  for (size_t i = 0; i < n; ++i) real[i] = from[2 * i];
  StepArguments part = s;
  part.a = real;
  convert_real<Part>(part);
}

void bitcast(const StepArguments& s) {
  alignas(64) std::byte storage[kTileElements * 16];
  engine().store[s.imm](s.a, storage, padded(s.n));
  engine().load[static_cast<size_t>(s.type)](storage, s.dst, padded(s.n));
}

constexpr struct {
  Lane lane;
  StepFunction convert;
} kConverts[] = {
    {Lane::kF32, convert_real<float>},     {Lane::kF64, convert_real<double>},   {Lane::kS32, convert_real<int32_t>},
    {Lane::kU32, convert_real<uint32_t>},  {Lane::kS64, convert_real<int64_t>},  {Lane::kU64, convert_real<uint64_t>},
    {Lane::kPred, convert_real<uint32_t>}, {Lane::kC64, convert_complex<float>}, {Lane::kC128, convert_complex<double>},
};

}  // namespace

void install_converts(Engine& engine) {
  for (const auto& row : kConverts) {
    engine.steps[static_cast<size_t>(TileOpcode::kConvert)][static_cast<size_t>(row.lane)] = row.convert;
    engine.steps[static_cast<size_t>(TileOpcode::kBitcast)][static_cast<size_t>(row.lane)] = bitcast;
  }
}

}  // namespace tt::emulator::TT_SIMD
