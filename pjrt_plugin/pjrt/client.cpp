// The client: devices, compilation with its cache, and arrays from the host.
#include <chrono>
#include <cstdlib>
#include <cstring>

#include "emulator/grayskull.hpp"
#include "metal/device_registry.hpp"
#include "pjrt/hosts.hpp"
#include "pjrt/objects.hpp"
#include "pjrt/serialized.hpp"
#include "stablehlo/reader.hpp"

namespace tt::pjrt {

Device& Client::lookup(int64_t id) const {
  require(id >= 0 && id < static_cast<int64_t>(devices.size()), "[device] ", id, " does not exist; tt has devices 0..", devices.size() - 1);
  return *devices[static_cast<size_t>(id)];
}

namespace {

constexpr std::string_view kPlatform = "tt";

const char* environment(const char* name, const char* otherwise) {
  const char* value = std::getenv(name);
  return value == nullptr || *value == 0 ? otherwise : value;
}

void initialize(Head&) {}

void attributes(PluginAttributes& args) {
  static constexpr int64_t kCurrent[3] = {stablehlo::kVersion[0], stablehlo::kVersion[1], stablehlo::kVersion[2]};
  static constexpr int64_t kMinimum[3] = {0, 9, 0};
  const auto version = [](std::string_view name, const int64_t* numbers) {
    NamedValue value = named(name, int64_t{0});
    value.type = NamedValue::kInt64List;
    value.int64_array_value = numbers;
    value.value_size = 3;
    return value;
  };
  static const NamedValue kValues[] = {version("stablehlo_current_version", kCurrent), version("stablehlo_minimum_version", kMinimum)};
  args.values = kValues;
  args.count = std::size(kValues);
}

void add_device(Client& client, std::string_view arch, int process, int ordinal) {
  auto& device = client.devices.emplace_back(std::make_unique<Device>());
  device->client = &client;
  device->id = static_cast<int>(client.devices.size()) - 1;
  device->process = process;
  device->ordinal = ordinal;
  const int id = device->id;
  const std::string of = client.hosts != nullptr ? cat(", process=", process) : "";
  device->kind = cat("Grayskull ", arch);
  device->debug = device->text = cat("TTDevice(id=", id, of, ", arch=", arch, ")");
  device->memory = {nullptr, device.get(), 0, emulator::BufferType::kDram, cat("TTMemory(device ", id, ")")};
  device->host_memory = {nullptr, device.get(), 1, emulator::BufferType::kHost, cat("TTMemory(host memory of device ", id, ")")};
  device->memories[0] = &device->memory;
  device->memories[1] = &device->host_memory;
  const emulator::ChipSpec& chip = *client.chip;
  device->attributes = {named("num_compute_cores", emulator::num_compute_cores(chip)), named("l1_bytes_per_core", chip.l1_usable),
                        named("clock_hz", static_cast<int64_t>(chip.clock_hz)), named("dram_channels", int64_t{chip.dram_channels})};
  client.device_list.push_back(device.get());
  if (process != client.process) return;
  device->card = metal::open_device(arch, ordinal);
  client.own_devices.push_back(device.get());
  for (Memory* memory : device->memories) client.memory_list.push_back(memory);
}

void create(ClientCreate& args) {
  std::string arch = environment("JAX_TT_ARCH", "e150");
  int64_t count = std::atoi(environment("JAX_TT_NUM_DEVICES", "1"));
  for (size_t i = 0; i < args.num_options; ++i) {
    const NamedValue& option = args.options[i];
    const std::string_view name(option.name, option.name_size);
    if (name == "arch" && option.type == NamedValue::kString) arch.assign(option.string_value, option.value_size);
    if (name == "num_devices" && option.type == NamedValue::kInt64) count = option.int64_value;
  }
  require(count >= 1 && count <= 64, "[client] ", count, " devices; JAX_TT_NUM_DEVICES must be between 1 and 64");
  auto client = std::make_unique<Client>();
  client->chip = &emulator::find_chip(arch);
  client->hosts = meet_hosts(args, cat(arch, " ", count));
  if (client->hosts == nullptr) {
    for (int ordinal = 0; ordinal < count; ++ordinal) add_device(*client, arch, 0, ordinal);
  } else {
    client->process = static_cast<int>(client->hosts->process());
    const std::vector<int> cards = cards_of(*client->hosts, arch);
    for (int process = 0; process < static_cast<int>(cards.size()); ++process) {
      for (int ordinal = 0; ordinal < cards[static_cast<size_t>(process)]; ++ordinal) add_device(*client, arch, process, ordinal);
    }
  }
  args.client = client.release();
}

void destroy(One<Client>& args) {
  if (args.object == nullptr) return;
  for (const Device* device : args.object->own_devices) device->card->finish();
  delete args.object;
}

void platform_name(GetText<Client>& args) {
  args.text = kPlatform.data();
  args.size = kPlatform.size();
}

void platform_version(GetText<Client>& args) {
  args.text = kPlatformVersion.data();
  args.size = kPlatformVersion.size();
}

void process_index(Get<Client, int>& args) { args.value = args.object->process; }

void devices(GetList<Client, Device* const*>& args) {
  args.items = args.object->device_list.data();
  args.count = args.object->device_list.size();
}

// JAX's own service has noted that a process no longer answers.
void update_processes(UpdateProcesses& args) {
  if (args.client->hosts == nullptr) return;
  for (size_t i = 0; i < args.count; ++i) {
    const ProcessInfo& info = args.processes[i];
    if (info.state == ProcessInfo::kError)
      args.client->hosts->drop(static_cast<size_t>(info.process), std::string(info.message, info.message_size));
  }
}

void own_devices(GetList<Client, Device* const*>& args) {
  args.items = args.object->own_devices.data();
  args.count = args.object->own_devices.size();
}

void memories(GetList<Client, Memory* const*>& args) {
  args.items = args.object->memory_list.data();
  args.count = args.object->memory_list.size();
}

void lookup_device(LookupDevice& args) { args.device = &args.client->lookup(args.id); }

void lookup_own_device(LookupDevice& args) {
  const auto& own = args.client->own_devices;
  require(args.id >= 0 && args.id < static_cast<int>(own.size()), "[device] this process has no device ", args.id, "; it has 0..",
          own.size() - 1);
  args.device = own[static_cast<size_t>(args.id)];
}

// The cards of this process where they are enough.
std::vector<int64_t> default_devices(const Client& client, size_t count) {
  std::vector<int64_t> ids;
  const auto& from = count <= client.own_devices.size() ? client.own_devices : client.device_list;
  for (size_t i = 0; i < count; ++i) ids.push_back(from[i]->id);
  return ids;
}

void default_assignment(DefaultDeviceAssignment& args) {
  const int64_t count = int64_t{args.num_replicas} * args.num_partitions;
  require(args.num_replicas > 0 && args.num_partitions > 0 && count <= static_cast<int64_t>(args.client->devices.size()),
          "[device assignment] ", args.num_replicas, " replicas of ", args.num_partitions, " partitions; tt has ",
          args.client->devices.size(), " devices");
  require(static_cast<size_t>(count) <= args.size, "[device assignment] ", count, " devices do not fit in ", args.size);
  const std::vector<int64_t> ids = default_devices(*args.client, static_cast<size_t>(count));
  std::copy(ids.begin(), ids.end(), args.assignment);
}

// FNV-1a
uint64_t hash_of(std::string_view text) {
  uint64_t hash = 0xcbf29ce484222325ULL;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3ULL;
  return hash;
}

// Enough to tell programs apart for people; the cache compares whole keys.
std::string fingerprint(std::string_view key) {
  const uint64_t hash = hash_of(key);
  constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (int shift = 60; shift >= 0; shift -= 4) text += kDigits[hash >> shift & 15];
  return text;
}

// Payloads of equal programs may differ between processes: in the paths of Python files, in the numbers of callbacks.
uint64_t signature_of(const executable::Executable& program, std::string_view assignment) {
  return hash_of(cat(program.text(), assignment));
}

void place(LoadedExecutable& loaded, std::span<const int64_t> ids, executable::CompileOptions& options) {
  const Client& client = *loaded.client;
  for (size_t i = 0; i < ids.size(); ++i) {
    Device& device = client.lookup(ids[i]);
    options.processes.push_back(device.process);
    loaded.seats.push_back({static_cast<size_t>(device.process), static_cast<size_t>(device.ordinal)});
    if (device.card == nullptr) continue;
    loaded.devices.push_back(&device);
    loaded.ids.push_back({0, static_cast<int>(i)});
  }
  if (loaded.devices.size() < ids.size()) return;
  options.processes.clear();
  loaded.seats.clear();
}

LoadedExecutable* load(Client& client, std::string_view payload, Options options) {
  auto loaded = std::make_unique<LoadedExecutable>();
  loaded->client = &client;
  std::vector<int64_t> ids = devices_of(options.assignment);
  require(options.compile.num_partitions > 0 && options.compile.num_partitions <= static_cast<int64_t>(client.devices.size()), "[compile] ",
          options.compile.num_partitions, " partitions; tt has ", client.devices.size(), " devices");
  const auto count = static_cast<size_t>(options.compile.num_partitions);
  if (ids.empty()) ids = default_devices(client, count);
  require(ids.size() == count, "[compile] ", ids.size(), " devices are assigned to ", count, " partitions");
  place(*loaded, ids, options.compile);
  loaded->program = client.cache.get(compile_key(payload, options.compile, client.chip->name), [&](const std::string& key) {
    auto module = stablehlo::read({reinterpret_cast<const std::byte*>(payload.data()), payload.size()});
    return executable::compile(std::move(module), options.compile, *client.chip, fingerprint(key));
  });
  loaded->assignment = options.assignment.empty() ? assignment_of(ids) : options.assignment;
  if (!loaded->seats.empty()) loaded->signature = signature_of(*loaded->program.compiled, loaded->assignment);
  return loaded.release();
}

void compile(ClientCompile& args) {
  const Program& program = *args.program;
  const std::string_view format(program.format, program.format_size);
  require(format == "mlir", "[compile] program format \"", format, "\", expected \"mlir\"");
  args.executable = load(*args.client, {program.code, program.code_size}, read_options({args.options, args.options_size}));
}

void deserialize_and_load(DeserializeAndLoad& args) {
  const Deserialized program = deserialize({args.bytes, args.size}, args.client->chip->name);
  const bool overridden = args.options != nullptr && args.options_size > 0;
  args.executable = load(*args.client, program.payload, overridden ? read_options({args.options, args.options_size}) : program.options);
}

// Copies a strided array to dense row-major order.
void pack(const std::byte* from, std::span<const int64_t> dims, std::span<const int64_t> strides, size_t element, std::byte*& to) {
  if (dims.empty()) {
    std::memcpy(to, from, element);
    to += element;
    return;
  }
  if (dims.size() == 1 && strides[0] == static_cast<int64_t>(element)) {
    std::memcpy(to, from, element * static_cast<size_t>(dims[0]));
    to += element * static_cast<size_t>(dims[0]);
    return;
  }
  for (int64_t i = 0; i < dims[0]; ++i) pack(from + i * strides[0], dims.subspan(1), strides.subspan(1), element, to);
}

bool is_dense(std::span<const int64_t> dims, std::span<const int64_t> strides, int64_t element) {
  int64_t expected = element;
  for (size_t d = dims.size(); d-- > 0;) {
    if (dims[d] != 1 && strides[d] != expected) return false;
    expected *= dims[d];
  }
  return true;
}

void buffer_from_host(BufferFromHost& args) {
  constexpr int64_t kAdoptBytes = 64 << 10;  // smaller arrays are cheaper to copy
  const DataType type = data_type(args.type);
  const std::span<const int64_t> dims(args.dims, args.num_dims);
  require(args.layout == nullptr || args.layout->type == 0, "[buffer_from_host] device layouts by strides are not supported");
  Memory& memory = args.memory != nullptr ? *args.memory : (args.device != nullptr ? *args.device : *args.client->own_devices[0]).memory;
  metal::Device& card = memory.device->own_card("buffer_from_host");
  const int64_t element = size_of(type), bytes = checked_bytes("buffer_from_host", type, dims);
  const std::span<const int64_t> strides(args.byte_strides, args.num_byte_strides);
  if (!strides.empty() && strides.size() != dims.size())
    fail(ErrorCategory::kInvalidArgument, "[buffer_from_host] ", strides.size(), " strides for an array ", tt::to_string(dims));
  const bool dense = strides.empty() || bytes == 0 || is_dense(dims, strides, element);
  const bool may_adopt = args.semantics == HostSemantics::kImmutableZeroCopy || args.semantics == HostSemantics::kMutableZeroCopy;
  auto buffer = std::make_unique<Buffer>();
  buffer->memory = &memory;
  buffer->type = ir::Type::tensor(type, Dims(dims.begin(), dims.end()));
  auto done = std::make_unique<Event>();
  // A tensor of tt_lib on the same card: both hold one buffer from now on.
  auto shared =
      dense && bytes > 0 && &memory == &memory.device->memory ? card.find_published(static_cast<const std::byte*>(args.data)) : nullptr;
  if (shared != nullptr && shared->size() == bytes) {
    buffer->data = std::move(shared);
  } else if (may_adopt && dense && bytes >= kAdoptBytes && reinterpret_cast<uintptr_t>(args.data) % 16 == 0) {
    done->event = metal::Event::pending();
    buffer->data = card.adopt(
        args.data, bytes, [event = done->event] { event.complete(); }, memory.type);
  } else {
    buffer->data = card.allocate(bytes, memory.type);
    std::byte* to = buffer->data->data();
    const auto* from = static_cast<const std::byte*>(args.data);
    if (bytes > 0 && dense) {
      std::memcpy(to, from, static_cast<size_t>(bytes));
    } else if (bytes > 0) {
      pack(from, dims, strides, static_cast<size_t>(element), to);
    }
  }
  args.done = done.release();
  args.buffer = buffer.release();
}

}  // namespace

void install_client(Api& api) {
  install<&initialize>(api, Slot::kPluginInitialize);
  install<&attributes>(api, Slot::kPluginAttributes);
  install<&create>(api, Slot::kClientCreate);
  install<&destroy>(api, Slot::kClientDestroy);
  install<&platform_name>(api, Slot::kClientPlatformName);
  install<&platform_version>(api, Slot::kClientPlatformVersion);
  install<&process_index>(api, Slot::kClientProcessIndex);
  install<&devices>(api, Slot::kClientDevices);
  install<&own_devices>(api, Slot::kClientAddressableDevices);
  install<&update_processes>(api, Slot::kClientUpdateGlobalProcessInfo);
  install<&memories>(api, Slot::kClientAddressableMemories);
  install<&lookup_device>(api, Slot::kClientLookupDevice);
  install<&lookup_own_device>(api, Slot::kClientLookupAddressableDevice);
  install<&default_assignment>(api, Slot::kClientDefaultDeviceAssignment);
  install<&compile>(api, Slot::kClientCompile);
  install<&deserialize_and_load>(api, Slot::kExecutableDeserializeAndLoad);
  install<&buffer_from_host>(api, Slot::kClientBufferFromHostBuffer);
}

}  // namespace tt::pjrt
