// Arrays that a host fills piece by piece, such as those that JAX fetches from another process. They can be used before they are full.
#include <cstring>

#include "pjrt/objects.hpp"

namespace tt::pjrt {

struct Upload {
  struct Target {
    ir::Type type;
    std::shared_ptr<metal::Buffer> data;
    metal::Event full = metal::Event::pending();
  };
  Memory* memory;
  std::vector<Target> targets;

  Target& target(int index) {
    require(index >= 0 && static_cast<size_t>(index) < targets.size(), "[upload] array ", index, " of ", targets.size());
    return targets[static_cast<size_t>(index)];
  }
};

namespace {

void create(CreateUpload& args) {
  auto upload = std::make_unique<Upload>();
  upload->memory = args.memory != nullptr ? args.memory : &args.client->own_devices[0]->memory;
  metal::Device& card = upload->memory->device->own_card("upload");
  for (size_t i = 0; i < args.num_shapes; ++i) {
    const ShapeSpec& shape = args.shapes[i];
    require(i >= args.num_layouts || args.layouts[i] == nullptr || args.layouts[i]->type == 0,
            "[upload] device layouts by strides are not supported");
    Upload::Target& target = upload->targets.emplace_back();
    const DataType type = data_type(shape.type);
    const std::span<const int64_t> dims(shape.dims, shape.num_dims);
    target.data = card.allocate(checked_bytes("upload", type, dims), upload->memory->type);
    target.type = ir::Type::tensor(type, Dims(dims.begin(), dims.end()));
    target.data->set_ready(target.full);
  }
  args.upload = upload.release();
}

// What has not come by then will not come any more.
void destroy(One<Upload>& args) {
  if (args.object == nullptr) return;
  for (const Upload::Target& target : args.object->targets)
    target.full.fail(tt::Error(ErrorCategory::kInternal, "[upload] the host has given up before the array was there"));
  delete args.object;
}

void transfer(UploadData& args) {
  Upload::Target& target = args.upload->target(args.index);
  const int64_t bytes = target.data->size();
  require(args.offset >= 0 && args.size >= 0 && args.offset <= bytes - args.size, "[upload] ", args.size, " bytes at ", args.offset,
          " of an array of ", bytes);
  if (args.size > 0) std::memcpy(target.data->data() + args.offset, args.data, static_cast<size_t>(args.size));
  if (args.is_last) target.full.complete();
  args.done = new Event;
}

void retrieve(OfUpload<Buffer*>& args) {
  const Upload::Target& target = args.upload->target(args.index);
  auto buffer = std::make_unique<Buffer>();
  buffer->memory = args.upload->memory;
  buffer->type = target.type;
  buffer->data = target.data;
  args.value = buffer.release();
}

void set_error(UploadError& args) {
  args.upload->target(args.index).full.fail(tt::Error(ErrorCategory::kInternal, std::string(args.message, args.message_size)));
}

void device(Get<Upload, Device*>& args) { args.value = args.object->memory->device; }
void count(Get<Upload, size_t>& args) { args.value = args.object->targets.size(); }
void size(OfUpload<size_t>& args) { args.value = static_cast<size_t>(args.upload->target(args.index).type.num_bytes()); }
void metadata(UploadMetadata&) {}  // nothing that we need

}  // namespace

void install_uploads(Api& api) {
  install<&create>(api, Slot::kClientCreateBuffersForAsyncHostToDevice);
  install<&destroy>(api, Slot::kAsyncHostToDeviceTransferManagerDestroy);
  install<&transfer>(api, Slot::kAsyncHostToDeviceTransferManagerTransferData);
  install<&retrieve>(api, Slot::kAsyncHostToDeviceTransferManagerRetrieveBuffer);
  install<&set_error>(api, Slot::kAsyncHostToDeviceTransferManagerSetBufferError);
  install<&device>(api, Slot::kAsyncHostToDeviceTransferManagerDevice);
  install<&count>(api, Slot::kAsyncHostToDeviceTransferManagerBufferCount);
  install<&size>(api, Slot::kAsyncHostToDeviceTransferManagerBufferSize);
  install<&metadata>(api, Slot::kAsyncHostToDeviceTransferManagerAddMetadata);
}

}  // namespace tt::pjrt
