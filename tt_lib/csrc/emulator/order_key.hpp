// Elements as unsigned keys whose order is a sort's order.
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "base/data_type.hpp"

namespace tt::emulator {

struct OrderKey {
  enum class Encoding : uint8_t { kUnsigned, kSigned, kFloat };
  Encoding encoding;
  bool canonical;  // floats: -0 equals +0 and all NaN are equal and greatest; else IEEE's total order
  bool descending;
  uint64_t infinity;  // its bits
};

// Key: an unsigned integer of the element's width.
template <class Key>
struct OrderEncoder {
  OrderKey::Encoding encoding;
  bool canonical;
  Key flip;  // all ones when descending
  Key infinity;

  static constexpr Key kSign = static_cast<Key>(Key{1} << (8 * sizeof(Key) - 1));
  static constexpr Key kNan = static_cast<Key>(~kSign);  // the one NaN of the canonical order

  [[gnu::always_inline]] explicit OrderEncoder(const OrderKey& key)
      : encoding(key.encoding),
        canonical(key.canonical),
        flip(static_cast<Key>(key.descending ? ~Key{0} : Key{0})),
        infinity(static_cast<Key>(key.infinity)) {}

  [[gnu::always_inline]] bool is_special(Key bits) const {  // has lost its bits when encoded
    const Key magnitude = static_cast<Key>(bits & ~kSign);
    return encoding == OrderKey::Encoding::kFloat && canonical && (magnitude > infinity || bits == kSign);
  }

  [[gnu::always_inline]] Key encode(Key bits) const {
    if (encoding == OrderKey::Encoding::kSigned) bits = static_cast<Key>(bits ^ kSign);
    if (encoding == OrderKey::Encoding::kFloat) {
      if (canonical) {
        const Key magnitude = static_cast<Key>(bits & ~kSign);
        bits = magnitude > infinity ? kNan : magnitude == 0 ? Key{0} : bits;
      }
      using Signed = std::make_signed_t<Key>;
      const Key negative = static_cast<Key>(static_cast<Signed>(bits) >> (8 * sizeof(Key) - 1));  // all ones or zero
      bits = static_cast<Key>(bits ^ (negative | kSign));
    }
    return static_cast<Key>(bits ^ flip);
  }

  [[gnu::always_inline]] Key decode(Key key) const {
    key = static_cast<Key>(key ^ flip);
    if (encoding == OrderKey::Encoding::kSigned) return static_cast<Key>(key ^ kSign);
    if (encoding == OrderKey::Encoding::kFloat) return static_cast<Key>(key & kSign ? key ^ kSign : ~key);
    return key;
  }
};

}  // namespace tt::emulator
