// The card: memory, queue and scheduler behind the Device handle.
#include "metal/device.hpp"

#include <array>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "emulator/cycles.hpp"
#include "metal/allocator.hpp"
#include "metal/host_memory.hpp"
#include "metal/program.hpp"

namespace tt::metal {

namespace {

constexpr int64_t kNoDram = -1;  // bytes of a buffer that takes none of the card's memory

}  // namespace

struct Device::Impl {
  const emulator::ChipSpec& chip;
  int id;
  Allocator allocator;
  HostMemory host_memory;
  emulator::Scheduler scheduler;

  std::mutex mutex;
  std::condition_variable changed;
  std::deque<std::pair<std::function<void()>, Event>> queue;
  std::atomic<bool> queued = false;  // there is something in the queue
  bool busy = false;                 // somebody runs queue work: the worker or a caller
  bool closed = false;
  bool stopping = false;
  int waiters = 0;  // threads in finish()
  std::mutex shared_mutex;
  std::map<const std::byte*, std::weak_ptr<Buffer>> shared;
  std::atomic<size_t> num_shared{0};
  std::thread worker;

  Impl(const emulator::ChipSpec& chip, int id)
      : chip(chip), id(id), allocator(chip.dram_channels * chip.dram_channel_bytes), scheduler(chip, default_num_threads()) {
    worker = std::thread([this] { work(); });
  }

  ~Impl() {
    {
      std::lock_guard lock(mutex);
      stopping = true;
    }
    changed.notify_all();
    // The last handle may be dropped by work on the queue itself.
    if (worker.get_id() == std::this_thread::get_id()) {
      worker.detach();
    } else {
      worker.join();
    }
  }

  static void perform(const std::function<void()>& work, const Event& event) {
    try {
      work();
      event.complete();
    } catch (const Error& error) {
      event.fail(error);
    } catch (const std::bad_alloc&) {
      event.fail(Error(ErrorCategory::kOutOfMemory, "[device] the host is out of memory"));
    } catch (const std::exception& error) {
      event.fail(Error(ErrorCategory::kInternal, error.what()));
    }
  }

  // Programs come one after the other: the worker looks out for the next one for a moment before it sleeps.
  void linger(std::unique_lock<std::mutex>& lock) {
    constexpr auto kMoment = std::chrono::microseconds(100);
    const auto start = std::chrono::steady_clock::now();
    lock.unlock();
    while (!queued && std::chrono::steady_clock::now() - start < kMoment) std::this_thread::yield();
    lock.lock();
  }

