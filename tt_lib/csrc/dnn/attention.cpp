// What of attention stays in L1, and the program.
#include "dnn/attention.hpp"

#include <algorithm>
#include <array>
#include <optional>

#include "base/error.hpp"
#include "dnn/attention_kernels.hpp"
#include "dnn/text.hpp"
#include "emulator/cycles.hpp"
#include "emulator/fpu.hpp"

namespace tt::dnn {
namespace {

constexpr DataType kSums = DataType::kF32;

struct Layout {
  int64_t rows;   // of a unit
  int64_t width;  // tiles of a block of columns
  bool resident;
  int64_t depth;  // units of what is read for each
};

RowShape shape_of_units(const AttentionSpec& spec, const Layout& layout) {
  const int64_t unit = std::min(spec.m, layout.rows);
  RowShape shape = shape_of_rows(unit, spec.n);
  shape.rows = spec.batch * spec.m;
  shape.group = spec.m;
  shape.rows_per_unit = unit;
  return shape;
}

int64_t tile_bytes(DataType type) { return static_cast<int64_t>(kTileElements) * size_of(type); }

int64_t l1_bytes(const AttentionSpec& spec, const Layout& layout) {
  const DataType left = emulator::matmul_operand_type(spec.scores_type), right = emulator::matmul_operand_type(spec.last_type);
  const int64_t kt = div_up(spec.k, kTileSide), nt = div_up(spec.n, kTileSide), vt = div_up(spec.v, kTileSide);
  int64_t bytes = (layout.resident ? nt : 2 * layout.width) * (kt * tile_bytes(left) + vt * tile_bytes(right)) +
                  layout.depth * kt * page_bytes(TileForm::kRows, left) + std::max(kDstBlock, vt) * tile_bytes(kSums) + tile_bytes(right) +
                  nt * static_cast<int64_t>(sizeof(emulator::TileRows)) + 2 * vt * tile_bytes(spec.result.type);
  for (const auto& output : spec.scores.outputs) bytes += std::max(tile_bytes(output.type), tile_bytes(DataType::kF32));
  for (const Operand& extra : spec.score_extras) bytes += layout.depth * layout.width * tile_bytes(extra.type);
  for (const Operand& extra : spec.last_extras) bytes += layout.depth * vt * tile_bytes(extra.type);
  return bytes + row_l1_bytes(spec.rows, shape_of_units(spec, layout), layout.depth, spec.scores.outputs.size());
}

// For units of so many rows. Keys and values stay in L1 where they fit.
std::optional<Layout> layout_of(const AttentionSpec& spec, int64_t rows, const ChipSpec& chip) {
  const int64_t nt = div_up(spec.n, kTileSide), few = std::min(nt, kDstBlock);
  const std::pair<int64_t, bool> blocks[] = {{nt, true}, {few, true}, {few, false}, {std::min<int64_t>(few, 2), false}, {1, false}};
  for (const auto& [width, resident] : blocks) {
    for (const int64_t depth : {2, 1}) {
      const Layout layout{rows, width, resident, depth};
      if (l1_bytes(spec, layout) <= chip.l1_usable) return layout;
    }
  }
  return std::nullopt;
}

// Cycles of the engines, or of what brings keys and values.
double cost(const AttentionSpec& spec, const Layout& layout, const ChipSpec& chip) {
  const RowShape shape = shape_of_units(spec, layout);
  const int64_t units = shape.units(), cores = std::min(units, num_compute_cores(chip));
  const int64_t tiles = div_up(spec.n, kTileSide) * (div_up(spec.k, kTileSide) + div_up(spec.v, kTileSide));
  double engine = static_cast<double>(tiles) * 4 * emulator::cycles::kMatmulPhase;
  for (const RowStep& step : spec.rows.steps) {
    const TileProgramCost chain = tile_program_cost(step.chain, static_cast<uint32_t>(kTileElements));
    const double page = step.kind == RowStep::Kind::kFold ? emulator::cycles::kReduceTile : std::max(chain.math, chain.datapath);
    engine += page * static_cast<double>(step.kind == RowStep::Kind::kElements ? 1 : shape.pages_per_unit());
  }
  const int64_t bytes = spec.n * (spec.k * size_of(spec.keys.type) + spec.v * size_of(spec.values.type));
  const auto read = static_cast<double>(bytes * (layout.resident ? std::min(units, cores + spec.batch) : units));
  const double bandwidth = chip.dram_bytes_per_second * chip.dram_channels / chip.clock_hz;
  return std::max({static_cast<double>(div_up(units, cores)) * engine, read / bandwidth,
                   read / static_cast<double>(cores) / emulator::cycles::kNocBytesPerCycle});
}

// Units of few rows fit where those of many do not, and keep more cores busy; but they read keys and values more often.
std::optional<Layout> choose_layout(const AttentionSpec& spec, const ChipSpec& chip) {
  constexpr double kWorthwhile = 0.85;
  std::optional<Layout> best;
  for (const int64_t rows : {kTileSide, kTileSide / 2, kTileSide / 4}) {
    const std::optional<Layout> layout = layout_of(spec, rows, chip);
    if (layout && (!best || cost(spec, *layout, chip) < kWorthwhile * cost(spec, *best, chip))) best = layout;
  }
  return best;
}

void add_notes(const AttentionSpec& spec, const AttentionPlan& plan, Program& program) {
  program.add_note(cat("([", spec.batch, ", ", spec.m, ", ", spec.k, "] x [", spec.batch, ", ", spec.k, ", ", spec.n, "], by rows) x [",
                       spec.batch, ", ", spec.n, ", ", spec.v, "] in ", name(plan.left), " and ", name(plan.right)));
  program.add_note(plan.resident ? "keys and values stay in L1" : cat("keys and values in blocks of ", plan.width, " tiles"));
  for (const std::string& line : lines(emulator::to_string(spec.scores))) program.add_note(line);
  add_row_notes(spec.rows, plan.rows, program);
  for (const std::string& line : lines(emulator::to_string(spec.last))) program.add_note(line);
}

// A program under construction.
class Builder {
 public:
  Builder(const AttentionSpec& spec, const Layout& layout, Program& program) : spec_(spec), layout_(layout), program_(program) {}

