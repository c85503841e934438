// What stands behind JAX's handles.
#pragma once

#include <array>
#include <atomic>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "emulator/grayskull.hpp"
#include "executable/executable.hpp"
#include "metal/device.hpp"
#include "metal/hosts.hpp"
#include "pjrt/compile_cache.hpp"
#include "pjrt/guard.hpp"

namespace tt::pjrt {

struct Event {
  metal::Event event;
};

struct Memory {
  void* vtable = nullptr;  // read by JAX, null allowed
  Device* device;
  int kind_id;  // "device", "pinned_host"
  emulator::BufferType type;
  std::string debug;
};

// A device and its description are one object.
struct Device {
  Client* client;
  int id;                               // among the cards of all processes
  int process;                          // whose it is
  int ordinal;                          // among the cards of that process
  std::shared_ptr<metal::Device> card;  // null: of another process
  std::string kind, debug, text;
  Memory memory, host_memory;
  Memory* memories[2];

  metal::Device& own_card(const char* call) const;  // InvalidArgument where it is another process's
  Memory& memory_of(emulator::BufferType type) { return type == emulator::BufferType::kHost ? host_memory : memory; }
  std::vector<NamedValue> attributes;
};

struct Client {
  std::unique_ptr<metal::Hosts> hosts;  // null: the only process
  int process = 0;
  std::vector<std::unique_ptr<Device>> devices;  // by id
  std::vector<Device*> device_list, own_devices;
  std::vector<Memory*> memory_list;  // of own devices
  const emulator::ChipSpec* chip;

  CompileCache cache;
  std::mutex together;  // held while the parts of a run of several devices are enqueued, so that all queues have such runs in one order

  Device& lookup(int64_t id) const;  // InvalidArgument names what there is
};

struct Buffer {
  Memory* memory;
  ir::Type type;
  mutable std::mutex mutex;
  std::shared_ptr<metal::Buffer> data;  // null: deleted or donated
  const char* gone = nullptr;           // how it went
  std::atomic<int> external_references{0};

  std::shared_ptr<metal::Buffer> use(const char* call) const;  // InvalidArgument when gone
  metal::Reading read(const char* call) const;                 // the same, for who reads it outside of the queue
  std::shared_ptr<metal::Buffer> take(const char* call);       // donated: nobody else gets it any more
  void give_back(std::shared_ptr<metal::Buffer> taken);
  void drop(const char* how);
  void must_be_there(const char* call) const;
};

int64_t checked_bytes(const char* call, DataType type, std::span<const int64_t> dims);  // InvalidArgument: no array has them

// How the elements of an array lie, as JAX sees it.
struct DeviceLayout {
  std::string text;
};

struct ExecutableHandle {
  CompileCache::Program program;
  std::string assignment;
  std::vector<NamedValue> costs;
  std::string text;  // of the kernel programs, which travel with the costs
  std::vector<int> types;
  std::vector<const char*> memory_kinds;  // of results
  std::vector<size_t> memory_kind_sizes;
  std::vector<int64_t> dims;
  std::vector<size_t> ranks;
  std::deque<DeviceLayout> layout_storage;
  std::vector<const DeviceLayout*> layouts;  // of parameters and then of results
  std::vector<std::string> shardings;        // xla.OpSharding, of parameters and then of results
  std::vector<const char*> sharding_data;
  std::vector<size_t> sharding_sizes;
};

struct LoadedExecutable {
  Client* client;
  CompileCache::Program program;
  std::vector<Device*> devices;                  // of this process
  std::vector<LogicalIds> ids;                   // of these
  std::vector<metal::JointProgram::Seat> seats;  // by partition; none: all are here
  uint64_t signature = 0;                        // for other processes
  std::string assignment;                        // DeviceAssignmentProto
  std::atomic<bool> deleted{false};
};

void describe_layouts(ExecutableHandle& handle);
void describe_shardings(ExecutableHandle& handle);

// CompileOptionsProto: what we need of it.
struct Options {
  executable::CompileOptions compile;
  std::string assignment;  // DeviceAssignmentProto, as given
};
Options read_options(std::string_view bytes);
std::vector<int64_t> devices_of(std::string_view assignment);  // by partition
std::string assignment_of(std::span<const int64_t> devices);

int buffer_type(DataType type);       // PJRT_Buffer_Type
DataType data_type(int buffer_type);  // InvalidArgument when it is none of ours
NamedValue named(std::string_view name, int64_t value);
NamedValue named(std::string_view name, float value);
NamedValue named(std::string_view name, const std::string& value);

}  // namespace tt::pjrt
