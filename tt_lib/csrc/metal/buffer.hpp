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
  // Whether somebody reads the content whom the queue does not know: a copy to the host or to another card, or work that is not enqueued
  // yet.
  bool is_being_read() const { return readers_.load(std::memory_order_acquire) > 0; }
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
  friend class Reading;
  std::atomic<int> readers_{0};
};

// Holds a buffer while somebody reads it whom the queue does not know. Whoever makes one must know that nobody writes meanwhile.
class Reading {
 public:
  Reading() = default;
  explicit Reading(std::shared_ptr<Buffer> buffer) : buffer_(std::move(buffer)) { count(1); }
  Reading(const Reading& other) : buffer_(other.buffer_) { count(1); }
  Reading(Reading&& other) noexcept : buffer_(std::move(other.buffer_)) {}
  Reading& operator=(Reading other) noexcept {
    buffer_.swap(other.buffer_);
    return *this;
  }
  ~Reading() { count(-1); }

  Buffer* operator->() const { return buffer_.get(); }
  const std::shared_ptr<Buffer>& buffer() const { return buffer_; }

 private:
  void count(int by) {
    if (buffer_) buffer_->readers_.fetch_add(by, std::memory_order_acq_rel);
  }

  std::shared_ptr<Buffer> buffer_;
};

}  // namespace tt::metal
