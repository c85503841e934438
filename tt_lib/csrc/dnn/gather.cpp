// One data-movement kernel: each core resolves the windows of a range of index vectors and copies them to the result.
#include "dnn/gather.hpp"

#include <algorithm>
#include <array>
#include <cstring>

#include "base/error.hpp"
#include "dnn/index_values.hpp"

namespace tt::dnn {
namespace {

struct Plan {
  size_t element;  // bytes
  IndexVectors indices;
  Dims batch_dims;
  Dims from_strides;                    // operand stride of each batch dimension: not 0 where it is an operand batching dimension
  Dims to_strides;                      // result stride of each batch dimension
  std::vector<OffsetScale> components;  // limit: the last valid start
  std::vector<WindowDim> window;        // coalesced, in the result's order; from: operand, to: result
  bool vectors_innermost;               // neighbours in the result belong to different windows
};

struct Args {
  const Plan* plan;
  WorkRange vectors;
  WorkRange slice;  // of the window's outermost dimension
};

// A window's part that one core copies.
struct Part {
  std::vector<WindowDim> dims;
  int64_t from;
  int64_t to;
};

Part slice_window(const Plan& plan, WorkRange slice) {
  Part part{plan.window, 0, 0};
  if (part.dims.empty()) return part;
  part.from = slice.first * part.dims[0].from;
  part.to = slice.first * part.dims[0].to;
  part.dims[0].size = slice.count;
  return part;
}

// out[i] = the element at offsets[i]. In the caller's loop, GCC would add where the elements begin to each offset.
template <class T>
[[gnu::noinline]] void copy_elements(const T* elements, const int64_t* offsets, size_t n, T* out) {
#pragma GCC unroll 4
  for (size_t i = 0; i < n; ++i) out[i] = elements[offsets[i]];
}

template <class T>
void copy_vectors_inner(const Part& part, const std::byte* source, std::byte* result, const int64_t* from, const BatchOffsets& to,
                        size_t count) {
  const T* in = reinterpret_cast<const T*>(source);
  T* out = reinterpret_cast<T*>(result);
  for_each_position(part.dims, part.from, part.to, [&](int64_t f, int64_t t) {
    if (to.is_dense()) {
      copy_elements(in + f, from, count, out + to[0] + t);
    } else {
      for (size_t i = 0; i < count; ++i) out[to[i] + t] = in[from[i] + f];
    }
  });
}

constexpr size_t kMostAhead = 4096;

template <class T>
void copy_window_inner(const Part& part, const std::byte* source, std::byte* result, const int64_t* from, const BatchOffsets& to,
                       size_t count) {
  const T* in = reinterpret_cast<const T*>(source);
  T* out = reinterpret_cast<T*>(result);
  const WindowDim inner = part.dims.back();
  const std::span outer(part.dims.data(), part.dims.size() - 1);
  const bool dense = inner.from == 1 && inner.to == 1;
  const size_t ahead = dense ? std::min(static_cast<size_t>(inner.size) * sizeof(T), kMostAhead) : 0;
  for (size_t i = 0; i < count; ++i) {
    if (i + 1 < count) {  // the next vector is anywhere: the host cannot foresee it
      const auto* next = reinterpret_cast<const std::byte*>(in + from[i + 1] + part.from);
      for (size_t at = 0; at < ahead; at += 64) __builtin_prefetch(next + at);
    }
    for_each_position(outer, from[i] + part.from, to[i] + part.to, [&](int64_t f, int64_t t) {
      if (dense) {
        std::memcpy(out + t, in + f, static_cast<size_t>(inner.size) * sizeof(T));
      } else {
        for (int64_t j = 0; j < inner.size; ++j) out[t + j * inner.to] = in[f + j * inner.from];
      }
    });
  }
}

using Copy = void (*)(const Part&, const std::byte*, std::byte*, const int64_t*, const BatchOffsets&, size_t);

template <class T>
Copy copy_of(bool vectors_inner) {
  return vectors_inner ? copy_vectors_inner<T> : copy_window_inner<T>;
}

Copy choose_copy(size_t element, bool vectors_inner) {
  switch (element) {
    case 1: return copy_of<uint8_t>(vectors_inner);
    case 2: return copy_of<uint16_t>(vectors_inner);
    case 4: return copy_of<uint32_t>(vectors_inner);
    case 8: return copy_of<uint64_t>(vectors_inner);
    case 16: return copy_of<std::array<uint64_t, 2>>(vectors_inner);
    default: fail(ErrorCategory::kInternal, "[gather] an element of ", element, " bytes");
  }
}

void gather_range(const Plan& plan, const Args& a, const std::byte* source, const std::byte* indices, std::byte* result) {
  const Part part = slice_window(plan, a.slice);
  const Copy copy = choose_copy(plan.element, plan.vectors_innermost || part.dims.empty());
  const bool by_indices_alone = !plan.components.empty() && plan.from_strides == Dims(plan.from_strides.size(), 0);
  std::array<int64_t, kIndexBatch> from;
  BatchOffsets to(plan.batch_dims, plan.to_strides);
  const int64_t end = a.vectors.first + a.vectors.count;
  for (int64_t first = a.vectors.first; first < end; first += kIndexBatch) {
    const int64_t count = std::min(kIndexBatch, end - first);
    if (!by_indices_alone) strided_offsets(plan.batch_dims, plan.from_strides, first, count, from.data());
    to.start_at(first, count);
    for (size_t c = 0; c < plan.components.size(); ++c) {
      const OffsetScale& scale = plan.components[c];
      const bool add = c > 0 || !by_indices_alone;
      plan.indices.for_each_run(indices, static_cast<int64_t>(c), first, count,
                                [&](const std::byte* values, int64_t step, int64_t i, int64_t n) {
                                  clamped_offsets(plan.indices.type, values, step, static_cast<size_t>(n), scale, add, from.data() + i);
                                });
    }
    copy(part, source, result, from.data(), to, static_cast<size_t>(count));
  }
}

Kernel gather_kernel(Dataflow k, Args a) {
  const Plan& plan = *a.plan;
  const int64_t vectors = a.vectors.count;
  const int64_t part = plan.window.empty() ? 1 : window_elements(std::span(plan.window).subspan(1)) * a.slice.count;
  const bool dense = !plan.window.empty() && plan.window.back().from == 1 && plan.window.back().to == 1;
  const int64_t run = dense ? std::min(plan.window.back().size, part) : 1;
  const int64_t bytes = vectors * part * static_cast<int64_t>(plan.element);
  const int64_t runs = run == 0 ? 0 : vectors * part / run;
  const int64_t index_bytes = vectors * plan.indices.components() * size_of(plan.indices.type);
  k.charge({.from = 1,
            .read_bytes = index_bytes,
            .transactions = 1,
            .riscv_cycles = static_cast<uint64_t>(vectors * (8 + 6 * plan.indices.components()))});
  k.charge({.from = 0, .read_bytes = bytes, .transactions = runs});
  k.charge({.to = 2, .write_bytes = bytes, .transactions = plan.vectors_innermost ? div_up(runs, 8) : runs});
  if (k.values() && bytes > 0) {
    k.perform_on_dram(3, [a](std::byte* const* slots, auto&) { gather_range(*a.plan, a, slots[0], slots[1], slots[2]); });
  }
  co_await k.noc_async_write_barrier();
}

bool has(const Dims& dims, int64_t d) { return std::find(dims.begin(), dims.end(), d) != dims.end(); }

IndexVectors index_vectors(const GatherSpec& spec) { return {spec.index_type, spec.indices_dims, spec.index_vector_dim}; }

void validate(const GatherSpec& spec) {
  const size_t rank = spec.operand_dims.size();
  require(spec.slice_sizes.size() == rank, "[", spec.name, "] has ", spec.slice_sizes.size(),
          " slice sizes, expected one per operand dimension: ", rank);
  for (size_t d = 0; d < rank; ++d) {
    require(spec.slice_sizes[d] >= 0 && spec.slice_sizes[d] <= spec.operand_dims[d], "[", spec.name, "] slice sizes ",
            Text(spec.slice_sizes), " exceed the operand ", Text(spec.operand_dims));
  }
  index_vectors(spec).validate();
  const auto components = static_cast<int64_t>(spec.start_index_map.size());
  require(index_vectors(spec).components() == components, "[", spec.name, "] start indices ", Text(spec.indices_dims), " have ",
          index_vectors(spec).components(), " components, start_index_map names ", components);
  require(spec.operand_batching_dims.size() == spec.start_indices_batching_dims.size(), "[", spec.name, "] has ",
          spec.operand_batching_dims.size(), " operand batching dimensions and ", spec.start_indices_batching_dims.size(),
          " of the start indices");
  require(spec.offset_dims.size() + spec.collapsed_slice_dims.size() + spec.operand_batching_dims.size() == rank, "[", spec.name,
          "] offset, collapsed and batching dimensions do not add up to the operand's rank ", rank);
}

}  // namespace

Dims gather_result_dims(const GatherSpec& spec) {
  Dims window;
  for (size_t d = 0; d < spec.slice_sizes.size(); ++d) {
    const auto dim = static_cast<int64_t>(d);
    if (!has(spec.collapsed_slice_dims, dim) && !has(spec.operand_batching_dims, dim)) window.push_back(spec.slice_sizes[d]);
  }
  const Dims batch = index_vectors(spec).batch_dims();
  Dims result(window.size() + batch.size());
  for (size_t r = 0, w = 0, b = 0; r < result.size(); ++r) {
    result[r] = has(spec.offset_dims, static_cast<int64_t>(r)) ? window[w++] : batch[b++];
  }
  return result;
}

Program gather(const GatherSpec& spec, const ChipSpec& chip) {
  validate(spec);
  const Dims operand_strides = row_major_strides(spec.operand_dims);
  const Dims result_dims = gather_result_dims(spec);
  const Dims result_strides = row_major_strides(result_dims);

  Plan plan{static_cast<size_t>(size_of(spec.type)), index_vectors(spec), index_vectors(spec).batch_dims(), {}, {}, {}, {}, false};
  plan.from_strides.assign(plan.batch_dims.size(), 0);
  for (size_t i = 0; i < spec.operand_batching_dims.size(); ++i) {
    int64_t dim = spec.start_indices_batching_dims[i];
    if (dim > spec.index_vector_dim) --dim;
    plan.from_strides[static_cast<size_t>(dim)] = operand_strides[static_cast<size_t>(spec.operand_batching_dims[i])];
  }
  for (int64_t dim : spec.start_index_map) {
    const auto d = static_cast<size_t>(dim);
    plan.components.push_back({.limit = spec.operand_dims[d] - spec.slice_sizes[d], .stride = operand_strides[d]});
  }
  Dims window_operand_dims;
  for (size_t d = 0; d < spec.operand_dims.size(); ++d) {
    const auto dim = static_cast<int64_t>(d);
    if (!has(spec.collapsed_slice_dims, dim) && !has(spec.operand_batching_dims, dim)) window_operand_dims.push_back(dim);
  }
  std::vector<WindowDim> window;
  for (size_t r = 0; r < result_dims.size(); ++r) {
    if (has(spec.offset_dims, static_cast<int64_t>(r))) {
      window.push_back({result_dims[r], operand_strides[static_cast<size_t>(window_operand_dims[window.size()])], result_strides[r]});
      plan.vectors_innermost &= result_dims[r] == 1;
    } else {
      plan.to_strides.push_back(result_strides[r]);
      if (result_dims[r] != 1) plan.vectors_innermost = true;
    }
  }
  plan.window = coalesce(window);
  coalesce(plan.batch_dims, {&plan.from_strides, &plan.to_strides});

  Program program(spec.name);
  program.add_input("operand", volume(spec.operand_dims) * size_of(spec.type));
  program.add_input("indices", volume(spec.indices_dims) * size_of(spec.index_type));
  program.add_output("result", volume(result_dims) * size_of(spec.type));

  // Over index vectors, or over the window's rows when there are few vectors, or when a row of the result has elements of many vectors.
  const int64_t vectors = volume(plan.batch_dims), elements = window_elements(plan.window);
  const int64_t rows = plan.window.empty() ? 1 : plan.window[0].size;
  constexpr int64_t kMinElements = 2048;  // per core
  const int64_t cores = num_compute_cores(chip);
  const bool by_rows = (vectors < cores && rows > vectors) || (plan.vectors_innermost && rows >= cores);
  const int64_t per_row = by_rows ? vectors * elements / std::max<int64_t>(rows, 1) : elements;
  const std::vector<WorkRange> ranges = split_work(by_rows ? rows : vectors, div_up(kMinElements, std::max<int64_t>(per_row, 1)), cores);

  const auto list = [](const Dims& dims) { return to_string(dims); };
  program.add_note(cat("windows ", list(spec.slice_sizes), " of ", name(spec.type), list(spec.operand_dims), " at ", vectors,
                       " index vectors ", name(spec.index_type), list(spec.indices_dims), " -> ", list(result_dims)));
  const Plan* kept = program.keep(std::move(plan));
  std::vector<Args> args;
  for (const WorkRange& range : ranges) {
    args.push_back(by_rows ? Args{kept, {0, vectors}, range} : Args{kept, range, {0, rows}});
  }
  program.set_cores(metal::first_cores(chip, ranges.size()));
  program.add_kernel<Dataflow, Args>(Role::kReader, "gather", gather_kernel, args,
                                     by_rows ? "split over window rows" : "split over index vectors");
  program.set_repeatable();
  program.validate(chip);
  return program;
}

}  // namespace tt::dnn
