// A unit of work is a page of results. Long rows are accumulated page by page over as many lanes as fit, then the lanes are folded; of
// short rows a page holds several, folded side by side.
#include "dnn/reduce.hpp"

#include <algorithm>
#include <array>
#include <cstring>

#include "base/error.hpp"
#include "dnn/row_fold.hpp"
#include "dnn/text.hpp"

namespace tt::dnn {
namespace {

constexpr int64_t kPage = static_cast<int64_t>(kTileElements);
constexpr size_t kMaxValues = 8;
constexpr int64_t kMostPages = 4;  // per hand-over

struct Plan {
  ReduceSpec spec;
  TileChain prologue, combine;
  std::vector<Cb> in, init, out;
  Cb value = 0, accumulator = 0, spare = 0;      // pages that only the compute kernel uses: one per value
  std::optional<emulator::TileOpcode> row_fold;  // the engines reduce rows of this operation themselves
  bool identity = false;                         // the prologue passes its operands on
  int64_t chunk = 0;                             // results per unit (inner elements, or batch * inner)
  int64_t batch = 1;                             // outer rows per unit
  int64_t rows = 1;                              // rows of `reduced` per page
  int64_t units = 0;
  uint32_t block = 1;  // pages per hand-over from the reader

  size_t k() const { return spec.combine.outputs.size(); }
  int64_t chunks_per_row() const { return batch > 1 ? 1 : div_up(spec.inner, chunk); }
  int64_t pages_per_unit() const { return batch > 1 ? 1 : div_up(spec.reduced, rows); }
  uint32_t pages_from(int64_t first) const { return static_cast<uint32_t>(std::min<int64_t>(block, pages_per_unit() - first)); }
  int64_t element_size(size_t value) const { return size_of(spec.combine.inputs[value]); }
};

struct Args {
  const Plan* plan;
  WorkRange units;
};

// Where the pages of a unit lie in the iteration space, and its results.
struct Unit {
  int64_t first_outer, outers;  // rows of `outer`
  int64_t first_inner, inners;
};

Unit unit_of(const Plan& p, int64_t unit) {
  if (p.batch > 1) {
    const int64_t first = unit * p.batch;
    return {first, std::min(p.batch, p.spec.outer - first), 0, p.spec.inner};
  }
  const int64_t chunks = p.chunks_per_row(), first = unit % chunks * p.chunk;
  return {unit / chunks, 1, first, std::min(p.chunk, p.spec.inner - first)};
}

// Start and length of page `i` of a unit.
std::pair<int64_t, int64_t> page_range(const Plan& p, const Unit& u, int64_t i) {
  const int64_t row = p.spec.reduced * p.spec.inner;
  if (p.batch > 1) return {u.first_outer * row, u.outers * row};
  const int64_t r = i * p.rows, rows = std::min(p.rows, p.spec.reduced - r);
  return {u.first_outer * row + r * p.spec.inner + u.first_inner, p.rows > 1 ? rows * p.spec.inner : u.inners};
}

Kernel reduce_reader(Dataflow k, Args a) {
  const Plan& p = *a.plan;
  const Operands inits(k, p.spec.inits), operands(k, p.spec.operands);
  for (size_t i = 0; i < p.init.size(); ++i) {
    co_await k.cb_reserve_back(p.init[i], 1);
    inits.read(k, i, 0, kPage, p.init[i], 0);
    co_await k.noc_async_read_barrier();
    k.cb_push_back(p.init[i], 1);
  }
  for (int64_t unit = a.units.first; unit < a.units.first + a.units.count; ++unit) {
    const Unit u = unit_of(p, unit);
    for (int64_t first = 0; first < p.pages_per_unit(); first += p.block) {
      for (Cb cb : p.in) co_await k.cb_reserve_back(cb, p.block);
      for (uint32_t i = 0; i < p.pages_from(first); ++i) {
        const auto [start, count] = page_range(p, u, first + i);
        for (size_t s = 0; s < p.in.size(); ++s) operands.read(k, s, start, count, p.in[s], i);
      }
      co_await k.noc_async_read_barrier();
      for (Cb cb : p.in) k.cb_push_back(cb, p.block);
    }
  }
}

// The compute kernel's own pages and its steps on them. In TimingOnly only the cycles count.
class Accumulators {
 public:
  Accumulators(const Plan& plan, Compute& k) : p_(plan), k_(k) {
    for (size_t v = 0; v < p_.k() && k.values(); ++v) {
      value_[v] = k.new_page(p_.value, static_cast<uint32_t>(v));
      accumulator_[v] = k.new_page(p_.accumulator, static_cast<uint32_t>(v));
      spare_[v] = k.new_page(p_.spare, static_cast<uint32_t>(v));
    }
  }

