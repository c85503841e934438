// A card: its DRAM, its in-order command queue, and the two ways to run a program on it: for values and for cycles.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>

#include "metal/buffer.hpp"
#include "metal/event.hpp"

namespace tt::emulator {
struct ChipSpec;
struct RunReport;
enum class BufferType : uint8_t;
}  // namespace tt::emulator

namespace tt::metal {

class Program;
struct Participant;

struct MemoryStats {
  int64_t bytes_in_use = 0;
  int64_t peak_bytes_in_use = 0;
  int64_t bytes_limit = 0;
  int64_t num_allocations = 0;
  int64_t largest_free_block = 0;
};

class Device : public std::enable_shared_from_this<Device> {
 public:
  static std::shared_ptr<Device> create(const emulator::ChipSpec& chip, int id);
  ~Device();

  int id() const;
  const emulator::ChipSpec& chip() const;

  // DRAM, or memory of the host that the card reaches. OutOfMemory names what was asked and what is free.
  std::shared_ptr<Buffer> allocate(int64_t bytes, emulator::BufferType memory = emulator::BufferType{});
  // Memory for the temporaries of one execution, of which `dram_bytes` count as DRAM: the others lie in L1 meanwhile.
  std::shared_ptr<Buffer> allocate_temporaries(int64_t bytes, int64_t dram_bytes);
  // A buffer that views the caller's memory, counted as device memory where that is what was asked for; `release` runs once no reader is
  // left.
  std::shared_ptr<Buffer> adopt(const void* host, int64_t bytes, std::function<void()> release,
                                emulator::BufferType memory = emulator::BufferType{});
  MemoryStats memory_stats() const;
  // JAX and tt_lib hand memory to each other by its address: one publishes a buffer, the other finds it. What has been found is read-only.
  void publish(const std::shared_ptr<Buffer>& buffer);
  std::shared_ptr<Buffer> find_published(const std::byte* data) const;  // null: nothing published there

  // The queue: work runs in order, one at a time; an Error that it throws fails the event. When the queue is empty and `small`,
  // the work runs on the calling thread before enqueue returns.
  Event enqueue(std::function<void()> work, bool small = false);
  void finish();  // waits until the queue is empty; refused in a host function
  void close();   // waits, then refuses further work with InvalidArgument; safe to call twice
  bool is_closed() const;
  bool is_in_host_function() const;  // the calling thread runs one for a program of this device

  // Runs a program for its values; only from work on the queue. `buffers[i]` is bound to slot i. What a host function enqueues runs at
  // once. Programs that use the links between cards need to know whose part this is.
  void run(const Program& program, std::byte* const* buffers, const Participant* me = nullptr);

 private:
  uint64_t take_dram(int64_t bytes);  // its address
  friend class Buffer;
  struct Impl;
  void release(Buffer& buffer);
  explicit Device(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// Runs a program for its cycles: deterministic, needs no device and no data. `placement[i]`: the memory of slot i; none given: all in DRAM.
emulator::RunReport estimate(const Program& program, const emulator::ChipSpec& chip, std::span<const emulator::BufferType> placement = {});

}  // namespace tt::metal
