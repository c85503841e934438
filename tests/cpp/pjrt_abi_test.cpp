// The binary interface against figures from outside: what jaxlib 0.10.2 passes to each function (seen with a plugin that logs
// struct_size), and where the fields lie in xla/pjrt/c/pjrt_c_api.h, whose structs only grow at their ends.
#include <algorithm>

#include "pjrt_host.hpp"

namespace tt {
namespace {

using namespace test;

struct Figure {
  Slot slot;
  size_t bytes;  // struct_size as jaxlib counts it: without padding at the end
};
constexpr Figure kFigures[] = {
    {Slot::kErrorGetCode, 28},
    {Slot::kErrorForEachPayload, 40},
    {Slot::kPluginInitialize, 16},
    {Slot::kPluginAttributes, 32},
    {Slot::kEventDestroy, 24},
    {Slot::kEventIsReady, 25},
    {Slot::kEventError, 24},
    {Slot::kEventOnReady, 40},
    {Slot::kClientDestroy, 24},
    {Slot::kClientPlatformName, 40},
    {Slot::kClientPlatformVersion, 40},
    {Slot::kClientDevices, 40},
    {Slot::kClientAddressableDevices, 40},
    {Slot::kClientLookupDevice, 40},
    {Slot::kClientAddressableMemories, 40},
    {Slot::kClientCompile, 56},
    {Slot::kClientBufferFromHostBuffer, 120},
    {Slot::kDeviceDescriptionId, 28},
    {Slot::kDeviceDescriptionProcessIndex, 28},
    {Slot::kDeviceDescriptionAttributes, 40},
    {Slot::kDeviceDescriptionKind, 40},
    {Slot::kDeviceDescriptionDebugString, 40},
    {Slot::kDeviceDescriptionToString, 40},
    {Slot::kDeviceGetDescription, 32},
    {Slot::kDeviceIsAddressable, 25},
    {Slot::kDeviceLocalHardwareId, 28},
    {Slot::kDeviceAddressableMemories, 40},
    {Slot::kDeviceDefaultMemory, 32},
    {Slot::kDeviceMemoryStats, 185},
    {Slot::kDeviceGetAttributes, 56},
    {Slot::kMemoryKind, 40},
    {Slot::kMemoryDebugString, 40},
    {Slot::kMemoryToString, 40},
    {Slot::kMemoryAddressableByDevices, 40},
    {Slot::kExecutableDestroy, 24},
    {Slot::kExecutableName, 40},
    {Slot::kExecutableNumOutputs, 32},
    {Slot::kExecutableGetCostAnalysis, 40},
    {Slot::kExecutableGetCompiledMemoryStats, 144},
    {Slot::kExecutableFingerprint, 40},
    {Slot::kLoadedExecutableDestroy, 24},
    {Slot::kLoadedExecutableGetExecutable, 32},
    {Slot::kLoadedExecutableAddressableDevices, 40},
    {Slot::kLoadedExecutableAddressableDeviceLogicalIds, 40},
    {Slot::kLoadedExecutableGetDeviceAssignment, 56},
    {Slot::kLoadedExecutableExecute, 80},
    {Slot::kBufferDestroy, 24},
    {Slot::kBufferElementType, 28},
    {Slot::kBufferDimensions, 40},
    {Slot::kBufferDynamicDimensionIndices, 40},
    {Slot::kBufferDevice, 32},
    {Slot::kBufferMemory, 32},
    {Slot::kBufferDelete, 24},
    {Slot::kBufferIsDeleted, 25},
    {Slot::kBufferIsOnCpu, 25},
    {Slot::kBufferToHostBuffer, 56},
    {Slot::kBufferReadyEvent, 32},
    {Slot::kBufferUnsafePointer, 32},
    {Slot::kBufferCopyToMemory, 40},
};

// Functions that return no error, and so cannot refuse.
bool returns_nothing(Slot slot) { return slot == Slot::kErrorDestroy || slot == Slot::kErrorMessage; }

TEST(api_is_the_one_of_version_0_112) {
  EXPECT_EQ(api().struct_size, 1144u);
  EXPECT_EQ(sizeof(pjrt::Api), 1144u);
  EXPECT_EQ(pjrt::kNumSlots, 138u);
  EXPECT_EQ(api().version.struct_size, 24u);
  EXPECT_EQ(api().version.major, 0);
  EXPECT_EQ(api().version.minor, 112);
  struct Extension {
    size_t struct_size;
    int type;
    void* next;
  };
  const auto& shardings = *static_cast<const Extension*>(api().extension_start);
  EXPECT_EQ(shardings.struct_size, 40u);
  EXPECT_EQ(shardings.type, 19);
  const auto& layouts = *static_cast<const Extension*>(shardings.next);
  EXPECT_EQ(layouts.struct_size, 80u);
  EXPECT_EQ(layouts.type, 4);
  EXPECT(layouts.next == nullptr);
  for (size_t i = 0; i < pjrt::kNumSlots; ++i) EXPECT(api().slots[i] != nullptr);
}

TEST(functions_ask_for_the_structs_that_jaxlib_passes) {
  for (const auto& [slot, bytes] : kFigures) {
    pjrt::Head args{0, nullptr};
    const size_t padded = (bytes + 7) / 8 * 8;
    EXPECT_REFUSAL(raise(answer(slot, args)), ErrorCode::kInvalidArgument,
                   cat("an argument struct of 0 bytes, expected at least ", padded, ":"));
  }
  // Fields that only distributed hosts fill in stand at the end, and are left out of our struct.
  EXPECT_EQ(sizeof(pjrt::ClientCreate) + 2 * sizeof(void*), 88u);
  EXPECT_EQ(sizeof(pjrt::Program), 48u);
  EXPECT(sizeof(pjrt::ExecuteOptions) <= 144u);
}

TEST(slots_that_nobody_installed_say_so_by_name) {
  int unimplemented = 0;
  for (size_t i = 0; i < pjrt::kNumSlots; ++i) {
    const auto slot = static_cast<Slot>(i);
    if (returns_nothing(slot)) continue;
    pjrt::Head nothing{0, nullptr};  // too small for any function that is there
    try {
      raise(answer(slot, nothing));
      throw Failure(cat(pjrt::kSlotNames[i], " takes an empty struct"));
    } catch (const Refusal& refusal) {
      if (refusal.code == ErrorCode::kInvalidArgument) continue;
      ++unimplemented;
      EXPECT_EQ(static_cast<int>(refusal.code), static_cast<int>(ErrorCode::kUnimplemented));
      EXPECT_EQ(std::string(refusal.what()), cat(pjrt::kSlotNames[i], " is not implemented by tt"));
    }
  }
  EXPECT(unimplemented > 0);
  // JAX ends the process when one of these answers UNIMPLEMENTED.
  for (const Slot slot : {Slot::kDeviceGetAttributes, Slot::kLoadedExecutableAddressableDeviceLogicalIds, Slot::kPluginAttributes}) {
    pjrt::Head nothing{0, nullptr};
    EXPECT_REFUSAL(raise(answer(slot, nothing)), ErrorCode::kInvalidArgument, "argument struct");
  }
}

template <class T, class Member>
size_t offset(Member T::*member) {
  static T object{};
  return static_cast<size_t>(reinterpret_cast<char*>(&(object.*member)) - reinterpret_cast<char*>(&object));
}

TEST(fields_lie_where_the_header_has_them) {
  struct Place {
    const char* field;
    size_t ours, header;
  };
  using namespace pjrt;
  const Place places[] = {
      {"Api.version", offset(&Api::version), 16},
      {"Api.slots", offset(&Api::slots), 40},
      {"ApiVersion.minor", offset(&ApiVersion::minor), 20},
      {"NamedValue.type", offset(&NamedValue::type), 32},
      {"NamedValue.value", offset(&NamedValue::int64_value), 40},
      {"NamedValue.value_size", offset(&NamedValue::value_size), 48},
      {"ClientCreate.client", offset(&ClientCreate::client), 64},
      {"LookupDevice.device", offset(&LookupDevice::device), 32},
      {"ClientCompile.executable", offset(&ClientCompile::executable), 48},
      {"DefaultDeviceAssignment.num_partitions", offset(&DefaultDeviceAssignment::num_partitions), 28},
      {"DefaultDeviceAssignment.assignment", offset(&DefaultDeviceAssignment::assignment), 40},
      {"MemoryLayout.tiled", offset(&MemoryLayout::tiled), 16},
      {"MemoryLayout.strides", offset(&MemoryLayout::strides), 16},
      {"MemoryLayout.type", offset(&MemoryLayout::type), 72},
      {"MemoryLayout::Tiled.num_tiles", offset(&MemoryLayout::Tiled::num_tiles), 48},
      {"BufferFromHost.type", offset(&BufferFromHost::type), 32},
      {"BufferFromHost.semantics", offset(&BufferFromHost::semantics), 72},
      {"BufferFromHost.memory", offset(&BufferFromHost::memory), 88},
      {"BufferFromHost.buffer", offset(&BufferFromHost::buffer), 112},
      {"BufferToHost.event", offset(&BufferToHost::event), 48},
      {"BufferCopyRawToHost.event", offset(&BufferCopyRawToHost::event), 48},
      {"BufferCopyTo.destination", offset(&BufferCopyTo::destination), 32},
      {"BufferLayout.layout", offset(&BufferLayout::layout), 24},
      {"MemoryStatsArgs.peak_bytes_in_use", offset(&MemoryStatsArgs::peak_bytes_in_use), 32},
      {"MemoryStatsArgs.peak_pool_bytes", offset(&MemoryStatsArgs::peak_pool_bytes), 176},
      {"OptionalStat.is_set", offset(&OptionalStat::is_set), 8},
      {"DeviceAttributes.deleter", offset(&DeviceAttributes::deleter), 48},
      {"ExecuteOptions.launch_id", offset(&ExecuteOptions::launch_id), 48},
      {"ExecuteOptions.num_non_donatable_inputs", offset(&ExecuteOptions::num_non_donatable_inputs), 64},
      {"Execute.arguments", offset(&pjrt::Execute::arguments), 32},
      {"Execute.outputs", offset(&pjrt::Execute::outputs), 56},
      {"Execute.execute_device", offset(&pjrt::Execute::execute_device), 72},
      {"CompiledMemoryStats.host_generated_code", offset(&CompiledMemoryStats::host_generated_code), 64},
      {"CompiledMemoryStats.total", offset(&CompiledMemoryStats::total), 112},
      {"OutputDimensions.ranks", offset(&OutputDimensions::ranks), 40},
      {"GetAttributes.values", offset(&GetAttributes<Device>::values), 32},
      {"GetOwnedBytes.deleter", offset(&GetOwnedBytes<Device>::deleter), 48},
      {"EventOnReady.user", offset(&EventOnReady::user), 32},
  };
  for (const Place& place : places) {
    if (place.ours != place.header) throw Failure(cat(place.field, " lies at byte ", place.ours, ", in the header at ", place.header));
  }
}

}  // namespace
}  // namespace tt
