// Compiled programs, and running them.
#include <algorithm>
#include <array>

#include "pjrt/objects.hpp"

namespace tt::pjrt {
namespace {

void destroy(One<ExecutableHandle>& args) { delete args.object; }
void destroy_loaded(One<LoadedExecutable>& args) { delete args.object; }

void get_executable(Get<LoadedExecutable, ExecutableHandle*>& args) {
  auto handle = std::make_unique<ExecutableHandle>();
  handle->compiled = args.object->compiled;
  for (const ir::Type& type : handle->compiled->results()) {
    handle->types.push_back(buffer_type(type.element));
    handle->dims.insert(handle->dims.end(), type.dims.begin(), type.dims.end());
    handle->ranks.push_back(type.dims.size());
  }
  args.value = handle.release();
}

void name(GetText<ExecutableHandle>& args) {
  args.text = args.object->compiled->name().c_str();
  args.size = args.object->compiled->name().size();
}

void fingerprint(GetText<ExecutableHandle>& args) {
  args.text = args.object->compiled->fingerprint().c_str();
  args.size = args.object->compiled->fingerprint().size();
}

void one(Get<ExecutableHandle, size_t>& args) { args.value = 1; }
void num_outputs(Get<ExecutableHandle, size_t>& args) { args.value = args.object->compiled->results().size(); }
void code_size(Get<ExecutableHandle, int64_t>& args) { args.value = args.object->compiled->memory().generated_code_bytes; }

void cost_analysis(GetAttributes<ExecutableHandle>& args) {
  std::vector<NamedValue>& costs = args.object->costs;
  if (costs.empty()) {
    const executable::Cost cost = args.object->compiled->cost();
    costs = {named("flops", static_cast<float>(cost.flops)), named("bytes accessed", static_cast<float>(cost.bytes_accessed)),
             named("cycles", static_cast<float>(cost.cycles)), named("seconds", static_cast<float>(cost.seconds))};
    args.object->text = args.object->compiled->text();
    costs.push_back(named("kernel programs", args.object->text));
  }
  args.values = costs.data();
  args.count = costs.size();
}

void memory_stats(CompiledMemoryStats& args) {
  const executable::MemoryUse use = args.executable->compiled->memory();
  args.generated_code = use.generated_code_bytes;
  args.arguments = use.argument_bytes;
  args.outputs = use.output_bytes;
  args.alias = use.alias_bytes;
  args.temporaries = use.temporary_bytes;
  args.host_generated_code = args.host_arguments = args.host_outputs = args.host_alias = args.host_temporaries = 0;
  args.peak = args.total = use.argument_bytes + use.output_bytes - use.alias_bytes + use.temporary_bytes;
  args.total_allocation = args.total;
  args.indefinite_allocations = 0;
  args.peak_unpadded_heap = args.peak;
}

void output_types(GetList<ExecutableHandle, int*>& args) {
  args.items = args.object->types.data();
  args.count = args.object->types.size();
}

void output_dimensions(OutputDimensions& args) {
  args.num_outputs = args.executable->ranks.size();
  args.dims = args.executable->dims.data();
  args.ranks = args.executable->ranks.data();
}

void addressable_devices(GetList<LoadedExecutable, Device* const*>& args) {
  args.items = args.object->devices;
  args.count = 1;
}

void logical_ids(GetList<LoadedExecutable, const LogicalIds*>& args) {
  static constexpr LogicalIds kOnly{0, 0};
  args.items = &kOnly;
  args.count = 1;
}

void device_assignment(GetOwnedBytes<LoadedExecutable>& args) {
  auto* copy = new std::string(args.object->assignment);
  args.bytes = copy->data();
  args.size = copy->size();
  args.owner = copy;
  args.deleter = [](void* owner) { delete static_cast<std::string*>(owner); };
}

void delete_loaded(One<LoadedExecutable>& args) { args.object->deleted = true; }
void is_deleted(Get<LoadedExecutable, bool>& args) { args.value = args.object->deleted; }

void execute(Execute& args) {
  LoadedExecutable& loaded = *args.executable;
  const executable::Executable& program = *loaded.compiled;
  require(!loaded.deleted, "[execute] ", program.name(), " was deleted");
  require(args.num_devices == 1, "[execute] ", program.name(), " was compiled for one device, the call names ", args.num_devices);
  const auto parameters = program.parameters();
  require(args.num_arguments == parameters.size(), "[execute] ", program.name(), " takes ", parameters.size(), " arguments, ",
          args.num_arguments, " were given");
  Device& device = args.execute_device != nullptr ? *args.execute_device : *loaded.device;
  Buffer* const* given = args.arguments[0];
  const std::vector<uint8_t>& donated = program.donated_parameters();

  constexpr size_t kFew = 16;
  std::array<std::shared_ptr<metal::Buffer>, kFew> few;
  std::array<uint8_t, kFew> few_flags{};
  std::vector<std::shared_ptr<metal::Buffer>> many(args.num_arguments > kFew ? args.num_arguments : 0);
  std::vector<uint8_t> many_flags(many.size());
  std::shared_ptr<metal::Buffer>* arguments = many.empty() ? few.data() : many.data();
  uint8_t* may_donate = many.empty() ? few_flags.data() : many_flags.data();

  for (size_t i = 0; i < args.num_arguments; ++i) {
    arguments[i] = given[i]->use("execute");
    require(arguments[i]->size() == parameters[i].num_bytes(), "[execute] argument ", i, " of ", program.name(), " is ",
            to_string(given[i]->type), ", expected ", to_string(parameters[i]));
    may_donate[i] = donated[i] && given[i]->external_references.load() == 0;
  }
  const std::span<const int64_t> kept(args.options->non_donatable_inputs, args.options->num_non_donatable_inputs);
  const auto is_donated = [&](size_t i) {
    return donated[i] && std::find(kept.begin(), kept.end(), static_cast<int64_t>(i)) == kept.end();
  };
  for (size_t i = 0; i < args.num_arguments; ++i) {
    if (!donated[i]) continue;
    if (!is_donated(i)) {
      may_donate[i] = 0;
      continue;
    }
    for (size_t j = 0; j < args.num_arguments; ++j) {
      require(i == j || given[i] != given[j], "[execute] ", program.name(), " donates argument ", i,
              ", but the same array is also argument ", j, "; pass a copy, or do not donate it");
    }
  }
  executable::Execution execution = program.execute(*device.card, {arguments, args.num_arguments}, {may_donate, args.num_arguments});
  for (size_t i = 0; i < args.num_arguments; ++i) {
    if (donated[i] && is_donated(i)) given[i]->drop("donated");
  }
  const auto results = program.results();
  for (size_t i = 0; i < results.size(); ++i) {
    auto* buffer = new Buffer;
    buffer->device = &device;
    buffer->type = results[i];
    buffer->data = std::move(execution.outputs[i]);
    args.outputs[0][i] = buffer;
  }
  if (args.complete_events != nullptr) args.complete_events[0] = new Event{execution.done};
}

}  // namespace

void install_executables(Api& api) {
  install<&destroy>(api, Slot::kExecutableDestroy);
  install<&name>(api, Slot::kExecutableName);
  install<&one>(api, Slot::kExecutableNumReplicas);
  install<&one>(api, Slot::kExecutableNumPartitions);
  install<&num_outputs>(api, Slot::kExecutableNumOutputs);
  install<&code_size>(api, Slot::kExecutableSizeOfGeneratedCodeInBytes);
  install<&cost_analysis>(api, Slot::kExecutableGetCostAnalysis);
  install<&memory_stats>(api, Slot::kExecutableGetCompiledMemoryStats);
  install<&fingerprint>(api, Slot::kExecutableFingerprint);
  install<&output_types>(api, Slot::kExecutableOutputElementTypes);
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
