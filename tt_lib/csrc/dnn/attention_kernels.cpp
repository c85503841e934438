// A unit of work is a block of at most 32 rows of one batch entry: one row of tiles of the scores, which are made block by block of columns
// and stay in L1 whole.
#include "dnn/attention_kernels.hpp"

#include <algorithm>
#include <cstring>

#include "emulator/cycles.hpp"
#include "emulator/fpu.hpp"

namespace tt::dnn {
namespace {

// Whether the unit is the first of its batch entry on this core, or the last.
bool starts_batch(const AttentionArgs& a, int64_t unit) { return unit == a.units.first || a.plan->rows.shape.start_in_group(unit) == 0; }
bool ends_batch(const AttentionArgs& a, int64_t unit) {
  return unit + 1 == a.units.first + a.units.count || a.plan->rows.shape.start_in_group(unit + 1) == 0;
}

std::vector<TileReader> readers_of(Dataflow& k, const SumChain& chain) {
  std::vector<TileReader> readers;
  for (const Matrix& extra : chain.extras) readers.emplace_back(k, extra, extra.type, TileForm::kFaces);
  return readers;
}

}  // namespace

Kernel attention_reader(Dataflow k, AttentionArgs a) {
  const AttentionPlan& p = *a.plan;
  const Operands operands(k, p.rows.operands);
  TileReader queries(k, p.queries, p.left, p.queries_in_rows ? TileForm::kRows : TileForm::kFaces);
  TileReader keys(k, p.keys, p.left, second_form(p.left)), values(k, p.values, p.right, second_form(p.right));
  std::vector<TileReader> score_extras = readers_of(k, p.scores), last_extras = readers_of(k, p.last);
  const std::vector<size_t> score_moving = select(p.scores.extras, /*uniform=*/false), last_moving = select(p.last.extras, false);
  for (auto [chain, readers] : {std::pair(&p.scores, &score_extras), std::pair(&p.last, &last_extras)}) {
    for (const size_t e : select(chain->extras, /*uniform=*/true)) {
      co_await k.cb_reserve_back(chain->cbs[e], 1);
      (*readers)[e].read({0, 0, 0, 1, 1}, chain->cbs[e], 0, 1);
      co_await k.noc_async_read_barrier();
      k.cb_push_back(chain->cbs[e], 1);
    }
  }
  for (size_t s = 0; s < p.rows.streams.size(); ++s) {
    const RowStream& stream = p.rows.streams[s];
    if (!stream.stationary) continue;
    co_await k.cb_reserve_back(stream.at.cb, stream.pages);
    read_rows(k, p.rows, operands, s, a.units.first);
    co_await k.noc_async_read_barrier();
    k.cb_push_back(stream.at.cb, stream.pages);
  }
  for (int64_t unit = a.units.first; unit < a.units.first + a.units.count; ++unit) {
    const int64_t batch = unit / p.rows.shape.units_per_group(), row = p.rows.shape.start_in_group(unit),
                  count = p.rows.shape.rows_in(unit);
    const bool fresh = starts_batch(a, unit);
    co_await k.cb_reserve_back(p.queries_cb, p.kt);
    queries.read({batch, row, 0, 1, p.kt, count}, p.queries_cb, 0, p.kt);
    for (uint32_t b = 0; b < p.blocks(); ++b) {
      const int64_t column = b * p.width * kTileSide;
      const bool reads_keys = !p.resident || (fresh && b == 0);
      if (reads_keys) {
        co_await k.cb_reserve_back(p.keys_cb, p.kt * p.held());
        keys.read({batch, 0, column, p.kt, p.resident ? p.nt : p.width_of(b)}, p.keys_cb, 0, p.held());
      }
      for (const size_t e : score_moving) {
        co_await k.cb_reserve_back(p.scores.cbs[e], p.width);
        score_extras[e].read({batch, row, column, 1, p.width_of(b), count}, p.scores.cbs[e], 0, p.width);
      }
      co_await k.noc_async_read_barrier();
      if (b == 0) k.cb_push_back(p.queries_cb, p.kt);
      if (reads_keys) k.cb_push_back(p.keys_cb, p.kt * p.held());
      for (const size_t e : score_moving) k.cb_push_back(p.scores.cbs[e], p.width);
    }
    for (size_t s = 0; s < p.rows.streams.size(); ++s) {
      const RowStream& stream = p.rows.streams[s];
      if (!stream.moves()) continue;
      co_await k.cb_reserve_back(stream.at.cb, stream.pages);
      read_rows(k, p.rows, operands, s, unit);
    }
    for (const size_t e : last_moving) {
      co_await k.cb_reserve_back(p.last.cbs[e], p.vt);
      last_extras[e].read({batch, row, 0, 1, p.vt, count}, p.last.cbs[e], 0, p.vt);
    }
    co_await k.noc_async_read_barrier();
    for (const RowStream& stream : p.rows.streams) {
      if (stream.moves()) k.cb_push_back(stream.at.cb, stream.pages);
    }
    for (const size_t e : last_moving) k.cb_push_back(p.last.cbs[e], p.vt);
    for (uint32_t b = 0; b < p.blocks(); ++b) {
      if (p.resident && !(fresh && b == 0)) continue;
      co_await k.cb_reserve_back(p.values_cb, p.held() * p.vt);
      values.read({batch, b * p.width * kTileSide, 0, p.resident ? p.nt : p.width_of(b), p.vt}, p.values_cb, 0, p.vt);
      co_await k.noc_async_read_barrier();
      k.cb_push_back(p.values_cb, p.held() * p.vt);
    }
  }
}

namespace {

// The compute kernel's work on one unit, between its waits.
class Unit {
 public:
  Unit(Compute& k, const AttentionPlan& p) : k_(k), p_(p), rows_(k, p.rows) {}

