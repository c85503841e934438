// From the sizes of a reduction to its plan and its program.
#include "dnn/reduce.hpp"

#include <algorithm>

#include "base/error.hpp"
#include "dnn/chain_builder.hpp"
#include "dnn/reduce_kernels.hpp"
#include "dnn/row_fold.hpp"
#include "dnn/text.hpp"

namespace tt::dnn {
namespace {

constexpr int64_t kPage = static_cast<int64_t>(kTileElements);
constexpr int64_t kMostPages = 4;  // per hand-over

uint32_t page_bytes(DataType type) { return static_cast<uint32_t>(kPage * size_of(type)); }

bool passes_on(const TileProgram& chain) {
  if (!chain.ops.empty() || chain.inputs.size() != chain.outputs.size()) return false;
  for (size_t i = 0; i < chain.outputs.size(); ++i) {
    if (chain.outputs[i].reg != i || chain.outputs[i].type != chain.inputs[i]) return false;
  }
  return true;
}

// k accumulators, then operands -> k accumulators.
TileProgram step_of(const TileProgram& prologue, const TileProgram& combine) {
  ChainBuilder chain;
  std::vector<uint16_t> values, operands;
  for (size_t v = 0; v < combine.outputs.size(); ++v) values.push_back(chain.input(combine.inputs[v]));
  for (const DataType type : prologue.inputs) operands.push_back(chain.input(type));
  for (const uint16_t value : chain.append(prologue, operands)) values.push_back(value);
  const std::vector<uint16_t> sums = chain.append(combine, values);
  for (size_t v = 0; v < sums.size(); ++v) chain.output(sums[v], combine.outputs[v].type);
  return chain.finish();
}

ReducePlan plan_of(const ReduceSpec& spec) {
  ReducePlan plan;
  plan.spec = spec;
  plan.prologue = TileChain(spec.prologue);
  plan.combine = TileChain(spec.combine);
  plan.step = TileChain(step_of(spec.prologue, spec.combine));
  plan.identity = passes_on(spec.prologue);
  if (!spec.epilogue.outputs.empty()) plan.epilogue = TileChain(spec.epilogue);
  for (size_t v = 0; v < plan.k(); ++v) {
    const auto fold = row_fold_opcode(spec.combine, v);
    if (fold) plan.row_folds.push_back(*fold);
  }
  if (plan.row_folds.size() != plan.k()) plan.row_folds.clear();
  plan.stages.push_back({ReduceLayout(spec.outer * spec.parts, spec.reduced / spec.parts, spec.inner), {}, {}});
  if (spec.parts == 1) return plan;
  plan.stages[0].sends = true;
  plan.stages.push_back({ReduceLayout(spec.outer, spec.parts, spec.inner), {}, {}});
  plan.stages[1].received = true;
  plan.stages[1].block = static_cast<uint32_t>(plan.stages[1].layout.pages_per_unit());
  return plan;
}

void add_operands(ReducePlan& plan, const ChipSpec& chip, Program& program) {
  ReduceStage& stage = plan.stages[0];
  int64_t operand_bytes = 1;  // of a reduction of constants
  for (Operand& operand : plan.spec.operands) {
    operand.map = operand.map.coalesced();
    const int64_t period = period_of(operand);
    plan.repeats.push_back(period <= kPage && stage.layout.starts_pages_at_multiples_of(period));
    if (!plan.repeats.back()) operand_bytes += page_bytes(operand.type);
  }
  stage.block = static_cast<uint32_t>(
      std::clamp<int64_t>(chip.l1_usable / 4 / operand_bytes, 1, std::min(kMostPages, stage.layout.pages_per_unit())));
  for (size_t i = 0; i < plan.spec.operands.size(); ++i) {
    stage.in.push_back(
        program.add_circular_buffer(plan.repeats[i] ? 1 : 2 * stage.block, page_bytes(plan.spec.operands[i].type), cat("in", i)));
  }
}

void add_buffers(ReducePlan& plan, const ChipSpec& chip, Program& program) {
  const ReduceSpec& spec = plan.spec;
  const auto k = static_cast<uint32_t>(plan.k());
  add_operands(plan, chip, program);
  if (plan.stages.size() > 1) {
    for (size_t v = 0; v < k; ++v) {
      const uint32_t bytes = page_bytes(spec.combine.outputs[v].type);
      plan.stages[0].out.push_back(program.add_circular_buffer(2, bytes, cat("part", v)));
      plan.stages[1].in.push_back(program.add_circular_buffer(plan.stages[1].block, bytes, cat("parts", v)));
    }
    plan.arrived = program.add_semaphore(0);
  }
  for (size_t e = 0; e < spec.extras.size(); ++e) {
    plan.spec.extras[e].map = plan.spec.extras[e].map.coalesced();
    plan.extra.push_back(program.add_circular_buffer(1, page_bytes(spec.extras[e].type), cat("extra", e)));
  }
  for (size_t o = 0; o < spec.results.size(); ++o) {
    plan.spec.results[o].map = plan.spec.results[o].map.coalesced();
    plan.stages.back().out.push_back(program.add_circular_buffer(2, page_bytes(spec.results[o].type), cat("out", o)));
  }
  uint32_t widest = 0;
  for (size_t v = 0; v < k; ++v) widest = std::max(widest, page_bytes(spec.combine.inputs[v]));
  plan.value = program.add_circular_buffer(k, widest, "values");
  plan.accumulator = program.add_circular_buffer(k, widest, "accumulators");
  plan.spare = program.add_circular_buffer(k, widest, "halves");
}

void add_notes(const ReducePlan& plan, Program& program) {
  const ReduceSpec& spec = plan.spec;
  const auto add_chain = [&](const TileProgram& chain) {
    for (const std::string& line : lines(emulator::to_string(chain))) program.add_note("  " + line);
  };
  for (size_t i = 0; i < spec.operands.size(); ++i) program.add_note(describe(spec.operands[i], plan.stages[0].in[i]));
  if (!plan.identity) {
    program.add_note("prologue");
    add_chain(spec.prologue);
  }
  program.add_note(cat("combine ", spec.reduced, " rows of ", spec.inner, " for ", spec.outer,
                       spec.parts > 1 ? cat(", in ", spec.parts, " parts") : std::string()));
  add_chain(spec.combine);
  for (size_t e = 0; e < spec.extras.size(); ++e) program.add_note(describe(spec.extras[e], plan.extra[e]));
  if (!spec.epilogue.outputs.empty()) {
    program.add_note("epilogue");
    add_chain(spec.epilogue);
  }
  for (size_t o = 0; o < spec.results.size(); ++o) {
    program.add_note(
        describe(spec.results[o], plan.stages.back().out[o], static_cast<Slot>(spec.input_bytes.size() + spec.results[o].buffer)));
  }
}

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

bool fits(const ReduceSpec& spec, const ChipSpec& chip) {
  Program program(spec.name);
  const size_t buffers =
      spec.operands.size() + spec.extras.size() + spec.results.size() + (spec.parts > 1 ? 2 : 0) * spec.combine.outputs.size() + 3;
  if (spec.combine.outputs.size() > kMaxReducedValues || buffers > static_cast<size_t>(chip.num_circular_buffers)) return false;
  ReducePlan plan = plan_of(spec);
  add_buffers(plan, chip, program);
  return program.l1_bytes() <= chip.l1_usable;
}

Program reduce(const ReduceSpec& spec, const ChipSpec& chip) {
  const size_t k = spec.combine.outputs.size();
  check(k >= 1 && k <= kMaxReducedValues && spec.reduced > 0 && spec.reduced % spec.parts == 0, "[", spec.name, "] ", k, " values over ",
        spec.reduced, " rows in ", spec.parts, " parts");
  Program program(spec.name);
  for (size_t i = 0; i < spec.input_bytes.size(); ++i) program.add_input(cat("in", i), spec.input_bytes[i]);
  for (size_t i = 0; i < spec.output_bytes.size(); ++i) program.add_output(cat("out", i), spec.output_bytes[i]);
  ReducePlan plan = plan_of(spec);
  add_buffers(plan, chip, program);
  add_notes(plan, program);

  std::vector<ReduceArgs> args;
  const ReduceLayout& layout = plan.stages[0].layout;
  for (const WorkRange& range : split_work(layout.units, 1, num_compute_cores(chip))) args.push_back({nullptr, {{range, {0, 0}}}});
  const std::vector<emulator::CoreCoord> cores = metal::first_cores(chip, args.size());
  if (spec.parts > 1) {
    const auto joins = static_cast<size_t>(plan.stages[1].layout.units);
    check(joins <= cores.size(), "[", spec.name, "] ", joins, " cores to join what ", cores.size(), " reduce");
    plan.joining.assign(cores.rbegin(), cores.rbegin() + static_cast<ptrdiff_t>(joins));
    assign_joins(plan, cores, args);
  }
  const ReducePlan* kept = program.keep(std::move(plan));
  for (ReduceArgs& each : args) each.plan = kept;
  program.set_cores(cores);
  program.add_kernel<Dataflow, ReduceArgs>(Role::kReader, "reduce_reader", reduce_reader, args);
  program.add_kernel<Compute, ReduceArgs>(Role::kCompute, "reduce_compute", reduce_compute, args);
  program.add_kernel<Dataflow, ReduceArgs>(Role::kWriter, "reduce_writer", reduce_writer, args);
  program.flops = static_cast<double>(spec.outer) * static_cast<double>(spec.reduced * spec.inner) *
                      static_cast<double>(spec.combine.ops.size() + spec.prologue.ops.size()) +
                  static_cast<double>(spec.outer * spec.inner) * static_cast<double>(spec.epilogue.ops.size());
  program.validate(chip);
  return program;
}

}  // namespace tt::dnn
