// What a data-movement kernel (reader on NCRISC, writer on BRISC) may call, under TT-Metalium's names. Offsets and sizes in bytes
// unless said otherwise. Each call moves the data (Values) or advances the clocks (TimingOnly).
#pragma once

#include <array>
#include <span>
#include <type_traits>
#include <vector>

#include "emulator/access_map.hpp"
#include "kernel_api/kernel.hpp"
#include "kernel_api/kernel_context.hpp"

namespace tt {

using emulator::AccessMap;

class Dataflow : public KernelContext {
 public:
  using KernelContext::KernelContext;

  // DRAM -> page `index` from the back of a reserved CB. A read of a whole range binds the page to its source: no copy.
  void noc_async_read(Slot slot, int64_t offset, int64_t size, Cb cb, uint32_t index);
  // The same into the middle of a page (always a copy).
  void noc_async_read_into(Slot slot, int64_t offset, int64_t size, Cb cb, uint32_t index, int64_t page_offset);
  // Elements [start, start + count) of a map's iteration space; `pad` is one element for what the map leaves unbacked.
  void noc_async_read_mapped(Slot slot, const AccessMap& map, size_t element, int64_t start, int64_t count, Cb cb, uint32_t index,
                             const std::byte* pad = nullptr);
  // The same onto what has been read to the page: it stays where the map backs nothing.
  void noc_async_read_onto(Slot slot, const AccessMap& map, size_t element, int64_t start, int64_t count, Cb cb, uint32_t index);
  // The same for a consumer that takes pages as page_runs has them: runs of `run` elements, as find_runs names them, are not copied. More
  // elements than a page has go to the following pages, which must be pushed and popped together.
  void noc_async_read_runs(Slot slot, const AccessMap& map, size_t element, int64_t start, int64_t count, Cb cb, uint32_t index,
                           uint32_t run);
  // A block of rows and columns of a map of two dimensions that is turned (AccessMap::turned), transposed on the way: row i is the start of
  // page i from the back. The pages are pushed and popped together.
  struct TurnedBlock {
    int64_t row, rows, column, columns;
  };
  void noc_async_read_turned(Slot slot, const AccessMap& map, size_t element, const TurnedBlock& block, Cb cb);
  // Page `index` from the front of a CB -> DRAM.
  void noc_async_write(Cb cb, uint32_t index, Slot slot, int64_t offset, int64_t size);
  void noc_async_write_mapped(Cb cb, uint32_t index, Slot slot, const AccessMap& map, size_t element, int64_t start, int64_t count);
  void noc_async_write_turned(Cb cb, Slot slot, const AccessMap& map, size_t element, const TurnedBlock& block);

  // A page of a CB in the L1 of some core, from `offset` on. That core has the whole ring to itself until a semaphore says what has come.
  struct L1Address {
    CoreCoord core;
    Cb cb;
    uint32_t page;
    int64_t offset;
  };
  // Page `index` from the front of a CB, from `offset` on -> L1 of some core.
  void noc_async_write(Cb cb, uint32_t index, int64_t offset, const L1Address& to, int64_t size);

  // The same from the start of the page to the start of page `to_page` of CB `to` on all cores of a rectangle, this one too if it is there.
  void noc_async_write_multicast_loopback_src(Cb cb, uint32_t index, CoreCoord start, CoreCoord end, Cb to, uint32_t to_page, int64_t size);

  struct Barrier {
    emulator::KernelState& state;
    bool await_ready() const;
    void await_suspend(std::coroutine_handle<>) const {}
    void await_resume() const;
  };
  Barrier noc_async_read_barrier() { return {*state_}; }   // until all reads of this kernel have arrived
  Barrier noc_async_write_barrier() { return {*state_}; }  // until all its writes are acknowledged

  // Pages from the back of this core's CB -> the same pages of the same CB on the other cores of a rectangle (which must have reserved
  // them). The content must lie in a block from new_shared_pages.
  void noc_async_write_multicast(Cb cb, uint32_t index, uint32_t pages, CoreCoord start, CoreCoord end);
  // Memory for `pages` pages from the back of the CB that a multicast may share with other cores; null in TimingOnly.
  std::byte* new_shared_pages(Cb cb, uint32_t pages);

