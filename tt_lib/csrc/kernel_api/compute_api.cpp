// The compute engine: DST, block products and tile chains.
#include "kernel_api/compute_api.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>

#include "base/error.hpp"
#include "emulator/cycles.hpp"
#include "emulator/scheduler.hpp"

namespace tt {

using emulator::HostThread;
using emulator::kTileElements;
namespace cycles = emulator::cycles;

namespace {

constexpr uint32_t kMaxBlock = 256;  // tiles per operand of one matmul_block
constexpr size_t kMaxChained = 64;   // inputs or outputs of a chain that is recorded

// What neither FPU nor SFPU can hold is computed on the RISC-V cores.
bool on_riscv(emulator::Lane lane) { return lane != emulator::Lane::kF32 && lane != emulator::Lane::kPred; }

}  // namespace

Compute::Ready Compute::tile_regs_acquire() {
  if (values()) {
    core().dst.fill(nullptr);
  } else {
    state_->holds_dst = true;
    state_->block_math = state_->block_datapath = 0;
  }
  return {};
}

// A block of tiles takes as long as its math, or as its way through the unpackers and the packer and the hand-over of DST.
void Compute::tile_regs_release() {
  if (values() || !state_->holds_dst) return;
  state_->holds_dst = false;
  charge(static_cast<uint64_t>(std::max(state_->block_math, state_->block_datapath + static_cast<double>(cycles::kUblock))));
}

void Compute::matmul_block(const TileRange& a, const TileRange& b, uint32_t dst, const MatmulShape& shape, DataType type,
                           MathFidelity fidelity) {
  const auto& [mt, nt, kt, last_rows, a_in_rows, fresh] = shape;
  if (dst + mt * nt > emulator::kDstTiles) [[unlikely]]
    undefined(cat("matmul_block writes DST tile ", dst + mt * nt - 1, ", there are ", emulator::kDstTiles));
  const size_t tile_bytes = emulator::matmul_tile_bytes(type);
  if (get_page_size(b.cb) < tile_bytes || (!a_in_rows && get_page_size(a.cb) < tile_bytes)) [[unlikely]]
    undefined(cat("matmul_block of tiles of ", tile_bytes, " bytes from pages of ", get_page_size(a.cb), " and ", get_page_size(b.cb)));
  if (!values()) {
    const double unpack = static_cast<double>(emulator::matmul_tile_bytes(type)) / cycles::kUnpackBytesPerCycle;
    const double math = cycles::kMatmulPhase * static_cast<double>(fidelity);
    return charge({std::max(unpack, math) * mt * nt * kt + static_cast<double>(cycles::kMatmulBlock), 0});
  }
  std::array<const std::byte*, kMaxBlock> a_tiles, b_tiles;
  std::array<std::byte*, emulator::kDstTiles> acc;
  if (mt * kt > kMaxBlock || nt * kt > kMaxBlock) [[unlikely]]
    undefined(cat("matmul_block of ", mt, "x", nt, "x", kt, " tiles, expected at most ", kMaxBlock, " of each operand"));
  for (uint32_t i = 0; i < mt; ++i) {
    for (uint32_t k = 0; k < kt; ++k) a_tiles[i * kt + k] = page(a.cb, a.first + i * a.stride + k);
  }
  for (uint32_t k = 0; k < kt; ++k) {
    for (uint32_t j = 0; j < nt; ++j) b_tiles[k * nt + j] = page(b.cb, b.first + k * b.stride + j);
  }
  const size_t bytes = emulator::matmul_tile_bytes(emulator::matmul_accumulator_type(type));
  for (uint32_t i = 0; i < mt * nt; ++i) {
    const bool clear = core().dst[dst + i] == nullptr && !fresh;
    std::byte* const tile = acc[i] = core().dst_tile(static_cast<int>(dst + i));
    if (clear) perform([=](const auto& at, HostThread&) { std::memset(at(tile), 0, bytes); });
  }
  emulator::MatmulBlock block{a_tiles.data(), b_tiles.data(), acc.data(), mt, nt, kt, last_rows, a_in_rows, fresh};
  if (!is_recorded()) return emulator::matmul_block(type, block);
  emulator::Recording& recording = *core().recording;
  block.a = recording.keep(std::span<const std::byte* const>(a_tiles.data(), mt * kt));
  block.b = recording.keep(std::span<const std::byte* const>(b_tiles.data(), kt * nt));
  block.acc = recording.keep(std::span<std::byte* const>(acc.data(), mt * nt));
  recording.add([=](const auto& at, HostThread&) {
    std::array<const std::byte*, kMaxBlock> a_here, b_here;
    std::array<std::byte*, emulator::kDstTiles> acc_here;
    std::transform(block.a, block.a + mt * kt, a_here.data(), at);
    std::transform(block.b, block.b + kt * nt, b_here.data(), at);
    std::transform(block.acc, block.acc + mt * nt, acc_here.data(), at);
    emulator::MatmulBlock here = block;
    here.a = a_here.data();
    here.b = b_here.data();
    here.acc = acc_here.data();
    emulator::matmul_block(type, here);
  });
}

void Compute::untilize_block(size_t element, const std::byte* tile, std::span<std::byte* const> rows, uint32_t columns) {
  if (!values()) return charge({0, cycles::kCopyTile + cycles::kPackTile});
  cannot_repeat();
  emulator::untilize_rows(element, tile, rows, columns);
}

std::byte* Compute::new_page_for(Cb cb, uint32_t index, Slot slot, const emulator::AccessMap& map, size_t element, int64_t start,
                                 int64_t count) {
  const emulator::BoundBuffer& target = core().run->buffers[slot];
  const bool in_place = map.dims.size() == 1 && map.dims[0].stride == 1 && !map.dims[0].padded();
  if (!values() || !in_place || (map.offset + start + count) * static_cast<int64_t>(element) > target.size) return new_page(cb, index);
  std::byte* page = target.data + (map.offset + start) * static_cast<int64_t>(element);
  buffer(cb).bind_back(index, page, nullptr);
  return page;
}

void Compute::check_dst(uint32_t dst) const {
  if (dst >= emulator::kDstTiles) [[unlikely]]
    undefined(cat("DST tile ", dst, ", there are ", emulator::kDstTiles));
}

void Compute::copy_tile(Cb cb, uint32_t tile, uint32_t dst) {
  check_dst(dst);
  if (!values()) return charge({0, cycles::kCopyTile});
  core().dst[dst] = const_cast<std::byte*>(page(cb, tile));
}

void Compute::pack_tile(uint32_t dst, Cb cb, uint32_t tile) {
  check_dst(dst);
  if (!values()) return charge({0, cycles::kPackTile});
  std::byte* const destination = new_page(cb, tile);
  if (core().dst[dst] == destination) return;
  copy(core().dst_tile(static_cast<int>(dst)), destination, get_page_size(cb));
}

void Compute::pack_viewed_tile(uint32_t dst, Cb cb, uint32_t tile) {
  check_dst(dst);
  if (!values()) return charge({0, cycles::kPackTile});
  check_back(cb, tile, 1);
  buffer(cb).bind_back(tile, core().dst[dst], nullptr);
}

const std::byte* Compute::dst(uint32_t i) const {
  cannot_repeat();
  return core().dst[i];
}

emulator::HostThread& Compute::host() const {
  cannot_repeat();
  return *core().thread;
}

void Compute::check_pages(const TileProgram& program, std::span<const Cb> inputs, std::span<const Cb> outputs, uint32_t elements) const {
  if (inputs.size() != program.inputs.size() || outputs.size() != program.outputs.size() || elements > kTileElements) [[unlikely]] {
    undefined(cat("run_tiles of ", elements, " elements of ", inputs.size(), " inputs and ", outputs.size(), " outputs, expected at most ",
                  kTileElements, " elements of ", program.inputs.size(), " and ", program.outputs.size()));
  }
  const auto check = [&](Cb cb, DataType type) {
    if (elements * static_cast<uint64_t>(size_of(type)) > get_page_size(cb)) [[unlikely]]
      undefined(cat("run_tiles of ", elements, " elements of ", tt::name(type), " on a page of ", get_page_size(cb), " bytes"));
  };
  for (size_t i = 0; i < inputs.size(); ++i) check(inputs[i], program.inputs[i]);
  for (size_t i = 0; i < outputs.size(); ++i) check(outputs[i], program.outputs[i].type);
}

void Compute::run_tiles(const TileChain& chain, std::span<const Cb> inputs, uint32_t in_page, std::span<const Cb> outputs,
                        uint32_t out_page, uint32_t elements) {
  check_pages(chain.program(), inputs, outputs, elements);
  if (!values()) return charge(tile_program_cost(chain.program(), elements));
  std::array<const std::byte*, emulator::kMaxCircularBuffers> in;
  std::array<std::byte*, emulator::kMaxCircularBuffers> out;
  for (size_t i = 0; i < inputs.size(); ++i) in[i] = page(inputs[i], in_page);
  for (size_t i = 0; i < outputs.size(); ++i) out[i] = new_page(outputs[i], out_page);
  run_chain(chain, in.data(), out.data(), elements, nullptr);
}

void Compute::run_chain(const TileChain& chain, const std::byte* const* inputs, std::byte* const* outputs, uint32_t elements,
                        const std::byte* const* next) {
  if (!is_recorded()) [[likely]]
    return chain.run(inputs, outputs, elements, core().thread->scratch, next);
  const size_t num_inputs = chain.program().inputs.size(), num_outputs = chain.program().outputs.size();
  if (num_inputs > kMaxChained || num_outputs > kMaxChained) throw emulator::NotRepeatable();
  emulator::Recording& recording = *core().recording;
  const std::byte* const* const kept_inputs = recording.keep(std::span(inputs, num_inputs));
  std::byte* const* const kept_outputs = recording.keep(std::span(outputs, num_outputs));
  recording.add([=, &chain, bound = recording.bind(chain, elements), own = core().thread](const auto& at, HostThread& host) {
    std::array<const std::byte*, kMaxChained> in;
    std::array<std::byte*, kMaxChained> out;
    std::transform(kept_inputs, kept_inputs + num_inputs, in.data(), at);
    std::transform(kept_outputs, kept_outputs + num_outputs, out.data(), at);
    if (bound != nullptr && own == &host) {
      bound->run(in.data(), out.data());
    } else {
      chain.run(in.data(), out.data(), elements, host.scratch);
    }
  });
}

void Compute::run_tiles(const TileChain& chain, const std::byte* const* inputs, std::byte* const* outputs, uint32_t elements,
                        const std::byte* const* next) {
  if (!values()) return charge(tile_program_cost(chain.program(), elements));
  run_chain(chain, inputs, outputs, elements, next);
}

void Compute::run_tiles(const TileChain& chain, const std::byte* const* inputs, const emulator::TileRuns* runs, std::byte* const* outputs,
                        uint32_t elements) {
  if (!values()) return charge(tile_program_cost(chain.program(), elements));
  cannot_repeat();
  chain.run_by_run(inputs, runs, outputs, elements, core().thread->scratch);
}

void Compute::reduce_rows(emulator::TileOpcode opcode, std::span<const std::byte* const> pages, uint32_t side_by_side, uint32_t count,
                          uint32_t length, std::byte* results) {
  if (!values()) return charge({cycles::kReduceTile * static_cast<double>(pages.size()), 0});
  if (!is_recorded()) [[likely]]
    return emulator::fold_rows(opcode, pages.data(), side_by_side, count, length, reinterpret_cast<float*>(results));
  const size_t num_pages = pages.size();
  if (num_pages > kMaxBlock) throw emulator::NotRepeatable();
  const std::byte* const* const kept = core().recording->keep(pages);
  perform([=](const auto& at, HostThread&) {
    std::array<const std::byte*, kMaxBlock> here;
    std::transform(kept, kept + num_pages, here.data(), at);
    emulator::fold_rows(opcode, here.data(), side_by_side, count, length, reinterpret_cast<float*>(at(results)));
  });
}

void Compute::bcast_columns(size_t element, const std::byte* elements, uint32_t count, uint32_t length, std::byte* page) {
  if (!values()) return charge({cycles::kCopyTile, 0});
  perform([=](const auto& at, HostThread&) { emulator::repeat_elements(element, at(elements), count, length, at(page)); });
}

void Compute::charge(uint64_t work) {
  spend(work);
  if (!values()) core().run->report.compute_cycles += work;
}

void Compute::charge(const TileProgramCost& cost) {
  if (values()) return;
  if (!state_->holds_dst) return charge(static_cast<uint64_t>(cost.math + cost.datapath));
  state_->block_math += cost.math;
  state_->block_datapath += cost.datapath;
}

TileProgramCost tile_program_cost(const TileProgram& program, uint32_t elements) {
  const auto tiles = static_cast<double>((elements + kTileElements - 1) / kTileElements);
  // Two unpackers fill SrcA and SrcB side by side.
  const double pairs = std::ceil(static_cast<double>(program.inputs.size()) / 2);
  TileProgramCost cost;
  cost.datapath = (pairs * cycles::kCopyTile + static_cast<double>(program.outputs.size()) * cycles::kPackTile) * tiles;
  for (const emulator::TileOp& op : program.ops) {
    const emulator::TileOpcodeInfo& row = emulator::info(op.code);
    cost.math += on_riscv(op.lane) ? static_cast<double>(row.riscv_cycles) * elements : static_cast<double>(row.sfpu_cycles) * tiles;
  }
  return cost;
}

}  // namespace tt
