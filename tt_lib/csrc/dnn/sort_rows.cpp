// LSD radix sort on order-preserving unsigned keys, and Batcher's odd-even merge sort for comparators that are no such order.
#include "dnn/sort_rows.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <limits>
#include <type_traits>

#include "base/error.hpp"

namespace tt::dnn {
namespace {

using emulator::kTileElements;

constexpr int64_t kComparisonSortBelow = 256;  // elements: a histogram costs more than it saves
constexpr int64_t kWideDigitsFrom = 16384;

enum class Encoding : uint8_t { kUnsigned, kSigned, kFloat };

// How an element of type `Key`'s width becomes a key whose unsigned order is the sort's order.
template <class Key>
struct Encoder {
  Encoding encoding;
  bool canonical;
  Key flip;      // all ones when descending
  Key infinity;  // bits of +infinity

  static constexpr Key kSign = static_cast<Key>(Key{1} << (8 * sizeof(Key) - 1));

  bool is_special(Key bits) const {  // has lost its bits when encoded
    const Key magnitude = static_cast<Key>(bits & ~kSign);
    return encoding == Encoding::kFloat && canonical && (magnitude > infinity || bits == kSign);
  }

  Key encode(Key bits) const {
    if (encoding == Encoding::kSigned) bits = static_cast<Key>(bits ^ kSign);
    if (encoding == Encoding::kFloat) {
      if (canonical) {
        const Key magnitude = static_cast<Key>(bits & ~kSign);
        if (magnitude > infinity) bits = static_cast<Key>(~kSign);
        if (magnitude == 0) bits = 0;
      }
      bits = static_cast<Key>(bits & kSign ? ~bits : bits | kSign);
    }
    return static_cast<Key>(bits ^ flip);
  }

