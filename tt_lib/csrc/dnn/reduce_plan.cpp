// From the sizes of a reduction and its rounds to stages, streams and circular buffers.
#include "dnn/reduce_plan.hpp"

#include <algorithm>

#include "base/error.hpp"
#include "dnn/chain_builder.hpp"
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

// k accumulators, then the operands of each of the pages -> k accumulators.
TileProgram step_of(const TileProgram& prologue, const TileProgram& combine, size_t pages) {
  ChainBuilder chain;
  std::vector<uint16_t> accumulators;
  for (size_t v = 0; v < combine.outputs.size(); ++v) accumulators.push_back(chain.input(combine.inputs[v]));
  std::vector<std::vector<uint16_t>> operands(pages);
  for (std::vector<uint16_t>& of_page : operands) {
    for (const DataType type : prologue.inputs) of_page.push_back(chain.input(type));
  }
  for (const std::vector<uint16_t>& of_page : operands) {
    for (const uint16_t value : chain.append(prologue, of_page)) accumulators.push_back(value);
    accumulators = chain.append(combine, accumulators);
  }
  for (size_t v = 0; v < accumulators.size(); ++v) chain.output(accumulators[v], combine.outputs[v].type);
  return chain.finish();
}

// Chains for one page and, where a page takes few steps, for as many as are handed over at a time.
std::vector<TileChain> steps_of(const TileProgram& prologue, const TileProgram& combine, int64_t block) {
  constexpr size_t kFewOperations = 8;
  const size_t inputs = std::max<size_t>(prologue.inputs.size(), 1), room = emulator::kMaxCircularBuffers - combine.outputs.size();
  size_t most = std::min(static_cast<size_t>(std::min(block, kMostPages)), room / inputs);
  if (prologue.ops.size() + combine.ops.size() > kFewOperations) most = 1;
  std::vector<TileChain> steps;
  for (size_t pages = 1; pages <= std::max<size_t>(most, 1); ++pages) steps.emplace_back(step_of(prologue, combine, pages));
  return steps;
}

// Values as they are.
TileProgram identity(const TileProgram& combine) {
  TileProgram program;
  for (size_t v = 0; v < combine.outputs.size(); ++v) {
    program.inputs.push_back(combine.inputs[v]);
    program.outputs.push_back({static_cast<uint16_t>(v), combine.inputs[v]});
  }
  program.num_registers = static_cast<uint16_t>(program.inputs.size());
  return program;
}

const RoundResult* earlier(const std::vector<std::optional<RoundResult>>& values, size_t i) {
  return i < values.size() && values[i] ? &*values[i] : nullptr;
}

// The stream that the round reads; each is read through one circular buffer, however many rounds read it.
size_t stream_of(ReducePlan& plan, Operand operand, size_t round) {
  operand.map = operand.map.coalesced();
  const auto found =
      std::find_if(plan.streams.begin(), plan.streams.end(), [&](const ReduceStream& stream) { return stream.operand == operand; });
  if (found != plan.streams.end()) return static_cast<size_t>(found - plan.streams.begin());
  const int64_t period = period_of(operand);
  const bool repeats = period <= kPage && plan.stages[0].layout.starts_pages_at_multiples_of(period);
  plan.streams.push_back({std::move(operand), round, 0, repeats});
  return plan.streams.size() - 1;
}

ReduceInput input_of(ReducePlan& plan, const RoundResult& value) {
  ReduceRoundPlan& from = plan.rounds[value.round];
  if (!from.reduces) {
    from.stays[value.result] = true;
    return {.is_made = true};
  }
  std::optional<uint32_t>& place = from.kept[value.result];
  if (!place) place = from.num_kept++;
  return {.place = *place, .is_reduced = true};
}

