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

// The same of a[:, pivots - 1], as LAPACK's geqp3: columns whose `given` is not zero come first, the others by the norm of what is left of
// them. The custom call "PivotedQr". Slots: a, given (i32), packed, pivots (i32, from one), tau.
struct PivotedQrSpec {
  std::string name = "pivoted_qr";
  DataType type;
  Dims dims;
};
Program pivoted_qr(const PivotedQrSpec& spec, const ChipSpec& chip);

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
// implicit QL iterations on a tridiagonal form, in double precision; NaN where they do not end. The custom call "Eigh". Slots: a,
// v [..., n, n], w [..., n] (real).
struct EighSpec {
  std::string name = "eigh";
  DataType type;
  Dims dims;
  bool lower;
};
Program eigh(const EighSpec& spec, const ChipSpec& chip);

// dims: [..., m, n]. a = u diag(s) vt with s descending, by implicit QR iterations on a bidiagonal form in double precision; NaN where they
// do not end. u has m columns and vt n rows when `full`, both min(m, n) otherwise. The custom call "Svd". Slots: a, s [..., min(m, n)]
// (real), and u and vt if vectors.
struct SvdSpec {
  std::string name = "svd";
  DataType type;
  Dims dims;
  bool full, vectors;
};
Program svd(const SvdSpec& spec, const ChipSpec& chip);

// dims: [..., n, n]. Result as LAPACK's gehrd has it: H with a = Q H Q^H on and above the subdiagonal, the Householder vectors of Q below
// it, and their factors tau [..., n - 1]. The custom call "Hessenberg". Slots: a, packed, tau.
struct HessenbergSpec {
  std::string name = "hessenberg";
  DataType type;
  Dims dims;
};
Program hessenberg(const HessenbergSpec& spec, const ChipSpec& chip);

// dims: [..., n, n], Hermitian; only the lower (upper) triangle is read, and overwritten as LAPACK's sytrd and hetrd do. Results: the
// diagonal d [..., n] and what is beside it, e [..., n - 1], both real, and the factors tau [..., n - 1]. The custom call "Tridiagonal".
// Slots: a, packed, d, e, tau.
struct TridiagonalSpec {
  std::string name = "tridiagonal";
  DataType type;
  Dims dims;
  bool lower;
};
Program tridiagonal(const TridiagonalSpec& spec, const ChipSpec& chip);

// Solves with the matrices whose diagonals are lower (its first element does not count), diagonal and upper (its last one does not), each
// [..., n]; b_dims: [..., n, m]. Singular matrices give NaN, or with `perturb` what they give when their zero pivots become as small as a
// rounding error. The custom call "TridiagonalSolve". Slots: lower, diagonal, upper, b, x.
struct TridiagonalSolveSpec {
  std::string name = "tridiagonal_solve";
  DataType type;
  Dims b_dims;
  bool perturb;
};
Program tridiagonal_solve(const TridiagonalSolveSpec& spec, const ChipSpec& chip);

// dims: [..., n, n]. a = Z T Z^H with T upper triangular; of real matrices with blocks of 2x2 on the diagonal, equal on theirs, for pairs
// of complex eigenvalues. QR iterations in double precision; NaN where they do not end. The custom call "Schur". Slots: a, t, z if vectors.
struct SchurSpec {
  std::string name = "schur";
  DataType type;
  Dims dims;
  bool vectors;
};
Program schur(const SchurSpec& spec, const ChipSpec& chip);

// dims: [..., n, n]. Eigenvalues w [..., n] and, as columns of norm one whose largest element is real, the left eigenvectors u with
// u^H a = w u^H and the right ones; all complex. From the Schur form. The custom call "Eig". Slots: a, w, u if left, v if right.
struct EigSpec {
  std::string name = "eig";
  DataType type;
  Dims dims;
  bool left, right;
};
Program eig(const EigSpec& spec, const ChipSpec& chip);

}  // namespace tt::dnn
