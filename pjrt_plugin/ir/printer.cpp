// StableHLO text as MLIR's pretty printer writes it.
#include <algorithm>

#include "base/error.hpp"
#include "ir/attribute_text.hpp"
#include "ir/property_text.hpp"
#include "ir/value_names.hpp"

namespace tt::ir {
namespace {

struct Clause {  // what an operation writes after its operands: text, then the attribute
  Op op;
  std::string_view text;
  Attr attr;
};
constexpr Clause kClauses[] = {
    {Op::kBroadcast, "sizes = ", Attr::kBroadcastSizes},
    {Op::kBroadcastInDim, "dims = ", Attr::kBroadcastDimensions},
    {Op::kDynamicBroadcastInDim, "dims = ", Attr::kBroadcastDimensions},
    {Op::kTranspose, "dims = ", Attr::kPermutation},
    {Op::kReverse, "dims = ", Attr::kDimensions},
    {Op::kConcatenate, "dim = ", Attr::kDimension},
    {Op::kIota, "dim = ", Attr::kIotaDimension},
    {Op::kDynamicIota, "dim = ", Attr::kIotaDimension},
    {Op::kGetDimensionSize, "dim = ", Attr::kDimension},
    {Op::kSetDimensionSize, "dim = ", Attr::kDimension},
    {Op::kDynamicSlice, "sizes = ", Attr::kSliceSizes},
    {Op::kPad, "low = ", Attr::kEdgePaddingLow},
    {Op::kPad, "high = ", Attr::kEdgePaddingHigh},
    {Op::kPad, "interior = ", Attr::kInteriorPadding},
    {Op::kCholesky, "lower = ", Attr::kLower},
    {Op::kFft, "type = ", Attr::kFftType},
    {Op::kFft, "length = ", Attr::kFftLength},
    {Op::kRng, "distribution = ", Attr::kRngDistribution},
    {Op::kRngBitGenerator, "algorithm = ", Attr::kRngAlgorithm},
};

// Operations without a syntax of their own.
constexpr Op kGeneric[] = {
    Op::kGather,
    Op::kDynamicGather,
    Op::kDynamicConv,
    Op::kTorchIndexSelect,
    Op::kScatter,
    Op::kMap,
    Op::kReduceWindow,
    Op::kSelectAndScatter,
    Op::kSort,
    Op::kTriangularSolve,
    Op::kCase,
    Op::kIf,
    Op::kAllGather,
    Op::kAllReduce,
    Op::kAllToAll,
    Op::kReduceScatter,
    Op::kCollectiveBroadcast,
    Op::kCollectivePermute,
    Op::kInfeed,
    Op::kOutfeed,
    Op::kSend,
    Op::kRecv,
    Op::kBatchNormGrad,
    Op::kBatchNormTraining,
    Op::kBatchNormInference,
};

constexpr Op kCommutative[] = {Op::kAdd, Op::kAnd, Op::kMaximum, Op::kMinimum, Op::kMultiply, Op::kOr, Op::kXor};

template <size_t n>
bool is_one_of(Op op, const Op (&ops)[n]) {
  return std::find(std::begin(ops), std::end(ops), op) != std::end(ops);
}

std::string symbol_text(std::string_view name) {
  const auto plain = [](char c) { return std::isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '$' || c == '.'; };
  const bool bare = !name.empty() && (std::isalpha(static_cast<unsigned char>(name[0])) || name[0] == '_') &&
                    std::all_of(name.begin(), name.end(), plain);
  return "@" + (bare ? std::string(name) : quoted(name));
}

enum class Where { kFunction, kRegion, kManual };  // which decides how calls and returns are spelled

class Printer {
 public:
  explicit Printer(LocationNames* locations = nullptr) : locations_(locations) {}

