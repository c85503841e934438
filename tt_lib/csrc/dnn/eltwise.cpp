// One program for a chain: the reader brings each operand's pages through its map, compute runs the chain page by page, the writer
// stores each result's pages through its map. Blocks of pages are double-buffered.
#include "dnn/eltwise.hpp"

#include <algorithm>
#include <array>

#include "base/error.hpp"
#include "dnn/text.hpp"

namespace tt::dnn {
namespace {

struct Stream {
  Cb cb;
  bool uniform;  // one page serves the whole run
};

struct Sink {
  Result result;
  Slot slot;
  Cb cb;
};

struct Plan {
  int64_t elements;
  uint32_t block;  // pages per circular-buffer call
  TileChain chain;
  std::vector<Operand> operands;
  std::vector<Stream> streams;  // one per operand
  std::vector<Sink> sinks;
  bool dynamic_sinks = false;  // some map waits for an index

  int64_t page_elements(int64_t page) const {
    return std::min<int64_t>(kTileElements, elements - page * static_cast<int64_t>(kTileElements));
  }
};

struct Args {
  const Plan* plan;
  WorkRange pages;
};

Kernel eltwise_reader(Dataflow k, Args a) {
  const Plan& plan = *a.plan;
  const Operands operands(k, plan.operands);
  for (size_t s = 0; s < plan.streams.size(); ++s) {
    const Stream& stream = plan.streams[s];
    if (!stream.uniform) continue;
    co_await k.cb_reserve_back(stream.cb, 1);
    operands.read(k, s, 0, std::min<int64_t>(plan.elements, kTileElements), stream.cb, 0);
    co_await k.noc_async_read_barrier();
    k.cb_push_back(stream.cb, 1);
  }
  const int64_t end = a.pages.first + a.pages.count;
  for (int64_t page = a.pages.first; page < end; page += plan.block) {
    const auto pages = static_cast<uint32_t>(std::min<int64_t>(plan.block, end - page));
    for (size_t s = 0; s < plan.streams.size(); ++s) {
      const Stream& stream = plan.streams[s];
      if (stream.uniform) continue;
      co_await k.cb_reserve_back(stream.cb, plan.block);
      for (uint32_t i = 0; i < pages; ++i) {
        operands.read(k, s, (page + i) * static_cast<int64_t>(kTileElements), plan.page_elements(page + i), stream.cb, i);
      }
    }
    co_await k.noc_async_read_barrier();
    for (const Stream& stream : plan.streams) {
      if (!stream.uniform) k.cb_push_back(stream.cb, plan.block);
    }
  }
}

Kernel eltwise_compute(Compute k, Args a) {
  const Plan& plan = *a.plan;
  std::array<const std::byte*, kMaxEltwiseBuffers> inputs;
  std::array<std::byte*, kMaxEltwiseBuffers> outputs;
  for (const Stream& stream : plan.streams) {
    if (stream.uniform) co_await k.cb_wait_front(stream.cb, 1);
  }
  const int64_t end = a.pages.first + a.pages.count;
  for (int64_t page = a.pages.first; page < end; page += plan.block) {
    const auto pages = static_cast<uint32_t>(std::min<int64_t>(plan.block, end - page));
    for (const Stream& stream : plan.streams) {
      if (!stream.uniform) co_await k.cb_wait_front(stream.cb, plan.block);
    }
    for (const Sink& sink : plan.sinks) co_await k.cb_reserve_back(sink.cb, plan.block);
    co_await k.tile_regs_acquire();
    for (uint32_t i = 0; i < pages; ++i) {
      for (size_t s = 0; s < plan.streams.size(); ++s) inputs[s] = k.page(plan.streams[s].cb, plan.streams[s].uniform ? 0 : i);
      for (size_t s = 0; s < plan.sinks.size(); ++s) {
        const Sink& sink = plan.sinks[s];
        outputs[s] = plan.dynamic_sinks
                         ? k.new_page(sink.cb, i)
                         : k.new_page_for(sink.cb, i, sink.slot, sink.result.map, static_cast<size_t>(size_of(sink.result.type)),
                                          (page + i) * static_cast<int64_t>(kTileElements), plan.page_elements(page + i));
      }
      k.run_tiles(plan.chain, inputs.data(), outputs.data(), static_cast<uint32_t>(plan.page_elements(page + i)));
    }
    k.tile_regs_release();
    for (const Sink& sink : plan.sinks) k.cb_push_back(sink.cb, plan.block);
    for (const Stream& stream : plan.streams) {
      if (!stream.uniform) k.cb_pop_front(stream.cb, plan.block);
    }
  }
}

Kernel eltwise_writer(Dataflow k, Args a) {
  const Plan& plan = *a.plan;
  std::vector<AccessMap> moved;
  for (const Sink& sink : plan.sinks) {
    if (!plan.dynamic_sinks) break;
    moved.push_back(sink.result.map);
    moved.back().offset = resolve_offset(k, sink.result.map, sink.result.indices);
  }
  const int64_t end = a.pages.first + a.pages.count;
  for (int64_t page = a.pages.first; page < end; page += plan.block) {
    const auto pages = static_cast<uint32_t>(std::min<int64_t>(plan.block, end - page));
    for (size_t s = 0; s < plan.sinks.size(); ++s) {
      const Sink& sink = plan.sinks[s];
      co_await k.cb_wait_front(sink.cb, plan.block);
      for (uint32_t i = 0; i < pages; ++i) {
        k.noc_async_write_mapped(sink.cb, i, sink.slot, plan.dynamic_sinks ? moved[s] : sink.result.map,
                                 static_cast<size_t>(size_of(sink.result.type)), (page + i) * static_cast<int64_t>(kTileElements),
                                 plan.page_elements(page + i));
      }
      co_await k.noc_async_write_barrier();
      k.cb_pop_front(sink.cb, plan.block);
    }
  }
}

uint32_t choose_block(const EltwiseSpec& spec, const ChipSpec& chip) {
  int64_t per_page = 0;
  for (const Operand& operand : spec.operands) per_page += static_cast<int64_t>(kTileElements) * size_of(operand.type);
  for (const Result& result : spec.results) per_page += static_cast<int64_t>(kTileElements) * size_of(result.type);
  for (uint32_t block : {4u, 2u}) {
    if (2 * block * per_page <= chip.l1_usable) return block;
  }
  return 1;
}

}  // namespace

Program eltwise(const EltwiseSpec& spec, const ChipSpec& chip) {
  check(spec.operands.size() == spec.chain.inputs.size() && spec.results.size() == spec.chain.outputs.size(), "[", spec.name,
        "] the chain's inputs and outputs differ from the operands and results");
  check(spec.operands.size() + spec.results.size() <= kMaxEltwiseBuffers, "[", spec.name, "] ", spec.operands.size(), " operands and ",
        spec.results.size(), " results exceed ", kMaxEltwiseBuffers);
  Program program(spec.name);
  for (size_t i = 0; i < spec.input_bytes.size(); ++i) program.add_input(cat("in", i), spec.input_bytes[i]);
  for (size_t i = 0; i < spec.output_bytes.size(); ++i) program.add_output(cat("out", i), spec.output_bytes[i]);

  const int64_t pages = div_up(spec.elements, static_cast<int64_t>(kTileElements));
  constexpr size_t kLongChain = 8;  // operations on a page that are worth a core
  const std::vector<WorkRange> ranges = split_work(pages, spec.chain.ops.size() >= kLongChain ? 1 : 2, num_compute_cores(chip));
  Plan plan{spec.elements, pages <= 2 ? 1 : choose_block(spec, chip), TileChain(spec.chain), spec.operands, {}, {}};
  for (const Result& result : spec.results) plan.dynamic_sinks |= !result.indices.empty();
  for (size_t i = 0; i < spec.operands.size(); ++i) {
    Operand& operand = plan.operands[i];
    operand.map = operand.map.coalesced();
    const bool uniform = is_uniform(operand);
    const auto page_bytes = static_cast<uint32_t>(static_cast<int64_t>(kTileElements) * size_of(operand.type));
    plan.streams.push_back({program.add_circular_buffer(uniform ? 1 : 2 * plan.block, page_bytes, cat("in", i)), uniform});
    program.add_note(describe(operand, plan.streams.back().cb));
  }
  for (size_t i = 0; i < spec.results.size(); ++i) {
    Sink sink{spec.results[i], static_cast<Slot>(spec.input_bytes.size() + spec.results[i].buffer), 0};
    sink.result.map = sink.result.map.coalesced();
    sink.cb = program.add_circular_buffer(
        2 * plan.block, static_cast<uint32_t>(static_cast<int64_t>(kTileElements) * size_of(sink.result.type)), cat("out", i));
    plan.sinks.push_back(std::move(sink));
  }
  for (const std::string& line : lines(emulator::to_string(spec.chain))) program.add_note(line);
  for (const Sink& sink : plan.sinks) program.add_note(describe(sink.result, sink.cb, sink.slot));

  const Plan* kept = program.keep(std::move(plan));
  std::vector<Args> args;
  for (const WorkRange& range : ranges) args.push_back({kept, range});
  program.set_cores(metal::first_cores(chip, ranges.size()));
  program.add_kernel<Dataflow, Args>(Role::kReader, "eltwise_reader", eltwise_reader, args);
  program.add_kernel<Compute, Args>(Role::kCompute, "eltwise_compute", eltwise_compute, args);
  program.add_kernel<Dataflow, Args>(Role::kWriter, "eltwise_writer", eltwise_writer, args);
  program.flops = static_cast<double>(spec.elements) * static_cast<double>(spec.chain.ops.size());
  program.validate(chip);
  return program;
}

}  // namespace tt::dnn