  AttentionPlan plan() {
    p_.kt = static_cast<uint32_t>(div_up(spec_.k, kTileSide));
    p_.nt = static_cast<uint32_t>(div_up(spec_.n, kTileSide));
    p_.vt = static_cast<uint32_t>(div_up(spec_.v, kTileSide));
    p_.width = static_cast<uint32_t>(layout_.width);
    p_.resident = layout_.resident;
    p_.weights = spec_.weights;
    p_.left = emulator::matmul_operand_type(spec_.scores_type);
    p_.right = emulator::matmul_operand_type(spec_.last_type);
    p_.queries = input_matrix(spec_.queries, spec_.batch, spec_.m, spec_.k);
    p_.keys = input_matrix(spec_.keys, spec_.batch, spec_.k, spec_.n);
    p_.values = input_matrix(spec_.values, spec_.batch, spec_.n, spec_.v);
    p_.result =
        output_matrix(spec_.result, static_cast<Slot>(spec_.input_bytes.size() + spec_.result.buffer), spec_.batch, spec_.m, spec_.v);
    p_.queries_in_rows = lies_in_rows(p_.queries, p_.left);
    add_buffers();
    p_.scores = chain(spec_.scores, spec_.score_extras, spec_.n, layout_.width);
    p_.last = chain(spec_.last, spec_.last_extras, spec_.v, p_.vt);
    p_.rows = plan_rows(spec_.rows, shape_of_units(spec_, layout_), layout_.depth, spec_.scores.outputs.size(), program_);
    return std::move(p_);
  }

 private:
  Cb tiles(int64_t count, DataType type, std::string name) {
    return program_.add_circular_buffer(static_cast<uint32_t>(count), static_cast<uint32_t>(tile_bytes(type)), std::move(name));
  }