void plan_round(ReducePlan& plan, const ReduceRound& round, size_t r) {
  ReduceRoundPlan made;
  made.reduces = round.reduces();
  made.values.assign(round.combine.inputs.begin(), round.combine.inputs.begin() + static_cast<ptrdiff_t>(round.combine.outputs.size()));
  for (size_t i = 0; i < round.operands.size(); ++i) {
    const RoundResult* value = earlier(round.operands_from, i);
    made.in.push_back(value != nullptr ? input_of(plan, *value) : ReduceInput{.stream = stream_of(plan, round.operands[i], r)});
  }
  for (ReduceInput& input : made.in) {
    if (!input.stream) continue;
    input.is_again = std::any_of(made.in.data(), &input, [&](const ReduceInput& before) { return before.stream == input.stream; });
    plan.streams[*input.stream].rounds += !input.is_again;
  }
  made.extras = round.extras;
  for (size_t e = 0; e < round.extras.size(); ++e) {
    const RoundResult* value = earlier(round.extras_from, e);
    made.extra.push_back(value != nullptr ? input_of(plan, *value) : ReduceInput{});
    made.extras[e].map = made.extras[e].map.coalesced();
  }
  made.results = round.results;
  for (Result& result : made.results) result.map = result.map.coalesced();
  made.kept.resize(round.results.size());
  made.stays.resize(round.results.size());
  plan.rounds.push_back(std::move(made));
}

// Pages of a stream that stays in L1, on the core with most units.
uint32_t resident_pages(const ReducePlan& plan, const ChipSpec& chip) {
  const ReduceStage& stage = plan.stages[0];
  return static_cast<uint32_t>(div_up(stage.layout.units, num_compute_cores(chip)) *
                               round_up(stage.layout.pages_per_unit(), int64_t{stage.block}));
}

}  // namespace

int64_t ReducePlan::reduced_unit(int64_t index, const WorkRange& own) const {
  if (!in_parts()) return index - own.first;
  const ReduceLayout &from = stages[0].layout, &to = stages[1].layout;
  const ReduceLayout::Unit unit = from.unit(index);
  return unit.first_outer / (from.outer / to.outer) * to.chunks_per_row() + unit.first_inner / to.chunk;
}

ReducePlan plan_reduction(const ReduceSpec& spec) {
  ReducePlan plan;
  plan.num_inputs = spec.input_bytes.size();
  plan.stages.push_back({ReduceLayout(spec.outer * spec.parts, spec.reduced / spec.parts, spec.inner)});
  if (spec.parts > 1) {
    plan.stages[0].sends = true;
    plan.stages.push_back({ReduceLayout(spec.outer, spec.parts, spec.inner)});
    plan.stages[1].received = true;
    plan.stages[1].block = static_cast<uint32_t>(plan.stages[1].layout.pages_per_unit());
  }
  for (size_t r = 0; r < spec.rounds.size(); ++r) plan_round(plan, spec.rounds[r], r);
  bool reduces_later = false;
  for (size_t r = plan.rounds.size(); r-- > 0;) {
    ReduceRoundPlan& round = plan.rounds[r];
    round.waits = plan.in_parts() && round.reduces && (round.num_kept > 0 || reduces_later);
    reduces_later |= round.reduces;
  }
  return plan;
}

namespace {

void find_feeds(ReducePlan& plan, size_t r) {
  using Feed = ReduceInput::Feed;
  ReduceRoundPlan& round = plan.rounds[r];
  for (ReduceInput& input : round.in) {
    round.memory.push_back(input.stream ? plan.streams[*input.stream].operand : Operand{});
    input.feed = input.is_made ? Feed::kResident : Feed::kOnce;
    if (!input.stream) continue;
    const ReduceStream& stream = plan.streams[*input.stream];
    input.feed = stream.repeats ? Feed::kOnce : stream.stays ? Feed::kResident : Feed::kStreamed;
    input.is_read = !input.is_again && (input.feed == Feed::kStreamed || stream.first_round == r);
  }
}

}  // namespace

