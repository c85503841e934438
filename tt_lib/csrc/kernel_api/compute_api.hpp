// What a compute kernel (the three TRISCs: unpack, math, pack) may call, under TT-Metalium's names. Tiles are indexed from the front of
// input buffers and from the back of output buffers.
#pragma once

#include <span>

#include "emulator/access_map.hpp"
#include "emulator/fpu.hpp"
#include "emulator/tile_chain.hpp"
#include "kernel_api/kernel.hpp"
#include "kernel_api/kernel_context.hpp"

namespace tt {

using emulator::TileChain;
using emulator::TileProgram;

enum class MathFidelity : uint8_t { kLoFi = 1, kHiFi2 = 2, kHiFi3 = 3, kHiFi4 = 4 };  // value: phases per product

// What one page through a chain costs, in cycles: on the math engine (or the RISC-V cores), and on the way in and out.
struct TileProgramCost {
  double math = 0, datapath = 0;
};

class Compute : public KernelContext {
 public:
  using KernelContext::KernelContext;

  struct Ready {
    bool await_ready() const noexcept { return true; }
    void await_suspend(std::coroutine_handle<>) const noexcept {}
    void await_resume() const noexcept {}
  };
  Ready tile_regs_acquire();  // math owns DST, cleared
  void tile_regs_commit() {}  // math -> pack
  Ready tile_regs_wait() { return {}; }
  void tile_regs_release();

  // A block of a circular buffer: tile (i, j) is page `first + i * stride + j`.
  struct TileRange {
    Cb cb;
    uint32_t first, stride;
  };
  struct MatmulShape {
    uint32_t mt, nt, kt;      // tiles
    uint32_t last_rows = 32;  // of A's last row of tiles that count; what DST holds below them is unspecified
    bool a_in_rows = false;   // pages of A are emulator::TileRows: views of rows that lie elsewhere
    bool fresh = false;       // DST is clear
  };
  // DST[dst + i*nt + j] += A[i][k] * B[k][j], sums in DST.
  void matmul_block(const TileRange& a, const TileRange& b, uint32_t dst, const MatmulShape& shape, DataType type, MathFidelity fidelity);
  void copy_tile(Cb cb, uint32_t tile, uint32_t dst);         // DST[dst] views the page until release: partial sums are not copied
  void pack_tile(uint32_t dst, Cb cb, uint32_t tile);         // the raw registers
  void pack_viewed_tile(uint32_t dst, Cb cb, uint32_t tile);  // of what DST views, which stays as it is until the page is popped: no copy
  const std::byte* dst(uint32_t i) const;                     // Values only

  // A chain of copy_tile, SFPU/FPU steps and pack_tile, as data: page `in_page` of every input buffer -> page `out_page` of every output.
  void run_tiles(const TileChain& chain, std::span<const Cb> inputs, uint32_t in_page, std::span<const Cb> outputs, uint32_t out_page,
                 uint32_t elements);
  // The same on pages of the caller's choice. In TimingOnly the pointers are not followed.
  void run_tiles(const TileChain& chain, const std::byte* const* inputs, std::byte* const* outputs, uint32_t elements,
                 const std::byte* const* next = nullptr);  // next: see TileChain::run
  // The same on pages some of which lie in runs: see TileChain::run_by_run.
  void run_tiles(const TileChain& chain, const std::byte* const* inputs, const emulator::TileRuns* runs, std::byte* const* outputs,
                 uint32_t elements);

  // REDUCE_ROW: `count` rows, `side_by_side` in each page, to one element each; and its inverse, each element along a row of `length`.
  void reduce_rows(emulator::TileOpcode opcode, std::span<const std::byte* const> pages, uint32_t side_by_side, uint32_t count,
                   uint32_t length, std::byte* results);
  void reduce_rows(emulator::TileOpcode opcode, const std::byte* page, uint32_t count, uint32_t length, std::byte* results) {
    reduce_rows(opcode, {&page, 1}, count, count, length, results);
  }
  void bcast_columns(size_t element, const std::byte* elements, uint32_t count, uint32_t length, std::byte* page);

  // The first rows of a tile of the caller's choice, `columns` elements of each, to where rows[i] says.
  void untilize_block(size_t element, const std::byte* tile, std::span<std::byte* const> rows, uint32_t columns);

  // A new page whose content will be written to elements [start, start + count) of a map: where these lie side by side the page is made
  // in place, and the writer has nothing to copy.
  std::byte* new_page_for(Cb cb, uint32_t index, Slot slot, const emulator::AccessMap& map, size_t element, int64_t start, int64_t count);

  void charge(uint64_t cycles);  // engine time of a step that the kernel computes on its pages itself
  void charge(const TileProgramCost& cost);
  emulator::HostThread& host() const;

 private:
  void run_chain(const TileChain& chain, const std::byte* const* inputs, std::byte* const* outputs, uint32_t elements,
                 const std::byte* const* next);
  void check_dst(uint32_t dst) const;
  void check_pages(const TileProgram& program, std::span<const Cb> inputs, std::span<const Cb> outputs, uint32_t elements) const;
};

TileProgramCost tile_program_cost(const TileProgram& program, uint32_t elements);

}  // namespace tt
