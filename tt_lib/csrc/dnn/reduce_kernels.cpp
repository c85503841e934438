// The reader brings pages of operands (or waits for those that other cores send), compute accumulates and folds them, the writer stores
// the results or sends them to the cores that join them.
#include "dnn/reduce_kernels.hpp"

#include <algorithm>
#include <cstring>

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

Kernel reduce_reader(Dataflow k, ReduceArgs a) {
  const ReducePlan& p = *a.plan;
  const Operands operands(k, p.spec.operands), extras(k, p.spec.extras);
  for (size_t s = 0; s < p.repeats.size() && a.units[0].count > 0; ++s) {
    if (!p.repeats[s]) continue;
    const Cb cb = p.stages[0].in[s];
    co_await k.cb_reserve_back(cb, 1);
    operands.read(k, s, 0, std::min(p.spec.operands[s].map.size(), kPage), cb, 0);
    co_await k.noc_async_read_barrier();
    k.cb_push_back(cb, 1);
  }
  for (size_t at = 0; at < p.stages.size(); ++at) {
    const ReduceStage& stage = p.stages[at];
    const ReduceLayout& layout = stage.layout;
    for (int64_t index = a.units[at].first; index < a.units[at].first + a.units[at].count; ++index) {
      const ReduceLayout::Unit unit = layout.unit(index);
      for (int64_t first = 0; first < layout.pages_per_unit(); first += stage.block) {
        for (size_t s = 0; s < stage.in.size(); ++s) {
          if (stage.received || !p.repeats[s]) co_await k.cb_reserve_back(stage.in[s], stage.block);
        }
        for (uint32_t i = 0; i < stage.pages_from(first); ++i) {
          const auto [start, count] = layout.page(unit, first + i);
          for (size_t s = 0; s < stage.in.size(); ++s) {
            if (stage.received) {
              if (k.values()) k.new_page(stage.in[s], i);
            } else if (!p.repeats[s]) {
              operands.read(k, s, start, count, stage.in[s], i);
            }
          }
        }
        if (stage.received) {
          co_await k.noc_semaphore_wait(p.arrived, a.senders);
        } else {
          co_await k.noc_async_read_barrier();
        }
        for (size_t s = 0; s < stage.in.size(); ++s) {
          if (stage.received || !p.repeats[s]) k.cb_push_back(stage.in[s], stage.block);
        }
      }
      if (stage.sends) continue;
      for (size_t e = 0; e < p.extra.size(); ++e) {
        co_await k.cb_reserve_back(p.extra[e], 1);
        extras.read(k, e, layout.first_result(unit), unit.results(), p.extra[e], 0);
        co_await k.noc_async_read_barrier();
        k.cb_push_back(p.extra[e], 1);
      }
    }
  }
}

namespace {

// The compute kernel's own pages and its steps on them. In TimingOnly only the cycles count.
class Accumulators {
 public:
  Accumulators(const ReducePlan& plan, Compute& k) : p_(plan), k_(k) {
    for (size_t v = 0; v < p_.k() && k_.values(); ++v) {
      value_[v] = k.new_page(p_.value, static_cast<uint32_t>(v));
      accumulator_[v] = k.new_page(p_.accumulator, static_cast<uint32_t>(v));
      spare_[v] = k.new_page(p_.spare, static_cast<uint32_t>(v));
    }
  }

  // The first page of a unit starts the accumulators, the others are combined into them.
  // `next` are the pages of the next call, null where they are not known.
  void take(const ReduceStage& stage, const std::byte* const* pages, const std::byte* const* next, bool first, int64_t count) {
    const bool as_they_are = p_.identity || stage.received;
    if (first) {
      lanes_ = count;
      if (!as_they_are) return k_.run_tiles(p_.prologue, pages, accumulator_.data(), static_cast<uint32_t>(count), next);
      for (size_t v = 0; v < p_.k() && k_.values(); ++v)
        std::memcpy(accumulator_[v], pages[v], static_cast<size_t>(count * p_.element_size(v)));
      return;
    }
    const size_t inputs = as_they_are ? p_.k() : p_.spec.operands.size();
    std::copy_n(accumulator_.begin(), p_.k(), inputs_.begin());
    std::copy_n(pages, inputs, inputs_.begin() + static_cast<ptrdiff_t>(p_.k()));
    std::copy_n(next, inputs, next_.begin() + static_cast<ptrdiff_t>(p_.k()));
    // Of several values the engine would set those aside which it overwrites.
    const bool exchange = p_.k() > 1 && count == lanes_;
    k_.run_tiles(as_they_are ? p_.combine : p_.step, inputs_.data(), exchange ? spare_.data() : accumulator_.data(),
                 static_cast<uint32_t>(count), next_.data());
    if (exchange) std::swap(accumulator_, spare_);
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
        for (int64_t b = 0; b < batch; ++b) {
          std::byte* to = accumulator_[v] + static_cast<size_t>(b * rest) * bytes;
          std::memcpy(to, value_[v] + static_cast<size_t>(b * half) * bytes, static_cast<size_t>(half) * bytes);
          if (rest > half) std::memcpy(to + static_cast<size_t>(half) * bytes, spare_[v] + static_cast<size_t>(b) * bytes, bytes);
        }
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
      for (int64_t b = 0; b < batch; ++b) {
        std::memcpy(to[v] + static_cast<size_t>(b * count) * bytes, from[v] + static_cast<size_t>(b * rows + first) * bytes,
                    static_cast<size_t>(count) * bytes);
      }
    }
  }

  const ReducePlan& p_;
  Compute& k_;
  int64_t lanes_ = 0;
  Pages value_{}, accumulator_{}, spare_{};
  std::array<const std::byte*, kMaxReducedValues + emulator::kMaxCircularBuffers> inputs_{}, next_{};
};