void prepare_rounds(ReducePlan& plan, const ReduceSpec& spec) {
  for (size_t r = 0; r < spec.rounds.size(); ++r) {
    const ReduceRound& round = spec.rounds[r];
    ReduceRoundPlan& made = plan.rounds[r];
    find_feeds(plan, r);
    made.prologue = TileChain(round.prologue);
    if (!made.reduces) continue;
    made.combine = TileChain(round.combine);
    made.steps = steps_of(round.prologue, round.combine, plan.stages[0].block);
    made.identity = passes_on(round.prologue);
    if (plan.in_parts())
      made.combines = made.identity ? made.steps : steps_of(identity(round.combine), round.combine, plan.stages[1].block);
    if (!round.epilogue.outputs.empty()) made.epilogue = TileChain(round.epilogue);
    for (size_t v = 0; v < made.k(); ++v) {
      const auto fold = row_fold_opcode(round.combine, v);
      if (fold) made.row_folds.push_back(*fold);
    }
    if (made.row_folds.size() != made.k()) made.row_folds.clear();
  }
}

namespace {

class Buffers {
 public:
  Buffers(ReducePlan& plan, const ReduceSpec& spec, const ChipSpec& chip, Program& program)
      : plan_(plan), spec_(spec), chip_(chip), program_(program), left_(static_cast<size_t>(chip.num_circular_buffers)) {}

  bool add() {
    add_streams();
    if (plan_.in_parts()) add_parts();
    add_extras();
    add_results(true);
    add_results(false);
    for (ReduceRoundPlan& round : plan_.rounds) add_reduced(round);
    add_own();
    if (!enough_) return false;
    for (ReduceRoundPlan& round : plan_.rounds) bind(round);
    return true;
  }

 private:
  Cb make(int64_t pages, uint32_t bytes, std::string content) {
    if (left_ == 0) enough_ = false;
    if (!enough_) return 0;
    --left_;
    return program_.add_circular_buffer(static_cast<uint32_t>(pages), bytes, std::move(content));
  }

  void add_streams() {
    ReduceStage& stage = plan_.stages[0];
    int64_t bytes = 1;  // of a reduction of constants
    for (const ReduceStream& stream : plan_.streams) bytes += stream.repeats ? 0 : page_bytes(stream.operand.type);
    stage.block =
        static_cast<uint32_t>(std::clamp<int64_t>(chip_.l1_usable / 4 / bytes, 1, std::min(kMostPages, stage.layout.pages_per_unit())));
    for (size_t s = 0; s < plan_.streams.size(); ++s) {
      ReduceStream& stream = plan_.streams[s];
      const int64_t pages = stream.repeats ? 1 : stream.stays ? resident_pages(plan_, chip_) : int64_t{2} * stage.block;
      stream.cb = make(pages, page_bytes(stream.operand.type), cat("in", s));
    }
  }

  // Circular buffers that the rounds use in turn: as many as the round with most of them has, each for the widest of its pages.
  template <class Types>
  std::vector<uint32_t> widest_pages(const Types& types) const {
    std::vector<uint32_t> bytes;
    for (const ReduceRoundPlan& round : plan_.rounds) {
      const std::vector<DataType> list = types(round);
      bytes.resize(std::max(bytes.size(), list.size()));
      for (size_t i = 0; i < list.size(); ++i) bytes[i] = std::max(bytes[i], page_bytes(list[i]));
    }
    return bytes;
  }

  void add_parts() {
    for (const uint32_t bytes : widest_pages([](const ReduceRoundPlan& round) { return round.values; })) {
      const size_t v = plan_.part.size();
      plan_.part.push_back(make(2, bytes, cat("part", v)));
      plan_.parts.push_back(make(plan_.stages[1].block, bytes, cat("parts", v)));
    }
    plan_.arrived = program_.add_semaphore(0);
    if (std::none_of(plan_.rounds.begin(), plan_.rounds.end(), [](const ReduceRoundPlan& round) { return round.waits; })) return;
    plan_.joined = program_.add_semaphore(0);
    plan_.valid = program_.add_semaphore(0);
  }

