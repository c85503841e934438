// Circular-buffer calls, their rules, and the memory of coroutine frames.
#include "kernel_api/kernel_context.hpp"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <memory>
#include <new>

#include "base/error.hpp"
#include "emulator/cycles.hpp"
#include "emulator/scheduler.hpp"
#include "kernel_api/kernel.hpp"

namespace tt {

using emulator::Wait;
namespace cycles = emulator::cycles;

namespace kernel_detail {
namespace {

constexpr std::size_t kGranule = 128, kClasses = 32;

struct FreeFrames {
  std::array<void*, kClasses> head{};
  ~FreeFrames() {
    for (void* frame : head) {
      while (frame != nullptr) {
        void* next = *static_cast<void**>(frame);
        std::free(frame);
        frame = next;
      }
    }
  }
};

FreeFrames& free_frames() {
  thread_local FreeFrames frames;
  return frames;
}

}  // namespace

void* allocate_frame(std::size_t bytes) {
  const std::size_t size_class = (bytes + kGranule - 1) / kGranule;
  if (size_class < kClasses) {
    void*& head = free_frames().head[size_class];
    if (head != nullptr) {
      void* frame = head;
      head = *static_cast<void**>(frame);
      return frame;
    }
  }
  void* frame = std::malloc(size_class * kGranule);
  if (frame == nullptr) throw std::bad_alloc();
  return frame;
}

void free_frame(void* frame, std::size_t bytes) {
  const std::size_t size_class = (bytes + kGranule - 1) / kGranule;
  if (size_class >= kClasses) return std::free(frame);
  void*& head = free_frames().head[size_class];
  *static_cast<void**>(frame) = head;
  head = frame;
}

}  // namespace kernel_detail

namespace {

// What pages are in TimingOnly: memory of a whole L1, the same for all.
std::byte* no_page() {
  thread_local const auto memory = std::make_unique<std::byte[]>(size_t{1} << 20);
  return memory.get();
}

}  // namespace

void KernelContext::undefined(const std::string& what) const {
  fail(ErrorCategory::kUndefinedBehavior, "[", core().run->program, "] ", name(state_->role), " kernel \"", state_->name, "\" on core (",
       coord().x, ",", coord().y, "): ", what);
}

void KernelContext::undeclared(Cb cb) const { undefined(cat("CB ", int{cb}, " is none of the program's, which has ", core().num_buffers)); }

void KernelContext::check_back(Cb cb, uint32_t index, uint32_t pages) const {
  const uint32_t free = buffer(cb).reservable();
  if (index >= free || pages > free - index) [[unlikely]]
    undefined(cat("page ", index + pages - 1, " from the back of CB ", int{cb}, ", of which ", free, " are free"));
}

void KernelContext::WaitFor::advance_clock() const {
  state.clock += cycles::kCbCall;
  if (wait.kind == Wait::Kind::kSemaphoreEqual || wait.kind == Wait::Kind::kSemaphoreMin) {
    state.clock = std::max(state.clock, state.core->semaphore_stamps[wait.id]);
    return;
  }
  if (wait.wanted == 0) return;
  const emulator::CircularBuffer& cb = state.core->buffers[wait.id];
  if (wait.kind == Wait::Kind::kFront) state.clock = std::max(state.clock, cb.push_stamp(wait.wanted));
  if (wait.kind == Wait::Kind::kBack) state.clock = std::max(state.clock, cb.pop_stamp(wait.wanted));
}

KernelContext::WaitFor KernelContext::cb_wait_front(Cb cb, uint32_t pages) {
  const emulator::CircularBuffer& ring = declared(cb);
  if (pages > ring.num_pages()) [[unlikely]] {
    undefined(cat("cb_wait_front of ", pages, " pages on CB ", int{cb}, ", whose capacity is ", ring.num_pages()));
  }
  if (ring.wraps_at_front(pages)) [[unlikely]] {
    undefined(
        cat("cb_wait_front of ", pages, " pages on CB ", int{cb}, " crosses the end of its ", ring.num_pages(), " pages (partial wrap)"));
  }
  return {*state_, {Wait::Kind::kFront, cb, pages}};
}

KernelContext::WaitFor KernelContext::cb_reserve_back(Cb cb, uint32_t pages) {
  const emulator::CircularBuffer& ring = declared(cb);
  if (pages > ring.num_pages()) [[unlikely]] {
    undefined(cat("cb_reserve_back of ", pages, " pages on CB ", int{cb}, ", whose capacity is ", ring.num_pages()));
  }
  if (ring.wraps_at_back(pages)) [[unlikely]] {
    undefined(
        cat("cb_reserve_back of ", pages, " pages on CB ", int{cb}, " crosses the end of its ", ring.num_pages(), " pages (partial wrap)"));
  }
  return {*state_, {Wait::Kind::kBack, cb, pages}};
}

void KernelContext::cb_push_back(Cb cb, uint32_t pages) {
  emulator::CircularBuffer& ring = declared(cb);
  if (pages > ring.reservable()) [[unlikely]] {
    undefined(cat("cb_push_back of ", pages, " pages overflows CB ", int{cb}, ": free ", ring.reservable(), " of ", ring.num_pages()));
  }
  state_->clock += cycles::kCbCall;
  ring.push(pages, state_->clock);
}

void KernelContext::cb_pop_front(Cb cb, uint32_t pages) {
  emulator::CircularBuffer& ring = declared(cb);
  if (pages > ring.available()) [[unlikely]] {
    undefined(cat("cb_pop_front of ", pages, " pages underflows CB ", int{cb}, ": present ", ring.available()));
  }
  state_->clock += cycles::kCbCall;
  ring.pop(pages, state_->clock);
}

bool KernelContext::cb_pages_available_at_front(Cb cb, uint32_t pages) const { return buffer(cb).available() >= pages; }
bool KernelContext::cb_pages_reservable_at_back(Cb cb, uint32_t pages) const { return buffer(cb).reservable() >= pages; }
const std::byte* KernelContext::page(Cb cb, uint32_t index) const {
  if (!values()) return no_page();
  const uint32_t present = buffer(cb).available();
  if (index >= present) [[unlikely]]
    undefined(cat("page ", index, " of CB ", int{cb}, ", of which ", present, " are present"));
  const std::byte* found = buffer(cb).front(index);
  if (found == nullptr && page_runs(cb, index).at != nullptr) [[unlikely]] {
    undefined(cat("page ", index, " of CB ", int{cb}, " lies in runs: see page_runs"));
  }
  return found;
}
emulator::TileRuns KernelContext::page_runs(Cb cb, uint32_t index) const { return buffer(cb).front_runs(index); }
std::byte* KernelContext::new_page(Cb cb, uint32_t index) {
  if (!values()) return no_page();
  check_back(cb, index, 1);
  return buffer(cb).back(index);
}

}  // namespace tt
