// A unit of work is a few whole rows: several of them to a page where they are short, several pages to one where they are long.
#include "dnn/fused_rows.hpp"

#include <algorithm>
#include <array>
#include <numeric>

#include "base/error.hpp"
#include "dnn/text.hpp"

namespace tt::dnn {
namespace {

using Kind = RowValue::Kind;
constexpr int64_t kPage = static_cast<int64_t>(kTileElements);
constexpr size_t kMaxBuffers = 28;         // operands and results; four more hold what stays in L1
constexpr size_t kMaxInputs = 30;          // of one step
constexpr int64_t kMaxPagesPerUnit = 8;    // of short rows
constexpr int64_t kHostCache = 192 << 10;  // what a unit of several pages should touch
constexpr int64_t kElementBytes = 8;       // the widest element
constexpr uint32_t kMinElementsPage = 16 * 8;

// How rows lie in pages and units.
struct Shape {
  int64_t rows, n;
  int64_t pages_per_row;  // 1: short rows
  int64_t rows_per_page;  // 1: long rows
  int64_t pages_per_unit;

  int64_t rows_per_unit() const { return pages_per_row > 1 ? 1 : rows_per_page * pages_per_unit; }
  int64_t units() const { return div_up(rows, rows_per_unit()); }
  int64_t rows_in(int64_t unit) const { return std::min(rows_per_unit(), rows - unit * rows_per_unit()); }
  int64_t pages_in(int64_t unit) const { return pages_per_row > 1 ? pages_per_row : div_up(rows_in(unit), rows_per_page); }
  // Of page g of a unit: rows (1 for a part of a row), elements, and its first element in [rows, n].
  int64_t page_rows(int64_t unit, int64_t g) const {
    return pages_per_row > 1 ? 1 : std::min(rows_per_page, rows_in(unit) - g * rows_per_page);
  }
  int64_t page_elements(int64_t unit, int64_t g) const {
    return pages_per_row > 1 ? std::min(kPage, n - g * kPage) : page_rows(unit, g) * n;
  }
  int64_t page_start(int64_t unit, int64_t g) const {
    const int64_t first = unit * rows_per_unit();
    return pages_per_row > 1 ? first * n + g * kPage : (first + g * rows_per_page) * n;
  }
};

Shape shape_of(int64_t rows, int64_t n) {
  Shape s{rows, n, div_up(n, kPage), 1, 1};
  if (s.pages_per_row > 1) {
    s.pages_per_unit = s.pages_per_row;
    return s;
  }
  s.rows_per_page = std::min(kPage / n, rows);
  const int64_t even = 16 / std::gcd<int64_t>(n, 16);  // rows that fill whole vectors
  if (s.rows_per_page > even) s.rows_per_page -= s.rows_per_page % even;
  return s;
}

struct Stream {
  enum class Shape : uint8_t { kPages, kElements };
  Shape shape;
  bool stationary;  // the same for all units: read once
  Cb cb = 0;
  int64_t pages = 0;  // per unit
};

struct Sink {
  bool per_row;
  Slot slot;
  AccessMap map;
  DataType type;
  Cb cb = 0;
};

struct Step {
  RowStep::Kind kind;
  TileChain chain;
  emulator::TileOpcode fold;
  std::vector<RowValue> inputs, outputs;
  std::vector<size_t> input_sizes;  // bytes of an element
};

struct Plan {
  Shape shape;
  std::vector<Operand> operands;
  std::vector<Stream> streams;  // one per operand
  std::vector<Sink> sinks;      // one per result
  std::vector<Step> steps;
  Cb pages = 0, elements = 0, repeated = 0;
  std::array<std::pair<Cb, uint32_t>, 3> resident{};  // these buffers and their pages: written and read by the compute kernel alone
};

struct Args {
  const Plan* plan;
  WorkRange units;
};

bool is_per_row(const AccessMap& map, const Shape& shape) { return map.size() == shape.rows && shape.n > 1; }

// The same elements for every row.
bool is_row_invariant(const AccessMap& map, const Shape& shape) {
  int64_t rows = shape.rows;
  for (const AccessMap::Dim& dim : map.dims) {
    if (rows == 1) return true;
    if (dim.size == 1) continue;
    if (rows % dim.size != 0 || dim.stride != 0 || dim.padded()) return false;
    rows /= dim.size;
  }
  return rows == 1;
}

Kernel rows_reader(Dataflow k, Args a) {
  const Plan& p = *a.plan;
  const Operands operands(k, p.operands);
  const auto read = [&](size_t s, int64_t unit) {
    const Stream& stream = p.streams[s];
    if (stream.shape == Stream::Shape::kElements) {
      operands.read(k, s, unit * p.shape.rows_per_unit(), p.shape.rows_in(unit), stream.cb, 0);
      return;
    }
    const int64_t pages = std::min(stream.pages, p.shape.pages_in(unit));
    for (int64_t g = 0; g < pages; ++g) {
      operands.read(k, s, p.shape.page_start(unit, g), p.shape.page_elements(unit, g), stream.cb, static_cast<uint32_t>(g));
    }
  };
  for (size_t s = 0; s < p.streams.size(); ++s) {
    if (!p.streams[s].stationary) continue;
    co_await k.cb_reserve_back(p.streams[s].cb, static_cast<uint32_t>(p.streams[s].pages));
    read(s, a.units.first);
    co_await k.noc_async_read_barrier();
    k.cb_push_back(p.streams[s].cb, static_cast<uint32_t>(p.streams[s].pages));
  }
  for (int64_t unit = a.units.first; unit < a.units.first + a.units.count; ++unit) {
    for (size_t s = 0; s < p.streams.size(); ++s) {
      if (p.streams[s].stationary) continue;
      co_await k.cb_reserve_back(p.streams[s].cb, static_cast<uint32_t>(p.streams[s].pages));
      read(s, unit);
    }
    co_await k.noc_async_read_barrier();
    for (const Stream& stream : p.streams) {
      if (!stream.stationary) k.cb_push_back(stream.cb, static_cast<uint32_t>(stream.pages));
    }
  }
}

// The steps on the pages of one unit.
class Unit {
 public:
  Unit(Compute& k, const Plan& plan) : k_(k), p_(plan), g_(plan.shape.pages_per_unit) {}

