// The plugin as a PJRT host sees it: what it says of itself, what it compiles, and what it refuses.
#include <filesystem>
#include <set>

#include "pjrt_host.hpp"

namespace tt {
namespace {

using namespace test;
namespace fs = std::filesystem;

constexpr ErrorCode kInvalid = ErrorCode::kInvalidArgument;

// Those of tests/payloads, and of shared/payloads where they are.
std::vector<std::string> sample_payloads() {
  std::vector<std::string> out;
  const char* shared = std::getenv("JAX_TT_SHARED");
  std::vector<fs::path> folders{TT_TEST_PAYLOADS};
  if (shared != nullptr) folders.push_back(fs::path(shared) / "payloads");
  for (const fs::path& folder : folders) {
    for (const auto& entry : fs::directory_iterator(folder)) {
      std::ifstream file(entry.path(), std::ios::binary);
      if (entry.path().extension() == ".mlirbc") out.emplace_back(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
    }
  }
  return out;
}

// What is left of a damaged client: it still compiles and runs a program.
void expect_alive(pjrt::Client* client) {
  const ProgramHandle program = compile(client, payload("add_one"));
  const BufferHandle x = put(client, std::vector<float>(12, 1), {3, 4});
  EXPECT(fetch(run(program.get(), {x.get()}).outputs[0].get()) == std::vector<float>(12, 2));
}

TEST(plugin_names_the_stablehlo_it_reads) {
  pjrt::Head initialize{};
  call(Slot::kPluginInitialize, initialize);
  pjrt::PluginAttributes args{};
  call(Slot::kPluginAttributes, args);
  bool found = false;
  for (size_t i = 0; i < args.count; ++i) {
    const pjrt::NamedValue& value = args.values[i];
    if (std::string_view(value.name, value.name_size) != "stablehlo_current_version") continue;
    found = true;
    EXPECT_EQ(static_cast<int>(value.type), static_cast<int>(pjrt::NamedValue::kInt64List));
    EXPECT_EQ(value.value_size, 3u);
    EXPECT_EQ(cat(value.int64_array_value[0], ".", value.int64_array_value[1], ".", value.int64_array_value[2]), "1.13.7");
  }
  EXPECT(found);
}

TEST(client_lists_devices_and_memories) {
  const pjrt::NamedValue two[] = {option("num_devices", 2)};
  const ClientHandle client = create_client(two);
  EXPECT_EQ(text(Slot::kClientPlatformName, client.get()), "tt");
  expect_contains(text(Slot::kClientPlatformVersion, client.get()), "Grayskull", __FILE__, __LINE__);
  EXPECT_EQ(get<int>(Slot::kClientProcessIndex, client.get()), 0);
  const auto devices = list<pjrt::Device*>(Slot::kClientDevices, client.get());
  const auto addressable = list<pjrt::Device*>(Slot::kClientAddressableDevices, client.get());
  const auto memories = list<pjrt::Memory*>(Slot::kClientAddressableMemories, client.get());
  EXPECT_EQ(devices.size(), 2u);
  EXPECT(std::equal(devices.begin(), devices.end(), addressable.begin(), addressable.end()));
  EXPECT_EQ(memories.size(), 4u);  // of each device its own, and the host's
  for (int i = 0; i < 2; ++i) {
    pjrt::Device* device = devices[static_cast<size_t>(i)];
    pjrt::Memory *memory = memories[static_cast<size_t>(2 * i)], *host = memories[static_cast<size_t>(2 * i + 1)];
    for (const Slot slot : {Slot::kClientLookupDevice, Slot::kClientLookupAddressableDevice}) {
      pjrt::LookupDevice lookup{{}, client.get(), i, nullptr};
      call(slot, lookup);
      EXPECT_EQ(lookup.device, device);
    }
    auto* description = get<pjrt::Device*>(Slot::kDeviceGetDescription, device);
    EXPECT_EQ(get<int>(Slot::kDeviceDescriptionId, description), i);
    EXPECT_EQ(get<int>(Slot::kDeviceDescriptionProcessIndex, description), 0);
    EXPECT_EQ(text(Slot::kDeviceDescriptionKind, description), "Grayskull e150");
    EXPECT_EQ(text(Slot::kDeviceDescriptionToString, description), cat("TTDevice(id=", i, ", arch=e150)"));
    EXPECT_EQ(get<int>(Slot::kDeviceLocalHardwareId, device), i);
    EXPECT(get<bool>(Slot::kDeviceIsAddressable, device));
    EXPECT_EQ(get<pjrt::Memory*>(Slot::kDeviceDefaultMemory, device), memory);
    EXPECT_EQ(list<pjrt::Memory*>(Slot::kDeviceAddressableMemories, device).front(), memory);
    EXPECT_EQ(list<pjrt::Device*>(Slot::kMemoryAddressableByDevices, memory).front(), device);
    EXPECT_EQ(list<pjrt::Memory*>(Slot::kDeviceAddressableMemories, device).back(), host);
    EXPECT_EQ(list<pjrt::Device*>(Slot::kMemoryAddressableByDevices, host).front(), device);
    EXPECT_EQ(text(Slot::kMemoryKind, memory), "device");
    EXPECT_EQ(text(Slot::kMemoryKind, host), "pinned_host");
    EXPECT_EQ(get<int>(Slot::kMemoryId, memory), 2 * i);
    EXPECT_EQ(get<int>(Slot::kMemoryId, host), 2 * i + 1);
    EXPECT_EQ(get<int>(Slot::kMemoryKindId, host), 1);
    EXPECT(*reinterpret_cast<void**>(memory) == nullptr);  // hosts of 0.105 and later read a vtable there
  }
  pjrt::LookupDevice none{{}, client.get(), 2, nullptr};
  EXPECT_REFUSAL(call(Slot::kClientLookupDevice, none), kInvalid, "[device] 2 does not exist; tt has devices 0..1");
}

TEST(device_attributes_describe_the_chip) {
  const ClientHandle client = create_client();
  pjrt::Device* device = list<pjrt::Device*>(Slot::kClientDevices, client.get()).front();
  pjrt::DeviceAttributes args{{}, device, nullptr, 0, nullptr, nullptr};
  call(Slot::kDeviceGetAttributes, args);
  std::set<std::string> names;
  for (size_t i = 0; i < args.count; ++i) names.emplace(args.values[i].name, args.values[i].name_size);
  args.deleter(args.owner);
  EXPECT((names == std::set<std::string>{"clock_hz", "dram_channels", "l1_bytes_per_core", "num_compute_cores"}));
}

TEST(client_refuses_options_that_make_no_card) {
  pjrt::NamedValue arch = option("arch", 0);
  arch.type = pjrt::NamedValue::kString;
  arch.string_value = "n300";
  arch.value_size = 4;
  EXPECT_REFUSAL(create_client({&arch, 1}), kInvalid, "unknown card \"n300\", expected \"e150\" or \"e75\"");
  const pjrt::NamedValue none = option("num_devices", 0);
  EXPECT_REFUSAL(create_client({&none, 1}), kInvalid, "[client] 0 devices; JAX_TT_NUM_DEVICES must be between 1 and 64");
}

TEST(default_device_assignment_counts_devices) {
  const pjrt::NamedValue two[] = {option("num_devices", 2)};
  const ClientHandle client = create_client(two);
  int ids[2] = {-1, -1};
  pjrt::DefaultDeviceAssignment args{{}, client.get(), 1, 2, 2, ids};
  call(Slot::kClientDefaultDeviceAssignment, args);
  EXPECT(ids[0] == 0 && ids[1] == 1);
  args.num_replicas = 65536;
  args.num_partitions = 65536;
  EXPECT_REFUSAL(call(Slot::kClientDefaultDeviceAssignment, args), kInvalid, "65536 replicas of 65536 partitions; tt has 2 devices");
  args.num_replicas = args.num_partitions = 1;
  args.size = 0;
  EXPECT_REFUSAL(call(Slot::kClientDefaultDeviceAssignment, args), kInvalid, "1 devices do not fit in 0");
}

// JAX goes on without a topology; what a plugin says of one it must say in full.
TEST(topology_is_not_there) {
  const ClientHandle client = create_client();
  EXPECT_REFUSAL(get<void*>(Slot::kClientTopologyDescription, client.get()), ErrorCode::kUnimplemented,
                 "PJRT_Client_TopologyDescription is not implemented by tt");
}

TEST(compile_refuses_what_is_no_program) {
  const ClientHandle client = create_client();
  EXPECT_REFUSAL(compile(client.get(), "", kOneDevice), kInvalid, "[payload]");
  EXPECT_REFUSAL(compile(client.get(), std::string(1000, 'x')), kInvalid,
                 "[payload] is not MLIR bytecode: it must begin with \"ML\\xEFR\"");
  EXPECT_REFUSAL(compile(client.get(), "module { func.func @main() { return } }"), kInvalid, "is not MLIR bytecode");
  EXPECT_REFUSAL(compile(client.get(), payload("add_one"), kOneDevice, "hlo"), kInvalid,
                 "[compile] program format \"hlo\", expected \"mlir\"");
  expect_alive(client.get());
}

TEST(compile_refuses_every_prefix_of_a_payload) {
  const ClientHandle client = create_client();
  for (const std::string& bytes : sample_payloads()) {
    for (size_t length = 0; length < bytes.size(); ++length)
      EXPECT_REFUSAL(compile(client.get(), std::string_view(bytes).substr(0, length)), kInvalid, "[payload] ");
  }
  expect_alive(client.get());
}

TEST(compile_refuses_garbage_for_options) {
  const ClientHandle client = create_client();
  const std::string code = payload("add_one");
  struct Bad {
    std::string_view bytes;
    ErrorCode code;
    std::string_view message;
  };
  using namespace std::string_view_literals;
  const Bad bad[] = {
      {"\x1a\x7f"sv, kInvalid, "[compile options] truncated"},
      {"\x1a"sv, kInvalid, "[compile options] truncated"},
      {"\x0b"sv, kInvalid, "[compile options] wire type 3"},
      {"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"sv, kInvalid, "[compile options] a number of more than 64 bits"},
      {"\x1a\x02\x20\x02"sv, ErrorCode::kUnimplemented,
       "[compile] 2 replicas; tt runs programs of one replica, in any number of partitions"},
      // 2^62 replicas of 2^62 partitions
      {"\x1a\x14\x20\x80\x80\x80\x80\x80\x80\x80\x80\x40\x28\x80\x80\x80\x80\x80\x80\x80\x80\x40"sv, kInvalid,
       "[compile] 4611686018427387904 partitions; tt has 1 devices"},
      // DeviceAssignmentProto{computation_devices{replica_device_ids: 7}}
      {"\x1a\x07\x4a\x05\x1a\x03\x0a\x01\x07"sv, kInvalid, "[device] 7 does not exist; tt has devices 0..0"},
  };
  for (const Bad& options : bad) EXPECT_REFUSAL(compile(client.get(), code, options.bytes), options.code, options.message);
  const std::string whole = "\x1a\x09\x20\x01\x28\x01\x4a\x03\x08\x01\x10";
  for (size_t length = 0; length < whole.size(); ++length) {
    try {
      compile(client.get(), code, std::string_view(whole).substr(0, length));  // some prefixes are options of their own
    } catch (const Refusal& refusal) {
      EXPECT_EQ(static_cast<int>(refusal.code), static_cast<int>(kInvalid));
    }
  }
  expect_alive(client.get());
}

TEST(compile_lists_all_that_it_refuses_with_its_python_line) {
  const ClientHandle client = create_client();
  EXPECT_REFUSAL(compile(client.get(), payload("refused")), ErrorCode::kUnimplemented, "model.py:12 (jit(f)/first)");
  EXPECT_REFUSAL(compile(client.get(), payload("refused")), ErrorCode::kUnimplemented, "model.py:15 (jit(f)/second)");
}

TEST(executable_describes_itself) {
  const ClientHandle client = create_client();
  const ProgramHandle program = compile(client.get(), payload("no_elements"));
  const ProgramHandle again = compile(client.get(), payload("no_elements"));
  const ExecutableHandle executable(get<pjrt::ExecutableHandle*>(Slot::kLoadedExecutableGetExecutable, program.get()));
  const ExecutableHandle same(get<pjrt::ExecutableHandle*>(Slot::kLoadedExecutableGetExecutable, again.get()));
  EXPECT_EQ(text(Slot::kExecutableName, executable.get()), "no_elements");
  EXPECT_EQ(text(Slot::kExecutableFingerprint, executable.get()), text(Slot::kExecutableFingerprint, same.get()));
  EXPECT_EQ(get<size_t>(Slot::kExecutableNumReplicas, executable.get()), 1u);
  EXPECT_EQ(get<size_t>(Slot::kExecutableNumPartitions, executable.get()), 1u);
  EXPECT_EQ(get<size_t>(Slot::kExecutableNumOutputs, executable.get()), 2u);
  pjrt::OutputDimensions dims{{}, executable.get(), 0, nullptr, nullptr};
  call(Slot::kExecutableOutputDimensions, dims);
  EXPECT_EQ(dims.num_outputs, 2u);
  EXPECT(dims.ranks[0] == 2 && dims.ranks[1] == 1 && dims.dims[0] == 0 && dims.dims[1] == 5 && dims.dims[2] == 5);
  const auto types = list<int>(Slot::kExecutableOutputElementTypes, executable.get());
  EXPECT(types.size() == 2 && types[0] == kPjrtF32 && types[1] == kPjrtF32);
  const auto devices = list<pjrt::Device*>(Slot::kLoadedExecutableAddressableDevices, program.get());
  EXPECT(devices.size() == 1 && devices[0] == list<pjrt::Device*>(Slot::kClientDevices, client.get())[0]);
  pjrt::GetOwnedBytes<pjrt::LoadedExecutable> assignment{{}, program.get(), nullptr, 0, nullptr, nullptr};
  call(Slot::kLoadedExecutableGetDeviceAssignment, assignment);
  EXPECT_EQ(std::string_view(assignment.bytes, assignment.size), std::string_view("\x08\x01\x10\x01\x1a\x03\x0a\x01\x00", 9));
  assignment.deleter(assignment.owner);
}

}  // namespace
}  // namespace tt
