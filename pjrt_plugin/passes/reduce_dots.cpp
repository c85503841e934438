// Products with one row and one column, and rows times a vector, are sums of products:
//   %2 = dot_general %0, %1  ->  %3 = multiply %0, (%1 along its rows), %2 = reduce add %3
// The matrix engine would multiply tiles that are empty but for one line.
#include <algorithm>

#include "passes/pass.hpp"
#include "passes/replace.hpp"

namespace tt::passes {
namespace {

using ir::Attr;
using ir::Op;
using ir::Operation;
using ir::Type;
using ir::Value;

// One operand's dimensions: those of batches, those that it alone has, those that are summed over.
struct Side {
  Dims batch, free, summed;

  Side(const Operation& product, size_t side)
      : batch(product.ints(side == 0 ? Attr::kLhsBatchingDimensions : Attr::kRhsBatchingDimensions)),
        summed(product.ints(side == 0 ? Attr::kLhsContractingDimensions : Attr::kRhsContractingDimensions)) {
    const auto among = [](const Dims& dims, int64_t d) { return std::find(dims.begin(), dims.end(), d) != dims.end(); };
    for (int64_t d = 0; d < static_cast<int64_t>(product.operand(side)->type().dims.size()); ++d) {
      if (!among(batch, d) && !among(summed, d)) free.push_back(d);
    }
  }

  Dims order() const {
    Dims all = batch;
    all.insert(all.end(), free.begin(), free.end());
    all.insert(all.end(), summed.begin(), summed.end());
    return all;
  }
};

Dims sizes(const Type& type, const Dims& dims) {
  Dims result;
  for (const int64_t d : dims) result.push_back(type.dims[static_cast<size_t>(d)]);
  return result;
}

// Rows are summed where they lie side by side; a vector times rows that do not is the matrix engine's work.
bool is_sum(const Operation& product, const Side& rows, const Side& vector, size_t rows_side) {
  const Type &of_rows = product.operand(rows_side)->type(), &of_vector = product.operand(1 - rows_side)->type();
  if (volume(sizes(of_vector, vector.free)) != 1 || of_vector.num_elements() == 0 || of_rows.num_elements() == 0) return false;
  const Dims order = rows.order();
  return volume(sizes(of_rows, rows.free)) == 1 || (std::is_sorted(order.begin(), order.end()) && !rows.summed.empty());
}

// The type in which terms are multiplied and summed; as on the matrix engine, narrow floats in f32.
DataType sum_type(const Operation& product) {
  const DataType element = product.result()->type().element;
  return is_float(element) && element != DataType::kF64 ? DataType::kF32 : element;
}

std::vector<Value*> sum_of_products(const Operation& product, Builder& builder) {
  if (product.find(Attr::kDotAlgorithm) != nullptr || product.result()->type().element == DataType::kPred) return {};
  const Side sides[2] = {{product, 0}, {product, 1}};
  size_t rows = 2;
  for (const size_t side : {0, 1}) {
    if (rows == 2 && is_sum(product, sides[side], sides[1 - side], side)) rows = side;
  }
  if (rows == 2) return {};
  const DataType element = sum_type(product);
  Value* terms[2];
  Dims common;  // batch, free of the rows, summed
  for (const size_t side : {rows, 1 - rows}) {
    Value* value = product.operand(side);
    const Dims order = sides[side].order();
    Dims dims = sizes(value->type(), order);
    if (!std::is_sorted(order.begin(), order.end())) {
      value = builder.make(Op::kTranspose, {value}, Type::tensor(value->type().element, dims), {{Attr::kPermutation, {order, {}}}});
    }
    value = builder.convert(value, element);
    const auto batches = sides[side].batch.size(), frees = sides[side].free.size();
    if (side == rows) {
      common = dims;
    } else {
      dims.erase(dims.begin() + static_cast<std::ptrdiff_t>(batches), dims.begin() + static_cast<std::ptrdiff_t>(batches + frees));
      if (frees > 0) value = builder.make(Op::kReshape, {value}, Type::tensor(element, dims));
      Dims along;
      for (size_t d = 0; d < common.size(); ++d) {
        if (d < batches || d >= batches + sides[rows].free.size()) along.push_back(static_cast<int64_t>(d));
      }
      if (dims != common) value = builder.broadcast(value, along, common);
    }
    terms[side] = value;
  }
  Value* sum = builder.same_type(Op::kMultiply, {terms[0], terms[1]});
  Dims summed;
  for (size_t d = common.size() - sides[0].summed.size(); d < common.size(); ++d) summed.push_back(static_cast<int64_t>(d));
  sum = builder.convert(builder.sum(sum, summed), product.result()->type().element);
  if (sum->type() != product.result()->type()) sum = builder.make(Op::kReshape, {sum}, product.result()->type());
  return {sum};
}

constexpr Replacement kReplacements[] = {{Op::kDotGeneral, sum_of_products}};

}  // namespace

void reduce_dots(ir::Module& module) { replace_operations(module, kReplacements); }

}  // namespace tt::passes
