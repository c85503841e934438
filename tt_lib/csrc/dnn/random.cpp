// One data-movement kernel: each core draws from a range of counters and lays the words out as XLA does.
#include "dnn/random.hpp"

#include <algorithm>
#include <cstring>
#include <memory>

#include "base/error.hpp"
#include "dnn/random_bits.hpp"

namespace tt::dnn {
namespace {

struct Plan {
  RngAlgorithm algorithm;
  int64_t state_words;  // of 64 bits
  int64_t element;      // bytes
  int64_t elements;
  int64_t counters;  // drawn in all
  // ThreeFry's 32-bit layout: a counter yields two neighbours along one dimension.
  int64_t pairs;  // counters along that dimension
  int64_t extent;
  int64_t inner;
};

struct Args {
  const Plan* plan;
  WorkRange counters;
};

struct State {
  uint64_t key = 0, low = 0, high = 0;
};

State read_state(const Plan& plan, const std::byte* data) {
  uint64_t words[3] = {};
  std::memcpy(words, data, static_cast<size_t>(plan.state_words) * 8);
  // With two words XLA's Philox takes the key for the counter's upper half, too.
  return {words[0], words[1], plan.state_words >= 3 ? words[2] : words[0]};
}

void write_state(const Plan& plan, State state, std::byte* data) {
  const auto drawn = static_cast<uint64_t>(plan.counters);
  state.low += drawn;
  if (state.low < drawn) ++state.high;
  const uint64_t words[3] = {state.key, state.low, state.high};
  std::memcpy(data, words, static_cast<size_t>(plan.state_words) * 8);
}

// Two 32-bit words of one counter are neighbours along the split dimension; narrower elements keep the low bits.
template <class T>
void store_pairs(const Plan& plan, int64_t first, int64_t count, const std::array<std::array<uint32_t, kRandomLanes>, 2>& words, T* out) {
  int64_t inner_at = first % plan.inner, pair = first / plan.inner % plan.pairs, outer = first / plan.inner / plan.pairs;
  for (int64_t i = 0; i < count;) {
    const int64_t run = std::min(plan.inner - inner_at, count - i);
    T* row = out + (outer * plan.extent + 2 * pair) * plan.inner + inner_at;
    for (int64_t j = 0; j < run; ++j) row[j] = static_cast<T>(words[0][static_cast<size_t>(i + j)]);
    if (2 * pair + 1 < plan.extent) {
      for (int64_t j = 0; j < run; ++j) row[plan.inner + j] = static_cast<T>(words[1][static_cast<size_t>(i + j)]);
    }
    i += run;
    inner_at = 0;
    if (++pair == plan.pairs) {
      pair = 0;
      ++outer;
    }
  }
}

template <class T>
void draw_threefry(const Plan& plan, const State& state, WorkRange range, T* out) {
  std::array<std::array<uint32_t, kRandomLanes>, 2> words;
  for (int64_t at = range.first; at < range.first + range.count; at += kRandomLanes) {
    const int64_t count = std::min<int64_t>(kRandomLanes, range.first + range.count - at);
    threefry2x32(state.key, state.low + static_cast<uint64_t>(at), words);
    if constexpr (sizeof(T) == 8) {
      for (int64_t i = 0; i < count; ++i) {
        const auto lane = static_cast<size_t>(i);
        out[at + i] = words[0][lane] | static_cast<uint64_t>(words[1][lane]) << 32;
      }
    } else {
      store_pairs(plan, at, count, words, out);
    }
  }
}

template <class T>
void draw_philox(const Plan& plan, const State& state, WorkRange range, T* out) {
  constexpr int64_t kPerCounter = sizeof(T) == 8 ? 2 : 4;
  std::array<std::array<uint32_t, kRandomLanes>, 4> words;
  for (int64_t at = range.first; at < range.first + range.count; at += kRandomLanes) {
    const int64_t count = std::min<int64_t>(kRandomLanes, range.first + range.count - at);
    const uint64_t low = state.low + static_cast<uint64_t>(at);
    philox4x32(state.key, low, state.high + (low < state.low ? 1 : 0), words);
    for (int64_t i = 0; i < count; ++i) {
      const auto lane = static_cast<size_t>(i);
      const int64_t first = (at + i) * kPerCounter;
      for (int64_t w = 0; w < std::min(kPerCounter, plan.elements - first); ++w) {
        const auto word = static_cast<size_t>(w);
        if constexpr (sizeof(T) == 8) {
          out[first + w] = words[2 * word][lane] | static_cast<uint64_t>(words[2 * word + 1][lane]) << 32;
        } else {
          out[first + w] = static_cast<T>(words[word][lane]);
        }
      }
    }
  }
}

template <class T>
void draw(const Plan& plan, const State& state, WorkRange range, std::byte* out) {
  if (plan.algorithm == RngAlgorithm::kThreeFry) {
    draw_threefry(plan, state, range, reinterpret_cast<T*>(out));
  } else {
    draw_philox(plan, state, range, reinterpret_cast<T*>(out));
  }
}

void draw(const Plan& plan, const State& state, WorkRange range, std::byte* out) {
  switch (plan.element) {
    case 1: return draw<uint8_t>(plan, state, range, out);
    case 2: return draw<uint16_t>(plan, state, range, out);
    case 4: return draw<uint32_t>(plan, state, range, out);
    default: return draw<uint64_t>(plan, state, range, out);
  }
}

Kernel rng_kernel(Dataflow k, Args a) {
  const Plan& plan = *a.plan;
  constexpr int64_t kThreeFryCycles = 130, kPhiloxCycles = 150;  // per counter: rounds of adds, shifts, multiplies
  const int64_t per_counter = plan.counters == 0 ? 0 : div_up(plan.elements, plan.counters);
  const int64_t cycles = plan.algorithm == RngAlgorithm::kThreeFry ? kThreeFryCycles : kPhiloxCycles;
  k.charge({.from = 0, .read_bytes = 8 * plan.state_words});
  k.charge({.to = 2,
            .write_bytes = a.counters.count * per_counter * plan.element,
            .riscv_cycles = static_cast<uint64_t>(a.counters.count * cycles)});
  if (k.values()) {
    const State state = read_state(plan, k.dram(0));
    draw(plan, state, a.counters, k.dram(2));
    if (a.counters.first == 0) write_state(plan, state, k.dram(1));
  }
  co_await k.noc_async_write_barrier();
}

// XLA halves the first even dimension, else the longest.
void choose_layout(const Dims& dims, Plan& plan) {
  plan.pairs = plan.extent = plan.inner = 1;
  if (dims.empty()) return;
  auto split = std::find_if(dims.begin(), dims.end(), [](int64_t size) { return size % 2 == 0; });
  if (split == dims.end()) split = std::max_element(dims.begin(), dims.end());
  plan.extent = *split;
  plan.pairs = div_up(plan.extent, 2);
  plan.inner = volume(std::span(dims).subspan(static_cast<size_t>(split - dims.begin()) + 1));
}

}  // namespace

Program rng_bit_generator(const RngSpec& spec, const ChipSpec& chip) {
  require(spec.state_dims.size() == 1 && (spec.state_type == DataType::kU64 || spec.state_type == DataType::kU32), "[", spec.name,
          "] state is ", name(spec.state_type), Text(spec.state_dims), ", expected a vector of ui64 or ui32");
  Plan plan{};
  plan.algorithm = spec.algorithm == RngAlgorithm::kThreeFry ? RngAlgorithm::kThreeFry : RngAlgorithm::kPhilox;
  const int64_t state_bytes = spec.state_dims[0] * size_of(spec.state_type);
  plan.state_words = state_bytes / 8;
  const bool fits = state_bytes == 16 || (state_bytes == 24 && plan.algorithm == RngAlgorithm::kPhilox);
  require(fits, "[", spec.name, "] state of ", state_bytes, " bytes, expected 16, or 24 for Philox");
  require(!is_complex(spec.type) && size_of(spec.type) >= 1 && size_of(spec.type) <= 8, "[", spec.name, "] draws ", name(spec.type),
          ", expected a type of 8, 16, 32 or 64 bits");
  plan.element = size_of(spec.type);
  plan.elements = volume(spec.dims);
  choose_layout(spec.dims, plan);
  if (plan.algorithm == RngAlgorithm::kPhilox) {
    plan.counters = plan.element == 8 ? div_up(plan.elements, 2) : div_up(plan.elements, 4);
  } else if (plan.element == 8) {
    plan.counters = plan.elements;
  } else {
    plan.counters = plan.elements == 0 ? 0 : plan.elements / plan.extent * plan.pairs;
  }

  Program program(spec.name);
  program.add_input("state", state_bytes);
  program.add_output("new_state", state_bytes);
  program.add_output("bits", plan.elements * plan.element);
  program.add_note(cat(plan.algorithm == RngAlgorithm::kThreeFry ? "threefry2x32" : "philox4x32", ": ", plan.counters, " counters -> ",
                       name(spec.type), to_string(spec.dims)));
  const std::vector<WorkRange> ranges = split_work(plan.counters, 1024, num_compute_cores(chip));
  const Plan* kept = program.keep(plan);
  std::vector<Args> args;
  for (const WorkRange& range : ranges) args.push_back({kept, range});
  program.set_cores(metal::first_cores(chip, ranges.size()));
  program.add_kernel<Dataflow, Args>(Role::kWriter, "rng_bit_generator", rng_kernel, args, "draws from a range of counters");
  program.validate(chip);
  return program;
}

}  // namespace tt::dnn
