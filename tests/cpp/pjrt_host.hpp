// A small PJRT host: it reaches the plugin through its function table only, as JAX does, and frees what it is given.
#pragma once

#include <fstream>
#include <iterator>
#include <memory>
#include <span>

#include "pjrt/abi.hpp"
#include "test.hpp"

extern "C" const void* GetPjrtApi();

namespace tt::test {

using pjrt::ErrorCode;
using pjrt::Slot;

// What a PJRT_Error said.
struct Refusal : std::runtime_error {
  Refusal(ErrorCode code, const std::string& message) : std::runtime_error(message), code(code) {}
  ErrorCode code;
};

inline const pjrt::Api& api() { return *static_cast<const pjrt::Api*>(GetPjrtApi()); }

// The answer of one slot as it comes.
template <class Args>
pjrt::Error* answer(Slot slot, Args& args) {
  return reinterpret_cast<pjrt::Error* (*)(Args*)>(api().slots[static_cast<size_t>(slot)])(&args);
}

// Throws what the error says, and frees it.
inline void raise(pjrt::Error* error) {
  if (error == nullptr) return;
  pjrt::Get<pjrt::Error, ErrorCode> code{{sizeof(code), nullptr}, error, {}};
  pjrt::GetText<pjrt::Error> message{{sizeof(message), nullptr}, error, {}, {}};
  pjrt::One<pjrt::Error> destroy{{sizeof(destroy), nullptr}, error};
  if (answer(Slot::kErrorGetCode, code) != nullptr) throw Failure("an error without a code");
  answer(Slot::kErrorMessage, message);
  const Refusal refusal(code.value, std::string(message.text, message.size));
  answer(Slot::kErrorDestroy, destroy);
  throw refusal;
}

template <class Args>
void call(Slot slot, Args& args) {
  args.struct_size = sizeof(Args);
  args.extension_start = nullptr;
  raise(answer(slot, args));
}

template <class T>
void call_on(Slot slot, T* object) {
  pjrt::One<T> args{{}, object};
  call(slot, args);
}

template <class Out, class T>
Out get(Slot slot, T* object) {
  pjrt::Get<T, Out> args{{}, object, {}};
  call(slot, args);
  return args.value;
}

template <class T>
std::string text(Slot slot, T* object) {
  pjrt::GetText<T> args{{}, object, {}, {}};
  call(slot, args);
  return {args.text, args.size};
}

template <class Item, class T>
std::span<const Item> list(Slot slot, T* object) {
  pjrt::GetList<T, const Item*> args{{}, object, {}, {}};
  call(slot, args);
  return {args.items, args.count};
}

template <Slot slot>
struct Destroy {
  template <class T>
  void operator()(T* object) const {
    call_on(slot, object);
  }
};
using ClientHandle = std::unique_ptr<pjrt::Client, Destroy<Slot::kClientDestroy>>;
using BufferHandle = std::unique_ptr<pjrt::Buffer, Destroy<Slot::kBufferDestroy>>;
using EventHandle = std::unique_ptr<pjrt::Event, Destroy<Slot::kEventDestroy>>;
using ProgramHandle = std::unique_ptr<pjrt::LoadedExecutable, Destroy<Slot::kLoadedExecutableDestroy>>;
using ExecutableHandle = std::unique_ptr<pjrt::ExecutableHandle, Destroy<Slot::kExecutableDestroy>>;

inline pjrt::NamedValue option(std::string_view name, int64_t value) {
  pjrt::NamedValue out{};
  out.struct_size = sizeof(out);
  out.name = name.data();
  out.name_size = name.size();
  out.type = pjrt::NamedValue::kInt64;
  out.int64_value = value;
  out.value_size = 1;
  return out;
}

inline ClientHandle create_client(std::span<const pjrt::NamedValue> options = {}) {
  pjrt::ClientCreate args{};
  args.options = options.data();
  args.num_options = options.size();
  // Garbage unless the host is distributed.
  constexpr uintptr_t kGarbage = 0xDEAD;
  args.get = reinterpret_cast<decltype(args.get)>(kGarbage);
  args.put = reinterpret_cast<decltype(args.put)>(kGarbage);
  args.get_user = args.put_user = reinterpret_cast<void*>(kGarbage);
  call(Slot::kClientCreate, args);
  return ClientHandle(args.client);
}

// CompileOptionsProto{executable_build_options{num_replicas = 1, num_partitions = 1}}
inline constexpr std::string_view kOneDevice("\x1a\x04\x20\x01\x28\x01", 6);

inline std::string payload(std::string_view name) {
  std::ifstream file(std::string(TT_TEST_PAYLOADS) + "/" + std::string(name) + ".mlirbc", std::ios::binary);
  if (!file) throw Failure(cat("no payload ", name, " in " TT_TEST_PAYLOADS));
  return {std::istreambuf_iterator<char>(file), {}};
}

inline ProgramHandle compile(pjrt::Client* client, std::string_view code, std::string_view options = kOneDevice,
                             std::string_view format = "mlir") {
  std::string copy(code);
  pjrt::Program program{{sizeof(program), nullptr}, copy.data(), copy.size(), format.data(), format.size()};
  pjrt::ClientCompile args{{}, client, &program, options.data(), options.size(), nullptr};
  call(Slot::kClientCompile, args);
  return ProgramHandle(args.executable);
}

inline void wait(pjrt::Event* event) {
  const EventHandle owned(event);
  call_on(Slot::kEventAwait, event);
}

constexpr int kPjrtPred = 1, kPjrtS32 = 4, kPjrtF32 = 11;

struct HostArray {
  const void* data;
  std::vector<int64_t> dims;
  int type = kPjrtF32;
  std::vector<int64_t> byte_strides = {};
  pjrt::HostSemantics semantics = pjrt::HostSemantics::kOnlyDuringCall;
  pjrt::Device* device = nullptr;
};

inline BufferHandle put(pjrt::Client* client, const HostArray& array) {
  pjrt::BufferFromHost args{};
  args.client = client;
  args.data = array.data;
  args.type = array.type;
  args.dims = array.dims.data();
  args.num_dims = array.dims.size();
  args.byte_strides = array.byte_strides.data();
  args.num_byte_strides = array.byte_strides.size();
  args.semantics = array.semantics;
  args.device = array.device;
  call(Slot::kClientBufferFromHostBuffer, args);
  const EventHandle done(args.done);
  return BufferHandle(args.buffer);
}

inline BufferHandle put(pjrt::Client* client, const std::vector<float>& values, std::vector<int64_t> dims) {
  return put(client, {values.data(), std::move(dims)});
}

inline std::vector<float> fetch(pjrt::Buffer* buffer, pjrt::MemoryLayout* layout = nullptr) {
  pjrt::BufferToHost args{{}, buffer, layout, nullptr, 0, nullptr};
  call(Slot::kBufferToHostBuffer, args);  // how large is it?
  std::vector<float> out(args.size / sizeof(float));
  if (out.empty()) return out;
  args.destination = out.data();
  call(Slot::kBufferToHostBuffer, args);
  wait(args.event);
  return out;
}

struct Run {
  std::vector<BufferHandle> outputs;
  EventHandle done;
};

// Starts one run; the outputs may be pending.
inline Run start(pjrt::LoadedExecutable* program, const std::vector<pjrt::Buffer*>& arguments, std::span<const int64_t> kept = {}) {
  const ExecutableHandle executable(get<pjrt::ExecutableHandle*>(Slot::kLoadedExecutableGetExecutable, program));
  std::vector<pjrt::Buffer*> outputs(get<size_t>(Slot::kExecutableNumOutputs, executable.get()));
  pjrt::ExecuteOptions options{};
  options.struct_size = sizeof(options);
  options.non_donatable_inputs = kept.data();
  options.num_non_donatable_inputs = kept.size();
  pjrt::Buffer* const* argument_list = arguments.data();
  pjrt::Buffer** output_list = outputs.data();
  pjrt::Event* done = nullptr;
  pjrt::Execute args{{}, program, &options, &argument_list, 1, arguments.size(), &output_list, &done, nullptr};
  call(Slot::kLoadedExecutableExecute, args);
  Run run;
  for (pjrt::Buffer* output : outputs) run.outputs.emplace_back(output);
  run.done.reset(done);
  return run;
}

inline Run run(pjrt::LoadedExecutable* program, const std::vector<pjrt::Buffer*>& arguments, std::span<const int64_t> kept = {}) {
  Run started = start(program, arguments, kept);
  call_on(Slot::kEventAwait, started.done.get());
  return started;
}

inline void expect_refusal(const std::function<void()>& body, ErrorCode code, std::string_view part, const char* file, int line) {
  try {
    body();
  } catch (const Refusal& refusal) {
    expect_contains(refusal.what(), part, file, line);
    if (refusal.code != code)
      throw Failure(cat(file, ":", line, ": code ", int(refusal.code), ", expected ", int(code), ": ", refusal.what()));
    return;
  }
  throw Failure(cat(file, ":", line, ": expected \"", part, "\", nothing was refused"));
}

}  // namespace tt::test

#define EXPECT_REFUSAL(body, code, part) ::tt::test::expect_refusal([&] { body; }, code, part, __FILE__, __LINE__)
