// Running a plan: a frame of pointers per execution, programs in order, control flow by looking at predicates on the card.
#include "executable/executable.hpp"

#include <algorithm>
#include <cstring>
#include <limits>
#include <mutex>

#include "base/error.hpp"
#include "emulator/cycles.hpp"
#include "emulator/scheduler.hpp"
#include "ir/ir.hpp"
#include "lowering/lower.hpp"
#include "lowering/memory_kinds.hpp"
#include "metal/exchange.hpp"
#include "metal/program.hpp"
#include "metal/program_log.hpp"
#include "passes/pass.hpp"

namespace tt::executable {
namespace {

using lowering::CaseStep;
using lowering::Counter;
using lowering::Plan;
using lowering::RunStep;
using lowering::Sequence;
using lowering::Step;
using lowering::Storage;
using lowering::StorageId;
using lowering::WhileStep;

// What runs in about this time runs on the calling thread: handing it over and waking up takes up to a tenth of it.
constexpr double kInlineSeconds = 1e-3;

// The pointers of one execution, by storage.
using Frame = std::vector<std::byte*>;

int64_t read_selector(const std::byte* at, DataType type) {
  switch (type) {
    case DataType::kPred: return *at != std::byte{0} ? 0 : 1;
    case DataType::kS32: {
      int32_t value;
      std::memcpy(&value, at, sizeof(value));
      return value;
    }
    default: fail(ErrorCategory::kInternal, "[case] selector of type ", name(type));
  }
}

// About how long the steps take; loops of which that cannot be seen: without end.
double seconds_of(const Sequence& steps) {
  double seconds = 0;
  for (const Step& step : steps) {
    if (const auto* run = std::get_if<RunStep>(&step.action)) {
      seconds += run->program->host_seconds();
    } else if (const auto* loop = std::get_if<WhileStep>(&step.action)) {
      seconds += loop->turns ? static_cast<double>(*loop->turns) * seconds_of(*loop->body) : std::numeric_limits<double>::infinity();
    } else {
      double longest = 0;
      for (const auto& branch : std::get<CaseStep>(step.action).branches) longest = std::max(longest, seconds_of(*branch));
      seconds += longest;
    }
  }
  return seconds;
}

// Who runs: a card, alone or as one of several.
struct Runner {
  metal::Device& device;
  const metal::Participant* part;  // null: alone
};

void run_sequence(const Runner& runner, const Sequence& steps, Frame& frame);

void run_step(const Runner& runner, const RunStep& step, Frame& frame) {
  constexpr size_t kInlineSlots = 64;
  std::byte* few[kInlineSlots];
  std::vector<std::byte*> many;
  std::byte** bound = few;
  if (step.slots.size() > kInlineSlots) {
    many.resize(step.slots.size());
    bound = many.data();
  }
  for (size_t i = 0; i < step.slots.size(); ++i) bound[i] = frame[step.slots[i]];
  runner.device.run(*step.program, bound, runner.part);
}

void run_loop(const Runner& runner, const WhileStep& loop, Frame& frame) {
  const auto goes_on = [&](int64_t turn) {
    if (loop.turns) return turn < *loop.turns;
    run_sequence(runner, *loop.condition, frame);
    return *frame[loop.predicate] != std::byte{0};
  };
  for (int64_t turn = 0; goes_on(turn); ++turn) {
    for (const Counter& counter : loop.counters) {
      const int64_t value = counter.at(turn);
      std::memcpy(frame[counter.storage], &value, static_cast<size_t>(counter.bytes));
    }
    run_sequence(runner, *loop.body, frame);
    for (const auto& [argument, next] : loop.carried) std::swap(frame[argument], frame[next]);
  }
}

void run_sequence(const Runner& runner, const Sequence& steps, Frame& frame) {
  for (const Step& step : steps) {
    if (const auto* run = std::get_if<RunStep>(&step.action)) {
      run_step(runner, *run, frame);
    } else if (const auto* loop = std::get_if<WhileStep>(&step.action)) {
      run_loop(runner, *loop, frame);
    } else {
      const auto& branches = std::get<CaseStep>(step.action);
      const int64_t selected = read_selector(frame[branches.selector], branches.selector_type);
      const auto count = static_cast<int64_t>(branches.branches.size());
      run_sequence(runner, *branches.branches[static_cast<size_t>(selected < 0 || selected >= count ? count - 1 : selected)], frame);
    }
  }
}

void list(const Sequence& steps, int indent, std::string& out) {
  const std::string margin(static_cast<size_t>(indent) * 2, ' ');
  auto nested = [&](std::string_view title, const Sequence& inner) {
    out += cat(margin, title, " {\n");
    list(inner, indent + 1, out);
    out += margin + "}\n";
  };
  for (const Step& step : steps) {
    if (const auto* run = std::get_if<RunStep>(&step.action)) {
      out += margin + "run(";
      for (size_t i = 0; i < run->slots.size(); ++i) out += cat(i ? ", %" : "%", run->slots[i]);
      out += run->l1_in_use > 0 ? cat(") beside ", run->l1_in_use, " bytes in each L1\n") : ")\n";
      std::string text = run->program->text();
      for (size_t at = 0; at < text.size();) {
        const size_t end = std::min(text.find('\n', at), text.size());
        out += margin + "  " + text.substr(at, end - at) + "\n";
        at = end + 1;
      }
    } else if (const auto* loop = std::get_if<WhileStep>(&step.action)) {
      if (!loop->turns) nested("while", *loop->condition);
      std::string title = loop->turns ? cat("do (", *loop->turns, " times)") : cat("do (until %", loop->predicate, " is false)");
      for (const Counter& counter : loop->counters) title += cat(", %", counter.storage, " from ", counter.first, " by ", counter.by);
      nested(title, *loop->body);
    } else {
      const auto& branches = std::get<CaseStep>(step.action);
      for (size_t i = 0; i < branches.branches.size(); ++i) nested(cat("case %", branches.selector, " = ", i), *branches.branches[i]);
    }
  }
}

class PlannedExecutable : public Executable, public std::enable_shared_from_this<PlannedExecutable> {
 public:
  PlannedExecutable(const ir::Module& module, Plan plan, std::vector<uint8_t> donated, const emulator::ChipSpec& chip,
                    std::string fingerprint)
      : name_(module.name), plan_(std::move(plan)), donated_(std::move(donated)), chip_(chip), fingerprint_(std::move(fingerprint)) {
    const ir::Function& main = module.main();
    for (const ir::Type& type : main.argument_types()) parameters_.push_back(lowering::stored(type));
    for (const ir::Type& type : main.result_types) results_.push_back(lowering::stored(type));
    for_each_run(plan_.steps, [&](RunStep& run) {
      calls_host_ = calls_host_ || run.program->host_function();
      if (run.program->runs_on_cores()) {
        run.program = metal::log_program(std::move(run.program), chip, placement(run));
      }
    });
    parameter_shardings_ = main.argument_shardings;
    result_shardings_ = main.result_shardings;
    num_partitions_ = ir::num_partitions(module);
    small_ = num_partitions_ == 1 && seconds_of(plan_.steps) <= kInlineSeconds;
    template_.resize(plan_.storages.size(), nullptr);
    for (size_t i = 0; i < plan_.storages.size(); ++i) {
      const Storage& storage = plan_.storages[i];
      if (storage.kind == Storage::Kind::kConstant) template_[i] = const_cast<std::byte*>(storage.data->data());
    }
  }

