// Factorisations and triangular solves: operations of StableHLO and the custom calls that JAX emits for them.
#include "dnn/linalg.hpp"

#include <algorithm>

#include "base/error.hpp"
#include "lowering/block.hpp"

namespace tt::lowering {

using emulator::TileOp;
using emulator::TileOpcode;
using ir::Attr;
using ir::Op;

namespace {

// The kernels compute on 32 and 64 bits: narrower floats are widened on the way in and rounded on the way out.
DataType working_type(DataType type) { return is_float(type) && size_of(type) < size_of(DataType::kF32) ? DataType::kF32 : type; }

NodeId convert(BlockLowering& block, Ref from, const ir::Type& type, DataType to) {
  return block.elementwise({TileOpcode::kConvert, emulator::lane_of(type.element), to, 0}, type.num_elements(), {std::move(from)});
}

StorageId working_operand(BlockLowering& block, const ir::Value* value) {
  const ir::Type& type = value->type();
  const DataType working = working_type(type.element);
  if (working == type.element) return block.dense(value);
  return block.graph.dense(convert(block, block.ref(value), type, working), working, type.dims);
}

StorageId working_result(BlockLowering& block, const ir::Value* result, int level) {
  const ir::Type& type = result->type();
  const DataType working = working_type(type.element);
  if (working == type.element) return block.new_result(result, level);
  const StorageId storage = block.new_temporary(type.num_elements() * size_of(working), level);
  const ir::Type wide = ir::Type::tensor(working, type.dims);
  block.set(result, convert(block, Source::dense(storage, working, type.dims), wide, type.element));
  return storage;
}

// One program whose slots are the operation's operands and results.
template <class Make>
void run_on_all(BlockLowering& block, const ir::Operation& operation, const Make& make) {
  std::vector<StorageId> slots;
  int level = 0;
  for (const ir::Value* value : operation.operands()) {
    slots.push_back(working_operand(block, value));
    level = std::max(level, block.builder.available(slots.back()));
  }
  bool empty = true;
  for (const auto& result : operation.results()) {
    slots.push_back(working_result(block, result.get(), level));
    empty &= result->type().num_elements() == 0;
  }
  if (!empty) block.run_at(level, make(), std::move(slots));
}

DataType working_type_of(const ir::Operation& operation) { return working_type(operation.operand(0)->type().element); }
const Dims& dims_of(const ir::Operation& operation, size_t i) { return operation.operand(i)->type().dims; }

void lower_cholesky(BlockLowering& block, const ir::Operation& operation) {
  const dnn::CholeskySpec spec{"cholesky", working_type_of(operation), dims_of(operation, 0), operation.flag(Attr::kLower)};
  run_on_all(block, operation, [&] { return dnn::cholesky(spec, block.builder.chip); });
}

dnn::Transpose transpose_kind(const std::string& name) {
  if (name == "TRANSPOSE") return dnn::Transpose::kTranspose;
  return name == "ADJOINT" ? dnn::Transpose::kAdjoint : dnn::Transpose::kNone;
}

void lower_triangular_solve(BlockLowering& block, const ir::Operation& operation) {
  dnn::TriangularSolveSpec spec;
  spec.type = working_type_of(operation);
  spec.a_dims = dims_of(operation, 0);
  spec.b_dims = dims_of(operation, 1);
  spec.left_side = operation.flag(Attr::kLeftSide);
  spec.lower = operation.flag(Attr::kLower);
  spec.unit_diagonal = operation.flag(Attr::kUnitDiagonal);
  spec.transpose_a = transpose_kind(operation.text(Attr::kTransposeA));
  run_on_all(block, operation, [&] { return dnn::triangular_solve(spec, block.builder.chip); });
}

void lower_qr(BlockLowering& block, const ir::Operation& operation) {
  const dnn::QrSpec spec{"qr", working_type_of(operation), dims_of(operation, 0)};
  run_on_all(block, operation, [&] { return dnn::qr(spec, block.builder.chip); });
}

void lower_householder_product(BlockLowering& block, const ir::Operation& operation) {
  const dnn::HouseholderProductSpec spec{"householder_product", working_type_of(operation), dims_of(operation, 0),
                                         dims_of(operation, 1).back()};
  run_on_all(block, operation, [&] { return dnn::householder_product(spec, block.builder.chip); });
}

void lower_lu(BlockLowering& block, const ir::Operation& operation) {
  const dnn::LuSpec spec{"lu", working_type_of(operation), dims_of(operation, 0)};
  run_on_all(block, operation, [&] { return dnn::lu(spec, block.builder.chip); });
}

// The configuration starts with 1 when the lower triangle counts, 0 when the upper one does.
void lower_eigh(BlockLowering& block, const ir::Operation& operation) {
  const bool lower = operation.text(Attr::kBackendConfig).starts_with('1');
  const dnn::EighSpec spec{"eigh", working_type_of(operation), dims_of(operation, 0), lower};
  run_on_all(block, operation, [&] { return dnn::eigh(spec, block.builder.chip); });
}

// Of the results u and vt say whether all vectors are wanted; on their own the values are.
void lower_svd(BlockLowering& block, const ir::Operation& operation) {
  const auto& results = operation.results();
  require(results.size() != 2, "[custom_call] \"Svd\" with 2 results, expected 1 or 3");
  const Dims& dims = dims_of(operation, 0);
  require(dims.size() >= 2, "[custom_call] \"Svd\" of ", Text(operation.operand(0)->type()), ", expected matrices");
  const bool vectors = results.size() == 3;
  const int64_t m = dims[dims.size() - 2], n = dims.back();
  const bool full = vectors && (results[1]->type().dims.back() > std::min(m, n) || results[2]->type().dims.end()[-2] > std::min(m, n));
  const dnn::SvdSpec spec{"svd", working_type_of(operation), dims, full, vectors};
  run_on_all(block, operation, [&] { return dnn::svd(spec, block.builder.chip); });
}

// JAX's dce_sink: what it is given is computed, and nobody reads it.
void lower_sink(BlockLowering& block, const ir::Operation& operation) { block.dense(operation.operand(0)); }

void lower_pivoted_qr(BlockLowering& block, const ir::Operation& operation) {
  const dnn::PivotedQrSpec spec{"pivoted_qr", working_type_of(operation), dims_of(operation, 0)};
  const DataType given = operation.operand(1)->type().element;
  require(given == DataType::kS32, "[custom_call] \"PivotedQr\" with pivots ", Text(operation.operand(1)->type()), ", expected i32");
  run_on_all(block, operation, [&] { return dnn::pivoted_qr(spec, block.builder.chip); });
}

void lower_hessenberg(BlockLowering& block, const ir::Operation& operation) {
  const dnn::HessenbergSpec spec{"hessenberg", working_type_of(operation), dims_of(operation, 0)};
  run_on_all(block, operation, [&] { return dnn::hessenberg(spec, block.builder.chip); });
}

// The configuration as that of Eigh.
void lower_tridiagonal(BlockLowering& block, const ir::Operation& operation) {
  const bool lower = operation.text(Attr::kBackendConfig).starts_with('1');
  const dnn::TridiagonalSpec spec{"tridiagonal", working_type_of(operation), dims_of(operation, 0), lower};
  run_on_all(block, operation, [&] { return dnn::tridiagonal(spec, block.builder.chip); });
}

void lower_schur(BlockLowering& block, const ir::Operation& operation) {
  const dnn::SchurSpec spec{"schur", working_type_of(operation), dims_of(operation, 0), operation.results().size() == 2};
  run_on_all(block, operation, [&] { return dnn::schur(spec, block.builder.chip); });
}

// The configuration names the vectors that follow the eigenvalues: "", "L", "R" or "LR".
void lower_eig(BlockLowering& block, const ir::Operation& operation) {
  const std::string& vectors = operation.text(Attr::kBackendConfig);
  const bool left = vectors.find('L') != std::string::npos, right = vectors.find('R') != std::string::npos;
  require(operation.results().size() == 1u + left + right, "[custom_call] \"Eig\" with configuration \"", vectors, "\" and ",
          operation.results().size(), " results");
  const dnn::EigSpec spec{"eig", working_type_of(operation), dims_of(operation, 0), left, right};
  run_on_all(block, operation, [&] { return dnn::eig(spec, block.builder.chip); });
}

// The configuration is 1 where pivots are perturbed.
void lower_tridiagonal_solve(BlockLowering& block, const ir::Operation& operation) {
  const bool perturb = operation.text(Attr::kBackendConfig).starts_with('1');
  const dnn::TridiagonalSolveSpec spec{"tridiagonal_solve", working_type_of(operation), dims_of(operation, 3), perturb};
  run_on_all(block, operation, [&] { return dnn::tridiagonal_solve(spec, block.builder.chip); });
}

struct CustomCall {
  std::string_view target;
  size_t operands, results, most_results;
  void (*lower)(BlockLowering&, const ir::Operation&);
};

constexpr CustomCall kCustomCalls[] = {
    {"Eig", 1, 1, 3, lower_eig},
    {"Eigh", 1, 2, 2, lower_eigh},
    {"Hessenberg", 1, 2, 2, lower_hessenberg},
    {"LuDecomposition", 1, 3, 3, lower_lu},
    {"PivotedQr", 2, 3, 3, lower_pivoted_qr},
    {"ProductOfElementaryHouseholderReflectors", 2, 1, 1, lower_householder_product},
    {"Qr", 1, 2, 2, lower_qr},
    {"Schur", 1, 1, 2, lower_schur},
    {"Svd", 1, 1, 3, lower_svd},
    {"Tridiagonal", 1, 4, 4, lower_tridiagonal},
    {"dce_sink", 1, 0, 0, lower_sink},
    {"TridiagonalSolve", 4, 1, 1, lower_tridiagonal_solve},
};

void lower_custom_call(BlockLowering& block, const ir::Operation& operation) {
  const std::string& target = operation.text(Attr::kCallTargetName);
  const auto* row = std::find_if(std::begin(kCustomCalls), std::end(kCustomCalls), [&](const CustomCall& r) { return r.target == target; });
  if (row == std::end(kCustomCalls)) {
    block.refuse(operation, cat("there is no custom call \"", target, "\" on tt; docs/kernels.md says how to register one"));
    return;
  }
  const size_t operands = operation.operands().size(), results = operation.results().size();
  require(operands == row->operands && results >= row->results && results <= row->most_results, "[custom_call] \"", target, "\" with ",
          operands, " operands and ", results, " results, expected ", row->operands, " and ", row->results,
          row->results == row->most_results ? "" : cat(" to ", row->most_results));
  row->lower(block, operation);
}

}  // namespace

bool lower_linalg(BlockLowering& block, const ir::Operation& operation) {
  switch (operation.op()) {
    case Op::kCholesky: lower_cholesky(block, operation); return true;
    case Op::kTriangularSolve: lower_triangular_solve(block, operation); return true;
    case Op::kCustomCall: lower_custom_call(block, operation); return true;
    default: return false;
  }
}

}  // namespace tt::lowering
