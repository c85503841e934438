// LSD radix sort on order-preserving unsigned keys, and Batcher's odd-even merge sort for comparators that are no such order.
#include "dnn/sort_rows.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <limits>
#include <type_traits>

#include "base/error.hpp"
#include "dnn/order_key.hpp"
#include "emulator/select.hpp"

namespace tt::dnn {
namespace {

using emulator::kTileElements;

constexpr int64_t kComparisonSortBelow = 256;  // elements: a histogram costs more than it saves
constexpr int64_t kWideDigitsFrom = 16384;

uint64_t infinity_of(DataType type) {
  switch (type) {
    case DataType::kF16: return 0x7C00;
    case DataType::kBF16: return 0x7F80;
    case DataType::kF32: return 0x7F800000;
    default: return 0x7FF0000000000000;
  }
}

OrderKey order_key(const SortKey& key, DataType type) {
  using Encoding = OrderKey::Encoding;
  const Encoding encoding = is_float(type) ? Encoding::kFloat : is_signed(type) ? Encoding::kSigned : Encoding::kUnsigned;
  const int unused_bits = type == DataType::kPred ? 0 : 8 * static_cast<int>(size_of(type)) - info(type).bits;
  return {encoding, key.canonical, key.descending, infinity_of(type), unused_bits};
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
void order_few(const OrderEncoder<Key>& encoder, const Key* data, int64_t stride, int64_t n, uint32_t* order) {
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
  const OrderEncoder<Key> encoder(order_key(key, row.type));
  const Key* data = reinterpret_cast<const Key*>(row.data);
  if (n < kComparisonSortBelow) return order_few(encoder, data, row.stride, n, order);
  Pair<Key>* pairs = reserve<Pair<Key>>(staging, 2 * n);
  for (int64_t i = 0; i < n; ++i) pairs[i] = {encoder.encode(data[order[i] * row.stride]), order[i]};
  pairs = radix_passes<Key>(pairs, pairs + n, n);
  for (int64_t i = 0; i < n; ++i) order[i] = pairs[i].at;
}

// Puts the bits of zeros and NaNs back that share one key, in the order in which they came.
template <class Key>
void restore_specials(const OrderEncoder<Key>& encoder, const Key* in, int64_t n, Key* out) {
  for (const Key member : {Key{0}, OrderEncoder<Key>::kNan}) {
    const Key shared = encoder.encode(member);
    int64_t at = std::partition_point(out, out + n, [&](Key bits) { return encoder.encode(bits) < shared; }) - out;
    for (int64_t i = 0; i < n; ++i) {
      if (encoder.encode(in[i]) == shared) out[at++] = in[i];
    }
  }
}

template <class Key>
void sort_alone(const SortKey& key, DataType type, const std::byte* in, int64_t n, std::byte* out, std::vector<std::byte>& staging) {
  const OrderEncoder<Key> encoder(order_key(key, type));
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

// Keeps the first `count` of the elements that it is shown, in a buffer that is cut to these whenever it is full.
template <class Key>
class Selector {
 public:
  Selector(const SortKey& key, DataType type, int64_t count)
      : key_(order_key(key, type)), count_(static_cast<size_t>(count)), room_(2 * count_ + kSlack) {
    found_.reserve(room_);
  }

  void show(const RowView& row, int64_t n) {
    for (int64_t first = 0; first < n; first += kBlock) {
      const auto block = static_cast<size_t>(std::min(kBlock, n - first));
      encode(row, first, block);
      const size_t worth = select(block);
      for (size_t i = 0; i < worth; ++i) add(keys_[positions_[i]], static_cast<uint64_t>(first) + positions_[i]);
    }
  }

  void finish(uint32_t* order) {
    if (found_.size() > count_) cut();
    std::sort(found_.begin(), found_.end());
    for (size_t i = 0; i < count_; ++i) order[i] = static_cast<uint32_t>(found_[i]);
  }

 private:
  using Packed = std::conditional_t<sizeof(Key) <= 4, uint64_t, unsigned __int128>;  // key and position, which makes it stable
  static constexpr int64_t kBlock = 512;
  static constexpr size_t kSlack = 64;

  void encode(const RowView& row, int64_t first, size_t block) {
    const Key* data = reinterpret_cast<const Key*>(row.data) + first * row.stride;
    if (row.stride != 1) {
      for (size_t i = 0; i < block; ++i) keys_[i] = data[static_cast<int64_t>(i) * row.stride];
      data = keys_.data();
    }
    encode_keys(key_, data, block, keys_.data());
  }

  // The positions in the block of what comes before the last one kept: an equal key comes after it.
  size_t select(size_t block) {
    if constexpr (sizeof(Key) <= 4) {
      constexpr DataType kType = sizeof(Key) == 1 ? DataType::kU8 : sizeof(Key) == 2 ? DataType::kU16 : DataType::kU32;
      const int64_t end = is_cut_ ? static_cast<int64_t>(last_) : std::numeric_limits<int64_t>::max();
      return emulator::select_positions(kType, reinterpret_cast<const std::byte*>(keys_.data()), block, 0, end, positions_.data());
    } else {
      size_t worth = 0;
      for (size_t i = 0; i < block; ++i) {
        positions_[worth] = static_cast<uint32_t>(i);
        worth += !is_cut_ || keys_[i] < last_;
      }
      return worth;
    }
  }

  void add(Key key, uint64_t at) {
    if (is_cut_ && key >= last_) return;
    found_.push_back(Packed{key} << 32 | at);
    if (found_.size() == room_) cut();
  }

  void cut() {
    std::nth_element(found_.begin(), found_.begin() + static_cast<std::ptrdiff_t>(count_ - 1), found_.end());
    found_.resize(count_);
    last_ = static_cast<Key>(found_.back() >> 32);
    is_cut_ = true;
  }

  OrderKey key_;
  size_t count_, room_;
  std::vector<Packed> found_;
  Key last_ = 0;  // the key of the last one kept, once the buffer has been cut
  bool is_cut_ = false;
  std::array<Key, kBlock> keys_;
  std::array<uint32_t, kBlock + emulator::kSelectPadding> positions_;
};

template <class Key>
void select_as(const SortKey& key, const RowView& row, int64_t n, int64_t count, uint32_t* order) {
  Selector<Key> selector(key, row.type, count);
  selector.show(row, n);
  selector.finish(order);
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

void select_order(const SortKey& key, const RowView& row, int64_t n, int64_t count, uint32_t* order) {
  switch (size_of(row.type)) {
    case 1: return select_as<uint8_t>(key, row, n, count, order);
    case 2: return select_as<uint16_t>(key, row, n, count, order);
    case 4: return select_as<uint32_t>(key, row, n, count, order);
    default: return select_as<uint64_t>(key, row, n, count, order);
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

void write_order(DataType type, const uint32_t* order, int64_t n, std::byte* out, int64_t out_stride) {
  const auto write = [&]<class T>(T* target) {
    for (int64_t i = 0; i < n; ++i) target[i * out_stride] = static_cast<T>(order[i]);
  };
  switch (size_of(type)) {
    case 1: return write(reinterpret_cast<uint8_t*>(out));
    case 2: return write(reinterpret_cast<uint16_t*>(out));
    case 4: return write(reinterpret_cast<uint32_t*>(out));
    default: return write(reinterpret_cast<uint64_t*>(out));
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
