// A unit of work is a block of 32 rows of one batch entry: one row of tiles of the scores. Keys and values stay while their batch lasts.
#include "dnn/attention.hpp"

#include <algorithm>

#include "base/error.hpp"
#include "dnn/chain_builder.hpp"
#include "dnn/matmul_tiles.hpp"
#include "dnn/row_plan.hpp"
#include "dnn/text.hpp"
#include "emulator/cycles.hpp"
#include "emulator/fpu.hpp"

namespace tt::dnn {
namespace {

struct Plan {
  int64_t m, n;
  uint32_t kt, nt, vt;  // tiles
  DataType operand, accumulator;
  Matrix queries, keys, values, result;
  std::vector<Matrix> extras;
  bool queries_in_rows;
  TileChain scores, conversion;
  RowPlan rows;
  Cb queries_cb = 0, keys_cb = 0, values_cb = 0, sums = 0, scored = 0, weights = 0, out = 0;
  std::vector<Cb> extra_cbs;

  int64_t blocks_per_batch() const { return m / kTileSide; }
};

struct Args {
  const Plan* plan;
  WorkRange units;
};

// Whether the unit is the first of its batch entry on this core, or the last.
bool starts_batch(const Args& a, int64_t unit) { return unit == a.units.first || unit % a.plan->blocks_per_batch() == 0; }
bool ends_batch(const Args& a, int64_t unit) {
  return unit + 1 == a.units.first + a.units.count || (unit + 1) % a.plan->blocks_per_batch() == 0;
}

Kernel attention_reader(Dataflow k, Args a) {
  const Plan& p = *a.plan;
  const Operands operands(k, p.rows.operands);
  TileReader queries(k, p.queries, p.operand, p.queries_in_rows ? TileForm::kRows : TileForm::kFaces);
  TileReader keys(k, p.keys, p.operand, second_form(p.operand)), values(k, p.values, p.operand, second_form(p.operand));
  std::vector<TileReader> extras;
  for (const Matrix& extra : p.extras) extras.emplace_back(k, extra, extra.type, TileForm::kFaces);
  for (size_t s = 0; s < p.rows.streams.size(); ++s) {
    const RowStream& stream = p.rows.streams[s];
    if (!stream.stationary) continue;
    co_await k.cb_reserve_back(stream.cb, static_cast<uint32_t>(stream.pages));
    read_rows(k, p.rows, operands, s, a.units.first);
    co_await k.noc_async_read_barrier();
    k.cb_push_back(stream.cb, static_cast<uint32_t>(stream.pages));
  }
  for (int64_t unit = a.units.first; unit < a.units.first + a.units.count; ++unit) {
    const int64_t batch = unit / p.blocks_per_batch(), row = unit % p.blocks_per_batch() * kTileSide;
    if (starts_batch(a, unit)) {
      co_await k.cb_reserve_back(p.keys_cb, p.kt * p.nt);
      keys.read({batch, 0, 0, p.kt, p.nt}, p.keys_cb, 0, p.nt);
      co_await k.cb_reserve_back(p.values_cb, p.nt * p.vt);
      values.read({batch, 0, 0, p.nt, p.vt}, p.values_cb, 0, p.vt);
      co_await k.noc_async_read_barrier();
      k.cb_push_back(p.keys_cb, p.kt * p.nt);
      k.cb_push_back(p.values_cb, p.nt * p.vt);
    }
    co_await k.cb_reserve_back(p.queries_cb, p.kt);
    queries.read({batch, row, 0, 1, p.kt}, p.queries_cb, 0, p.kt);
    for (size_t e = 0; e < extras.size(); ++e) {
      co_await k.cb_reserve_back(p.extra_cbs[e], p.nt);
      extras[e].read({batch, row, 0, 1, p.nt}, p.extra_cbs[e], 0, p.nt);
    }
    for (size_t s = 0; s < p.rows.streams.size(); ++s) {
      const RowStream& stream = p.rows.streams[s];
      if (stream.stationary || stream.made) continue;
      co_await k.cb_reserve_back(stream.cb, static_cast<uint32_t>(stream.pages));
      read_rows(k, p.rows, operands, s, unit);
    }
    co_await k.noc_async_read_barrier();
    k.cb_push_back(p.queries_cb, p.kt);
    for (const Cb cb : p.extra_cbs) k.cb_push_back(cb, p.nt);
    for (const RowStream& stream : p.rows.streams) {
      if (!stream.stationary && !stream.made) k.cb_push_back(stream.cb, static_cast<uint32_t>(stream.pages));
    }
  }
}

// One row of `columns` tiles: sums over `depth` tiles along k.
void multiply_row(Compute& k, const Plan& p, Cb left, bool in_rows, Cb right, uint32_t depth, uint32_t columns) {
  const auto panel = static_cast<uint32_t>(std::max<int64_t>(kPanelBytes / k.get_page_size(right), 2));
  constexpr auto kWidth = static_cast<uint32_t>(kDstBlock);
  for (uint32_t c = 0; c < columns; c += kWidth) {
    const uint32_t width = std::min(kWidth, columns - c);
    for (uint32_t k0 = 0; k0 < depth; k0 += panel) {
      k.tile_regs_acquire();
      for (uint32_t j = 0; j < width && (k.values() || k0 == 0); ++j) k.copy_tile(p.sums, c + j, j);
      const Compute::MatmulShape shape{.mt = 1, .nt = width, .kt = std::min(panel, depth - k0), .a_in_rows = in_rows, .fresh = k0 == 0};
      k.matmul_block({left, k0, depth}, {right, k0 * columns + c, columns}, 0, shape, p.operand, MathFidelity::kHiFi4);
      k.tile_regs_release();
    }
  }
  if (!k.values()) k.charge(uint64_t{columns} * emulator::cycles::kPackTile);
}

// The scores of the unit, row after row, where the first operand of the row program lies.
void lay_scores(Compute& k, const Plan& p) {
  const auto element = static_cast<size_t>(size_of(p.rows.operands[0].type));
  std::vector<const std::byte*> inputs(1 + p.extras.size());
  std::byte* outputs[1] = {const_cast<std::byte*>(k.page(p.scored, 0))};
  auto* rows = const_cast<std::byte*>(k.page(p.rows.streams[0].cb, 0));
  for (uint32_t c = 0; c < p.nt; ++c) {
    inputs[0] = k.page(p.sums, c);
    for (size_t e = 0; e < p.extras.size(); ++e) inputs[1 + e] = k.page(p.extra_cbs[e], c);
    k.tile_regs_acquire();
    k.run_tiles(p.scores, inputs.data(), outputs, static_cast<uint32_t>(kTileElements));
    k.tile_regs_release();
    k.untilize_block(element, outputs[0], rows + (k.values() ? c * kTileSide * element : 0), p.n);
  }
}

// Tiles of what the row program has left, given by their rows.
void take_weights(Compute& k, const Plan& p) {
  const RowSink& sink = p.rows.sinks[0];
  const auto element = static_cast<size_t>(size_of(sink.type));
  k.charge(uint64_t{p.nt} * (emulator::cycles::kCopyTile + emulator::cycles::kPackTile));
  for (uint32_t c = 0; c < p.nt && k.values(); ++c) {
    auto* tile = reinterpret_cast<emulator::TileRows*>(const_cast<std::byte*>(k.page(p.weights, c)));
    for (int64_t r = 0; r < kTileSide; ++r) {
      const std::byte* page = k.page(sink.cb, static_cast<uint32_t>(r / p.rows.shape.rows_per_page));
      tile->row[r] = page + static_cast<size_t>(r % p.rows.shape.rows_per_page * p.n + c * kTileSide) * element;
    }
  }
}

Kernel attention_compute(Compute k, Args a) {
  const Plan& p = *a.plan;
  std::vector<std::pair<Cb, uint32_t>> resident = p.rows.resident;
  resident.insert(resident.end(), {{p.sums, std::max(p.nt, p.vt)}, {p.scored, 1}, {p.weights, p.nt}});
  for (const auto& [cb, count] : resident) {
    co_await k.cb_reserve_back(cb, count);
    for (uint32_t i = 0; i < count && k.values(); ++i) k.new_page(cb, i);
    k.cb_push_back(cb, count);
  }
  for (const RowStream& stream : p.rows.streams) {
    if (stream.stationary) co_await k.cb_wait_front(stream.cb, static_cast<uint32_t>(stream.pages));
  }
  RowUnit rows(k, p.rows);
  for (int64_t unit = a.units.first; unit < a.units.first + a.units.count; ++unit) {
    co_await k.cb_wait_front(p.queries_cb, p.kt);
    co_await k.cb_wait_front(p.keys_cb, p.kt * p.nt);
    multiply_row(k, p, p.queries_cb, p.queries_in_rows, p.keys_cb, p.kt, p.nt);
    for (const Cb cb : p.extra_cbs) co_await k.cb_wait_front(cb, p.nt);
    lay_scores(k, p);
    for (const Cb cb : p.extra_cbs) k.cb_pop_front(cb, p.nt);
    k.cb_pop_front(p.queries_cb, p.kt);
    for (const RowStream& stream : p.rows.streams) {
      if (!stream.stationary && !stream.made) co_await k.cb_wait_front(stream.cb, static_cast<uint32_t>(stream.pages));
    }
    rows.run(unit);
    for (const RowStream& stream : p.rows.streams) {
      if (!stream.stationary && !stream.made) k.cb_pop_front(stream.cb, static_cast<uint32_t>(stream.pages));
    }
    take_weights(k, p);
    co_await k.cb_wait_front(p.values_cb, p.nt * p.vt);
    multiply_row(k, p, p.weights, true, p.values_cb, p.nt, p.vt);
    if (ends_batch(a, unit)) {
      k.cb_pop_front(p.keys_cb, p.kt * p.nt);
      k.cb_pop_front(p.values_cb, p.nt * p.vt);
    }
    co_await k.cb_reserve_back(p.out, p.vt);
    for (uint32_t c = 0; c < p.vt; ++c) {
      const std::byte* inputs[1] = {k.page(p.sums, c)};
      std::byte* outputs[1] = {k.new_page(p.out, c)};
      k.tile_regs_acquire();
      k.run_tiles(p.conversion, inputs, outputs, static_cast<uint32_t>(kTileElements));
      k.tile_regs_release();
    }
    k.cb_push_back(p.out, p.vt);
  }
}

Kernel attention_writer(Dataflow k, Args a) {
  const Plan& p = *a.plan;
  TileWriter writer(k, p.result);
  for (int64_t unit = a.units.first; unit < a.units.first + a.units.count; ++unit) {
    co_await k.cb_wait_front(p.out, p.vt);
    writer.write({unit / p.blocks_per_batch(), unit % p.blocks_per_batch() * kTileSide, 0, 1, p.vt}, p.out);
    co_await k.noc_async_write_barrier();
    k.cb_pop_front(p.out, p.vt);
  }
}

// Units of exactly one row of tiles, whose pages lie in one piece.
std::optional<RowShape> shape_of_unit(const AttentionSpec& spec) {
  RowShape shape = shape_of_rows(spec.batch * spec.m, spec.n);
  if (shape.pages_per_row > 1 || shape.rows_per_page * spec.n != static_cast<int64_t>(kTileElements)) return std::nullopt;
  if (kTileSide % shape.rows_per_page != 0) return std::nullopt;
  shape.pages_per_unit = kTileSide / shape.rows_per_page;
  return shape;
}

int64_t tile_bytes(DataType type) { return static_cast<int64_t>(kTileElements) * size_of(type); }

int64_t l1_bytes(const AttentionSpec& spec, const RowShape& shape, int64_t depth) {
  const DataType operand = emulator::matmul_operand_type(spec.compute_type),
                 accumulator = emulator::matmul_accumulator_type(spec.compute_type);
  const int64_t kt = div_up(spec.k, kTileSide), nt = spec.n / kTileSide, vt = div_up(spec.v, kTileSide);
  int64_t bytes = (kt * nt + nt * vt) * tile_bytes(operand) + depth * kt * page_bytes(TileForm::kRows, operand) +
                  std::max(nt, vt) * tile_bytes(accumulator) + tile_bytes(spec.rows.operands[0].type) +
                  nt * static_cast<int64_t>(sizeof(emulator::TileRows)) + 2 * vt * tile_bytes(spec.result.type);
  for (const Operand& extra : spec.extras) bytes += depth * nt * tile_bytes(extra.type);
  return bytes + row_l1_bytes(spec.rows, shape, depth);
}

void add_notes(const AttentionSpec& spec, const Plan& plan, Program& program) {
  program.add_note(cat("([", spec.batch, ", ", spec.m, ", ", spec.k, "] x [", spec.batch, ", ", spec.k, ", ", spec.n, "], by rows) x [",
                       spec.batch, ", ", spec.n, ", ", spec.v, "] in ", name(plan.operand), ", sums in ", name(plan.accumulator)));
  for (const std::string& line : lines(emulator::to_string(spec.scores))) program.add_note(line);
  add_row_notes(spec.rows, plan.rows, program);
}

}  // namespace

bool fits(const AttentionSpec& spec, const ChipSpec& chip) {
  const DataType operand = emulator::matmul_operand_type(spec.compute_type);
  if (operand != DataType::kF32 && operand != DataType::kBF16) return false;
  if (spec.m % kTileSide != 0 || spec.n % kTileSide != 0 || spec.batch * spec.m * spec.k * spec.v == 0) return false;
  if (spec.rows.results.size() != 1 || spec.rows.results[0].type != operand) return false;
  const std::optional<RowShape> shape = shape_of_unit(spec);
  constexpr size_t kOwnBuffers = 10;  // beside those of extras and row operands
  return shape && spec.extras.size() + spec.rows.operands.size() + kOwnBuffers <= emulator::kMaxCircularBuffers &&
         l1_bytes(spec, *shape, 1) <= chip.l1_usable;
}

Program attention(const AttentionSpec& spec, const ChipSpec& chip) {
  check(fits(spec, chip), "[", spec.name, "] does not fit L1");
  Program program(spec.name);
  for (size_t i = 0; i < spec.input_bytes.size(); ++i) program.add_input(cat("in", i), spec.input_bytes[i]);
  for (size_t i = 0; i < spec.output_bytes.size(); ++i) program.add_output(cat("out", i), spec.output_bytes[i]);
  const RowShape shape = *shape_of_unit(spec);
  const auto depth = static_cast<uint32_t>(l1_bytes(spec, shape, 2) <= chip.l1_usable ? 2 : 1);

  Plan plan{};
  plan.m = spec.m;
  plan.n = spec.n;
  plan.kt = static_cast<uint32_t>(div_up(spec.k, kTileSide));
  plan.nt = static_cast<uint32_t>(spec.n / kTileSide);
  plan.vt = static_cast<uint32_t>(div_up(spec.v, kTileSide));
  plan.operand = emulator::matmul_operand_type(spec.compute_type);
  plan.accumulator = emulator::matmul_accumulator_type(spec.compute_type);
  plan.queries = input_matrix(spec.queries, spec.batch, spec.m, spec.k);
  plan.keys = input_matrix(spec.keys, spec.batch, spec.k, spec.n);
  plan.values = input_matrix(spec.values, spec.batch, spec.n, spec.v);
  plan.result = output_matrix(spec.result, static_cast<Slot>(spec.input_bytes.size() + spec.result.buffer), spec.batch, spec.m, spec.v);
  for (const Operand& extra : spec.extras) plan.extras.push_back(input_matrix(extra, spec.batch, spec.m, spec.n));
  plan.queries_in_rows = lies_in_rows(plan.queries, plan.operand);
  plan.scores = TileChain(spec.scores);
  plan.conversion = TileChain(conversion(plan.accumulator, spec.result.type));

  const auto tiles = [&](int64_t count, DataType type, std::string name) {
    return program.add_circular_buffer(static_cast<uint32_t>(count), static_cast<uint32_t>(tile_bytes(type)), std::move(name));
  };
  const auto left = static_cast<uint32_t>(page_bytes(plan.queries_in_rows ? TileForm::kRows : TileForm::kFaces, plan.operand));
  plan.queries_cb = program.add_circular_buffer(depth * plan.kt, left, "queries");
  plan.keys_cb = tiles(int64_t{plan.kt} * plan.nt, plan.operand, "keys");
  plan.values_cb = tiles(int64_t{plan.nt} * plan.vt, plan.operand, "values");
  plan.sums = tiles(std::max(plan.nt, plan.vt), plan.accumulator, "sums");
  plan.scored = tiles(1, spec.rows.operands[0].type, "scores");
  plan.weights = program.add_circular_buffer(plan.nt, sizeof(emulator::TileRows), "weights");
  plan.out = tiles(2 * int64_t{plan.vt}, spec.result.type, "out");
  for (size_t e = 0; e < plan.extras.size(); ++e)
    plan.extra_cbs.push_back(tiles(int64_t{depth} * plan.nt, plan.extras[e].type, cat("extra", e)));
  plan.rows = plan_rows(spec.rows, shape, depth, {.make_first_operand = true, .take_first_result = true}, program);
  program.flops = plan.rows.flops + 2.0 * static_cast<double>(spec.batch * spec.m * spec.n) * static_cast<double>(spec.k + spec.v);
  add_notes(spec, plan, program);

  const std::vector<WorkRange> ranges = split_work(spec.batch * plan.blocks_per_batch(), 1, num_compute_cores(chip));
  const Plan* kept = program.keep(std::move(plan));
  std::vector<Args> args;
  for (const WorkRange& range : ranges) args.push_back({kept, range});
  program.set_cores(metal::first_cores(chip, ranges.size()));
  program.add_kernel<Dataflow, Args>(Role::kReader, "attention_reader", attention_reader, args);
  program.add_kernel<Compute, Args>(Role::kCompute, "attention_compute", attention_compute, args);
  program.add_kernel<Dataflow, Args>(Role::kWriter, "attention_writer", attention_writer, args);
  program.validate(chip);
  return program;
}

}  // namespace tt::dnn