  void run(int64_t unit) {
    unit_ = unit;
    for (const Step& step : p_.steps) {
      k_.tile_regs_acquire();
      switch (step.kind) {
        case RowStep::Kind::kPages: run_pages(step); break;
        case RowStep::Kind::kElements: run_elements(step); break;
        case RowStep::Kind::kFold: run_fold(step); break;
      }
      k_.tile_regs_release();
    }
  }

 private:
  const std::byte* input(const RowValue& value, int64_t page) {
    switch (value.kind) {
      case Kind::kOperand:
        return k_.page(p_.streams[value.index].cb, static_cast<uint32_t>(std::min(page, p_.streams[value.index].pages - 1)));
      case Kind::kResult: return results_[value.index * static_cast<size_t>(g_) + static_cast<size_t>(page)];
      case Kind::kPages: return k_.page(p_.pages, static_cast<uint32_t>(static_cast<int64_t>(value.index) * g_ + page));
      case Kind::kElements: return k_.page(p_.elements, static_cast<uint32_t>(value.index));
    }
    return nullptr;
  }
  std::byte* output(const RowValue& value, int64_t page) {
    if (value.kind != Kind::kResult) return const_cast<std::byte*>(input(value, page));
    const Sink& sink = p_.sinks[value.index];
    const int64_t start = sink.per_row ? unit_ * p_.shape.rows_per_unit() : p_.shape.page_start(unit_, page);
    const int64_t count = sink.per_row ? p_.shape.rows_in(unit_) : p_.shape.page_elements(unit_, page);
    std::byte* made =
        k_.new_page_for(sink.cb, static_cast<uint32_t>(page), sink.slot, sink.map, static_cast<size_t>(size_of(sink.type)), start, count);
    return results_[value.index * static_cast<size_t>(g_) + static_cast<size_t>(page)] = made;
  }
  bool has_one_per_row(const RowValue& value) const {
    return value.kind == Kind::kElements || (value.kind == Kind::kOperand && p_.streams[value.index].shape == Stream::Shape::kElements) ||
           (value.kind == Kind::kResult && p_.sinks[value.index].per_row);
  }

