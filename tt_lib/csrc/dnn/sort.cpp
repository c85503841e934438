// One data-movement kernel: each core sorts a range of rows.
#include "dnn/sort.hpp"

#include <algorithm>
#include <bit>
#include <memory>

#include "base/error.hpp"
#include "dnn/sort_rows.hpp"
#include "dnn/text.hpp"

namespace tt::dnn {
namespace {

struct Plan {
  std::vector<DataType> types;
  TileChain comparator;
  std::optional<KeyOrder> keys;
  int64_t n;      // elements of a row
  int64_t inner;  // rows that interleave: elements of a row are this far apart
  int64_t row_start(int64_t row) const { return row / inner * inner * n + row % inner; }
};

struct Args {
  const Plan* plan;
  WorkRange rows;
};

constexpr int64_t kNetworkBatch = 65536;  // elements whose rows go through the network together

class RowSorter {
 public:
  RowSorter(Dataflow& k, const Plan& plan) : k_(k), plan_(plan) {}

  void run(WorkRange rows) {
    const bool alone = plan_.keys && plan_.types.size() == 1 && plan_.inner == 1 && plan_.keys->size() == 1;
    const int64_t batch = plan_.keys ? 1 : std::max<int64_t>(1, kNetworkBatch / plan_.n);
    if (!alone) order_ = std::make_unique_for_overwrite<uint32_t[]>(static_cast<size_t>(std::min(batch, rows.count) * plan_.n));
    for (int64_t row = rows.first; row < rows.first + rows.count; row += batch) {
      const int64_t count = std::min(batch, rows.first + rows.count - row);
      if (alone) {
        const int64_t offset = plan_.row_start(row) * size_of(plan_.types[0]);
        radix_sort((*plan_.keys)[0], plan_.types[0], k_.dram(0) + offset, plan_.n, k_.dram(1) + offset, k_.host().staging);
      } else {
        sort_together(row, count);
      }
    }
  }

 private:
  std::vector<RowView> views(int64_t row) const {
    std::vector<RowView> out;
    for (size_t i = 0; i < plan_.types.size(); ++i) {
      out.push_back({plan_.types[i], k_.dram(static_cast<Slot>(i)) + plan_.row_start(row) * size_of(plan_.types[i]), plan_.inner});
    }
    return out;
  }

  void sort_together(int64_t first, int64_t count) {
    std::vector<std::vector<RowView>> rows;
    for (int64_t r = 0; r < count; ++r) rows.push_back(views(first + r));
    if (plan_.keys) {
      radix_order(*plan_.keys, rows[0], plan_.n, order_.get(), k_.host().staging);
    } else {
      NetworkSorter(plan_.comparator, k_.host()).run(rows, plan_.n, order_.get());
    }
    for (int64_t r = 0; r < count; ++r) {
      for (size_t i = 0; i < plan_.types.size(); ++i) {
        std::byte* out = k_.dram(static_cast<Slot>(plan_.types.size() + i)) + plan_.row_start(first + r) * size_of(plan_.types[i]);
        permute_row(rows[static_cast<size_t>(r)][i], order_.get() + r * plan_.n, plan_.n, out, plan_.inner);
      }
    }
  }

  Dataflow& k_;
  const Plan& plan_;
  std::unique_ptr<uint32_t[]> order_;
};

// Passes over a core's elements, and cycles per element and pass.
struct Cost {
  int64_t passes;
  double cycles;
};

Cost cost_of(const Plan& plan) {
  constexpr double kRadixStep = 20;  // load, digit, count, store
  if (plan.keys) {
    int64_t passes = 0;
    for (const SortKey& key : *plan.keys) passes += 1 + size_of(plan.types[key.operand]);
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
  for (size_t i = 0; i < plan.types.size(); ++i) {
    const int64_t bytes = elements * size_of(plan.types[i]) * trips;
    const auto from = static_cast<Slot>(i), to = static_cast<Slot>(plan.types.size() + i);
    k.charge({.from = from, .to = to, .read_bytes = bytes, .write_bytes = bytes, .transactions = plan.inner == 1 ? 1 : elements});
  }
  k.charge({.riscv_cycles = static_cast<uint64_t>(static_cast<double>(elements * cost.passes) * cost.cycles)});
  if (k.values() && elements > 0) RowSorter(k, plan).run(a.rows);
  co_await k.noc_async_write_barrier();
}

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
  Plan plan{spec.types, TileChain(spec.comparator), recognise_comparator(spec.comparator), spec.dims[d],
            volume(std::span(spec.dims).subspan(d + 1))};
  const int64_t rows = plan.n == 0 ? 0 : volume(spec.dims) / plan.n;

  Program program(spec.name);
  for (size_t i = 0; i < k; ++i) program.add_input(cat("in", i), volume(spec.dims) * size_of(spec.types[i]));
  for (size_t i = 0; i < k; ++i) program.add_output(cat("out", i), volume(spec.dims) * size_of(spec.types[i]));
  program.add_note(
      cat(rows, " rows of ", plan.n, " elements, ", plan.keys ? "by radix: " + describe(*plan.keys) : "by a network of comparators:"));
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
  program.validate(chip);
  return program;
}

}  // namespace tt::dnn
