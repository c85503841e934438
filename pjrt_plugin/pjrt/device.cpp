// Devices, their descriptions, and their memory. A description is the device itself.
#include "pjrt/objects.hpp"

namespace tt::pjrt {

metal::Device& Device::own_card(const char* call) const {
  require(card != nullptr, "[", call, "] device ", id, " belongs to process ", process, ", this is process ", client->process,
          ": only its own process moves data to and from it");
  return *card;
}

namespace {

void id(Get<Device, int>& args) { args.value = args.object->id; }
void process_index(Get<Device, int>& args) { args.value = args.object->process; }
void local_hardware_id(Get<Device, int>& args) { args.value = args.object->card != nullptr ? args.object->ordinal : -1; }

void description_attributes(GetAttributes<Device>& args) {
  args.values = args.object->attributes.data();
  args.count = args.object->attributes.size();
}

void device_attributes(DeviceAttributes& args) {
  args.values = args.device->attributes.data();
  args.count = args.device->attributes.size();
  args.owner = nullptr;
  args.deleter = [](void*) {};
}

template <std::string Device::*Text>
void text(GetText<Device>& args) {
  const std::string& text = args.object->*Text;
  args.text = text.c_str();
  args.size = text.size();
}

void description(Get<Device, Device*>& args) { args.value = args.object; }
void is_addressable(Get<Device, bool>& args) { args.value = args.object->card != nullptr; }

void memories(GetList<Device, Memory* const*>& args) {
  args.items = args.object->memories;
  args.count = args.object->card != nullptr ? std::size(args.object->memories) : 0;
}

void default_memory(Get<Device, Memory*>& args) {
  args.object->own_card("memory");
  args.value = &args.object->memory;
}

void memory_stats(MemoryStatsArgs& args) {
  const metal::MemoryStats stats = args.device->own_card("memory_stats").memory_stats();
  args.bytes_in_use = stats.bytes_in_use;
  args.peak_bytes_in_use = {stats.peak_bytes_in_use, true};
  args.num_allocs = {stats.num_allocations, true};
  args.bytes_limit = args.bytes_reservable_limit = {stats.bytes_limit, true};
  args.largest_free_block_bytes = {stats.largest_free_block, true};
  for (OptionalStat* unknown :
       {&args.largest_alloc_size, &args.bytes_reserved, &args.peak_bytes_reserved, &args.pool_bytes, &args.peak_pool_bytes}) {
    *unknown = {0, false};
  }
}

void memory_id(Get<Memory, int>& args) {
  const Device& device = *args.object->device;
  args.value = device.id * static_cast<int>(std::size(device.memories)) + args.object->kind_id;
}
void memory_kind_id(Get<Memory, int>& args) { args.value = args.object->kind_id; }

void memory_kind(GetText<Memory>& args) {
  const std::string_view kind = executable::memory_kind(args.object->type);
  args.text = kind.data();
  args.size = kind.size();
}

void memory_text(GetText<Memory>& args) {
  args.text = args.object->debug.c_str();
  args.size = args.object->debug.size();
}

void memory_devices(GetList<Memory, Device* const*>& args) {
  args.items = &args.object->device;
  args.count = 1;
}

}  // namespace

void install_devices(Api& api) {
  install<&id>(api, Slot::kDeviceDescriptionId);
  install<&process_index>(api, Slot::kDeviceDescriptionProcessIndex);
  install<&description_attributes>(api, Slot::kDeviceDescriptionAttributes);
  install<&text<&Device::kind>>(api, Slot::kDeviceDescriptionKind);
  install<&text<&Device::debug>>(api, Slot::kDeviceDescriptionDebugString);
  install<&text<&Device::text>>(api, Slot::kDeviceDescriptionToString);
  install<&description>(api, Slot::kDeviceGetDescription);
  install<&is_addressable>(api, Slot::kDeviceIsAddressable);
  install<&local_hardware_id>(api, Slot::kDeviceLocalHardwareId);
  install<&memories>(api, Slot::kDeviceAddressableMemories);
  install<&default_memory>(api, Slot::kDeviceDefaultMemory);
  install<&memory_stats>(api, Slot::kDeviceMemoryStats);
  install<&device_attributes>(api, Slot::kDeviceGetAttributes);
  install<&memory_id>(api, Slot::kMemoryId);
  install<&memory_kind>(api, Slot::kMemoryKind);
  install<&memory_kind_id>(api, Slot::kMemoryKindId);
  install<&memory_text>(api, Slot::kMemoryDebugString);
  install<&memory_text>(api, Slot::kMemoryToString);
  install<&memory_devices>(api, Slot::kMemoryAddressableByDevices);
}

}  // namespace tt::pjrt
