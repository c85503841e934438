// Compiled programs, and running them.
#include <algorithm>
#include <array>
#include <deque>

#include "metal/exchange.hpp"
#include "pjrt/objects.hpp"
#include "pjrt/serialized.hpp"

namespace tt::pjrt {
namespace {

template <class T>
void give(std::string bytes, GetOwnedBytes<T>& to) {
  auto* owner = new std::string(std::move(bytes));
  to.bytes = owner->data();
  to.size = owner->size();
  to.owner = owner;
  to.deleter = [](void* owned) { delete static_cast<std::string*>(owned); };
}

void destroy(One<ExecutableHandle>& args) { delete args.object; }
void destroy_loaded(One<LoadedExecutable>& args) { delete args.object; }

void get_executable(Get<LoadedExecutable, ExecutableHandle*>& args) {
  auto handle = std::make_unique<ExecutableHandle>();
  handle->program = args.object->program;
  handle->assignment = args.object->assignment;
  for (const ir::Type& type : handle->program.compiled->results()) {
    const std::string_view kind = executable::memory_kind(handle->program.compiled->result_memory(handle->types.size()));
    handle->memory_kinds.push_back(kind.data());
    handle->memory_kind_sizes.push_back(kind.size());
    handle->types.push_back(buffer_type(type.element));
    handle->dims.insert(handle->dims.end(), type.dims.begin(), type.dims.end());
    handle->ranks.push_back(type.dims.size());
  }
  describe_layouts(*handle);
  describe_shardings(*handle);
  args.value = handle.release();
}

void name(GetText<ExecutableHandle>& args) {
  args.text = args.object->program.compiled->name().c_str();
  args.size = args.object->program.compiled->name().size();
}

void fingerprint(GetText<ExecutableHandle>& args) {
  args.text = args.object->program.compiled->fingerprint().c_str();
  args.size = args.object->program.compiled->fingerprint().size();
}

void serialize_executable(GetOwnedBytes<ExecutableHandle>& args) {
  const CompileCache::Program& program = args.object->program;
  require(!program.compiled->calls_host(), "[serialize] ", program.compiled->name(),
          " calls functions of this process, which no other has; serialize programs without callbacks");
  give(serialize(*program.key, args.object->assignment), args);
}

void num_replicas(Get<ExecutableHandle, size_t>& args) { args.value = 1; }
void num_partitions(Get<ExecutableHandle, size_t>& args) {
  args.value = static_cast<size_t>(args.object->program.compiled->num_partitions());
}
void num_outputs(Get<ExecutableHandle, size_t>& args) { args.value = args.object->program.compiled->results().size(); }
void code_size(Get<ExecutableHandle, int64_t>& args) { args.value = args.object->program.compiled->memory().generated_code_bytes; }

void cost_analysis(GetAttributes<ExecutableHandle>& args) {
  std::vector<NamedValue>& costs = args.object->costs;
  if (costs.empty()) {
    const executable::Cost cost = args.object->program.compiled->cost();
    costs = {named("flops", static_cast<float>(cost.flops)), named("bytes accessed", static_cast<float>(cost.bytes_accessed)),
             named("bytes accessed in L1", static_cast<float>(cost.l1_bytes_accessed)), named("cycles", static_cast<float>(cost.cycles)),
             named("seconds", static_cast<float>(cost.seconds))};
    args.object->text = args.object->program.compiled->text();
    costs.push_back(named("kernel programs", args.object->text));
  }
  args.values = costs.data();
  args.count = costs.size();
}

void memory_stats(CompiledMemoryStats& args) {
  const executable::MemoryUse use = args.executable->program.compiled->memory();
  args.generated_code = use.generated_code_bytes;
  args.arguments = use.argument_bytes;
  args.outputs = use.output_bytes;
  args.alias = use.alias_bytes;
  args.temporaries = use.temporary_bytes;
  args.host_generated_code = args.host_alias = 0;
  args.host_arguments = use.host_argument_bytes;
  args.host_outputs = use.host_output_bytes;
  args.host_temporaries = use.host_temporary_bytes;
  args.peak = args.total = use.argument_bytes + use.output_bytes - use.alias_bytes + use.temporary_bytes;
  args.total_allocation = args.total;
  args.indefinite_allocations = 0;
  args.peak_unpadded_heap = args.peak;
}

void output_types(GetList<ExecutableHandle, int*>& args) {
  args.items = args.object->types.data();
  args.count = args.object->types.size();
}

void output_memory_kinds(OutputMemoryKinds& args) {
  args.num_outputs = args.executable->memory_kinds.size();
  args.kinds = args.executable->memory_kinds.data();
  args.sizes = args.executable->memory_kind_sizes.data();
}

void output_dimensions(OutputDimensions& args) {
  args.num_outputs = args.executable->ranks.size();
  args.dims = args.executable->dims.data();
  args.ranks = args.executable->ranks.data();
}

void addressable_devices(GetList<LoadedExecutable, Device* const*>& args) {
  args.items = args.object->devices.data();
  args.count = args.object->devices.size();
}

void logical_ids(GetList<LoadedExecutable, const LogicalIds*>& args) {
  args.items = args.object->ids.data();
  args.count = args.object->ids.size();
}

void device_assignment(GetOwnedBytes<LoadedExecutable>& args) { give(args.object->assignment, args); }

void delete_loaded(One<LoadedExecutable>& args) { args.object->deleted = true; }
void is_deleted(Get<LoadedExecutable, bool>& args) { args.value = args.object->deleted; }

// The arguments of one run. Donated arrays lose their memory at once, so that no two runs get it; a run that does not start gives it back.
class Arguments {
 public:
  Arguments(const executable::Executable& program, const Execute& args, size_t partition)
      : program_(program),
        given_(args.arguments[partition]),
        count_(args.num_arguments),
        many_(count_ > kFew ? count_ : 0),
        many_readings_(many_.size()),
        many_flags_(many_.size()) {}
  Arguments(const Arguments&) = delete;
  Arguments& operator=(const Arguments&) = delete;
  ~Arguments() {
    for (size_t i = 0; i < count_; ++i) {
      if (flags()[i] & kTaken) given_[i]->give_back(std::move(data()[i]));
    }
  }

