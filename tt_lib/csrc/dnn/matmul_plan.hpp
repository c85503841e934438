// How a product is cut into blocks and spread over cores.
#pragma once

#include "dnn/matmul.hpp"
#include "dnn/matmul_tiles.hpp"

namespace tt::dnn {

// Who reads the blocks of A and B.
enum class MatmulMode : uint8_t {
  kIndependent,  // every core for itself
  kGrid,         // block rows on grid rows, block columns on grid columns: A is multicast along rows, B along columns
  kRowsOnly,     // block rows over all cores: B is multicast to all of them
  kColumnsOnly,  // block columns over all cores: A is multicast to all of them
};
std::string_view name(MatmulMode mode);

// One product, its operands as views, and the choices made for it.
struct MatmulPlan {
  std::string name;
  int64_t batch = 0, m = 0, k = 0, n = 0;
  int64_t parts = 1;  // products of one A, see MatmulSpec; n is that of each
  DataType operand{}, accumulator{};
  std::array<Matrix, 2> sides;  // A, B
  std::vector<Matrix> extras, results;
  TileChain epilogue;
  bool a_in_rows = false;  // pages of A are views of rows in DRAM
  bool identity = false;   // the sums are the result

  int64_t m_tiles = 0, n_tiles = 0, k_tiles = 0;  // n: of all parts
  int64_t mb = 1, nb = 1, kb = 1;                 // tiles of a block; nb is a multiple of parts
  int64_t m_blocks = 0, n_blocks = 0, k_steps = 0;
  MatmulMode mode = MatmulMode::kIndependent;
  int64_t grid_rows = 1, grid_columns = 1;  // cores
  int64_t m_slots = 1, n_slots = 1;         // blocks computed at a time

  std::array<Cb, 2> side_cbs{};
  Cb partials = 0;
  std::vector<Cb> extra_cbs, result_cbs;    // extras that are uniform have one page, which stays
  std::array<uint8_t, 2> ready{}, valid{};  // semaphores of each side: receivers that have room; data has arrived

  int64_t blocks_per_core() const;                       // of the communicating modes
  int64_t result_columns() const { return nb / parts; }  // tiles of a block
};

void choose_blocks(MatmulPlan& plan, const ChipSpec& chip);
// The same product in fewer and larger blocks of independent cores, as many as keep the host's threads at work: what the host runs for
// values where that brings operands less often or spares it hand-overs. False: the plan is best as it is.
bool join_blocks(MatmulPlan& plan);

// Fills in types, epilogue and blocks, and builds the program.
Program build_matmul(MatmulPlan plan, const MatmulSpec& spec, const ChipSpec& chip);

}  // namespace tt::dnn
