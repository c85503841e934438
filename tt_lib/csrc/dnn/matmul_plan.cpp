// Chooses blocks by what they cost: products on the engines, bytes from DRAM, tiles that readers make, hand-overs per step.
#include "dnn/matmul_plan.hpp"

#include <algorithm>
#include <cmath>

#include "base/error.hpp"
#include "base/thread_pool.hpp"
#include "emulator/cycles.hpp"

namespace tt::dnn {
namespace {

namespace cycles = emulator::cycles;

constexpr int64_t kMostJoined = 64;        // of joined cores
constexpr int64_t kOneCore = 24;           // tile products that are not worth a second core
constexpr int64_t kProductsPerCore = 24;   // of independent cores, at least
constexpr int64_t kFewProducts = 2048;     // below this, cores do not communicate
constexpr int64_t kHostCache = 768 << 10;  // what one step of a core should touch
constexpr int64_t kOftenUsed = 16;         // products per tile of A from which it is worth making
constexpr double kTileProduct = 4 * cycles::kMatmulPhase;
constexpr double kStep = 600;        // hand-over of one step between kernels
constexpr double kHandshake = 1200;  // of one step between cores
constexpr int64_t kBlockSizes[] = {1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 16};
constexpr int64_t kDepths[] = {32, 24, 20, 18, 16, 12, 8, 4, 2, 1};

struct Choice {
  MatmulMode mode;
  int64_t mb, nb, kb;
  int64_t rows, columns;  // cores
  double cost;
};

class Chooser {
 public:
  Chooser(const MatmulPlan& plan, const ChipSpec& chip) : p_(plan), chip_(chip) {
    const auto products = static_cast<double>(p_.batch * p_.m_tiles * p_.n_tiles) * static_cast<double>(std::max<int64_t>(p_.k_tiles, 1));
    products_ = std::max(products, 1.0);
    max_cores_ = num_compute_cores(chip);
    if (products <= kFewProducts) {
      max_cores_ = products <= kOneCore ? 1 : std::clamp<int64_t>(static_cast<int64_t>(products) / kProductsPerCore, 2, max_cores_);
    }
    operand_bytes_ = page_bytes(p_.a_in_rows ? TileForm::kRows : TileForm::kFaces, p_.operand);
    sum_bytes_ = static_cast<int64_t>(kTileElements) * size_of(p_.accumulator);
    for (const Matrix& extra : p_.extras) column_bytes_ += static_cast<int64_t>(kTileElements) * size_of(extra.type);
    for (const Matrix& result : p_.results) column_bytes_ += static_cast<int64_t>(kTileElements) * size_of(result.type);
  }

  Choice best() {
    const int64_t kt = std::max<int64_t>(p_.k_tiles, 1);
    for (int64_t mb : kBlockSizes) {
      if (mb > std::max<int64_t>(p_.m_tiles, 1)) break;
      for (int64_t nb : kBlockSizes) {
        if (nb > std::max<int64_t>(p_.n_tiles, 1)) break;
        if (nb % p_.parts != 0) continue;
        for (int64_t depth : kDepths) {
          const int64_t kb = std::min(depth, kt);
          if (!fits(mb, nb, kb)) continue;
          consider(mb, nb, kb);
        }
      }
    }
    check(best_.cost > 0, "[", p_.name, "] no block fits L1");
    return best_;
  }

 private:
  bool fits(int64_t mb, int64_t nb, int64_t kb) const {
    return 2 * (mb + nb) * kb * operand_bytes_ + mb * nb * sum_bytes_ + 2 * nb / p_.parts * column_bytes_ <= chip_.l1_usable;
  }

  void consider(int64_t mb, int64_t nb, int64_t kb) {
    const int64_t m_blocks = div_up(p_.m_tiles, mb), n_blocks = div_up(p_.n_tiles, nb);
    offer({MatmulMode::kIndependent, mb, nb, kb, 1, std::clamp<int64_t>(p_.batch * m_blocks * n_blocks, 1, max_cores_), 0});
    if (products_ <= kFewProducts) return;
    const int64_t width = chip_.compute_grid.x, height = chip_.compute_grid.y;
    if (m_blocks > 1 && n_blocks > 1) offer({MatmulMode::kGrid, mb, nb, kb, std::min(m_blocks, height), std::min(n_blocks, width), 0});
    const auto line = [&](MatmulMode mode, int64_t blocks) {
      if (blocks < 2) return;
      const int64_t columns = std::min(blocks, width);
      offer({mode, mb, nb, kb, std::min(div_up(blocks, columns), height), columns, 0});
    };
    line(MatmulMode::kRowsOnly, m_blocks);
    line(MatmulMode::kColumnsOnly, n_blocks);
  }

  void offer(Choice c) {
    c.cost = cost(c);
    if (best_.cost == 0 || c.cost < best_.cost) best_ = c;
  }

