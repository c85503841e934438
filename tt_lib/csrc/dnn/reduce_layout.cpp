// Units and pages of reductions.
#include "dnn/reduce_layout.hpp"

#include <algorithm>

namespace tt::dnn {
namespace {

constexpr int64_t kPage = static_cast<int64_t>(kTileElements);

}  // namespace

ReduceLayout::ReduceLayout(int64_t outer, int64_t reduced, int64_t inner) : outer(outer), reduced(reduced), inner(inner) {
  const int64_t row = reduced * inner;
  if (row <= kPage / 2 && outer > 1) {
    batch = kPage / row;
    chunk = batch * inner;
    units = div_up(outer, batch);
  } else {
    chunk = std::min(inner, kPage);
    rows = inner <= kPage / 2 ? std::min(kPage / std::max<int64_t>(inner, 1), reduced) : 1;
    units = outer * div_up(inner, chunk);
  }
}

ReduceLayout::Unit ReduceLayout::unit(int64_t index) const {
  if (batch > 1) {
    const int64_t first = index * batch;
    return {first, std::min(batch, outer - first), 0, inner};
  }
  const int64_t chunks = chunks_per_row(), first = index % chunks * chunk;
  return {index / chunks, 1, first, std::min(chunk, inner - first)};
}

std::pair<int64_t, int64_t> ReduceLayout::page(const Unit& u, int64_t i) const {
  const int64_t row = reduced * inner;
  if (batch > 1) return {u.first_outer * row, u.outers * row};
  const int64_t r = i * rows, count = std::min(rows, reduced - r);
  return {u.first_outer * row + r * inner + u.first_inner, rows > 1 ? count * inner : u.inners};
}

ReduceLayout::Place ReduceLayout::place(int64_t element) const {
  const int64_t row = reduced * inner, per_unit = batch * row;
  if (batch > 1) return {element / per_unit, 0, element % per_unit, per_unit - element % per_unit};
  const int64_t r = element % row / inner, column = element % inner, chunk_index = column / chunk;
  const int64_t unit = element / row * chunks_per_row() + chunk_index;
  const int64_t offset = rows > 1 ? r % rows * inner + column : column % chunk;
  const int64_t end = rows > 1 ? std::min(rows, reduced - r / rows * rows) * inner : std::min(chunk, inner - chunk_index * chunk);
  return {unit, r / rows, offset, end - offset};
}

bool ReduceLayout::starts_pages_at_multiples_of(int64_t period) const {
  if (reduced * inner % period != 0) return false;
  return batch > 1 || ((pages_per_unit() == 1 || rows * inner % period == 0) && (chunks_per_row() == 1 || chunk % period == 0));
}

}  // namespace tt::dnn
