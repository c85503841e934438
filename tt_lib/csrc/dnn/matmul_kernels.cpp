// The reader tilizes blocks of both operands and shares them by multicast; compute keeps partial sums in L1, where DST views them, and
// runs the epilogue tile by tile; the writer untilizes the results.
#include "dnn/matmul_kernels.hpp"

#include <algorithm>
#include <cstring>

#include "emulator/cycles.hpp"
#include "emulator/fpu.hpp"

namespace tt::dnn {
namespace {

// One block of the output.
struct Block {
  int64_t batch, m, n;    // block coordinates
  int64_t row, column;    // first tile
  int64_t height, width;  // tiles; 0: the core has no part in it
  bool active() const { return height > 0 && width > 0; }
};

Block block_of(const MatmulArgs& a, int64_t i) {
  const MatmulPlan& p = *a.plan;
  const bool alone = p.mode == MatmulMode::kIndependent;
  const int64_t m_count = alone ? p.m_blocks : div_up(p.m_blocks, p.m_slots), n_count = alone ? p.n_blocks : div_up(p.n_blocks, p.n_slots);
  const int64_t m = i % m_count * (alone ? 1 : p.m_slots) + a.m_slot, n = i / m_count % n_count * (alone ? 1 : p.n_slots) + a.n_slot;
  return {i / (m_count * n_count),
          m,
          n,
          m * p.mb,
          n * p.nb,
          std::clamp<int64_t>(p.m_tiles - m * p.mb, 0, p.mb),
          std::clamp<int64_t>(p.n_tiles - n * p.nb, 0, p.nb)};
}

// Whether blocks i and i + 1 use the same B, which then stays where it is.
bool shares_b(const MatmulArgs& a, int64_t i) {
  if (a.plan->k_steps != 1 || i < a.blocks.first || i + 1 >= a.blocks.first + a.blocks.count) return false;
  const Block left = block_of(a, i), right = block_of(a, i + 1);
  return left.batch == right.batch && left.n == right.n;
}

TileBlock side_block(const MatmulPlan& p, const Block& block, size_t side, int64_t k_tile) {
  const int64_t depth = std::min(p.kb, p.k_tiles - k_tile);
  if (side == 0)
    return {block.batch, block.row * kTileSide, k_tile * kTileSide, static_cast<uint32_t>(block.height), static_cast<uint32_t>(depth)};
  return {block.batch, k_tile * kTileSide, block.column * kTileSide, static_cast<uint32_t>(depth), static_cast<uint32_t>(block.width)};
}

// Row r of the block's results.
TileBlock result_row(const MatmulPlan& p, const Block& block, int64_t r) {
  return {block.batch, (block.row + r) * kTileSide, block.column / p.parts * kTileSide, 1, static_cast<uint32_t>(block.width / p.parts)};
}

}  // namespace

Kernel matmul_reader(Dataflow k, MatmulArgs a) {
  const MatmulPlan& p = *a.plan;
  std::array<TileReader, 2> readers{TileReader(k, p.sides[0], p.operand, p.a_in_rows ? TileForm::kRows : TileForm::kFaces),
                                    TileReader(k, p.sides[1], p.operand, second_form(p.operand))};
  std::vector<TileReader> extras;
  extras.reserve(p.extras.size());
  for (const Matrix& extra : p.extras) extras.emplace_back(k, extra, extra.type, TileForm::kParts);
  const auto columns = static_cast<uint32_t>(p.result_columns());
  const std::vector<size_t> moving = select(p.extras, /*uniform=*/false);
  for (const size_t e : select(p.extras, /*uniform=*/true)) {
    co_await k.cb_reserve_back(p.extra_cbs[e], 1);
    extras[e].read({0, 0, 0, 1, 1}, p.extra_cbs[e], 0, 1);
    co_await k.noc_async_read_barrier();
    k.cb_push_back(p.extra_cbs[e], 1);
  }
  for (int64_t i = a.blocks.first; i < a.blocks.first + a.blocks.count; ++i) {
    const Block block = block_of(a, i);
    for (int64_t step = 0; step < p.k_steps; ++step) {
      for (size_t side = 0; side < 2; ++side) {
        if ((side == 0 ? block.height : block.width) == 0 || (side == 1 && shares_b(a, i - 1))) continue;
        const Feed& feed = a.feeds[side];
        const Cb cb = p.side_cbs[side];
        const auto pages = static_cast<uint32_t>(p.kb * (side == 0 ? p.mb : p.nb));
        co_await k.cb_reserve_back(cb, pages);
        if (feed.shared && !feed.sends) {
          k.noc_semaphore_set(p.valid[side], 0);
          k.noc_semaphore_inc(feed.sender, p.ready[side], 1);
          co_await k.noc_semaphore_wait(p.valid[side], 1);
        } else {
          std::byte* memory = feed.shared && !p.sides[side].in_tiles ? k.new_shared_pages(cb, pages) : nullptr;
          readers[side].read(side_block(p, block, side, step * p.kb), cb, 0, static_cast<uint32_t>(side == 0 ? p.kb : p.nb), memory);
          co_await k.noc_async_read_barrier();
        }
        if (feed.sends) {
          co_await k.noc_semaphore_wait(p.ready[side], feed.receivers);
          k.noc_semaphore_set(p.ready[side], 0);
          k.noc_async_write_multicast(cb, 0, pages, feed.first, feed.last);
          k.noc_semaphore_set_multicast(p.valid[side], 1, feed.first, feed.last);
        }
        k.cb_push_back(cb, pages);
      }
    }
    for (int64_t r = 0; r < block.height && block.active() && !moving.empty(); ++r) {
      for (const size_t e : moving) co_await k.cb_reserve_back(p.extra_cbs[e], columns);
      for (const size_t e : moving) extras[e].read(result_row(p, block, r), p.extra_cbs[e], 0, columns);
      co_await k.noc_async_read_barrier();
      for (const size_t e : moving) k.cb_push_back(p.extra_cbs[e], columns);
    }
  }
}

namespace {

// Adds one step's products to the partial sums of the block; the first step starts them.
void multiply_step(Compute& k, const MatmulPlan& p, const Block& block, int64_t depth, bool fresh) {
  const int64_t rows = std::min(kDstBlock / 2, block.height), columns = kDstBlock / rows;
  const int64_t panel = std::max<int64_t>(kPanelBytes / k.get_page_size(p.side_cbs[1]), 2);
  const int64_t last_rows = std::min(p.m - (block.row + block.height - 1) * kTileSide, kTileSide);
  for (int64_t k0 = 0; k0 < depth; k0 += panel) {
    const int64_t kt = std::min(panel, depth - k0);
    for (int64_t r = 0; r < block.height; r += rows) {
      for (int64_t c = 0; c < block.width; c += columns) {
        const auto mt = static_cast<uint32_t>(std::min(rows, block.height - r)),
                   nt = static_cast<uint32_t>(std::min(columns, block.width - c));
        k.tile_regs_acquire();
        for (uint32_t i = 0; i < mt; ++i) {
          for (uint32_t j = 0; j < nt && (k.values() || k0 == 0); ++j) {
            k.copy_tile(p.partials, static_cast<uint32_t>((r + i) * p.nb + c + j), i * nt + j);
          }
        }
        k.matmul_block({p.side_cbs[0], static_cast<uint32_t>(r * p.kb + k0), static_cast<uint32_t>(p.kb)},
                       {p.side_cbs[1], static_cast<uint32_t>(k0 * p.nb + c), static_cast<uint32_t>(p.nb)}, 0,
                       {.mt = mt,
                        .nt = nt,
                        .kt = static_cast<uint32_t>(kt),
                        .last_rows = static_cast<uint32_t>(r + mt == block.height ? last_rows : kTileSide),
                        .a_in_rows = p.a_in_rows,
                        .fresh = fresh && k0 == 0},
                       p.operand, MathFidelity::kHiFi4);
        k.tile_regs_release();
      }
    }
  }
  if (!k.values()) k.charge(static_cast<uint64_t>(block.height * block.width) * emulator::cycles::kPackTile);
}

constexpr size_t kMaxEpilogueBuffers = kMaxParts + emulator::kMaxCircularBuffers;

// The epilogue on one tile, of `rows` x `columns` elements that count. Those of few rows go face by face.
void run_epilogue(Compute& k, const MatmulPlan& p, std::span<const std::byte* const> inputs, std::span<std::byte* const> outputs,
                  int64_t rows, int64_t columns) {
  constexpr int64_t kFewRows = 8, kFace = kTileSide / 2, kFaceElements = kFace * kFace;
  if (rows > kFewRows || !k.values()) {
    const int64_t elements = rows <= kFace ? kTileElements / 2 : kTileElements;  // the lower two faces are empty
    return k.run_tiles(p.epilogue, inputs.data(), outputs.data(), static_cast<uint32_t>(elements));
  }
  const auto elements = static_cast<uint32_t>(rows * kFace);
  k.run_tiles(p.epilogue, inputs.data(), outputs.data(), elements);
  if (columns <= kFace) return;
  const TileProgram& chain = p.epilogue.program();
  std::array<const std::byte*, kMaxEpilogueBuffers> right_inputs;
  std::array<std::byte*, kMaxEpilogueBuffers> right_outputs;
  for (size_t i = 0; i < inputs.size(); ++i) right_inputs[i] = inputs[i] + kFaceElements * size_of(chain.inputs[i]);
  for (size_t o = 0; o < outputs.size(); ++o) right_outputs[o] = outputs[o] + kFaceElements * size_of(chain.outputs[o].type);
  k.run_tiles(p.epilogue, right_inputs.data(), right_outputs.data(), elements);
}

}  // namespace

Kernel matmul_compute(Compute k, MatmulArgs a) {
  const MatmulPlan& p = *a.plan;
  const auto tiles = static_cast<uint32_t>(p.mb * p.nb), columns = static_cast<uint32_t>(p.result_columns());
  const auto sums = static_cast<size_t>(p.parts);
  const size_t sum_bytes = emulator::matmul_tile_bytes(p.accumulator);
  std::vector<const std::byte*> inputs(sums + p.extras.size());
  std::vector<std::byte*> outputs(p.results.size());
  const std::vector<size_t> moving = select(p.extras, /*uniform=*/false);
  for (const size_t e : select(p.extras, /*uniform=*/true)) {
    co_await k.cb_wait_front(p.extra_cbs[e], 1);
    inputs[sums + e] = k.values() ? k.page(p.extra_cbs[e], 0) : nullptr;
  }
  co_await k.cb_reserve_back(p.partials, tiles);
  for (uint32_t t = 0; t < tiles && k.values(); ++t) k.new_page(p.partials, t);
  k.cb_push_back(p.partials, tiles);
  for (int64_t i = a.blocks.first; i < a.blocks.first + a.blocks.count; ++i) {
    const Block block = block_of(a, i);
    const bool last = i + 1 == a.blocks.first + a.blocks.count;  // nobody adds to the sums any more
    for (uint32_t t = 0; t < tiles && k.values() && p.k_steps == 0; ++t) {
      std::byte* const sum = const_cast<std::byte*>(k.page(p.partials, t));
      k.perform([=](const auto& at, auto&) { std::memset(at(sum), 0, sum_bytes); });
    }
    for (int64_t step = 0; step < p.k_steps; ++step) {
      if (block.height > 0) co_await k.cb_wait_front(p.side_cbs[0], static_cast<uint32_t>(p.mb * p.kb));
      if (block.width > 0) co_await k.cb_wait_front(p.side_cbs[1], static_cast<uint32_t>(p.kb * p.nb));
      if (block.active()) multiply_step(k, p, block, std::min(p.kb, p.k_tiles - step * p.kb), step == 0);
      if (block.height > 0) k.cb_pop_front(p.side_cbs[0], static_cast<uint32_t>(p.mb * p.kb));
      if (block.width > 0 && !shares_b(a, i)) k.cb_pop_front(p.side_cbs[1], static_cast<uint32_t>(p.kb * p.nb));
    }
    for (int64_t r = 0; r < block.height && block.active(); ++r) {
      for (const size_t e : moving) co_await k.cb_wait_front(p.extra_cbs[e], columns);
      for (const Cb cb : p.result_cbs) co_await k.cb_reserve_back(cb, columns);
      const int64_t rows = std::min(p.m - (block.row + r) * kTileSide, kTileSide);
      for (uint32_t c = 0; c < result_row(p, block, r).width; ++c) {
        const auto sum = static_cast<uint32_t>(r * p.nb + c * p.parts);
        if (p.identity) {
          k.tile_regs_acquire();
          k.copy_tile(p.partials, sum, 0);
          if (last) {
            k.pack_viewed_tile(0, p.result_cbs[0], c);
          } else {
            k.pack_tile(0, p.result_cbs[0], c);
          }
          k.tile_regs_release();
          continue;
        }
        for (const size_t e : moving) inputs[sums + e] = k.values() ? k.page(p.extra_cbs[e], c) : nullptr;
        for (size_t o = 0; o < p.results.size(); ++o) outputs[o] = k.values() ? k.new_page(p.result_cbs[o], c) : nullptr;
        for (uint32_t g = 0; g < sums; ++g) inputs[g] = k.values() ? k.page(p.partials, sum + g) : nullptr;
        run_epilogue(k, p, inputs, outputs, rows, std::min(p.n - (block.column / p.parts + c) * kTileSide, kTileSide));
      }
      for (const Cb cb : p.result_cbs) k.cb_push_back(cb, columns);
      for (const size_t e : moving) k.cb_pop_front(p.extra_cbs[e], columns);
    }
  }
}

Kernel matmul_writer(Dataflow k, MatmulArgs a) {
  const MatmulPlan& p = *a.plan;
  std::vector<TileWriter> writers;
  writers.reserve(p.results.size());
  for (const Matrix& result : p.results) writers.emplace_back(k, result);
  const auto columns = static_cast<uint32_t>(p.result_columns());
  for (int64_t i = a.blocks.first; i < a.blocks.first + a.blocks.count; ++i) {
    const Block block = block_of(a, i);
    for (int64_t r = 0; r < block.height && block.active(); ++r) {
      for (size_t o = 0; o < writers.size(); ++o) {
        co_await k.cb_wait_front(p.result_cbs[o], columns);
        writers[o].write(result_row(p, block, r), p.result_cbs[o]);
        co_await k.noc_async_write_barrier();
        k.cb_pop_front(p.result_cbs[o], columns);
      }
    }
  }
}

}  // namespace tt::dnn