// The results of a unit from the accumulators and the extras at hand.
void finish(Compute& k, const ReducePlan& p, const ReduceStage& stage, const Accumulators& accumulators, int64_t count) {
  std::array<const std::byte*, kMaxReducedValues + emulator::kMaxCircularBuffers> inputs{};
  std::array<std::byte*, emulator::kMaxCircularBuffers> outputs{};
  for (size_t o = 0; o < stage.out.size() && k.values(); ++o) outputs[o] = k.new_page(stage.out[o], 0);
  for (size_t v = 0; v < p.k(); ++v) inputs[v] = accumulators.value(v);
  if (stage.sends || p.spec.epilogue.outputs.empty()) {
    for (size_t v = 0; v < p.k() && k.values(); ++v) std::memcpy(outputs[v], inputs[v], static_cast<size_t>(count * p.element_size(v)));
    return;
  }
  for (size_t e = 0; e < p.extra.size() && k.values(); ++e) inputs[p.k() + e] = k.page(p.extra[e], 0);
  k.run_tiles(p.epilogue, inputs.data(), outputs.data(), static_cast<uint32_t>(count));
}

}  // namespace

Kernel reduce_compute(Compute k, ReduceArgs a) {
  const ReducePlan& p = *a.plan;
  for (size_t s = 0; s < p.repeats.size() && a.units[0].count > 0; ++s) {
    if (p.repeats[s]) co_await k.cb_wait_front(p.stages[0].in[s], 1);
  }
  Accumulators accumulators(p, k);
  std::vector<const std::byte*> pages, next;
  for (size_t at = 0; at < p.stages.size(); ++at) {
    const ReduceStage& stage = p.stages[at];
    const ReduceLayout& layout = stage.layout;
    const auto stays = [&](size_t s) { return !stage.received && p.repeats[s]; };
    pages.resize(stage.in.size());
    next.resize(stage.in.size());
    for (int64_t index = a.units[at].first; index < a.units[at].first + a.units[at].count; ++index) {
      const ReduceLayout::Unit unit = layout.unit(index);
      for (int64_t first = 0; first < layout.pages_per_unit(); first += stage.block) {
        for (size_t s = 0; s < stage.in.size(); ++s) {
          if (!stays(s)) co_await k.cb_wait_front(stage.in[s], stage.block);
        }
        const uint32_t count = stage.pages_from(first);
        co_await k.tile_regs_acquire();
        for (uint32_t i = 0; i < count; ++i) {
          for (size_t s = 0; s < stage.in.size(); ++s) {
            const Cb cb = stage.in[s];
            pages[s] = k.page(cb, stays(s) ? 0 : i);
            next[s] = !stays(s) && k.cb_pages_available_at_front(cb, i + 2) ? k.page(cb, i + 1) : nullptr;
          }
          accumulators.take(stage, pages.data(), next.data(), first + i == 0, layout.page(unit, first + i).second);
        }
        k.tile_regs_release();
        for (size_t s = 0; s < stage.in.size(); ++s) {
          if (!stays(s)) k.cb_pop_front(stage.in[s], stage.block);
        }
      }
      accumulators.fold(layout, unit);
      for (const Cb cb : p.extra) {
        if (!stage.sends) co_await k.cb_wait_front(cb, 1);
      }
      for (const Cb cb : stage.out) co_await k.cb_reserve_back(cb, 1);
      finish(k, p, stage, accumulators, unit.results());
      for (const Cb cb : stage.out) k.cb_push_back(cb, 1);
      for (const Cb cb : p.extra) {
        if (!stage.sends) k.cb_pop_front(cb, 1);
      }
    }
  }
}

namespace {

// Sends a page of parts to where the cores that join them expect each.
void send(Dataflow& k, const ReducePlan& p, size_t v, int64_t first, int64_t count) {
  const ReduceStage& to = p.stages[1];
  const int64_t size = p.element_size(v);
  for (int64_t done = 0; done < count;) {
    const ReduceLayout::Place place = to.layout.place(first + done);
    const int64_t run = std::min(place.run, count - done);
    k.noc_async_write(p.stages[0].out[v], 0, done * size,
                      {p.joining[static_cast<size_t>(place.unit)], to.in[v], static_cast<uint32_t>(place.page), place.offset * size},
                      run * size);
    done += run;
  }
}

}  // namespace

Kernel reduce_writer(Dataflow k, ReduceArgs a) {
  const ReducePlan& p = *a.plan;
  for (size_t at = 0; at < p.stages.size(); ++at) {
    const ReduceStage& stage = p.stages[at];
    for (int64_t index = a.units[at].first; index < a.units[at].first + a.units[at].count; ++index) {
      const ReduceLayout::Unit unit = stage.layout.unit(index);
      const int64_t first = stage.layout.first_result(unit);
      for (size_t o = 0; o < stage.out.size(); ++o) {
        co_await k.cb_wait_front(stage.out[o], 1);
        if (stage.sends) {
          send(k, p, o, first, unit.results());
        } else {
          const Result& result = p.spec.results[o];
          k.noc_async_write_mapped(stage.out[o], 0, static_cast<Slot>(p.spec.input_bytes.size() + result.buffer), result.map,
                                   static_cast<size_t>(size_of(result.type)), first, unit.results());
        }
        co_await k.noc_async_write_barrier();
        k.cb_pop_front(stage.out[o], 1);
      }
    }
    for (const emulator::CoreCoord target : a.targets) {
      if (stage.sends) k.noc_semaphore_inc(target, p.arrived, 1);
    }
  }
}

}  // namespace tt::dnn