  void start(int64_t unit) {
    unit_ = unit;
    count_ = static_cast<uint32_t>(p_.rows.shape.rows_in(unit));
    for (size_t i = 0; i < laid_.size(); ++i) rows_.find_rows({RowValue::Kind::kOperand, i}, std::span(laid_[i]).first(count_));
  }

  // The scores of a block, row after row, where the first operand of the row program lies.
  void make_scores(uint32_t block) {
    const uint32_t first = p_.resident ? block * p_.width : 0;
    constexpr auto kAtOnce = static_cast<uint32_t>(kDstBlock);
    for (uint32_t c = 0; c < p_.width_of(block); c += kAtOnce) {
      const uint32_t columns = std::min(kAtOnce, p_.width_of(block) - c);
      multiply(p_.left, p_.queries_cb, 0, p_.queries_in_rows, {p_.keys_cb, first + c, p_.held()}, p_.kt, columns, /*fresh=*/true);
      for (uint32_t j = 0; j < columns; ++j) lay_scores(block, c + j, j);
    }
  }

  void run_rows() {
    rows_.run(unit_);
    take_weights();
  }

  void multiply_values(uint32_t block) {
    const uint32_t first = p_.resident ? block * p_.width * p_.vt : 0;
    multiply(p_.right, p_.weights_cb, block * p_.width, true, {p_.values_cb, first, p_.vt}, p_.width_of(block), p_.vt, block == 0);
  }

  void store() {
    for (uint32_t c = 0; c < p_.vt; ++c) {
      std::byte* output = k_.new_page(p_.out, c);
      run_chain(p_.last, c, c, &output);
    }
  }

 private:
  // One row of `columns` tiles: sums over `depth` tiles along k.
  void multiply(DataType type, Cb left, uint32_t first, bool in_rows, const Compute::TileRange& right, uint32_t depth, uint32_t columns,
                bool fresh) {
    const auto panel = static_cast<uint32_t>(std::max<int64_t>(kPanelBytes / k_.get_page_size(right.cb), 2));
    constexpr auto kWidth = static_cast<uint32_t>(kDstBlock);
    for (uint32_t c = 0; c < columns; c += kWidth) {
      const uint32_t width = std::min(kWidth, columns - c);
      for (uint32_t k0 = 0; k0 < depth; k0 += panel) {
        k_.tile_regs_acquire();
        for (uint32_t j = 0; j < width && (k_.values() || k0 == 0); ++j) k_.copy_tile(p_.sums, c + j, j);
        const Compute::MatmulShape shape{
            .mt = 1, .nt = width, .kt = std::min(panel, depth - k0), .last_rows = count_, .a_in_rows = in_rows, .fresh = fresh && k0 == 0};
        k_.matmul_block({left, first + k0, depth}, {right.cb, right.first + k0 * right.stride + c, right.stride}, 0, shape, type,
                        MathFidelity::kHiFi4);
        k_.tile_regs_release();
      }
    }
    if (!k_.values()) k_.charge(uint64_t{columns} * emulator::cycles::kPackTile);
  }