  void bind(const Device& device, std::span<const int64_t> kept) {
    const std::vector<uint8_t>& donated = program_.donated_parameters();
    twice_ = std::find(donated.begin(), donated.end(), uint8_t{1}) != donated.end() && has_one_twice();
    for (size_t i = 0; i < count_; ++i) {
      if (donated[i] && std::find(kept.begin(), kept.end(), static_cast<int64_t>(i)) == kept.end()) donate(i);
    }
    for (size_t i = 0; i < count_; ++i) {
      if ((flags()[i] & kTaken) == 0) read(i);
      const ir::Type &type = given_[i]->type, &expected = program_.parameters()[i];
      if (type != expected) [[unlikely]] {
        fail(ErrorCategory::kInvalidArgument, "[execute] argument ", i, " of ", program_.name(), " is ", to_string(type), ", expected ",
             to_string(expected));
      }
      const Memory& memory = *given_[i]->memory;
      require(memory.device == &device, "[execute] argument ", i, " of ", program_.name(), " is on device ", memory.device->id,
              ", the program runs on device ", device.id);
      require(memory.type == program_.parameter_memory(i), "[execute] argument ", i, " of ", program_.name(), " is in memory ",
              executable::memory_kind(memory.type), ", expected ", executable::memory_kind(program_.parameter_memory(i)));
    }
  }

