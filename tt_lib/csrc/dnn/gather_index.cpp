// Loading index vectors, and offsets and windows in strided arrays.
#include "dnn/gather_index.hpp"

#include <algorithm>

#include "base/error.hpp"

namespace tt::dnn {

Dims IndexVectors::batch_dims() const {
  Dims batch = dims;
  if (vector_dim < static_cast<int64_t>(dims.size())) batch.erase(batch.begin() + vector_dim);
  return batch;
}

int64_t IndexVectors::components() const {
  return vector_dim < static_cast<int64_t>(dims.size()) ? dims[static_cast<size_t>(vector_dim)] : 1;
}

void IndexVectors::validate() const { require(is_integer(type), "[start indices] have type ", name(type), ", expected an integer type"); }

void coalesce(Dims& dims, std::initializer_list<Dims*> strides) {
  size_t kept = 0;
  for (size_t d = 0; d < dims.size(); ++d) {
    if (dims[d] == 1) continue;
    const bool joins =
        kept > 0 && std::all_of(strides.begin(), strides.end(), [&](const Dims* of) { return (*of)[kept - 1] == (*of)[d] * dims[d]; });
    if (joins) --kept;
    dims[kept] = joins ? dims[kept] * dims[d] : dims[d];
    for (Dims* of : strides) (*of)[kept] = (*of)[d];
    ++kept;
  }
  dims.resize(kept);
  for (Dims* of : strides) of->resize(kept);
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
    if (step == 0) {
      std::fill_n(out, n, base);
    } else {
      for (int64_t i = 0; i < n; ++i) out[i] = base + i * step;
    }
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
