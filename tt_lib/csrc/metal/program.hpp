// A kernel program as a value: tensors are slots, kernels carry typed arguments, circular buffers and semaphores are declared. Built once,
// validated, then run with any buffers bound to its slots.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "emulator/scheduler.hpp"
#include "kernel_api/compute_api.hpp"
#include "kernel_api/dataflow_api.hpp"

namespace tt::metal {

using emulator::CoreCoord;
using emulator::Role;

struct SlotSpec {
  std::string name;  // "a", "out"
  int64_t bytes;
  bool is_output;
};

struct CircularBufferConfig {
  Cb id;
  uint32_t num_pages;
  uint32_t page_size;   // bytes, rounded up to L1 alignment
  std::string content;  // for listings: "in0", "partials"
};

// What the host does for a program instead of cores: reads and writes the buffers of its slots; what it throws fails the run.
using HostFunction = std::function<void(std::byte* const* buffers)>;
// What goes over the links between cards that run one program together.
struct Participant;
using LinkFunction = std::function<void(const Participant& me, std::byte* const* buffers)>;

class Program {
 public:
  explicit Program(std::string name) : name_(std::move(name)) {}

  Slot add_input(std::string name, int64_t bytes);
  Slot add_output(std::string name, int64_t bytes);
  Cb add_circular_buffer(uint32_t num_pages, uint32_t page_size, std::string content);  // the next free id, on all cores
  uint8_t add_semaphore(uint32_t initial);

  // Which cores run the program; argument i of every kernel belongs to core i.
  void set_cores(std::vector<CoreCoord> cores);

  // Of programs with semaphores: the cores that others send to or that wait, where these are few. The others need not run at the same time.
  // After set_cores.
  void set_receivers(std::span<const CoreCoord> cores);

  // A kernel on all cores, its arguments per core. `description` is one line for listings. Where `join(Args&, const Args& last)` gives
  // arguments the work of all cores up to `last`, the host may run neighbours as one, unless it counts cycles.
  template <class Context, class Args>
  void add_kernel(Role role, std::string name, Kernel (*function)(Context, Args), std::vector<Args> args, std::string description = {});
  void set_host_function(HostFunction function) { host_function_ = std::move(function); }  // then there are no cores
  void set_link_function(LinkFunction function) { link_function_ = std::move(function); }  // likewise
  // The kernels touch memory by their calls and KernelContext::perform alone, and these do not depend on the data: what a small program's
  // kernels do is written down once and repeated.
  void set_repeatable() { repeatable_ = true; }
  // Cores that share what they read, run as one: a program of the same slots that leaves the same bits there. The host runs it for values,
  // and it has as much L1 as it takes; cycles are those of this one.
  void set_joined(Program joined) { joined_ = std::make_shared<const Program>(std::move(joined)); }
  const Program& for_values() const { return joined_ ? *joined_ : *this; }
  void add_note(std::string line) { notes_.push_back(std::move(line)); }  // for listings: tile ops, maps
  void set_bytes_between_hosts(int64_t bytes);  // of what goes over the links, the most that one host sends to others or receives
  template <class T>
  const T* keep(T value);  // data that kernels point to, owned by the program

  // Fails with UndefinedBehavior on what the chip forbids: too many CBs, L1 over budget, a core outside the compute grid, no core.
  void validate(const emulator::ChipSpec& chip) const;
  // The same when the circular buffers do not fit beside buffers that take `in_use` bytes of each core's L1.
  void check_l1(const emulator::ChipSpec& chip, int64_t in_use) const;

  const std::string& name() const { return name_; }
  std::span<const SlotSpec> slots() const { return slots_; }
  std::span<const CoreCoord> cores() const { return cores_; }
  std::span<const CircularBufferConfig> circular_buffers() const { return circular_buffers_; }
  const HostFunction& host_function() const { return host_function_; }
  const LinkFunction& link_function() const { return link_function_; }
  int64_t bytes_between_hosts() const { return bytes_between_hosts_; }
  bool runs_on_cores() const { return !host_function_ && !link_function_; }
  int64_t l1_bytes() const;
  emulator::LaunchPlan plan() const;  // refers to this program
  std::string text() const;           // name, cores, slots, CBs, kernels, notes

  double flops = 0;             // per run, for cost_analysis
  double host_seconds() const;  // of one host thread that runs it in Values mode, about, on a small host

  void count_run() const { std::atomic_ref<int64_t>(runs_).fetch_add(1, std::memory_order_relaxed); }
  int64_t runs() const { return std::atomic_ref<int64_t>(runs_).load(std::memory_order_relaxed); }
  const emulator::RecordedProgram* recording() const { return recordings_.ready(); }
  Program without_runs() const;  // a copy that has not run yet

 private:
  struct KernelGroup {
    Role role;
    std::string name;
    std::string description;
    std::function<void(emulator::KernelState&, size_t first, size_t last)> start;
    size_t arguments;  // one for each core, or one for all
    bool joins;        // neighbours' arguments to one
    bool computes;
  };

  std::string name_;
  std::vector<SlotSpec> slots_;
  int64_t slot_bytes_ = 0;  // of all
  std::vector<CircularBufferConfig> circular_buffers_;
  std::vector<emulator::CircularBufferSpec> cb_specs_;
  std::vector<uint32_t> semaphores_;
  std::vector<CoreCoord> cores_;
  std::vector<size_t> receivers_, senders_;  // indices of cores
  std::vector<KernelGroup> kernels_;
  HostFunction host_function_;
  LinkFunction link_function_;
  int64_t bytes_between_hosts_ = 0;
  std::vector<std::string> notes_;
  std::vector<std::shared_ptr<const void>> kept_;
  mutable int64_t runs_ = 0;
  std::shared_ptr<const Program> joined_;
  bool repeatable_ = false;
  mutable emulator::Recordings recordings_;
};

template <class Context, class Args>
void Program::add_kernel(Role role, std::string name, Kernel (*function)(Context, Args), std::vector<Args> args, std::string description) {
  static_assert(std::is_same_v<Context, Dataflow> || std::is_same_v<Context, Compute>);
  constexpr bool kJoins = requires(Args & own, const Args& last) { join(own, last); };
  const size_t arguments = args.size();
  auto start = [function, args = std::move(args)](emulator::KernelState& state, size_t first, size_t last) {
    Args own = args.size() == 1 ? args[0] : args[first];
    if constexpr (kJoins) {
      if (first != last) join(own, args[last]);
    }
    Kernel kernel = function(Context(state), std::move(own));
    state.handle = kernel.handle();
    state.error = &kernel.handle().promise().error;
  };
  kernels_.push_back(
      {role, std::move(name), std::move(description), std::move(start), arguments, kJoins, std::is_same_v<Context, Compute>});
}

template <class T>
const T* Program::keep(T value) {
  auto owned = std::make_shared<const T>(std::move(value));
  kept_.push_back(owned);
  return owned.get();
}

// The first n cores of the compute grid, row by row.
std::vector<CoreCoord> first_cores(const emulator::ChipSpec& chip, size_t n);

}  // namespace tt::metal
