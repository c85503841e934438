// Walks access maps row by row: the innermost dimension is one strided loop, the outer ones an odometer.
#include "emulator/access_map.hpp"

#include <algorithm>
#include <array>
#include <cstring>

#include "base/error.hpp"
#include "emulator/fpu.hpp"

namespace tt::emulator {
namespace {

struct Bytes16 {
  uint64_t low, high;
};

template <class T>
void copy_row(T* destination, const T* source, int64_t stride, int64_t n) {
  if (stride == 1) {
    std::memcpy(destination, source, static_cast<size_t>(n) * sizeof(T));
  } else if (stride == 0) {
    repeat_elements(sizeof(T), reinterpret_cast<const std::byte*>(source), 1, static_cast<size_t>(n),
                    reinterpret_cast<std::byte*>(destination));
  } else {
    for (int64_t i = 0; i < n; ++i) destination[i] = source[i * stride];
  }
}

template <class T>
void place_row(T* destination, int64_t stride, const T* source, int64_t n) {
  if (stride == 1) {
    std::memcpy(destination, source, static_cast<size_t>(n) * sizeof(T));
  } else {
    for (int64_t i = 0; i < n; ++i) destination[i * stride] = source[i];
  }
}

// A row that comes soon. Rows may compete for few sets of the first cache: the second is asked.
template <int kWrite, class T>
void prefetch(const T* from, int64_t n) {
  const auto* bytes = reinterpret_cast<const std::byte*>(from);
  for (int64_t i = 0; i < n * static_cast<int64_t>(sizeof(T)); i += 64) __builtin_prefetch(bytes + i, kWrite, 2);
}

// A position in the iteration space: the index along every dimension but the innermost, and whether all of these are unpadded.
class Odometer {
 public:
  Odometer(const AccessMap& map, int64_t row) : map_(map), rank_(map.dims.size() - 1) {
    if (rank_ > few_.size()) many_.resize(rank_);
    index_ = rank_ > few_.size() ? many_.data() : few_.data();
    for (size_t d = rank_; d-- > 0;) {
      index_[d] = row % map.dims[d].size;
      row /= map.dims[d].size;
    }
    locate();
  }

  // To the next row, or by as many as are left along the dimension that moves fastest.
  void advance(int64_t rows = 1) {
    bool exact = true;  // no padded dimension has moved
    for (size_t d = rank_; d-- > 0; rows = 1) {
      const AccessMap::Dim& dim = map_.dims[d];
      exact = exact && simple(dim);
      if ((index_[d] += rows) < dim.size) {
        offset_ += dim.stride * rows;
        break;
      }
      offset_ -= dim.stride * (dim.size - rows);
      index_[d] = 0;
    }
    if (!exact) locate();
  }

  Odometer(const Odometer&) = delete;
  Odometer& operator=(const Odometer&) = delete;

  int64_t offset() const { return offset_; }
  bool inside() const { return inside_; }

 private:
  static bool simple(const AccessMap::Dim& dim) { return !dim.padded(); }

  void locate() {
    offset_ = map_.offset;
    inside_ = true;
    for (size_t d = 0; d < rank_; ++d) {
      const AccessMap::Dim& dim = map_.dims[d];
      const int64_t i = index_[d] - dim.low;
      if (index_[d] < dim.low || index_[d] >= dim.limit() || i % dim.step != 0) {
        inside_ = false;
        continue;
      }
      offset_ += i / dim.step * dim.stride;
    }
  }