  WaitFor noc_semaphore_wait(uint8_t semaphore, uint32_t value);      // until it equals
  WaitFor noc_semaphore_wait_min(uint8_t semaphore, uint32_t value);  // until it is at least
  void noc_semaphore_set(uint8_t semaphore, uint32_t value);          // on this core
  void noc_semaphore_inc(CoreCoord core, uint8_t semaphore, uint32_t by);
  void noc_semaphore_set_multicast(uint8_t semaphore, uint32_t value, CoreCoord start, CoreCoord end);  // not on this core

  // A value of the data itself that steers control flow; `nominal` in TimingOnly.
  template <class T>
  T peek(Slot slot, int64_t offset, T nominal) {
    static_assert(std::is_trivially_copyable_v<T>);
    T value = nominal;
    peek_bytes(slot, offset, reinterpret_cast<std::byte*>(&value), sizeof(T));
    return value;
  }

  // The same for an integer of any type, 0 in TimingOnly; beyond int64_t: its largest.
  int64_t peek_index(Slot slot, int64_t offset, DataType type);
  // While calls are recorded: a slot that begins as many bytes after `slot` as the indices say.
  struct Index {
    Slot slot;
    int64_t offset;  // of the integer, in bytes
    DataType type;
    int64_t limit, stride;  // clamp(integer, 0, limit) * stride bytes
  };
  Slot moved(Slot slot, std::span<const Index> indices);

  // Work that a RISC-V core does on a tensor's data through its L1 window: `charge` counts the transfers and instructions it takes,
  // `dram` gives the tensor's bytes to compute on (null in TimingOnly).
  struct Bulk {
    Slot from = kNoSlot, to = kNoSlot;  // where from and to; none: DRAM
    int64_t read_bytes = 0, write_bytes = 0;
    int64_t transactions = 1;
    uint64_t riscv_cycles = 0;
  };
  void charge(const Bulk& work);
  std::byte* dram(Slot slot) const;  // of an input: to be read only
  // perform() of such work: effect(addresses of the first `count` slots, host).
  template <class Effect>
  void perform_on_dram(size_t count, const Effect& effect) {
    constexpr size_t kMost = 32;
    if (count > kMost) {
      cannot_repeat();
      std::vector<std::byte*> slots;
      for (size_t s = 0; s < count; ++s) slots.push_back(dram(static_cast<Slot>(s)));
      return effect(slots.data(), *core().thread);
    }
    std::array<std::byte*, kMost> slots{};
    for (size_t s = 0; s < count; ++s) slots[s] = dram(static_cast<Slot>(s));
    perform([=](const auto& at, emulator::HostThread& host) {
      std::array<std::byte*, kMost> here{};
      for (size_t s = 0; s < count; ++s) here[s] = at(slots[s]);
      effect(here.data(), host);
    });
  }
  int64_t dram_size(Slot slot) const;
  emulator::HostThread& host() const;

 private:
  void peek_bytes(Slot slot, int64_t offset, std::byte* value, size_t size);
  const emulator::BoundBuffer& bound(Slot slot) const;   // fails where the program has no such slot
  const emulator::BoundBuffer& output(Slot slot) const;  // or where it is an input
  void check_range(Slot slot, int64_t offset, int64_t size, const char* call) const;
  void check_map(Slot slot, const AccessMap& map, size_t element, int64_t start, int64_t count) const;
  void check_semaphore(uint8_t semaphore) const;
  void multicast(uint64_t bytes, CoreCoord start, CoreCoord end);
  void transfer(Slot slot, int64_t offset, int64_t bytes, int64_t transactions, bool write);
  std::byte* transfer_turned(Slot slot, const AccessMap& map, size_t element, const TurnedBlock& block, bool write);
  void transfer_mapped(Slot slot, const AccessMap& map, size_t element, int64_t start, int64_t count, bool write);  // without padding
  void spend_padding(const AccessMap& map, size_t element, int64_t start, int64_t count);
};

}  // namespace tt
