// Arrays on the card as JAX holds them.
#include <algorithm>
#include <cstring>

#include "pjrt/objects.hpp"

namespace tt::pjrt {

std::shared_ptr<metal::Buffer> Buffer::use(const char* call) const {
  std::lock_guard lock(mutex);
  must_be_there(call);
  return data;
}

metal::Reading Buffer::read(const char* call) const {
  std::lock_guard lock(mutex);
  must_be_there(call);
  return metal::Reading(data);
}

std::shared_ptr<metal::Buffer> Buffer::take(const char* call) {
  std::lock_guard lock(mutex);
  must_be_there(call);
  gone = "donated";
  return std::move(data);
}

void Buffer::give_back(std::shared_ptr<metal::Buffer> taken) {
  std::lock_guard lock(mutex);
  data = std::move(taken);
}

void Buffer::must_be_there(const char* call) const {
  if (data != nullptr) return;
  fail(ErrorCategory::kInvalidArgument, "[", call, "] the array ", to_string(type), " has been ", gone == nullptr ? "deleted" : gone,
       " and can no longer be used; keep a copy of what you need, or do not donate it");
}

int64_t checked_bytes(const char* call, DataType type, std::span<const int64_t> dims) {
  int64_t bytes = size_of(type);
  for (const int64_t dim : dims) {
    if (dim < 0 || __builtin_mul_overflow(bytes, dim, &bytes))
      fail(ErrorCategory::kInvalidArgument, "[", call, "] no array has the dimensions ", tt::to_string(dims));
  }
  return bytes;
}

void Buffer::drop(const char* how) {
  std::shared_ptr<metal::Buffer> released;  // freed outside the lock
  std::lock_guard lock(mutex);
  if (data == nullptr) return;
  released = std::move(data);
  gone = how;
}

namespace {

void destroy(One<Buffer>& args) { delete args.object; }
void element_type(Get<Buffer, int>& args) { args.value = buffer_type(args.object->type.element); }

void dimensions(GetList<Buffer, const int64_t*>& args) {
  args.items = args.object->type.dims.data();
  args.count = args.object->type.dims.size();
}

void dynamic_dimensions(GetList<Buffer, const size_t*>& args) {
  args.items = nullptr;
  args.count = 0;
}

void on_device_size(Get<Buffer, size_t>& args) { args.value = static_cast<size_t>(args.object->type.num_bytes()); }
void device(Get<Buffer, Device*>& args) { args.value = args.object->memory->device; }
void memory(Get<Buffer, Memory*>& args) { args.value = args.object->memory; }
void delete_buffer(One<Buffer>& args) { args.object->drop("deleted"); }
void is_on_cpu(Get<Buffer, bool>& args) { args.value = false; }

void is_deleted(Get<Buffer, bool>& args) {
  std::lock_guard lock(args.object->mutex);
  args.value = args.object->data == nullptr;
}

// Of an array that is gone: an event that has failed.
void ready_event(Get<Buffer, Event*>& args) {
  try {
    args.value = new Event{args.object->use("block_until_ready")->ready()};
  } catch (const tt::Error& error) {
    const metal::Event failed = metal::Event::pending();
    failed.fail(error);
    args.value = new Event{failed};
  }
}

// Runs `copy` once the buffer is there; the event follows it, or carries the buffer's error.
Event* after(const metal::Reading& buffer, std::function<void()> copy) {
  const metal::Event& ready = buffer->ready();
  if (ready.is_ready() && ready.error() == nullptr) {
    copy();
    return new Event;
  }
  const metal::Event done = metal::Event::pending();
  ready.on_ready([done, buffer, copy = std::move(copy)](const tt::Error* error) {
    if (error != nullptr) return done.fail(*error);
    copy();
    done.complete();
  });
  return new Event{done};
}

// Byte strides of the host's layout; nothing when it is dense row-major.
Dims host_strides(const MemoryLayout* layout, const ir::Type& type) {
  const auto rank = type.dims.size();
  if (layout == nullptr || rank < 2) return {};
  if (layout->type == 1) return {layout->strides.byte_strides, layout->strides.byte_strides + layout->strides.num_byte_strides};
  require(layout->tiled.num_tiles == 0, "[to_host] tiled host layouts are not supported");
  const std::span<const int64_t> order(layout->tiled.minor_to_major, layout->tiled.minor_to_major_size);
  require(order.size() == rank, "[to_host] a layout of ", order.size(), " dimensions for an array of ", rank);
  Dims strides(rank);
  int64_t stride = size_of(type.element);
  bool row_major = true;
  for (size_t i = 0; i < rank; ++i) {
    row_major &= order[i] == static_cast<int64_t>(rank - 1 - i);
    strides[static_cast<size_t>(order[i])] = stride;
    stride *= type.dims[static_cast<size_t>(order[i])];
  }
  return row_major ? Dims{} : strides;
}

void unpack(const std::byte*& from, std::span<const int64_t> dims, std::span<const int64_t> strides, size_t element, std::byte* to) {
  if (dims.empty()) {
    std::memcpy(to, from, element);
    from += element;
    return;
  }
  for (int64_t i = 0; i < dims[0]; ++i) unpack(from, dims.subspan(1), strides.subspan(1), element, to + i * strides[0]);
}

void to_host(BufferToHost& args) {
  const auto bytes = static_cast<size_t>(args.buffer->type.num_bytes());
  if (args.destination == nullptr) {
    args.size = bytes;
    args.event = nullptr;
    return;
  }
  require(args.size >= bytes, "[to_host] the array takes ", bytes, " bytes, the destination has ", args.size);
  const metal::Reading data = args.buffer->read("to_host");
  auto* to = static_cast<std::byte*>(args.destination);
  const Dims strides = host_strides(args.layout, args.buffer->type);
  args.event = after(data, [buffer = data.buffer().get(), to, bytes, strides, type = args.buffer->type] {
    const std::byte* from = buffer->data();
    if (bytes == 0) return;
    if (strides.empty()) {
      std::memcpy(to, from, bytes);
    } else {
      unpack(from, type.dims, strides, static_cast<size_t>(size_of(type.element)), to);
    }
  });
}

void copy_raw(BufferCopyRawToHost& args) {
  const int64_t bytes = args.buffer->type.num_bytes();
  require(args.offset >= 0 && args.size >= 0 && args.offset + args.size <= bytes, "[copy_raw_to_host] bytes ", args.offset, "..",
          args.offset + args.size, " of an array of ", bytes);
  const metal::Reading data = args.buffer->read("copy_raw_to_host");
  args.event = after(data, [buffer = data.buffer().get(), to = args.destination, offset = args.offset, size = args.size] {
    std::memcpy(to, buffer->data() + offset, static_cast<size_t>(size));
  });
}

void copy_to(Buffer& from, Memory& memory, Buffer*& destination) {
  const metal::Reading source = from.read("copy");
  auto copy = std::make_unique<Buffer>();
  copy->memory = &memory;
  copy->type = from.type;
  copy->data = memory.device->own_card("copy").allocate(source->size(), memory.type);
  const metal::Event done = metal::Event::pending();
  copy->data->set_ready(done);
  source->ready().on_ready([source, target = copy->data, done](const tt::Error* error) {
    if (error != nullptr) return done.fail(*error);
    std::memcpy(target->data(), source->data(), static_cast<size_t>(source->size()));
    done.complete();
  });
  destination = copy.release();
}

void copy_to_memory(BufferCopyTo& args) { copy_to(*args.buffer, *static_cast<Memory*>(args.target), args.destination); }
void copy_to_device(BufferCopyTo& args) { copy_to(*args.buffer, static_cast<Device*>(args.target)->memory, args.destination); }

void add_reference(One<Buffer>& args) {
  args.object->use("share");
  ++args.object->external_references;
}

void drop_reference(One<Buffer>& args) {
  require(args.object->external_references.fetch_sub(1) > 0, "[share] more releases than acquisitions");
}

void pointer(Get<Buffer, void*>& args) {
  const auto data = args.object->use("share");
  data->ready().wait();
  data->device()->publish(data);
  args.value = data->data();
}

void layout(BufferLayout& args) {
  static constexpr auto kOrders = [] {
    std::array<int64_t, 64> order{};
    for (size_t i = 0; i < order.size(); ++i) order[i] = static_cast<int64_t>(order.size() - 1 - i);
    return order;
  }();
  const size_t rank = args.buffer->type.dims.size();
  require(rank <= kOrders.size(), "[layout] rank ", rank);
  args.layout = {};
  args.layout.struct_size = sizeof(MemoryLayout);
  args.layout.type = 0;
  args.layout.tiled = {};
  args.layout.tiled.struct_size = sizeof(MemoryLayout::Tiled);
  args.layout.tiled.minor_to_major = kOrders.data() + (kOrders.size() - rank);
  args.layout.tiled.minor_to_major_size = rank;
}

}  // namespace

void install_buffers(Api& api) {
  install<&destroy>(api, Slot::kBufferDestroy);
  install<&element_type>(api, Slot::kBufferElementType);
  install<&dimensions>(api, Slot::kBufferDimensions);
  install<&dimensions>(api, Slot::kBufferUnpaddedDimensions);
  install<&dynamic_dimensions>(api, Slot::kBufferDynamicDimensionIndices);
  install<&layout>(api, Slot::kBufferGetMemoryLayout);
  install<&on_device_size>(api, Slot::kBufferOnDeviceSizeInBytes);
  install<&device>(api, Slot::kBufferDevice);
  install<&memory>(api, Slot::kBufferMemory);
  install<&delete_buffer>(api, Slot::kBufferDelete);
  install<&is_deleted>(api, Slot::kBufferIsDeleted);
  install<&copy_to_device>(api, Slot::kBufferCopyToDevice);
  install<&copy_to_memory>(api, Slot::kBufferCopyToMemory);
  install<&to_host>(api, Slot::kBufferToHostBuffer);
  install<&copy_raw>(api, Slot::kBufferCopyRawToHost);
  install<&is_on_cpu>(api, Slot::kBufferIsOnCpu);
  install<&ready_event>(api, Slot::kBufferReadyEvent);
  install<&pointer>(api, Slot::kBufferUnsafePointer);
  install<&pointer>(api, Slot::kBufferOpaqueDeviceMemoryDataPointer);
  install<&add_reference>(api, Slot::kBufferIncreaseExternalReferenceCount);
  install<&drop_reference>(api, Slot::kBufferDecreaseExternalReferenceCount);
}

}  // namespace tt::pjrt
