// From a reduction's plan to its program.
#include "dnn/reduce.hpp"

#include <algorithm>

#include "base/error.hpp"
#include "dnn/reduce_kernels.hpp"

namespace tt::dnn {
namespace {

// The last cores join the parts, one unit each: they have no more parts of their own than others.
void assign_joins(const ReducePlan& plan, const std::vector<emulator::CoreCoord>& cores, std::vector<ReduceArgs>& args) {
  const ReduceLayout &parts = plan.stages[0].layout, &joins = plan.stages[1].layout;
  const auto joining = [&](int64_t unit) -> size_t { return cores.size() - 1 - static_cast<size_t>(unit); };
  for (int64_t unit = 0; unit < joins.units; ++unit) args[joining(unit)].units[1] = {unit, 1};
  for (ReduceArgs& sender : args) {
    for (int64_t index = sender.units[0].first; index < sender.units[0].first + sender.units[0].count; ++index) {
      const ReduceLayout::Unit unit = parts.unit(index);
      for (int64_t done = 0; done < unit.results();) {
        const ReduceLayout::Place place = joins.place(parts.first_result(unit) + done);
        const emulator::CoreCoord target = cores[joining(place.unit)];
        done += place.run;
        if (std::find(sender.targets.begin(), sender.targets.end(), target) != sender.targets.end()) continue;
        sender.targets.push_back(target);
        ++args[joining(place.unit)].senders;
      }
    }
  }
}

// The first cores of the grid, row by row: full rows and the rest of one.
void assign_grid(ReducePlan& plan, const std::vector<emulator::CoreCoord>& cores, const ChipSpec& chip) {
  const auto width = static_cast<size_t>(chip.compute_grid.x), full = cores.size() / width * width;
  if (full > 0) plan.grid.emplace_back(cores[0], cores[full - 1]);
  if (full < cores.size()) plan.grid.emplace_back(cores[full], cores.back());
}

double flops_of(const ReduceSpec& spec) {
  const double results = static_cast<double>(spec.outer) * static_cast<double>(spec.inner),
               elements = results * static_cast<double>(spec.reduced);
  double flops = 0;
  for (const ReduceRound& round : spec.rounds) {
    flops += elements * static_cast<double>(round.combine.ops.size() + round.prologue.ops.size()) +
             results * static_cast<double>(round.epilogue.ops.size());
  }
  return flops;
}

bool has_too_many_values(const ReduceSpec& spec) {
  return std::any_of(spec.rounds.begin(), spec.rounds.end(),
                     [](const ReduceRound& round) { return round.combine.outputs.size() > kMaxReducedValues; });
}

}  // namespace

int64_t reduce_parts(int64_t outer, int64_t reduced, int64_t inner) {
  constexpr int64_t kWorthwhile = 1 << 16, kEnough = 16, kFewest = 8, kMost = 64;
  constexpr int64_t kCores = 88;  // of the smaller card: sums have the same order on all of them
  const int64_t units = outer * div_up(inner, static_cast<int64_t>(kTileElements));
  if (units >= kEnough || outer * reduced * inner < kWorthwhile) return 1;
  // Pages that the most loaded core goes through, in the program of the parts and in the one that joins them.
  const int64_t rows = std::max<int64_t>(static_cast<int64_t>(kTileElements) / inner, 1);
  const auto pages = [&](int64_t parts) {
    return div_up(units * parts, kCores) * div_up(reduced / parts, rows) + div_up(units, kCores) * div_up(parts, rows);
  };
  int64_t best = 1;
  for (int64_t parts = kMost; parts >= kFewest; --parts) {
    if (reduced % parts == 0 && (best == 1 || pages(parts) < pages(best))) best = parts;
  }
  return best;
}

bool has_rounds(int64_t outer, int64_t reduced, int64_t inner, int64_t parts) {
  return ReduceLayout(outer * parts, reduced / parts, inner).batch == 1 && (parts == 1 || ReduceLayout(outer, parts, inner).batch == 1);
}

bool fits(const ReduceSpec& spec, const ChipSpec& chip) {
  if (has_too_many_values(spec)) return false;
  Program program(spec.name);
  ReducePlan plan = plan_reduction(spec);
  return plan_buffers(plan, spec, chip, program) && program.l1_bytes() <= chip.l1_usable;
}

bool stays_in_l1(const ReduceSpec& spec, const ChipSpec& chip) {
  Program program(spec.name);
  ReducePlan plan = plan_reduction(spec);
  plan_buffers(plan, spec, chip, program);
  const auto makes = [](const ReduceRoundPlan& round) {
    return std::find(round.stays.begin(), round.stays.end(), true) != round.stays.end();
  };
  return std::any_of(plan.streams.begin(), plan.streams.end(), [](const ReduceStream& stream) { return stream.stays; }) ||
         std::any_of(plan.rounds.begin(), plan.rounds.end(), makes);
}

Program reduce(const ReduceSpec& spec, const ChipSpec& chip) {
  check(!has_too_many_values(spec) && spec.rounds[0].reduces() && spec.reduced > 0 && spec.reduced % spec.parts == 0, "[", spec.name,
        "] more than ", kMaxReducedValues, " values, or ", spec.rounds[0].combine.outputs.size(), " over ", spec.reduced, " rows in ",
        spec.parts, " parts");
  Program program(spec.name);
  for (size_t i = 0; i < spec.input_bytes.size(); ++i) program.add_input(cat("in", i), spec.input_bytes[i]);
  for (size_t i = 0; i < spec.output_bytes.size(); ++i) program.add_output(cat("out", i), spec.output_bytes[i]);
  ReducePlan plan = plan_reduction(spec);
  check(plan_buffers(plan, spec, chip, program), "[", spec.name, "] more circular buffers than the ", chip.num_circular_buffers,
        " of a core");
  prepare_rounds(plan, spec);
  add_notes(spec, plan, program);

  std::vector<ReduceArgs> args;
  const ReduceLayout& layout = plan.stages[0].layout;
  for (const WorkRange& range : split_work(layout.units, 1, num_compute_cores(chip))) args.push_back({nullptr, {{range, {0, 0}}}});
  const std::vector<emulator::CoreCoord> cores = metal::first_cores(chip, args.size());
  assign_grid(plan, cores, chip);
  if (plan.in_parts()) {
    const auto joins = static_cast<size_t>(plan.stages[1].layout.units);
    check(joins <= cores.size(), "[", spec.name, "] ", joins, " cores to join what ", cores.size(), " reduce");
    plan.joining.assign(cores.rbegin(), cores.rbegin() + static_cast<ptrdiff_t>(joins));
    assign_joins(plan, cores, args);
  }
  const ReducePlan* kept = program.keep(std::move(plan));
  for (ReduceArgs& each : args) each.plan = kept;
  program.set_cores(cores);
  const bool waits = std::any_of(kept->rounds.begin(), kept->rounds.end(), [](const ReduceRoundPlan& round) { return round.waits; });
  if (kept->in_parts() && !waits) program.set_receivers(kept->joining);  // nobody else hears of anything
  program.add_kernel<Dataflow, ReduceArgs>(Role::kReader, "reduce_reader", reduce_reader, args);
  program.add_kernel<Compute, ReduceArgs>(Role::kCompute, "reduce_compute", reduce_compute, args);
  program.add_kernel<Dataflow, ReduceArgs>(Role::kWriter, "reduce_writer", reduce_writer, args);
  program.flops = flops_of(spec);
  program.set_repeatable();
  program.validate(chip);
  return program;
}

}  // namespace tt::dnn
