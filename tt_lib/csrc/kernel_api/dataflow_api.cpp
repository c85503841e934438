// NoC transfers, multicast and semaphores.
#include "kernel_api/dataflow_api.hpp"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>

#include "base/error.hpp"
#include "emulator/cycles.hpp"
#include "emulator/fpu.hpp"
#include "emulator/scheduler.hpp"

namespace tt {

using emulator::Core;
using emulator::Run;
using emulator::Wait;
namespace cycles = emulator::cycles;

const emulator::BoundBuffer& Dataflow::bound(Slot slot) const {
  const auto buffers = core().run->buffers;
  if (slot >= buffers.size()) [[unlikely]]
    undefined(cat("slot ", slot, " is none of the program's, which has ", buffers.size()));
  return buffers[slot];
}

const emulator::BoundBuffer& Dataflow::output(Slot slot) const {
  const emulator::BoundBuffer& buffer = bound(slot);
  if (!buffer.is_output) [[unlikely]]
    undefined(cat("a write to slot ", slot, ", which is an input"));
  return buffer;
}

void Dataflow::check_range(Slot slot, int64_t offset, int64_t size, const char* call) const {
  const int64_t bytes = bound(slot).size;
  if (offset < 0 || size < 0 || offset > bytes || size > bytes - offset) [[unlikely]]
    undefined(cat(call, " of bytes ", offset, "..", offset + size, " is outside slot ", slot, ", which has ", bytes));
}

void Dataflow::check_map(Slot slot, const AccessMap& map, size_t element, int64_t start, int64_t count) const {
  const auto size = static_cast<int64_t>(element);
  const int64_t bytes = bound(slot).size;
  const emulator::Extent extent = extent_of(map);
  if (extent.first < 0 || extent.end * size > bytes) [[unlikely]]
    undefined(cat("a map reaches elements ", extent.first, "..", extent.end, " of slot ", slot, ", which has ", bytes / size));
  if (start < 0 || count < 0 || start + count > map.size()) [[unlikely]]
    undefined(cat("elements ", start, "..", start + count, " of a map of ", map.size()));
}

void Dataflow::check_semaphore(uint8_t semaphore) const {
  const size_t count = core().run->num_semaphores;
  if (semaphore >= count) [[unlikely]]
    undefined(cat("semaphore ", int{semaphore}, " is none of the program's, which has ", count));
}

void Dataflow::transfer(Slot slot, int64_t offset, int64_t bytes, int64_t transactions, bool write) {
  Run& run = *core().run;
  const auto issues = static_cast<uint64_t>(std::max<int64_t>(transactions, div_up(bytes, static_cast<int64_t>(cycles::kNocMaxBurst))));
  state_->clock += issues * cycles::kNocIssue;
  run.report.riscv_cycles += issues * cycles::kNocIssue;
  emulator::Transfer t{.offset = offset, .bytes = bytes, .transactions = static_cast<int64_t>(issues), .is_write = write};
  if (slot != kNoSlot && run.placement != nullptr) t.memory = run.placement[slot];
  const uint64_t done = run.reserve(core(), state_->clock, t);
  state_->outstanding = std::max(state_->outstanding, done);
}

// Run by run, where each lies; of many runs some follow each other in the place of all.
void Dataflow::transfer_mapped(Slot slot, const AccessMap& map, size_t element, int64_t start, int64_t count, bool write) {
  constexpr int64_t kMostPlaces = 16;
  const emulator::Content content = content_of(map, start, count);
  const int64_t places = std::min(content.runs, kMostPlaces), bytes = content.elements * static_cast<int64_t>(element);
  const int64_t run = content.gaps > 0 || content.runs * map.run_length() < count
                          ? 1
                          : map.run_length();  // columns of turned blocks begin with their first row
  for (int64_t i = 0; i < places; ++i) {
    const auto share = [&](int64_t all) { return all * (i + 1) / places - all * i / places; };
    const int64_t at = source_element(map, i == 0 ? start : (start / run + i) * run);
    transfer(slot, at * static_cast<int64_t>(element), share(bytes), share(content.runs), write);
  }
}

// Copied within L1.
void Dataflow::spend_padding(const AccessMap& map, size_t element, int64_t start, int64_t count) {
  if (!map.is_padded()) return;
  const emulator::Content content = content_of(map, start, count);
  const auto bytes = static_cast<double>((count - content.elements) * static_cast<int64_t>(element));
  spend(static_cast<uint64_t>(content.gaps) * cycles::kNocIssue + static_cast<uint64_t>(bytes / cycles::kNocBytesPerCycle));
}

void Dataflow::noc_async_read(Slot slot, int64_t offset, int64_t size, Cb cb, uint32_t index) {
  check_range(slot, offset, size, "noc_async_read");
  if (offset % emulator::kDramReadAlignment != 0) [[unlikely]] {
    undefined(
        cat("noc_async_read from DRAM offset ", offset, " is misaligned: reads need ", emulator::kDramReadAlignment, "-byte alignment"));
  }
  if (size > get_page_size(cb)) [[unlikely]]
    undefined(cat("noc_async_read of ", size, " bytes into a page of ", get_page_size(cb)));
  check_back(cb, index, 1);
  if (!values()) return transfer(slot, offset, size, 1, false);
  buffer(cb).bind_back(index, core().run->buffers[slot].data + offset, nullptr);
}

void Dataflow::noc_async_read_into(Slot slot, int64_t offset, int64_t size, Cb cb, uint32_t index, int64_t page_offset) {
  check_range(slot, offset, size, "noc_async_read_into");
  if (page_offset < 0 || page_offset + size > get_page_size(cb)) [[unlikely]]
    undefined(cat("noc_async_read_into of ", size, " bytes from byte ", page_offset, " of a page of ", get_page_size(cb)));
  if (!values()) return transfer(slot, offset, size, 1, false);
  copy(core().run->buffers[slot].data + offset, new_page(cb, index) + page_offset, static_cast<size_t>(size));
}

namespace {

alignas(64) constexpr std::array<std::byte, emulator::kTileElements * 16> kZeros{};
bool is_zero(const std::byte* pad, size_t element) { return std::memcmp(pad, kZeros.data(), element) == 0; }

// One element, or none.
class Padding {
 public:
  Padding(const std::byte* pad, size_t element) : is_there_(pad != nullptr) {
    if (is_there_) std::memcpy(bytes_.data(), pad, element);
  }
  const std::byte* element() const { return is_there_ ? bytes_.data() : nullptr; }