  std::string module(const Module& module) {
    add_location(*module.location);
    out_ = "module";
    if (!module.name.empty()) out_ += " " + symbol_text(module.name);
    if (!module.attributes.empty()) out_ += " attributes " + to_string(module.attributes);
    out_ += " {\n";
    for (const Mesh& mesh : module.meshes) {
      add_location(*mesh.location);
      out_ += cat("  sdy.mesh ", symbol_text(mesh.name), " = ", mesh.text);
      if (!mesh.attributes.empty()) out_ += " " + to_string(mesh.attributes);
      out_ += trailing(*mesh.location) + "\n";
    }
    for (const auto& function : module.functions) print_function(*function);
    return out_ + "}" + trailing(*module.location) + "\n";
  }

  std::string alone(const Operation& op) {
    names_.name_operation(op);
    print_operation(op, 0, Where::kRegion);
    out_.pop_back();
    return out_;
  }

 private:
  // MLIR visits a thing before its parts, and writes its location after them.
  void add_location(const Location& location) {
    if (locations_ != nullptr) locations_->add(location, /*may_wait=*/true);
  }
  std::string trailing(const Location& location) const {
    return locations_ == nullptr ? "" : " loc(" + locations_->name_or_text(location) + ")";
  }
  // MLIR does not use the name of an argument's location, but defines it first of all.
  std::string argument(const Value* value, const std::string& attributes = "") {
    std::string out = names_.of(value) + ": " + to_string(value->type()) + attributes;
    if (locations_ == nullptr) return out;
    locations_->add(value->location(), /*may_wait=*/false);
    return out + " loc(" + locations_->text(value->location()) + ")";
  }

  void print_function(const Function& function) {
    add_location(*function.location);
    names_.name_region(*function.body, nullptr);
    out_ += "  func.func ";
    if (!function.visibility.empty()) out_ += function.visibility + " ";
    out_ += symbol_text(function.name) + "(";
    const auto with_attributes = [&](const std::vector<AttributeDict>& all, size_t i) {
      return i < all.size() && !all[i].empty() ? " " + to_string(all[i]) : std::string();
    };
    for (size_t i = 0; i < function.body->arguments().size(); ++i) {
      const std::string attributes = with_attributes(function.argument_attributes, i);
      out_ += (i ? ", " : "") + argument(function.body->arguments()[i].get(), attributes);
    }
    out_ += ")";
    const size_t count = function.result_types.size();
    std::string results;
    for (size_t i = 0; i < count; ++i) {
      results += cat(i ? ", " : "", to_string(function.result_types[i]), with_attributes(function.result_attributes, i));
    }
    const bool bare = count == 1 && results == to_string(function.result_types[0]);
    if (count > 0) out_ += bare ? " -> " + results : " -> (" + results + ")";
    out_ += " {\n";
    print_operations(*function.body, 4, Where::kFunction);
    out_ += "  }" + trailing(*function.location) + "\n";
  }

  void print_operations(const Block& block, int indent, Where where) {
    for (const auto& op : block.operations()) print_operation(*op, indent, where);
  }

  void print_operation(const Operation& op, int indent, Where where) {
    add_location(op.location());
    out_ += std::string(static_cast<size_t>(indent), ' ') + names_.results(op);
    if (is_one_of(op.op(), kGeneric)) {
      print_generic(op, indent);
    } else {
      print_custom(op, indent, where);
    }
    out_ += trailing(op.location()) + "\n";
  }

  std::string operands(std::span<Value* const> values) {
    std::string out;
    for (const Value* value : values) out += (out.empty() ? "" : ", ") + names_.of(value);
    return out;
  }

  template <class Values>
  static std::string types(const Values& values) {
    std::string out;
    for (const auto& value : values) out += (out.empty() ? "" : ", ") + to_string(value->type());
    return out;
  }

  static std::string functional(const Operation& op) {
    const std::string results = types(op.results());
    return "(" + types(op.operands()) + ") -> " + (op.results().size() == 1 ? results : "(" + results + ")");
  }

  static std::string short_type(const Operation& op) {
    const Type& type = op.result()->type();
    const bool same = std::all_of(op.operands().begin(), op.operands().end(), [&](const Value* v) { return v->type() == type; });
    return same ? to_string(type) : functional(op);
  }

