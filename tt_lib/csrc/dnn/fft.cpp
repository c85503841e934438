// One data-movement kernel per transformed dimension: each core brings a few lines at a time into L1, transforms and stores them.
#include "dnn/fft.hpp"

#include <algorithm>
#include <array>
#include <optional>

#include "base/error.hpp"
#include "dnn/fft_lines.hpp"
#include "dnn/fft_staging.hpp"

namespace tt::dnn {
namespace {

constexpr int64_t kMaxGroupElements = 131072;  // of all of them: they should stay in the host's cache

// What a stage does with the lines along one dimension.
enum class LineKind : uint8_t { kForward, kInverse, kRealForward, kRealInverse };

struct Line {
  LineKind kind;
  int64_t n;          // length of the transform
  int64_t from_size;  // elements of the source along the dimension
  int64_t to_size;
  int64_t inner;  // elements between neighbours of a line
};

template <class T>
struct Plan {
  Line line;
  int64_t lines;
  int64_t group;  // lines per group
  FftLength<T> length;
  std::optional<RealLength<T>> halves;  // of a real line that is transformed as half as many complex numbers

  int64_t room() const { return std::max({line.n, line.from_size, line.to_size}); }  // elements of a line, in either order
  double operations() const { return length.operations() + (halves ? halves->operations() : 0); }
};

template <class T>
struct Args {
  const Plan<T>* plan;
  WorkRange groups;
};

template <class T>
class LineGroups {
 public:
  LineGroups(const Plan<T>& plan, const std::byte* from, std::byte* to, std::vector<std::byte>& staging)
      : plan_(plan), from_(reinterpret_cast<const T*>(from)), to_(reinterpret_cast<T*>(to)) {
    const int64_t elements = plan.room() * plan.group;
    const auto room = static_cast<size_t>(2 * elements + plan.length.work_elements() * plan.group) * sizeof(T);
    if (staging.size() < room) staging.resize(room);
    data_ = {reinterpret_cast<T*>(staging.data()), reinterpret_cast<T*>(staging.data()) + elements};
    work_ = data_.im + elements;
  }

  void run(WorkRange groups) {
    const LineKind kind = plan_.line.kind;
    const bool inverse = kind == LineKind::kInverse || kind == LineKind::kRealInverse;
    for (int64_t group = groups.first; group < groups.first + groups.count; ++group) {
      first_ = group * plan_.group;
      count_ = std::min(plan_.group, plan_.lines - first_);
      load();
      if (plan_.halves && inverse) plan_.halves->join(data_, count_);
      plan_.length.transform(inverse ? SplitComplex<T>{data_.im, data_.re} : data_, count_, work_);
      if (plan_.halves && !inverse) plan_.halves->split(data_, count_);
      store(inverse ? T{1} / static_cast<T>(plan_.line.n) : T{1});
    }
  }

 private:
  // Where the lines of the group are in an array that has `size` elements of `parts` along the dimension.
  LinePlaces places(int64_t size, int64_t parts) const {
    const int64_t inner = plan_.line.inner;
    LinePlaces out{.starts = {}, .count = count_, .step = inner * parts, .parts = parts};
    for (int64_t v = 0; v < count_; ++v) {
      const int64_t line = first_ + v;
      out.starts[static_cast<size_t>(v)] = (line / inner * inner * size + line % inner) * parts;
    }
    return out;
  }

  // Pairs of neighbours of real lines, as complex numbers.
  LinePlaces pairs(LinePlaces places) const {
    places.parts = 2;
    places.step = 2;
    return places;
  }

  void load() {
    const Line& line = plan_.line;
    const bool real = line.kind == LineKind::kRealForward;
    const LinePlaces from = places(line.from_size, real ? 1 : 2);
    if (real && plan_.halves) return gather_lines(from_, pairs(from), line.n / 2, data_);
    gather_lines(from_, from, line.from_size, data_);
    if (line.kind == LineKind::kRealInverse && !plan_.halves) mirror();
  }

