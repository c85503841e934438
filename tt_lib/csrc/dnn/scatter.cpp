// One data-movement kernel: each core owns a range of one operand dimension, copies it, and applies the updates that fall into it.
#include "dnn/scatter.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>

#include "base/error.hpp"
#include "dnn/index_values.hpp"
#include "dnn/scatter_apply.hpp"
#include "dnn/text.hpp"
#include "emulator/select.hpp"

namespace tt::dnn {
namespace {

constexpr size_t kNone = static_cast<size_t>(-1);

struct Plan {
  std::vector<DataType> types;
  TileChain region;
  Combine combine;
  Dims operand_dims;
  IndexVectors indices;
  Dims batch_dims;
  Dims update_strides;  // of each batch dimension
  Dims target_strides;  // operand stride of each batch dimension: not 0 where it is an input batching dimension
  struct Component {
    int64_t stride;
    int64_t limit;  // last valid start
  };
  std::vector<Component> components;
  std::vector<WindowDim> window;             // one per operand dimension; from: updates, to: operand
  size_t split;                              // the operand dimension that is split over the cores
  size_t split_component = kNone;            // the index component that says where a window starts in it, or
  Dims split_batch;                          // strides that yield the start from the batch position (all 0: it starts at 0)
  std::vector<WindowDim> whole_window = {};  // coalesced

  Slot operand(size_t i) const { return static_cast<Slot>(i); }
  Slot index_slot() const { return static_cast<Slot>(types.size()); }
  Slot update(size_t i) const { return static_cast<Slot>(types.size() + 1 + i); }
  Slot result(size_t i) const { return static_cast<Slot>(2 * types.size() + 1 + i); }
  size_t num_slots() const { return 3 * types.size() + 1; }
};

struct Args {
  const Plan* plan;
  WorkRange range;  // of the split dimension
};

using Slots = std::byte* const*;  // their memory

void copy_range(Slots slots, const Plan& plan, WorkRange range) {
  const int64_t extent = plan.operand_dims[plan.split], inner = plan.window[plan.split].to;
  const int64_t outer = extent == 0 ? 0 : volume(plan.operand_dims) / (extent * std::max<int64_t>(inner, 1));
  for (size_t i = 0; i < plan.types.size(); ++i) {
    const std::byte* source = slots[plan.operand(i)];
    std::byte* target = slots[plan.result(i)];
    if (source == target) continue;
    const int64_t row = inner * size_of(plan.types[i]);
    for (int64_t o = 0; o < outer; ++o) {
      const int64_t at = (o * extent + range.first) * row;
      std::memcpy(target + at, source + at, static_cast<size_t>(range.count * row));
    }
  }
}

// Windows clipped to the core's range, coalesced; kept while the clip stays the same.
struct ClippedWindow {
  int64_t low = 0, high = -1;
  std::vector<WindowDim> dims;

  void clip(const Plan& plan, int64_t new_low, int64_t new_high) {
    if (low == new_low && high == new_high) return;
    low = new_low;
    high = new_high;
    dims = plan.window;
    dims[plan.split].size = high - low;
    dims = coalesce(dims);
  }
};

class RangeUpdater {
 public:
  RangeUpdater(const Plan& plan, WorkRange range, const std::byte* indices, UpdateApplier& applier)
      : plan_(plan),
        range_(range),
        indices_(indices),
        applier_(applier),
        update_(plan.batch_dims, plan.update_strides),
        target_(plan.batch_dims, plan.target_strides) {
    first_start_ = std::max<int64_t>(range.first - plan.window[plan.split].size + 1, 0);
    end_start_ = range.first + range.count;
    if (plan.split_component != kNone) end_start_ = std::min(end_start_, plan.components[plan.split_component].limit + 1);
  }

