// One data-movement kernel: each core sorts a range of rows.
#include "dnn/sort.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <memory>

#include "base/error.hpp"
#include "dnn/sort_rows.hpp"
#include "dnn/text.hpp"

namespace tt::dnn {
namespace {

struct Plan {
  struct Operand {
    DataType type;
    Slot from, to;  // kNoSlot: its position; unread
  };
  std::vector<Operand> operands;
  TileChain comparator;
  std::optional<KeyOrder> keys;
  int64_t n;      // elements of a row
  int64_t first;  // of which so many are wanted
  int64_t inner;  // rows that interleave: elements of a row are this far apart
  bool selects;   // the wanted ones are found without sorting the others
  size_t num_slots = 0;
  int64_t row_start(int64_t row, int64_t length) const { return row / inner * inner * length + row % inner; }
};

struct Args {
  const Plan* plan;
  WorkRange rows;
};

constexpr int64_t kNetworkBatch = 65536;  // elements whose rows go through the network together

class RowSorter {
 public:
  RowSorter(std::byte* const* slots, emulator::HostThread& host, const Plan& plan) : slots_(slots), host_(host), plan_(plan) {}

  void run(WorkRange rows) {
    const Plan::Operand& only = plan_.operands[0];
    const bool alone = plan_.keys && plan_.operands.size() == 1 && plan_.inner == 1 && plan_.keys->size() == 1 && plan_.first == plan_.n;
    const int64_t batch = plan_.keys ? 1 : std::max<int64_t>(1, kNetworkBatch / plan_.n);
    const int64_t length = plan_.selects ? plan_.first : plan_.n;
    if (!alone) order_ = std::make_unique_for_overwrite<uint32_t[]>(static_cast<size_t>(std::min(batch, rows.count) * length));
    for (int64_t row = rows.first; row < rows.first + rows.count; row += batch) {
      const int64_t count = std::min(batch, rows.first + rows.count - row);
      if (alone) {
        const int64_t offset = plan_.row_start(row, plan_.n) * size_of(only.type);
        radix_sort((*plan_.keys)[0], only.type, slots_[only.from] + offset, plan_.n, slots_[only.to] + offset, host_.staging);
      } else {
        sort_together(row, count);
      }
    }
  }

 private:
  std::vector<RowView> views(int64_t row) const {
    std::vector<RowView> out;
    for (const Plan::Operand& operand : plan_.operands) {
      const bool there = operand.from != kNoSlot;
      out.push_back(
          {operand.type, there ? slots_[operand.from] + plan_.row_start(row, plan_.n) * size_of(operand.type) : nullptr, plan_.inner});
    }
    return out;
  }

  void sort_together(int64_t first, int64_t count) {
    std::vector<std::vector<RowView>> rows;
    for (int64_t r = 0; r < count; ++r) rows.push_back(views(first + r));
    if (plan_.selects) {
      const SortKey& key = (*plan_.keys)[0];
      select_order(key, rows[0][key.operand], plan_.n, plan_.first, order_.get());
    } else if (plan_.keys) {
      radix_order(*plan_.keys, rows[0], plan_.n, order_.get(), host_.staging);
    } else {
      NetworkSorter(plan_.comparator, host_).run(rows, plan_.n, order_.get());
    }
    for (int64_t r = 0; r < count; ++r) {
      const uint32_t* order = order_.get() + r * plan_.n;
      for (size_t i = 0; i < plan_.operands.size(); ++i) {
        const auto [type, from, to] = plan_.operands[i];
        if (to == kNoSlot) continue;
        std::byte* out = slots_[to] + plan_.row_start(first + r, plan_.first) * size_of(type);
        if (from == kNoSlot) {
          write_order(type, order, plan_.first, out, plan_.inner);
        } else {
          permute_row(rows[static_cast<size_t>(r)][i], order, plan_.first, out, plan_.inner);
        }
      }
    }
  }

