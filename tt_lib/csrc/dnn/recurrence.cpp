// The reader brings what is carried and fixed once per page of lanes, and the slices of a block of turns at a time; compute turns what is
// carried between two pages in L1; the writer stores the stacks block by block, and at the end what was carried.
#include "dnn/recurrence.hpp"

#include <algorithm>
#include <array>

#include "base/error.hpp"
#include "dnn/text.hpp"

namespace tt::dnn {
namespace {

constexpr auto kPage = static_cast<int64_t>(kTileElements);

struct Stored {
  Result result;
  Slot slot;
  Cb cb;
  size_t carried;  // of a final
  bool one_lane;
};

struct Plan {
  int64_t turns = 0, lanes = 0;
  int64_t width = 0;     // lanes of a page
  int64_t per_page = 1;  // turns of a page: more than one where all lanes are in it
  int64_t block = 1;     // pages of turns per circular-buffer call
  TileChain body;
  std::vector<Operand> carried, fixed, slices;
  std::vector<Cb> carried_cbs, turning_cbs, fixed_cbs, slice_cbs;
  std::vector<Stored> finals, stacks;

  int64_t pages() const { return div_up(lanes, width); }
  int64_t lanes_of(int64_t page) const { return std::min(width, lanes - page * width); }
  int64_t turns_of(int64_t turn) const { return std::min(block * per_page, turns - turn); }  // of the block that begins with it
  // Calls action(page of the block, its first turn, its elements over [turns, lanes]: the first, and how many).
  template <class Action>
  void each_page(int64_t turn, int64_t page, const Action& action) const {
    const int64_t end = turn + turns_of(turn);
    for (uint32_t i = 0; turn < end; ++i, turn += per_page) {
      const int64_t count = std::min(per_page, end - turn) * lanes_of(page);
      action(i, turn, turn * lanes + page * width, count);
    }
  }
};

struct Args {
  const Plan* plan;
  WorkRange pages;
};

Kernel recurrence_reader(Dataflow k, Args a) {
  const Plan& p = *a.plan;
  const Operands carried(k, p.carried), fixed(k, p.fixed), slices(k, p.slices);
  const auto block = static_cast<uint32_t>(p.block);
  for (int64_t page = a.pages.first; page < a.pages.first + a.pages.count; ++page) {
    for (size_t i = 0; i < p.carried.size() + p.fixed.size(); ++i) {
      const bool moves = i < p.carried.size();
      const size_t s = moves ? i : i - p.carried.size();
      const Cb cb = moves ? p.carried_cbs[s] : p.fixed_cbs[s];
      co_await k.cb_reserve_back(cb, 1);
      (moves ? carried : fixed).read(k, s, page * p.width, p.lanes_of(page), cb, 0);
      co_await k.noc_async_read_barrier();
      k.cb_push_back(cb, 1);
    }
    for (int64_t turn = 0; turn < p.turns && !p.slices.empty(); turn += p.turns_of(turn)) {
      for (const Cb cb : p.slice_cbs) co_await k.cb_reserve_back(cb, block);
      p.each_page(turn, page, [&](uint32_t i, int64_t, int64_t start, int64_t count) {
        for (size_t s = 0; s < p.slices.size(); ++s) slices.read(k, s, start, count, p.slice_cbs[s], i);
      });
      co_await k.noc_async_read_barrier();
      for (const Cb cb : p.slice_cbs) k.cb_push_back(cb, block);
    }
  }
}

// Where each input and output of the body is in one turn.
class Turning {
 public:
  Turning(Compute& k, const Plan& p) : k_(k), p_(p), inputs_(p.body.program().inputs.size()), outputs_(p.body.program().outputs.size()) {
    for (size_t c = 0; c < p.carried.size(); ++c) {
      const auto bytes = static_cast<size_t>(k.get_page_size(p.turning_cbs[c])) / 2;
      std::byte* const pages = k.values() ? k.new_page(p.turning_cbs[c], 0) : nullptr;
      turning_.push_back({pages, k.values() ? pages + bytes : nullptr});
    }
  }

