// How the iteration space of a reduction lies in pages, and what a unit of work is.
#pragma once

#include <cstdint>
#include <utility>

#include "dnn/operand.hpp"

namespace tt::dnn {

// How an iteration space [outer, reduced, inner] lies in pages. A unit of work is a page of results: long rows are accumulated page by
// page over as many lanes as fit, of short rows a page holds several.
struct ReduceLayout {
  int64_t outer, reduced, inner;
  int64_t chunk = 0;  // results per unit (inner elements, or batch * inner)
  int64_t batch = 1;  // outer rows per unit
  int64_t rows = 1;   // rows of `reduced` per page
  int64_t units = 0;

  // The pages of a unit in the iteration space, and its results.
  struct Unit {
    int64_t first_outer, outers;  // rows of `outer`
    int64_t first_inner, inners;
    int64_t results() const { return outers * inners; }
  };
  // Where an element is: on which page of which unit, how far from its start, and how many elements follow it there.
  struct Place {
    int64_t unit, page, offset, run;
  };

  ReduceLayout(int64_t outer, int64_t reduced, int64_t inner);
  int64_t chunks_per_row() const { return batch > 1 ? 1 : div_up(inner, chunk); }
  int64_t pages_per_unit() const { return batch > 1 ? 1 : div_up(reduced, rows); }
  Unit unit(int64_t index) const;
  std::pair<int64_t, int64_t> page(const Unit& unit, int64_t i) const;  // start and length
  int64_t first_result(const Unit& unit) const { return unit.first_outer * inner + unit.first_inner; }
  Place place(int64_t element) const;
  bool starts_pages_at_multiples_of(int64_t period) const;
};

}  // namespace tt::dnn
