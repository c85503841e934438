// Batch normalisation as the StableHLO spec defines it, with statistics of one feature in one dimension:
//   centered = operand - mean;  result = centered * rsqrt(variance + epsilon) * scale + offset
#include "passes/decompose.hpp"

namespace tt::passes {
namespace {

using ir::Attr;
using ir::Op;
using ir::Operation;
using ir::Type;
using ir::Value;

// Narrow floats are computed with in f32, so that sums do not lose what they add; results are rounded once.
class BatchNorm {
 public:
  BatchNorm(const Operation& operation, Builder& builder)
      : operation_(operation), b_(builder), feature_(operation.integer(Attr::kFeatureIndex)), operand_(wide(0)) {
    const Dims& dims = operand_->type().dims;
    for (int64_t d = 0; d < static_cast<int64_t>(dims.size()); ++d) {
      if (d == feature_) continue;
      others_.push_back(d);
      per_feature_ *= dims[static_cast<size_t>(d)];
    }
  }

  std::vector<Value*> inference() { return rounded({normalized(wide(1), wide(2), centered(wide(3)), wide(4))}); }

  std::vector<Value*> training() {
    Value* mean = mean_of(operand_);
    Value* from_mean = centered(mean);
    Value* variance = mean_of(b_.same_type(Op::kMultiply, {from_mean, from_mean}));
    return rounded({normalized(wide(1), wide(2), from_mean, variance), mean, variance});
  }

  // grad_operand = scale / stddev * (g - mean(g) - centered * mean(g * centered) / stddev^2)
  std::vector<Value*> grad() {
    Value *from_mean = centered(wide(2)), *inverse = inverse_deviation(wide(3)), *g = wide(4);
    Value *sum = b_.sum(g, others_), *moment = b_.sum(b_.same_type(Op::kMultiply, {g, from_mean}), others_);
    Value* grad_scale = b_.same_type(Op::kMultiply, {moment, inverse});
    Value* slope = divided(b_.same_type(Op::kMultiply, {grad_scale, inverse}));
    Value* inner = b_.same_type(Op::kSubtract, {g, spread(divided(sum))});
    inner = b_.same_type(Op::kSubtract, {inner, b_.same_type(Op::kMultiply, {from_mean, spread(slope)})});
    Value* factor = b_.same_type(Op::kMultiply, {wide(1), inverse});
    return rounded({b_.same_type(Op::kMultiply, {spread(factor), inner}), grad_scale, sum});
  }

 private:
  Value* wide(size_t i) {
    const DataType element = operation_.operand(i)->type().element;
    return b_.convert(operation_.operand(i), size_of(element) < size_of(DataType::kF32) ? DataType::kF32 : element);
  }
  std::vector<Value*> rounded(std::vector<Value*> values) {
    for (size_t i = 0; i < values.size(); ++i) values[i] = b_.convert(values[i], operation_.result(i)->type().element);
    return values;
  }
  Value* spread(Value* of_features) { return b_.broadcast(of_features, {feature_}, operand_->type().dims); }
  Value* divided(Value* sum) { return b_.same_type(Op::kDivide, {sum, b_.constant(sum->type(), static_cast<double>(per_feature_))}); }
  Value* mean_of(Value* value) { return divided(b_.sum(value, others_)); }
  Value* centered(Value* mean) { return b_.same_type(Op::kSubtract, {operand_, spread(mean)}); }
  Value* inverse_deviation(Value* variance) {
    Value* epsilon = b_.constant(variance->type(), operation_.real(Attr::kEpsilon));
    return b_.same_type(Op::kRsqrt, {b_.same_type(Op::kAdd, {variance, epsilon})});
  }
  Value* normalized(Value* scale, Value* offset, Value* from_mean, Value* variance) {
    Value* factor = b_.same_type(Op::kMultiply, {inverse_deviation(variance), scale});
    return b_.same_type(Op::kAdd, {b_.same_type(Op::kMultiply, {from_mean, spread(factor)}), spread(offset)});
  }

  const Operation& operation_;
  Builder& b_;
  int64_t feature_;
  Value* operand_;
  Dims others_;
  int64_t per_feature_ = 1;
};

}  // namespace

std::vector<Value*> batch_norm_inference(const Operation& operation, Builder& builder) { return BatchNorm(operation, builder).inference(); }
std::vector<Value*> batch_norm_training(const Operation& operation, Builder& builder) { return BatchNorm(operation, builder).training(); }
std::vector<Value*> batch_norm_grad(const Operation& operation, Builder& builder) { return BatchNorm(operation, builder).grad(); }

}  // namespace tt::passes
