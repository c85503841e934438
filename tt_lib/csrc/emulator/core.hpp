// One Tensix core while a program runs on it: circular buffers in L1, semaphores, DST, and the state of its kernels.
#pragma once

#include <array>
#include <atomic>
#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/data_type.hpp"
#include "emulator/grayskull.hpp"
#include "emulator/tile_chain.hpp"

namespace tt::emulator {

class Recording;
struct Run;
struct Core;

// Memory that several circular buffers may view at once: what a multicast delivers. Counted by reference.
class SharedBlock {
 public:
  static SharedBlock* create(size_t bytes);  // one reference
  std::byte* data() { return reinterpret_cast<std::byte*>(this) + 64; }
  static SharedBlock& of(std::byte* data) { return *reinterpret_cast<SharedBlock*>(data - 64); }
  void retain() { references_.fetch_add(1, std::memory_order_relaxed); }
  void release();

 private:
  explicit SharedBlock(size_t capacity) : capacity_(capacity) {}
  std::atomic<int32_t> references_{1};
  size_t capacity_;
};

// A ring of pages. A page's content lies in the ring's own storage, or is a view of where it came from (DRAM, a shared block), in one piece
// or in runs of equal length. Storage that is not given lasts while there are pages in it: what the host thread used last is in its cache.
class CircularBuffer {
 public:
  void configure(uint8_t id, uint32_t num_pages, uint32_t page_size, std::byte* storage, bool timing);
  void release();  // views and storage, at the end of a run

  uint8_t id() const { return id_; }
  uint32_t num_pages() const { return num_pages_; }
  uint32_t page_size() const { return page_size_; }
  uint32_t available() const { return pushed_ - popped_; }
  uint32_t reservable() const { return num_pages_ - (pushed_ - popped_); }

  // Page `i` counted from the front (oldest unconsumed) or from the back (next to be pushed).
  const std::byte* front(uint32_t i) const { return views_[front_slot(i)]; }      // null for a page in runs
  TileRuns front_runs(uint32_t i) const;                                          // of none for a page in one piece
  std::byte* back(uint32_t i);                                                    // the page's own storage, to be written
  const std::byte* bound_back(uint32_t i) const { return views_[back_slot(i)]; }  // what has been bound or written since the last push
  std::byte* received(uint32_t slot);  // the storage of a page by its place in the ring, to be written by other cores; it lasts for the run
  // Takes over one reference of `owner`, which is released with this page: of pages that share a block, the last needs one.
  void bind_back(uint32_t i, const std::byte* view, SharedBlock* owner);
  // Page `i`, and the following where there are more than `per_page`, are views of `count` runs of `length` elements. Where their addresses
  // go: the own storage of page `i`.
  const std::byte** bind_runs_back(uint32_t i, uint32_t count, uint32_t length, uint32_t per_page);
  void share_back(uint32_t first, uint32_t pages, CircularBuffer& other) const;  // binds the same pages of `other` to what is bound here

  void push(uint32_t n, uint64_t clock);
  void pop(uint32_t n, uint64_t clock);
  uint64_t push_stamp(uint32_t n) const { return timing_ ? push_stamps_[front_slot(n - 1)] : 0; }  // when page n-1 from the front arrived
  uint64_t pop_stamp(uint32_t n) const;                                                            // when n pages became free

  // A contiguous range of n pages must not cross the end of the ring.
  bool wraps_at_front(uint32_t n) const { return front_slot_ + n > num_pages_; }
  bool wraps_at_back(uint32_t n) const { return back_slot_ + n > num_pages_; }

 private:
  std::byte* own_storage();
  void give_storage_back();
  void set_view(uint32_t slot, const std::byte* view) {
    views_[slot] = view;
    if (has_runs_) runs_[slot] = {};
  }
  uint32_t front_slot(uint32_t i) const { return front_slot_ + i < num_pages_ ? front_slot_ + i : front_slot_ + i - num_pages_; }
  uint32_t back_slot(uint32_t i) const { return back_slot_ + i < num_pages_ ? back_slot_ + i : back_slot_ + i - num_pages_; }

