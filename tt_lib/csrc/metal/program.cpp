// Building, validating and listing programs.
#include "metal/program.hpp"

#include <algorithm>
#include <numeric>

#include "base/error.hpp"

namespace tt::metal {

Slot Program::add_input(std::string name, int64_t bytes) {
  slots_.push_back({std::move(name), bytes, false});
  slot_bytes_ += bytes;
  return static_cast<Slot>(slots_.size() - 1);
}

Slot Program::add_output(std::string name, int64_t bytes) {
  slots_.push_back({std::move(name), bytes, true});
  slot_bytes_ += bytes;
  return static_cast<Slot>(slots_.size() - 1);
}

Cb Program::add_circular_buffer(uint32_t num_pages, uint32_t page_size, std::string content) {
  const auto aligned = static_cast<uint32_t>(round_up(page_size, 64));
  const int64_t offset = l1_bytes();
  const auto id = static_cast<Cb>(circular_buffers_.size());
  circular_buffers_.push_back({id, num_pages, aligned, std::move(content)});
  cb_specs_.push_back({id, num_pages, aligned, offset});
  return id;
}

uint8_t Program::add_semaphore(uint32_t initial) {
  semaphores_.push_back(initial);
  return static_cast<uint8_t>(semaphores_.size() - 1);
}

void Program::set_cores(std::vector<CoreCoord> cores) {
  cores_ = std::move(cores);
  senders_.clear();
  receivers_.resize(cores_.size());
  std::iota(receivers_.begin(), receivers_.end(), size_t{0});
}

void Program::set_receivers(std::span<const CoreCoord> cores) {
  receivers_.clear();
  senders_.clear();
  for (size_t i = 0; i < cores_.size(); ++i) {
    (std::find(cores.begin(), cores.end(), cores_[i]) != cores.end() ? receivers_ : senders_).push_back(i);
  }
}

void Program::set_bytes_between_hosts(int64_t bytes) {
  bytes_between_hosts_ = bytes;
  if (bytes > 0) add_note(cat(bytes, " bytes between hosts"));
}

int64_t Program::l1_bytes() const {
  if (cb_specs_.empty()) return 0;
  const emulator::CircularBufferSpec& last = cb_specs_.back();
  return last.l1_offset + static_cast<int64_t>(last.num_pages) * last.page_size;
}

void Program::check_l1(const emulator::ChipSpec& chip, int64_t in_use) const {
  if (l1_bytes() + in_use <= chip.l1_usable) return;
  const std::string beside = in_use == 0 ? "" : cat(" beside ", in_use, " of buffers that lie there");
  fail(ErrorCategory::kUndefinedBehavior, "[", name_, "] circular buffers take ", l1_bytes(), " bytes of L1", beside, ", a core has ",
       chip.l1_usable, "; use fewer or smaller pages", in_use == 0 ? "" : " or keep the buffers in DRAM");
}

void Program::validate(const emulator::ChipSpec& chip) const {
  auto undefined = [&](const auto&... parts) { fail(ErrorCategory::kUndefinedBehavior, "[", name_, "] ", parts...); };
  if (cores_.empty()) undefined("no core runs the program");
  if (circular_buffers_.size() > static_cast<size_t>(chip.num_circular_buffers)) {
    undefined(circular_buffers_.size(), " circular buffers, the core has ", chip.num_circular_buffers);
  }
  if (semaphores_.size() > static_cast<size_t>(chip.num_semaphores))
    undefined(semaphores_.size(), " semaphores, the core has ", chip.num_semaphores);
  check_l1(chip, 0);
  for (const CircularBufferConfig& cb : circular_buffers_) {
    if (cb.num_pages == 0 || cb.page_size == 0) undefined("CB ", int{cb.id}, " has no room");
  }
  for (CoreCoord core : cores_) {
    if (core.x >= chip.compute_grid.x || core.y >= chip.compute_grid.y) {
      undefined("kernel on core (", core.x, ",", core.y, "), which is a storage or dispatch core or does not exist: the compute grid of ",
                chip.name, " is ", chip.compute_grid.x, "x", chip.compute_grid.y);
    }
  }
  std::vector<CoreCoord> sorted = cores_;
  std::sort(sorted.begin(), sorted.end());
  if (std::adjacent_find(sorted.begin(), sorted.end()) != sorted.end()) undefined("a core is listed twice");
  std::array<int, 3> per_role{};
  for (const KernelGroup& kernel : kernels_) {
    if (++per_role[static_cast<size_t>(kernel.role)] > 1) undefined("two ", emulator::name(kernel.role), " kernels on one core");
    if (kernel.computes != (kernel.role == Role::kCompute)) {
      undefined("kernel \"", kernel.name, "\" is a ", emulator::name(kernel.role), ", but takes a ",
                kernel.computes ? "Compute" : "Dataflow");
    }
    if (kernel.arguments != 1 && kernel.arguments != cores_.size()) {
      undefined("kernel \"", kernel.name, "\" has arguments for ", kernel.arguments, " cores, expected ", cores_.size(), ", or 1 for all");
    }
  }
}

double Program::host_seconds() const {
  constexpr double kBytesPerSecond = 30e9, kFlopsPerSecond = 100e9, kLaunch = 1e-6, kCore = 0.5e-6;
  return kLaunch + kCore * static_cast<double>(cores_.size()) + flops / kFlopsPerSecond +
         static_cast<double>(slot_bytes_) / kBytesPerSecond;
}

emulator::LaunchPlan Program::plan() const {
  emulator::LaunchPlan plan;
  plan.cores = cores_;
  plan.circular_buffers = cb_specs_;
  plan.semaphores = semaphores_;
  plan.cores_communicate = !semaphores_.empty();
  plan.receivers = receivers_;
  plan.senders = senders_;
  plan.host_seconds = host_seconds();
  plan.name = name_;
  plan.l1_bytes = l1_bytes();
  plan.takes_neighbours = std::all_of(kernels_.begin(), kernels_.end(),
                                      [this](const KernelGroup& kernel) { return kernel.joins && kernel.arguments == cores_.size(); });
  plan.recordings = repeatable_ ? &recordings_ : nullptr;
  plan.start = [this](emulator::Core& core, size_t first, size_t last) {
    for (const KernelGroup& group : kernels_) {
      emulator::KernelState& state = core.kernels[static_cast<size_t>(core.num_kernels)];
      state = {};
      state.core = &core;
      state.name = group.name;
      state.role = group.role;
      group.start(state, first, last);
      ++core.num_kernels;
    }
  };
  return plan;
}

Program Program::without_runs() const {
  Program copy = *this;
  copy.runs_ = 0;
  return copy;
}

std::string Program::text() const {
  std::string out = cat("program ", name_, " on ");
  out += host_function_   ? "the host"
         : link_function_ ? "the links between cards"
                          : cat(cores_.size(), cores_.size() == 1 ? " core" : " cores");
  if (!cores_.empty()) {
    CoreCoord low = cores_.front(), high = cores_.front();
    for (CoreCoord c : cores_) {
      low = {std::min(low.x, c.x), std::min(low.y, c.y)};
      high = {std::max(high.x, c.x), std::max(high.y, c.y)};
    }
    out += cat(" (", low.x, ",", low.y, ")..(", high.x, ",", high.y, ")");
  }
  out += !runs_on_cores() ? "\n" : cat(", L1 ", l1_bytes(), " bytes\n");
  for (size_t i = 0; i < slots_.size(); ++i) {
    out += cat("  slot ", i, " ", slots_[i].is_output ? "out " : "in  ", slots_[i].name, ": ", slots_[i].bytes, " bytes\n");
  }
  for (const CircularBufferConfig& cb : circular_buffers_) {
    out += cat("  cb ", int{cb.id}, " ", cb.content, ": ", cb.num_pages, " pages of ", cb.page_size, "\n");
  }
  for (const KernelGroup& kernel : kernels_) {
    out += cat("  ", emulator::name(kernel.role), " ", kernel.name, kernel.description.empty() ? "" : ": ", kernel.description, "\n");
  }
  for (const std::string& note : notes_) out += "    " + note + "\n";
  return out;
}

std::vector<CoreCoord> first_cores(const emulator::ChipSpec& chip, size_t n) {
  std::vector<CoreCoord> cores;
  for (uint16_t y = 0; y < chip.compute_grid.y && cores.size() < n; ++y) {
    for (uint16_t x = 0; x < chip.compute_grid.x && cores.size() < n; ++x) cores.push_back({x, y});
  }
  return cores;
}

}  // namespace tt::metal