  // The chain on a tile of the sums and on page `page` of its extras.
  void run_chain(const SumChain& chain, uint32_t sum, uint32_t page, std::byte* const* outputs) {
    inputs_.resize(1 + chain.extras.size());
    inputs_[0] = k_.page(p_.sums, sum);
    for (size_t e = 0; e < chain.extras.size(); ++e) inputs_[1 + e] = k_.page(chain.cbs[e], chain.extras[e].view.is_uniform() ? 0 : page);
    const bool upper_half = count_ <= kTileSide / 2;  // the lower two faces are empty
    k_.tile_regs_acquire();
    k_.run_tiles(chain.chain, inputs_.data(), outputs, static_cast<uint32_t>(upper_half ? kTileElements / 2 : kTileElements));
    k_.tile_regs_release();
  }

  void lay_scores(uint32_t block, uint32_t column, uint32_t sum) {
    const int64_t first = (block * p_.width + column) * kTileSide, columns = std::min(kTileSide, p_.rows.shape.n - first);
    std::array<std::byte*, kMaxRowBuffers> made;
    for (size_t i = 0; i < laid_.size(); ++i) made[i] = const_cast<std::byte*>(k_.page(p_.scored, static_cast<uint32_t>(i)));
    run_chain(p_.scores, sum, column, made.data());
    for (size_t i = 0; i < laid_.size(); ++i) {
      const auto element = static_cast<size_t>(size_of(p_.rows.operands[i].type));
      Rows to;
      for (uint32_t r = 0; r < count_ && k_.values(); ++r) to[r] = laid_[i][r] + static_cast<size_t>(first) * element;
      k_.untilize_block(element, made[i], std::span(to).first(count_), static_cast<uint32_t>(columns));
    }
  }

  // Tiles of what the row program has left, given by their rows. The last tile is made where rows do not fill it.
  void take_weights() {
    k_.charge(uint64_t{p_.nt} * (emulator::cycles::kCopyTile + emulator::cycles::kPackTile));
    if (!k_.values()) return;
    alignas(64) static constexpr std::array<std::byte, kTileSide * 4> kZeros{};
    const auto element = static_cast<size_t>(size_of(p_.right)), tile_row = kTileSide * element;
    rows_.find_rows({RowValue::Kind::kResult, p_.weights}, std::span(taken_).first(count_));
    for (uint32_t c = 0; c < p_.nt; ++c) {
      auto* tile = reinterpret_cast<emulator::TileRows*>(const_cast<std::byte*>(k_.page(p_.weights_cb, c)));
      for (uint32_t r = 0; r < kTileSide; ++r) tile->row[r] = r < count_ ? taken_[r] + c * tile_row : kZeros.data();
      const auto cut = static_cast<size_t>(p_.rows.shape.n % kTileSide) * element;
      if (c + 1 < p_.nt || cut == 0) continue;
      auto* made = const_cast<std::byte*>(k_.page(p_.tail, 0));
      for (uint32_t r = 0; r < count_; ++r) {
        std::memcpy(made + r * tile_row, tile->row[r], cut);
        std::memset(made + r * tile_row + cut, 0, tile_row - cut);
        tile->row[r] = made + r * tile_row;
      }
    }
  }