  const std::string& name() const override { return name_; }
  std::span<const ir::Type> parameters() const override { return parameters_; }
  std::span<const ir::Type> results() const override { return results_; }
  const std::vector<uint8_t>& donated_parameters() const override { return donated_; }
  emulator::BufferType parameter_memory(size_t i) const override { return plan_.storages[plan_.parameters[i]].memory; }
  emulator::BufferType result_memory(size_t i) const override { return plan_.storages[plan_.results[i]].memory; }
  int64_t num_partitions() const override { return num_partitions_; }
  std::span<const ir::Sharding> parameter_shardings() const override { return parameter_shardings_; }
  std::span<const ir::Sharding> result_shardings() const override { return result_shardings_; }
  const std::string& fingerprint() const override { return fingerprint_; }

  std::string text() const override {
    std::string out = cat("executable ", name_, " on ", chip_.name, "\n");
    int64_t programs = 0, moving = 0;
    for_each_run(plan_.steps, [&](const RunStep& run) {
      ++programs;
      moving += lowering::only_moves(run);
    });
    out += cat("  ", programs, programs == 1 ? " program" : " programs", ", of which ", moving,
               moving == 1 ? " only moves data" : " only move data", "\n");
    for (size_t i = 0; i < plan_.storages.size(); ++i) {
      const Storage& storage = plan_.storages[i];
      switch (storage.kind) {
        case Storage::Kind::kParameter:
          out += cat("  %", i, " = parameter ", storage.index, " : ", to_string(parameters_[storage.index]), in_host(storage), "\n");
          break;
        case Storage::Kind::kConstant:
          if (storage.bytes > 0) out += cat("  %", i, " = constant of ", storage.bytes, " bytes", storage.in_tiles ? " TILE\n" : "\n");
          break;
        case Storage::Kind::kResult:
          out += cat("  %", i, " = result ", storage.index, " : ", to_string(results_[storage.index]), in_host(storage), "\n");
          break;
        case Storage::Kind::kTemporary:
          if (storage.offset >= 0) out += cat("  %", i, " = ", where(storage), storage.in_tiles ? " TILE\n" : "\n");
          break;
      }
    }
    list(plan_.steps, 1, out);
    return out;
  }