  void start() {  // of a page of lanes
    if (!k_.values()) return;
    for (size_t c = 0; c < p_.carried.size(); ++c) inputs_[c] = k_.page(p_.carried_cbs[c], 0);
    for (size_t f = 0; f < p_.fixed.size(); ++f) inputs_[p_.carried.size() + f] = k_.page(p_.fixed_cbs[f], 0);
  }

  // All turns of page `i` of a block, the last of which leave what is carried to `finals` where they are the last of all.
  void turn(uint32_t i, int64_t first, int64_t count, int64_t lanes) {
    const size_t slices = p_.carried.size() + p_.fixed.size();
    std::array<std::byte*, kMaxRecurrenceBuffers> stacked{};
    for (size_t s = 0; s < p_.stacks.size() && k_.values(); ++s) stacked[s] = k_.new_page(p_.stacks[s].cb, i);
    for (int64_t t = 0; t < count / lanes; ++t) {
      if (k_.values()) {
        for (size_t s = 0; s < p_.slices.size(); ++s)
          inputs_[slices + s] = k_.page(p_.slice_cbs[s], i) + t * lanes * size_of(p_.slices[s].type);
        for (size_t c = 0; c < p_.carried.size(); ++c) outputs_[c] = turning_[c][static_cast<size_t>(first + t) % 2];
        if (first + t + 1 == p_.turns) {
          for (const Stored& final : p_.finals) outputs_[final.carried] = k_.new_page(final.cb, 0);
        }
        for (size_t s = 0; s < p_.stacks.size(); ++s)
          outputs_[p_.carried.size() + s] = stacked[s] + t * lanes * size_of(p_.stacks[s].result.type);
      }
      k_.run_tiles(p_.body, inputs_.data(), outputs_.data(), static_cast<uint32_t>(lanes));
      std::copy_n(outputs_.begin(), p_.carried.size(), inputs_.begin());
    }
  }

