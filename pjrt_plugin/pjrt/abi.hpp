// The binary interface of the PJRT C API, version 0.112: the structs that cross the border between JAX and the plugin, field by field.
// Every argument struct begins with its size and a chain of extensions; fields after the "out" mark are ours to fill. Fields at the end
// of a struct that are of no use to us are left out, so that hosts of older versions may leave them out too.
#pragma once

#include <cstddef>
#include <cstdint>

#include "pjrt/slots.hpp"

namespace tt::pjrt {

inline constexpr int kApiMajor = 0, kApiMinor = 112;

struct Error;  // the objects behind the handles; only their addresses cross the border
struct Event;
struct Client;
struct Device;
struct Memory;
struct Buffer;
struct Upload;
struct LoadedExecutable;
struct ExecutableHandle;

struct Head {
  size_t struct_size;
  void* extension_start;
};

enum class ErrorCode : int {
  kOk = 0,
  kUnknown = 2,
  kInvalidArgument = 3,
  kResourceExhausted = 8,
  kFailedPrecondition = 9,
  kUnimplemented = 12,
  kInternal = 13
};

struct ApiVersion : Head {
  int major, minor;
};

struct Api : Head {
  ApiVersion version;
  void* slots[kNumSlots];
};
static_assert(sizeof(Api) == 1144);

struct NamedValue : Head {
  enum Type : int { kString, kInt64, kInt64List, kFloat, kBool };
  const char* name;
  size_t name_size;
  Type type;
  union {
    const char* string_value;
    int64_t int64_value;
    const int64_t* int64_array_value;
    float float_value;
    bool bool_value;
  };
  size_t value_size;
};
static_assert(sizeof(NamedValue) == 56);

// Many calls have one of these shapes.
template <class T>
struct One : Head {  // one object in
  T* object;
};
template <class T, class Out>
struct Get : Head {  // one object in, one value out
  T* object;
  Out value;
};
template <class T>
struct GetText : Head {
  T* object;
  const char* text;
  size_t size;
};
template <class T, class Item>
struct GetList : Head {
  T* object;
  Item items;
  size_t count;
};
template <class T>
struct GetAttributes : Head {  // the count comes first
  T* object;
  size_t count;
  const NamedValue* values;
};
template <class T>
struct GetOwnedBytes : Head {  // the caller frees `owner` through `deleter`
  T* object;
  const char* bytes;
  size_t size;
  void* owner;
  void (*deleter)(void*);
};

struct PluginAttributes : Head {
  const NamedValue* values;
  size_t count;
};

using EventCallback = void (*)(Error*, void*);
struct EventOnReady : Head {
  Event* event;
  EventCallback callback;
  void* user;
};

struct ErrorPayload : Head {
  const Error* error;
  void* visitor;
  void* user;
};

using MakeError = Error* (*)(ErrorCode code, const char* message, size_t size);  // for the host's functions, which have no errors of ours

struct StoreGet : Head {  // waits for a key
  const char* key;
  size_t key_size;
  int timeout_ms;
  MakeError* make_error;
  void* user;
  char* value;  // out, like what follows
  size_t value_size;
  void (*deleter)(char* value);
};

struct StorePut : Head {
  const char* key;
  size_t key_size;
  const char* value;
  size_t value_size;
  MakeError* make_error;
  void* user;
};

struct ClientCreate : Head {
  const NamedValue* options;
  size_t num_options;
  Error* (*get)(StoreGet* args);  // garbage unless an option says how many processes there are, like what follows
  void* get_user;
  Error* (*put)(StorePut* args);
  void* put_user;
  Client* client;  // out
};

struct ProcessInfo {
  enum State : int { kUnspecified, kUninitialized, kDisconnected, kConnected, kError };
  size_t struct_size;
  int process;
  uint64_t incarnation;
  State state;
  int error_code;
  const char* message;
  size_t message_size;
};
static_assert(sizeof(ProcessInfo) == 48);

struct UpdateProcesses : Head {
  Client* client;
  const ProcessInfo* processes;
  size_t count;
};

struct LookupDevice : Head {
  Client* client;
  int id;
  Device* device;  // out
};

struct Program : Head {
  char* code;
  size_t code_size;
  const char* format;
  size_t format_size;
};

struct ClientCompile : Head {
  Client* client;
  const Program* program;
  const char* options;
  size_t options_size;
  LoadedExecutable* executable;  // out
};

struct DeserializeAndLoad : Head {
  Client* client;
  const char* bytes;
  size_t size;
  LoadedExecutable* executable;  // out
  const char* options;           // instead of those that were serialized; may be null
  size_t options_size;
};

struct DefaultDeviceAssignment : Head {
  Client* client;
  int num_replicas, num_partitions;
  size_t size;
  int* assignment;
};

struct MemoryLayout : Head {
  struct Tiled : Head {
    const int64_t* minor_to_major;
    size_t minor_to_major_size;
    const int64_t* tile_dims;
    const size_t* tile_dim_sizes;
    size_t num_tiles;
  };
  struct Strides : Head {
    const int64_t* byte_strides;
    size_t num_byte_strides;
  };
  union {
    Tiled tiled;
    Strides strides;
  };
  int type;  // 0: tiled, 1: strides
};
static_assert(sizeof(MemoryLayout) == 80);

enum class HostSemantics : int { kOnlyDuringCall, kUntilTransferCompletes, kImmutableZeroCopy, kMutableZeroCopy };

struct BufferFromHost : Head {
  Client* client;
  const void* data;
  int type;
  const int64_t* dims;
  size_t num_dims;
  const int64_t* byte_strides;
  size_t num_byte_strides;
  HostSemantics semantics;
  Device* device;
  Memory* memory;
  MemoryLayout* layout;
  Event* done;     // out
  Buffer* buffer;  // out
};
static_assert(sizeof(BufferFromHost) == 120);

struct ShapeSpec : Head {
  const int64_t* dims;
  size_t num_dims;
  int type;
};

struct CreateUpload : Head {
  Client* client;
  const ShapeSpec* shapes;
  size_t num_shapes;
  MemoryLayout* const* layouts;  // may be null
  size_t num_layouts;
  Memory* memory;
  Upload* upload;  // out
};
static_assert(sizeof(CreateUpload) == 72);

struct UploadData : Head {
  Upload* upload;
  int index;
  const void* data;
  int64_t offset, size;
  bool is_last;
  Event* done;  // out: the data are no longer needed
};
static_assert(sizeof(UploadData) == 72);

template <class Out>
struct OfUpload : Head {  // of one of its buffers
  Upload* upload;
  int index;
  Out value;
};

struct UploadError : Head {
  Upload* upload;
  int index;
  ErrorCode code;
  const char* message;
  size_t message_size;
};

struct UploadMetadata : Head {
  Upload* upload;
  const NamedValue* values;
  size_t count;
};

struct BufferToHost : Head {
  Buffer* buffer;
  MemoryLayout* layout;
  void* destination;
  size_t size;   // in and out
  Event* event;  // out
};

struct BufferCopyRawToHost : Head {
  Buffer* buffer;
  void* destination;
  int64_t offset, size;
  Event* event;  // out
};

struct BufferCopyTo : Head {
  Buffer* buffer;
  void* target;         // Device* or Memory*
  Buffer* destination;  // out
};

struct BufferLayout : Head {
  Buffer* buffer;
  MemoryLayout layout;  // out
};

struct OptionalStat {
  int64_t value;
  bool is_set;
};

struct MemoryStatsArgs : Head {
  Device* device;
  int64_t bytes_in_use;
  OptionalStat peak_bytes_in_use, num_allocs, largest_alloc_size, bytes_limit, bytes_reserved, peak_bytes_reserved, bytes_reservable_limit,
      largest_free_block_bytes, pool_bytes, peak_pool_bytes;
};
static_assert(sizeof(MemoryStatsArgs) == 192);

struct DeviceAttributes : Head {
  Device* device;
  const NamedValue* values;
  size_t count;
  void* owner;
  void (*deleter)(void*);
};

struct ExecuteOptions : Head {
  void **send_callbacks, **recv_callbacks;
  size_t num_send_ops, num_recv_ops;
  int launch_id;
  const int64_t* non_donatable_inputs;
  size_t num_non_donatable_inputs;
};

struct Execute : Head {
  LoadedExecutable* executable;
  ExecuteOptions* options;
  Buffer* const* const* arguments;
  size_t num_devices;
  size_t num_arguments;
  Buffer** const* outputs;
  Event** complete_events;
  Device* execute_device;
};
static_assert(sizeof(Execute) == 80);

struct CompiledMemoryStats : Head {
  ExecutableHandle* executable;
  int64_t generated_code, arguments, outputs, alias, temporaries;
  int64_t host_generated_code, host_arguments, host_outputs, host_alias, host_temporaries;
  int64_t peak, total, total_allocation, indefinite_allocations, peak_unpadded_heap;
};

struct OutputDimensions : Head {
  ExecutableHandle* executable;
  size_t num_outputs;
  const int64_t* dims;
  const size_t* ranks;
};

struct OutputMemoryKinds : Head {
  ExecutableHandle* executable;
  size_t num_outputs;
  const char* const* kinds;
  const size_t* sizes;
};

struct LogicalIds {
  int replica, partition;
};

}  // namespace tt::pjrt
