// Reading operands through their maps, dynamic indices, and splitting work.
#include "dnn/operand.hpp"

#include <algorithm>
#include <cstring>
#include <numeric>

#include "base/error.hpp"

namespace tt::dnn {
namespace {

// first, first + stride ... as elements of a type.
template <class T>
void write_progression(int64_t first, int64_t stride, int64_t n, T* to) {
  constexpr int64_t kMost = int64_t{1} << 30, kAtOnce = 16;
  int64_t i = 0;
  if (std::abs(first) < kMost && std::abs(first + (n - 1) * stride) < kMost) {
    const auto step = static_cast<int32_t>(stride);
    for (; i + kAtOnce <= n; i += kAtOnce) {
      const auto base = static_cast<int32_t>(first + i * stride);
      for (int32_t j = 0; j < kAtOnce; ++j) to[i + j] = static_cast<T>(base + j * step);
    }
  }
  for (; i < n; ++i) to[i] = static_cast<T>(first + i * stride);
}

// The source indices of elements [start, start + count) of the iteration space as elements of a type; `pad` where the map is padded.
template <class T>
void write_indices(const AccessMap& map, int64_t start, int64_t count, T pad, T* out) {
  const size_t rank = map.dims.size();
  Dims at(rank);
  int64_t rest = start;
  for (size_t d = rank; d-- > 0;) {
    at[d] = rest % map.dims[d].size;
    rest /= map.dims[d].size;
  }
  if (rank == 0) {
    std::fill_n(out, count, static_cast<T>(map.offset));
    return;
  }
  const AccessMap::Dim& inner = map.dims[rank - 1];
  for (int64_t i = 0; i < count;) {
    // All but the innermost dimension are fixed for one run.
    int64_t base = map.offset;
    bool backed = true;
    for (size_t d = 0; d + 1 < rank; ++d) {
      const AccessMap::Dim& dim = map.dims[d];
      const int64_t from_low = at[d] - dim.low;
      backed &= from_low >= 0 && at[d] < dim.limit() && from_low % dim.step == 0;
      base += from_low / dim.step * dim.stride;
    }
    const int64_t run = std::min(count - i, inner.size - at[rank - 1]);
    if (backed && !inner.padded()) {
      write_progression(base + at[rank - 1] * inner.stride, inner.stride, run, out + i);
    } else {
      for (int64_t j = 0; j < run; ++j) {
        const int64_t from_low = at[rank - 1] + j - inner.low;
        const bool here = backed && from_low >= 0 && at[rank - 1] + j < inner.limit() && from_low % inner.step == 0;
        out[i + j] = here ? static_cast<T>(base + from_low / inner.step * inner.stride) : pad;
      }
    }
    i += run;
    at[rank - 1] = 0;
    for (size_t d = rank - 1; d-- > 0;) {
      if (++at[d] < map.dims[d].size) break;
      at[d] = 0;
    }
  }
}

// An iota under a view: straight into the page for the common types, else by way of 64-bit integers.
void write_iota(const Operand& operand, const AccessMap& map, int64_t start, int64_t count, std::byte* page) {
  const auto element = static_cast<size_t>(size_of(operand.type));
  const auto as = [&](auto pad) {
    using T = decltype(pad);
    if (!operand.pad.empty()) std::memcpy(&pad, operand.pad.data(), element);
    write_indices(map, start, count, pad, reinterpret_cast<T*>(page));
  };
  switch (operand.type) {
    case DataType::kS32: return as(int32_t{});
    case DataType::kU32: return as(uint32_t{});
    case DataType::kF32: return as(float{});
    default: break;
  }
  int64_t values[kTileElements];
  write_indices<int64_t>(map, start, count, -1, values);
  emulator::convert_elements(DataType::kS64, reinterpret_cast<const std::byte*>(values), operand.type, page, static_cast<size_t>(count));
  if (operand.pad.empty()) return;
  for (int64_t i = 0; i < count; ++i) {
    if (values[i] < 0) std::memcpy(page + static_cast<size_t>(i) * element, operand.pad.data(), element);
  }
}

}  // namespace

std::vector<WorkRange> split_work(int64_t units, int64_t min_units, int64_t max_cores) {
  const int64_t cores = std::clamp<int64_t>(units / std::max<int64_t>(min_units, 1), 1, max_cores);
  std::vector<WorkRange> ranges;
  int64_t first = 0;
  for (int64_t i = 0; i < cores; ++i) {
    const int64_t count = units / cores + (i < units % cores ? 1 : 0);
    ranges.push_back({first, count});
    first += count;
  }
  return ranges;
}

namespace {

int64_t peek(Dataflow& k, const DynamicIndex& index) {
  return k.peek_index(static_cast<Slot>(index.buffer), index.element * size_of(index.type), index.type);
}

}  // namespace

int64_t resolve_offset(Dataflow& k, const AccessMap& map, const std::vector<DynamicIndex>& indices) {
  int64_t offset = map.offset;
  for (const DynamicIndex& index : indices) offset += std::clamp<int64_t>(peek(k, index), 0, index.limit) * index.stride;
  return offset;
}

Slot resolve(Dataflow& k, Slot slot, size_t element, const std::vector<DynamicIndex>& indices, AccessMap& map) {
  if (!k.is_recorded() || slot == kNoSlot) {
    map.offset = resolve_offset(k, map, indices);
    return slot;
  }
  std::vector<Dataflow::Index> moving;
  for (const DynamicIndex& index : indices) {
    moving.push_back({static_cast<Slot>(index.buffer), index.element * size_of(index.type), index.type, index.limit,
                      index.stride * static_cast<int64_t>(element)});
  }
  return k.moved(slot, moving);
}

namespace {

// What lies beneath first; pages of one layer alone are read as such.
void read_layers(Dataflow& k, const Operand& operand, int64_t start, int64_t count, Cb cb, uint32_t index) {
  using Kind = emulator::Piece::Kind;
  const auto element = static_cast<size_t>(size_of(operand.type));
  const auto read_onto = [&](const Operand& layer) {
    k.noc_async_read_onto(static_cast<Slot>(layer.buffer), layer.map, element, start, count, cb, index);
  };
  const Operand& beneath = operand.beneath[0];
  const Kind kind = piece_of(operand.map, start, count).kind;
  if (k.values()) {
    if (kind != Kind::kRun) read_operand(k, beneath, static_cast<Slot>(beneath.buffer), beneath.map, start, count, cb, index);
  } else {
    beneath.beneath.empty() ? read_onto(beneath) : read_layers(k, beneath, start, count, cb, index);
  }
  if (kind == Kind::kRun && k.values()) {
    k.noc_async_read_mapped(static_cast<Slot>(operand.buffer), operand.map, element, start, count, cb, index, operand.pad.data());
  } else if (kind != Kind::kPadding) {
    read_onto(operand);
  }
}

}  // namespace

void read_operand(Dataflow& k, const Operand& operand, Slot slot, const AccessMap& map, int64_t start, int64_t count, Cb cb,
                  uint32_t index) {
  if (!operand.beneath.empty()) return read_layers(k, operand, start, count, cb, index);
  const auto element = static_cast<size_t>(size_of(operand.type));
  if (operand.buffer != kNoBuffer) {
    return k.noc_async_read_mapped(slot, map, element, start, count, cb, index, operand.pad.empty() ? nullptr : operand.pad.data());
  }
  k.spend(static_cast<uint64_t>(count));  // one store each
  if (!k.values()) return;
  std::byte* const page = k.new_page(cb, index);
  k.perform([=, &operand, &map](const auto& at, emulator::HostThread&) { write_iota(operand, map, start, count, at(page)); });
}

Operands::Operands(Dataflow& k, const std::vector<Operand>& operands) : operands_(operands) {
  for (size_t s = 0; s < operands.size(); ++s) {
    if (operands[s].indices.empty()) continue;
    moved_.resize(operands.size());
    moved_[s].map = operands[s].map;
    moved_[s].slot = resolve(k, static_cast<Slot>(operands[s].buffer), static_cast<size_t>(size_of(operands[s].type)), operands[s].indices,
                             moved_[s].map);
  }
}

void Operands::read(Dataflow& k, size_t s, int64_t start, int64_t count, Cb cb, uint32_t index) const {
  read_operand(k, operands_[s], slot(s), map(s), start, count, cb, index);
}

void Operands::read_runs(Dataflow& k, size_t s, int64_t start, int64_t count, Cb cb, uint32_t index, uint32_t run) const {
  const auto element = static_cast<size_t>(size_of(operands_[s].type));
  k.noc_async_read_runs(slot(s), map(s), element, start, count, cb, index, run);
}

int64_t period_of(const Operand& operand) {
  if (!operand.beneath.empty()) return operand.map.size();
  const AccessMap map = operand.map.coalesced();
  const auto repeats = [](const AccessMap::Dim& dim) { return dim.stride == 0 && !dim.padded(); };
  const auto first = std::find_if_not(map.dims.begin(), map.dims.end(), repeats);
  return std::accumulate(first, map.dims.end(), int64_t{1}, [](int64_t period, const AccessMap::Dim& dim) { return period * dim.size; });
}

bool is_uniform(const Operand& operand) { return period_of(operand) == 1; }

}  // namespace tt::dnn