  double cost(const Choice& c) const {
    const int64_t m_blocks = div_up(p_.m_tiles, c.mb), n_blocks = div_up(p_.n_tiles, c.nb), kt = std::max<int64_t>(p_.k_tiles, 1);
    const int64_t steps = div_up(kt, c.kb), cores = c.rows * c.columns;
    const auto batch = p_.batch;
    // Blocks of one core, and how often each tile of A and of B is made.
    int64_t blocks = 0, a_times = n_blocks, b_times = m_blocks;
    switch (c.mode) {
      case MatmulMode::kIndependent:
        blocks = div_up(batch * m_blocks * n_blocks, cores);
        if (steps == 1) b_times = div_up(m_blocks, std::min(blocks, m_blocks));
        break;
      case MatmulMode::kGrid:
        a_times = div_up(n_blocks, c.columns);
        b_times = div_up(m_blocks, c.rows);
        blocks = batch * a_times * b_times;
        break;
      case MatmulMode::kRowsOnly:
        b_times = steps == 1 ? 1 : div_up(m_blocks, cores);
        blocks = batch * n_blocks * div_up(m_blocks, cores);
        break;
      case MatmulMode::kColumnsOnly:
        a_times = div_up(n_blocks, cores);
        blocks = batch * m_blocks * a_times;
        break;
    }
    const double a_made = static_cast<double>(batch * p_.m_tiles * kt * a_times),
                 b_made = static_cast<double>(batch * p_.n_tiles * kt * b_times);
    const auto tile_bytes = [](const Matrix& matrix) {
      return static_cast<double>(kTileElements) * static_cast<double>(size_of(matrix.type));
    };
    const double bandwidth = chip_.dram_bytes_per_second * chip_.dram_channels / chip_.clock_hz;
    const double dram = (a_made * tile_bytes(p_.sides[0]) + b_made * tile_bytes(p_.sides[1])) / bandwidth;
    const double spill = steps > 1 ? static_cast<double>(cycles::kCopyTile + cycles::kPackTile) : 0;
    const double per_step = kStep + (c.mode == MatmulMode::kIndependent ? 0 : kHandshake) + spill * static_cast<double>(c.mb * c.nb);
    const double engine =
        static_cast<double>(blocks) * (static_cast<double>(c.mb * c.nb * kt) * kTileProduct + static_cast<double>(steps) * per_step);
    // The most loaded reader makes tiles of both sides.
    const double made = static_cast<double>(blocks) * static_cast<double>(kt * (c.mb + c.nb));
    const double reader =
        made * (static_cast<double>(cycles::kCopyTile + cycles::kPackTile) + 32.0 * cycles::kNocIssue / static_cast<double>(c.kb));
    // The emulator's host pays for every tile made, and for steps that leave its cache.
    const double a_costs = p_.sides[0].in_tiles ? 0 : p_.sides[0].view.is_strided() ? 0.35 : 1.0, b_costs = p_.sides[1].in_tiles ? 0 : 0.35;
    double host = 1 + (a_costs * a_made + b_costs * b_made) / products_;
    if ((c.mb + c.nb) * c.kb * operand_bytes_ + c.mb * c.nb * sum_bytes_ > kHostCache) host *= 1.1;
    host *= 1 + 0.1 * static_cast<double>(c.nb % 2) / static_cast<double>(c.nb);  // it multiplies pairs of tiles faster
    // A core's kernels overlap from one block to the next: what does not counts where one side goes to all cores, which have many blocks.
    const double most = std::max({engine, dram, reader}), all = engine + dram + reader;
    const bool one_side = c.mode == MatmulMode::kRowsOnly || c.mode == MatmulMode::kColumnsOnly;
    const double alone = one_side ? (all - most) / static_cast<double>(std::max<int64_t>(blocks, 1)) : 0;
    return (most + alone + 0.1 * all) * host;
  }

