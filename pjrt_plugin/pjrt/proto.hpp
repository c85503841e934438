// Writes the few protocol buffer messages that JAX reads.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <utility>

namespace tt::pjrt {

class ProtoBytes {
 public:
  void number(int field, uint64_t value) {
    varint(static_cast<uint64_t>(field) << 3);
    varint(value);
  }
  void numbers(int field, std::span<const uint64_t> values) {  // packed
    ProtoBytes packed;
    for (const uint64_t value : values) packed.varint(value);
    message(field, packed);
  }
  void message(int field, const ProtoBytes& inner) {
    varint(static_cast<uint64_t>(field) << 3 | 2);
    varint(inner.bytes_.size());
    bytes_ += inner.bytes_;
  }
  std::string take() { return std::move(bytes_); }

 private:
  void varint(uint64_t value) {
    for (; value >= 0x80; value >>= 7) bytes_ += static_cast<char>(value | 0x80);
    bytes_ += static_cast<char>(value);
  }

  std::string bytes_;
};

}  // namespace tt::pjrt
