// One data-movement kernel per transformed dimension: each core brings a few lines at a time into L1, transforms and stores them.
#include "dnn/fft.hpp"

#include <algorithm>
#include <array>

#include "base/error.hpp"
#include "dnn/fft_lines.hpp"

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
    const auto room = static_cast<size_t>((2 * plan.line.n + plan.length.work_elements()) * plan.group) * sizeof(T);
    if (staging.size() < room) staging.resize(room);
    data_ = {reinterpret_cast<T*>(staging.data()), reinterpret_cast<T*>(staging.data()) + plan.line.n * plan.group};
    work_ = data_.im + plan.line.n * plan.group;
  }

  void run(WorkRange groups) {
    const Line& line = plan_.line;
    const bool inverse = line.kind == LineKind::kInverse || line.kind == LineKind::kRealInverse;
    for (int64_t group = groups.first; group < groups.first + groups.count; ++group) {
      first_ = group * plan_.group;
      count_ = std::min(plan_.group, plan_.lines - first_);
      load();
      plan_.length.transform(inverse ? SplitComplex<T>{data_.im, data_.re} : data_, count_, work_);
      store(inverse ? T{1} / static_cast<T>(line.n) : T{1});
    }
  }

 private:
  // Where a line begins in an array that has `size` elements along the dimension.
  int64_t start(int64_t line, int64_t size) const { return line / plan_.line.inner * plan_.line.inner * size + line % plan_.line.inner; }

  void load() {
    const Line& line = plan_.line;
    for (int64_t v = 0; v < count_; ++v) {
      const int64_t base = start(first_ + v, line.from_size);
      T *re = data_.re + v, *im = data_.im + v;
      if (line.kind == LineKind::kRealForward) {
        for (int64_t t = 0; t < line.n; ++t) {
          re[t * count_] = from_[base + t * line.inner];
          im[t * count_] = 0;
        }
        continue;
      }
      for (int64_t t = 0; t < line.from_size; ++t) {
        re[t * count_] = from_[2 * (base + t * line.inner)];
        im[t * count_] = from_[2 * (base + t * line.inner) + 1];
      }
      if (line.kind == LineKind::kRealInverse) mirror(re, im);
    }
  }

  // The spectrum of a real line is conjugate symmetric.
  void mirror(T* re, T* im) {
    const int64_t n = plan_.line.n;
    im[0] = 0;
    if (n % 2 == 0) im[n / 2 * count_] = 0;
    for (int64_t t = n / 2 + 1; t < n; ++t) {
      re[t * count_] = re[(n - t) * count_];
      im[t * count_] = -im[(n - t) * count_];
    }
  }

  void store(T scale) {
    const Line& line = plan_.line;
    for (int64_t v = 0; v < count_; ++v) {
      const int64_t base = start(first_ + v, line.to_size);
      const T *re = data_.re + v, *im = data_.im + v;
      if (line.kind == LineKind::kRealInverse) {
        for (int64_t t = 0; t < line.n; ++t) to_[base + t * line.inner] = re[t * count_] * scale;
        continue;
      }
      for (int64_t t = 0; t < line.to_size; ++t) {
        to_[2 * (base + t * line.inner)] = re[t * count_] * scale;
        to_[2 * (base + t * line.inner) + 1] = im[t * count_] * scale;
      }
    }
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
            .riscv_cycles = static_cast<uint64_t>(static_cast<double>(lines) * plan.length.operations() * kCyclesPerOperation)});
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
  const Plan<T>* kept = program.keep(Plan<T>{line, lines, group, FftLength<T>(line.n)});
  program.flops = kept->length.operations() * static_cast<double>(lines);
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
