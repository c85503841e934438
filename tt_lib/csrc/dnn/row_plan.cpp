// Plans and steps of programs over rows.
#include "dnn/row_plan.hpp"

#include <algorithm>
#include <map>
#include <numeric>

#include "base/error.hpp"
#include "dnn/text.hpp"

namespace tt::dnn {
namespace {

using Kind = RowValue::Kind;
constexpr int64_t kPage = static_cast<int64_t>(kTileElements);
constexpr int64_t kElementBytes = 8;  // the widest element
constexpr uint32_t kMinElementsPage = 16 * 8;
constexpr int64_t kLine = 16;  // copies of an element that stand for a whole page of it

bool is_per_row(const AccessMap& map, const RowShape& shape) { return map.size() == shape.rows && shape.n > 1; }

// The same elements for every row.
bool is_row_invariant(const AccessMap& map, const RowShape& shape) {
  int64_t rows = shape.rows;
  for (const AccessMap::Dim& dim : map.dims) {
    if (rows == 1) return true;
    if (dim.size == 1) continue;
    if (rows % dim.size != 0 || dim.stride != 0 || dim.padded()) return false;
    rows /= dim.size;
  }
  return rows == 1;
}

size_t repeated_pages(const RowSpec& spec, const RowShape& shape) {
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

int64_t elements_page_bytes(const RowShape& shape) { return std::max<int64_t>(shape.rows_per_unit * kElementBytes, kMinElementsPage); }

int64_t stream_page_bytes(bool per_row, DataType type, const RowShape& shape) {
  return per_row ? elements_page_bytes(shape) : kPage * size_of(type);
}

RowStream stream_of(const RowSpec& spec, const RowShape& shape, size_t i, size_t made) {
  const Operand& operand = spec.operands[i];
  RowStream stream{};
  stream.made = i < made;
  stream.per_row = is_per_row(operand.map, shape);
  const bool uniform = !stream.made && !stream.per_row && is_uniform(operand);
  stream.stationary = uniform || (!stream.made && !stream.per_row && is_row_invariant(operand.map, shape));
  stream.pages = static_cast<uint32_t>(stream.per_row || uniform ? 1 : stream.stationary ? shape.pages_per_row : shape.pages_per_unit());
  return stream;
}

// Values over all elements that stay in L1 have places of one unit each. One takes the place of another of its size that nobody reads after
// the step, or only the step itself, element by element.
class Places {
 public:
  struct Place {
    int64_t element;        // bytes
    int64_t written, read;  // by which step last
  };
  std::vector<Place> places;
  std::vector<size_t> operands, pages, results;  // the place of each; those of results that go to DRAM mean nothing

  Places(const RowSpec& spec, size_t made) : pages(spec.pages.size()), results(spec.results.size()) {
    const auto num_steps = static_cast<int64_t>(spec.steps.size());
    for (size_t i = 0; i < made; ++i) {
      operands.push_back(take(size_of(spec.operands[i].type), -1, last_mention(spec, {Kind::kOperand, i})));
    }
    for (int64_t s = 0; s < num_steps; ++s) {
      for (const RowValue& value : spec.steps[static_cast<size_t>(s)].outputs) {
        if (value.kind == Kind::kPages) pages[value.index] = take(size_of(spec.pages[value.index]), s, last_mention(spec, value));
        const bool stays = value.kind == Kind::kResult && spec.results[value.index].buffer == kNoBuffer;
        if (stays) results[value.index] = take(size_of(spec.results[value.index].type), s, num_steps);
      }
    }
  }

  int64_t count(int64_t element) const {
    return std::count_if(places.begin(), places.end(), [&](const Place& place) { return place.element == element; });
  }
  int64_t rank(size_t place) const {  // among those of its size
    return std::count_if(places.begin(), places.begin() + static_cast<std::ptrdiff_t>(place),
                         [&](const Place& other) { return other.element == places[place].element; });
  }

 private:
  static int64_t last_mention(const RowSpec& spec, const RowValue& value) {
    const auto mentions = [&](const std::vector<RowValue>& list) { return std::find(list.begin(), list.end(), value) != list.end(); };
    for (size_t s = spec.steps.size(); s-- > 0;) {
      if (mentions(spec.steps[s].inputs) || mentions(spec.steps[s].outputs)) return static_cast<int64_t>(s);
    }
    return -1;
  }
  size_t take(int64_t element, int64_t step, int64_t read) {
    const auto free = std::find_if(places.begin(), places.end(), [&](const Place& place) {
      return place.element == element && place.read <= step && place.written < step;
    });
    if (free == places.end()) {
      places.push_back({element, step, read});
      return places.size() - 1;
    }
    *free = {element, step, read};
    return static_cast<size_t>(free - places.begin());
  }
};

}  // namespace

RowShape shape_of_rows(int64_t rows, int64_t n) {
  RowShape s{rows, n, rows, div_up(n, kPage), 1, 1};
  if (s.pages_per_row > 1) return s;
  s.rows_per_page = std::min(kPage / n, rows);
  const int64_t even = 16 / std::gcd<int64_t>(n, 16);  // rows that fill whole vectors
  if (s.rows_per_page > even) s.rows_per_page -= s.rows_per_page % even;
  s.rows_per_unit = s.rows_per_page;
  return s;
}

int64_t row_l1_bytes(const RowSpec& spec, const RowShape& shape, int64_t depth, size_t made) {
  int64_t bytes = static_cast<int64_t>(spec.elements.size()) * elements_page_bytes(shape) +
                  static_cast<int64_t>(repeated_pages(spec, shape)) * kPage * kElementBytes;
  for (size_t i = 0; i < spec.operands.size(); ++i) {
    const RowStream stream = stream_of(spec, shape, i, made);
    if (stream.made) continue;
    bytes += (stream.stationary ? 1 : depth) * stream.pages * stream_page_bytes(stream.per_row, spec.operands[i].type, shape);
  }
  for (const Result& result : spec.results) {
    if (result.buffer == kNoBuffer) continue;
    const bool per_row = is_per_row(result.map, shape);
    bytes += depth * (per_row ? 1 : shape.pages_per_unit()) * stream_page_bytes(per_row, result.type, shape);
  }
  for (const Places::Place& place : Places(spec, made).places) bytes += shape.pages_per_unit() * kPage * place.element;
  return bytes;
}

namespace {

// The circular buffers of what stays in L1: one for each size of elements.
void place_pages(const RowSpec& spec, size_t made, RowPlan& plan, Program& program) {
  const Places places(spec, made);
  const int64_t unit = plan.shape.pages_per_unit();
  std::map<int64_t, Cb> buffers;
  for (const Places::Place& place : places.places) {
    if (buffers.contains(place.element)) continue;
    const auto pages = static_cast<uint32_t>(places.count(place.element) * unit);
    buffers[place.element] = program.add_circular_buffer(pages, static_cast<uint32_t>(kPage * place.element), "pages");
    plan.resident.emplace_back(buffers[place.element], pages);
  }
  const auto at = [&](size_t place) {
    return RowPages{buffers.at(places.places[place].element), static_cast<uint32_t>(places.rank(place) * unit)};
  };
  for (const size_t place : places.pages) plan.pages.push_back(at(place));
  for (size_t i = 0; i < made; ++i) plan.streams[i].at = at(places.operands[i]);
  for (size_t i = 0; i < plan.sinks.size(); ++i) {
    if (plan.sinks[i].stays) plan.sinks[i].at = at(places.results[i]);
  }
}

}  // namespace

bool RowPlan::has_one_per_row(const RowValue& value) const {
  return value.kind == Kind::kElements || (value.kind == Kind::kOperand && streams[value.index].per_row) ||
         (value.kind == Kind::kResult && sinks[value.index].per_row);
}

RowPlan plan_rows(const RowSpec& spec, const RowShape& shape, int64_t depth, size_t made, Program& program) {
  RowPlan plan;
  plan.shape = shape;
  plan.operands = spec.operands;
  for (size_t i = 0; i < plan.operands.size(); ++i) {
    Operand& operand = plan.operands[i];
    RowStream stream = stream_of(spec, shape, i, made);
    operand.map = operand.map.coalesced();
    if (!stream.made) {
      stream.at.cb =
          program.add_circular_buffer(static_cast<uint32_t>((stream.stationary ? 1 : depth) * stream.pages),
                                      static_cast<uint32_t>(stream_page_bytes(stream.per_row, operand.type, shape)), cat("in", i));
    }
    plan.streams.push_back(stream);
  }
  for (size_t i = 0; i < spec.results.size(); ++i) {
    const Result& result = spec.results[i];
    RowSink sink{is_per_row(result.map, shape), static_cast<Slot>(spec.input_bytes.size() + result.buffer), result.map.coalesced(),
                 result.type};
    sink.stays = result.buffer == kNoBuffer;
    sink.pages = static_cast<uint32_t>(sink.per_row ? 1 : shape.pages_per_unit());
    if (!sink.stays) {
      sink.at.cb = program.add_circular_buffer(static_cast<uint32_t>(depth * sink.pages),
                                               static_cast<uint32_t>(stream_page_bytes(sink.per_row, result.type, shape)), cat("out", i));
    }
    plan.sinks.push_back(std::move(sink));
  }
  const auto num_elements = static_cast<uint32_t>(std::max<size_t>(spec.elements.size(), 1)),
             num_repeated = static_cast<uint32_t>(repeated_pages(spec, shape));
  place_pages(spec, made, plan, program);
  plan.elements = program.add_circular_buffer(num_elements, static_cast<uint32_t>(elements_page_bytes(shape)), "elements");
  plan.repeated = program.add_circular_buffer(num_repeated, static_cast<uint32_t>(kPage * kElementBytes), "repeated");
  plan.resident.insert(plan.resident.end(), {{plan.elements, num_elements}, {plan.repeated, num_repeated}});
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
    RowPlan::Step made{step.kind, {}, step.fold, step.inputs, step.outputs, {}};
    uint64_t still = 0;
    for (size_t i = 0; i < step.inputs.size(); ++i) {
      made.input_sizes.push_back(size_of_value(step.inputs[i]));
      const bool one_for_page = step.kind == RowStep::Kind::kPages && shape.rows_per_page == 1 && plan.has_one_per_row(step.inputs[i]);
      still |= uint64_t{one_for_page} << i;
    }
    if (step.kind != RowStep::Kind::kFold) made.chain = TileChain(step.chain, still);
    plan.steps.push_back(std::move(made));
    const bool per_row = step.kind == RowStep::Kind::kElements;
    operations +=
        static_cast<double>(step.kind == RowStep::Kind::kFold ? 1 : step.chain.ops.size()) * (per_row ? 1.0 : static_cast<double>(spec.n));
  }
  plan.flops = operations * static_cast<double>(spec.rows);
  return plan;
}

void add_row_notes(const RowSpec& spec, const RowPlan& plan, Program& program) {
  program.add_note(
      cat(spec.rows, " rows of ", spec.n, ", ", plan.shape.rows_per_unit, " to a unit of ", plan.shape.pages_per_unit(), " pages"));
  for (size_t i = 0; i < plan.operands.size(); ++i) {
    if (!plan.streams[i].made) program.add_note(describe(plan.operands[i], plan.streams[i].at.cb));
  }
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
  for (size_t i = 0; i < spec.results.size(); ++i) {
    if (!plan.sinks[i].stays) program.add_note(describe(spec.results[i], plan.sinks[i].at.cb, plan.sinks[i].slot));
  }
}

void read_rows(Dataflow& k, const RowPlan& plan, const Operands& operands, size_t stream, int64_t unit) {
  const RowShape& shape = plan.shape;
  const RowStream& to = plan.streams[stream];
  if (to.per_row) return operands.read(k, stream, shape.first_row(unit), shape.rows_in(unit), to.at.cb, 0);
  if (to.stationary) unit = 0;  // no other has more rows
  const int64_t pages = std::min<int64_t>(to.pages, shape.pages_in(unit));
  for (int64_t g = 0; g < pages; ++g) {
    operands.read(k, stream, shape.page_start(unit, g), shape.page_elements(unit, g), to.at.cb, static_cast<uint32_t>(g));
  }
}

void write_rows(Dataflow& k, const RowPlan& plan, const RowSink& sink, int64_t unit) {
  const RowShape& shape = plan.shape;
  const auto element = static_cast<size_t>(size_of(sink.type));
  if (sink.per_row)
    return k.noc_async_write_mapped(sink.at.cb, 0, sink.slot, sink.map, element, shape.first_row(unit), shape.rows_in(unit));
  for (int64_t g = 0; g < shape.pages_in(unit); ++g) {
    k.noc_async_write_mapped(sink.at.cb, static_cast<uint32_t>(g), sink.slot, sink.map, element, shape.page_start(unit, g),
                             shape.page_elements(unit, g));
  }
}

void RowUnit::run(int64_t unit) {
  unit_ = unit;
  for (const RowPlan::Step& step : p_.steps) {
    k_.tile_regs_acquire();
    switch (step.kind) {
      case RowStep::Kind::kPages: run_pages(step); break;
      case RowStep::Kind::kElements: run_elements(step); break;
      case RowStep::Kind::kFold: run_fold(step); break;
    }
    k_.tile_regs_release();
  }
}

void RowUnit::find_rows(const RowValue& value, std::span<std::byte*> rows) {
  const auto size_of_value =
      static_cast<size_t>(size_of(value.kind == Kind::kResult ? p_.sinks[value.index].type : p_.operands[value.index].type));
  for (size_t r = 0; r < rows.size(); ++r) {
    const auto row = static_cast<int64_t>(r);
    rows[r] = const_cast<std::byte*>(input(value, p_.shape.page_of(row))) + static_cast<size_t>(p_.shape.place_of(row)) * size_of_value;
  }
}

const std::byte* RowUnit::input(const RowValue& value, int64_t page) {
  const auto at = [&](const RowPages& pages, int64_t g) { return k_.page(pages.cb, pages.first + static_cast<uint32_t>(g)); };
  switch (value.kind) {
    case Kind::kOperand: return at(p_.streams[value.index].at, page % p_.streams[value.index].pages);
    case Kind::kResult: return results_[value.index * static_cast<size_t>(g_) + static_cast<size_t>(page)];
    case Kind::kPages: return at(p_.pages[value.index], page);
    case Kind::kElements: return k_.page(p_.elements, static_cast<uint32_t>(value.index));
  }
  return nullptr;
}

std::byte* RowUnit::output(const RowValue& value, int64_t page) {
  if (value.kind != Kind::kResult) return const_cast<std::byte*>(input(value, page));
  const RowSink& sink = p_.sinks[value.index];
  const int64_t start = sink.per_row ? p_.shape.first_row(unit_) : p_.shape.page_start(unit_, page);
  const int64_t count = sink.per_row ? p_.shape.rows_in(unit_) : p_.shape.page_elements(unit_, page);
  std::byte* made = sink.stays ? const_cast<std::byte*>(k_.page(sink.at.cb, sink.at.first + static_cast<uint32_t>(page)))
                               : k_.new_page_for(sink.at.cb, static_cast<uint32_t>(page), sink.slot, sink.map,
                                                 static_cast<size_t>(size_of(sink.type)), start, count);
  return results_[value.index * static_cast<size_t>(g_) + static_cast<size_t>(page)] = made;
}

void RowUnit::run_pages(const RowPlan::Step& step) {
  for (int64_t g = 0; g < p_.shape.pages_in(unit_); ++g) {
    const int64_t rows = p_.shape.page_rows(unit_, g), elements = p_.shape.page_elements(unit_, g);
    uint32_t repeated = 0;
    for (size_t i = 0; i < step.inputs.size(); ++i) {
      if (!p_.has_one_per_row(step.inputs[i])) {
        inputs_[i] = input(step.inputs[i], g);
        continue;
      }
      const std::byte* from = input(step.inputs[i], 0);
      std::byte* page = const_cast<std::byte*>(k_.page(p_.repeated, repeated++));
      const int64_t first = p_.shape.page_row(g);
      const int64_t length = p_.shape.rows_per_page == 1 ? kLine : elements / rows;
      k_.bcast_columns(step.input_sizes[i], k_.values() ? from + static_cast<size_t>(first) * step.input_sizes[i] : nullptr,
                       static_cast<uint32_t>(rows), static_cast<uint32_t>(length), page);
      inputs_[i] = page;
    }
    for (size_t o = 0; o < step.outputs.size(); ++o) outputs_[o] = output(step.outputs[o], g);
    k_.run_tiles(step.chain, inputs_.data(), outputs_.data(), static_cast<uint32_t>(elements));
  }
}

void RowUnit::run_elements(const RowPlan::Step& step) {
  for (size_t i = 0; i < step.inputs.size(); ++i) inputs_[i] = input(step.inputs[i], 0);
  for (size_t o = 0; o < step.outputs.size(); ++o) outputs_[o] = output(step.outputs[o], 0);
  k_.run_tiles(step.chain, inputs_.data(), outputs_.data(), static_cast<uint32_t>(p_.shape.rows_in(unit_)));
}

void RowUnit::run_fold(const RowPlan::Step& step) {
  const RowShape& shape = p_.shape;
  std::byte* results = output(step.outputs[0], 0);
  const int64_t count = shape.pages_in(unit_);
  for (int64_t g = 0; g < count; ++g) pages_[static_cast<size_t>(g)] = input(step.inputs[0], g);
  const std::span<const std::byte* const> pages(pages_.data(), static_cast<size_t>(count));
  if (shape.pages_per_row == 1) {
    return k_.reduce_rows(step.fold, pages, static_cast<uint32_t>(shape.rows_per_page), static_cast<uint32_t>(shape.rows_in(unit_)),
                          static_cast<uint32_t>(shape.n), results);
  }
  std::byte* parts = const_cast<std::byte*>(k_.page(p_.repeated, 0));
  const auto per_row = static_cast<size_t>(shape.pages_per_row), last = per_row - 1;  // the last page of a row may be a shorter one
  for (size_t row = 0; row < static_cast<size_t>(shape.rows_in(unit_)); ++row) {
    const auto of_row = pages.subspan(row * per_row, per_row);
    k_.reduce_rows(step.fold, of_row.first(last), 1, static_cast<uint32_t>(last), static_cast<uint32_t>(kPage), parts);
    k_.reduce_rows(step.fold, of_row[last], 1, static_cast<uint32_t>(shape.page_elements(unit_, static_cast<int64_t>(last))),
                   k_.values() ? parts + last * sizeof(float) : nullptr);
    k_.reduce_rows(step.fold, parts, 1, static_cast<uint32_t>(per_row), k_.values() ? results + row * sizeof(float) : nullptr);
  }
}

}  // namespace tt::dnn