  uint8_t id_ = 0;
  bool timing_ = false;
  bool has_owners_ = false;
  bool has_runs_ = false;
  uint32_t num_pages_ = 0;
  uint32_t page_size_ = 0;
  uint32_t pushed_ = 0;
  uint32_t popped_ = 0;
  uint32_t front_slot_ = 0;
  uint32_t back_slot_ = 0;
  std::byte* storage_ = nullptr;
  bool given_ = false;     // the storage
  bool writing_ = false;   // pages that are not pushed yet
  bool receives_ = false;  // from other cores
  std::vector<const std::byte*> views_;
  std::vector<SharedBlock*> owners_;
  std::vector<TileRuns> runs_;
  std::vector<uint64_t> push_stamps_;
  std::vector<uint64_t> pop_stamps_;
};

enum class Role : uint8_t { kReader, kCompute, kWriter };  // NCRISC, the three TRISCs, BRISC
std::string_view name(Role role);

// What a suspended kernel waits for.
struct Wait {
  enum class Kind : uint8_t { kNone, kFront, kBack, kSemaphoreEqual, kSemaphoreMin };
  Kind kind = Kind::kNone;
  uint8_t id = 0;       // circular buffer or semaphore
  uint32_t wanted = 0;  // pages or value
};

struct KernelState {
  Core* core = nullptr;
  std::coroutine_handle<> handle;
  std::exception_ptr* error = nullptr;  // in the coroutine's promise
  std::string_view name;
  Role role = Role::kReader;
  bool done = false;
  bool queued = false;  // TimingOnly: in the scheduler's queue
  Wait wait;
  uint64_t clock = 0;        // TimingOnly
  uint64_t outstanding = 0;  // TimingOnly: when the last NoC transfer issued by this kernel completes
  // TimingOnly, compute kernels: work on the DST block that is held. Unpacking and packing run beside the math.
  bool holds_dst = false;
  double block_math = 0, block_datapath = 0;
};

// What belongs to a host thread: registers of the tile engine and an L1 for cores that run to completion.
struct HostThread {
  TileScratch scratch;
  std::unique_ptr<std::byte[]> l1;
  int64_t l1_bytes = 0;
  std::unique_ptr<std::byte[]> dst;  // for repeated programs
  std::vector<std::byte> staging;

  std::byte* l1_start(int64_t bytes);  // of a core, or of several that run as one
  std::byte* dst_start();

  static std::byte* aligned(std::byte* memory) {  // to 64 bytes
    return reinterpret_cast<std::byte*>((reinterpret_cast<uintptr_t>(memory) + 63) / 64 * 64);
  }
};

struct Core {
  Run* run = nullptr;
  bool timing = false;  // as the run says
  CoreCoord coord;
  HostThread* thread = nullptr;
  Recording* recording = nullptr;  // what calls do to memory is written down instead
  std::array<CircularBuffer, kMaxCircularBuffers> buffers;
  size_t num_buffers = 0;  // of these, the program has
  std::array<std::atomic<uint32_t>, kMaxSemaphores> semaphores;
  std::array<KernelState, 3> kernels;
  int num_kernels = 0;
  std::atomic<int> parking{0};  // see scheduler.cpp
  size_t home = 0;              // the host thread that prefers to run it
  std::array<std::byte*, kDstTiles> dst{};
  std::unique_ptr<std::byte[]> dst_storage;
  std::array<uint64_t, kMaxSemaphores> semaphore_stamps{};  // TimingOnly: when the last change arrived
  uint64_t noc_free = 0;                                    // TimingOnly: when the core's NoC port is free

  bool satisfied(const Wait& wait) const {
    switch (wait.kind) {
      case Wait::Kind::kNone: return true;
      case Wait::Kind::kFront: return buffers[wait.id].available() >= wait.wanted;
      case Wait::Kind::kBack: return buffers[wait.id].reservable() >= wait.wanted;
      case Wait::Kind::kSemaphoreEqual: return semaphores[wait.id].load(std::memory_order_acquire) == wait.wanted;
      case Wait::Kind::kSemaphoreMin: return semaphores[wait.id].load(std::memory_order_acquire) >= wait.wanted;
    }
    return false;
  }
  std::byte* dst_tile(int i);  // 16 KiB, allocated on first use
  void release_buffers();
  void destroy_kernels();
};

}  // namespace tt::emulator