  Key decode(Key key) const {
    key = static_cast<Key>(key ^ flip);
    if (encoding == Encoding::kSigned) return static_cast<Key>(key ^ kSign);
    if (encoding == Encoding::kFloat) return static_cast<Key>(key & kSign ? key ^ kSign : ~key);
    return key;
  }
};

uint64_t infinity_of(DataType type) {
  switch (type) {
    case DataType::kF16: return 0x7C00;
    case DataType::kBF16: return 0x7F80;
    case DataType::kF32: return 0x7F800000;
    default: return 0x7FF0000000000000;
  }
}

template <class Key>
Encoder<Key> encoder_of(const SortKey& key, DataType type) {
  const Encoding encoding = is_float(type) ? Encoding::kFloat : is_signed(type) ? Encoding::kSigned : Encoding::kUnsigned;
  return {encoding, key.canonical, static_cast<Key>(key.descending ? ~Key{0} : Key{0}), static_cast<Key>(infinity_of(type))};
}

template <class Key>
struct Pair {
  Key key;
  uint32_t at;
};

template <class Key>
Key key_of(Key item) {
  return item;
}
template <class Key>
Key key_of(const Pair<Key>& item) {
  return item.key;
}

// Distributes items by one digit after the other, least significant first; returns where the sorted items are: `items` or `spare`.
template <class Key, class Item>
Item* radix_passes(Item* items, Item* spare, int64_t n) {
  const int digit_bits = n >= kWideDigitsFrom && sizeof(Key) > 2 ? 11 : 8;
  const int digits = (static_cast<int>(8 * sizeof(Key)) + digit_bits - 1) / digit_bits;
  const uint32_t buckets = 1u << digit_bits;
  const auto digit = [&](Key key, int d) { return static_cast<uint32_t>(static_cast<uint64_t>(key) >> (d * digit_bits)) & (buckets - 1); };
  std::vector<uint32_t> counts(static_cast<size_t>(digits) * buckets);
  for (int64_t i = 0; i < n; ++i) {
    const Key key = key_of<Key>(items[i]);
    for (int d = 0; d < digits; ++d) ++counts[static_cast<uint32_t>(d) * buckets + digit(key, d)];
  }
  for (int d = 0; d < digits; ++d) {
    uint32_t* count = counts.data() + static_cast<uint32_t>(d) * buckets;
    if (count[digit(key_of<Key>(items[0]), d)] == static_cast<uint32_t>(n)) continue;
    uint32_t sum = 0;
    for (uint32_t b = 0; b < buckets; ++b) sum += std::exchange(count[b], sum);
    for (int64_t i = 0; i < n; ++i) spare[count[digit(key_of<Key>(items[i]), d)]++] = items[i];
    std::swap(items, spare);
  }
  return items;
}

template <class T>
T* reserve(std::vector<std::byte>& staging, int64_t count) {
  const size_t bytes = static_cast<size_t>(count) * sizeof(T);
  if (staging.size() < bytes) staging.resize(bytes);
  return reinterpret_cast<T*>(staging.data());
}

// A short row: keys made distinct by their present position.
template <class Key>
void order_few(const Encoder<Key>& encoder, const Key* data, int64_t stride, int64_t n, uint32_t* order) {
  using Packed = std::conditional_t<sizeof(Key) <= 4, uint64_t, unsigned __int128>;
  std::array<Packed, kComparisonSortBelow> packed;
  std::array<uint32_t, kComparisonSortBelow> before;
  for (int64_t i = 0; i < n; ++i) {
    before[static_cast<size_t>(i)] = order[i];
    packed[static_cast<size_t>(i)] = Packed{encoder.encode(data[order[i] * stride])} << 32 | static_cast<uint64_t>(i);
  }
  std::sort(packed.begin(), packed.begin() + n);
  for (int64_t i = 0; i < n; ++i) order[i] = before[static_cast<size_t>(packed[static_cast<size_t>(i)]) & (kComparisonSortBelow - 1)];
}

// Reorders `order` stably by one key. The first key finds order[i] == i.
template <class Key>
void order_by(const SortKey& key, const RowView& row, int64_t n, uint32_t* order, std::vector<std::byte>& staging) {
  const Encoder<Key> encoder = encoder_of<Key>(key, row.type);
  const Key* data = reinterpret_cast<const Key*>(row.data);
  if (n < kComparisonSortBelow) return order_few(encoder, data, row.stride, n, order);
  Pair<Key>* pairs = reserve<Pair<Key>>(staging, 2 * n);
  for (int64_t i = 0; i < n; ++i) pairs[i] = {encoder.encode(data[order[i] * row.stride]), order[i]};
  pairs = radix_passes<Key>(pairs, pairs + n, n);
  for (int64_t i = 0; i < n; ++i) order[i] = pairs[i].at;
}

// Puts the bits of zeros and NaNs back that share one key, in the order in which they came.
template <class Key>
void restore_specials(const Encoder<Key>& encoder, const Key* in, int64_t n, Key* out) {
  for (const Key member : {Key{0}, static_cast<Key>(~Encoder<Key>::kSign)}) {
    const Key shared = encoder.encode(member);
    int64_t at = std::partition_point(out, out + n, [&](Key bits) { return encoder.encode(bits) < shared; }) - out;
    for (int64_t i = 0; i < n; ++i) {
      if (encoder.encode(in[i]) == shared) out[at++] = in[i];
    }
  }
}

template <class Key>
void sort_alone(const SortKey& key, DataType type, const std::byte* in, int64_t n, std::byte* out, std::vector<std::byte>& staging) {
  const Encoder<Key> encoder = encoder_of<Key>(key, type);
  const Key* source = reinterpret_cast<const Key*>(in);
  Key* target = reinterpret_cast<Key*>(out);
  Key* keys = reserve<Key>(staging, 2 * n);
  bool special = false;
  for (int64_t i = 0; i < n; ++i) {
    keys[i] = encoder.encode(source[i]);
    special |= encoder.is_special(source[i]);
  }
  if (n < kComparisonSortBelow) {
    std::sort(keys, keys + n);
  } else {
    keys = radix_passes<Key>(keys, keys + n, n);
  }
  for (int64_t i = 0; i < n; ++i) target[i] = encoder.decode(keys[i]);
  if (special) restore_specials(encoder, source, n, target);
}

template <class T>
void copy_permuted(const RowView& in, const uint32_t* order, int64_t n, std::byte* out, int64_t out_stride) {
  const T* source = reinterpret_cast<const T*>(in.data);
  T* target = reinterpret_cast<T*>(out);
  for (int64_t i = 0; i < n; ++i) target[i * out_stride] = source[order[i] * in.stride];
}

}  // namespace

void radix_order(const KeyOrder& keys, std::span<const RowView> row, int64_t n, uint32_t* order, std::vector<std::byte>& staging) {
  for (int64_t i = 0; i < n; ++i) order[i] = static_cast<uint32_t>(i);
  if (n < 2) return;
  for (size_t k = keys.size(); k-- > 0;) {
    const RowView& view = row[keys[k].operand];
    switch (size_of(view.type)) {
      case 1: order_by<uint8_t>(keys[k], view, n, order, staging); break;
      case 2: order_by<uint16_t>(keys[k], view, n, order, staging); break;
      case 4: order_by<uint32_t>(keys[k], view, n, order, staging); break;
      default: order_by<uint64_t>(keys[k], view, n, order, staging); break;
    }
  }
}

void radix_sort(const SortKey& key, DataType type, const std::byte* in, int64_t n, std::byte* out, std::vector<std::byte>& staging) {
  if (n == 0) return;
  switch (size_of(type)) {
    case 1: return sort_alone<uint8_t>(key, type, in, n, out, staging);
    case 2: return sort_alone<uint16_t>(key, type, in, n, out, staging);
    case 4: return sort_alone<uint32_t>(key, type, in, n, out, staging);
    default: return sort_alone<uint64_t>(key, type, in, n, out, staging);
  }
}

void permute_row(const RowView& in, const uint32_t* order, int64_t n, std::byte* out, int64_t out_stride) {
  switch (size_of(in.type)) {
    case 1: return copy_permuted<uint8_t>(in, order, n, out, out_stride);
    case 2: return copy_permuted<uint16_t>(in, order, n, out, out_stride);
    case 4: return copy_permuted<uint32_t>(in, order, n, out, out_stride);
    case 8: return copy_permuted<uint64_t>(in, order, n, out, out_stride);
    default: return copy_permuted<std::array<uint64_t, 2>>(in, order, n, out, out_stride);
  }
}

// Knuth, TAOCP 3, algorithm 5.2.2M for any n: the comparators of one stage touch each position at most once.
void NetworkSorter::run(std::span<const std::vector<RowView>> rows, int64_t n, uint32_t* order) {
  rows_ = rows;
  order_ = order;
  n_ = n;
  for (size_t r = 0; r < rows.size(); ++r) {
    for (int64_t i = 0; i < n; ++i) order[static_cast<int64_t>(r) * n + i] = static_cast<uint32_t>(i);
  }
  for (int64_t p = 1; p < n; p *= 2) {
    for (int64_t k = p; k >= 1; k /= 2) {
      for (int64_t j = k % p; j + k < n; j += 2 * k) {
        for (int64_t i = j; i < std::min(j + k, n - k); ++i) {
          if (i / (2 * p) != (i + k) / (2 * p)) continue;
          for (size_t r = 0; r < rows.size(); ++r) push(r, static_cast<uint32_t>(i), static_cast<uint32_t>(i + k));
        }
      }
      flush();
    }
  }
}

void NetworkSorter::push(size_t row, uint32_t low, uint32_t high) {
  lanes_.push_back({row, low, high});
  if (lanes_.size() == kTileElements) flush();
}

// Operand i's elements at both ends of every lane: a_i in plane 2i, b_i in plane 2i + 1.
void NetworkSorter::load(bool swapped) {
  for (size_t plane = 0; plane < comparator_.program().inputs.size(); ++plane) {
    const auto element = static_cast<size_t>(size_of(comparator_.program().inputs[plane]));
    std::byte* out = host_.staging.data() + plane * kTileElements * 16;
    const bool high = (plane % 2 == 1) != swapped;
    for (const Lane& lane : lanes_) {
      const RowView& view = rows_[lane.row][plane / 2];
      const uint32_t at = order_[static_cast<int64_t>(lane.row) * n_ + (high ? lane.high : lane.low)];
      std::memcpy(out, view.data + static_cast<size_t>(at * view.stride) * element, element);
      out += element;
    }
  }
}

// Exchanges where high comes before low, or neither does and high came first.
void NetworkSorter::flush() {
  if (lanes_.empty()) return;
  const size_t planes = comparator_.program().inputs.size();
  host_.staging.resize(std::max(host_.staging.size(), planes * kTileElements * 16));
  std::vector<const std::byte*> inputs(planes);
  for (size_t i = 0; i < planes; ++i) inputs[i] = host_.staging.data() + i * kTileElements * 16;
  std::array<std::byte, kTileElements> low_first, high_first;
  std::byte* out = low_first.data();
  load(false);
  comparator_.run(inputs.data(), &out, lanes_.size(), host_.scratch);
  out = high_first.data();
  load(true);
  comparator_.run(inputs.data(), &out, lanes_.size(), host_.scratch);
  for (size_t i = 0; i < lanes_.size(); ++i) {
    uint32_t* order = order_ + static_cast<int64_t>(lanes_[i].row) * n_;
    uint32_t &low = order[lanes_[i].low], &high = order[lanes_[i].high];
    const bool exchange = high_first[i] != std::byte{0} || (low_first[i] == std::byte{0} && high < low);
    if (exchange) std::swap(low, high);
  }
  lanes_.clear();
}

}  // namespace tt::dnn
