// Circular buffers, shared blocks and the waiting conditions of kernels.
#include "emulator/core.hpp"

#include <algorithm>
#include <cstdlib>
#include <new>

#include "base/error.hpp"
#include "emulator/recording.hpp"

namespace tt::emulator {
namespace {

constexpr size_t kDstTileBytes = kTileElements * 16;

// Freed blocks of the calling thread, kept for the next one of the same size.
struct BlockCache {
  std::vector<std::pair<size_t, void*>> free;
  ~BlockCache() {
    for (auto& [capacity, memory] : free) std::free(memory);
  }
};
constexpr size_t kMaxCachedBlocks = 256;

BlockCache& block_cache() {
  thread_local BlockCache cache;
  return cache;
}

}  // namespace

SharedBlock* SharedBlock::create(size_t bytes) {
  const size_t capacity = (bytes + 64 + 4095) / 4096 * 4096;
  auto& free = block_cache().free;
  for (size_t i = free.size(); i-- > 0;) {
    if (free[i].first != capacity) continue;
    void* memory = free[i].second;
    free.erase(free.begin() + static_cast<std::ptrdiff_t>(i));
    return new (memory) SharedBlock(capacity);
  }
  void* memory = std::aligned_alloc(64, capacity);
  if (memory == nullptr) throw std::bad_alloc();
  return new (memory) SharedBlock(capacity);
}

void SharedBlock::release() {
  if (references_.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
  const size_t capacity = capacity_;
  this->~SharedBlock();
  auto& free = block_cache().free;
  if (free.size() >= kMaxCachedBlocks) {
    std::free(free.front().second);
    free.erase(free.begin());
  }
  free.emplace_back(capacity, this);
}

void CircularBuffer::configure(uint8_t id, uint32_t num_pages, uint32_t page_size, std::byte* storage, bool timing) {
  id_ = id;
  timing_ = timing;
  has_owners_ = has_runs_ = false;
  num_pages_ = num_pages;
  page_size_ = page_size;
  pushed_ = popped_ = front_slot_ = back_slot_ = 0;
  storage_ = storage;
  given_ = storage != nullptr || timing;
  writing_ = receives_ = false;
  views_.resize(num_pages);
  if (timing) {
    push_stamps_.assign(num_pages, 0);
    pop_stamps_.assign(num_pages, 0);
  }
}

void CircularBuffer::release() {
  give_storage_back();
  if (!has_owners_) return;
  for (SharedBlock*& owner : owners_) {
    if (owner != nullptr) owner->release();
    owner = nullptr;
  }
  has_owners_ = false;
}

void CircularBuffer::give_storage_back() {
  if (given_ || storage_ == nullptr) return;
  SharedBlock::of(storage_).release();
  storage_ = nullptr;
}

// Several cores may ask at once, on several threads.
std::byte* CircularBuffer::own_storage() {
  const std::atomic_ref storage(storage_);
  std::byte* found = storage.load(std::memory_order_acquire);
  if (found != nullptr || given_) return found;
  SharedBlock* const block = SharedBlock::create(static_cast<size_t>(num_pages_) * page_size_);
  if (storage.compare_exchange_strong(found, block->data(), std::memory_order_acq_rel)) return block->data();
  block->release();
  return found;
}

std::byte* CircularBuffer::received(uint32_t slot) {
  std::atomic_ref(receives_).store(true, std::memory_order_relaxed);
  return own_storage() + static_cast<size_t>(slot) * page_size_;
}

std::byte* CircularBuffer::back(uint32_t i) {
  std::byte* const storage = own_storage();
  writing_ = true;
  const uint32_t at = back_slot(i);
  std::byte* page = storage + static_cast<size_t>(at) * page_size_;
  set_view(at, page);
  return page;
}

void CircularBuffer::bind_back(uint32_t i, const std::byte* view, SharedBlock* owner) {
  const uint32_t at = back_slot(i);
  set_view(at, view);
  if (owner == nullptr) return;
  if (!has_owners_) {
    owners_.assign(num_pages_, nullptr);
    has_owners_ = true;
  }
  if (owners_[at] != nullptr) owners_[at]->release();
  owners_[at] = owner;
}

const std::byte** CircularBuffer::bind_runs_back(uint32_t i, uint32_t count, uint32_t length, uint32_t per_page) {
  check(count * sizeof(std::byte*) <= page_size_, "[circular buffer] ", count, " runs do not fit a page of ", page_size_, " bytes");
  auto* const table = reinterpret_cast<const std::byte**>(back(i));
  if (!has_runs_) {
    runs_.assign(num_pages_, {});
    has_runs_ = true;
  }
  for (uint32_t first = 0; first < count; first += per_page, ++i) {
    const uint32_t at = back_slot(i);
    views_[at] = nullptr;
    runs_[at] = {table + first, length, count - first};
  }
  return table;
}

TileRuns CircularBuffer::front_runs(uint32_t i) const { return has_runs_ ? runs_[front_slot(i)] : TileRuns{}; }

void CircularBuffer::share_back(uint32_t first, uint32_t pages, CircularBuffer& other) const {
  for (uint32_t i = first; i < first + pages; ++i) {
    const uint32_t at = back_slot(i);
    SharedBlock* const owner = has_owners_ ? owners_[at] : nullptr;
    if (owner != nullptr) owner->retain();
    other.bind_back(i, views_[at], owner);
  }
}

void CircularBuffer::push(uint32_t n, uint64_t clock) {
  if (timing_) {
    for (uint32_t i = 0; i < n; ++i) push_stamps_[(back_slot_ + i) % num_pages_] = clock;
  }
  writing_ = false;
  pushed_ += n;
  back_slot_ += n;
  if (back_slot_ >= num_pages_) back_slot_ -= num_pages_;
}

void CircularBuffer::pop(uint32_t n, uint64_t clock) {
  for (uint32_t i = 0; (timing_ || has_owners_) && i < n; ++i) {
    const uint32_t at = (front_slot_ + i) % num_pages_;
    if (timing_) pop_stamps_[at] = clock;
    if (has_owners_ && owners_[at] != nullptr) {
      owners_[at]->release();
      owners_[at] = nullptr;
    }
  }
  popped_ += n;
  front_slot_ += n;
  if (front_slot_ >= num_pages_) front_slot_ -= num_pages_;
  if (popped_ == pushed_ && !writing_ && !receives_) give_storage_back();
}

uint64_t CircularBuffer::pop_stamp(uint32_t n) const { return timing_ && n > 0 ? pop_stamps_[(back_slot_ + n - 1) % num_pages_] : 0; }

std::string_view name(Role role) {
  switch (role) {
    case Role::kReader: return "reader";
    case Role::kCompute: return "compute";
    case Role::kWriter: return "writer";
  }
  return "";
}

std::byte* HostThread::l1_start(int64_t bytes) {
  constexpr int64_t kLeast = int64_t{1} << 20;  // of any core
  if (bytes > l1_bytes || l1 == nullptr) {
    l1_bytes = std::max(bytes, kLeast);
    l1.reset();
    l1 = std::make_unique_for_overwrite<std::byte[]>(static_cast<size_t>(l1_bytes) + 64);
  }
  return aligned(l1.get());
}

std::byte* HostThread::dst_start() {
  if (dst == nullptr) dst = std::make_unique_for_overwrite<std::byte[]>(kDstTiles * kDstTileBytes + 64);
  return aligned(dst.get());
}

std::byte* Core::dst_tile(int i) {
  std::byte*& tile = dst[static_cast<size_t>(i)];
  if (tile != nullptr) return tile;
  if (recording == nullptr && dst_storage == nullptr) {
    dst_storage = std::make_unique_for_overwrite<std::byte[]>(kDstTiles * kDstTileBytes + 64);
  }
  std::byte* const start = recording != nullptr ? memory::start_of(memory::kDst) : HostThread::aligned(dst_storage.get());
  return tile = start + static_cast<size_t>(i) * kDstTileBytes;
}

void Core::release_buffers() {
  for (size_t id = 0; id < num_buffers; ++id) buffers[id].release();
}

void Core::destroy_kernels() {
  for (int i = 0; i < num_kernels; ++i) {
    if (kernels[static_cast<size_t>(i)].handle) kernels[static_cast<size_t>(i)].handle.destroy();
    kernels[static_cast<size_t>(i)].handle = nullptr;
  }
  num_kernels = 0;
  release_buffers();
}

}  // namespace tt::emulator