  // The first page of a unit starts the accumulators, the others are combined into them.
  // `next` are the pages of the next call, null where they are not known.
  void take(const std::byte* const* pages, const std::byte* const* next, bool first, int64_t count) {
    const std::byte* const* values = pages;
    if (!p_.identity) {
      k_.run_tiles(p_.prologue, pages, first ? accumulator_.data() : value_.data(), static_cast<uint32_t>(count), next);
      if (first) return;
      values = value_.data();
    } else if (first) {
      for (size_t v = 0; v < p_.k() && k_.values(); ++v)
        std::memcpy(accumulator_[v], pages[v], static_cast<size_t>(count * p_.element_size(v)));
      return;
    }
    combine(accumulator_.data(), values, accumulator_.data(), count, p_.identity ? next : nullptr);
  }

  // Lanes [rows][width] of the accumulators -> [1][width].
  void fold(int64_t rows, int64_t width) {
    if (p_.row_fold && width == 1) return fold_each(1, rows);
    while (rows > 1) {
      const int64_t half = rows / 2;
      std::array<const std::byte*, kMaxValues> high{};
      for (size_t v = 0; v < p_.k() && k_.values(); ++v) high[v] = accumulator_[v] + (rows - half) * width * p_.element_size(v);
      combine(accumulator_.data(), high.data(), accumulator_.data(), half * width);
      rows -= half;
    }
  }