  // " {key = value, ...}" of the discardable attributes and those of `properties` that say something.
  static std::string dict(const Operation& op, std::initializer_list<Attr> properties = {}) {
    AttributeDict entries;
    for (const auto& [key, value] : op.discardable()) entries.emplace_back(key, value);
    for (Attr attr : properties) {
      const Attribute* value = op.find(attr);
      if (value != nullptr && !goes_without_saying(op, attr, *value))
        entries.emplace_back(std::string(name(attr)), Attribute{Foreign{property_text(attr, *value)}, {}});
    }
    return entries.empty() ? "" : " " + to_string(entries);
  }

  void print_generic(const Operation& op, int indent) {
    out_ += cat("\"stablehlo.", name(op.op()), "\"(", operands(op.operands()), ")");
    if (const std::string properties = property_dict(op); !properties.empty()) out_ += " " + properties;
    for (size_t i = 0; i < op.regions().size(); ++i) {
      out_ += i ? ", {\n" : " ({\n";
      if (!op.region(i).arguments().empty()) {
        out_ += cat(std::string(static_cast<size_t>(indent), ' '), "^bb0(", arguments(op.region(i), 0, 1), "):\n");
      }
      print_region(op.region(i), indent);
    }
    if (!op.regions().empty()) out_ += ")";
    out_ += dict(op) + " : " + functional(op);
  }

  void print_region(const Block& block, int indent, Where where = Where::kRegion) {
    print_operations(block, indent + 2, where);
    out_ += std::string(static_cast<size_t>(indent), ' ') + "}";
  }

  std::string arguments(const Block& block, size_t first, size_t step) {
    std::string out;
    for (size_t i = first; i < block.arguments().size(); i += step) {
      out += (out.empty() ? "" : ", ") + argument(block.arguments()[i].get());
    }
    return out;
  }

  void print_custom(const Operation& op, int indent, Where where) {
    switch (op.op()) {
      case Op::kReturn: {
        out_ += where == Where::kFunction ? "return" : where == Where::kManual ? "sdy.return" : "stablehlo.return";
        if (!op.operands().empty()) out_ += " " + operands(op.operands()) + " : " + types(op.operands());
        return;
      }
      case Op::kCall:
        out_ += cat(where == Where::kFunction ? "call " : "func.call ", symbol_text(op.symbol(Attr::kCallee)), "(", operands(op.operands()),
                    ")", dict(op), " : ", functional(op));
        return;
      case Op::kShardingConstraint:
        out_ +=
            cat("sdy.sharding_constraint ", operands(op.operands()), " ", clause_text(*op.find(Attr::kSharding)), " : ", short_type(op));
        return;
      case Op::kShardingGroup:
        out_ += cat("sdy.sharding_group ", operands(op.operands()), " group_id=", op.integer(Attr::kGroupId), " : ",
                    to_string(op.operand(0)->type()));
        return;
      case Op::kManualComputation: {
        out_ += cat("sdy.manual_computation(", operands(op.operands()), ") in_shardings=", clause_text(*op.find(Attr::kInShardings)),
                    " out_shardings=", clause_text(*op.find(Attr::kOutShardings)),
                    " manual_axes=", clause_text(*op.find(Attr::kManualAxes)), " (", arguments(op.region(), 0, 1), ") {\n");
        print_region(op.region(), indent, Where::kManual);
        out_ += " : " + functional(op);
        return;
      }
      default: out_ += cat("stablehlo.", name(op.op())); break;
    }
    switch (op.op()) {
      case Op::kConstant: out_ += dict(op) + " " + to_string(op.elements()); return;
      case Op::kReduce: return print_reduce(op, indent);
      case Op::kWhile: return print_while(op, indent);
      case Op::kCompare: return print_compare(op);
      case Op::kSlice: return print_slice(op);
      case Op::kConvolution: return print_convolution(op);
      case Op::kDotGeneral: return print_dot_general(op);
      case Op::kSelect: {
        const bool plain = op.operand(1)->type() == op.result()->type() && op.operand(2)->type() == op.result()->type();
        const std::string both = to_string(op.operand(0)->type()) + ", " + to_string(op.result()->type());
        out_ += " " + operands(op.operands()) + dict(op) + " : " + (plain ? both : functional(op));
        return;
      }
      case Op::kEinsum:
      case Op::kUnaryEinsum:
        out_ += cat(" ", operands(op.operands()), ", config = ", quoted(op.text(Attr::kEinsumConfig)), dict(op), " : ", functional(op));
        return;
      case Op::kComplex:
      case Op::kTuple: out_ += " " + operands(op.operands()) + dict(op) + " : " + to_string(op.result()->type()); return;
      case Op::kReducePrecision:
        out_ += cat(" ", operands(op.operands()), ", format = e", op.integer(Attr::kExponentBits), "m", op.integer(Attr::kMantissaBits),
                    dict(op), " : ", short_type(op));
        return;
      case Op::kAfterAll: out_ += cat(" ", operands(op.operands()), dict(op), " : ", to_string(op.result()->type())); return;
      case Op::kOptimizationBarrier: out_ += " " + operands(op.operands()) + dict(op) + " : " + types(op.operands()); return;
      case Op::kGetTupleElement:
        out_ += cat(" ", operands(op.operands()), "[", op.integer(Attr::kIndex), "]", dict(op), " : ", functional(op));
        return;
      case Op::kCustomCall:
        out_ += cat(" ", symbol_text(op.text(Attr::kCallTargetName)), "(", operands(op.operands()), ")",
                    dict(op, {Attr::kApiVersion, Attr::kBackendConfig, Attr::kCalledComputations, Attr::kHasSideEffect,
                              Attr::kOperandLayouts, Attr::kOutputOperandAliases, Attr::kResultLayouts}),
                    " : ", functional(op));
        return;
      case Op::kComposite:
        out_ += cat(" ", quoted(op.text(Attr::kName)), op.operands().empty() ? "" : " ", operands(op.operands()),
                    dict(op, {Attr::kCompositeAttributes, Attr::kDecomposition, Attr::kVersion}), " : ", functional(op));
        return;
      default: return print_clauses(op);
    }
  }

