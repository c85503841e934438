// Dense linear algebra on batches of matrices in f32, f64, c64 and c128, on the RISC-V cores: one matrix (or block of columns) per core.
#pragma once

#include <string>

#include "dnn/operand.hpp"

namespace tt::dnn {

// dims: [..., n, n] of the operand; only its lower (upper) triangle counts. Result: L with L L^H = a (U with U^H U = a), its other
// triangle as in a; NaN throughout where a is not positive definite. Slots: a, result.
struct CholeskySpec {
  std::string name = "cholesky";
  DataType type;
  Dims dims;
  bool lower;
};
Program cholesky(const CholeskySpec& spec, const ChipSpec& chip);

enum class Transpose : uint8_t { kNone, kTranspose, kAdjoint };

// Solves op(a) x = b (left_side) or x op(a) = b; op transposes. Only the lower (upper) triangle of a is read, its diagonal counts as ones
// when unit_diagonal. dims: a [..., n, n], b [..., n, m] or [..., m, n]. Slots: a, b, x.
struct TriangularSolveSpec {
  std::string name = "triangular_solve";
  DataType type;
  Dims a_dims;
  Dims b_dims;
  bool left_side;
  bool lower;
  bool unit_diagonal;
  Transpose transpose_a;
};
Program triangular_solve(const TriangularSolveSpec& spec, const ChipSpec& chip);

// dims: [..., m, n]. Result: L (ones on its diagonal, not stored) and U in one matrix, the row exchanged with row i for each i below
// min(m, n), and the permutation p of all m rows with a[p] = L U. The custom call "LuDecomposition". Slots: a, lu, pivots, p (i32).
struct LuSpec {
  std::string name = "lu";
  DataType type;
  Dims dims;
};
Program lu(const LuSpec& spec, const ChipSpec& chip);

// dims: [..., m, n]. Result as LAPACK's geqrf has it: R on and above the diagonal, the Householder vectors below it, and their
// factors tau [..., min(m, n)]. The custom call "Qr". Slots: a, packed, tau.
struct QrSpec {
  std::string name = "qr";
  DataType type;
  Dims dims;
};
Program qr(const QrSpec& spec, const ChipSpec& chip);

// dims: [..., m, n] of the packed vectors, m >= n; `count` factors. Result [..., m, n]: the first n columns of H_1 H_2 ... H_count. The
// custom call "ProductOfElementaryHouseholderReflectors". Slots: packed, tau, q.
struct HouseholderProductSpec {
  std::string name = "householder_product";
  DataType type;
  Dims dims;
  int64_t count;
};
Program householder_product(const HouseholderProductSpec& spec, const ChipSpec& chip);

// dims: [..., n, n], Hermitian; only the lower (upper) triangle is read. Eigenvalues ascend, eigenvectors are the columns of v, both by
// Jacobi rotations in double precision. The custom call "Eigh". Slots: a, v [..., n, n], w [..., n] (real).
struct EighSpec {
  std::string name = "eigh";
  DataType type;
  Dims dims;
  bool lower;
};
Program eigh(const EighSpec& spec, const ChipSpec& chip);

}  // namespace tt::dnn