  void run_pages(const Step& step) {
    for (int64_t g = 0; g < p_.shape.pages_in(unit_); ++g) {
      const int64_t rows = p_.shape.page_rows(unit_, g), elements = p_.shape.page_elements(unit_, g);
      uint32_t repeated = 0;
      for (size_t i = 0; i < step.inputs.size(); ++i) {
        if (!has_one_per_row(step.inputs[i])) {
          inputs_[i] = input(step.inputs[i], g);
          continue;
        }
        const std::byte* from = input(step.inputs[i], 0);
        std::byte* page = const_cast<std::byte*>(k_.page(p_.repeated, repeated++));
        const int64_t first = p_.shape.pages_per_row > 1 ? 0 : g * p_.shape.rows_per_page;
        k_.bcast_columns(step.input_sizes[i], k_.values() ? from + static_cast<size_t>(first) * step.input_sizes[i] : nullptr,
                         static_cast<uint32_t>(rows), static_cast<uint32_t>(elements / rows), page);
        inputs_[i] = page;
      }
      for (size_t o = 0; o < step.outputs.size(); ++o) outputs_[o] = output(step.outputs[o], g);
      k_.run_tiles(step.chain, inputs_.data(), outputs_.data(), static_cast<uint32_t>(elements));
    }
  }

  void run_elements(const Step& step) {
    for (size_t i = 0; i < step.inputs.size(); ++i) inputs_[i] = input(step.inputs[i], 0);
    for (size_t o = 0; o < step.outputs.size(); ++o) outputs_[o] = output(step.outputs[o], 0);
    k_.run_tiles(step.chain, inputs_.data(), outputs_.data(), static_cast<uint32_t>(p_.shape.rows_in(unit_)));
  }

  void run_fold(const Step& step) {
    const Shape& shape = p_.shape;
    std::byte* results = output(step.outputs[0], 0);
    if (shape.pages_per_row == 1) {
      for (int64_t g = 0; g < shape.pages_in(unit_); ++g) {
        k_.reduce_rows(step.fold, input(step.inputs[0], g), static_cast<uint32_t>(shape.page_rows(unit_, g)),
                       static_cast<uint32_t>(shape.n),
                       k_.values() ? results + static_cast<size_t>(g * shape.rows_per_page) * sizeof(float) : nullptr);
      }
      return;
    }
    std::byte* parts = const_cast<std::byte*>(k_.page(p_.repeated, 0));
    for (int64_t g = 0; g < shape.pages_per_row; ++g) {
      k_.reduce_rows(step.fold, input(step.inputs[0], g), 1, static_cast<uint32_t>(shape.page_elements(unit_, g)),
                     k_.values() ? parts + static_cast<size_t>(g) * sizeof(float) : nullptr);
    }
    k_.reduce_rows(step.fold, parts, 1, static_cast<uint32_t>(shape.pages_per_row), results);
  }