  void add_extras() {
    const auto in_memory = [](const ReduceRoundPlan& round) {
      std::vector<DataType> types;
      for (size_t e = 0; e < round.extra.size(); ++e) {
        if (!round.extra[e].is_reduced) types.push_back(round.extras[e].type);
      }
      return types;
    };
    std::vector<Cb> cbs;
    for (const uint32_t bytes : widest_pages(in_memory)) cbs.push_back(make(1, bytes, cat("extra", cbs.size())));
    for (ReduceRoundPlan& round : plan_.rounds) {
      size_t next = 0;
      for (ReduceInput& extra : round.extra) {
        if (!extra.is_reduced) extra.cb = cbs[next++];
      }
    }
  }

  void add_results(bool reduces) {
    const auto types = [&](const ReduceRoundPlan& round) {
      std::vector<DataType> list;
      for (size_t o = 0; o < round.results.size() && round.reduces == reduces; ++o) {
        if (!round.stays[o]) list.push_back(round.results[o].type);
      }
      return list;
    };
    const int64_t pages = reduces ? 2 : int64_t{2} * plan_.stages[0].block;
    std::vector<Cb> cbs;
    for (const uint32_t bytes : widest_pages(types)) cbs.push_back(make(pages, bytes, cat(reduces ? "out" : "elements", cbs.size())));
    for (ReduceRoundPlan& round : plan_.rounds) {
      size_t next = 0;
      for (size_t o = 0; o < round.results.size() && round.reduces == reduces; ++o) {
        round.out.push_back(round.stays[o] ? make(resident_pages(plan_, chip_), page_bytes(round.results[o].type), "stays") : cbs[next++]);
      }
    }
  }

  void add_reduced(ReduceRoundPlan& round) {
    if (round.num_kept == 0) return;
    uint32_t widest = 0;
    for (size_t o = 0; o < round.results.size(); ++o) {
      if (round.kept[o]) widest = std::max(widest, page_bytes(round.results[o].type));
    }
    const int64_t units = plan_.in_parts() ? plan_.stages[1].layout.units : div_up(plan_.stages[0].layout.units, num_compute_cores(chip_));
    round.reduced_pages = static_cast<uint32_t>(units * round.num_kept);
    round.reduced = make(round.reduced_pages, widest, "reduced");
  }

  void add_own() {
    size_t k = 0;
    uint32_t widest = 0;
    for (const ReduceRoundPlan& round : plan_.rounds) {
      k = std::max(k, round.k());
      for (const DataType type : round.values) widest = std::max(widest, page_bytes(type));
    }
    plan_.value = make(static_cast<int64_t>(k), widest, "values");
    plan_.accumulator = make(static_cast<int64_t>(k), widest, "accumulators");
    plan_.spare = make(static_cast<int64_t>(k), widest, "halves");
  }

  // Inputs learn their circular buffers.
  void bind(ReduceRoundPlan& round) {
    const auto index = static_cast<size_t>(&round - plan_.rounds.data());
    const auto find = [&](ReduceInput& input, const std::vector<std::optional<RoundResult>>& values, size_t i) {
      if (input.stream) input.cb = plan_.streams[*input.stream].cb;
      if (!input.is_reduced && !input.is_made) return;
      const ReduceRoundPlan& from = plan_.rounds[earlier(values, i)->round];
      if (input.is_made) {
        input.cb = from.out[earlier(values, i)->result];
        return;
      }
      input.cb = from.reduced;
      input.places = from.num_kept;
    };
    for (size_t i = 0; i < round.in.size(); ++i) find(round.in[i], spec_.rounds[index].operands_from, i);
    for (size_t e = 0; e < round.extra.size(); ++e) find(round.extra[e], spec_.rounds[index].extras_from, e);
  }

