// One program for a chain: the reader brings each operand's pages through its map, compute runs the chain page by page, the writer
// stores each result's pages through its map. Blocks of pages are double-buffered.
#include "dnn/eltwise.hpp"

#include <algorithm>
#include <array>

#include "base/error.hpp"
#include "dnn/text.hpp"
#include "dnn/turned_space.hpp"
#include "emulator/cycles.hpp"

namespace tt::dnn {
namespace {

constexpr int64_t kPage = static_cast<int64_t>(kTileElements);

struct Stream {
  Cb cb;
  bool repeats;  // one page serves a whole part
};

struct Sink {
  Result result;
  Slot slot;
};

struct Part {
  int64_t elements;
  int64_t first_page;  // among those of all parts
  std::vector<Operand> operands;
  std::vector<Sink> sinks;
  uint32_t turned = 0;              // operands and results whose pages are transposed
  std::vector<uint32_t> runs = {};  // one per operand if any is taken run by run, else none; 0: page by page

  int64_t pages() const { return div_up(elements, kPage); }
  int64_t page_elements(int64_t page) const { return std::min<int64_t>(kPage, elements - page * kPage); }
};

struct Plan {
  uint32_t block;  // pages per circular-buffer call
  TileChain chain;
  std::vector<Part> parts;
  std::vector<Stream> streams;  // one per operand
  std::vector<Cb> sink_cbs;     // one per result
  bool dynamic_sinks = false;   // some map waits for an index
};

struct Args {
  const Plan* plan;
  WorkRange pages;
};
void join(Args& own, const Args& last) { own.pages.join(last.pages); }

// The pages of one part that a core has.
struct Piece {
  const Part* part;
  int64_t first, end;
};
Piece piece_of(const Args& a, const Part& part) {
  return {&part, std::max<int64_t>(a.pages.first - part.first_page, 0),
          std::min(a.pages.first + a.pages.count - part.first_page, part.pages())};
}

Kernel eltwise_reader(Dataflow k, Args a) {
  const Plan& plan = *a.plan;
  for (const Part& part : plan.parts) {
    const Piece piece = piece_of(a, part);
    if (piece.first >= piece.end) continue;
    const Operands operands(k, part.operands);
    for (size_t s = 0; s < plan.streams.size(); ++s) {
      const Stream& stream = plan.streams[s];
      if (!stream.repeats) continue;
      co_await k.cb_reserve_back(stream.cb, 1);
      operands.read(k, s, 0, std::min<int64_t>(part.elements, kPage), stream.cb, 0);
      co_await k.noc_async_read_barrier();
      k.cb_push_back(stream.cb, 1);
    }
    for (int64_t page = piece.first; page < piece.end; page += plan.block) {
      const auto pages = static_cast<uint32_t>(std::min<int64_t>(plan.block, piece.end - page));
      for (size_t s = 0; s < plan.streams.size(); ++s) {
        const Stream& stream = plan.streams[s];
        if (stream.repeats) continue;
        co_await k.cb_reserve_back(stream.cb, plan.block);
        const uint32_t run = part.runs.empty() ? 0 : part.runs[s];
        if (run > 0) {
          operands.read_runs(k, s, page * kPage, std::min(pages * kPage, part.elements - page * kPage), stream.cb, 0, run);
          continue;
        }
        for (uint32_t i = 0; i < pages; ++i) operands.read(k, s, (page + i) * kPage, part.page_elements(page + i), stream.cb, i);
      }
      co_await k.noc_async_read_barrier();
      for (const Stream& stream : plan.streams) {
        if (!stream.repeats) k.cb_push_back(stream.cb, plan.block);
      }
    }
  }
}

Kernel eltwise_compute(Compute k, Args a) {
  const Plan& plan = *a.plan;
  std::array<const std::byte*, kMaxEltwiseBuffers> inputs;
  std::array<std::byte*, kMaxEltwiseBuffers> outputs;
  std::array<emulator::TileRuns, kMaxEltwiseBuffers> runs;
  for (const Part& part : plan.parts) {
    const Piece piece = piece_of(a, part);
    if (piece.first >= piece.end) continue;
    for (const Stream& stream : plan.streams) {
      if (stream.repeats) co_await k.cb_wait_front(stream.cb, 1);
    }
    for (int64_t page = piece.first; page < piece.end; page += plan.block) {
      const auto pages = static_cast<uint32_t>(std::min<int64_t>(plan.block, piece.end - page));
      for (const Stream& stream : plan.streams) {
        if (!stream.repeats) co_await k.cb_wait_front(stream.cb, plan.block);
      }
      for (const Cb cb : plan.sink_cbs) co_await k.cb_reserve_back(cb, plan.block);
      co_await k.tile_regs_acquire();
      for (uint32_t i = 0; i < pages; ++i) {
        const int64_t elements = part.page_elements(page + i);
        bool in_runs = false;
        for (size_t s = 0; s < plan.streams.size(); ++s) {
          const Stream& stream = plan.streams[s];
          const uint32_t at = stream.repeats ? 0 : i;
          runs[s] = k.page_runs(stream.cb, at);
          inputs[s] = runs[s].at != nullptr ? nullptr : k.page(stream.cb, at);
          in_runs |= runs[s].at != nullptr;
        }
        for (size_t s = 0; s < plan.sink_cbs.size(); ++s) {
          const Sink& sink = part.sinks[s];
          outputs[s] = !sink.result.indices.empty()
                           ? k.new_page(plan.sink_cbs[s], i)
                           : k.new_page_for(plan.sink_cbs[s], i, sink.slot, sink.result.map, static_cast<size_t>(size_of(sink.result.type)),
                                            (page + i) * kPage, elements);
        }
        if (in_runs) {
          k.run_tiles(plan.chain, inputs.data(), runs.data(), outputs.data(), static_cast<uint32_t>(elements));
        } else {
          k.run_tiles(plan.chain, inputs.data(), outputs.data(), static_cast<uint32_t>(elements));
        }
        if (!k.values()) k.charge(static_cast<uint64_t>(part.turned * emulator::cycles::kTransposeTile));  // transpose_wh_tile
      }
      k.tile_regs_release();
      for (const Cb cb : plan.sink_cbs) k.cb_push_back(cb, plan.block);
      for (const Stream& stream : plan.streams) {
        if (!stream.repeats) k.cb_pop_front(stream.cb, plan.block);
      }
    }
    for (const Stream& stream : plan.streams) {
      if (stream.repeats) k.cb_pop_front(stream.cb, 1);
    }
  }
}

Kernel eltwise_writer(Dataflow k, Args a) {
  const Plan& plan = *a.plan;
  for (const Part& part : plan.parts) {
    const Piece piece = piece_of(a, part);
    if (piece.first >= piece.end) continue;
    std::vector<std::pair<Slot, AccessMap>> moved;
    for (const Sink& sink : part.sinks) {
      if (!plan.dynamic_sinks) break;
      auto& [slot, map] = moved.emplace_back(sink.slot, sink.result.map);
      if (!sink.result.indices.empty()) slot = resolve(k, slot, static_cast<size_t>(size_of(sink.result.type)), sink.result.indices, map);
    }
    for (int64_t page = piece.first; page < piece.end; page += plan.block) {
      const auto pages = static_cast<uint32_t>(std::min<int64_t>(plan.block, piece.end - page));
      for (size_t s = 0; s < part.sinks.size(); ++s) {
        const Sink& sink = part.sinks[s];
        co_await k.cb_wait_front(plan.sink_cbs[s], plan.block);
        for (uint32_t i = 0; i < pages; ++i) {
          k.noc_async_write_mapped(plan.sink_cbs[s], i, plan.dynamic_sinks ? moved[s].first : sink.slot,
                                   plan.dynamic_sinks ? moved[s].second : sink.result.map, static_cast<size_t>(size_of(sink.result.type)),
                                   (page + i) * kPage, part.page_elements(page + i));
        }
        co_await k.noc_async_write_barrier();
        k.cb_pop_front(plan.sink_cbs[s], plan.block);
      }
    }
  }
}

constexpr size_t kLongChain = 8;  // operations: a page of them is worth a core, and a run of less than a page is called too often

bool repeats_by_page(const Operand& operand) { return kPage % period_of(operand) == 0; }

// Elements of the runs that the operand's pages are made of: a power of two, so that every page begins with one. 0: of none, or of few.
uint32_t run_of_pages(const Operand& operand) {
  constexpr int64_t kShortest = 32;
  if (operand.buffer == kNoBuffer || operand.map.dims.size() < 2 || operand.map.is_padded()) return 0;
  const int64_t length = operand.map.run_length(), run = std::min(length & -length, kPage);
  return run >= kShortest && run < kPage ? static_cast<uint32_t>(run) : 0;
}

// All operands that are taken run by run have the runs of the shortest. A call of the chain takes as long as to copy a few hundred bytes.
std::vector<uint32_t> runs_of(const Part& part, const std::vector<Stream>& streams) {
  constexpr int64_t kLeastBytes = 1024;  // of all operands together that are not copied, per call
  uint32_t shortest = 0;
  int64_t bytes = 0;
  std::vector<uint32_t> runs;
  for (size_t s = 0; s < streams.size(); ++s) {
    runs.push_back(streams[s].repeats ? 0 : run_of_pages(part.operands[s]));
    if (runs[s] > 0 && (shortest == 0 || runs[s] < shortest)) shortest = runs[s];
  }
  for (size_t s = 0; s < runs.size(); ++s) {
    runs[s] = runs[s] > 0 ? shortest : 0;
    bytes += int64_t{runs[s]} * size_of(part.operands[s].type);
  }
  return bytes >= kLeastBytes ? runs : std::vector<uint32_t>{};
}

// Pages of whole blocks are transposed; others are brought element by element.
bool has_turned_pages(const AccessMap* map) {
  const auto turned = map->turned();
  return turned && kPage % (turned->rows * turned->columns) == 0;
}

void add_layers(Operand& operand, std::vector<AccessMap*>& maps) {
  maps.push_back(&operand.map);
  for (Operand& beneath : operand.beneath) add_layers(beneath, maps);
}

// Whether pages of the operand are put together: a few stand for all.
bool is_copied(const Operand& operand) {
  using Kind = emulator::Piece::Kind;
  const int64_t elements = operand.map.size(), count = std::min(kPage, elements), pages = elements / count;
  for (const int64_t page : {int64_t{0}, pages / 2, pages - 1}) {
    const Operand* layer = &operand;
    Kind kind = Kind::kPadding;
    for (; layer != nullptr && kind == Kind::kPadding; layer = layer->beneath.empty() ? nullptr : &layer->beneath[0]) {
      kind = piece_of(layer->map, page * count, count).kind;
    }
    if (kind == Kind::kMixed) return true;
  }
  return false;
}

// Parts as the kernels walk them, and all their pages.
int64_t add_parts(const EltwiseSpec& spec, Plan& plan) {
  int64_t pages = 0;
  for (const EltwisePart& part : spec.parts) {
    check(part.operands.size() == spec.chain.inputs.size() && part.results.size() == spec.chain.outputs.size(), "[", spec.name,
          "] the chain's inputs and outputs differ from the operands and results");
    Part made{part.elements, pages, part.operands, {}};
    for (const Result& result : part.results) {
      made.sinks.push_back({result, static_cast<Slot>(spec.input_bytes.size() + result.buffer)});
      made.sinks.back().result.map = result.map.coalesced();
      plan.dynamic_sinks |= !result.indices.empty();
    }
    std::vector<AccessMap*> maps;
    for (Operand& operand : made.operands) add_layers(operand, maps);
    for (AccessMap* map : maps) *map = map->coalesced();
    for (Sink& sink : made.sinks) maps.push_back(&sink.result.map);
    walk_in_tiles(maps);
    made.turned = static_cast<uint32_t>(std::count_if(maps.begin(), maps.end(), has_turned_pages));
    pages += made.pages();
    plan.parts.push_back(std::move(made));
  }
  return pages;
}

uint32_t choose_block(const Plan& plan, const ChipSpec& chip) {
  constexpr int64_t kFirstCache = 32 << 10;  // of the host: where pages that are copied should stay until they are used
  const Part& part = plan.parts[0];
  int64_t per_page = 0, copied = 0;
  for (size_t s = 0; s < plan.streams.size(); ++s) {
    const Operand& operand = part.operands[s];
    const int64_t bytes = kPage * size_of(operand.type);
    const bool by_runs = !part.runs.empty() && part.runs[s] > 0;
    per_page += bytes;
    if (!plan.streams[s].repeats && !by_runs && is_copied(operand)) copied += bytes;
  }
  for (const Sink& sink : part.sinks) per_page += kPage * size_of(sink.result.type);
  for (uint32_t block : {4u, 2u}) {
    if (2 * block * per_page <= chip.l1_usable && 2 * block * copied <= kFirstCache) return block;
  }
  return 1;
}

void add_notes(const EltwiseSpec& spec, const Plan& plan, Program& program) {
  const auto each_part = [&](const auto& note) {
    for (const Part& part : plan.parts) note(part);
  };
  each_part([&](const Part& part) {
    if (plan.parts.size() > 1) program.add_note(cat("part of ", part.elements, " elements"));
    for (size_t i = 0; i < part.operands.size(); ++i) program.add_note(describe(part.operands[i], plan.streams[i].cb));
  });
  for (const std::string& line : lines(emulator::to_string(spec.chain))) program.add_note(line);
  each_part([&](const Part& part) {
    for (size_t i = 0; i < part.sinks.size(); ++i) program.add_note(describe(part.sinks[i].result, plan.sink_cbs[i], part.sinks[i].slot));
  });
}

}  // namespace

Program eltwise(const EltwiseSpec& spec, const ChipSpec& chip) {
  check(!spec.parts.empty() && spec.chain.inputs.size() + spec.chain.outputs.size() <= kMaxEltwiseBuffers, "[", spec.name, "] ",
        spec.chain.inputs.size(), " operands and ", spec.chain.outputs.size(), " results exceed ", kMaxEltwiseBuffers);
  Program program(spec.name);
  for (size_t i = 0; i < spec.input_bytes.size(); ++i) program.add_input(cat("in", i), spec.input_bytes[i]);
  for (size_t i = 0; i < spec.output_bytes.size(); ++i) program.add_output(cat("out", i), spec.output_bytes[i]);

  Plan plan{1, TileChain(spec.chain), {}, {}, {}};
  const int64_t pages = add_parts(spec, plan);
  for (size_t i = 0; i < spec.chain.inputs.size(); ++i) {
    const bool repeats =
        std::all_of(plan.parts.begin(), plan.parts.end(), [&](const Part& part) { return repeats_by_page(part.operands[i]); });
    plan.streams.push_back({{}, repeats});
  }
  if (spec.chain.ops.size() < kLongChain) {
    for (Part& part : plan.parts) part.runs = runs_of(part, plan.streams);
  }
  if (pages > 2) plan.block = choose_block(plan, chip);
  for (size_t i = 0; i < plan.streams.size(); ++i) {
    const auto page_bytes = static_cast<uint32_t>(kPage * size_of(plan.parts[0].operands[i].type));
    plan.streams[i].cb = program.add_circular_buffer(plan.streams[i].repeats ? 1 : 2 * plan.block, page_bytes, cat("in", i));
  }
  for (size_t i = 0; i < spec.chain.outputs.size(); ++i) {
    const auto page_bytes = static_cast<uint32_t>(kPage * size_of(spec.parts[0].results[i].type));
    plan.sink_cbs.push_back(program.add_circular_buffer(2 * plan.block, page_bytes, cat("out", i)));
  }
  add_notes(spec, plan, program);
  for (const EltwisePart& part : spec.parts)
    program.flops += static_cast<double>(part.elements) * static_cast<double>(spec.chain.ops.size());

  const std::vector<WorkRange> ranges = split_work(pages, spec.chain.ops.size() >= kLongChain ? 1 : 2, num_compute_cores(chip));
  const Plan* kept = program.keep(std::move(plan));
  std::vector<Args> args;
  for (const WorkRange& range : ranges) args.push_back({kept, range});
  program.set_cores(metal::first_cores(chip, ranges.size()));
  program.add_kernel<Dataflow, Args>(Role::kReader, "eltwise_reader", eltwise_reader, args);
  program.add_kernel<Compute, Args>(Role::kCompute, "eltwise_compute", eltwise_compute, args);
  program.add_kernel<Dataflow, Args>(Role::kWriter, "eltwise_writer", eltwise_writer, args);
  program.set_repeatable();
  program.validate(chip);
  return program;
}

}  // namespace tt::dnn
