// What reader, compute and writer kernels share: circular-buffer calls and their waiting.
#pragma once

#include <coroutine>
#include <cstring>

#include "emulator/core.hpp"
#include "emulator/recording.hpp"

namespace tt {

using emulator::CoreCoord;
using Slot = uint16_t;  // which tensor of the program
inline constexpr Slot kNoSlot = 0xFFFF;
using Cb = uint8_t;  // which circular buffer of the core

class KernelContext {
 public:
  explicit KernelContext(emulator::KernelState& state) : state_(&state) {}

  struct WaitFor {
    emulator::KernelState& state;
    emulator::Wait wait;
    bool await_ready() const { return !state.core->timing && state.core->satisfied(wait); }
    void await_suspend(std::coroutine_handle<>) const { state.wait = wait; }
    void await_resume() const {
      if (state.core->timing) advance_clock();
    }

   private:
    void advance_clock() const;
  };

  WaitFor cb_wait_front(Cb cb, uint32_t pages);    // until that many pages are present; consumes none
  WaitFor cb_reserve_back(Cb cb, uint32_t pages);  // until that many pages are free
  void cb_push_back(Cb cb, uint32_t pages);
  void cb_pop_front(Cb cb, uint32_t pages);
  bool cb_pages_available_at_front(Cb cb, uint32_t pages) const;
  bool cb_pages_reservable_at_back(Cb cb, uint32_t pages) const;
  uint32_t get_page_size(Cb cb) const { return buffer(cb).page_size(); }
  CoreCoord coord() const { return core().coord; }

  // In TimingOnly pages carry no data: what is read there means nothing, what is written is lost. values() tells.
  bool values() const { return !core().timing; }
  const std::byte* page(Cb cb, uint32_t index) const;         // index from the front
  emulator::TileRuns page_runs(Cb cb, uint32_t index) const;  // of a page that does not lie in one piece; else of none
  std::byte* new_page(Cb cb, uint32_t index);                 // index from the back

  // In Values mode: what a kernel does with its pages itself, where it is to be repeated (Program::set_repeatable): `effect(at, host)`, a
  // function object of plain data, calls at(address) for each address that it follows. What else it points to lives as long as the program.
  template <class Effect>
  void perform(const Effect& effect) {
    if (core().recording != nullptr) [[unlikely]]
      return core().recording->add(effect);
    effect(emulator::InPlace{}, *core().thread);
  }
  void copy(const std::byte* from, std::byte* to, size_t bytes) {  // of pages
    perform([=](const auto& at, emulator::HostThread&) { std::memcpy(at(to), at(from), bytes); });
  }
  bool is_recorded() const { return core().recording != nullptr; }  // addresses are not to be followed
  void cannot_repeat() const {                                      // what comes next: then the kernels run every time
    if (is_recorded()) throw emulator::NotRepeatable();
  }

  void spend(uint64_t cycles) { state_->clock += cycles; }

 protected:
  emulator::Core& core() const { return *state_->core; }
  emulator::CircularBuffer& buffer(Cb cb) const { return state_->core->buffers[cb]; }
  emulator::CircularBuffer& declared(Cb cb) const {  // fails where the program has no such CB
    if (cb >= core().num_buffers) [[unlikely]]
      undeclared(cb);
    return buffer(cb);
  }
  void check_back(Cb cb, uint32_t index, uint32_t pages) const;  // fails unless these pages from the back are free
  const emulator::AccessMap* keep(const emulator::AccessMap& map) const { return is_recorded() ? core().recording->keep(map) : &map; }
  [[noreturn]] void undeclared(Cb cb) const;
  [[noreturn]] void undefined(const std::string& what) const;  // fails with UndefinedBehavior of this kernel

  emulator::KernelState* state_;
};

}  // namespace tt
