// What the compute kernel of a reduction does with its accumulators.
#pragma once

#include <algorithm>
#include <array>
#include <cstring>
#include <span>

#include "dnn/reduce_plan.hpp"

namespace tt::dnn {

// The compute kernel's own pages and its steps on them. In TimingOnly only the cycles count.
class Accumulators {
 public:
  Accumulators(const ReducePlan& plan, const ReduceRoundPlan& round, Compute& k) : p_(round), k_(k) {
    for (size_t v = 0; v < p_.k() && k_.values(); ++v) {
      value_[v] = k.new_page(plan.value, static_cast<uint32_t>(v));
      accumulator_[v] = k.new_page(plan.accumulator, static_cast<uint32_t>(v));
      spare_[v] = k.new_page(plan.spare, static_cast<uint32_t>(v));
    }
  }

  // The pages of a hand-over, [page][input]: the first one of a unit starts the accumulators, the others are combined into them.
  // `next`: those of the next hand-over, null where they are not known. `elements`: of each page.
  void take(const ReduceStage& stage, const std::byte* const* pages, const std::byte* const* next, bool first,
            std::span<const int64_t> elements) {
    const bool as_they_are = p_.identity || stage.received;
    const size_t inputs = as_they_are ? p_.k() : p_.in.size();
    const std::vector<TileChain>& steps = stage.received ? p_.combines : p_.steps;
    size_t i = 0;
    if (first) {
      start(as_they_are, pages, next, elements[0]);
      ++i;
    }
    while (i < elements.size()) {
      const int64_t count = elements[i];
      size_t n = 1;
      while (n < steps.size() && i + n < elements.size() && elements[i + n] == count) ++n;
      std::copy_n(accumulator_.begin(), p_.k(), inputs_.begin());
      std::copy_n(pages + i * inputs, n * inputs, inputs_.begin() + static_cast<ptrdiff_t>(p_.k()));
      std::copy_n(next + i * inputs, n * inputs, next_.begin() + static_cast<ptrdiff_t>(p_.k()));
      // Of several values the engine would set those aside which it overwrites.
      const bool exchange = p_.k() > 1 && count == lanes_;
      k_.run_tiles(steps[n - 1], inputs_.data(), exchange ? spare_.data() : accumulator_.data(), static_cast<uint32_t>(count),
                   next_.data());
      if (exchange) std::swap(accumulator_, spare_);
      i += n;
    }
  }

  void fold(const ReduceLayout& layout, const ReduceLayout::Unit& unit) {
    if (layout.batch > 1) {
      fold_batch(unit.outers, layout.reduced, layout.inner);
    } else if (layout.rows > 1) {
      fold_lanes(std::min(layout.rows, layout.reduced), layout.inner);
    }
  }

  const std::byte* value(size_t v) const { return accumulator_[v]; }

 private:
  using Pages = std::array<std::byte*, kMaxReducedValues>;

  void start(bool as_they_are, const std::byte* const* pages, const std::byte* const* next, int64_t count) {
    lanes_ = count;
    if (!as_they_are) return k_.run_tiles(p_.prologue, pages, accumulator_.data(), static_cast<uint32_t>(count), next);
    for (size_t v = 0; v < p_.k() && k_.values(); ++v) k_.copy(pages[v], accumulator_[v], static_cast<size_t>(count * p_.element_size(v)));
  }

  // Lanes [rows][width] of the accumulators -> [1][width].
  void fold_lanes(int64_t rows, int64_t width) {
    if (!p_.row_folds.empty() && width == 1) return fold_each(1, rows);
    while (rows > 1) {
      const int64_t half = rows / 2;
      std::array<const std::byte*, kMaxReducedValues> high{};
      for (size_t v = 0; v < p_.k() && k_.values(); ++v) high[v] = accumulator_[v] + (rows - half) * width * p_.element_size(v);
      combine(accumulator_.data(), high.data(), accumulator_.data(), half * width);
      rows -= half;
    }
  }

  // Lanes [batch][rows][width] -> [batch][width]: halves are packed side by side, so that one step folds all rows.
  void fold_batch(int64_t batch, int64_t rows, int64_t width) {
    if (!p_.row_folds.empty() && width == 1) return fold_each(batch, rows);
    while (rows > 1) {
      const int64_t half = rows / 2, rest = rows - half;
      pack(accumulator_, spare_, batch, rows, rest, half, width);  // the last `half` rows
      pack(accumulator_, value_, batch, rows, 0, half, width);     // the first
      combine(value_.data(), spare_.data(), value_.data(), batch * half * width);
      if (rest > half) pack(accumulator_, spare_, batch, rows, half, 1, width);  // the one in the middle
      for (size_t v = 0; v < p_.k() && k_.values(); ++v) {
        const auto bytes = static_cast<size_t>(width * p_.element_size(v));
        k_.perform([=, to = accumulator_[v], folded = value_[v], middle = spare_[v]](const auto& at, auto&) {
          for (size_t b = 0; b < static_cast<size_t>(batch); ++b) {
            std::byte* const row = at(to) + b * static_cast<size_t>(rest) * bytes;
            std::memcpy(row, at(folded) + b * static_cast<size_t>(half) * bytes, static_cast<size_t>(half) * bytes);
            if (rest > half) std::memcpy(row + static_cast<size_t>(half) * bytes, at(middle) + b * bytes, bytes);
          }
        });
      }
      rows = rest;
    }
  }

  void fold_each(int64_t count, int64_t length) {
    for (size_t v = 0; v < p_.k(); ++v) {
      k_.reduce_rows(p_.row_folds[v], accumulator_[v], static_cast<uint32_t>(count), static_cast<uint32_t>(length), spare_[v]);
    }
    std::swap(accumulator_, spare_);
  }

  void combine(const std::byte* const* accumulators, const std::byte* const* values, std::byte* const* outputs, int64_t count) {
    std::copy_n(accumulators, p_.k(), inputs_.begin());
    std::copy_n(values, p_.k(), inputs_.begin() + static_cast<ptrdiff_t>(p_.k()));
    next_.fill(nullptr);
    k_.run_tiles(p_.combine, inputs_.data(), outputs, static_cast<uint32_t>(count), next_.data());
  }

  void pack(const Pages& from, Pages& to, int64_t batch, int64_t rows, int64_t first, int64_t count, int64_t width) {
    k_.charge(static_cast<uint64_t>(batch * count * width / 16));
    for (size_t v = 0; v < p_.k() && k_.values(); ++v) {
      const auto bytes = static_cast<size_t>(width * p_.element_size(v));
      k_.perform([=, out = to[v], in = from[v]](const auto& at, auto&) {
        for (int64_t b = 0; b < batch; ++b) {
          std::memcpy(at(out) + static_cast<size_t>(b * count) * bytes, at(in) + static_cast<size_t>(b * rows + first) * bytes,
                      static_cast<size_t>(count) * bytes);
        }
      });
    }
  }

  const ReduceRoundPlan& p_;
  Compute& k_;
  int64_t lanes_ = 0;
  Pages value_{}, accumulator_{}, spare_{};
  std::array<const std::byte*, kMaxReducedValues + emulator::kMaxCircularBuffers> inputs_{}, next_{};
};

}  // namespace tt::dnn