  Compute& k_;
  const AttentionPlan& p_;
  RowUnit rows_;
  int64_t unit_ = 0;
  uint32_t count_ = 0;  // rows
  using Rows = std::array<std::byte*, kTileSide>;
  std::vector<Rows> laid_ = std::vector<Rows>(p_.scores.chain.program().outputs.size());  // where the scores go
  Rows taken_{};                                                                          // where the weights lie
  std::vector<const std::byte*> inputs_;
};

}  // namespace

Kernel attention_compute(Compute k, AttentionArgs a) {
  const AttentionPlan& p = *a.plan;
  std::vector<std::pair<Cb, uint32_t>> own = p.rows.resident;
  own.insert(own.end(), {{p.sums, std::max(static_cast<uint32_t>(kDstBlock), p.vt)},
                         {p.scored, static_cast<uint32_t>(p.scores.chain.program().outputs.size())},
                         {p.weights_cb, p.nt},
                         {p.tail, 1}});
  for (const auto& [cb, count] : own) {
    co_await k.cb_reserve_back(cb, count);
    for (uint32_t i = 0; i < count && k.values(); ++i) k.new_page(cb, i);
    k.cb_push_back(cb, count);
  }
  for (const SumChain* chain : {&p.scores, &p.last}) {
    for (const size_t e : select(chain->extras, /*uniform=*/true)) co_await k.cb_wait_front(chain->cbs[e], 1);
  }
  const std::vector<size_t> score_moving = select(p.scores.extras, /*uniform=*/false), last_moving = select(p.last.extras, false);
  for (const RowStream& stream : p.rows.streams) {
    if (stream.stationary) co_await k.cb_wait_front(stream.at.cb, stream.pages);
  }
  Unit work(k, p);
  for (int64_t unit = a.units.first; unit < a.units.first + a.units.count; ++unit) {
    work.start(unit);
    co_await k.cb_wait_front(p.queries_cb, p.kt);
    for (uint32_t b = 0; b < p.blocks(); ++b) {
      co_await k.cb_wait_front(p.keys_cb, p.kt * p.held());
      for (const size_t e : score_moving) co_await k.cb_wait_front(p.scores.cbs[e], p.width);
      work.make_scores(b);
      for (const size_t e : score_moving) k.cb_pop_front(p.scores.cbs[e], p.width);
      if (!p.resident) k.cb_pop_front(p.keys_cb, p.kt * p.held());
    }
    k.cb_pop_front(p.queries_cb, p.kt);
    for (const RowStream& stream : p.rows.streams) {
      if (stream.moves()) co_await k.cb_wait_front(stream.at.cb, stream.pages);
    }
    for (const RowSink& sink : p.rows.sinks) {
      if (!sink.stays) co_await k.cb_reserve_back(sink.at.cb, sink.pages);
    }
    work.run_rows();
    for (const RowSink& sink : p.rows.sinks) {
      if (!sink.stays) k.cb_push_back(sink.at.cb, sink.pages);
    }
    for (const RowStream& stream : p.rows.streams) {
      if (stream.moves()) k.cb_pop_front(stream.at.cb, stream.pages);
    }
    for (uint32_t b = 0; b < p.blocks(); ++b) {
      co_await k.cb_wait_front(p.values_cb, p.held() * p.vt);
      work.multiply_values(b);
      if (!p.resident) k.cb_pop_front(p.values_cb, p.held() * p.vt);
    }
    if (p.resident && ends_batch(a, unit)) {
      k.cb_pop_front(p.keys_cb, p.kt * p.nt);
      k.cb_pop_front(p.values_cb, p.nt * p.vt);
    }
    for (const size_t e : last_moving) co_await k.cb_wait_front(p.last.cbs[e], p.vt);
    co_await k.cb_reserve_back(p.out, p.vt);
    work.store();
    k.cb_push_back(p.out, p.vt);
    for (const size_t e : last_moving) k.cb_pop_front(p.last.cbs[e], p.vt);
  }
}

Kernel attention_writer(Dataflow k, AttentionArgs a) {
  const AttentionPlan& p = *a.plan;
  TileWriter writer(k, p.result);
  for (int64_t unit = a.units.first; unit < a.units.first + a.units.count; ++unit) {
    for (const RowSink& sink : p.rows.sinks) {
      if (sink.stays) continue;
      co_await k.cb_wait_front(sink.at.cb, sink.pages);
      write_rows(k, p.rows, sink, unit);
      co_await k.noc_async_write_barrier();
      k.cb_pop_front(sink.at.cb, sink.pages);
    }
    co_await k.cb_wait_front(p.out, p.vt);
    const RowShape& shape = p.rows.shape;
    writer.write({unit / shape.units_per_group(), shape.start_in_group(unit), 0, 1, p.vt, shape.rows_in(unit)}, p.out);
    co_await k.noc_async_write_barrier();
    k.cb_pop_front(p.out, p.vt);
  }
}

}  // namespace tt::dnn
