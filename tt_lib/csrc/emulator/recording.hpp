// What the kernels of a small program do to memory in Values mode, written down in one run for those to come: kernels whose calls do not
// depend on the data make the same calls in every run, which are then repeated without the kernels, their waiting and their checks.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <deque>
#include <exception>
#include <limits>
#include <memory>
#include <memory_resource>
#include <span>
#include <type_traits>
#include <vector>

#include "base/data_type.hpp"
#include "emulator/access_map.hpp"
#include "emulator/bound_buffer.hpp"
#include "emulator/tile_chain.hpp"

namespace tt::emulator {

struct HostThread;

// While kernels are written down, an address says in its upper bits which memory it is in: none that a process can have, but for memory 0,
// which is the process's own.
namespace memory {
inline constexpr unsigned kShift = 48;  // bits of an address within its memory
inline constexpr uint16_t kProcess = 0, kL1 = 1, kDst = 2, kFirstSlot = 3;
inline std::byte* start_of(uint16_t which) { return reinterpret_cast<std::byte*>(uintptr_t{which} << kShift); }
}  // namespace memory

// Where the addresses of a recording are in one run.
class Bases {
 public:
  explicit Bases(const uintptr_t* bases) : bases_(bases) {}
  template <class T>
  T* operator()(T* address) const {
    const auto bits = reinterpret_cast<uintptr_t>(address);
    return reinterpret_cast<T*>(bases_[bits >> memory::kShift] + (bits & ((uintptr_t{1} << memory::kShift) - 1)));
  }

 private:
  const uintptr_t* bases_;
};

// The same for what happens at once.
struct InPlace {
  template <class T>
  T* operator()(T* address) const {
    return address;
  }
};

// Thrown where kernels do what cannot be repeated, or more than a recording holds.
struct NotRepeatable : std::exception {
  const char* what() const noexcept override { return "what the kernels do is not repeated"; }
};

// An integer in memory that says where a buffer begins: clamp(value, 0, limit) * stride bytes after its start.
struct MovingIndex {
  const std::byte* at;  // the integer
  DataType type;
  int64_t limit, stride;
};
int64_t read_index(const std::byte* at, DataType type);  // of an integer type; beyond int64_t: its largest

class Recording {
 public:
  Recording(std::span<const BoundBuffer> buffers, int64_t l1_bytes, size_t most_effects);
  // `effect(at, host)` is a function object of plain data that does what one call does: `at` gives the addresses of this run.
  template <class Effect>
  void add(const Effect& effect) {
    static_assert(std::is_trivially_copyable_v<Effect>);
    if (effects_.size() == most_effects_) throw NotRepeatable();
    effects_.push_back({[](const void* kept, const Bases& at, HostThread& host) { (*static_cast<const Effect*>(kept))(at, host); },
                        keep(std::span(&effect, 1))});
  }
  template <class T>
  const T* keep(std::span<const T> values) {  // for effects to point to
    static_assert(std::is_trivially_copyable_v<T>);
    void* const kept = arrays_->allocate(values.size_bytes(), alignof(T));
    if (!values.empty()) std::memcpy(kept, values.data(), values.size_bytes());
    return static_cast<const T*>(kept);
  }
  const AccessMap* keep(const AccessMap& map);
  // The chain on n elements, ready to run on the thread that records: null where n is not small.
  const BoundTileChain* bind(const TileChain& chain, size_t n);
  uint16_t moved(uint16_t slot, std::vector<MovingIndex> indices);  // a slot more, which lies where the indices say

  std::span<const BoundBuffer> buffers() const { return buffers_; }  // as kernels that are written down see them
  size_t num_effects() const { return effects_.size(); }
  void repeat(std::byte* const* buffers, HostThread& host) const;

 private:
  struct Effect {
    void (*run)(const void* kept, const Bases& at, HostThread& host);
    const void* kept;
  };
  struct Moved {
    uint16_t slot;
    std::vector<MovingIndex> indices;
  };

  size_t num_slots_, most_effects_;
  int64_t l1_bytes_;
  std::vector<BoundBuffer> buffers_;
  std::unique_ptr<std::pmr::monotonic_buffer_resource> arrays_ = std::make_unique<std::pmr::monotonic_buffer_resource>();
  std::deque<AccessMap> maps_;
  std::deque<BoundTileChain> chains_;
  std::vector<Moved> moved_;
  std::vector<Effect> effects_;
};

// What is repeated of one program.
struct RecordedProgram {
  std::vector<Recording> turns;  // one for each piece of work that host threads cut it into
  double host_seconds = 0;       // as its plan says
  // How long one host thread takes for all turns, at best, as the first of its runs show.
  mutable std::atomic<int> measured = 0;  // runs
  mutable std::atomic<double> seconds = std::numeric_limits<double>::infinity();
};

// What a program has of that.
class Recordings {
 public:
  Recordings() = default;
  Recordings(const Recordings&) : Recordings() {}  // another program has nothing yet

  const RecordedProgram* ready() const { return ready_.load(std::memory_order_acquire); }
  bool begins(int run) {  // is this the one to be written down
    return runs_.load(std::memory_order_relaxed) < run && runs_.fetch_add(1, std::memory_order_relaxed) + 1 == run;
  }
  void finish(std::vector<Recording> turns, double host_seconds);

 private:
  std::atomic<int> runs_ = 0;
  RecordedProgram made_;
  std::atomic<const RecordedProgram*> ready_ = nullptr;
};

// Which run of a program is written down: JAX_TT_RECORD_RUN (0: none), else the second, as most programs that run once do not run again.
int default_recorded_run();

}  // namespace tt::emulator