  executable::Execution run(metal::Device& card, const executable::Part& part = {}) {
    std::array<uint8_t, kFew> few{};
    std::vector<uint8_t> many(many_.size());
    uint8_t* may_donate = many.empty() ? few.data() : many.data();
    for (size_t i = 0; i < count_; ++i) may_donate[i] = (flags()[i] & kTaken) != 0 && may_be_reused(i, card);
    executable::Execution execution = program_.execute(card, {data(), count_}, {may_donate, count_}, part);
    std::fill_n(flags(), count_, uint8_t{0});
    for (size_t i = 0; i < count_; ++i) readings()[i] = {};  // from now on the queue knows
    return execution;
  }

 private:
  static constexpr size_t kFew = 16;  // so many need no memory of their own
  static constexpr uint8_t kTaken = 1;

  std::shared_ptr<metal::Buffer>* data() { return many_.empty() ? few_.data() : many_.data(); }
  uint8_t* flags() { return many_.empty() ? few_flags_.data() : many_flags_.data(); }

  metal::Reading* readings() { return many_readings_.empty() ? few_readings_.data() : many_readings_.data(); }

  // No other thread may donate the array before this run is enqueued.
  void read(size_t i) {
    readings()[i] = given_[i]->read("execute");
    data()[i] = readings()[i].buffer();
  }

  // A run that overtakes the queue leaves alone what others may have to read yet.
  bool may_be_reused(size_t i, const metal::Device& card) {
    return given_[i]->external_references.load() == 0 && !data()[i]->is_being_read() && !card.is_in_host_function();
  }

  void donate(size_t i) {
    for (size_t j = 0; j < count_ && twice_; ++j) {
      require(i == j || given_[i] != given_[j], "[execute] ", program_.name(), " donates argument ", i,
              ", but the same array is also argument ", j, "; pass a copy, or do not donate it");
    }
    data()[i] = given_[i]->take("execute");
    flags()[i] = kTaken;
  }

  bool has_one_twice() const {
    std::vector<Buffer*> sorted(given_, given_ + count_);
    std::sort(sorted.begin(), sorted.end());
    return std::adjacent_find(sorted.begin(), sorted.end()) != sorted.end();
  }

