// The registry, attributes by kind, and what is checked of a program that a user made.
#include "metal/custom_call.hpp"

#include <cstdio>
#include <mutex>
#include <unordered_map>

namespace tt::metal {
namespace {

struct Registry {
  std::mutex mutex;
  std::unordered_map<std::string, CreateProgram> functions;
};

Registry& registry() {
  static auto* const instance = new Registry;  // programs may be compiled while statics go
  return *instance;
}

constexpr const char* kKinds[] = {"a flag", "an integer", "a real number", "text", "a list of integers", "a list of real numbers"};

[[noreturn]] void wrong_kind(const CustomCall& call, const std::string& name, const char* expected) {
  const auto found = call.attributes.find(name);
  if (found != call.attributes.end()) {
    fail(ErrorCategory::kInvalidArgument, "[", call.target, "] attribute \"", name, "\" is ", kKinds[found->second.index()], ", expected ",
         expected);
  }
  std::string known;
  for (const auto& [other, value] : call.attributes) known += (known.empty() ? "" : ", ") + other;
  fail(ErrorCategory::kInvalidArgument, "[", call.target, "] there is no attribute \"", name, "\", expected ", expected, "; the call has ",
       known.empty() ? "none" : known);
}

template <class T>
const T* find(const CustomCall& call, const std::string& name) {
  const auto found = call.attributes.find(name);
  return found == call.attributes.end() ? nullptr : std::get_if<T>(&found->second);
}

template <class T>
const T& get(const CustomCall& call, const std::string& name, const char* expected) {
  if (const T* value = find<T>(call, name)) return *value;
  wrong_kind(call, name, expected);
}

void check_slots(const CustomCall& call, const Program& program) {
  const auto slots = program.slots();
  const size_t arrays = call.inputs.size() + call.outputs.size();
  require(slots.size() == arrays, "[", call.target, "] the program has ", slots.size(), " slots, expected ", arrays, ": ",
          call.inputs.size(), " inputs, then ", call.outputs.size(), " outputs");
  for (size_t i = 0; i < arrays; ++i) {
    const bool is_output = i >= call.inputs.size();
    const ArrayType& array = is_output ? call.outputs[i - call.inputs.size()] : call.inputs[i];
    require(slots[i].is_output == is_output && slots[i].bytes == array.num_bytes(), "[", call.target, "] slot ", i,
            " of the program is an ", slots[i].is_output ? "output" : "input", " of ", slots[i].bytes, " bytes, expected an ",
            is_output ? "output" : "input", " of ", array.num_bytes());
  }
}

}  // namespace

bool CustomCall::flag(const std::string& name) const { return get<bool>(*this, name, kKinds[0]); }
int64_t CustomCall::integer(const std::string& name) const { return get<int64_t>(*this, name, kKinds[1]); }
double CustomCall::real(const std::string& name) const {
  if (const auto* integer = find<int64_t>(*this, name)) return static_cast<double>(*integer);
  return get<double>(*this, name, kKinds[2]);
}
const std::string& CustomCall::text(const std::string& name) const { return get<std::string>(*this, name, kKinds[3]); }
std::vector<int64_t> CustomCall::integers(const std::string& name) const { return get<std::vector<int64_t>>(*this, name, kKinds[4]); }
std::vector<double> CustomCall::reals(const std::string& name) const {
  if (const auto* integers = find<std::vector<int64_t>>(*this, name)) return {integers->begin(), integers->end()};
  return get<std::vector<double>>(*this, name, kKinds[5]);
}

Program CustomCall::new_program() const {
  Program program(target);
  for (size_t i = 0; i < inputs.size(); ++i) program.add_input(cat("in", i), inputs[i].num_bytes());
  for (size_t i = 0; i < outputs.size(); ++i) program.add_output(cat("out", i), outputs[i].num_bytes());
  return program;
}

void register_custom_call(const std::string& target, CreateProgram create) {
  std::lock_guard lock(registry().mutex);
  const auto [at, is_new] = registry().functions.emplace(target, create);
  require(is_new || at->second == create, "[register_ffi_target] \"", target,
          "\" is registered for tt already, with another kernel program; choose another name");
}

CreateProgram find_custom_call(const std::string& target) {
  std::lock_guard lock(registry().mutex);
  const auto found = registry().functions.find(target);
  return found == registry().functions.end() ? nullptr : found->second;
}

Program create_program(CreateProgram create, const CustomCall& call) {
  const auto made = [&] {
    try {
      return create(call);
    } catch (const Error&) {
      throw;
    } catch (const std::exception& error) {
      fail(ErrorCategory::kInvalidArgument, "[", call.target, "] ", error.what());
    } catch (...) {
      fail(ErrorCategory::kInvalidArgument, "[", call.target, "] the function that makes the program threw something that is no exception");
    }
  };
  Program program = made();
  check_slots(call, program);
  program.validate(call.chip);
  return program;
}

}  // namespace tt::metal

int tt_register_custom_call(const char* target, void* create, char* message, size_t size) {
  try {
    tt::metal::register_custom_call(target, reinterpret_cast<tt::metal::CreateProgram>(create));
    return 0;
  } catch (const std::exception& error) {
    std::snprintf(message, size, "%s", error.what());
    return 1;
  }
}
