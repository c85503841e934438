// Loading index vectors, and offsets and windows in strided arrays.
#include "dnn/gather_index.hpp"

#include <algorithm>
#include <cstring>
#include <limits>

#include "base/error.hpp"

namespace tt::dnn {
namespace {

template <class T>
int64_t widen(T value) {
  if constexpr (std::is_same_v<T, uint64_t>) {
    return static_cast<int64_t>(std::min<uint64_t>(value, std::numeric_limits<int64_t>::max()));
  } else {
    return static_cast<int64_t>(value);
  }
}

template <class T>
void load_run(const std::byte* data, int64_t first, int64_t stride, int64_t count, int64_t* out) {
  const T* values = reinterpret_cast<const T*>(data) + first;
  for (int64_t i = 0; i < count; ++i) out[i] = widen(values[i * stride]);
}

using LoadRun = void (*)(const std::byte*, int64_t, int64_t, int64_t, int64_t*);

LoadRun load_run_of(DataType type) {
  switch (type) {
    case DataType::kS2:
    case DataType::kS4:
    case DataType::kS8: return load_run<int8_t>;
    case DataType::kS16: return load_run<int16_t>;
    case DataType::kS32: return load_run<int32_t>;
    case DataType::kS64: return load_run<int64_t>;
    case DataType::kU2:
    case DataType::kU4:
    case DataType::kU8: return load_run<uint8_t>;
    case DataType::kU16: return load_run<uint16_t>;
    case DataType::kU32: return load_run<uint32_t>;
    case DataType::kU64: return load_run<uint64_t>;
    default: fail(ErrorCategory::kInvalidArgument, "[start indices] have type ", name(type), ", expected an integer type");
  }
}

}  // namespace

Dims IndexVectors::batch_dims() const {
  Dims batch = dims;
  if (vector_dim < static_cast<int64_t>(dims.size())) batch.erase(batch.begin() + vector_dim);
  return batch;
}

int64_t IndexVectors::components() const {
  return vector_dim < static_cast<int64_t>(dims.size()) ? dims[static_cast<size_t>(vector_dim)] : 1;
}

void IndexVectors::load(const std::byte* data, int64_t component, int64_t first, int64_t count, int64_t* out) const {
  const LoadRun run = load_run_of(type);
  const auto rank = static_cast<int64_t>(dims.size());
  int64_t inner = 1;  // elements after the vector dimension
  for (int64_t d = vector_dim + 1; d < rank; ++d) inner *= dims[static_cast<size_t>(d)];
  if (inner == 1) return run(data, first * components() + component, components(), count, out);
  while (count > 0) {
    const int64_t at = first % inner;
    const int64_t n = std::min(count, inner - at);
    run(data, (first / inner * components() + component) * inner + at, 1, n, out);
    first += n;
    out += n;
    count -= n;
  }
}

void strided_offsets(std::span<const int64_t> dims, std::span<const int64_t> strides, int64_t first, int64_t count, int64_t* out) {
  const size_t rank = dims.size();
  if (rank == 0) {
    std::fill_n(out, count, 0);
    return;
  }
  Dims at(rank);
  int64_t rest = first, base = 0;
  for (size_t d = rank; d-- > 0;) {
    at[d] = rest % dims[d];
    rest /= dims[d];
    base += at[d] * strides[d];
  }
  const int64_t inner = dims[rank - 1], step = strides[rank - 1];
  while (count > 0) {
    const int64_t n = std::min(count, inner - at[rank - 1]);
    for (int64_t i = 0; i < n; ++i) out[i] = base + i * step;
    out += n;
    count -= n;
    base -= at[rank - 1] * step;
    at[rank - 1] = 0;
    for (size_t d = rank - 1; d-- > 0;) {
      base += strides[d];
      if (++at[d] < dims[d]) break;
      base -= dims[d] * strides[d];
      at[d] = 0;
    }
  }
}

std::vector<WindowDim> coalesce(std::vector<WindowDim> dims) {
  std::vector<WindowDim> out;
  for (const WindowDim& dim : dims) {
    if (dim.size == 1) continue;
    if (!out.empty() && out.back().from == dim.from * dim.size && out.back().to == dim.to * dim.size) {
      out.back() = {out.back().size * dim.size, dim.from, dim.to};
    } else {
      out.push_back(dim);
    }
  }
  return out;
}

int64_t window_elements(std::span<const WindowDim> dims) {
  int64_t elements = 1;
  for (const WindowDim& dim : dims) elements *= dim.size;
  return elements;
}

}  // namespace tt::dnn
