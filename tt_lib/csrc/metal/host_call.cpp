// The one function that takes all calls of the process is called on the thread that runs the program.
#include "metal/host_call.hpp"

#include <array>
#include <atomic>
#include <memory>
#include <mutex>
#include <unordered_map>

#include "base/error.hpp"

namespace tt::metal {
namespace {

constexpr size_t kMessageBytes = 16 << 10;

std::atomic<tt_host_function>& taker() {
  static std::atomic<tt_host_function> function = nullptr;
  return function;
}

struct Held {
  std::mutex mutex;
  std::unordered_map<uint64_t, int> programs;  // by function
};

Held& held() {
  static auto* const instance = new Held;  // programs may outlive statics
  return *instance;
}

// Counts for a function as long as it lives.
class Hold {
 public:
  explicit Hold(uint64_t id) : id_(id) {
    std::lock_guard lock(held().mutex);
    ++held().programs[id];
  }
  Hold(const Hold&) = delete;
  Hold& operator=(const Hold&) = delete;
  ~Hold() {
    std::lock_guard lock(held().mutex);
    if (--held().programs[id_] == 0) held().programs.erase(id_);
  }
  uint64_t id() const { return id_; }

 private:
  uint64_t id_;
};

void call(const std::string& name, uint64_t id, std::byte* const* buffers) {
  const tt_host_function function = taker().load();
  check(function != nullptr, "[", name, "] is not called any more: the process is ending");
  std::array<char, kMessageBytes> message{};
  if (function(id, reinterpret_cast<void* const*>(buffers), message.data(), message.size()) == 0) return;
  message.back() = 0;
  fail(ErrorCategory::kInternal, "[", name, "] ", message.data());
}

}  // namespace

Program host_call(std::string name, uint64_t id, std::span<const int64_t> input_bytes, std::span<const int64_t> output_bytes) {
  Program program(std::move(name));
  for (size_t i = 0; i < input_bytes.size(); ++i) program.add_input(cat("in", i), input_bytes[i]);
  for (size_t i = 0; i < output_bytes.size(); ++i) program.add_output(cat("out", i), output_bytes[i]);
  program.set_host_function(
      [name = program.name(), hold = std::make_shared<const Hold>(id)](std::byte* const* buffers) { call(name, hold->id(), buffers); });
  return program;
}

bool has_host_calls() { return taker().load() != nullptr; }

}  // namespace tt::metal

void tt_set_host_function(tt_host_function function) { tt::metal::taker().store(function); }

int tt_holds_host_function(uint64_t id) {
  tt::metal::Held& held = tt::metal::held();
  std::lock_guard lock(held.mutex);
  return held.programs.contains(id) ? 1 : 0;
}
