// A range of device DRAM. Its bytes lie contiguously in host memory, pages in order; the bank address serves allocation and timing.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>

#include "metal/event.hpp"

namespace tt::metal {

class Device;

class Buffer {
 public:
  Buffer(std::shared_ptr<Device> device, uint64_t address, int64_t size, std::byte* data, std::function<void()> release);
  ~Buffer();
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;

  const std::shared_ptr<Device>& device() const { return device_; }
  uint64_t address() const { return address_; }  // in bytes, in the interleaved DRAM address space
  int64_t size() const { return size_; }         // in bytes
  std::byte* data() { return data_; }
  const std::byte* data() const { return data_; }
  // Its content is defined once this is reached. Work on a queue waits for what this was when it was enqueued: later work that writes to
  // the buffer sets another event. Both are for the thread that enqueues.
  const Event& ready() const { return ready_; }
  void set_ready(Event event) { ready_ = std::move(event); }
  bool is_read_only() const { return read_only_; }  // somebody else reads this memory too: never written, never donated

 private:
  friend class Device;
  std::shared_ptr<Device> device_;
  uint64_t address_;
  int64_t size_;
  int64_t dram_bytes_;
  std::byte* data_;
  std::function<void()> release_;
  Event ready_;
  bool host_view_ = false;  // the memory is the user's
  std::atomic<bool> read_only_ = false;
};

}  // namespace tt::metal