  void add_buffers() {
    const auto left = static_cast<uint32_t>(page_bytes(p_.queries_in_rows ? TileForm::kRows : TileForm::kFaces, p_.left));
    const int64_t held = p_.resident ? p_.nt : 2 * p_.width;
    p_.queries_cb = program_.add_circular_buffer(static_cast<uint32_t>(layout_.depth) * p_.kt, left, "queries");
    p_.keys_cb = tiles(p_.kt * held, p_.left, "keys");
    p_.values_cb = tiles(p_.vt * held, p_.right, "values");
    p_.sums = tiles(std::max<int64_t>(kDstBlock, p_.vt), kSums, "sums");
    p_.scored = tiles(static_cast<int64_t>(spec_.scores.outputs.size()), DataType::kF32, "scores");
    p_.weights_cb = program_.add_circular_buffer(p_.nt, sizeof(emulator::TileRows), "weights");
    p_.tail = tiles(1, p_.right, "tail");
    p_.out = tiles(2 * int64_t{p_.vt}, spec_.result.type, "out");
  }

  SumChain chain(const TileProgram& program, const std::vector<Operand>& extras, int64_t columns, int64_t width) {
    SumChain made{TileChain(program), {}, {}};
    for (const Operand& extra : extras) {
      made.extras.push_back(input_matrix(extra, spec_.batch, spec_.m, columns));
      made.cbs.push_back(tiles(made.extras.back().view.is_uniform() ? 1 : layout_.depth * width, extra.type, "extra"));
    }
    return made;
  }

  const AttentionSpec& spec_;
  const Layout& layout_;
  Program& program_;
  AttentionPlan p_{};
};

}  // namespace

bool fits(const AttentionSpec& spec, const ChipSpec& chip) {
  for (const DataType type : {spec.scores_type, spec.last_type}) {
    if (emulator::matmul_accumulator_type(type) != kSums) return false;
  }
  if (spec.batch * spec.m * spec.k * spec.n * spec.v == 0) return false;
  if (spec.rows.results[spec.weights].type != emulator::matmul_operand_type(spec.last_type)) return false;
  constexpr size_t kOwnBuffers = 13;  // at most, beside those of extras and of operands and results of the rows
  const size_t buffers = spec.score_extras.size() + spec.last_extras.size() + spec.rows.operands.size() + spec.rows.results.size();
  return buffers + kOwnBuffers <= emulator::kMaxCircularBuffers && choose_layout(spec, chip).has_value();
}

Program attention(const AttentionSpec& spec, const ChipSpec& chip) {
  check(fits(spec, chip), "[", spec.name, "] does not fit L1");
  Program program(spec.name);
  for (size_t i = 0; i < spec.input_bytes.size(); ++i) program.add_input(cat("in", i), spec.input_bytes[i]);
  for (size_t i = 0; i < spec.output_bytes.size(); ++i) program.add_output(cat("out", i), spec.output_bytes[i]);
  AttentionPlan plan = Builder(spec, *choose_layout(spec, chip), program).plan();
  program.flops = plan.rows.flops + 2.0 * static_cast<double>(spec.batch * spec.m * spec.n) * static_cast<double>(spec.k + spec.v);
  add_notes(spec, plan, program);

  const std::vector<WorkRange> ranges = split_work(plan.rows.shape.units(), 1, num_compute_cores(chip));
  const AttentionPlan* kept = program.keep(std::move(plan));
  std::vector<AttentionArgs> args;
  for (const WorkRange& range : ranges) args.push_back({kept, range});
  program.set_cores(metal::first_cores(chip, ranges.size()));
  program.add_kernel<Dataflow, AttentionArgs>(Role::kReader, "attention_reader", attention_reader, args);
  program.add_kernel<Compute, AttentionArgs>(Role::kCompute, "attention_compute", attention_compute, args);
  program.add_kernel<Dataflow, AttentionArgs>(Role::kWriter, "attention_writer", attention_writer, args);
  program.validate(chip);
  return program;
}

}  // namespace tt::dnn