  bool calls_host() const override { return calls_host_; }

  Cost cost() const override {
    std::call_once(estimated_, [this] { cost_ = estimate_sequence(plan_.steps); });
    return cost_;
  }

  MemoryUse memory() const override {
    MemoryUse use;
    const auto is_on_host = [](emulator::BufferType memory) { return memory == emulator::BufferType::kHost; };
    for (size_t i = 0; i < parameters_.size(); ++i)
      (is_on_host(parameter_memory(i)) ? use.host_argument_bytes : use.argument_bytes) += parameters_[i].num_bytes();
    for (size_t i = 0; i < results_.size(); ++i) {
      (is_on_host(result_memory(i)) ? use.host_output_bytes : use.output_bytes) += results_[i].num_bytes();
      if (plan_.donors[i] >= 0 && !is_on_host(result_memory(i))) use.alias_bytes += results_[i].num_bytes();
    }
    use.temporary_bytes = plan_.arena_bytes;
    for (const Storage& storage : plan_.storages) {
      const bool is_temporary = storage.kind == Storage::Kind::kTemporary && storage.offset >= 0;
      if (is_temporary && is_on_host(storage.memory)) use.host_temporary_bytes += storage.bytes;
      if (storage.kind == Storage::Kind::kConstant) use.generated_code_bytes += storage.bytes;
    }
    return use;
  }

  Execution execute(metal::Device& device, std::span<const std::shared_ptr<metal::Buffer>> arguments, std::span<const uint8_t> may_donate,
                    const Part& part) const override {
    auto state = std::make_shared<State>();
    state->self = shared_from_this();
    state->device = &device;
    state->part = part;
    state->arguments.assign(arguments.begin(), arguments.end());
    for (const auto& argument : arguments) {
      if (argument->ready().is_pending_or_failed()) state->awaited.push_back(argument->ready());
    }
    state->outputs.reserve(results_.size());
    for (size_t i = 0; i < results_.size(); ++i) {
      const int64_t donor = plan_.donors[i];
      const bool reuse = donor >= 0 && may_donate[static_cast<size_t>(donor)] && !arguments[static_cast<size_t>(donor)]->is_read_only();
      state->outputs.push_back(reuse ? arguments[static_cast<size_t>(donor)] : device.allocate(results_[i].num_bytes(), result_memory(i)));
    }
    if (plan_.frame_bytes > 0) state->temporaries = device.allocate_temporaries(plan_.frame_bytes, plan_.arena_bytes);
    Execution execution;
    execution.outputs = state->outputs;
    const bool waits = std::any_of(state->awaited.begin(), state->awaited.end(), [](const auto& event) { return !event.is_ready(); });
    execution.done = device.enqueue([state] { state->self->take_part(*state); }, small_ && !waits);
    for (const auto& output : execution.outputs) output->set_ready(execution.done);
    return execution;
  }