  void print_clauses(const Operation& op) {
    std::string parts = operands(op.operands());
    for (const Clause& clause : kClauses) {
      if (clause.op == op.op()) parts += cat(parts.empty() ? "" : ", ", clause.text, clause_text(*op.find(clause.attr)));
    }
    if (!parts.empty()) out_ += " " + parts;
    out_ += dict(op, {Attr::kResultAccuracy}) + " : ";
    out_ += op.operands().empty() ? types(op.results()) : info(op.op()).same_type ? short_type(op) : functional(op);
  }

  void print_compare(const Operation& op) {
    out_ += " " + op.text(Attr::kComparisonDirection) + ", " + operands(op.operands());
    if (const Attribute* type = op.find(Attr::kCompareType)) out_ += ", " + clause_text(*type);
    out_ += dict(op) + " : " + functional(op);
  }

  void print_slice(const Operation& op) {
    const Dims &starts = op.ints(Attr::kStartIndices), &limits = op.ints(Attr::kLimitIndices), &strides = op.ints(Attr::kStrides);
    std::string ranges;
    for (size_t i = 0; i < starts.size(); ++i) {
      ranges += cat(i ? ", " : "", starts[i], ":", limits[i]);
      if (strides[i] != 1) ranges += cat(":", strides[i]);
    }
    out_ += " " + operands(op.operands()) + " [" + ranges + "]" + dict(op) + " : " + functional(op);
  }

  void print_dot_general(const Operation& op) {
    out_ += " " + operands(op.operands());
    const Dims &batch = op.ints(Attr::kLhsBatchingDimensions), &contracted = op.ints(Attr::kLhsContractingDimensions);
    if (!batch.empty()) out_ += ", batching_dims = " + list_text(batch) + " x " + list_text(op.ints(Attr::kRhsBatchingDimensions));
    out_ += ", contracting_dims = " + list_text(contracted) + " x " + list_text(op.ints(Attr::kRhsContractingDimensions));
    const Attribute* precision = op.find(Attr::kPrecisionConfig);
    if (precision != nullptr && !goes_without_saying(op, Attr::kPrecisionConfig, *precision))
      out_ += ", precision = " + clause_text(*precision);
    if (const Attribute* algorithm = op.find(Attr::kDotAlgorithm))
      out_ += ", algorithm = " + dot_algorithm_text(std::get<AttributeDict>(algorithm->value));
    out_ += dict(op) + " : " + functional(op);
  }