  void work() {
    std::unique_lock lock(mutex);
    for (;;) {
      changed.wait(lock, [&] { return stopping || (!queue.empty() && !busy); });
      if (queue.empty()) return;
      auto [job, event] = std::move(queue.front());
      queue.pop_front();
      busy = true;
      lock.unlock();
      perform(job, event);
      job = nullptr;
      lock.lock();
      busy = false;
      if (!queue.empty()) continue;
      queued = false;
      changed.notify_all();
      linger(lock);
    }
  }
};

std::shared_ptr<Device> Device::create(const emulator::ChipSpec& chip, int id) {
  return std::shared_ptr<Device>(new Device(std::make_unique<Impl>(chip, id)));
}

Device::Device(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Device::~Device() = default;

int Device::id() const { return impl_->id; }
const emulator::ChipSpec& Device::chip() const { return impl_->chip; }

std::shared_ptr<Buffer> Device::allocate(int64_t bytes, emulator::BufferType memory) {
  return allocate_temporaries(bytes, memory == emulator::BufferType::kHost ? kNoDram : bytes);
}

// Queued programs hold memory that they give back: whoever runs ahead of them waits before there is none.
uint64_t Device::take_dram(int64_t bytes) {
  if (bytes == kNoDram) return 0;
  try {
    return impl_->allocator.allocate(bytes);
  } catch (const Error& error) {
    if (error.category() != ErrorCategory::kOutOfMemory || !impl_->queued || is_in_host_function()) throw;
  }
  finish();
  return impl_->allocator.allocate(bytes);
}

std::shared_ptr<Buffer> Device::allocate_temporaries(int64_t bytes, int64_t dram_bytes) {
  if (impl_->closed) fail(ErrorCategory::kInvalidArgument, "[allocate] device ", id(), " is closed");
  const uint64_t address = take_dram(dram_bytes);
  std::byte* data = nullptr;
  try {
    data = impl_->host_memory.allocate(bytes);
  } catch (...) {
    if (dram_bytes != kNoDram) impl_->allocator.release(address, dram_bytes);
    throw;
  }
  auto buffer = std::make_shared<Buffer>(shared_from_this(), address, bytes, data, nullptr);
  buffer->dram_bytes_ = dram_bytes;
  return buffer;
}

std::shared_ptr<Buffer> Device::adopt(const void* host, int64_t bytes, std::function<void()> release, emulator::BufferType memory) {
  if (impl_->closed) fail(ErrorCategory::kInvalidArgument, "[adopt] device ", id(), " is closed");
  const int64_t dram_bytes = memory == emulator::BufferType::kHost ? kNoDram : bytes;
  const uint64_t address = take_dram(dram_bytes);
  auto buffer =
      std::make_shared<Buffer>(shared_from_this(), address, bytes, static_cast<std::byte*>(const_cast<void*>(host)), std::move(release));
  buffer->host_view_ = buffer->read_only_ = true;
  buffer->dram_bytes_ = dram_bytes;
  return buffer;
}

void Device::release(Buffer& buffer) {
  if (buffer.dram_bytes_ != kNoDram) impl_->allocator.release(buffer.address(), buffer.dram_bytes_);
  if (buffer.host_view_) {
    if (buffer.release_) buffer.release_();
  } else {
    impl_->host_memory.release(buffer.data(), buffer.size());
  }
}

void Device::publish(const std::shared_ptr<Buffer>& buffer) {
  std::lock_guard lock(impl_->shared_mutex);
  std::erase_if(impl_->shared, [](const auto& entry) { return entry.second.expired(); });
  impl_->shared[buffer->data()] = buffer;
  impl_->num_shared = impl_->shared.size();
}

std::shared_ptr<Buffer> Device::find_published(const std::byte* data) const {
  if (impl_->num_shared == 0) return nullptr;
  std::lock_guard lock(impl_->shared_mutex);
  const auto found = impl_->shared.find(data);
  auto buffer = found == impl_->shared.end() ? nullptr : found->second.lock();
  if (buffer != nullptr) buffer->read_only_ = true;
  return buffer;
}

MemoryStats Device::memory_stats() const {
  const Allocator& dram = impl_->allocator;
  return {dram.in_use(), dram.peak(), dram.capacity(), dram.allocations(), dram.largest_free()};
}

namespace {

thread_local const Device* calling_host = nullptr;  // runs a host function on this thread

Event run_now(const std::function<void()>& work) {
  Event event;
  try {
    work();
  } catch (const Error& error) {
    event = Event::pending();
    event.fail(error);
  } catch (const std::exception& error) {
    event = Event::pending();
    event.fail(Error(ErrorCategory::kInternal, error.what()));
  }
  return event;
}

}  // namespace

Event Device::enqueue(std::function<void()> work, bool small) {
  std::unique_lock lock(impl_->mutex);
  if (impl_->closed) fail(ErrorCategory::kInvalidArgument, "[enqueue] device ", id(), " is closed");
  if (is_in_host_function()) {  // the queue waits for what this thread does
    lock.unlock();
    return run_now(work);
  }
  if (small && impl_->queue.empty() && !impl_->busy) {
    impl_->busy = true;
    lock.unlock();
    Event event = run_now(work);
    lock.lock();
    impl_->busy = false;
    if (!impl_->queue.empty() || impl_->waiters > 0) impl_->changed.notify_all();
    return event;
  }
  Event event = Event::pending();
  impl_->queue.emplace_back(std::move(work), event);
  impl_->queued = true;
  lock.unlock();
  impl_->changed.notify_all();
  return event;
}

bool Device::is_in_host_function() const { return calling_host == this; }

void Device::finish() {
  if (is_in_host_function()) {
    fail(ErrorCategory::kInvalidArgument, "[finish] a function that a program of device ", id(),
         " calls waits for that program: return first");
  }
  std::unique_lock lock(impl_->mutex);
  ++impl_->waiters;
  impl_->changed.wait(lock, [&] { return impl_->queue.empty() && !impl_->busy; });
  --impl_->waiters;
}

void Device::close() {
  finish();
  std::lock_guard lock(impl_->mutex);
  impl_->closed = true;
}

bool Device::is_closed() const { return impl_->closed; }

void Device::run(const Program& program, std::byte* const* buffers, const Participant* me) {
  if (program.link_function()) {
    check(me != nullptr, "[", program.name(), "] a program for several cards runs on one");
    program.link_function()(*me, buffers);
    return program.count_run();
  }
  if (program.host_function()) {
    struct Calling {
      const Device* before;
      explicit Calling(const Device* device) : before(std::exchange(calling_host, device)) {}
      ~Calling() { calling_host = before; }
    } const calling(this);
    program.host_function()(buffers);
    return program.count_run();
  }
  const Program& joined = program.for_values();
  if (const emulator::RecordedProgram* recording = joined.recording()) {
    impl_->scheduler.repeat(*recording, buffers);
    return program.count_run();
  }
  constexpr size_t kInlineSlots = 64;
  std::array<emulator::BoundBuffer, kInlineSlots> few;
  std::vector<emulator::BoundBuffer> many;
  const auto slots = program.slots();
  emulator::BoundBuffer* bound = few.data();
  if (slots.size() > kInlineSlots) {
    many.resize(slots.size());
    bound = many.data();
  }
  for (size_t i = 0; i < slots.size(); ++i) bound[i] = {buffers[i], slots[i].bytes, slots[i].is_output};
  impl_->scheduler.run_values(joined.plan(), {bound, slots.size()});
  program.count_run();
}

namespace {

// The host's own time is not the card's; what it or another card reads and writes goes over PCIe, and what comes from another host over
// the link between them before.
emulator::RunReport estimate_transfer(const Program& program, const emulator::ChipSpec& chip) {
  emulator::RunReport report;
  for (const SlotSpec& slot : program.slots()) {
    (slot.is_output ? report.dram_write_bytes : report.dram_read_bytes) += static_cast<uint64_t>(slot.bytes);
  }
  const auto bytes = static_cast<double>(report.dram_read_bytes + report.dram_write_bytes);
  double seconds = bytes / chip.pcie_bytes_per_second;
  if (program.bytes_between_hosts() > 0) {
    seconds +=
        emulator::cycles::kHostLinkSeconds + static_cast<double>(program.bytes_between_hosts()) / emulator::cycles::kHostLinkBytesPerSecond;
  }
  report.cycles = static_cast<uint64_t>(seconds * chip.clock_hz);
  return report;
}

}  // namespace

emulator::RunReport estimate(const Program& program, const emulator::ChipSpec& chip, std::span<const emulator::BufferType> placement) {
  if (!program.runs_on_cores()) return estimate_transfer(program, chip);
  emulator::Scheduler scheduler(chip, 1);
  std::vector<emulator::BoundBuffer> bound;
  for (const SlotSpec& slot : program.slots()) bound.push_back({nullptr, slot.bytes, slot.is_output});
  return scheduler.run_timing(program.plan(), bound, placement.empty() ? nullptr : placement.data());
}

Buffer::Buffer(std::shared_ptr<Device> device, uint64_t address, int64_t size, std::byte* data, std::function<void()> release)
    : device_(std::move(device)), address_(address), size_(size), dram_bytes_(size), data_(data), release_(std::move(release)) {}

Buffer::~Buffer() { device_->release(*this); }

}  // namespace tt::metal