 private:
  Compute& k_;
  const Plan& p_;
  std::vector<const std::byte*> inputs_;
  std::vector<std::byte*> outputs_;
  std::vector<std::array<std::byte*, 2>> turning_;
};

Kernel recurrence_compute(Compute k, Args a) {
  const Plan& p = *a.plan;
  const auto block = static_cast<uint32_t>(p.block);
  for (const Cb cb : p.turning_cbs) co_await k.cb_reserve_back(cb, 1);
  Turning turning(k, p);
  for (int64_t page = a.pages.first; page < a.pages.first + a.pages.count; ++page) {
    for (const auto* cbs : {&p.carried_cbs, &p.fixed_cbs}) {
      for (const Cb cb : *cbs) co_await k.cb_wait_front(cb, 1);
    }
    for (const Stored& final : p.finals) co_await k.cb_reserve_back(final.cb, 1);
    turning.start();
    for (int64_t turn = 0; turn < p.turns; turn += p.turns_of(turn)) {
      for (const Cb cb : p.slice_cbs) co_await k.cb_wait_front(cb, block);
      for (const Stored& stack : p.stacks) co_await k.cb_reserve_back(stack.cb, block);
      co_await k.tile_regs_acquire();
      p.each_page(turn, page, [&](uint32_t i, int64_t first, int64_t, int64_t count) { turning.turn(i, first, count, p.lanes_of(page)); });
      k.tile_regs_release();
      for (const Stored& stack : p.stacks) k.cb_push_back(stack.cb, block);
      for (const Cb cb : p.slice_cbs) k.cb_pop_front(cb, block);
    }
    for (const Stored& final : p.finals) k.cb_push_back(final.cb, 1);
    for (const auto* cbs : {&p.carried_cbs, &p.fixed_cbs}) {
      for (const Cb cb : *cbs) k.cb_pop_front(cb, 1);
    }
  }
}

Kernel recurrence_writer(Dataflow k, Args a) {
  const Plan& p = *a.plan;
  const auto block = static_cast<uint32_t>(p.block);
  for (int64_t page = a.pages.first; page < a.pages.first + a.pages.count; ++page) {
    for (int64_t turn = 0; turn < p.turns && !p.stacks.empty(); turn += p.turns_of(turn)) {
      for (const Stored& stack : p.stacks) {
        const auto element = static_cast<size_t>(size_of(stack.result.type));
        co_await k.cb_wait_front(stack.cb, block);
        p.each_page(turn, page, [&](uint32_t i, int64_t first, int64_t start, int64_t count) {
          if (!stack.one_lane) {
            k.noc_async_write_mapped(stack.cb, i, stack.slot, stack.result.map, element, start, count);
          } else if (page == 0) {
            k.noc_async_write_mapped(stack.cb, i, stack.slot, stack.result.map, element, first, count / p.lanes_of(page));
          }
        });
        co_await k.noc_async_write_barrier();
        k.cb_pop_front(stack.cb, block);
      }
    }
    for (const Stored& final : p.finals) {
      const auto element = static_cast<size_t>(size_of(final.result.type));
      co_await k.cb_wait_front(final.cb, 1);
      if (!final.one_lane) {
        k.noc_async_write_mapped(final.cb, 0, final.slot, final.result.map, element, page * p.width, p.lanes_of(page));
      } else if (page == 0) {
        k.noc_async_write_mapped(final.cb, 0, final.slot, final.result.map, element, 0, 1);
      }
      co_await k.noc_async_write_barrier();
      k.cb_pop_front(final.cb, 1);
    }
  }
}

// Lanes are spread over the cores, pages of few are filled with turns.
void choose_pages(Plan& p, const RecurrenceSpec& spec, const ChipSpec& chip) {
  constexpr int64_t kMinWidth = 256, kPages = 16, kFewOperations = int64_t{1} << 20;  // on all lanes: not worth a second core
  const bool is_small = p.lanes <= kPage && p.lanes * p.turns * static_cast<int64_t>(spec.body.ops.size()) <= kFewOperations;
  p.width = p.lanes <= kMinWidth || is_small ? p.lanes
                                             : std::clamp(round_up(div_up(p.lanes, num_compute_cores(chip)), kMinWidth), kMinWidth, kPage);
  const bool one_lane = std::any_of(p.stacks.begin(), p.stacks.end(), [](const Stored& stack) { return stack.one_lane; });
  p.per_page = p.width == p.lanes && (p.lanes == 1 || !one_lane) ? std::min(kPage / p.lanes, p.turns) : 1;
  int64_t moving = 0, still = 0;
  const auto bytes = [](DataType type) { return kPage * size_of(type); };
  for (const Operand& operand : spec.slices) moving += bytes(operand.type);
  for (const Result& stack : spec.stacks) moving += bytes(stack.type);
  for (const Operand& operand : spec.fixed) still += bytes(operand.type);
  for (const Operand& operand : spec.carried) still += 4 * bytes(operand.type);
  const int64_t most = std::min(kPages, div_up(p.turns, p.per_page));
  const int64_t fit = moving > 0 ? (static_cast<int64_t>(chip.l1_usable) - still) / (2 * moving) : kPages;
  p.block = std::clamp<int64_t>(fit, 1, p.per_page > 1 ? std::min<int64_t>(most, 2) : most);
}

Cb add_buffer(Program& program, int64_t pages, DataType type, const std::string& name, int64_t per_page = kPage) {
  return program.add_circular_buffer(static_cast<uint32_t>(pages), static_cast<uint32_t>(per_page * size_of(type)), name);
}

void add_buffers(Plan& p, Program& program) {
  for (size_t i = 0; i < p.carried.size(); ++i) p.carried_cbs.push_back(add_buffer(program, 1, p.carried[i].type, cat("carried", i)));
  for (size_t i = 0; i < p.fixed.size(); ++i) p.fixed_cbs.push_back(add_buffer(program, 1, p.fixed[i].type, cat("fixed", i)));
  for (size_t i = 0; i < p.slices.size(); ++i) {
    p.slice_cbs.push_back(add_buffer(program, 2 * p.block, p.slices[i].type, cat("slice", i)));
  }
  for (size_t i = 0; i < p.carried.size(); ++i) {
    p.turning_cbs.push_back(add_buffer(program, 1, p.carried[i].type, cat("turning", i), 2 * kPage));
  }
  for (size_t i = 0; i < p.stacks.size(); ++i) {
    p.stacks[i].cb = add_buffer(program, 2 * p.block, p.stacks[i].result.type, cat("stack", i));
  }
  for (size_t i = 0; i < p.finals.size(); ++i) p.finals[i].cb = add_buffer(program, 1, p.finals[i].result.type, cat("final", i));
}

void add_notes(const Plan& p, Program& program) {
  program.add_note(cat(p.turns, " turns of ", p.lanes, " lanes, ", p.width, " to a page"));
  for (size_t i = 0; i < p.carried.size(); ++i) program.add_note(describe(p.carried[i], p.carried_cbs[i]));
  for (size_t i = 0; i < p.fixed.size(); ++i) program.add_note(describe(p.fixed[i], p.fixed_cbs[i]));
  for (size_t i = 0; i < p.slices.size(); ++i) program.add_note(describe(p.slices[i], p.slice_cbs[i]));
  for (const std::string& line : lines(emulator::to_string(p.body.program()))) program.add_note(line);
  for (const auto* stored : {&p.stacks, &p.finals}) {
    for (const Stored& result : *stored) program.add_note(describe(result.result, result.cb, result.slot));
  }
}

}  // namespace

Program recurrence(const RecurrenceSpec& spec, const ChipSpec& chip) {
  const size_t inputs = spec.carried.size() + spec.fixed.size() + spec.slices.size();
  check(spec.turns > 0 && spec.lanes > 0 && recurrence_buffers(spec) + spec.finals.size() <= kMaxRecurrenceBuffers &&
            spec.body.inputs.size() == inputs && spec.body.outputs.size() == spec.carried.size() + spec.stacks.size(),
        "[", spec.name, "] ", spec.turns, " turns of ", spec.lanes, " lanes: a body of ", spec.body.inputs.size(), " inputs and ",
        spec.body.outputs.size(), " outputs for ", inputs, " operands, ", spec.carried.size(), " carried and ", spec.stacks.size(),
        " stacks");
  Program program(spec.name);
  for (size_t i = 0; i < spec.input_bytes.size(); ++i) program.add_input(cat("in", i), spec.input_bytes[i]);
  for (size_t i = 0; i < spec.output_bytes.size(); ++i) program.add_output(cat("out", i), spec.output_bytes[i]);
  Plan plan;
  plan.turns = spec.turns;
  plan.lanes = spec.lanes;
  plan.body = TileChain(spec.body);
  for (const auto& [from, to] : {std::pair{&spec.carried, &plan.carried}, {&spec.fixed, &plan.fixed}, {&spec.slices, &plan.slices}}) {
    *to = *from;
    for (Operand& operand : *to) operand.map = operand.map.coalesced();
  }
  const auto stored = [&](const Result& result, size_t carried, int64_t of_one_lane) {
    Stored made{result, static_cast<Slot>(spec.input_bytes.size() + result.buffer), {}, carried, false};
    made.one_lane = spec.lanes > 1 && result.map.size() == of_one_lane;
    made.result.map = result.map.coalesced();
    return made;
  };
  for (const RecurrenceSpec::Final& final : spec.finals) plan.finals.push_back(stored(final.result, final.carried, 1));
  for (const Result& stack : spec.stacks) plan.stacks.push_back(stored(stack, 0, spec.turns));
  choose_pages(plan, spec, chip);
  add_buffers(plan, program);
  add_notes(plan, program);
  program.flops = static_cast<double>(spec.turns) * static_cast<double>(spec.lanes) * static_cast<double>(spec.body.ops.size());

  const std::vector<WorkRange> ranges = split_work(plan.pages(), 1, num_compute_cores(chip));
  const Plan* kept = program.keep(std::move(plan));
  std::vector<Args> args;
  for (const WorkRange& range : ranges) args.push_back({kept, range});
  program.set_cores(metal::first_cores(chip, ranges.size()));
  program.add_kernel<Dataflow, Args>(Role::kReader, "recurrence_reader", recurrence_reader, args);
  program.add_kernel<Compute, Args>(Role::kCompute, "recurrence_compute", recurrence_compute, args);
  program.add_kernel<Dataflow, Args>(Role::kWriter, "recurrence_writer", recurrence_writer, args);
  program.set_repeatable();
  program.validate(chip);
  return program;
}

}  // namespace tt::dnn
