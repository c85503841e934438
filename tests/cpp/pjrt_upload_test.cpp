// Arrays that a host fills piece by piece.
#include "pjrt_host.hpp"

namespace tt {
namespace {

using namespace test;

using UploadHandle = std::unique_ptr<pjrt::Upload, Destroy<Slot::kAsyncHostToDeviceTransferManagerDestroy>>;

UploadHandle create(pjrt::Client* client, const std::vector<std::vector<int64_t>>& arrays) {
  std::vector<pjrt::ShapeSpec> shapes;
  for (const auto& dims : arrays) shapes.push_back({{sizeof(pjrt::ShapeSpec), nullptr}, dims.data(), dims.size(), kPjrtF32});
  pjrt::CreateUpload args{{}, client, shapes.data(), shapes.size(), nullptr, 0, nullptr, nullptr};
  call(Slot::kClientCreateBuffersForAsyncHostToDevice, args);
  return UploadHandle(args.upload);
}

BufferHandle retrieve(pjrt::Upload* upload, int index) {
  pjrt::OfUpload<pjrt::Buffer*> args{{}, upload, index, nullptr};
  call(Slot::kAsyncHostToDeviceTransferManagerRetrieveBuffer, args);
  return BufferHandle(args.value);
}

void transfer(pjrt::Upload* upload, int index, const std::vector<float>& values, int64_t first, bool is_last) {
  pjrt::UploadData args{{}, upload, index, values.data(), first * 4, static_cast<int64_t>(values.size()) * 4, is_last, nullptr};
  call(Slot::kAsyncHostToDeviceTransferManagerTransferData, args);
  wait(args.done);
}

TEST(an_upload_fills_its_arrays_piece_by_piece) {
  const ClientHandle client = create_client();
  const UploadHandle upload = create(client.get(), {{2, 2}, {3}});
  EXPECT_EQ(get<size_t>(Slot::kAsyncHostToDeviceTransferManagerBufferCount, upload.get()), 2u);
  EXPECT_EQ(get<pjrt::Device*>(Slot::kAsyncHostToDeviceTransferManagerDevice, upload.get()),
            list<pjrt::Device*>(Slot::kClientDevices, client.get()).front());
  pjrt::OfUpload<size_t> size{{}, upload.get(), 1, 0};
  call(Slot::kAsyncHostToDeviceTransferManagerBufferSize, size);
  EXPECT_EQ(size.value, 12u);
  const BufferHandle first = retrieve(upload.get(), 0);
  transfer(upload.get(), 0, {3, 4}, 2, false);
  const EventHandle ready(get<pjrt::Event*>(Slot::kBufferReadyEvent, first.get()));
  EXPECT(!get<bool>(Slot::kEventIsReady, ready.get()));
  transfer(upload.get(), 0, {1, 2}, 0, true);
  EXPECT(fetch(first.get()) == (std::vector<float>{1, 2, 3, 4}));
}

TEST(a_program_takes_an_array_that_is_still_on_its_way) {
  const ClientHandle client = create_client();
  const ProgramHandle program = compile(client.get(), payload("add_one"));
  const UploadHandle upload = create(client.get(), {{3, 4}});
  const BufferHandle x = retrieve(upload.get(), 0);
  const Run started = start(program.get(), {x.get()});
  transfer(upload.get(), 0, std::vector<float>(12, 1), 0, true);
  EXPECT(fetch(started.outputs[0].get()) == std::vector<float>(12, 2));
}

TEST(an_array_that_will_not_come_any_more_fails) {
  const ClientHandle client = create_client();
  UploadHandle upload = create(client.get(), {{2}, {2}});
  const BufferHandle first = retrieve(upload.get(), 0), second = retrieve(upload.get(), 1);
  const std::string_view why = "the cat ate it";
  pjrt::UploadError error{{}, upload.get(), 0, ErrorCode::kInternal, why.data(), why.size()};
  call(Slot::kAsyncHostToDeviceTransferManagerSetBufferError, error);
  EXPECT_REFUSAL(fetch(first.get()), ErrorCode::kInternal, "the cat ate it");
  upload.reset();
  EXPECT_REFUSAL(fetch(second.get()), ErrorCode::kInternal, "[upload] the host has given up before the array was there");
}

TEST(an_upload_refuses_what_does_not_fit) {
  const ClientHandle client = create_client();
  const UploadHandle upload = create(client.get(), {{2}});
  EXPECT_REFUSAL(transfer(upload.get(), 0, {1, 2}, 1, true), ErrorCode::kInvalidArgument, "[upload] 8 bytes at 4 of an array of 8");
  EXPECT_REFUSAL(transfer(upload.get(), 1, {1}, 0, true), ErrorCode::kInvalidArgument, "[upload] array 1 of 1");
  EXPECT_REFUSAL(create(client.get(), {{-2}}), ErrorCode::kInvalidArgument, "[upload] no array has the dimensions [-2]");
}

}  // namespace
}  // namespace tt
