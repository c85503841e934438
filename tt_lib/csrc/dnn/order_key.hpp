// Elements as unsigned keys whose order is a sort's order.
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "dnn/instruction_sets.hpp"

namespace tt::dnn {

struct OrderKey {
  enum class Encoding : uint8_t { kUnsigned, kSigned, kFloat };
  Encoding encoding;
  bool canonical;  // floats: -0 equals +0 and all NaN are equal and greatest; else IEEE's total order
  bool descending;
  uint64_t infinity;    // its bits
  int unused_bits = 0;  // at the top of an integer's byte: they may hold anything
};

// Key: an unsigned integer of the element's width.
template <class Key>
struct OrderEncoder {
  OrderKey::Encoding encoding;
  bool canonical;
  Key flip;  // all ones when descending
  Key infinity;
  int unused_bits;

  static constexpr Key kSign = static_cast<Key>(Key{1} << (8 * sizeof(Key) - 1));
  static constexpr Key kNan = static_cast<Key>(~kSign);  // the one NaN of the canonical order

  [[gnu::always_inline]] explicit OrderEncoder(const OrderKey& key)
      : encoding(key.encoding),
        canonical(key.canonical),
        flip(static_cast<Key>(key.descending ? ~Key{0} : Key{0})),
        infinity(static_cast<Key>(key.infinity)),
        unused_bits(key.unused_bits) {}

  [[gnu::always_inline]] bool is_special(Key bits) const {  // has lost its bits when encoded
    const Key magnitude = static_cast<Key>(bits & ~kSign);
    return encoding == OrderKey::Encoding::kFloat && canonical && (magnitude > infinity || bits == kSign);
  }

  [[gnu::always_inline]] Key encode(Key bits) const {
    if (sizeof(Key) == 1 && encoding != OrderKey::Encoding::kFloat) bits = static_cast<Key>(bits << unused_bits);
    if (encoding == OrderKey::Encoding::kSigned) bits = static_cast<Key>(bits ^ kSign);
    if (encoding == OrderKey::Encoding::kFloat) {
      using Signed = std::make_signed_t<Key>;
      const Key negative = static_cast<Key>(static_cast<Signed>(bits) >> (8 * sizeof(Key) - 1));  // all ones or zero
      Key key = static_cast<Key>(bits ^ (negative | kSign));
      if (canonical) {
        const Key magnitude = static_cast<Key>(bits & ~kSign);
        key = static_cast<Key>(key + (bits == kSign ? 1 : 0));  // -0 lies next to +0
        key = static_cast<Key>(key | (static_cast<Signed>(magnitude) > static_cast<Signed>(infinity) ? static_cast<Key>(~Key{0}) : Key{0}));
      }
      bits = key;
    }
    return static_cast<Key>(bits ^ flip);
  }

  [[gnu::always_inline]] Key decode(Key key) const {
    key = static_cast<Key>(key ^ flip);
    if (encoding == OrderKey::Encoding::kFloat) return static_cast<Key>(key & kSign ? key ^ kSign : ~key);
    if (encoding == OrderKey::Encoding::kUnsigned) return static_cast<Key>(key >> unused_bits);
    return static_cast<Key>(static_cast<std::make_signed_t<Key>>(key ^ kSign) >> unused_bits);
  }
};

template <OrderKey::Encoding kEncoding, bool kCanonical, class Key>
void encode_keys_as(const OrderKey& key, const Key* elements, size_t n, Key* keys, emulator::Simd simd) {
  run_on_host<Key>(
      [&]() TT_LOOP {
        OrderEncoder<Key> encoder(key);
        encoder.encoding = kEncoding;  // constants, so that the loop has no branches
        encoder.canonical = kCanonical;
        const Key* from = elements;
        Key* to = keys;
#pragma GCC ivdep
        for (size_t i = 0, end = n; i < end; ++i) to[i] = encoder.encode(from[i]);
      },
      simd);
}

// keys[i] = the key of elements[i], which may be the same array.
template <class Key>
void encode_keys(const OrderKey& key, const Key* elements, size_t n, Key* keys, emulator::Simd simd = emulator::simd()) {
  using Encoding = OrderKey::Encoding;
  switch (key.encoding) {
    case Encoding::kUnsigned: return encode_keys_as<Encoding::kUnsigned, false>(key, elements, n, keys, simd);
    case Encoding::kSigned: return encode_keys_as<Encoding::kSigned, false>(key, elements, n, keys, simd);
    case Encoding::kFloat: break;
  }
  if (key.canonical) return encode_keys_as<Encoding::kFloat, true>(key, elements, n, keys, simd);
  encode_keys_as<Encoding::kFloat, false>(key, elements, n, keys, simd);
}

}  // namespace tt::dnn
