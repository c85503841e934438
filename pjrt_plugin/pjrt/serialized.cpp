// Fields one after the other, each with its length before it.
#include "pjrt/serialized.hpp"

#include <cstring>

#include "base/error.hpp"

namespace tt::pjrt {
namespace {

constexpr std::string_view kMagic = "tt executable\n";

void put(std::string& bytes, std::string_view field) {
  const uint64_t size = field.size();
  bytes.append(reinterpret_cast<const char*>(&size), sizeof(size));
  bytes.append(field);
}

class Fields {
 public:
  explicit Fields(std::string_view bytes) : rest_(bytes) {}

  std::string_view next() {
    uint64_t size = 0;
    const std::string_view length = take(sizeof(size));
    std::memcpy(&size, length.data(), sizeof(size));
    return take(size);
  }
  int64_t number() {
    const std::string_view field = next();
    int64_t value = 0;
    require(field.size() == sizeof(value), "[deserialize] a number of ", field.size(), " bytes, expected ", sizeof(value));
    std::memcpy(&value, field.data(), sizeof(value));
    return value;
  }

 private:
  std::string_view take(uint64_t n) {
    require(n <= rest_.size(), "[deserialize] the executable ends early: ", rest_.size(), " bytes are left, expected ", n);
    const std::string_view taken = rest_.substr(0, static_cast<size_t>(n));
    rest_.remove_prefix(static_cast<size_t>(n));
    return taken;
  }

  std::string_view rest_;
};

void put(std::string& bytes, int64_t number) { put(bytes, std::string_view(reinterpret_cast<const char*>(&number), sizeof(number))); }

}  // namespace

std::string compile_key(std::string_view payload, const executable::CompileOptions& options, std::string_view chip) {
  std::string key;
  key.reserve(payload.size() + 256);
  put(key, kPlatformVersion);
  put(key, chip);
  put(key, options.num_replicas);
  put(key, options.num_partitions);
  put(key, static_cast<int64_t>(options.overrides.size()));
  for (const auto& [name, value] : options.overrides) {
    put(key, name);
    put(key, value);
  }
  put(key, payload);
  for (const int64_t process : options.processes) put(key, process);  // not read again: whoever loads the program knows its own
  return key;
}

std::string serialize(std::string_view key, std::string_view assignment) {
  std::string bytes(kMagic);
  put(bytes, assignment);
  bytes.append(key);
  return bytes;
}

Deserialized deserialize(std::string_view bytes, std::string_view chip) {
  require(bytes.starts_with(kMagic), "[deserialize] these ", bytes.size(),
          " bytes are no executable of tt; expected what tt has serialized");
  Fields fields(bytes.substr(kMagic.size()));
  Deserialized program;
  program.options.assignment = fields.next();
  const std::string_view version = fields.next(), made_for = fields.next();
  require(version == kPlatformVersion, "[deserialize] the executable is of ", version, ", this is ", kPlatformVersion,
          ": compile it again");
  require(made_for == chip, "[deserialize] the executable is for ", made_for, ", the devices are ", chip, ": compile it again");
  executable::CompileOptions& options = program.options.compile;
  options.num_replicas = fields.number();
  options.num_partitions = fields.number();
  for (int64_t count = fields.number(); count > 0; --count) {
    const std::string_view name = fields.next(), value = fields.next();
    options.overrides.emplace(name, value);
  }
  program.payload = fields.next();
  return program;
}

}  // namespace tt::pjrt