 private:
  struct State {
    std::shared_ptr<const PlannedExecutable> self;
    metal::Device* device;
    Part part;
    std::vector<std::shared_ptr<metal::Buffer>> arguments, outputs;
    std::vector<metal::Event> awaited;  // when the arguments are there
    std::shared_ptr<metal::Buffer> temporaries;
  };

  // The others must not wait for a card whose run has ended, whichever way.
  void take_part(State& state) const {
    metal::Peers* const peers = state.part.peers.get();
    if (peers == nullptr) return run(state);
    try {
      run(state);
    } catch (const std::exception& error) {
      peers->fail(error);
      throw;
    }
    peers->leave(state.part.card);
  }

  void run(State& state) const {
    Frame frame = template_;
    for (const metal::Event& event : state.awaited) event.wait();
    for (size_t i = 0; i < state.arguments.size(); ++i) frame[plan_.parameters[i]] = state.arguments[i]->data();
    for (size_t i = 0; i < state.outputs.size(); ++i) {
      metal::Buffer& output = *state.outputs[i];
      frame[plan_.results[i]] = output.data();
      if (plan_.donors[i] < 0) continue;
      const metal::Buffer& donor = *state.arguments[static_cast<size_t>(plan_.donors[i])];
      if (&donor != &output) std::memcpy(output.data(), donor.data(), static_cast<size_t>(output.size()));
    }
    if (state.temporaries) {
      for (size_t i = 0; i < plan_.storages.size(); ++i) {
        const Storage& storage = plan_.storages[i];
        if (storage.kind == Storage::Kind::kTemporary && storage.offset >= 0) frame[i] = state.temporaries->data() + storage.offset;
      }
    }
    const metal::Participant participant{state.part.peers.get(), state.part.card};
    run_sequence({*state.device, state.part.peers != nullptr ? &participant : nullptr}, plan_.steps, frame);
    state.arguments.clear();
    state.temporaries.reset();
  }

  std::vector<emulator::BufferType> placement(const RunStep& run) const {
    std::vector<emulator::BufferType> memories;
    for (StorageId id : run.slots) memories.push_back(plan_.storages[id].memory);
    return memories;
  }

  static std::string_view in_host(const Storage& storage) { return storage.memory == emulator::BufferType::kHost ? " in pinned_host" : ""; }

  std::string where(const Storage& storage) const {
    if (storage.memory == emulator::BufferType::kHost) return cat(storage.bytes, " bytes", in_host(storage));
    const bool in_l1 = storage.memory == emulator::BufferType::kL1;
    const int64_t bytes = in_l1 ? emulator::l1_share(storage.bytes, chip_) : storage.bytes;
    return cat(in_l1 ? "l1[" : "arena[", storage.address, ", ", storage.address + bytes, ")");
  }

  Cost estimate_sequence(const Sequence& steps) const {
    Cost total;
    add_cost(steps, 1, total);
    total.seconds = total.cycles / chip_.clock_hz;
    return total;
  }