 private:
  std::array<std::byte, 16> bytes_{};
  bool is_there_;
};

// After how many elements the map repeats itself; never: all of them.
int64_t repeated_elements(const AccessMap& map) {
  const bool repeats = !map.dims.empty() && map.dims[0].stride == 0 && !map.dims[0].padded() && map.dims[0].size > 1;
  return repeats ? map.size() / map.dims[0].size : map.size();
}

}  // namespace

void Dataflow::noc_async_read_mapped(Slot slot, const AccessMap& map, size_t element, int64_t start, int64_t count, Cb cb, uint32_t index,
                                     const std::byte* pad) {
  check_map(slot, map, element, start, count);
  if (count * static_cast<int64_t>(element) > get_page_size(cb)) [[unlikely]]
    undefined(cat("noc_async_read_mapped of ", count, " elements of ", element, " bytes into a page of ", get_page_size(cb)));
  check_back(cb, index, 1);
  if (!values()) {
    const auto bytes = count * static_cast<int64_t>(element);
    const bool broadcast = !map.dims.empty() && map.dims.back().stride == 0;
    if (const int64_t period = repeated_elements(map); !broadcast && period < count) {  // fetched once, then copied within L1
      transfer_mapped(slot, map, element, start, period, false);
      spend_padding(map, element, start, period);
      return spend(static_cast<uint64_t>(div_up(count, period)) * cycles::kNocIssue +
                   static_cast<uint64_t>(static_cast<double>(bytes) / cycles::kNocBytesPerCycle));
    }
    if (!broadcast) {
      transfer_mapped(slot, map, element, start, count, false);
      return spend_padding(map, element, start, count);
    }
    const int64_t rows = div_up(count, std::max<int64_t>(map.dims.back().size, 1));
    transfer(slot, source_element(map, start) * static_cast<int64_t>(element), rows * 32, rows, false);
    return spend(static_cast<uint64_t>(bytes / 4));
  }
  const std::byte* source = core().run->buffers[slot].data;
  const emulator::Piece piece = piece_of(map, start, count);
  if (piece.kind == emulator::Piece::Kind::kRun) {
    buffer(cb).bind_back(index, source + piece.at * static_cast<int64_t>(element), nullptr);
  } else if (piece.kind == emulator::Piece::Kind::kPadding && is_zero(pad, element)) {
    buffer(cb).bind_back(index, kZeros.data(), nullptr);
  } else {
    const Padding padding(pad, element);
    std::byte* const to = new_page(cb, index);
    const AccessMap* const kept = keep(map);
    perform(
        [=](const auto& at, emulator::HostThread&) { gather_mapped(*kept, element, at(source), start, count, at(to), padding.element()); });
  }
}

void Dataflow::noc_async_read_onto(Slot slot, const AccessMap& map, size_t element, int64_t start, int64_t count, Cb cb, uint32_t index) {
  check_map(slot, map, element, start, count);
  if (!values()) return transfer_mapped(slot, map, element, start, count, false);
  const std::byte* const beneath = buffer(cb).bound_back(index);
  std::byte* const page = new_page(cb, index);
  if (beneath != page) copy(beneath, page, static_cast<size_t>(count) * element);
  const std::byte* const source = core().run->buffers[slot].data;
  const AccessMap* const kept = keep(map);
  perform([=](const auto& at, emulator::HostThread&) { gather_onto(*kept, element, at(source), start, count, at(page)); });
}

void Dataflow::noc_async_read_runs(Slot slot, const AccessMap& map, size_t element, int64_t start, int64_t count, Cb cb, uint32_t index,
                                   uint32_t run) {
  constexpr auto kPage = static_cast<int64_t>(emulator::kTileElements);
  if (!values() || count % run != 0) {
    for (int64_t first = 0; first < count; first += kPage) {
      noc_async_read_mapped(slot, map, element, start + first, std::min(kPage, count - first), cb, index++);
    }
    return;
  }
  cannot_repeat();
  check_map(slot, map, element, start, count);
  check_back(cb, index, static_cast<uint32_t>(div_up(count, kPage)));
  find_runs(map, element, core().run->buffers[slot].data, start, count, run,
            buffer(cb).bind_runs_back(index, static_cast<uint32_t>(count) / run, run, static_cast<uint32_t>(kPage) / run));
}

// Where the block lies; in TimingOnly its columns are transferred one by one.
std::byte* Dataflow::transfer_turned(Slot slot, const AccessMap& map, size_t element, const TurnedBlock& block, bool write) {
  const auto size = static_cast<int64_t>(element);
  const int64_t offset = (map.offset + block.row + block.column * map.dims[1].stride) * size;
  check_range(slot, offset, (block.rows + (block.columns - 1) * map.dims[1].stride) * size, "a turned block");
  if (values()) return (write ? output(slot) : bound(slot)).data + offset;
  transfer(slot, offset, block.rows * block.columns * size, block.columns, write);
  return nullptr;
}

void Dataflow::noc_async_read_turned(Slot slot, const AccessMap& map, size_t element, const TurnedBlock& block, Cb cb) {
  const std::byte* source = transfer_turned(slot, map, element, block, /*write=*/false);
  if (source == nullptr) return;
  std::byte* const first = new_page(cb, 0);
  for (int64_t r = 1; r < block.rows; ++r) new_page(cb, static_cast<uint32_t>(r));
  const auto page = static_cast<int64_t>(get_page_size(cb) / element), stride = map.dims[1].stride;
  perform([=](const auto& at, emulator::HostThread&) {
    emulator::transpose(element, at(source), stride, at(first), page, static_cast<size_t>(block.rows), static_cast<size_t>(block.columns),
                        block.rows);
  });
}

void Dataflow::noc_async_write_turned(Cb cb, Slot slot, const AccessMap& map, size_t element, const TurnedBlock& block) {
  std::byte* destination = transfer_turned(slot, map, element, block, /*write=*/true);
  if (destination == nullptr) return;
  const auto elements = static_cast<int64_t>(get_page_size(cb) / element), stride = map.dims[1].stride;
  const std::byte* const first = page(cb, 0);
  perform([=](const auto& at, emulator::HostThread&) {
    emulator::transpose(element, at(first), elements, at(destination), stride, static_cast<size_t>(block.columns),
                        static_cast<size_t>(block.rows), elements * block.rows);
  });
}

void Dataflow::noc_async_write(Cb cb, uint32_t index, Slot slot, int64_t offset, int64_t size) {
  check_range(slot, offset, size, "noc_async_write");
  if (offset % emulator::kDramWriteAlignment != 0) [[unlikely]] {
    undefined(
        cat("noc_async_write to DRAM offset ", offset, " is misaligned: writes need ", emulator::kDramWriteAlignment, "-byte alignment"));
  }
  if (size > get_page_size(cb)) [[unlikely]]
    undefined(cat("noc_async_write of ", size, " bytes from a page of ", get_page_size(cb)));
  std::byte* const all = output(slot).data;
  if (!values()) return transfer(slot, offset, size, 1, true);
  std::byte* const destination = all + offset;
  const std::byte* source = page(cb, index);
  if (source != destination) copy(source, destination, static_cast<size_t>(size));
}

void Dataflow::noc_async_write(Cb cb, uint32_t index, int64_t offset, const L1Address& to, int64_t size) {
  Core& target = to.core == coord() ? core() : *core().run->find(to.core);  // cores that run alone find no other
  declared(to.cb);
  emulator::CircularBuffer& ring = target.buffers[to.cb];
  if (to.page >= ring.num_pages() || to.offset < 0 || to.offset + size > ring.page_size() || offset + size > get_page_size(cb))
      [[unlikely]] {
    undefined(cat("noc_async_write of ", size, " bytes to byte ", to.offset, " of page ", to.page, " on core (", to.core.x, ",", to.core.y,
                  "), whose CB ", int{to.cb}, " has ", ring.num_pages(), " pages of ", ring.page_size()));
  }
  if (values()) {
    return copy(page(cb, index) + offset, ring.received(to.page) + to.offset, static_cast<size_t>(size));
  }
  // The transfer takes the ports of both cores.
  const auto wire = static_cast<uint64_t>(static_cast<double>(size) / cycles::kNocBytesPerCycle) + 1;
  const auto hops = static_cast<uint64_t>(std::abs(to.core.x - coord().x) + std::abs(to.core.y - coord().y));
  state_->clock += cycles::kNocIssue * static_cast<uint64_t>(div_up(size, static_cast<int64_t>(cycles::kNocMaxBurst)));
  core().noc_free = std::max(core().noc_free, state_->clock) + wire;
  if (&target != &core()) target.noc_free = std::max(target.noc_free + wire, core().noc_free);
  state_->outstanding = std::max(state_->outstanding, target.noc_free + cycles::kNocHop * hops);
  core().run->report.noc_bytes += static_cast<uint64_t>(size);
}

void Dataflow::noc_async_write_mapped(Cb cb, uint32_t index, Slot slot, const AccessMap& map, size_t element, int64_t start,
                                      int64_t count) {
  check_map(slot, map, element, start, count);
  std::byte* const destination = output(slot).data;
  if (!values()) return transfer_mapped(slot, map, element, start, count, true);
  const std::byte* const source = page(cb, index);
  const bool in_place = map.dims.size() == 1 && source == destination + (map.offset + start) * static_cast<int64_t>(element);
  if (in_place) return;
  const AccessMap* const kept = keep(map);
  perform([=](const auto& at, emulator::HostThread&) { scatter_mapped(*kept, element, at(source), start, count, at(destination)); });
}

bool Dataflow::Barrier::await_ready() const { return !state.core->run->timing; }
void Dataflow::Barrier::await_resume() const { state.clock = std::max(state.clock, state.outstanding); }

std::byte* Dataflow::new_shared_pages(Cb cb, uint32_t pages) {
  if (!values()) return nullptr;
  cannot_repeat();
  check_back(cb, 0, pages);
  const uint32_t page_size = get_page_size(cb);
  emulator::SharedBlock* block = emulator::SharedBlock::create(static_cast<size_t>(pages) * page_size);
  for (uint32_t i = 0; i < pages; ++i) {
    buffer(cb).bind_back(i, block->data() + static_cast<size_t>(i) * page_size, i + 1 == pages ? block : nullptr);
  }
  return block->data();
}

void Dataflow::multicast(uint64_t bytes, CoreCoord start, CoreCoord end) {
  state_->clock += cycles::kNocIssue * ((bytes + cycles::kNocMaxBurst - 1) / cycles::kNocMaxBurst);
  core().noc_free =
      std::max(core().noc_free, state_->clock) + static_cast<uint64_t>(static_cast<double>(bytes) / cycles::kNocBytesPerCycle);
  const auto hops = static_cast<uint64_t>(end.x - start.x + end.y - start.y + 1);
  state_->outstanding = std::max(state_->outstanding, core().noc_free + cycles::kNocHop * hops);
  core().run->report.noc_bytes += bytes;
}

void Dataflow::noc_async_write_multicast_loopback_src(Cb cb, uint32_t index, CoreCoord start, CoreCoord end, Cb to, uint32_t to_page,
                                                      int64_t size) {
  const emulator::CircularBuffer& ring = declared(to);
  if (to_page >= ring.num_pages() || size > ring.page_size() || size > get_page_size(cb)) [[unlikely]] {
    undefined(cat("noc_async_write_multicast_loopback_src of ", size, " bytes from a page of ", get_page_size(cb), " to page ", to_page,
                  " of CB ", int{to}, ", which has ", ring.num_pages(), " pages of ", ring.page_size()));
  }
  if (!values()) return multicast(static_cast<uint64_t>(size), start, end);
  for (uint16_t y = start.y; y <= end.y; ++y) {
    for (uint16_t x = start.x; x <= end.x; ++x) {
      std::memcpy(core().run->find({x, y})->buffers[to].received(to_page), page(cb, index), static_cast<size_t>(size));
    }
  }
}

void Dataflow::noc_async_write_multicast(Cb cb, uint32_t index, uint32_t pages, CoreCoord start, CoreCoord end) {
  Run& run = *core().run;
  if (!values()) return multicast(static_cast<uint64_t>(pages) * get_page_size(cb), start, end);
  for (uint16_t y = start.y; y <= end.y; ++y) {
    for (uint16_t x = start.x; x <= end.x; ++x) {
      if (CoreCoord{x, y} == coord()) continue;
      buffer(cb).share_back(index, pages, run.find({x, y})->buffers[cb]);
    }
  }
}

KernelContext::WaitFor Dataflow::noc_semaphore_wait(uint8_t semaphore, uint32_t value) {
  check_semaphore(semaphore);
  return {*state_, {Wait::Kind::kSemaphoreEqual, semaphore, value}};
}

KernelContext::WaitFor Dataflow::noc_semaphore_wait_min(uint8_t semaphore, uint32_t value) {
  check_semaphore(semaphore);
  return {*state_, {Wait::Kind::kSemaphoreMin, semaphore, value}};
}

void Dataflow::noc_semaphore_set(uint8_t semaphore, uint32_t value) {
  check_semaphore(semaphore);
  spend(cycles::kSemaphoreCall);
  core().semaphores[semaphore].store(value, std::memory_order_release);
}

void Dataflow::noc_semaphore_inc(CoreCoord target, uint8_t semaphore, uint32_t by) {
  check_semaphore(semaphore);
  Core& other = *core().run->find(target);
  spend(cycles::kSemaphoreCall);
  if (!values()) other.semaphore_stamps[semaphore] = std::max(other.semaphore_stamps[semaphore], state_->clock + cycles::kNocHop * 8);
  other.semaphores[semaphore].fetch_add(by, std::memory_order_acq_rel);
  core().run->wake(other);
}

void Dataflow::noc_semaphore_set_multicast(uint8_t semaphore, uint32_t value, CoreCoord start, CoreCoord end) {
  check_semaphore(semaphore);
  spend(cycles::kSemaphoreCall);
  const uint64_t arrival = std::max(state_->clock, state_->outstanding) + cycles::kNocHop * 8;
  for (uint16_t y = start.y; y <= end.y; ++y) {
    for (uint16_t x = start.x; x <= end.x; ++x) {
      if (CoreCoord{x, y} == coord()) continue;
      Core& other = *core().run->find({x, y});
      if (!values()) other.semaphore_stamps[semaphore] = std::max(other.semaphore_stamps[semaphore], arrival);
      other.semaphores[semaphore].store(value, std::memory_order_release);
      core().run->wake(other);
    }
  }
}

void Dataflow::charge(const Bulk& work) {
  if (values()) return;
  // Bulk work is all over its tensor: its pages take the banks in turn.
  const emulator::RunReport& report = core().run->report;
  const auto next = [&] { return static_cast<int64_t>(report.dram_read_bytes + report.dram_write_bytes + report.l1_bytes); };
  if (work.read_bytes > 0) transfer(work.from, next(), work.read_bytes, work.transactions, false);
  if (work.write_bytes > 0) transfer(work.to, next(), work.write_bytes, work.transactions, true);
  spend(work.riscv_cycles);
  core().run->report.riscv_cycles += work.riscv_cycles;
}

std::byte* Dataflow::dram(Slot slot) const { return bound(slot).data; }
int64_t Dataflow::dram_size(Slot slot) const { return bound(slot).size; }

emulator::HostThread& Dataflow::host() const {
  cannot_repeat();
  return *core().thread;
}

int64_t Dataflow::peek_index(Slot slot, int64_t offset, DataType type) {
  std::array<std::byte, sizeof(int64_t)> value{};
  peek_bytes(slot, offset, value.data(), static_cast<size_t>(size_of(type)));
  return emulator::read_index(value.data(), type);
}

Slot Dataflow::moved(Slot slot, std::span<const Index> indices) {
  emulator::Recording& recording = *core().recording;
  std::vector<emulator::MovingIndex> kept;
  for (const Index& index : indices) {
    check_range(index.slot, index.offset, size_of(index.type), "peek");
    kept.push_back({bound(index.slot).data + index.offset, index.type, index.limit, index.stride});
  }
  const Slot made = recording.moved(slot, std::move(kept));
  core().run->buffers = recording.buffers();
  return made;
}

void Dataflow::peek_bytes(Slot slot, int64_t offset, std::byte* value, size_t size) {
  cannot_repeat();
  check_range(slot, offset, static_cast<int64_t>(size), "peek");
  if (!values()) {
    transfer(slot, offset, 32, 1, false);
    state_->clock = std::max(state_->clock, state_->outstanding);
    return;
  }
  std::memcpy(value, core().run->buffers[slot].data + offset, size);
}

}  // namespace tt