  const MatmulPlan& p_;
  const ChipSpec& chip_;
  double products_;
  int64_t max_cores_;
  int64_t operand_bytes_ = 0, sum_bytes_ = 0, column_bytes_ = 0;
  Choice best_{MatmulMode::kIndependent, 1, 1, 1, 1, 1, 0};
};

// What follows from the sizes of blocks, the mode and the grid.
void count_blocks(MatmulPlan& p) {
  p.m_blocks = div_up(p.m_tiles, p.mb);
  p.n_blocks = div_up(p.n_tiles, p.nb);
  p.k_steps = div_up(p.k_tiles, p.kb);
  const int64_t cores = p.grid_rows * p.grid_columns;
  p.m_slots = p.mode == MatmulMode::kGrid ? p.grid_rows : p.mode == MatmulMode::kRowsOnly ? cores : 1;
  p.n_slots = p.mode == MatmulMode::kGrid ? p.grid_columns : p.mode == MatmulMode::kColumnsOnly ? cores : 1;
}

}  // namespace

std::string_view name(MatmulMode mode) {
  switch (mode) {
    case MatmulMode::kIndependent: return "independent cores";
    case MatmulMode::kGrid: return "A multicast along rows, B along columns";
    case MatmulMode::kRowsOnly: return "B multicast to all cores";
    case MatmulMode::kColumnsOnly: return "A multicast to all cores";
  }
  return "";
}

int64_t MatmulPlan::blocks_per_core() const { return batch * div_up(m_blocks, m_slots) * div_up(n_blocks, n_slots); }

void choose_blocks(MatmulPlan& p, const ChipSpec& chip) {
  p.m_tiles = div_up(p.m, kTileSide);
  p.n_tiles = p.parts * div_up(p.n, kTileSide);
  p.k_tiles = div_up(p.k, kTileSide);
  // Views of rows cost nothing to make, but tiles multiply faster.
  const bool shared = p.batch * p.m_tiles * p.n_tiles * p.k_tiles > kFewProducts;
  if (p.a_in_rows && p.sides[0].view.is_strided() && p.n_tiles >= kOftenUsed && shared) p.a_in_rows = false;
  const Choice c = Chooser(p, chip).best();
  p.mb = c.mb;
  p.nb = c.nb;
  p.kb = c.kb;
  p.mode = c.mode;
  p.grid_rows = c.rows;
  p.grid_columns = c.columns;
  count_blocks(p);
}

namespace {

// What a block takes one host thread, in products of tiles.
class HostCost {
 public:
  explicit HostCost(const MatmulPlan& plan) : p_(plan) {
    const auto of = [](const Matrix& side, bool in_rows) {
      return side.in_tiles ? 0.0 : in_rows ? 0.05 : side.view.is_strided() ? 0.25 : 1.0;
    };
    a_ = of(plan.sides[0], plan.a_in_rows && plan.sides[0].view.is_strided());
    b_ = of(plan.sides[1], false);
  }

  double block(int64_t mb, int64_t nb, int64_t kb, double a_share, double b_share) const {
    const auto kt = static_cast<double>(std::max<int64_t>(p_.k_tiles, 1));
    const auto rows = static_cast<double>(mb), columns = static_cast<double>(nb), steps = std::ceil(kt / static_cast<double>(kb));
    const double wide = 1 + 0.15 * static_cast<double>(nb % 2) / columns;
    return rows * columns * kt * wide + kt * (rows * a_ * a_share + columns * b_ * b_share) + steps * kHostStep;
  }

 private:
  static constexpr double kHostStep = 3;  // hand-overs between the kernels of a core
  const MatmulPlan& p_;
  double a_, b_;
};

}  // namespace

bool join_blocks(MatmulPlan& p) {
  constexpr int64_t kMostProducts = int64_t{1} << 13;  // of larger ones the blocks are large enough
  constexpr int64_t kSecondCache = 1 << 20;            // of a host thread: what a step should touch
  constexpr double kHandOver = 6;                      // products of tiles that a core costs which waits for others
  constexpr double kGain = 0.95;
  const int64_t kt = std::max<int64_t>(p.k_tiles, 1), products = p.batch * p.m_tiles * p.n_tiles * kt, threads = default_num_threads();
  const bool alone = p.mode == MatmulMode::kIndependent;
  const int64_t now = p.batch * p.m_blocks * p.n_blocks;
  if (products > kMostProducts || now <= threads) return false;
  const HostCost host(p);
  const auto blocks_at_once = [&](int64_t blocks) { return static_cast<double>(div_up(blocks, threads)); };
  const double a_share = p.mode == MatmulMode::kGrid || p.mode == MatmulMode::kColumnsOnly ? 1.0 / static_cast<double>(p.n_slots) : 1,
               b_share = p.mode == MatmulMode::kGrid || p.mode == MatmulMode::kRowsOnly ? 1.0 / static_cast<double>(p.m_slots) : 1;
  const double as_it_is =
      blocks_at_once(now) * (host.block(p.mb, p.nb, p.kb, a_share, b_share) + (alone ? 0 : kHandOver * static_cast<double>(p.k_steps)));
  const int64_t operand = page_bytes(TileForm::kFaces, p.operand), sum = static_cast<int64_t>(kTileElements) * size_of(p.accumulator);
  double best = kGain * as_it_is;
  bool is_better = false;
  for (const int64_t mb : kBlockSizes) {
    for (const int64_t nb : kBlockSizes) {
      if (mb > p.m_tiles || nb > p.n_tiles || nb % p.parts != 0) continue;
      for (const int64_t depth : kDepths) {
        const int64_t kb = std::min(depth, kt);
        if ((mb + nb) * kb * operand + mb * nb * sum > kSecondCache) continue;
        const double cost = blocks_at_once(p.batch * div_up(p.m_tiles, mb) * div_up(p.n_tiles, nb)) * host.block(mb, nb, kb, 1, 1);
        if (cost >= best) continue;
        best = cost;
        is_better = true;
        p.mb = mb;
        p.nb = nb;
        p.kb = kb;
      }
    }
  }
  if (!is_better) return false;
  p.mode = MatmulMode::kIndependent;
  count_blocks(p);
  p.grid_rows = 1;
  p.grid_columns = std::min<int64_t>(p.batch * p.m_blocks * p.n_blocks, kMostJoined);
  return true;
}

}  // namespace tt::dnn