  ReducePlan& plan_;
  const ReduceSpec& spec_;
  const ChipSpec& chip_;
  Program& program_;
  size_t left_;
  bool enough_ = true;
};

// What several rounds read stays in L1 where the rest leaves room.
void choose_residents(ReducePlan& plan, const ReduceSpec& spec, const ChipSpec& chip) {
  ReducePlan trial = plan;
  Program program(spec.name);
  if (!Buffers(trial, spec, chip, program).add()) return;
  int64_t left = chip.l1_usable - spec.l1_use - program.l1_bytes();
  const int64_t pages = int64_t{resident_pages(trial, chip)} - int64_t{2} * trial.stages[0].block;
  std::vector<ReduceStream*> streams;
  for (ReduceStream& stream : plan.streams) {
    if (!stream.repeats && stream.rounds > 1) streams.push_back(&stream);
  }
  std::stable_sort(streams.begin(), streams.end(), [](const auto* a, const auto* b) { return a->rounds > b->rounds; });
  for (ReduceStream* stream : streams) {
    const int64_t more = pages * page_bytes(stream->operand.type);
    if (more > left) continue;
    stream->stays = true;
    left -= more;
  }
}

}  // namespace

bool plan_buffers(ReducePlan& plan, const ReduceSpec& spec, const ChipSpec& chip, Program& program) {
  if (spec.rounds.size() > 1) choose_residents(plan, spec, chip);
  return Buffers(plan, spec, chip, program).add();
}

void add_notes(const ReduceSpec& spec, const ReducePlan& plan, Program& program) {
  const auto add_chain = [&](const TileProgram& chain) {
    for (const std::string& line : lines(emulator::to_string(chain))) program.add_note("  " + line);
  };
  const auto add_input = [&](const ReduceInput& input, const Operand& operand) {
    if (input.is_made) return program.add_note(cat("cb ", int{input.cb}, " <- an earlier round"));
    program.add_note(input.is_reduced ? cat("cb ", int{input.cb}, " <- reduced ", name(operand.type), ", page ", input.place, " of ",
                                            input.places, " of a unit")
                                      : describe(operand, input.cb));
  };
  for (size_t r = 0; r < plan.rounds.size(); ++r) {
    const ReduceRound& round = spec.rounds[r];
    const ReduceRoundPlan& made = plan.rounds[r];
    if (plan.rounds.size() > 1) program.add_note(cat("round ", r));
    for (size_t i = 0; i < made.in.size(); ++i) {
      add_input(made.in[i], made.in[i].stream ? plan.streams[*made.in[i].stream].operand : round.operands[i]);
      if (made.in[i].stream && plan.streams[*made.in[i].stream].stays) program.add_note("  which stays in L1");
    }
    if (!made.identity) {
      program.add_note(made.reduces ? "prologue" : "elementwise");
      add_chain(round.prologue);
    }
    if (made.reduces) {
      program.add_note(cat("combine ", spec.reduced, " rows of ", spec.inner, " for ", spec.outer,
                           spec.parts > 1 ? cat(", in ", spec.parts, " parts") : std::string()));
      add_chain(round.combine);
      for (size_t e = 0; e < made.extra.size(); ++e) add_input(made.extra[e], made.extras[e]);
    }
    if (!round.epilogue.outputs.empty()) {
      program.add_note("epilogue");
      add_chain(round.epilogue);
    }
    for (size_t o = 0; o < made.results.size(); ++o) {
      const Result& result = made.results[o];
      if (made.stays[o]) program.add_note(cat("cb ", int{made.out[o]}, " stays in L1"));
      if (made.kept[o]) program.add_note(cat("cb ", int{made.out[o]}, " -> cb ", int{made.reduced}, " of all cores that read it"));
      if (result.buffer != kNoBuffer) {
        program.add_note(describe(result, made.out[o], static_cast<Slot>(plan.num_inputs + result.buffer)));
      }
    }
  }
}

}  // namespace tt::dnn