  std::byte* const* slots_;
  emulator::HostThread& host_;
  const Plan& plan_;
  std::unique_ptr<uint32_t[]> order_;
};

// Passes over a core's elements, and cycles per element and pass.
struct Cost {
  int64_t passes;
  double cycles;
};

Cost cost_of(const Plan& plan) {
  constexpr double kRadixStep = 20;   // load, digit, count, store
  constexpr double kCompareStep = 8;  // load, encode, compare
  if (plan.selects) {                 // each is compared with the last one kept; of those that are kept for a while, the best ones stay
    const double kept = static_cast<double>(plan.first) * std::log2(static_cast<double>(plan.n) / static_cast<double>(plan.first));
    return {1, kCompareStep + 2 * kRadixStep * kept / static_cast<double>(plan.n)};
  }
  if (plan.keys) {
    int64_t passes = 0;
    for (const SortKey& key : *plan.keys) passes += 1 + size_of(plan.operands[key.operand].type);
    return {passes, kRadixStep};
  }
  const auto levels = static_cast<int64_t>(std::bit_width(static_cast<uint64_t>(plan.n)));
  double cycles = 8;
  for (const emulator::TileOp& op : plan.comparator.program().ops) cycles += emulator::info(op.code).riscv_cycles;
  return {levels * (levels + 1) / 2, cycles};
}

Kernel sort_kernel(Dataflow k, Args a) {
  const Plan& plan = *a.plan;
  const int64_t elements = a.rows.count * plan.n;
  const Cost cost = cost_of(plan);
  constexpr int64_t kRowInL1 = 65536;  // elements: longer rows go to DRAM and back in every pass
  const int64_t trips = plan.n > kRowInL1 ? cost.passes : 1;
  const int64_t wanted = a.rows.count * plan.first;
  for (size_t i = 0; i < plan.operands.size(); ++i) {
    const auto [type, from, to] = plan.operands[i];
    const bool whole = !plan.selects || (*plan.keys)[0].operand == i;  // of the others, only what is wanted is brought
    const int64_t back_and_forth = elements * (trips - 1);
    k.charge({.from = from,
              .to = to,
              .read_bytes = from == kNoSlot ? 0 : ((whole ? elements : wanted) + back_and_forth) * size_of(type),
              .write_bytes = to == kNoSlot ? 0 : (wanted + back_and_forth) * size_of(type),
              .transactions = plan.inner == 1 && whole ? 1
                              : whole                  ? elements
                                                       : wanted});
  }
  k.charge({.riscv_cycles = static_cast<uint64_t>(static_cast<double>(elements * cost.passes) * cost.cycles)});
  if (k.values() && elements > 0) {
    k.perform_on_dram(plan.num_slots,
                      [a](std::byte* const* slots, emulator::HostThread& host) { RowSorter(slots, host, *a.plan).run(a.rows); });
  }
  co_await k.noc_async_write_barrier();
}

bool is_set(const std::vector<bool>& flags, size_t i) { return i < flags.size() && flags[i]; }

constexpr int64_t kSelectFrom = 4;  // where fewer than one element in four is wanted, the others are not sorted

}  // namespace

Program sort(const SortSpec& spec, const ChipSpec& chip) {
  const size_t k = spec.types.size();
  require(k > 0 && spec.comparator.inputs.size() == 2 * k && spec.comparator.outputs.size() == 1, "[", spec.name, "] of ", k,
          " operands has a comparator of ", spec.comparator.inputs.size(), " elements, expected ", 2 * k);
  require(spec.dimension >= 0 && spec.dimension < static_cast<int64_t>(spec.dims.size()), "[", spec.name, "] dimension ", spec.dimension,
          " is not a dimension of ", Text(spec.dims));
  const auto d = static_cast<size_t>(spec.dimension);
  require(spec.dims[d] <= std::numeric_limits<uint32_t>::max(), "[", spec.name, "] rows of ", spec.dims[d],
          " elements, expected at most 2^32 - 1");
  Plan plan{{},           TileChain(spec.comparator),        recognise_comparator(spec.comparator),
            spec.dims[d], spec.first.value_or(spec.dims[d]), volume(std::span(spec.dims).subspan(d + 1)),
            false};
  require(plan.first >= 0 && plan.first <= plan.n, "[", spec.name, "] the first ", plan.first, " elements of rows of ", plan.n);
  plan.selects = plan.keys && plan.keys->size() == 1 && kSelectFrom * plan.first <= plan.n;
  const int64_t rows = plan.first == 0 ? 0 : volume(spec.dims) / plan.n;

  Program program(spec.name);
  Slot slots = 0;
  for (size_t i = 0; i < k; ++i) {
    const bool is_position = is_set(spec.positions, i);
    check(!is_position || (plan.keys && !is_key(*plan.keys, i)), "[sort] operand ", i, " is a key of the order and no position");
    plan.operands.push_back({spec.types[i], is_position ? kNoSlot : slots++, kNoSlot});
    if (!is_position) program.add_input(cat("in", i), volume(spec.dims) * size_of(spec.types[i]));
  }
  for (size_t i = 0; i < k; ++i) {
    if (is_set(spec.unread, i)) continue;
    plan.operands[i].to = slots++;
    program.add_output(cat("out", i), rows * plan.first * size_of(spec.types[i]));
  }
  plan.num_slots = slots;
  const std::string wanted = plan.first < plan.n ? cat("the first ", plan.first, " of ") : "";
  const std::string how = !plan.keys     ? "by a network of comparators:"
                          : plan.selects ? "by selection: " + describe(*plan.keys)
                                         : "by radix: " + describe(*plan.keys);
  program.add_note(cat(wanted, rows, " rows of ", plan.n, " elements, ", how));
  if (!plan.keys) {
    for (const std::string& line : lines(emulator::to_string(spec.comparator))) program.add_note(line);
  }
  constexpr int64_t kMinElements = 1024;  // per core
  const int64_t min_rows = div_up(kMinElements, std::max<int64_t>(plan.n, 1));
  const std::vector<WorkRange> ranges = split_work(rows, min_rows, num_compute_cores(chip));
  const Plan* kept = program.keep(std::move(plan));
  std::vector<Args> args;
  for (const WorkRange& range : ranges) args.push_back({kept, range});
  program.set_cores(metal::first_cores(chip, ranges.size()));
  program.add_kernel<Dataflow, Args>(Role::kReader, "sort", sort_kernel, args, "sorts a range of rows");
  program.set_repeatable();
  program.validate(chip);
  return program;
}

}  // namespace tt::dnn