  // The spectrum of a real line, here of odd length, is conjugate symmetric.
  void mirror() {
    const int64_t n = plan_.line.n;
    std::fill_n(data_.im, count_, T{0});
    for (int64_t t = n / 2 + 1; t < n; ++t) {
      for (int64_t v = 0; v < count_; ++v) {
        data_.re[t * count_ + v] = data_.re[(n - t) * count_ + v];
        data_.im[t * count_ + v] = -data_.im[(n - t) * count_ + v];
      }
    }
  }

  void store(T scale) {
    const Line& line = plan_.line;
    const bool real = line.kind == LineKind::kRealInverse;
    const LinePlaces to = places(line.to_size, real ? 1 : 2);
    if (real && plan_.halves) return scatter_lines(data_, scale, pairs(to), line.n / 2, to_);
    scatter_lines(data_, scale, to, line.to_size, to_);
  }

  const Plan<T>& plan_;
  const T* from_;
  T* to_;
  SplitComplex<T> data_;
  T* work_;
  int64_t first_ = 0, count_ = 0;
};

template <class T>
Kernel fft_kernel(Dataflow k, Args<T> a) {
  const Plan<T>& plan = *a.plan;
  constexpr double kCyclesPerOperation = sizeof(T) == 4 ? 8 : 20;  // soft floating point on a RISC-V core
  const int64_t lines = std::clamp<int64_t>(plan.lines - a.groups.first * plan.group, 0, a.groups.count * plan.group);
  const auto bytes = [&](int64_t size, bool real) { return lines * size * static_cast<int64_t>(sizeof(T)) * (real ? 1 : 2); };
  const int64_t runs = plan.line.inner == 1 ? lines : div_up(lines, std::min(plan.group, plan.line.inner));
  k.charge({.from = 0,
            .read_bytes = bytes(plan.line.from_size, plan.line.kind == LineKind::kRealForward),
            .transactions = plan.line.inner == 1 ? runs : runs * plan.line.from_size});
  k.charge({.to = 1,
            .write_bytes = bytes(plan.line.to_size, plan.line.kind == LineKind::kRealInverse),
            .transactions = plan.line.inner == 1 ? runs : runs * plan.line.to_size,
            .riscv_cycles = static_cast<uint64_t>(static_cast<double>(lines) * plan.operations() * kCyclesPerOperation)});
  if (k.values() && a.groups.count > 0) LineGroups<T>(plan, k.dram(0), k.dram(1), k.host().staging).run(a.groups);
  co_await k.noc_async_write_barrier();
}

template <class T>
Program line_program(const std::string& name, const Line& line, int64_t lines, const ChipSpec& chip) {
  const auto bytes = [&](int64_t size, bool real) { return lines * size * static_cast<int64_t>(sizeof(T)) * (real ? 1 : 2); };
  Program program(name);
  program.add_input("from", bytes(line.from_size, line.kind == LineKind::kRealForward));
  program.add_output("to", bytes(line.to_size, line.kind == LineKind::kRealInverse));
  const int64_t group = line.n * kMostLines <= kMaxGroupElements ? std::clamp<int64_t>(lines, 1, kMostLines) : 1;
  // Lines of the real kinds are those of the last dimension, whose neighbours lie side by side.
  const bool real = line.kind == LineKind::kRealForward || line.kind == LineKind::kRealInverse, in_halves = real && line.n % 2 == 0;
  Plan<T> plan{line, lines, group, FftLength<T>(in_halves ? line.n / 2 : line.n), {}};
  if (in_halves && line.n > 0) plan.halves.emplace(line.n);
  const Plan<T>* kept = program.keep(std::move(plan));
  program.flops = kept->operations() * static_cast<double>(lines);
  program.add_note(cat(lines, " lines of ", line.n, " elements, ", line.inner, " apart"));
  std::vector<Args<T>> args;
  for (const WorkRange& range :
       split_work(div_up(lines, group), div_up(1024, std::max<int64_t>(line.n * group, 1)), num_compute_cores(chip))) {
    args.push_back({kept, range});
  }
  program.set_cores(metal::first_cores(chip, args.size()));
  program.add_kernel<Dataflow, Args<T>>(Role::kReader, "fft", fft_kernel<T>, args, "transforms a range of lines");
  program.validate(chip);
  return program;
}

void validate(const FftSpec& spec) {
  const bool real = spec.kind == FftKind::kRfft;
  const bool fits = real ? spec.type == DataType::kF32 || spec.type == DataType::kF64 : is_complex(spec.type);
  require(fits, "[", spec.name, "] of ", name(spec.type), ", expected ", real ? "f32 or f64" : "complex<f32> or complex<f64>");
  const size_t rank = spec.fft_length.size();
  require(rank >= 1 && rank <= 3 && rank <= spec.dims.size(), "[", spec.name, "] transforms ", rank, " dimensions of ", Text(spec.dims),
          ", expected 1 to 3");
  for (size_t i = 0; i < rank; ++i) {
    const bool half = spec.kind == FftKind::kIrfft && i + 1 == rank && spec.fft_length[i] > 0;
    const int64_t expected = half ? spec.fft_length[i] / 2 + 1 : spec.fft_length[i];
    require(spec.dims[spec.dims.size() - rank + i] == expected, "[", spec.name, "] lengths ", Text(spec.fft_length),
            " do not fit the operand ", Text(spec.dims));
  }
}

}  // namespace

Dims fft_result_dims(const FftSpec& spec) {
  Dims dims = spec.dims;
  const int64_t last = spec.fft_length.back();
  if (spec.kind == FftKind::kRfft) dims.back() = last == 0 ? 0 : last / 2 + 1;
  if (spec.kind == FftKind::kIrfft) dims.back() = last;
  return dims;
}

DataType fft_result_type(const FftSpec& spec) {
  if (spec.kind == FftKind::kRfft) return spec.type == DataType::kF32 ? DataType::kC64 : DataType::kC128;
  return spec.kind == FftKind::kIrfft ? real_part(spec.type) : spec.type;
}

FftStages fft(const FftSpec& spec, const ChipSpec& chip) {
  validate(spec);
  using Array = FftStages::Array;
  const size_t rank = spec.fft_length.size(), last = spec.dims.size() - 1;
  const bool wide = real_part(spec.type) == DataType::kF64;
  // The real dimension comes first on the way in and last on the way out.
  std::vector<size_t> order;
  for (size_t i = 0; i < rank; ++i) order.push_back(spec.kind == FftKind::kIrfft ? last - rank + 1 + i : last - i);
  FftStages stages;
  Dims dims = spec.dims;
  Array at = Array::kOperand;
  for (size_t i = 0; i < rank; ++i) {
    const size_t d = order[i];
    Line line{LineKind::kForward, dims[d], dims[d], dims[d], volume(std::span(dims).subspan(d + 1))};
    if (spec.kind == FftKind::kIfft || spec.kind == FftKind::kIrfft) line.kind = LineKind::kInverse;
    if (d == last && spec.kind == FftKind::kRfft) {
      line.kind = LineKind::kRealForward;
      line.to_size = fft_result_dims(spec).back();
    }
    if (d == last && spec.kind == FftKind::kIrfft) {
      line.kind = LineKind::kRealInverse;
      line.n = line.to_size = spec.fft_length.back();
    }
    const int64_t elements = volume(dims);
    const int64_t lines = elements == 0 ? 0 : elements / dims[d];
    dims[d] = line.to_size;
    const bool to_scratch = spec.kind == FftKind::kIrfft && i + 1 < rank;
    const Array to = to_scratch ? Array::kScratch : Array::kResult;
    if (to_scratch) stages.scratch_bytes = elements * size_of(spec.type);
    stages.stages.push_back(
        {wide ? line_program<double>(spec.name, line, lines, chip) : line_program<float>(spec.name, line, lines, chip), at, to});
    at = to;
  }
  return stages;
}

}  // namespace tt::dnn
