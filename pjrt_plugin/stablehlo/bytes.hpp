// A bounds-checked cursor over bytes of MLIR bytecode.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>

#include "base/error.hpp"

namespace tt::stablehlo {

class Bytes {
 public:
  Bytes() = default;
  explicit Bytes(std::span<const std::byte> bytes, size_t base = 0) : bytes_(bytes), base_(base) {}

  size_t left() const { return bytes_.size() - at_; }
  bool at_end() const { return left() == 0; }

  uint8_t byte() {
    need(1);
    return static_cast<uint8_t>(bytes_[at_++]);
  }

  // The number of trailing zeros of the first byte says how many bytes follow; zero: eight.
  uint64_t varint() {
    need(1);
    const auto first = static_cast<uint8_t>(bytes_[at_]);
    const size_t more = first == 0 ? 8 : static_cast<size_t>(__builtin_ctz(first));
    need(more + 1);
    uint64_t value = 0;
    if (first == 0) {
      std::memcpy(&value, bytes_.data() + at_ + 1, 8);
    } else {
      std::memcpy(&value, bytes_.data() + at_, more + 1);
      value >>= more + 1;
    }
    at_ += more + 1;
    return value;
  }

  int64_t signed_varint() {
    const uint64_t value = varint();
    return static_cast<int64_t>(value >> 1) ^ -static_cast<int64_t>(value & 1);
  }

  // A count of things that take at least one byte each.
  size_t count() {
    const uint64_t n = varint();
    require(n <= left(), "[payload] a list of ", n, " entries in ", left(), " bytes: the payload is truncated or damaged");
    return static_cast<size_t>(n);
  }

  std::span<const std::byte> take(uint64_t n) {
    need(n);
    const auto out = bytes_.subspan(at_, static_cast<size_t>(n));
    at_ += static_cast<size_t>(n);
    return out;
  }

  // A section: its id, its length, padding up to its alignment in the file, its bytes.
  Bytes section(uint8_t& id) {
    const uint8_t head = byte();
    id = head & 0x7F;
    const uint64_t length = varint();
    if (head & 0x80) {
      const uint64_t alignment = varint();
      require(alignment != 0 && alignment <= 4096, "[payload] a section aligned to ", alignment);
      while ((base_ + at_) % alignment != 0) byte();
    }
    const size_t start = base_ + at_;
    return Bytes(take(length), start);
  }

  std::string_view c_string() {
    const auto* start = reinterpret_cast<const char*>(bytes_.data() + at_);
    const void* end = std::memchr(start, 0, left());
    require(end != nullptr, "[payload] a string without an end: the payload is truncated or damaged");
    const auto length = static_cast<size_t>(static_cast<const char*>(end) - start);
    at_ += length + 1;
    return {start, length};
  }

 private:
  void need(uint64_t n) const {
    require(n <= left(), "[payload] ends after ", bytes_.size(), " bytes where ", n,
            " more were expected: the payload is truncated or damaged");
  }

  std::span<const std::byte> bytes_;
  size_t at_ = 0;
  size_t base_ = 0;  // where in the file these bytes begin
};

}  // namespace tt::stablehlo
