// A walk over the protocol buffer of compile options, and the numbering of element types.
#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>

#include "pjrt/objects.hpp"
#include "pjrt/proto.hpp"

namespace tt::pjrt {
namespace {

// One field of a protocol buffer message: a varint, or bytes.
class Fields {
 public:
  explicit Fields(std::string_view bytes) : rest_(bytes) {}

  int field = 0;
  uint64_t number = 0;
  std::string_view bytes;

  bool next() {
    if (rest_.empty()) return false;
    const uint64_t key = varint();
    field = static_cast<int>(key >> 3);
    bytes = {};
    switch (key & 7) {
      case 0: number = varint(); return true;
      case 1: take(8); return true;
      case 2: bytes = take(varint()); return true;
      case 5: take(4); return true;
      default: fail(ErrorCategory::kInvalidArgument, "[compile options] wire type ", key & 7);
    }
  }

  uint64_t varint() {
    uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      const auto byte = static_cast<unsigned char>(take(1)[0]);
      value |= uint64_t{byte & 0x7FU} << shift;
      if ((byte & 0x80) == 0) return value;
    }
    fail(ErrorCategory::kInvalidArgument, "[compile options] a number of more than 64 bits");
  }

  bool at_end() const { return rest_.empty(); }

 private:
  std::string_view take(uint64_t n) {
    require(n <= rest_.size(), "[compile options] truncated");
    const std::string_view out = rest_.substr(0, static_cast<size_t>(n));
    rest_.remove_prefix(static_cast<size_t>(n));
    return out;
  }

  std::string_view rest_;
};

void read_build_options(std::string_view bytes, Options& options) {
  for (Fields f(bytes); f.next();) {
    if (f.field == 4) options.compile.num_replicas = static_cast<int64_t>(f.number);
    if (f.field == 5) options.compile.num_partitions = static_cast<int64_t>(f.number);
    if (f.field == 9) options.assignment = f.bytes;
  }
}

// Options of jax.jit(compiler_options={...}); each may come from an environment variable too.
struct CompilerOption {
  std::string_view name;
  const char* variable;
};
constexpr CompilerOption kCompilerOptions[] = {{"jax_tt_no", "JAX_TT_NO"}};

std::string list_compiler_options() {
  std::string text;
  for (const CompilerOption& option : kCompilerOptions) text += cat(text.empty() ? "" : ", ", option.name);
  return text;
}

// map<string, OptionOverrideProto{string_field=1, bool_field=2, int_field=3, double_field=4}>
void read_override(std::string_view bytes, Options& options) {
  std::string key, value;
  for (Fields entry(bytes); entry.next();) {
    if (entry.field == 1) key = entry.bytes;
    if (entry.field != 2) continue;
    for (Fields f(entry.bytes); f.next();) value = f.field == 1 ? std::string(f.bytes) : cat(f.number);
  }
  constexpr std::string_view kXla = "xla_";  // flags of XLA's own compilers mean nothing here
  if (key.starts_with(kXla)) return;
  const auto* const known =
      std::find_if(std::begin(kCompilerOptions), std::end(kCompilerOptions), [&](const auto& o) { return o.name == key; });
  require(known != std::end(kCompilerOptions), "[compile options] No such compile option: '", key, "'; tt knows ", list_compiler_options());
  options.compile.overrides[key] = value;
}

constexpr std::array<DataType, 31> kTypes = {
    DataType::kPred,  // 0: invalid
    DataType::kPred,       DataType::kS8,         DataType::kS16,    DataType::kS32,    DataType::kS64,       DataType::kU8,
    DataType::kU16,        DataType::kU32,        DataType::kU64,    DataType::kF16,    DataType::kF32,       DataType::kF64,
    DataType::kBF16,       DataType::kC64,        DataType::kC128,   DataType::kF8E5M2, DataType::kF8E4M3FN,  DataType::kF8E4M3B11FNUZ,
    DataType::kF8E5M2FNUZ, DataType::kF8E4M3FNUZ, DataType::kS4,     DataType::kU4,     DataType::kPred,  // 23: token
    DataType::kS2,         DataType::kU2,         DataType::kF8E4M3, DataType::kF8E3M4, DataType::kF8E8M0FNU, DataType::kF4E2M1FN,
    DataType::kPred,
};
constexpr int kToken = 23, kLast = 29;

}  // namespace

// DeviceAssignmentProto: {replicas = 1, computations = 2, repeated {repeated ids = 1} = 3}; of one replica each list has one id.
std::vector<int64_t> devices_of(std::string_view assignment) {
  std::vector<int64_t> devices;
  for (Fields outer(assignment); outer.next();) {
    if (outer.field != 3) continue;
    for (Fields inner(outer.bytes); inner.next();) {
      if (inner.field != 1) continue;
      devices.push_back(static_cast<int64_t>(inner.bytes.empty() ? inner.number : Fields(inner.bytes).varint()));
    }
  }
  return devices;
}

std::string assignment_of(std::span<const int64_t> devices) {
  ProtoBytes out;
  out.number(1, 1);
  out.number(2, static_cast<uint64_t>(devices.size()));
  for (const int64_t device : devices) {
    ProtoBytes ids;
    const auto id = static_cast<uint64_t>(device);
    ids.numbers(1, {&id, 1});
    out.message(3, ids);
  }
  return out.take();
}

Options read_options(std::string_view bytes) {
  Options options;
  for (Fields f(bytes); f.next();) {
    if (f.field == 3) read_build_options(f.bytes, options);
    if (f.field == 7) read_override(f.bytes, options);
  }
  for (const CompilerOption& option : kCompilerOptions) {
    const char* value = std::getenv(option.variable);
    if (value != nullptr) options.compile.overrides.try_emplace(std::string(option.name), value);
  }
  return options;
}

int buffer_type(DataType type) {
  for (int i = 1; i <= kLast; ++i) {
    if (i != kToken && kTypes[static_cast<size_t>(i)] == type) return i;
  }
  fail(ErrorCategory::kInternal, "[buffer] element type ", name(type), " has no PJRT type");
}

DataType data_type(int type) {
  require(type >= 1 && type <= kLast, "[buffer] PJRT element type ", type, " is unknown to tt");
  return kTypes[static_cast<size_t>(type)];
}

namespace {

NamedValue named(std::string_view name) {
  NamedValue value{};
  value.struct_size = sizeof(NamedValue);
  value.name = name.data();
  value.name_size = name.size();
  value.value_size = 1;
  return value;
}

}  // namespace

NamedValue named(std::string_view name, int64_t number) {
  NamedValue value = named(name);
  value.type = NamedValue::kInt64;
  value.int64_value = number;
  return value;
}

NamedValue named(std::string_view name, float number) {
  NamedValue value = named(name);
  value.type = NamedValue::kFloat;
  value.float_value = number;
  return value;
}

NamedValue named(std::string_view name, const std::string& text) {
  NamedValue value = named(name);
  value.type = NamedValue::kString;
  value.string_value = text.c_str();
  value.value_size = text.size();
  return value;
}

}  // namespace tt::pjrt