  void run() {
    const int64_t total = volume(plan_.batch_dims);
    const bool plain = plan_.split_component != kNone && plan_.components.size() == 1 && plan_.window[plan_.split].size == 1 &&
                       plan_.batch_dims.size() <= 1 && plan_.target_strides == Dims(plan_.batch_dims.size(), 0);
    for (int64_t first = 0; first < total; first += kIndexBatch) {
      const int64_t batch = std::min(kIndexBatch, total - first);
      if (plain) {
        place_plain(first, batch);
        if (count_ > static_cast<size_t>(kIndexBatch) || first + batch == total) apply_plain();
        continue;
      }
      count_ = select(first, batch);
      if (count_ == 0) continue;
      resolve(first, batch);
      apply();
    }
  }

 private:
  using Values = std::array<int64_t, kIndexBatch>;

  // Windows that one index places, as a whole on this core or not: those of some batches are applied together.
  void place_plain(int64_t first, int64_t batch) {
    const DataType type = plan_.indices.type;
    const std::byte* starts = indices_ + first * size_of(type);
    const int64_t step = plan_.batch_dims.empty() ? 0 : plan_.update_strides[0];
    const size_t found = emulator::select_positions(type, starts, static_cast<size_t>(batch), first_start_, end_start_, positions_.data());
    place_windows(type, starts, positions_.data(), found, {first * step, 0}, {step, plan_.components[0].stride}, offsets_.data() + count_);
    count_ += found;
  }

  void apply_plain() {
    clipped_.clip(plan_, 0, 1);
    applier_.apply(clipped_.dims, {offsets_.data(), count_});
    count_ = 0;
  }

  // The windows of a batch that touch the range: their positions, and where they start in the split dimension.
  size_t select(int64_t first, int64_t batch) {
    if (plan_.split_component == kNone) {
      strided_offsets(plan_.batch_dims, plan_.split_batch, first, batch, values_.data());
    } else {
      load(plan_.split_component, first, batch);
    }
    const size_t found = emulator::select_positions(DataType::kS64, reinterpret_cast<const std::byte*>(values_.data()),
                                                    static_cast<size_t>(batch), first_start_, end_start_, positions_.data());
    for (size_t i = 0; i < found; ++i) start_[i] = values_[positions_[i]];
    return found;
  }

  // All values of a component.
  void load(size_t component, int64_t first, int64_t batch) {
    plan_.indices.for_each_run(indices_, static_cast<int64_t>(component), first, batch,
                               [&](const std::byte* values, int64_t step, int64_t i, int64_t n) {
                                 widen_values(plan_.indices.type, values, step, static_cast<size_t>(n), values_.data() + i);
                               });
  }

  // Offsets of the selected windows; those that do not lie inside the operand are dropped.
  void resolve(int64_t first, int64_t batch) {
    update_.start_at(first, batch);
    target_.start_at(first, batch);
    const int64_t stride = plan_.split_component == kNone ? 0 : plan_.components[plan_.split_component].stride;
    for (size_t i = 0; i < count_; ++i) offsets_[i] = {update_[positions_[i]], target_[positions_[i]] + start_[i] * stride};
    for (size_t c = 0; c < plan_.components.size(); ++c) {
      if (c == plan_.split_component) continue;
      const auto [component_stride, limit] = plan_.components[c];
      load(c, first, batch);
      size_t kept = 0;
      for (size_t i = 0; i < count_; ++i) {
        const int64_t value = values_[positions_[i]];
        if (value < 0 || value > limit) continue;
        offsets_[kept] = {offsets_[i].update, offsets_[i].target + value * component_stride};
        start_[kept] = start_[i];
        positions_[kept++] = positions_[i];
      }
      count_ = kept;
    }
  }

  // Neighbours with the same clip go to the applier together.
  void apply() {
    const WindowDim& split = plan_.window[plan_.split];
    size_t done = 0;
    for (size_t i = 0; i < count_; ++i) {
      const int64_t low = std::max<int64_t>(range_.first - start_[i], 0);
      const int64_t high = std::min(range_.first + range_.count - start_[i], split.size);
      if (low != clipped_.low || high != clipped_.high) {
        applier_.apply(clipped_.dims, {offsets_.data() + done, i - done});
        done = i;
        clipped_.clip(plan_, low, high);
      }
      offsets_[i].update += low * split.from;
      offsets_[i].target += low * split.to;
    }
    applier_.apply(clipped_.dims, {offsets_.data() + done, count_ - done});
  }

