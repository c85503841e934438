// Plans and steps of programs over rows.
#include "dnn/row_plan.hpp"

#include <algorithm>
#include <numeric>

#include "base/error.hpp"
#include "dnn/text.hpp"

namespace tt::dnn {
namespace {

using Kind = RowValue::Kind;
constexpr int64_t kPage = static_cast<int64_t>(kTileElements);
constexpr int64_t kElementBytes = 8;  // the widest element
constexpr uint32_t kMinElementsPage = 16 * 8;

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

int64_t elements_page_bytes(const RowShape& shape) { return std::max<int64_t>(shape.rows_per_unit() * kElementBytes, kMinElementsPage); }

}  // namespace

RowShape shape_of_rows(int64_t rows, int64_t n) {
  RowShape s{rows, n, div_up(n, kPage), 1, 1};
  if (s.pages_per_row > 1) {
    s.pages_per_unit = s.pages_per_row;
    return s;
  }
  s.rows_per_page = std::min(kPage / n, rows);
  const int64_t even = 16 / std::gcd<int64_t>(n, 16);  // rows that fill whole vectors
  if (s.rows_per_page > even) s.rows_per_page -= s.rows_per_page % even;
  return s;
}

int64_t row_l1_bytes(const RowSpec& spec, const RowShape& shape, int64_t depth) {
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

RowPlan plan_rows(const RowSpec& spec, const RowShape& shape, int64_t depth, RowNeighbours neighbours, Program& program) {
  RowPlan plan;
  plan.shape = shape;
  plan.operands = spec.operands;
  const auto page_bytes = [&](bool per_row, DataType type) {
    return static_cast<uint32_t>(per_row ? elements_page_bytes(shape) : kPage * size_of(type));
  };
  for (size_t i = 0; i < plan.operands.size(); ++i) {
    Operand& operand = plan.operands[i];
    const bool made = i == 0 && neighbours.make_first_operand;
    const bool per_row = is_per_row(operand.map, shape), uniform = !made && !per_row && is_uniform(operand);
    const bool invariant = uniform || (!made && !per_row && is_row_invariant(operand.map, shape));
    RowStream stream{per_row, invariant};
    stream.made = made;
    stream.pages = per_row || (invariant && shape.pages_per_row == 1) || uniform ? 1 : shape.pages_per_unit;
    operand.map = operand.map.coalesced();
    stream.cb = program.add_circular_buffer(static_cast<uint32_t>((invariant || made ? 1 : depth) * stream.pages),
                                            page_bytes(per_row, operand.type), cat(made ? "made" : "in", i));
    if (made) plan.resident.emplace_back(stream.cb, static_cast<uint32_t>(stream.pages));
    plan.streams.push_back(stream);
  }
  for (size_t i = 0; i < spec.results.size(); ++i) {
    const Result& result = spec.results[i];
    const bool per_row = is_per_row(result.map, shape);
    RowSink sink{per_row, static_cast<Slot>(spec.input_bytes.size() + result.buffer), result.map.coalesced(), result.type};
    sink.stays = i == 0 && neighbours.take_first_result;
    const auto pages = static_cast<uint32_t>((sink.stays ? 1 : depth) * (per_row ? 1 : shape.pages_per_unit));
    sink.cb = program.add_circular_buffer(pages, page_bytes(per_row, result.type), cat(sink.stays ? "taken" : "out", i));
    if (sink.stays) plan.resident.emplace_back(sink.cb, pages);
    plan.sinks.push_back(std::move(sink));
  }
  uint32_t widest = 4;
  for (const DataType type : spec.pages) widest = std::max(widest, static_cast<uint32_t>(size_of(type)));
  const auto at_least_one = [](size_t count) { return static_cast<uint32_t>(std::max<size_t>(count, 1)); };
  const uint32_t num_pages = at_least_one(spec.pages.size() * static_cast<size_t>(shape.pages_per_unit)),
                 num_elements = at_least_one(spec.elements.size()), num_repeated = static_cast<uint32_t>(repeated_pages(spec, shape));
  plan.pages = program.add_circular_buffer(num_pages, static_cast<uint32_t>(kPage) * (spec.pages.empty() ? 1 : widest), "pages");
  plan.elements = program.add_circular_buffer(num_elements, page_bytes(true, DataType::kF32), "elements");
  plan.repeated = program.add_circular_buffer(num_repeated, static_cast<uint32_t>(kPage * kElementBytes), "repeated");
  plan.resident.insert(plan.resident.end(), {{plan.pages, num_pages}, {plan.elements, num_elements}, {plan.repeated, num_repeated}});
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
    RowPlan::Step made{
        step.kind, step.kind == RowStep::Kind::kFold ? TileChain() : TileChain(step.chain), step.fold, step.inputs, step.outputs, {}};
    for (const RowValue& value : step.inputs) made.input_sizes.push_back(size_of_value(value));
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
      cat(spec.rows, " rows of ", spec.n, ", ", plan.shape.rows_per_unit(), " to a unit of ", plan.shape.pages_per_unit, " pages"));
  for (size_t i = 0; i < plan.operands.size(); ++i) {
    if (!plan.streams[i].made) program.add_note(describe(plan.operands[i], plan.streams[i].cb));
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
    if (!plan.sinks[i].stays) program.add_note(describe(spec.results[i], plan.sinks[i].cb, plan.sinks[i].slot));
  }
}

void read_rows(Dataflow& k, const RowPlan& plan, const Operands& operands, size_t stream, int64_t unit) {
  const RowShape& shape = plan.shape;
  const RowStream& to = plan.streams[stream];
  if (to.per_row) return operands.read(k, stream, unit * shape.rows_per_unit(), shape.rows_in(unit), to.cb, 0);
  const int64_t pages = std::min(to.pages, shape.pages_in(unit));
  for (int64_t g = 0; g < pages; ++g) {
    operands.read(k, stream, shape.page_start(unit, g), shape.page_elements(unit, g), to.cb, static_cast<uint32_t>(g));
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

const std::byte* RowUnit::input(const RowValue& value, int64_t page) {
  switch (value.kind) {
    case Kind::kOperand:
      return k_.page(p_.streams[value.index].cb, static_cast<uint32_t>(std::min(page, p_.streams[value.index].pages - 1)));
    case Kind::kResult: return results_[value.index * static_cast<size_t>(g_) + static_cast<size_t>(page)];
    case Kind::kPages: return k_.page(p_.pages, static_cast<uint32_t>(static_cast<int64_t>(value.index) * g_ + page));
    case Kind::kElements: return k_.page(p_.elements, static_cast<uint32_t>(value.index));
  }
  return nullptr;
}

std::byte* RowUnit::output(const RowValue& value, int64_t page) {
  if (value.kind != Kind::kResult) return const_cast<std::byte*>(input(value, page));
  const RowSink& sink = p_.sinks[value.index];
  const int64_t start = sink.per_row ? unit_ * p_.shape.rows_per_unit() : p_.shape.page_start(unit_, page);
  const int64_t count = sink.per_row ? p_.shape.rows_in(unit_) : p_.shape.page_elements(unit_, page);
  std::byte* made = sink.stays ? const_cast<std::byte*>(k_.page(sink.cb, static_cast<uint32_t>(page)))
                               : k_.new_page_for(sink.cb, static_cast<uint32_t>(page), sink.slot, sink.map,
                                                 static_cast<size_t>(size_of(sink.type)), start, count);
  return results_[value.index * static_cast<size_t>(g_) + static_cast<size_t>(page)] = made;
}

bool RowUnit::has_one_per_row(const RowValue& value) const {
  return value.kind == Kind::kElements || (value.kind == Kind::kOperand && p_.streams[value.index].per_row) ||
         (value.kind == Kind::kResult && p_.sinks[value.index].per_row);
}

void RowUnit::run_pages(const RowPlan::Step& step) {
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

void RowUnit::run_elements(const RowPlan::Step& step) {
  for (size_t i = 0; i < step.inputs.size(); ++i) inputs_[i] = input(step.inputs[i], 0);
  for (size_t o = 0; o < step.outputs.size(); ++o) outputs_[o] = output(step.outputs[o], 0);
  k_.run_tiles(step.chain, inputs_.data(), outputs_.data(), static_cast<uint32_t>(p_.shape.rows_in(unit_)));
}

void RowUnit::run_fold(const RowPlan::Step& step) {
  const RowShape& shape = p_.shape;
  std::byte* results = output(step.outputs[0], 0);
  if (shape.pages_per_row == 1) {
    for (int64_t g = 0; g < shape.pages_in(unit_); ++g) {
      k_.reduce_rows(step.fold, input(step.inputs[0], g), static_cast<uint32_t>(shape.page_rows(unit_, g)), static_cast<uint32_t>(shape.n),
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

}  // namespace tt::dnn