  void print_convolution(const Operation& op) {
    out_ += "(" + operands(op.operands()) + ") dim_numbers = " + convolution_dims_text(op) + ", window = {";
    std::string window;
    const auto member = [&](Attr attr, std::string_view label) {
      const Attribute* value = op.find(attr);
      if (value == nullptr || goes_without_saying(op, attr, *value)) return;
      const Dims& dims = op.ints(attr);
      window += cat(window.empty() ? "" : ", ", label, " = ",
                    attr == Attr::kPadding          ? padding_text(dims)
                    : attr == Attr::kWindowReversal ? flags_text(dims)
                                                    : list_text(dims));
    };
    member(Attr::kWindowStrides, "stride");
    member(Attr::kPadding, "pad");
    member(Attr::kLhsDilation, "lhs_dilate");
    member(Attr::kRhsDilation, "rhs_dilate");
    member(Attr::kWindowReversal, "reverse");
    out_ += window + "}" + dict(op, {Attr::kBatchGroupCount, Attr::kFeatureGroupCount, Attr::kPrecisionConfig}) + " : " + functional(op);
  }

  // A body that is one commutative operation on the arguments prints as "applies stablehlo.add".
  static const Operation* sole_operation(const Block& body) {
    if (body.operations().size() != 2 || body.arguments().size() != 2) return nullptr;
    const Operation& inner = *body.operations()[0];
    const bool plain = is_one_of(inner.op(), kCommutative) && inner.operand(0) == body.arguments()[0].get() &&
                       inner.operand(1) == body.arguments()[1].get() && body.terminator().operands().size() == 1 &&
                       body.terminator().operand(0) == inner.result();
    return plain ? &inner : nullptr;
  }

  void print_reduce(const Operation& op, int indent) {
    const size_t n = op.operands().size() / 2;
    out_ += "(";
    for (size_t i = 0; i < n; ++i) out_ += cat(i ? ", (" : "", names_.of(op.operand(i)), " init: ", names_.of(op.operand(n + i)), ")");
    const Block& body = op.region();
    const Operation* inner = n == 1 ? sole_operation(body) : nullptr;
    if (inner != nullptr) out_ += cat(" applies stablehlo.", name(inner->op()));
    out_ += " across dimensions = " + list_text(op.ints(Attr::kDimensions)) + dict(op) + " : " + functional(op);
    if (inner != nullptr) return;
    out_ += "\n" + std::string(static_cast<size_t>(indent), ' ') + " reducer";
    for (size_t i = 0; i < n; ++i) out_ += (i ? " (" : "(") + arguments(body, i, n) + ")";
    out_ += "  {\n";
    print_region(body, indent);
  }

  void print_while(const Operation& op, int indent) {
    out_ += "(";
    for (size_t i = 0; i < op.operands().size(); ++i) {
      out_ += cat(i ? ", " : "", names_.of(op.region(0).arguments()[i].get()), " = ", names_.of(op.operand(i)));
    }
    out_ += ")";
    if (!op.operands().empty()) out_ += " : " + types(op.operands());
    if (!op.discardable().empty()) out_ += " attributes" + dict(op);
    const std::string margin(static_cast<size_t>(indent), ' ');
    out_ += "\n" + margin + "cond {\n";
    print_region(op.region(0), indent);
    out_ += " do {\n";
    print_region(op.region(1), indent);
  }

  ValueNames names_;
  LocationNames* locations_;
  std::string out_;
};

}  // namespace

std::string print(const Module& module) { return Printer().module(module); }
std::string print(const Module& module, LocationNames& names) {
  if (!names.are_given()) Printer(&names).module(module);
  names.number();
  return names.before() + Printer(&names).module(module) + names.after();
}

std::string print(const Operation& operation) { return Printer().alone(operation); }

}  // namespace tt::ir