  const Plan& plan_;
  WorkRange range_;
  const std::byte* indices_;
  UpdateApplier& applier_;
  BatchOffsets update_, target_;
  int64_t first_start_, end_start_;  // of the windows that touch the range
  ClippedWindow clipped_;
  size_t count_ = 0;
  Values start_, values_;
  std::array<uint32_t, kIndexBatch + emulator::kSelectPadding> positions_;
  std::array<WindowOffsets, 2 * kIndexBatch> offsets_;
};

// The only window of all, on the only core: none where it does not lie inside the operand.
std::optional<WindowOffsets> place_one(const Plan& plan, const std::byte* indices) {
  WindowOffsets offsets{0, 0};
  const int64_t element = size_of(plan.indices.type);  // of the one vector, whose components lie side by side
  for (size_t c = 0; c < plan.components.size(); ++c) {
    const int64_t start = emulator::read_index(indices + static_cast<int64_t>(c) * element, plan.indices.type);
    if (start < 0 || start > plan.components[c].limit) return std::nullopt;
    offsets.target += start * plan.components[c].stride;
  }
  return offsets;
}

void update_range(Slots slots, const Plan& plan, WorkRange range, emulator::HostThread& host) {
  const Slots targets = slots + plan.result(0);
  const std::byte* const* const updates = slots + plan.update(0);
  const size_t count = plan.types.size();
  UpdateApplier applier(plan.region, plan.combine, plan.types, {targets, count}, {updates, count}, host);
  const std::byte* const indices = slots[plan.index_slot()];
  if (volume(plan.batch_dims) == 1 && range.count == plan.operand_dims[plan.split]) {
    const auto placed = place_one(plan, indices);
    if (placed) applier.apply(plan.whole_window, {&*placed, 1});
    return;
  }
  const auto updater = std::make_unique<RangeUpdater>(plan, range, indices, applier);
  updater->run();
}

double region_cycles(const TileChain& region) {
  double cycles = 2;  // load and store
  for (const emulator::TileOp& op : region.program().ops) cycles += emulator::info(op.code).riscv_cycles;
  return cycles;
}

Kernel scatter_kernel(Dataflow k, Args a) {
  const Plan& plan = *a.plan;
  const int64_t extent = std::max<int64_t>(plan.operand_dims[plan.split], 1);
  const int64_t vectors = volume(plan.batch_dims);
  const int64_t owned = volume(plan.operand_dims) / extent * a.range.count;
  const int64_t updated = vectors * window_elements(plan.window) * a.range.count / extent;
  const int64_t run = std::max<int64_t>(1, coalesce(plan.window).empty() ? 1 : coalesce(plan.window).back().size);
  k.charge({.from = plan.index_slot(),
            .read_bytes = vectors * plan.indices.components() * size_of(plan.indices.type),
            .riscv_cycles = static_cast<uint64_t>(vectors * (8 + 6 * plan.indices.components()))});
  for (size_t i = 0; i < plan.types.size(); ++i) {
    const Slot operand = plan.operand(i), update = plan.update(i), result = plan.result(i);
    const int64_t element = size_of(plan.types[i]);
    const int64_t rereads = plan.combine == Combine::kAssign ? 1 : 2;  // the update, and what it is combined with
    k.charge({.from = operand, .to = result, .read_bytes = owned * element, .write_bytes = owned * element});
    k.charge({.from = update,
              .to = result,
              .read_bytes = updated * element * rereads,
              .write_bytes = updated * element,
              .transactions = rereads * div_up(updated, run)});
  }
  k.charge({.riscv_cycles = static_cast<uint64_t>(static_cast<double>(updated) * region_cycles(plan.region))});
  if (k.values() && a.range.count > 0) {
    k.perform_on_dram(plan.num_slots(), [a](Slots slots, emulator::HostThread& host) {
      copy_range(slots, *a.plan, a.range);
      update_range(slots, *a.plan, a.range, host);
    });
  }
  co_await k.noc_async_write_barrier();
}

bool has(const Dims& dims, int64_t d) { return std::find(dims.begin(), dims.end(), d) != dims.end(); }

void validate(const ScatterSpec& spec) {
  const size_t k = spec.types.size();
  require(k > 0 && spec.region.inputs.size() == 2 * k && spec.region.outputs.size() == k, "[", spec.name, "] of ", k,
          " operands has a region from ", spec.region.inputs.size(), " to ", spec.region.outputs.size(), " elements, expected ", 2 * k,
          " to ", k);
  const IndexVectors vectors{spec.index_type, spec.indices_dims, spec.index_vector_dim};
  vectors.validate();
  require(vectors.components() == static_cast<int64_t>(spec.scatter_dims_to_operand_dims.size()), "[", spec.name, "] indices ",
          Text(spec.indices_dims), " have ", vectors.components(), " components, scatter_dims_to_operand_dims names ",
          spec.scatter_dims_to_operand_dims.size());
  require(spec.update_window_dims.size() + spec.inserted_window_dims.size() + spec.input_batching_dims.size() == spec.operand_dims.size(),
          "[", spec.name, "] window, inserted and batching dimensions do not add up to the operand's rank ", spec.operand_dims.size());
  require(spec.update_window_dims.size() + vectors.batch_dims().size() == spec.update_dims.size(), "[", spec.name, "] updates ",
          Text(spec.update_dims), " do not consist of ", spec.update_window_dims.size(), " window dimensions and indices ",
          Text(vectors.batch_dims()));
}

// The dimension that cores divide among themselves: the outermost one that is long enough, else the longest.
size_t choose_split(const Dims& dims, int64_t cores) {
  for (size_t d = 0; d < dims.size(); ++d) {
    if (dims[d] >= cores) return d;
  }
  return static_cast<size_t>(std::max_element(dims.begin(), dims.end()) - dims.begin());
}

// Every core reads all index vectors, so that more cores pay off only while copies and updates outweigh that.
int64_t choose_cores(const Plan& plan, const ChipSpec& chip) {
  constexpr int64_t kMinWork = 16384;  // elements
  const int64_t vectors = volume(plan.batch_dims);
  const int64_t work = static_cast<int64_t>(plan.types.size()) * (volume(plan.operand_dims) / 4 + vectors * window_elements(plan.window));
  const int64_t worth = std::max<int64_t>(2, work / std::max<int64_t>(2 * vectors, 1));
  return std::clamp<int64_t>(std::min(work / kMinWork, worth), 1, num_compute_cores(chip));
}

Plan make_plan(const ScatterSpec& spec, const ChipSpec& chip) {
  // A scalar operand gets a dimension that can be split.
  Plan plan{spec.types,
            TileChain(spec.region),
            recognise_combine(spec.region, spec.types),
            spec.operand_dims,
            {spec.index_type, spec.indices_dims, spec.index_vector_dim},
            {},
            {},
            {},
            {},
            {},
            0,
            kNone,
            {}};
  plan.batch_dims = plan.indices.batch_dims();
  const Dims operand_strides = row_major_strides(spec.operand_dims);
  const Dims update_strides = row_major_strides(spec.update_dims);
  size_t next_window = 0;
  for (size_t d = 0; d < spec.operand_dims.size(); ++d) {
    const auto dim = static_cast<int64_t>(d);
    const bool windowed = !has(spec.inserted_window_dims, dim) && !has(spec.input_batching_dims, dim);
    const size_t u = windowed ? static_cast<size_t>(spec.update_window_dims[next_window++]) : 0;
    plan.window.push_back({windowed ? spec.update_dims[u] : 1, windowed ? update_strides[u] : 0, operand_strides[d]});
    require(plan.window[d].size <= spec.operand_dims[d] || volume(plan.batch_dims) == 0 || !windowed, "[", spec.name,
            "] windows of updates ", Text(spec.update_dims), " exceed the operand ", Text(spec.operand_dims));
  }
  for (size_t d = 0; d < spec.update_dims.size(); ++d) {
    if (!has(spec.update_window_dims, static_cast<int64_t>(d))) plan.update_strides.push_back(update_strides[d]);
  }
  for (int64_t dim : spec.scatter_dims_to_operand_dims) {
    const auto d = static_cast<size_t>(dim);
    plan.components.push_back({operand_strides[d], spec.operand_dims[d] - plan.window[d].size});
  }
  if (plan.operand_dims.empty()) {
    plan.operand_dims = {1};
    plan.window = {{1, 0, 1}};
  }
  plan.split = choose_split(plan.operand_dims, choose_cores(plan, chip));
  const auto& map = spec.scatter_dims_to_operand_dims;
  const auto component = std::find(map.begin(), map.end(), static_cast<int64_t>(plan.split));
  if (component != map.end()) plan.split_component = static_cast<size_t>(component - map.begin());
  plan.target_strides.assign(plan.batch_dims.size(), 0);
  plan.split_batch.assign(plan.batch_dims.size(), 0);
  for (size_t i = 0; i < spec.input_batching_dims.size(); ++i) {
    int64_t dim = spec.scatter_indices_batching_dims[i];
    if (dim > spec.index_vector_dim) --dim;
    const auto d = static_cast<size_t>(spec.input_batching_dims[i]);
    plan.target_strides[static_cast<size_t>(dim)] = operand_strides[d];
    if (d == plan.split) plan.split_batch[static_cast<size_t>(dim)] = 1;
  }
  plan.whole_window = coalesce(plan.window);
  coalesce(plan.batch_dims, {&plan.update_strides, &plan.target_strides, &plan.split_batch});
  return plan;
}

}  // namespace

Program scatter(const ScatterSpec& spec, const ChipSpec& chip) {
  validate(spec);
  Plan plan = make_plan(spec, chip);
  Program program(spec.name);
  const auto bytes = [](const Dims& dims, DataType type) { return volume(dims) * size_of(type); };
  for (size_t i = 0; i < spec.types.size(); ++i) program.add_input(cat("operand", i), bytes(spec.operand_dims, spec.types[i]));
  program.add_input("indices", bytes(spec.indices_dims, spec.index_type));
  for (size_t i = 0; i < spec.types.size(); ++i) program.add_input(cat("updates", i), bytes(spec.update_dims, spec.types[i]));
  for (size_t i = 0; i < spec.types.size(); ++i) program.add_output(cat("result", i), bytes(spec.operand_dims, spec.types[i]));

  program.add_note(cat(name(plan.combine), " updates ", to_string(spec.update_dims), " at ", volume(plan.batch_dims), " index vectors ",
                       name(spec.index_type), to_string(spec.indices_dims), " into ", name(spec.types[0]), to_string(spec.operand_dims)));
  if (plan.combine == Combine::kRegion) {
    for (const std::string& line : lines(emulator::to_string(spec.region))) program.add_note(line);
  }
  program.flops = static_cast<double>(volume(spec.update_dims)) * static_cast<double>(spec.region.ops.size());
  const std::vector<WorkRange> ranges = split_work(plan.operand_dims[plan.split], 1, choose_cores(plan, chip));
  const Plan* kept = program.keep(std::move(plan));
  std::vector<Args> args;
  for (const WorkRange& range : ranges) args.push_back({kept, range});
  program.set_cores(metal::first_cores(chip, ranges.size()));
  program.add_kernel<Dataflow, Args>(Role::kReader, "scatter", scatter_kernel, args, cat("owns a range of dimension ", kept->split));
  program.set_repeatable();
  program.validate(chip);
  return program;
}

}  // namespace tt::dnn