  const AccessMap& map_;
  size_t rank_;
  int64_t* index_;
  std::array<int64_t, 8> few_;
  std::vector<int64_t> many_;
  int64_t offset_ = 0;
  bool inside_ = true;
};

// Without `pad` what is not backed stays.
template <class T>
void gather_padded_row(const AccessMap::Dim& inner, const T* source, bool inside, int64_t column, int64_t n, T* destination, const T* pad) {
  const int64_t low = std::clamp<int64_t>(inner.low - column, 0, n);
  const int64_t high = inside ? std::clamp<int64_t>(inner.limit() - column, low, n) : low;
  if (pad != nullptr) std::fill_n(destination, inside ? low : n, *pad);
  if (!inside) return;
  if (inner.step == 1) {
    copy_row(destination + low, source + (column + low - inner.low) * inner.stride, inner.stride, high - low);
  } else {
    for (int64_t i = low; i < high; ++i) {
      const int64_t from = column + i - inner.low;
      if (from % inner.step == 0) {
        destination[i] = source[from / inner.step * inner.stride];
      } else if (pad != nullptr) {
        destination[i] = *pad;
      }
    }
  }
  if (pad != nullptr) std::fill_n(destination + high, n - high, *pad);
}

template <class T>
void gather_padded(const AccessMap& map, const T* source, int64_t start, int64_t count, T* destination, const T* pad) {
  const AccessMap::Dim& inner = map.dims.back();
  Odometer row(map, start / inner.size);
  for (int64_t column = start % inner.size; count > 0; column = 0) {
    const int64_t n = std::min(inner.size - column, count);
    gather_padded_row(inner, source + row.offset(), row.inside(), column, n, destination, pad);
    destination += n;
    count -= n;
    if (count > 0) row.advance();
  }
}

// Without padding: calls action(source offset, elements, how far ahead a row lies that comes soon) for each row. Rows that follow each
// other along the second innermost dimension are a loop of their own.
template <class Action>
void each_row(const AccessMap& map, int64_t start, int64_t count, const Action& action) {
  constexpr int64_t kRowsAhead = 16, kFewRows = 32;
  static constexpr AccessMap::Dim kNone{1, 0};
  const AccessMap::Dim &inner = map.dims.back(), &outer = map.dims.size() > 1 ? map.dims[map.dims.size() - 2] : kNone;
  const bool few = map.dims.size() > 2 && outer.size <= kFewRows;  // the row is of those that follow
  const int64_t ahead = few ? map.dims[map.dims.size() - 3].stride : kRowsAhead * outer.stride;
  Odometer row(map, start / inner.size);
  int64_t column = start % inner.size;
  int64_t rows = outer.size - start / inner.size % outer.size;  // up to the end of `outer`
  while (true) {
    int64_t at = row.offset() + column * inner.stride;
    const int64_t taken = std::min(rows, div_up(column + count, inner.size));
    for (int64_t r = 0; r < taken; ++r) {
      const int64_t n = std::min(inner.size - column, count);
      action(at, n, ahead);
      at += outer.stride - column * inner.stride;
      count -= n;
      column = 0;
    }
    if (count == 0) return;
    row.advance(taken);
    rows = outer.size;
  }
}

// Rows that repeat one element each, and follow each other in the source.
template <class T>
void gather_repeated(const AccessMap& map, const T* source, int64_t start, int64_t count, T* destination) {
  const int64_t times = map.dims.back().size, rows = map.dims[map.dims.size() - 2].size;
  Odometer row(map, start / times);
  for (int64_t left = count / times, taken = std::min(left, rows - start / times % rows); left > 0; taken = std::min(left, rows)) {
    repeat_elements(sizeof(T), reinterpret_cast<const std::byte*>(source + row.offset()), static_cast<size_t>(taken),
                    static_cast<size_t>(times), reinterpret_cast<std::byte*>(destination));
    destination += taken * times;
    left -= taken;
    if (left > 0) row.advance(taken);
  }
}

template <class T>
void gather_rows(const AccessMap& map, const T* source, int64_t start, int64_t count, T* destination) {
  const int64_t stride = map.dims.back().stride, size = map.dims.back().size;
  if (stride == 0 && map.dims[map.dims.size() - 2].stride == 1 && start % size == 0 && count % size == 0) {
    return gather_repeated(map, source, start, count, destination);
  }
  each_row(map, start, count, [&](int64_t at, int64_t n, int64_t ahead) {
    if (stride == 1) prefetch<0>(source + at + ahead, n);
    copy_row(destination, source + at, stride, n);
    destination += n;
  });
}

// The turned blocks that [start, start + count) is made of; none if it is not made of whole ones.
std::optional<AccessMap::Turned> whole_turned(const AccessMap& map, int64_t start, int64_t count) {
  std::optional<AccessMap::Turned> turned = map.turned();
  if (turned && (start % (turned->rows * turned->columns) != 0 || count % (turned->rows * turned->columns) != 0)) turned.reset();
  return turned;
}

// Calls action(source offset, elements before it) for each of the turned blocks.
template <class Action>
void each_turned(const AccessMap& map, const AccessMap::Turned& turned, int64_t start, int64_t count, const Action& action) {
  const int64_t block = turned.rows * turned.columns;
  Odometer row(map, start / turned.columns);
  for (int64_t i = 0; i < count; i += block) {
    action(row.offset(), i);
    if (i + block < count) row.advance(turned.rows);
  }
}

template <class T>
void gather_typed(const AccessMap& map, const T* source, int64_t start, int64_t count, T* destination, const std::byte* pad_bytes) {
  if (map.dims.empty()) {
    std::fill_n(destination, count, source[map.offset]);
    return;
  }
  T pad{};
  if (pad_bytes != nullptr) std::memcpy(&pad, pad_bytes, sizeof(T));
  const AccessMap::Dim& inner = map.dims.back();
  const bool inner_padded = inner.padded();
  const bool padded = map.is_padded();
  if (map.dims.size() == 1 && !inner_padded) return copy_row(destination, source + map.offset + start * inner.stride, inner.stride, count);
  if (const auto turned = padded ? std::nullopt : whole_turned(map, start, count)) {
    return each_turned(map, *turned, start, count, [&](int64_t offset, int64_t before) {
      transpose(sizeof(T), reinterpret_cast<const std::byte*>(source + offset), inner.stride,
                reinterpret_cast<std::byte*>(destination + before), turned->columns, static_cast<size_t>(turned->rows),
                static_cast<size_t>(turned->columns), turned->columns * inner.stride);
    });
  }
  if (!padded) return gather_rows(map, source, start, count, destination);
  gather_padded(map, source, start, count, destination, &pad);
}

template <class T>
void scatter_typed(const AccessMap& map, const T* source, int64_t start, int64_t count, T* destination) {
  if (map.dims.empty()) {
    destination[map.offset] = source[0];
    return;
  }
  const AccessMap::Dim& inner = map.dims.back();
  if (const auto turned = whole_turned(map, start, count)) {
    return each_turned(map, *turned, start, count, [&](int64_t offset, int64_t before) {
      transpose(sizeof(T), reinterpret_cast<const std::byte*>(source + before), turned->columns,
                reinterpret_cast<std::byte*>(destination + offset), inner.stride, static_cast<size_t>(turned->columns),
                static_cast<size_t>(turned->rows), turned->rows * turned->columns);
    });
  }
  each_row(map, start, count, [&](int64_t at, int64_t n, int64_t ahead) {
    if (inner.stride == 1) prefetch<1>(destination + at + ahead, n);
    place_row(destination + at, inner.stride, source, n);
    source += n;
  });
}

template <class Action>
void by_element_size(size_t element, const Action& action) {
  switch (element) {
    case 1: return action(uint8_t{});
    case 2: return action(uint16_t{});
    case 4: return action(uint32_t{});
    case 8: return action(uint64_t{});
    case 16: return action(Bytes16{});
    default: fail(ErrorCategory::kInternal, "[access_map] no element of ", element, " bytes");
  }
}

}  // namespace

AccessMap AccessMap::contiguous(std::span<const int64_t> dims) {
  AccessMap map;
  const Dims strides = row_major_strides(dims);
  for (size_t i = 0; i < dims.size(); ++i) map.dims.push_back({dims[i], strides[i]});
  return map;
}

int64_t AccessMap::size() const {
  int64_t n = 1;
  for (const Dim& d : dims) n *= d.size;
  return n;
}

bool AccessMap::is_padded() const {
  return std::any_of(dims.begin(), dims.end(), [](const Dim& d) { return d.padded(); });
}

bool AccessMap::is_contiguous() const {
  int64_t expected = 1;
  for (size_t i = dims.size(); i-- > 0;) {
    if (dims[i].padded()) return false;
    if (dims[i].size == 1) continue;
    if (dims[i].stride != expected) return false;
    expected *= dims[i].size;
  }
  return true;
}

int64_t AccessMap::run_length() const {
  int64_t run = 1;
  for (size_t i = dims.size(); i-- > 0;) {
    if (dims[i].size == 1 && !dims[i].padded()) continue;
    if (dims[i].padded() || dims[i].stride != run) return run;
    run *= dims[i].size;
  }
  return run;
}

std::optional<AccessMap::Turned> AccessMap::turned() const {
  if (dims.size() < 2 || is_padded()) return std::nullopt;
  const Dim &inner = dims.back(), &outer = dims[dims.size() - 2];
  if (outer.stride != 1 || outer.size == 1 || inner.stride == 0 || inner.stride == 1) return std::nullopt;
  return Turned{outer.size, inner.size};
}

AccessMap AccessMap::coalesced() const {
  AccessMap result;
  result.offset = offset;
  for (const Dim& dim : dims) {
    if (dim.size == 1 && !dim.padded()) continue;
    if (!result.dims.empty()) {
      Dim& last = result.dims.back();
      if (!last.padded() && !dim.padded() && last.stride == dim.stride * dim.size) {
        last = {last.size * dim.size, dim.stride};
        continue;
      }
    }
    result.dims.push_back(dim);
  }
  return result;
}

std::string to_string(const AccessMap& map) {
  std::string text = "+" + std::to_string(map.offset) + " [";
  for (size_t i = 0; i < map.dims.size(); ++i) {
    const AccessMap::Dim& d = map.dims[i];
    text += cat(i ? ", " : "", d.size, "*", d.stride);
    if (d.padded()) text += cat(" in ", d.low, "..", d.limit(), d.step != 1 ? cat(" by ", d.step) : "");
  }
  return text + "]";
}

Extent extent_of(const AccessMap& map) {
  Extent extent{map.offset, map.offset + 1};
  for (const AccessMap::Dim& dim : map.dims) {
    const int64_t backed = std::min(dim.limit(), dim.size) - std::max<int64_t>(dim.low, 0);
    if (backed <= 0) return {0, 0};
    const int64_t reach = (dim.step == 1 ? backed - 1 : (backed - 1) / dim.step) * dim.stride;
    (reach < 0 ? extent.first : extent.end) += reach;
  }
  return extent;
}

Piece piece_of(const AccessMap& map, int64_t start, int64_t count) {
  using Kind = Piece::Kind;
  const auto& dims = map.dims;
  size_t d = dims.size();
  int64_t run = 1;
  for (; d > 0 && !dims[d - 1].padded() && (dims[d - 1].stride == run || dims[d - 1].size == 1); --d) run *= dims[d - 1].size;
  if (d == 0) return {Kind::kRun, map.offset + start};
  int64_t first = start / run, last = (start + count - 1) / run;
  if (first / dims[d - 1].size != last / dims[d - 1].size) return {Kind::kMixed};
  int64_t at = map.offset + start % run;
  for (const size_t inner = d; d > 0; --d) {
    const AccessMap::Dim& dim = dims[d - 1];
    const int64_t from = first % dim.size, to = last % dim.size;
    if (to < dim.low || from >= dim.limit()) return {Kind::kPadding};
    const bool moves = d == inner && from != to;
    if (moves && (from < dim.low || to >= dim.limit() || dim.step != 1 || dim.stride != run)) return {Kind::kMixed};
    if ((from - dim.low) % dim.step != 0) return {Kind::kPadding};
    at += (from - dim.low) / dim.step * dim.stride;
    first /= dim.size;
    last /= dim.size;
  }
  return {Kind::kRun, at};
}

void gather_mapped(const AccessMap& map, size_t element, const std::byte* source, int64_t start, int64_t count, std::byte* destination,
                   const std::byte* pad) {
  by_element_size(element, [&](auto zero) {
    using T = decltype(zero);
    gather_typed(map, reinterpret_cast<const T*>(source), start, count, reinterpret_cast<T*>(destination), pad);
  });
}

void gather_onto(const AccessMap& map, size_t element, const std::byte* source, int64_t start, int64_t count, std::byte* destination) {
  if (!map.is_padded()) return gather_mapped(map, element, source, start, count, destination, nullptr);
  by_element_size(element, [&](auto zero) {
    using T = decltype(zero);
    gather_padded<T>(map, reinterpret_cast<const T*>(source), start, count, reinterpret_cast<T*>(destination), nullptr);
  });
}

void find_runs(const AccessMap& map, size_t element, const std::byte* source, int64_t start, int64_t count, int64_t run,
               const std::byte** runs) {
  const auto size = static_cast<int64_t>(element);
  const AccessMap::Dim &inner = map.dims.back(), &outer = map.dims[map.dims.size() - 2];
  const int64_t first_row = start / inner.size;
  Odometer row(map, first_row);
  int64_t column = start % inner.size, rows = outer.size - first_row % outer.size;  // up to the end of `outer`
  for (int64_t left = count / run; left > 0; rows = outer.size) {
    const std::byte* from = source + row.offset() * size;
    for (int64_t r = 0; r < rows && left > 0; ++r, from += outer.stride * size) {
      for (; column < inner.size && left > 0; column += run, --left) *runs++ = from + column * size;
      column = 0;
    }
    if (left > 0) row.advance(rows);
  }
}

void scatter_mapped(const AccessMap& map, size_t element, const std::byte* source, int64_t start, int64_t count, std::byte* destination) {
  by_element_size(element, [&](auto zero) {
    using T = decltype(zero);
    scatter_typed(map, reinterpret_cast<const T*>(source), start, count, reinterpret_cast<T*>(destination));
  });
}

int64_t source_element(const AccessMap& map, int64_t i) {
  int64_t at = map.offset;
  for (size_t d = map.dims.size(); d-- > 0;) {
    const AccessMap::Dim& dim = map.dims[d];
    const int64_t last = std::max(dim.low, std::min(dim.limit(), dim.size) - 1);
    at += (std::clamp(i % dim.size, dim.low, last) - dim.low) / dim.step * dim.stride;
    i /= dim.size;
  }
  return at;
}

Content content_of(const AccessMap& map, int64_t start, int64_t count) {
  if (count <= 0) return {0, 0, 0};
  if (const auto turned = whole_turned(map, start, count)) return {count, count / turned->rows, 0};
  if (!map.is_padded()) {
    const int64_t run = map.run_length();
    return {count, (start + count - 1) / run - start / run + 1, 0};
  }
  const AccessMap::Dim& inner = map.dims.back();
  Content content{0, 0, 0};
  Odometer row(map, start / inner.size);
  for (int64_t column = start % inner.size; count > 0; column = 0) {
    const int64_t n = std::min(inner.size - column, count);
    const int64_t low = std::clamp<int64_t>(inner.low - column, 0, n), high = std::clamp<int64_t>(inner.limit() - column, low, n);
    const auto before = [&](int64_t end) { return div_up(column + end - inner.low, inner.step); };  // backed ones of the row
    const int64_t backed = row.inside() ? before(high) - before(low) : 0;
    const bool one_by_one = inner.step != 1 || (inner.stride != 1 && inner.stride != 0);
    content.elements += backed;
    content.runs += one_by_one ? backed : std::min<int64_t>(backed, 1);
    content.gaps += inner.step != 1 || backed == 0 ? std::min(n - backed, backed + 1) : int64_t{low > 0} + int64_t{high < n};
    count -= n;
    if (count > 0) row.advance();
  }
  return content;
}

}  // namespace tt::emulator
