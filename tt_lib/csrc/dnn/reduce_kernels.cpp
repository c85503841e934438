// The reader brings pages of operands (or waits for those that other cores send), compute accumulates and folds them, the writer stores
// the results or sends them to the cores that join them. What later rounds read of the results goes to all cores, whose writers hand it to
// their compute kernels.
#include "dnn/reduce_kernels.hpp"

#include <algorithm>
#include <cstring>

#include "dnn/reduce_accumulators.hpp"

namespace tt::dnn {
namespace {

constexpr int64_t kPage = static_cast<int64_t>(kTileElements);

using Feed = ReduceInput::Feed;

// An elementwise round has no second stage.
size_t stages_of(const ReducePlan& p, const ReduceRoundPlan& round) { return round.reduces ? p.stages.size() : 1; }

}  // namespace

Kernel reduce_reader(Dataflow k, ReduceArgs a) {
  const ReducePlan& p = *a.plan;
  uint32_t reductions = 0;
  for (size_t r = 0; r < p.rounds.size(); ++r) {
    const ReduceRoundPlan& round = p.rounds[r];
    const Operands operands(k, round.memory), extras(k, round.extras);
    const auto streams = [&](size_t s) { return round.in[s].is_read && round.in[s].feed != Feed::kOnce; };
    for (size_t s = 0; s < round.in.size() && a.units[0].count > 0; ++s) {
      if (!round.in[s].is_read || streams(s)) continue;
      co_await k.cb_reserve_back(round.in[s].cb, 1);
      operands.read(k, s, 0, std::min(round.memory[s].map.size(), kPage), round.in[s].cb, 0);
      co_await k.noc_async_read_barrier();
      k.cb_push_back(round.in[s].cb, 1);
    }
    reductions += round.reduces;
    for (size_t at = 0; at < stages_of(p, round); ++at) {
      const ReduceStage& stage = p.stages[at];
      const ReduceLayout& layout = stage.layout;
      for (int64_t index = a.units[at].first; index < a.units[at].first + a.units[at].count; ++index) {
        const ReduceLayout::Unit unit = layout.unit(index);
        for (int64_t first = 0; first < layout.pages_per_unit() && !stage.received; first += stage.block) {
          for (size_t s = 0; s < round.in.size(); ++s) {
            if (streams(s)) co_await k.cb_reserve_back(round.in[s].cb, stage.block);
          }
          for (uint32_t i = 0; i < stage.pages_from(first); ++i) {
            const auto [start, count] = layout.page(unit, first + i);
            for (size_t s = 0; s < round.in.size(); ++s) {
              if (streams(s)) operands.read(k, s, start, count, round.in[s].cb, i);
            }
          }
          co_await k.noc_async_read_barrier();
          for (size_t s = 0; s < round.in.size(); ++s) {
            if (streams(s)) k.cb_push_back(round.in[s].cb, stage.block);
          }
        }
        if (stage.received) {
          for (size_t v = 0; v < round.k(); ++v) {
            co_await k.cb_reserve_back(p.parts[v], stage.block);
            for (uint32_t i = 0; i < stage.block && k.values(); ++i) k.new_page(p.parts[v], i);
          }
          co_await k.noc_semaphore_wait(p.arrived, a.senders * reductions);
          for (size_t v = 0; v < round.k(); ++v) k.cb_push_back(p.parts[v], stage.block);
        }
        for (size_t e = 0; e < round.extra.size() && !stage.sends; ++e) {
          if (round.extra[e].is_reduced) continue;
          co_await k.cb_reserve_back(round.extra[e].cb, 1);
          extras.read(k, e, layout.first_result(unit), unit.results(), round.extra[e].cb, 0);
          co_await k.noc_async_read_barrier();
          k.cb_push_back(round.extra[e].cb, 1);
        }
      }
    }
  }
}

namespace {

// The results of a unit from the accumulators and the extras at hand. What later rounds read fills as many rows as their pages have.
void finish(Compute& k, const ReducePlan& p, const ReduceRoundPlan& round, bool sends, const Accumulators& accumulators, int64_t unit,
            int64_t count) {
  std::array<const std::byte*, kMaxReducedValues + emulator::kMaxCircularBuffers> inputs{};
  std::array<std::byte*, emulator::kMaxCircularBuffers> outputs{};
  const std::vector<Cb>& out = sends ? p.part : round.out;
  const size_t results = sends ? round.k() : round.results.size();
  for (size_t o = 0; o < results && k.values(); ++o) outputs[o] = k.new_page(out[o], 0);
  for (size_t v = 0; v < round.k(); ++v) inputs[v] = accumulators.value(v);
  if (sends || round.epilogue.program().outputs.empty()) {
    for (size_t v = 0; v < round.k() && k.values(); ++v) k.copy(inputs[v], outputs[v], static_cast<size_t>(count * round.element_size(v)));
  } else {
    for (size_t e = 0; e < round.extra.size() && k.values(); ++e) {
      const ReduceInput& extra = round.extra[e];
      inputs[round.k() + e] = k.page(extra.cb, extra.is_reduced ? static_cast<uint32_t>(unit) * extra.places + extra.place : 0);
    }
    k.run_tiles(round.epilogue, inputs.data(), outputs.data(), static_cast<uint32_t>(count));
  }
  const int64_t rows = p.stages[0].layout.rows;
  for (size_t o = 0; o < results && !sends && rows > 1; ++o) {
    if (!round.kept[o]) continue;
    k.charge(static_cast<uint64_t>(rows * count / 16));
    const auto bytes = static_cast<size_t>(count * size_of(round.results[o].type));
    for (int64_t row = 1; row < rows && k.values(); ++row) k.copy(outputs[o], outputs[o] + static_cast<size_t>(row) * bytes, bytes);
  }
}

// Page `i` of a hand-over of the results of an elementwise round.
void make(Compute& k, const ReducePlan& p, const ReduceRoundPlan& round, int64_t start, int64_t count, uint32_t i,
          const std::byte* const* inputs, const std::byte* const* next) {
  std::array<std::byte*, emulator::kMaxCircularBuffers> outputs{};
  for (size_t o = 0; o < round.out.size(); ++o) {
    const Result& result = round.results[o];
    outputs[o] = result.buffer == kNoBuffer ? k.new_page(round.out[o], i)
                                            : k.new_page_for(round.out[o], i, static_cast<Slot>(p.num_inputs + result.buffer), result.map,
                                                             static_cast<size_t>(size_of(result.type)), start, count);
  }
  k.run_tiles(round.prologue, inputs, outputs.data(), static_cast<uint32_t>(count), next);
}

// Of what rounds keep: the unit that a core has at hand for this one of the last stage.
int64_t place_of(const ReducePlan& p, int64_t index, const ReduceArgs& a) { return p.in_parts() ? index : index - a.units[0].first; }

}  // namespace

Kernel reduce_compute(Compute k, ReduceArgs a) {
  const ReducePlan& p = *a.plan;
  std::vector<const std::byte*> pages, next;  // [page of a hand-over][input]
  std::vector<int64_t> elements;
  for (size_t r = 0; r < p.rounds.size(); ++r) {
    const ReduceRoundPlan& round = p.rounds[r];
    if (r > 0 && p.rounds[r - 1].num_kept > 0) co_await k.cb_wait_front(p.rounds[r - 1].reduced, p.rounds[r - 1].reduced_pages);
    for (size_t s = 0; s < round.in.size() && a.units[0].count > 0; ++s) {
      if (round.in[s].feed == Feed::kOnce && round.in[s].is_read) co_await k.cb_wait_front(round.in[s].cb, 1);
    }
    Accumulators accumulators(p, round, k);
    uint32_t done = 0;  // pages of what stays
    for (size_t at = 0; at < stages_of(p, round); ++at) {
      const ReduceStage& stage = p.stages[at];
      const ReduceLayout& layout = stage.layout;
      const size_t num_inputs = stage.received ? round.k() : round.in.size();
      const auto cb_of = [&](size_t s) { return stage.received ? p.parts[s] : round.in[s].cb; };
      const auto feed_of = [&](size_t s) { return stage.received ? Feed::kStreamed : round.in[s].feed; };
      pages.resize(num_inputs * stage.block);
      next.resize(num_inputs * stage.block);
      for (int64_t index = a.units[at].first; index < a.units[at].first + a.units[at].count; ++index) {
        const ReduceLayout::Unit unit = layout.unit(index);
        for (int64_t first = 0; first < layout.pages_per_unit(); first += stage.block) {
          for (size_t s = 0; s < num_inputs; ++s) {
            if (feed_of(s) != Feed::kOnce) co_await k.cb_wait_front(cb_of(s), stage.block + (feed_of(s) == Feed::kResident ? done : 0));
          }
          for (size_t o = 0; o < round.out.size() && !round.reduces; ++o) co_await k.cb_reserve_back(round.out[o], stage.block);
          const uint32_t count = stage.pages_from(first);
          co_await k.tile_regs_acquire();
          elements.resize(count);
          for (uint32_t i = 0; i < count; ++i) {
            elements[i] = layout.page(unit, first + i).second;
            for (size_t s = 0; s < num_inputs; ++s) {
              const std::byte *&page = pages[i * num_inputs + s], *&later = next[i * num_inputs + s];
              later = nullptr;
              if (feed_of(s) == Feed::kOnce) {
                const ReduceInput& input = round.in[s];
                const uint32_t place =
                    input.is_reduced ? static_cast<uint32_t>(p.reduced_unit(index, a.units[0])) * input.places + input.place : 0;
                page = k.page(input.cb, place);
                continue;
              }
              const uint32_t at_front = i + (feed_of(s) == Feed::kResident ? done : 0);
              page = k.page(cb_of(s), at_front);
              if (k.cb_pages_available_at_front(cb_of(s), at_front + stage.block + 1)) later = k.page(cb_of(s), at_front + stage.block);
            }
          }
          if (round.reduces) {
            accumulators.take(stage, pages.data(), next.data(), first == 0, elements);
          } else {
            for (uint32_t i = 0; i < count; ++i) {
              const int64_t start = layout.page(unit, first + i).first;
              make(k, p, round, start, elements[i], i, pages.data() + i * num_inputs, next.data() + i * num_inputs);
            }
          }
          k.tile_regs_release();
          for (size_t o = 0; o < round.out.size() && !round.reduces; ++o) k.cb_push_back(round.out[o], stage.block);
          for (size_t s = 0; s < num_inputs; ++s) {
            if (feed_of(s) == Feed::kStreamed && (stage.received || !round.in[s].is_again)) k.cb_pop_front(cb_of(s), stage.block);
          }
          if (at == 0) done += stage.block;
        }
        if (!round.reduces) continue;
        accumulators.fold(layout, unit);
        for (size_t e = 0; e < round.extra.size() && !stage.sends; ++e) {
          if (!round.extra[e].is_reduced) co_await k.cb_wait_front(round.extra[e].cb, 1);
        }
        const size_t results = stage.sends ? round.k() : round.out.size();
        for (size_t o = 0; o < results; ++o) co_await k.cb_reserve_back(stage.sends ? p.part[o] : round.out[o], 1);
        finish(k, p, round, stage.sends, accumulators, place_of(p, index, a), unit.results());
        for (size_t o = 0; o < results; ++o) k.cb_push_back(stage.sends ? p.part[o] : round.out[o], 1);
        for (size_t e = 0; e < round.extra.size() && !stage.sends; ++e) {
          if (!round.extra[e].is_reduced) k.cb_pop_front(round.extra[e].cb, 1);
        }
      }
    }
  }
}

namespace {

// Sends a page of parts to where the cores that join them expect each.
void send(Dataflow& k, const ReducePlan& p, const ReduceRoundPlan& round, size_t v, int64_t first, int64_t count) {
  const ReduceLayout& joins = p.stages[1].layout;
  const int64_t size = round.element_size(v);
  for (int64_t done = 0; done < count;) {
    const ReduceLayout::Place place = joins.place(first + done);
    const int64_t run = std::min(place.run, count - done);
    k.noc_async_write(p.part[v], 0, done * size,
                      {p.joining[static_cast<size_t>(place.unit)], p.parts[v], static_cast<uint32_t>(place.page), place.offset * size},
                      run * size);
    done += run;
  }
}

// A page of a unit's results to memory, and to the cores that read it in later rounds.
void deliver(Dataflow& k, const ReducePlan& p, const ReduceRoundPlan& round, size_t o, const ReduceLayout& layout, int64_t index,
             int64_t place) {
  const ReduceLayout::Unit unit = layout.unit(index);
  const Result& result = round.results[o];
  const int64_t size = size_of(result.type);
  if (result.buffer != kNoBuffer) {
    k.noc_async_write_mapped(round.out[o], 0, static_cast<Slot>(p.num_inputs + result.buffer), result.map, static_cast<size_t>(size),
                             layout.first_result(unit), unit.results());
  }
  if (!round.kept[o]) return;
  const auto page = static_cast<uint32_t>(place) * round.num_kept + *round.kept[o];
  const int64_t bytes = unit.results() * p.stages[0].layout.rows * size;
  if (!p.in_parts()) return k.noc_async_write(round.out[o], 0, 0, {k.coord(), round.reduced, page, 0}, bytes);
  for (const auto& [start, end] : p.grid) k.noc_async_write_multicast_loopback_src(round.out[o], 0, start, end, round.reduced, page, bytes);
}

}  // namespace

Kernel reduce_writer(Dataflow k, ReduceArgs a) {
  const ReducePlan& p = *a.plan;
  uint32_t turn = 0;  // rounds that all cores have waited for
  for (const ReduceRoundPlan& round : p.rounds) {
    uint32_t done = 0;  // pages of what stays
    for (size_t at = 0; at < stages_of(p, round); ++at) {
      const ReduceStage& stage = p.stages[at];
      const ReduceLayout& layout = stage.layout;
      for (int64_t index = a.units[at].first; index < a.units[at].first + a.units[at].count; ++index) {
        const ReduceLayout::Unit unit = layout.unit(index);
        for (int64_t block = 0; block < layout.pages_per_unit() && !round.reduces; block += stage.block) {
          for (size_t o = 0; o < round.out.size(); ++o) {
            const Result& result = round.results[o];
            if (result.buffer == kNoBuffer) continue;
            const uint32_t first = round.stays[o] ? done : 0;
            co_await k.cb_wait_front(round.out[o], first + stage.block);
            for (uint32_t i = 0; i < stage.pages_from(block); ++i) {
              const auto [start, count] = layout.page(unit, block + i);
              k.noc_async_write_mapped(round.out[o], first + i, static_cast<Slot>(p.num_inputs + result.buffer), result.map,
                                       static_cast<size_t>(size_of(result.type)), start, count);
            }
            co_await k.noc_async_write_barrier();
            if (!round.stays[o]) k.cb_pop_front(round.out[o], stage.block);
          }
          done += stage.block;
        }
        if (!round.reduces) continue;
        for (size_t o = 0; o < (stage.sends ? round.k() : round.out.size()); ++o) {
          const Cb cb = stage.sends ? p.part[o] : round.out[o];
          co_await k.cb_wait_front(cb, 1);
          if (stage.sends) {
            send(k, p, round, o, layout.first_result(unit), unit.results());
          } else {
            deliver(k, p, round, o, layout, index, place_of(p, index, a));
          }
          co_await k.noc_async_write_barrier();
          k.cb_pop_front(cb, 1);
        }
      }
      for (const emulator::CoreCoord target : a.targets) {
        if (stage.sends && round.reduces) k.noc_semaphore_inc(target, p.arrived, 1);
      }
    }
    if (round.waits) {
      ++turn;
      const emulator::CoreCoord leader = p.joining[0];
      if (a.units[1].count > 0) k.noc_semaphore_inc(leader, p.joined, 1);
      if (k.coord() == leader) {
        co_await k.noc_semaphore_wait(p.joined, turn * static_cast<uint32_t>(p.joining.size()));
        for (const auto& [start, end] : p.grid) k.noc_semaphore_set_multicast(p.valid, turn, start, end);
        k.noc_semaphore_set(p.valid, turn);
      }
      co_await k.noc_semaphore_wait_min(p.valid, turn);
    }
    if (round.num_kept == 0) continue;
    co_await k.cb_reserve_back(round.reduced, round.reduced_pages);
    for (uint32_t i = 0; i < round.reduced_pages && k.values(); ++i) k.new_page(round.reduced, i);
    k.cb_push_back(round.reduced, round.reduced_pages);
  }
}

}  // namespace tt::dnn
