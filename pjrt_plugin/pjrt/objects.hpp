// What stands behind JAX's handles.
#pragma once

#include <array>
#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "executable/executable.hpp"
#include "metal/device.hpp"
#include "pjrt/compile_cache.hpp"
#include "pjrt/guard.hpp"

namespace tt::pjrt {

struct Event {
  metal::Event event;
};

struct Memory {
  void* vtable = nullptr;  // read by JAX, null allowed
  Device* device;
  std::string debug;
};

// A device and its description are one object.
struct Device {
  Client* client;
  int id;
  std::shared_ptr<metal::Device> card;
  std::string kind, debug, text;
  Memory memory;
  Memory* memories[1];
  std::vector<NamedValue> attributes;
};

struct Client {
  std::vector<std::unique_ptr<Device>> devices;
  std::vector<Device*> device_list;
  std::vector<Memory*> memory_list;
  const emulator::ChipSpec* chip;

  CompileCache cache;

  Device& lookup(int64_t id) const;  // InvalidArgument names what there is
};

struct Buffer {
  Device* device;
  ir::Type type;
  mutable std::mutex mutex;
  std::shared_ptr<metal::Buffer> data;  // null: deleted or donated
  const char* gone = nullptr;           // how it went
  std::atomic<int> external_references{0};

  std::shared_ptr<metal::Buffer> use(const char* call) const;  // InvalidArgument when gone
  std::shared_ptr<metal::Buffer> take(const char* call);       // donated: nobody else gets it any more
  void give_back(std::shared_ptr<metal::Buffer> taken);
  void drop(const char* how);
  void must_be_there(const char* call) const;
};

struct ExecutableHandle {
  CompileCache::Program program;
  std::string assignment;
  std::vector<NamedValue> costs;
  std::string text;  // of the kernel programs, which travel with the costs
  std::vector<int> types;
  std::vector<int64_t> dims;
  std::vector<size_t> ranks;
};

struct LoadedExecutable {
  Client* client;
  CompileCache::Program program;
  Device* device;
  Device* devices[1];
  std::string assignment;  // DeviceAssignmentProto
  std::atomic<bool> deleted{false};
};

// CompileOptionsProto: what we need of it.
struct Options {
  executable::CompileOptions compile;
  std::string assignment;  // DeviceAssignmentProto, as given
};
Options read_options(std::string_view bytes);
int64_t first_device(std::string_view assignment);  // 0 where it names none

int buffer_type(DataType type);       // PJRT_Buffer_Type
DataType data_type(int buffer_type);  // InvalidArgument when it is none of ours
NamedValue named(std::string_view name, int64_t value);
NamedValue named(std::string_view name, float value);
NamedValue named(std::string_view name, const std::string& value);

}  // namespace tt::pjrt