  // Lanes [batch][rows][width] -> [batch][width]: halves are packed side by side, so that one step folds all rows.
  void fold_batch(int64_t batch, int64_t rows, int64_t width) {
    if (p_.row_fold && width == 1) return fold_each(batch, rows);
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

  void finish(const std::byte* const* inits, std::byte* const* outputs, int64_t count) {
    if (inits != nullptr) return combine(inits, accumulator_.data(), outputs, count);
    for (size_t v = 0; v < p_.k() && k_.values(); ++v)
      std::memcpy(outputs[v], accumulator_[v], static_cast<size_t>(count * p_.element_size(v)));
  }

 private:
  using Pages = std::array<std::byte*, kMaxValues>;

  void fold_each(int64_t count, int64_t length) {
    k_.reduce_rows(*p_.row_fold, accumulator_[0], static_cast<uint32_t>(count), static_cast<uint32_t>(length), spare_[0]);
    std::swap(accumulator_[0], spare_[0]);
  }

  void combine(const std::byte* const* accumulators, const std::byte* const* values, std::byte* const* outputs, int64_t count,
               const std::byte* const* next_values = nullptr) {
    std::array<const std::byte*, 2 * kMaxValues> inputs{}, next{};
    std::copy_n(accumulators, p_.k(), inputs.begin());
    std::copy_n(values, p_.k(), inputs.begin() + static_cast<ptrdiff_t>(p_.k()));
    if (next_values != nullptr) std::copy_n(next_values, p_.k(), next.begin() + static_cast<ptrdiff_t>(p_.k()));
    k_.run_tiles(p_.combine, inputs.data(), outputs, static_cast<uint32_t>(count), next.data());
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

  const Plan& p_;
  Compute& k_;
  Pages value_{}, accumulator_{}, spare_{};
};

Kernel reduce_compute(Compute k, Args a) {
  const Plan& p = *a.plan;
  std::array<const std::byte*, kMaxValues> inits{};
  for (size_t i = 0; i < p.init.size(); ++i) {
    co_await k.cb_wait_front(p.init[i], 1);
    inits[i] = k.page(p.init[i], 0);
  }
  Accumulators accumulators(p, k);
  std::vector<const std::byte*> pages(p.in.size()), next(p.in.size());
  std::array<std::byte*, kMaxValues> outputs{};
  for (int64_t unit = a.units.first; unit < a.units.first + a.units.count; ++unit) {
    const Unit u = unit_of(p, unit);
    for (int64_t first = 0; first < p.pages_per_unit(); first += p.block) {
      for (Cb cb : p.in) co_await k.cb_wait_front(cb, p.block);
      const uint32_t count = p.pages_from(first);
      for (uint32_t i = 0; i < count; ++i) {
        for (size_t s = 0; s < p.in.size(); ++s) {
          pages[s] = k.page(p.in[s], i);
          next[s] = k.cb_pages_available_at_front(p.in[s], i + 2) ? k.page(p.in[s], i + 1) : nullptr;
        }
        accumulators.take(pages.data(), next.data(), first + i == 0, page_range(p, u, first + i).second);
      }
      for (Cb cb : p.in) k.cb_pop_front(cb, p.block);
    }
    if (p.batch > 1) {
      accumulators.fold_batch(u.outers, p.spec.reduced, p.spec.inner);
    } else if (p.rows > 1) {
      accumulators.fold(std::min(p.rows, p.spec.reduced), p.spec.inner);
    }
    for (Cb cb : p.out) co_await k.cb_reserve_back(cb, 1);
    for (size_t v = 0; v < p.out.size(); ++v) outputs[v] = k.new_page(p.out[v], 0);
    accumulators.finish(p.init.empty() ? nullptr : inits.data(), outputs.data(), u.outers * u.inners);
    for (Cb cb : p.out) k.cb_push_back(cb, 1);
  }
}

Kernel reduce_writer(Dataflow k, Args a) {
  const Plan& p = *a.plan;
  for (int64_t unit = a.units.first; unit < a.units.first + a.units.count; ++unit) {
    const Unit u = unit_of(p, unit);
    for (size_t v = 0; v < p.out.size(); ++v) {
      const Result& result = p.spec.results[v];
      co_await k.cb_wait_front(p.out[v], 1);
      k.noc_async_write_mapped(p.out[v], 0, static_cast<Slot>(p.spec.input_bytes.size() + result.buffer), result.map,
                               static_cast<size_t>(size_of(result.type)), u.first_outer * p.spec.inner + u.first_inner,
                               u.outers * u.inners);
      co_await k.noc_async_write_barrier();
      k.cb_pop_front(p.out[v], 1);
    }
  }
}

bool passes_on(const TileProgram& chain) {
  if (!chain.ops.empty() || chain.inputs.size() != chain.outputs.size()) return false;
  for (size_t i = 0; i < chain.outputs.size(); ++i) {
    if (chain.outputs[i].reg != i || chain.outputs[i].type != chain.inputs[i]) return false;
  }
  return true;
}

}  // namespace

int64_t reduce_parts(int64_t outer, int64_t reduced, int64_t inner) {
  constexpr int64_t kWorthwhile = 1 << 16, kEnough = 16, kFewest = 8, kMost = 64;
  constexpr int64_t kCores = 88;  // of the smaller card: sums have the same order on all of them
  const int64_t units = outer * div_up(inner, kPage);
  if (units >= kEnough || outer * reduced * inner < kWorthwhile) return 1;
  // Pages that the most loaded core goes through, in the program of the parts and in the one that joins them.
  const int64_t rows = std::max<int64_t>(kPage / inner, 1);
  const auto pages = [&](int64_t parts) {
    return div_up(units * parts, kCores) * div_up(reduced / parts, rows) + div_up(units, kCores) * div_up(parts, rows);
  };
  int64_t best = 1;
  for (int64_t parts = kMost; parts >= kFewest; --parts) {
    if (reduced % parts == 0 && (best == 1 || pages(parts) < pages(best))) best = parts;
  }
  return best;
}

Program reduce(const ReduceSpec& spec, const ChipSpec& chip) {
  const size_t k = spec.combine.outputs.size();
  check(k >= 1 && k <= kMaxValues && spec.reduced > 0, "[", spec.name, "] ", k, " values over ", spec.reduced, " rows");
  Program program(spec.name);
  for (size_t i = 0; i < spec.input_bytes.size(); ++i) program.add_input(cat("in", i), spec.input_bytes[i]);
  for (size_t i = 0; i < spec.output_bytes.size(); ++i) program.add_output(cat("out", i), spec.output_bytes[i]);
  Plan plan;
  plan.spec = spec;
  plan.prologue = TileChain(spec.prologue);
  plan.combine = TileChain(spec.combine);
  plan.identity = passes_on(spec.prologue);
  plan.row_fold = row_fold_opcode(spec.combine);
  const int64_t row = spec.reduced * spec.inner;
  if (row <= kPage / 2 && spec.outer > 1) {
    plan.batch = kPage / row;
    plan.chunk = plan.batch * spec.inner;
    plan.units = div_up(spec.outer, plan.batch);
  } else {
    plan.chunk = std::min(spec.inner, kPage);
    plan.rows = spec.inner <= kPage / 2 ? std::min(kPage / std::max<int64_t>(spec.inner, 1), spec.reduced) : 1;
    plan.units = spec.outer * div_up(spec.inner, plan.chunk);
  }
  auto page_bytes = [](DataType type) { return static_cast<uint32_t>(kPage * size_of(type)); };
  int64_t operand_bytes = 1;  // of a reduction of constants
  for (const Operand& operand : spec.operands) operand_bytes += page_bytes(operand.type);
  plan.block =
      static_cast<uint32_t>(std::clamp<int64_t>(chip.l1_usable / 4 / operand_bytes, 1, std::min(kMostPages, plan.pages_per_unit())));
  for (size_t i = 0; i < spec.operands.size(); ++i) {
    plan.spec.operands[i].map = plan.spec.operands[i].map.coalesced();
    plan.in.push_back(program.add_circular_buffer(2 * plan.block, page_bytes(spec.operands[i].type), cat("in", i)));
  }
  for (size_t i = 0; i < spec.inits.size(); ++i) {
    plan.spec.inits[i].map.dims = {{kPage, 0}};
    plan.init.push_back(program.add_circular_buffer(1, page_bytes(spec.inits[i].type), cat("init", i)));
  }
  uint32_t widest = 0;
  for (size_t v = 0; v < k; ++v) {
    plan.spec.results[v].map = plan.spec.results[v].map.coalesced();
    widest = std::max(widest, page_bytes(spec.combine.inputs[v]));
    plan.out.push_back(program.add_circular_buffer(2, page_bytes(spec.results[v].type), cat("out", v)));
  }
  plan.value = program.add_circular_buffer(static_cast<uint32_t>(k), widest, "values");
  plan.accumulator = program.add_circular_buffer(static_cast<uint32_t>(k), widest, "accumulators");
  plan.spare = program.add_circular_buffer(static_cast<uint32_t>(k), widest, "halves");

  for (size_t i = 0; i < spec.operands.size(); ++i) program.add_note(describe(plan.spec.operands[i], plan.in[i]));
  if (!plan.identity) {
    program.add_note("prologue");
    for (const std::string& line : lines(emulator::to_string(spec.prologue))) program.add_note("  " + line);
  }
  program.add_note(cat("combine ", spec.reduced, " rows of ", spec.inner, " for ", spec.outer));
  for (const std::string& line : lines(emulator::to_string(spec.combine))) program.add_note("  " + line);
  for (size_t v = 0; v < k; ++v) {
    program.add_note(describe(plan.spec.results[v], plan.out[v], static_cast<Slot>(spec.input_bytes.size() + spec.results[v].buffer)));
  }
  const std::vector<WorkRange> ranges = split_work(plan.units, 1, num_compute_cores(chip));
  const Plan* kept = program.keep(std::move(plan));
  std::vector<Args> args;
  for (const WorkRange& range : ranges) args.push_back({kept, range});
  program.set_cores(metal::first_cores(chip, ranges.size()));
  program.add_kernel<Dataflow, Args>(Role::kReader, "reduce_reader", reduce_reader, args);
  program.add_kernel<Compute, Args>(Role::kCompute, "reduce_compute", reduce_compute, args);
  program.add_kernel<Dataflow, Args>(Role::kWriter, "reduce_writer", reduce_writer, args);
  program.flops =
      static_cast<double>(spec.outer) * static_cast<double>(row) * static_cast<double>(spec.combine.ops.size() + spec.prologue.ops.size());
  program.validate(chip);
  return program;
}

}  // namespace tt::dnn