  // A loop counts once where it cannot be seen how often it turns, and so does every branch.
  void add_cost(const Sequence& steps, double times, Cost& total) const {
    for (const Step& step : steps) {
      if (const auto* run = std::get_if<RunStep>(&step.action)) {
        const emulator::RunReport report = metal::estimate(*run->program, chip_, placement(*run));
        total.flops += times * run->program->flops;
        total.bytes_accessed +=
            times * static_cast<double>(report.dram_read_bytes + report.dram_write_bytes + report.l1_bytes + report.host_bytes);
        total.l1_bytes_accessed += times * static_cast<double>(report.l1_bytes);
        total.cycles += times * static_cast<double>(report.cycles);
      } else if (const auto* loop = std::get_if<WhileStep>(&step.action)) {
        add_cost(*loop->condition, times, total);
        const double turns = times * static_cast<double>(loop->turns.value_or(1));
        total.cycles += turns * static_cast<double>(loop->counters.size() * emulator::cycles::kDispatchWrite);
        add_cost(*loop->body, turns, total);
      } else {
        for (const auto& branch : std::get<CaseStep>(step.action).branches) add_cost(*branch, times, total);
      }
    }
  }

  std::string name_;
  Plan plan_;
  std::vector<uint8_t> donated_;
  const emulator::ChipSpec& chip_;
  std::string fingerprint_;
  std::vector<ir::Type> parameters_, results_;
  Frame template_;
  std::vector<ir::Sharding> parameter_shardings_, result_shardings_;
  int64_t num_partitions_ = 1;
  bool calls_host_ = false;
  bool small_ = false;
  mutable std::once_flag estimated_;
  mutable Cost cost_;
};

bool is_donated(const ir::AttributeDict& attributes) {
  return std::any_of(attributes.begin(), attributes.end(), [](const auto& entry) {
    if (entry.first == "tf.aliasing_output") return true;
    const bool* donor = std::get_if<bool>(&entry.second.value);
    return entry.first == "jax.buffer_donor" && donor != nullptr && *donor;
  });
}

}  // namespace

std::string_view memory_kind(emulator::BufferType memory) { return lowering::kind_of(memory); }

std::shared_ptr<const Executable> compile(std::unique_ptr<ir::Module> module, const CompileOptions& options, const emulator::ChipSpec& chip,
                                          std::string fingerprint) {
  if (options.num_replicas != 1)
    fail(ErrorCategory::kUnimplemented, "[compile] ", options.num_replicas,
         " replicas; tt runs programs of one replica, in any number of partitions");
  require(options.num_partitions == ir::num_partitions(*module), "[compile] for ", options.num_partitions, " partitions, the program has ",
          ir::num_partitions(*module));
  ir::verify(*module);
  const auto left_out = options.overrides.find("jax_tt_no");
  const passes::Selection selection(left_out == options.overrides.end() ? std::string_view() : left_out->second);
  passes::Dump dump(*module);
  passes::run_pipeline(*module, selection, dump);
  const ir::Function& main = module->main();
  std::vector<uint8_t> donated;
  for (const ir::AttributeDict& attributes : main.argument_attributes) donated.push_back(is_donated(attributes));
  donated.resize(main.body->arguments().size(), 0);
  Plan plan = lowering::lower(*module, donated,
                              {.assign_layouts = selection.has("assign_layouts"),
                               .batch_chains = selection.has("batch_chains"),
                               .batch_reductions = selection.has("batch_reductions"),
                               .fuse_attention = selection.has("fuse_attention"),
                               .fuse_epilogues = selection.has("fuse_epilogues"),
                               .fuse_norms = selection.has("fuse_norms"),
                               .fuse_parts = selection.has("fuse_parts"),
                               .fuse_reductions = selection.has("fuse_reductions"),
                               .hoist_steps = selection.has("hoist_steps"),
                               .hoist_tiles = selection.has("hoist_tiles"),
                               .l1_intermediates = selection.has("l1_intermediates"),
                               .fuse_turns = selection.has("fuse_turns"),
                               .fuse_writes = selection.has("fuse_writes"),
                               .fuse_rows = selection.has("fuse_rows"),
                               .skip_fills = selection.has("skip_fills"),
                               .recompute = selection.has("recompute")},
                              chip, options.processes);
  auto executable = std::make_shared<PlannedExecutable>(*module, std::move(plan), std::move(donated), chip, std::move(fingerprint));
  if (dump.is_on()) dump.write("programs.txt", executable->text());
  return executable;
}

}  // namespace tt::executable
