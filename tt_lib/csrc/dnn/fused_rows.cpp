// The kernels of a program over rows: the reader brings the rows of a unit, compute takes the steps on them, the writer stores the results.
#include "dnn/fused_rows.hpp"

#include <algorithm>

#include "base/error.hpp"
#include "dnn/row_plan.hpp"

namespace tt::dnn {
namespace {

constexpr int64_t kMaxPagesPerUnit = 8;    // of short rows
constexpr int64_t kHostCache = 192 << 10;  // what a unit of several pages should touch

struct Args {
  const RowPlan* plan;
  WorkRange units;
};
void join(Args& own, const Args& last) { own.units.join(last.units); }

Kernel rows_reader(Dataflow k, Args a) {
  const RowPlan& p = *a.plan;
  const Operands operands(k, p.operands);
  for (size_t s = 0; s < p.streams.size(); ++s) {
    if (!p.streams[s].stationary) continue;
    co_await k.cb_reserve_back(p.streams[s].at.cb, p.streams[s].pages);
    read_rows(k, p, operands, s, a.units.first);
    co_await k.noc_async_read_barrier();
    k.cb_push_back(p.streams[s].at.cb, p.streams[s].pages);
  }
  for (int64_t unit = a.units.first; unit < a.units.first + a.units.count; ++unit) {
    for (size_t s = 0; s < p.streams.size(); ++s) {
      if (p.streams[s].stationary) continue;
      co_await k.cb_reserve_back(p.streams[s].at.cb, p.streams[s].pages);
      read_rows(k, p, operands, s, unit);
    }
    co_await k.noc_async_read_barrier();
    for (const RowStream& stream : p.streams) {
      if (!stream.stationary) k.cb_push_back(stream.at.cb, stream.pages);
    }
  }
}

Kernel rows_compute(Compute k, Args a) {
  const RowPlan& p = *a.plan;
  for (const auto& [cb, count] : p.resident) {
    co_await k.cb_reserve_back(cb, count);
    for (uint32_t i = 0; i < count && k.values(); ++i) k.new_page(cb, i);
    k.cb_push_back(cb, count);
  }
  for (const RowStream& stream : p.streams) {
    if (stream.stationary) co_await k.cb_wait_front(stream.at.cb, stream.pages);
  }
  RowUnit work(k, p);
  for (int64_t unit = a.units.first; unit < a.units.first + a.units.count; ++unit) {
    for (const RowStream& stream : p.streams) {
      if (!stream.stationary) co_await k.cb_wait_front(stream.at.cb, stream.pages);
    }
    for (const RowSink& sink : p.sinks) co_await k.cb_reserve_back(sink.at.cb, sink.pages);
    work.run(unit);
    for (const RowSink& sink : p.sinks) k.cb_push_back(sink.at.cb, sink.pages);
    for (const RowStream& stream : p.streams) {
      if (!stream.stationary) k.cb_pop_front(stream.at.cb, stream.pages);
    }
  }
}

Kernel rows_writer(Dataflow k, Args a) {
  const RowPlan& p = *a.plan;
  for (int64_t unit = a.units.first; unit < a.units.first + a.units.count; ++unit) {
    for (const RowSink& sink : p.sinks) {
      co_await k.cb_wait_front(sink.at.cb, sink.pages);
      write_rows(k, p, sink, unit);
      co_await k.noc_async_write_barrier();
      k.cb_pop_front(sink.at.cb, sink.pages);
    }
  }
}

RowShape choose_shape(const RowSpec& spec, const ChipSpec& chip) {
  RowShape shape = shape_of_rows(spec.rows, spec.n);
  if (shape.pages_per_row > 1) return shape;
  for (int64_t pages = kMaxPagesPerUnit; pages > 1; pages /= 2) {
    shape.rows_per_unit = pages * shape.rows_per_page;
    if (shape.rows_per_unit > static_cast<int64_t>(kTileElements)) continue;  // what a row has once fills a page at the most
    if (row_l1_bytes(spec, shape, 1) <= kHostCache && shape.units() >= num_compute_cores(chip)) return shape;
  }
  shape.rows_per_unit = shape.rows_per_page;
  return shape;
}

}  // namespace

bool fits(const RowSpec& spec, const ChipSpec& chip) {
  if (spec.operands.size() + spec.results.size() > kMaxRowBuffers) return false;
  for (const RowStep& step : spec.steps) {
    if (step.inputs.size() > kMaxRowInputs) return false;
  }
  return row_l1_bytes(spec, choose_shape(spec, chip), 1) <= chip.l1_usable;
}

Program fused_rows(const RowSpec& spec, const ChipSpec& chip) {
  check(fits(spec, chip), "[", spec.name, "] ", spec.rows, " rows of ", spec.n, " do not fit L1");
  Program program(spec.name);
  for (size_t i = 0; i < spec.input_bytes.size(); ++i) program.add_input(cat("in", i), spec.input_bytes[i]);
  for (size_t i = 0; i < spec.output_bytes.size(); ++i) program.add_output(cat("out", i), spec.output_bytes[i]);
  const RowShape shape = choose_shape(spec, chip);
  RowPlan plan = plan_rows(spec, shape, row_l1_bytes(spec, shape, 2) <= chip.l1_usable ? 2 : 1, 0, program);
  program.flops = plan.flops;
  add_row_notes(spec, plan, program);

  const std::vector<WorkRange> ranges = split_work(shape.units(), 1, num_compute_cores(chip));
  const RowPlan* kept = program.keep(std::move(plan));
  std::vector<Args> args;
  for (const WorkRange& range : ranges) args.push_back({kept, range});
  program.set_cores(metal::first_cores(chip, ranges.size()));
  program.add_kernel<Dataflow, Args>(Role::kReader, "rows_reader", rows_reader, args);
  program.add_kernel<Compute, Args>(Role::kCompute, "rows_compute", rows_compute, args);
  program.add_kernel<Dataflow, Args>(Role::kWriter, "rows_writer", rows_writer, args);
  program.set_repeatable();
  program.validate(chip);
  return program;
}

}  // namespace tt::dnn