  Compute& k_;
  const Plan& p_;
  int64_t g_, unit_ = 0;
  std::array<const std::byte*, kMaxInputs> inputs_{};
  std::array<std::byte*, kMaxBuffers> outputs_{};
  std::vector<std::byte*> results_ = std::vector<std::byte*>(p_.sinks.size() * static_cast<size_t>(g_));
};

Kernel rows_compute(Compute k, Args a) {
  const Plan& p = *a.plan;
  const auto pages = [&](const Stream& stream) { return static_cast<uint32_t>(stream.pages); };
  const auto out_pages = [&](const Sink& sink) { return sink.per_row ? 1u : static_cast<uint32_t>(p.shape.pages_per_unit); };
  for (const auto& [cb, count] : p.resident) {
    co_await k.cb_reserve_back(cb, count);
    for (uint32_t i = 0; i < count && k.values(); ++i) k.new_page(cb, i);
    k.cb_push_back(cb, count);
  }
  for (const Stream& stream : p.streams) {
    if (stream.stationary) co_await k.cb_wait_front(stream.cb, pages(stream));
  }
  Unit work(k, p);
  for (int64_t unit = a.units.first; unit < a.units.first + a.units.count; ++unit) {
    for (const Stream& stream : p.streams) {
      if (!stream.stationary) co_await k.cb_wait_front(stream.cb, pages(stream));
    }
    for (const Sink& sink : p.sinks) co_await k.cb_reserve_back(sink.cb, out_pages(sink));
    work.run(unit);
    for (const Sink& sink : p.sinks) k.cb_push_back(sink.cb, out_pages(sink));
    for (const Stream& stream : p.streams) {
      if (!stream.stationary) k.cb_pop_front(stream.cb, pages(stream));
    }
  }
}

Kernel rows_writer(Dataflow k, Args a) {
  const Plan& p = *a.plan;
  for (int64_t unit = a.units.first; unit < a.units.first + a.units.count; ++unit) {
    for (const Sink& sink : p.sinks) {
      const auto element = static_cast<size_t>(size_of(sink.type));
      const auto pages = sink.per_row ? 1u : static_cast<uint32_t>(p.shape.pages_per_unit);
      co_await k.cb_wait_front(sink.cb, pages);
      if (sink.per_row) {
        k.noc_async_write_mapped(sink.cb, 0, sink.slot, sink.map, element, unit * p.shape.rows_per_unit(), p.shape.rows_in(unit));
      }
      for (int64_t g = 0; g < p.shape.pages_in(unit) && !sink.per_row; ++g) {
        k.noc_async_write_mapped(sink.cb, static_cast<uint32_t>(g), sink.slot, sink.map, element, p.shape.page_start(unit, g),
                                 p.shape.page_elements(unit, g));
      }
      co_await k.noc_async_write_barrier();
      k.cb_pop_front(sink.cb, pages);
    }
  }
}

size_t repeated_pages(const RowSpec& spec, const Shape& shape) {
  size_t most = 1;
  for (const RowStep& step : spec.steps) {
    size_t count = 0;
    for (const RowValue& value : step.inputs) {
      count += value.kind == Kind::kElements || (value.kind == Kind::kOperand && is_per_row(spec.operands[value.index].map, shape)) ||
               (value.kind == Kind::kResult && is_per_row(spec.results[value.index].map, shape));
    }
    most = std::max(most, count);
  }
  return most;
}

int64_t elements_page_bytes(const Shape& shape) { return std::max<int64_t>(shape.rows_per_unit() * kElementBytes, kMinElementsPage); }

// L1 that a unit takes, with operands and results `depth` units deep.
int64_t l1_bytes(const RowSpec& spec, const Shape& shape, int64_t depth) {
  int64_t bytes = 0;
  const auto add = [&](const AccessMap& map, DataType type) {
    bytes += depth * (is_per_row(map, shape) ? elements_page_bytes(shape) : shape.pages_per_unit * kPage * size_of(type));
  };
  for (const Operand& operand : spec.operands) add(operand.map, operand.type);
  for (const Result& result : spec.results) add(result.map, result.type);
  for (const DataType type : spec.pages) bytes += shape.pages_per_unit * kPage * size_of(type);
  return bytes + static_cast<int64_t>(spec.elements.size()) * elements_page_bytes(shape) +
         static_cast<int64_t>(repeated_pages(spec, shape)) * kPage * kElementBytes;
}

Shape choose_shape(const RowSpec& spec, const ChipSpec& chip) {
  Shape shape = shape_of(spec.rows, spec.n);
  if (shape.pages_per_row > 1) return shape;
  for (int64_t pages = kMaxPagesPerUnit; pages > 1; pages /= 2) {
    shape.pages_per_unit = pages;
    if (l1_bytes(spec, shape, 1) <= kHostCache && shape.units() >= num_compute_cores(chip)) return shape;
  }
  shape.pages_per_unit = 1;
  return shape;
}

void add_notes(const RowSpec& spec, const Plan& plan, Program& program) {
  program.add_note(
      cat(spec.rows, " rows of ", spec.n, ", ", plan.shape.rows_per_unit(), " to a unit of ", plan.shape.pages_per_unit, " pages"));
  for (size_t i = 0; i < plan.operands.size(); ++i) program.add_note(describe(plan.operands[i], plan.streams[i].cb));
  const auto text = [](const RowValue& value) {
    constexpr std::array<std::string_view, 4> kNames = {"operand ", "result ", "pages ", "elements "};
    return cat(kNames[static_cast<size_t>(value.kind)], value.index);
  };
  const auto list = [&](const std::vector<RowValue>& values) {
    std::string out;
    for (const RowValue& value : values) out += (out.empty() ? "" : ", ") + text(value);
    return out;
  };
  for (const RowStep& step : spec.steps) {
    if (step.kind == RowStep::Kind::kFold) {
      program.add_note(cat(list(step.outputs), " = reduce_row ", emulator::info(step.fold).name, " of ", list(step.inputs)));
      continue;
    }
    program.add_note(
        cat(list(step.outputs), " = ", step.kind == RowStep::Kind::kPages ? "chain" : "chain per row", " of ", list(step.inputs)));
    for (const std::string& line : lines(emulator::to_string(step.chain))) program.add_note("  " + line);
  }
  for (size_t i = 0; i < spec.results.size(); ++i) program.add_note(describe(spec.results[i], plan.sinks[i].cb, plan.sinks[i].slot));
}

}  // namespace

bool fits(const RowSpec& spec, const ChipSpec& chip) {
  if (spec.operands.size() + spec.results.size() > kMaxBuffers) return false;
  for (const RowStep& step : spec.steps) {
    if (step.inputs.size() > kMaxInputs) return false;
  }
  return l1_bytes(spec, choose_shape(spec, chip), 1) <= chip.l1_usable;
}

Program fused_rows(const RowSpec& spec, const ChipSpec& chip) {
  check(fits(spec, chip), "[", spec.name, "] ", spec.rows, " rows of ", spec.n, " do not fit L1");
  Program program(spec.name);
  for (size_t i = 0; i < spec.input_bytes.size(); ++i) program.add_input(cat("in", i), spec.input_bytes[i]);
  for (size_t i = 0; i < spec.output_bytes.size(); ++i) program.add_output(cat("out", i), spec.output_bytes[i]);
  Plan plan{choose_shape(spec, chip), spec.operands, {}, {}, {}};
  const Shape& shape = plan.shape;
  const int64_t depth = l1_bytes(spec, shape, 2) <= chip.l1_usable ? 2 : 1;
  const auto page_bytes = [&](bool per_row, DataType type) {
    return static_cast<uint32_t>(per_row ? elements_page_bytes(shape) : kPage * size_of(type));
  };
  for (size_t i = 0; i < plan.operands.size(); ++i) {
    Operand& operand = plan.operands[i];
    const bool per_row = is_per_row(operand.map, shape), uniform = !per_row && is_uniform(operand);
    const bool invariant = uniform || (!per_row && is_row_invariant(operand.map, shape));
    Stream stream{per_row ? Stream::Shape::kElements : Stream::Shape::kPages, invariant};
    stream.pages = per_row || (invariant && shape.pages_per_row == 1) || uniform ? 1 : shape.pages_per_unit;
    operand.map = operand.map.coalesced();
    stream.cb = program.add_circular_buffer(static_cast<uint32_t>((invariant ? 1 : depth) * stream.pages),
                                            page_bytes(per_row, operand.type), cat("in", i));
    plan.streams.push_back(stream);
  }
  for (size_t i = 0; i < spec.results.size(); ++i) {
    const Result& result = spec.results[i];
    const bool per_row = is_per_row(result.map, shape);
    plan.sinks.push_back({per_row, static_cast<Slot>(spec.input_bytes.size() + result.buffer), result.map.coalesced(), result.type});
    plan.sinks.back().cb = program.add_circular_buffer(static_cast<uint32_t>(depth * (per_row ? 1 : shape.pages_per_unit)),
                                                       page_bytes(per_row, result.type), cat("out", i));
  }
  uint32_t widest = 4;
  for (const DataType type : spec.pages) widest = std::max(widest, static_cast<uint32_t>(size_of(type)));
  const auto at_least_one = [](size_t count) { return static_cast<uint32_t>(std::max<size_t>(count, 1)); };
  const uint32_t num_pages = at_least_one(spec.pages.size() * static_cast<size_t>(shape.pages_per_unit)),
                 num_elements = at_least_one(spec.elements.size()), num_repeated = static_cast<uint32_t>(repeated_pages(spec, shape));
  plan.pages = program.add_circular_buffer(num_pages, static_cast<uint32_t>(kPage) * (spec.pages.empty() ? 1 : widest), "pages");
  plan.elements = program.add_circular_buffer(num_elements, page_bytes(true, DataType::kF32), "elements");
  plan.repeated = program.add_circular_buffer(num_repeated, static_cast<uint32_t>(kPage * kElementBytes), "repeated");
  plan.resident = {{{plan.pages, num_pages}, {plan.elements, num_elements}, {plan.repeated, num_repeated}}};
  const auto size_of_value = [&](const RowValue& value) {
    switch (value.kind) {
      case Kind::kOperand: return static_cast<size_t>(size_of(spec.operands[value.index].type));
      case Kind::kResult: return static_cast<size_t>(size_of(spec.results[value.index].type));
      case Kind::kPages: return static_cast<size_t>(size_of(spec.pages[value.index]));
      case Kind::kElements: return static_cast<size_t>(size_of(spec.elements[value.index]));
    }
    return size_t{0};
  };
  double operations = 0;
  for (const RowStep& step : spec.steps) {
    Step made{step.kind, step.kind == RowStep::Kind::kFold ? TileChain() : TileChain(step.chain), step.fold, step.inputs, step.outputs, {}};
    for (const RowValue& value : step.inputs) made.input_sizes.push_back(size_of_value(value));
    plan.steps.push_back(std::move(made));
    const bool per_row = step.kind == RowStep::Kind::kElements;
    operations +=
        static_cast<double>(step.kind == RowStep::Kind::kFold ? 1 : step.chain.ops.size()) * (per_row ? 1.0 : static_cast<double>(spec.n));
  }
  program.flops = operations * static_cast<double>(spec.rows);
  add_notes(spec, plan, program);

  const std::vector<WorkRange> ranges = split_work(shape.units(), 1, num_compute_cores(chip));
  const Plan* kept = program.keep(std::move(plan));
  std::vector<Args> args;
  for (const WorkRange& range : ranges) args.push_back({kept, range});
  program.set_cores(metal::first_cores(chip, ranges.size()));
  program.add_kernel<Dataflow, Args>(Role::kReader, "rows_reader", rows_reader, args);
  program.add_kernel<Compute, Args>(Role::kCompute, "rows_compute", rows_compute, args);
  program.add_kernel<Dataflow, Args>(Role::kWriter, "rows_writer", rows_writer, args);
  program.validate(chip);
  return program;
}

}  // namespace tt::dnn
