// Each core takes pages of lanes: the reader brings them step by step, compute combines each with the page before, the writer stores it.
#include "dnn/scan.hpp"

#include <algorithm>

#include "base/error.hpp"
#include "dnn/text.hpp"
#include "emulator/cycles.hpp"

namespace tt::dnn {
namespace {

struct Plan {
  int64_t length, lanes;
  int64_t width;   // lanes of a page
  uint32_t block;  // steps per circular-buffer call
  std::vector<Operand> operands;
  TileChain combine;
  Result result;
  Slot out_slot;
  Cb in = 0, carry = 0, out = 0;
  bool turned_in = false, turned_out = false;  // steps follow each other in memory: blocks are transposed

  int64_t lanes_of(int64_t page) const { return std::min(width, lanes - page * width); }
  // transpose_wh_tile of a block's tiles, in cycles.
  uint64_t transposing(int64_t step) const {
    const int64_t tiles = div_up(steps_from(step) * width, static_cast<int64_t>(kTileElements));
    return static_cast<uint64_t>((turned_in + turned_out) * static_cast<double>(tiles) * emulator::cycles::kTransposeTile);
  }
  Dataflow::TurnedBlock block_at(int64_t step, int64_t page) const {
    return {step, static_cast<int64_t>(steps_from(step)), page * width, lanes_of(page)};
  }
  uint32_t steps_from(int64_t step) const { return static_cast<uint32_t>(std::min<int64_t>(block, length - step)); }
};

struct Args {
  const Plan* plan;
  WorkRange pages;
};

Kernel scan_reader(Dataflow k, Args a) {
  const Plan& p = *a.plan;
  const Operands operands(k, p.operands);
  const auto element = static_cast<size_t>(size_of(p.result.type));
  for (int64_t page = a.pages.first; page < a.pages.first + a.pages.count; ++page) {
    for (int64_t step = 0; step < p.length; step += p.block) {
      co_await k.cb_reserve_back(p.in, p.block);
      if (p.turned_in) {
        k.noc_async_read_turned(operands.slot(0), operands.map(0), element, p.block_at(step, page), p.in);
      } else {
        for (uint32_t i = 0; i < p.steps_from(step); ++i) {
          operands.read(k, 0, (step + i) * p.lanes + page * p.width, p.lanes_of(page), p.in, i);
        }
      }
      co_await k.noc_async_read_barrier();
      k.cb_push_back(p.in, p.block);
    }
  }
}

Kernel scan_compute(Compute k, Args a) {
  const Plan& p = *a.plan;
  const auto element = static_cast<size_t>(size_of(p.result.type));
  co_await k.cb_reserve_back(p.carry, 1);
  std::byte* carry = k.values() ? k.new_page(p.carry, 0) : nullptr;
  k.cb_push_back(p.carry, 1);
  for (int64_t page = a.pages.first; page < a.pages.first + a.pages.count; ++page) {
    const auto lanes = static_cast<uint32_t>(p.lanes_of(page));
    for (int64_t step = 0; step < p.length; step += p.block) {
      co_await k.cb_wait_front(p.in, p.block);
      co_await k.cb_reserve_back(p.out, p.block);
      co_await k.tile_regs_acquire();
      const std::byte* before = carry;
      for (uint32_t i = 0; i < p.steps_from(step); ++i) {
        const std::byte* x = k.values() ? k.page(p.in, i) : nullptr;
        std::byte* sum = k.values() ? k.new_page(p.out, i) : nullptr;
        if (step + i > 0) {
          const std::byte* inputs[2] = {before, x};
          k.run_tiles(p.combine, inputs, &sum, lanes);
        } else if (sum != nullptr) {
          k.copy(x, sum, lanes * element);
        }
        before = sum;
      }
      if (carry != nullptr) k.copy(before, carry, lanes * element);
      if (!k.values()) k.charge(p.transposing(step));
      k.tile_regs_release();
      k.cb_push_back(p.out, p.block);
      k.cb_pop_front(p.in, p.block);
    }
  }
}

Kernel scan_writer(Dataflow k, Args a) {
  const Plan& p = *a.plan;
  const auto element = static_cast<size_t>(size_of(p.result.type));
  for (int64_t page = a.pages.first; page < a.pages.first + a.pages.count; ++page) {
    for (int64_t step = 0; step < p.length; step += p.block) {
      co_await k.cb_wait_front(p.out, p.block);
      if (p.turned_out) {
        k.noc_async_write_turned(p.out, p.out_slot, p.result.map, element, p.block_at(step, page));
      } else {
        for (uint32_t i = 0; i < p.steps_from(step); ++i) {
          k.noc_async_write_mapped(p.out, i, p.out_slot, p.result.map, element, (step + i) * p.lanes + page * p.width, p.lanes_of(page));
        }
      }
      co_await k.noc_async_write_barrier();
      k.cb_pop_front(p.out, p.block);
    }
  }
}

}  // namespace

Program scan(const ScanSpec& spec, const ChipSpec& chip) {
  const DataType type = spec.operand.type;
  check(
      spec.length > 0 && spec.lanes > 0 && spec.combine.inputs.size() == 2 && spec.combine.outputs.size() == 1 && spec.result.type == type,
      "[", spec.name, "] ", spec.length, " steps of ", spec.lanes, " lanes, ", spec.combine.inputs.size(), " inputs to the combination");
  Program program(spec.name);
  for (size_t i = 0; i < spec.input_bytes.size(); ++i) program.add_input(cat("in", i), spec.input_bytes[i]);
  program.add_output("out", spec.output_bytes);

  constexpr int64_t kMinWidth = 256, kSteps = 16;  // lanes of a page, steps of a block
  const int64_t page_elements = static_cast<int64_t>(kTileElements);
  const int64_t width = std::clamp(round_up(div_up(spec.lanes, num_compute_cores(chip)), kMinWidth), kMinWidth, page_elements);
  Plan plan{spec.length,    spec.lanes,
            width,          static_cast<uint32_t>(std::min(kSteps, spec.length)),
            {spec.operand}, TileChain(spec.combine),
            spec.result,    static_cast<Slot>(spec.input_bytes.size())};
  plan.operands[0].map = spec.operand.map.coalesced();
  plan.result.map = spec.result.map.coalesced();
  const auto is_turned = [](const AccessMap& map) { return map.dims.size() == 2 && map.turned().has_value(); };
  plan.turned_in = spec.operand.buffer != kNoBuffer && is_turned(plan.operands[0].map);
  plan.turned_out = is_turned(plan.result.map);
  const auto page_bytes = static_cast<uint32_t>(page_elements * size_of(type));
  plan.in = program.add_circular_buffer(2 * plan.block, page_bytes, "in");
  plan.carry = program.add_circular_buffer(1, page_bytes, "carry");
  plan.out = program.add_circular_buffer(2 * plan.block, page_bytes, "out");
  program.add_note(cat(spec.length, " steps, ", spec.lanes, " lanes"));
  program.add_note(describe(plan.operands[0], plan.in));
  for (const std::string& line : lines(emulator::to_string(spec.combine))) program.add_note(line);
  program.add_note(describe(plan.result, plan.out, plan.out_slot));
  program.flops = static_cast<double>(spec.length) * static_cast<double>(spec.lanes) * static_cast<double>(spec.combine.ops.size());

  const std::vector<WorkRange> ranges = split_work(div_up(spec.lanes, width), 1, num_compute_cores(chip));
  const Plan* kept = program.keep(std::move(plan));
  std::vector<Args> args;
  for (const WorkRange& range : ranges) args.push_back({kept, range});
  program.set_cores(metal::first_cores(chip, ranges.size()));
  program.add_kernel<Dataflow, Args>(Role::kReader, "scan_reader", scan_reader, args);
  program.add_kernel<Compute, Args>(Role::kCompute, "scan_compute", scan_compute, args);
  program.add_kernel<Dataflow, Args>(Role::kWriter, "scan_writer", scan_writer, args);
  program.set_repeatable();
  program.validate(chip);
  return program;
}

}  // namespace tt::dnn