  const executable::Executable& program_;
  Buffer* const* given_;
  size_t count_;
  bool twice_ = false;  // an array is two arguments
  std::array<std::shared_ptr<metal::Buffer>, kFew> few_;
  std::array<metal::Reading, kFew> few_readings_;
  std::array<uint8_t, kFew> few_flags_{};
  std::vector<std::shared_ptr<metal::Buffer>> many_;
  std::vector<metal::Reading> many_readings_;
  std::vector<uint8_t> many_flags_;
};

std::span<const int64_t> kept_arguments(const Execute& args) {
  return {args.options->non_donatable_inputs, args.options->num_non_donatable_inputs};
}

void give_results(Execute& args, size_t partition, Device& device, executable::Execution execution) {
  const auto results = args.executable->program.compiled->results();
  for (size_t i = 0; i < results.size(); ++i) {
    auto* buffer = new Buffer;
    buffer->memory = &device.memory_of(args.executable->program.compiled->result_memory(i));
    buffer->type = results[i];
    buffer->data = std::move(execution.outputs[i]);
    args.outputs[partition][i] = buffer;
  }
  if (args.complete_events != nullptr) args.complete_events[partition] = new Event{execution.done};
}

void execute_alone(Execute& args) {
  LoadedExecutable& loaded = *args.executable;
  Device& device = args.execute_device != nullptr ? *args.execute_device : *loaded.devices[0];
  Arguments arguments(*loaded.program.compiled, args, 0);
  arguments.bind(device, kept_arguments(args));
  executable::Execution execution = arguments.run(*device.card);
  if (const auto failure = execution.done.error()) throw *failure;  // it has run already: whoever called hears of it at once
  give_results(args, 0, device, std::move(execution));
}

void execute_together(Execute& args) {
  LoadedExecutable& loaded = *args.executable;
  const executable::Executable& program = *loaded.program.compiled;
  const size_t count = loaded.devices.size();
  const auto peers = std::make_shared<metal::Peers>(static_cast<size_t>(program.num_partitions()));
  std::deque<Arguments> arguments;
  std::vector<executable::Execution> executions;
  {
    const std::lock_guard lock(loaded.client->together);
    if (!loaded.seats.empty()) peers->join(loaded.client->hosts->start({program.name(), loaded.signature, loaded.seats}, peers));
    try {
      for (size_t i = 0; i < count; ++i) {
        require(!loaded.devices[i]->card->is_in_host_function(), "[execute] ", program.name(), " runs on ", program.num_partitions(),
                " devices, one of which waits for the function that calls it: return first");
        arguments.emplace_back(program, args, i).bind(*loaded.devices[i], kept_arguments(args));
      }
      for (size_t i = 0; i < count; ++i)
        executions.push_back(arguments[i].run(*loaded.devices[i]->card, {peers, static_cast<size_t>(loaded.ids[i].partition)}));
    } catch (const std::exception& error) {  // those that run already, here or elsewhere, would wait for ever
      peers->fail(error);
      throw;
    }
  }
  for (size_t i = 0; i < count; ++i) give_results(args, i, *loaded.devices[i], std::move(executions[i]));
}

void execute(Execute& args) {
  LoadedExecutable& loaded = *args.executable;
  const executable::Executable& program = *loaded.program.compiled;
  const size_t count = loaded.devices.size();
  require(!loaded.deleted, "[execute] ", program.name(), " was deleted");
  require(args.num_devices == count, "[execute] ", program.name(), " was compiled for ", count, count == 1 ? " device" : " devices",
          ", the call names ", args.num_devices);
  if (count == 0) return;  // all devices are those of other processes: JAX calls here too, with nothing
  require(args.num_arguments == program.parameters().size(), "[execute] ", program.name(), " takes ", program.parameters().size(),
          " arguments, ", args.num_arguments, " were given");
  program.num_partitions() == 1 ? execute_alone(args) : execute_together(args);
}

}  // namespace

void install_executables(Api& api) {
  install<&destroy>(api, Slot::kExecutableDestroy);
  install<&name>(api, Slot::kExecutableName);
  install<&num_replicas>(api, Slot::kExecutableNumReplicas);
  install<&num_partitions>(api, Slot::kExecutableNumPartitions);
  install<&num_outputs>(api, Slot::kExecutableNumOutputs);
  install<&code_size>(api, Slot::kExecutableSizeOfGeneratedCodeInBytes);
  install<&cost_analysis>(api, Slot::kExecutableGetCostAnalysis);
  install<&memory_stats>(api, Slot::kExecutableGetCompiledMemoryStats);
  install<&fingerprint>(api, Slot::kExecutableFingerprint);
  install<&serialize_executable>(api, Slot::kExecutableSerialize);
  install<&output_types>(api, Slot::kExecutableOutputElementTypes);
  install<&output_memory_kinds>(api, Slot::kExecutableOutputMemoryKinds);
  install<&output_dimensions>(api, Slot::kExecutableOutputDimensions);
  install<&destroy_loaded>(api, Slot::kLoadedExecutableDestroy);
  install<&get_executable>(api, Slot::kLoadedExecutableGetExecutable);
  install<&addressable_devices>(api, Slot::kLoadedExecutableAddressableDevices);
  install<&logical_ids>(api, Slot::kLoadedExecutableAddressableDeviceLogicalIds);
  install<&device_assignment>(api, Slot::kLoadedExecutableGetDeviceAssignment);
  install<&delete_loaded>(api, Slot::kLoadedExecutableDelete);
  install<&is_deleted>(api, Slot::kLoadedExecutableIsDeleted);
  install<&execute>(api, Slot::kLoadedExecutableExecute);
}

}  // namespace tt::pjrt
