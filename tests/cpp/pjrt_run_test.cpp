// Arrays and runs through the function table: round trips, layouts, events, donation, memory, threads, and who may be destroyed when.
#include <atomic>
#include <numeric>
#include <thread>

#include "pjrt_host.hpp"

namespace tt {
namespace {

using namespace test;

constexpr ErrorCode kInvalid = ErrorCode::kInvalidArgument;
constexpr size_t kLong = 1 << 20;  // too much for the calling thread: runs on the queue

std::vector<float> count_to(size_t n) {
  std::vector<float> values(n);
  std::iota(values.begin(), values.end(), 0.0F);
  return values;
}

bool is_deleted(const BufferHandle& buffer) { return get<bool>(Slot::kBufferIsDeleted, buffer.get()); }

TEST(host_to_device_to_execute_to_host) {
  const ClientHandle client = create_client();
  const ProgramHandle program = compile(client.get(), payload("add_one"));
  const BufferHandle x = put(client.get(), count_to(12), {3, 4});
  EXPECT_EQ(get<int>(Slot::kBufferElementType, x.get()), kPjrtF32);
  const auto dims = list<int64_t>(Slot::kBufferDimensions, x.get());
  EXPECT(dims.size() == 2 && dims[0] == 3 && dims[1] == 4);
  EXPECT_EQ(get<size_t>(Slot::kBufferOnDeviceSizeInBytes, x.get()), 48u);
  EXPECT(!get<bool>(Slot::kBufferIsOnCpu, x.get()));
  const Run result = run(program.get(), {x.get()});
  std::vector<float> expected(12);
  std::iota(expected.begin(), expected.end(), 1.0F);
  EXPECT(fetch(result.outputs[0].get()) == expected);
  EXPECT(fetch(x.get()) == count_to(12));
}

TEST(strided_host_arrays_are_packed) {
  const ClientHandle client = create_client();
  const std::vector<float> values = count_to(12);  // rows of 4
  // Transposed, every second column, backwards.
  EXPECT(fetch(put(client.get(), {values.data(), {4, 3}, kPjrtF32, {4, 16}}).get()) ==
         (std::vector<float>{0, 4, 8, 1, 5, 9, 2, 6, 10, 3, 7, 11}));
  EXPECT(fetch(put(client.get(), {values.data() + 1, {3, 2}, kPjrtF32, {16, 8}}).get()) == (std::vector<float>{1, 3, 5, 7, 9, 11}));
  EXPECT(fetch(put(client.get(), {values.data() + 11, {3, 4}, kPjrtF32, {-16, -4}}).get()) ==
         std::vector<float>(values.rbegin(), values.rend()));
  EXPECT(fetch(put(client.get(), {values.data(), {2, 3}, kPjrtF32, {0, 4}}).get()) == (std::vector<float>{0, 1, 2, 0, 1, 2}));
  EXPECT_REFUSAL(put(client.get(), {values.data(), {3, 4}, kPjrtF32, {16}}), kInvalid, "[buffer_from_host] 1 strides for an array [3,4]");
}

TEST(arrays_that_cannot_be_are_refused) {
  const ClientHandle client = create_client();
  const float value = 0;
  EXPECT_REFUSAL(put(client.get(), {&value, {-1}}), kInvalid, "[buffer_from_host] no array has the dimensions [-1]");
  EXPECT_REFUSAL(put(client.get(), {&value, {1LL << 40, 1LL << 40}}), kInvalid,
                 "no array has the dimensions [1099511627776,1099511627776]");
  EXPECT_REFUSAL(put(client.get(), {&value, {1}, /*type=*/0}), kInvalid, "[buffer] PJRT element type 0 is unknown to tt");
  EXPECT_REFUSAL(put(client.get(), {&value, {1}, /*type=*/99}), kInvalid, "[buffer] PJRT element type 99 is unknown to tt");
  EXPECT_REFUSAL(put(client.get(), {&value, {3'000'000'000}, kPjrtF32, {0}}), ErrorCode::kResourceExhausted,
                 "asked for 12000000000 bytes, free ");
}

TEST(host_arrays_come_back_in_the_layout_asked_for) {
  const ClientHandle client = create_client();
  const BufferHandle x = put(client.get(), count_to(6), {2, 3});
  const std::vector<float> columns{0, 3, 1, 4, 2, 5};
  const int64_t column_major[] = {0, 1}, strides[] = {4, 8};
  pjrt::MemoryLayout layout{};
  layout.tiled.minor_to_major = column_major;
  layout.tiled.minor_to_major_size = 2;
  EXPECT(fetch(x.get(), &layout) == columns);
  layout = {};
  layout.type = 1;
  layout.strides.byte_strides = strides;
  layout.strides.num_byte_strides = 2;
  EXPECT(fetch(x.get(), &layout) == columns);
  std::vector<float> small(2);
  pjrt::BufferToHost args{{}, x.get(), nullptr, small.data(), 8, nullptr};
  EXPECT_REFUSAL(call(Slot::kBufferToHostBuffer, args), kInvalid, "[to_host] the array takes 24 bytes, the destination has 8");
}

TEST(arrays_of_no_elements_go_through) {
  const ClientHandle client = create_client();
  const ProgramHandle program = compile(client.get(), payload("no_elements"));
  const BufferHandle x = put(client.get(), {nullptr, {0, 5}});
  const Run result = run(program.get(), {x.get()});
  EXPECT_EQ(get<size_t>(Slot::kBufferOnDeviceSizeInBytes, result.outputs[0].get()), 0u);
  EXPECT(fetch(result.outputs[0].get()).empty());
  EXPECT(fetch(result.outputs[1].get()) == std::vector<float>(5, 0));
}

TEST(tokens_are_arrays_of_no_elements) {
  const ClientHandle client = create_client();
  const ProgramHandle program = compile(client.get(), payload("tokens"));
  const BufferHandle token = put(client.get(), {nullptr, {0}, kPjrtPred}), x = put(client.get(), {5.5F}, {});
  const Run first = run(program.get(), {token.get(), x.get()});
  EXPECT_EQ(fetch(first.outputs[1].get())[0], 9.5F);
  EXPECT_EQ(list<int64_t>(Slot::kBufferDimensions, first.outputs[0].get())[0], 0);
  const Run second = run(program.get(), {first.outputs[0].get(), x.get()});
  EXPECT_EQ(fetch(second.outputs[1].get())[0], 9.5F);
}

TEST(host_memory_is_let_go_when_the_array_is) {
  const ClientHandle client = create_client();
  const std::vector<float> values = count_to(kLong);
  pjrt::BufferFromHost args{};
  const int64_t dims[] = {kLong};
  args.client = client.get();
  args.data = values.data();
  args.type = kPjrtF32;
  args.dims = dims;
  args.num_dims = 1;
  args.semantics = pjrt::HostSemantics::kImmutableZeroCopy;
  call(Slot::kClientBufferFromHostBuffer, args);
  const EventHandle done(args.done);
  BufferHandle x(args.buffer);
  const ProgramHandle program = compile(client.get(), payload("add_one_long"));
  const Run result = run(program.get(), {x.get()});
  EXPECT_EQ(fetch(result.outputs[0].get())[kLong - 1], static_cast<float>(kLong));
  x.reset();
  call_on(Slot::kEventAwait, done.get());
  EXPECT(get<bool>(Slot::kEventIsReady, done.get()));
  EXPECT(values == count_to(kLong));
}

TEST(events_call_back_once_even_when_destroyed_inside) {
  const ClientHandle client = create_client();
  const ProgramHandle program = compile(client.get(), payload("add_one_long"));
  const BufferHandle x = put(client.get(), count_to(kLong), {kLong});
  struct Seen {
    std::atomic<int> calls{0};
    pjrt::Event* event = nullptr;
  } seen;
  Run started = start(program.get(), {x.get()});
  seen.event = started.done.release();
  pjrt::EventOnReady args{{},
                          seen.event,
                          [](pjrt::Error* error, void* user) {
                            auto& mine = *static_cast<Seen*>(user);
                            raise(error);
                            EventHandle(mine.event).reset();
                            ++mine.calls;
                          },
                          &seen};
  call(Slot::kEventOnReady, args);
  wait(get<pjrt::Event*>(Slot::kBufferReadyEvent, started.outputs[0].get()));
  fetch(started.outputs[0].get());
  for (int i = 0; i < 1000 && seen.calls == 0; ++i) std::this_thread::yield();
  EXPECT_EQ(seen.calls.load(), 1);
}

TEST(events_that_are_ready_call_back_at_once) {
  const ClientHandle client = create_client();
  const BufferHandle x = put(client.get(), {1}, {1});
  const EventHandle ready(get<pjrt::Event*>(Slot::kBufferReadyEvent, x.get()));
  EXPECT(get<bool>(Slot::kEventIsReady, ready.get()));
  call_on(Slot::kEventError, ready.get());
  int calls = 0;
  pjrt::EventOnReady args{{}, ready.get(), [](pjrt::Error*, void* user) { ++*static_cast<int*>(user); }, &calls};
  call(Slot::kEventOnReady, args);
  EXPECT_EQ(calls, 1);
}

TEST(a_deleted_array_cannot_be_used) {
  const ClientHandle client = create_client();
  const ProgramHandle program = compile(client.get(), payload("add_one"));
  const BufferHandle x = put(client.get(), count_to(12), {3, 4});
  call_on(Slot::kBufferDelete, x.get());
  call_on(Slot::kBufferDelete, x.get());
  EXPECT(is_deleted(x));
  EXPECT_REFUSAL(run(program.get(), {x.get()}), kInvalid, "[execute] the array tensor<3x4xf32> has been deleted");
  EXPECT_REFUSAL(fetch(x.get()), kInvalid, "[to_host] the array tensor<3x4xf32> has been deleted");
  const EventHandle ready(get<pjrt::Event*>(Slot::kBufferReadyEvent, x.get()));
  EXPECT_REFUSAL(call_on(Slot::kEventError, ready.get()), kInvalid, "has been deleted and can no longer be used");
  EXPECT_REFUSAL(call_on(Slot::kEventAwait, ready.get()), kInvalid, "has been deleted and can no longer be used");
}

TEST(a_donated_array_cannot_be_used_again) {
  const ClientHandle client = create_client();
  const ProgramHandle program = compile(client.get(), payload("donate"));
  const BufferHandle x = put(client.get(), std::vector<float>(1024, 3), {1024}), y = put(client.get(), std::vector<float>(1024, 1), {1024});
  const Run result = run(program.get(), {x.get(), y.get()});
  EXPECT(is_deleted(x) && !is_deleted(y));
  EXPECT(fetch(result.outputs[0].get()) == std::vector<float>(1024, 4));
  EXPECT(fetch(result.outputs[1].get()) == std::vector<float>(1024, 2));
  EXPECT_REFUSAL(run(program.get(), {x.get(), y.get()}), kInvalid,
                 "[execute] the array tensor<1024xf32> has been donated and can no longer be used; keep a copy of what you need");
  EXPECT_REFUSAL(fetch(x.get()), kInvalid, "has been donated");
  const int64_t kept[] = {0};
  run(program.get(), {y.get(), result.outputs[0].get()}, kept);
  EXPECT(!is_deleted(y));
}

TEST(donating_an_array_that_is_also_another_argument_is_refused) {
  const ClientHandle client = create_client();
  const ProgramHandle program = compile(client.get(), payload("donate"));
  const BufferHandle x = put(client.get(), std::vector<float>(1024, 3), {1024});
  EXPECT_REFUSAL(run(program.get(), {x.get(), x.get()}), kInvalid,
                 "[execute] donate donates argument 0, but the same array is also argument 1; pass a copy, or do not donate it");
  EXPECT(!is_deleted(x));
  EXPECT(fetch(x.get()) == std::vector<float>(1024, 3));
}

TEST(arguments_must_be_those_of_the_program) {
  const pjrt::NamedValue two[] = {option("num_devices", 2)};
  const ClientHandle client = create_client(two);
  const ProgramHandle program = compile(client.get(), payload("donate"));
  const std::vector<float> values(1024, 3);
  const BufferHandle x = put(client.get(), values, {1024}), square = put(client.get(), values, {32, 32}),
                     integers = put(client.get(), {values.data(), {1024}, kPjrtS32}), few = put(client.get(), {1, 2}, {2}),
                     elsewhere = put(client.get(), {values.data(),
                                                    {1024},
                                                    kPjrtF32,
                                                    {},
                                                    pjrt::HostSemantics::kOnlyDuringCall,
                                                    list<pjrt::Device*>(Slot::kClientDevices, client.get())[1]});
  EXPECT_REFUSAL(run(program.get(), {}), kInvalid, "[execute] donate takes 2 arguments, 0 were given");
  EXPECT_REFUSAL(run(program.get(), {x.get(), square.get(), square.get()}), kInvalid, "[execute] donate takes 2 arguments, 3 were given");
  EXPECT_REFUSAL(run(program.get(), {x.get(), square.get()}), kInvalid,
                 "[execute] argument 1 of donate is tensor<32x32xf32>, expected tensor<1024xf32>");
  EXPECT_REFUSAL(run(program.get(), {x.get(), integers.get()}), kInvalid,
                 "[execute] argument 1 of donate is tensor<1024xi32>, expected tensor<1024xf32>");
  EXPECT_REFUSAL(run(program.get(), {few.get(), x.get()}), kInvalid,
                 "[execute] argument 0 of donate is tensor<2xf32>, expected tensor<1024xf32>");
  EXPECT_REFUSAL(run(program.get(), {x.get(), elsewhere.get()}), kInvalid,
                 "[execute] argument 1 of donate is on device 1, the program runs on device 0");
  EXPECT(!is_deleted(x) && !is_deleted(few));  // what did not run took nothing
  EXPECT(fetch(x.get()) == values);
}

TEST(a_deleted_program_does_not_run) {
  const ClientHandle client = create_client();
  const ProgramHandle program = compile(client.get(), payload("add_one"));
  const BufferHandle x = put(client.get(), count_to(12), {3, 4});
  call_on(Slot::kLoadedExecutableDelete, program.get());
  EXPECT(get<bool>(Slot::kLoadedExecutableIsDeleted, program.get()));
  EXPECT_REFUSAL(run(program.get(), {x.get()}), kInvalid, "[execute] add_one was deleted");
}

TEST(out_of_device_memory_names_asked_and_free_and_the_next_program_runs) {
  const ClientHandle client = create_client();
  const ProgramHandle large = compile(client.get(), payload("too_large")), small = compile(client.get(), payload("add_one"));
  pjrt::Device* device = list<pjrt::Device*>(Slot::kClientDevices, client.get()).front();
  const auto in_use = [&] {
    pjrt::MemoryStatsArgs stats{};
    stats.device = device;
    call(Slot::kDeviceMemoryStats, stats);
    return stats.bytes_in_use;
  };
  const BufferHandle scalar = put(client.get(), {1}, {}), x = put(client.get(), count_to(12), {3, 4});
  const int64_t before = in_use();
  EXPECT_REFUSAL(run(large.get(), {scalar.get()}), ErrorCode::kResourceExhausted,
                 cat("asked for 12000000000 bytes, free ", (int64_t{8} << 30) - before, " of 8589934592"));
  EXPECT_EQ(in_use(), before);
  EXPECT_EQ(fetch(run(small.get(), {x.get()}).outputs[0].get())[11], 12.0F);
}

TEST(copies_go_to_another_device) {
  const pjrt::NamedValue two[] = {option("num_devices", 2)};
  const ClientHandle client = create_client(two);
  pjrt::Device* other = list<pjrt::Device*>(Slot::kClientDevices, client.get())[1];
  const ProgramHandle program = compile(client.get(), payload("add_one_long"));
  const BufferHandle x = put(client.get(), count_to(kLong), {kLong});
  const Run started = start(program.get(), {x.get()});  // the copy waits for it
  pjrt::BufferCopyTo args{{}, started.outputs[0].get(), other, nullptr};
  call(Slot::kBufferCopyToDevice, args);
  const BufferHandle copy(args.destination);
  EXPECT_EQ(get<pjrt::Device*>(Slot::kBufferDevice, copy.get()), other);
  EXPECT_EQ(fetch(copy.get())[kLong - 1], static_cast<float>(kLong));
}

TEST(several_threads_compile_and_run_at_once) {
  const ClientHandle client = create_client();
  const std::string code = payload("add_one"), donating = payload("donate");
  std::atomic<int> right{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      const ProgramHandle program = compile(client.get(), code), donor = compile(client.get(), donating);
      const std::vector<float> mine(1024, static_cast<float>(t));
      for (int i = 0; i < 50; ++i) {
        BufferHandle x = put(client.get(), std::vector<float>(12, static_cast<float>(t)), {3, 4});
        for (int j = 0; j < 3; ++j) x = std::move(run(program.get(), {x.get()}).outputs[0]);
        const BufferHandle y = put(client.get(), mine, {1024}), z = put(client.get(), mine, {1024});
        const Run sum = start(donor.get(), {y.get(), z.get()});
        right += fetch(x.get()) == std::vector<float>(12, static_cast<float>(t + 3)) &&
                 fetch(sum.outputs[0].get()) == std::vector<float>(1024, static_cast<float>(2 * t));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(right.load(), 200);
}

TEST(one_array_is_donated_once_however_many_try) {
  const ClientHandle client = create_client();
  const ProgramHandle program = compile(client.get(), payload("donate"));
  const BufferHandle one = put(client.get(), std::vector<float>(1024, 1), {1024});
  for (int i = 0; i < 20; ++i) {
    const BufferHandle x = put(client.get(), std::vector<float>(1024, 2), {1024});
    std::atomic<int> ran{0}, refused{0};
    std::vector<std::thread> threads;
    for (int t = 0; t < 3; ++t) {
      threads.emplace_back([&] {
        try {
          ran += fetch(run(program.get(), {x.get(), one.get()}).outputs[0].get()) == std::vector<float>(1024, 3);
        } catch (const Refusal& refusal) {
          refused += std::string_view(refusal.what()).find("has been donated") != std::string_view::npos;
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT(ran == 1 && refused == 2);
  }
}

TEST(what_a_run_made_outlives_its_program_and_its_client) {
  ClientHandle client = create_client();
  ProgramHandle program = compile(client.get(), payload("add_one_long"));
  ExecutableHandle executable(get<pjrt::ExecutableHandle*>(Slot::kLoadedExecutableGetExecutable, program.get()));
  BufferHandle x = put(client.get(), count_to(kLong), {kLong});
  Run started = start(program.get(), {x.get()});
  program.reset();
  executable.reset();
  x.reset();
  EXPECT_EQ(fetch(started.outputs[0].get())[kLong - 1], static_cast<float>(kLong));
  BufferHandle left = put(create_client().get(), {1, 2}, {2});
  client.reset();
  EXPECT(fetch(left.get()) == (std::vector<float>{1, 2}));
  EXPECT_EQ(fetch(started.outputs[0].get())[0], 1.0F);
  started.outputs.clear();
  started.done.reset();
}

TEST(nothing_may_be_destroyed) {
  for (const Slot slot : {Slot::kErrorDestroy, Slot::kEventDestroy, Slot::kClientDestroy, Slot::kExecutableDestroy,
                          Slot::kLoadedExecutableDestroy, Slot::kBufferDestroy}) {
    pjrt::One<void> nothing{{sizeof(nothing), nullptr}, nullptr};
    if (slot == Slot::kErrorDestroy) {
      answer(slot, nothing);
    } else {
      raise(answer(slot, nothing));
    }
  }
}

}  // namespace
}  // namespace tt
