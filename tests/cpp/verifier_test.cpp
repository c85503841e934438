// What the verifier refuses, one broken module each.
#include "ir/ir.hpp"
#include "test.hpp"

namespace tt {
namespace {

using ir::Attr;
using ir::Attribute;
using ir::Op;
using ir::Type;

const Type kVector = Type::tensor(DataType::kF32, {4}), kMatrix = Type::tensor(DataType::kF32, {2, 4}),
           kScalar = Type::tensor(DataType::kF32, {});

const ir::Location kPlace{ir::Location::Kind::kFile, "model.py", {12, 0, 12, 0}, {}};
const ir::Location kWhere{ir::Location::Kind::kName, "f", {}, {&kPlace}};

// A module whose main takes `arguments`; `build` appends to its block and returns what main returns.
void verify(const std::vector<Type>& arguments, const std::function<ir::Value*(ir::Block&)>& build) {
  ir::Module module;
  auto main = std::make_unique<ir::Function>();
  main->name = "main";
  main->body = std::make_unique<ir::Block>();
  for (const Type& type : arguments) main->body->add_argument(type);
  ir::Value* returned = build(*main->body);
  main->result_types = {returned->type()};
  main->body->append(std::make_unique<ir::Operation>(Op::kReturn, std::vector{returned}, std::vector<Type>{}));
  module.functions.push_back(std::move(main));
  ir::verify(module);
}

ir::Operation* append(ir::Block& block, Op op, std::vector<ir::Value*> operands, Type result,
                      std::vector<std::pair<Attr, Attribute>> attributes = {}) {
  auto operation = std::make_unique<ir::Operation>(op, std::move(operands), std::vector{std::move(result)}, kWhere);
  for (auto& [key, value] : attributes) operation->set(key, std::move(value));
  return block.append(std::move(operation));
}

ir::Value* arg(ir::Block& block, size_t i) { return block.arguments()[i].get(); }

struct Wrong {
  Op op;
  std::vector<Type> arguments;  // all of them are operands
  Type result;
  std::vector<std::pair<Attr, Attribute>> attributes;
  std::string_view message;
};

Attribute ints(Dims dims) { return {std::move(dims), {}}; }
Attribute integer(int64_t value) { return {value, {}}; }
Attribute devices(Dims dims, const std::vector<int64_t>& values) {
  const auto* bytes = reinterpret_cast<const std::byte*>(values.data());
  auto copy = std::make_shared<std::vector<std::byte>>(bytes, bytes + values.size() * sizeof(int64_t));
  return {ir::DenseElements{Type::tensor(DataType::kS64, std::move(dims)), false, std::move(copy)}, {}};
}

TEST(verifier_names_operation_place_and_rule) {
  EXPECT_ERROR(verify({kVector, kMatrix},
                      [](ir::Block& block) {
                        return append(block, Op::kAdd, {arg(block, 0), arg(block, 1)}, kVector)->result();
                      }),
               "InvalidArgument: [verify] stablehlo.add at model.py:12 (f): operand 1 is tensor<2x4xf32>, expected dimensions [4]");
}

TEST(verifier_refuses) {
  const Type index = Type::tensor(DataType::kS32, {}), ints32 = Type::tensor(DataType::kS32, {4});
  const Wrong wrongs[] = {
      {Op::kCollectivePermute, {kVector}, kVector, {}, "attribute source_target_pairs is missing"},
      {Op::kCollectivePermute, {kVector}, kVector, {{Attr::kSourceTargetPairs, devices({2, 2}, {0, 1, 1, 1})}}, "names a device twice"},
      {Op::kCollectivePermute, {kVector}, kVector, {{Attr::kSourceTargetPairs, devices({1, 3}, {0, 1, 2})}}, "expected pairs"},
      {Op::kCollectivePermute, {kVector}, kVector, {{Attr::kSourceTargetPairs, devices({1, 2}, {0, -1})}}, "names device -1"},
      {Op::kCollectiveBroadcast, {kVector}, kVector, {{Attr::kReplicaGroups, devices({2}, {0, 1})}}, "expected two dimensions of i64"},
      {Op::kCollectiveBroadcast, {kVector}, kMatrix, {{Attr::kReplicaGroups, devices({1, 1}, {0})}}, "the result is tensor<2x4xf32>"},
      {Op::kAllGather, {kVector}, kVector, {{Attr::kReplicaGroups, devices({1, 2}, {0, 0})}}, "names a device twice"},
      {Op::kAdd, {kVector}, kVector, {}, "1 operands, expected 2"},
      {Op::kAdd, {kVector, ints32}, kVector, {}, "operand 1 is tensor<4xi32>, expected elements of type f32"},
      {Op::kCompare, {kVector, kVector}, kVector, {}, "the result is tensor<4xf32>, expected elements of type i1"},
      {Op::kSelect, {kVector, kVector, kVector}, kVector, {}, "operand 0 is tensor<4xf32>, expected elements of type i1"},
      {Op::kBroadcastInDim, {kVector}, kMatrix, {}, "attribute broadcast_dimensions is missing"},
      {Op::kBroadcastInDim, {kVector}, kMatrix, {{Attr::kBroadcastDimensions, integer(1)}}, "is not an integer array"},
      {Op::kBroadcastInDim, {kVector}, kMatrix, {{Attr::kBroadcastDimensions, ints({2})}}, "holds 2, expected 0 to 1"},
      {Op::kBroadcastInDim, {kVector}, kMatrix, {{Attr::kBroadcastDimensions, ints({0})}}, "is neither 1 nor 2"},
      {Op::kTranspose, {kMatrix}, kMatrix, {{Attr::kPermutation, ints({0, 0})}}, "names dimension 0 twice"},
      {Op::kTranspose, {kMatrix}, kMatrix, {{Attr::kPermutation, ints({1, 0})}}, "the result is tensor<2x4xf32>, expected tensor<4x2xf32>"},
      {Op::kBitcastConvert, {kVector}, Type::tensor(DataType::kU8, {2, 8}), {}, "the result is tensor<2x8xui8>, expected dimensions [4,4]"},
      {Op::kBitcastConvert, {kVector}, Type::tensor(DataType::kF64, {4}), {}, "does not make up 64 bits"},
      {Op::kGetTupleElement, {kVector}, kVector, {{Attr::kIndex, integer(0)}}, "operand 0 is tensor<4xf32>, expected a tuple"},
      {Op::kTuple, {kVector}, kVector, {}, "the result is tensor<4xf32>, expected a tuple of the operands"},
      {Op::kGetDimensionSize, {kVector}, index, {{Attr::kDimension, integer(1)}}, "attribute dimension holds 1, expected 0 to 0"},
      {Op::kRng,
       {kVector, kScalar, kScalar},
       kVector,
       {{Attr::kRngDistribution, {std::string("UNIFORM"), {}}}},
       "operand 0 is tensor<4xf32>, expected tensor<f32>"},
      {Op::kReshape, {kMatrix}, kVector, {}, "tensor<2x4xf32> as tensor<4xf32>"},
      {Op::kSlice,
       {kVector},
       kVector,
       {{Attr::kStartIndices, ints({0})}, {Attr::kLimitIndices, ints({5})}, {Attr::kStrides, ints({1})}},
       "elements 0:5:1 of dimension 0 of tensor<4xf32>"},
      {Op::kConcatenate, {kVector, kVector}, kVector, {{Attr::kDimension, integer(0)}}, "the operands have 8 elements along dimension 0"},
      {Op::kIota, {}, kScalar, {{Attr::kIotaDimension, integer(0)}}, "holds 0, expected 0 to -1"},
      {Op::kDynamicSlice, {kVector}, kVector, {{Attr::kSliceSizes, ints({4})}}, "0 start indices for tensor<4xf32>"},
      {Op::kDynamicSlice, {kVector, kScalar}, kVector, {{Attr::kSliceSizes, ints({4})}}, "expected an integer scalar"},
      {Op::kDynamicSlice, {kVector, index}, kVector, {{Attr::kSliceSizes, ints({5})}}, "holds 5, expected 0 to 4"},
      {Op::kConstant, {}, kVector, {}, "attribute value is missing"},
      {Op::kReduce, {kVector, kScalar}, kScalar, {{Attr::kDimensions, ints({0})}}, "0 regions, expected 1"},
      {Op::kDotGeneral,
       {kMatrix, kVector},
       Type::tensor(DataType::kF32, {2}),
       {{Attr::kLhsBatchingDimensions, ints({})},
        {Attr::kRhsBatchingDimensions, ints({})},
        {Attr::kLhsContractingDimensions, ints({0})},
        {Attr::kRhsContractingDimensions, ints({0})}},
       "contracting dimensions differ: tensor<2x4xf32> has 2, tensor<4xf32> has 4"},
      {Op::kAllGather,
       {kVector},
       kVector,
       {{Attr::kReplicaGroups, devices({1, 1}, {0})}, {Attr::kAllGatherDim, integer(1)}},
       "attribute all_gather_dim holds 1, expected 0 to 0"},
      {Op::kAllToAll,
       {kMatrix},
       kMatrix,
       {{Attr::kReplicaGroups, devices({1, 1}, {0})}, {Attr::kSplitDimension, integer(0)}, {Attr::kConcatDimension, integer(2)}},
       "attribute concat_dimension holds 2, expected 0 to 1"},
      {Op::kAllReduce, {kVector}, kVector, {{Attr::kReplicaGroups, devices({1, 1}, {0})}}, "0 regions, expected 1"},
      {Op::kCholesky, {kMatrix}, kMatrix, {{Attr::kLower, {true, {}}}}, "is no array of square matrices"},
      {Op::kCustomCall, {kVector}, kVector, {}, "attribute call_target_name is missing"},
      {Op::kCall, {kVector}, kVector, {{Attr::kCallee, {ir::SymbolRef{"f"}, {}}}}, "calls @f, which the program does not have"},
      {Op::kCall, {kVector}, kVector, {{Attr::kCallee, {ir::SymbolRef{"main"}, {}}}}, "@main calls itself"},
      {Op::kAdd, {kVector, kVector}, Type::tensor(DataType::kF32, {int64_t{1} << 40, 1000}), {}, "has more than 2**46 elements"},
      {Op::kAdd, {kVector, Type::token()}, kVector, {}, "an operand of type"},
  };
  for (const Wrong& wrong : wrongs) {
    const auto build = [&](ir::Block& block) {
      std::vector<ir::Value*> operands;
      for (size_t i = 0; i < wrong.arguments.size(); ++i) operands.push_back(arg(block, i));
      return append(block, wrong.op, std::move(operands), wrong.result, wrong.attributes)->result();
    };
    EXPECT_ERROR(verify(wrong.arguments, build), wrong.message);
  }
}

TEST(verifier_wants_definitions_before_uses) {
  EXPECT_ERROR(verify({kVector},
                      [](ir::Block& block) {
                        ir::Operation* first = append(block, Op::kNegate, {arg(block, 0)}, kVector);
                        ir::Operation* second = append(block, Op::kNegate, {arg(block, 0)}, kVector);
                        first->set_operand(0, second->result());
                        return second->result();
                      }),
               "operand 0 is used before it is defined");
}

TEST(verifier_wants_regions_of_the_right_type) {
  EXPECT_ERROR(
      verify(
          {kVector, kScalar},
          [](ir::Block& block) {
            ir::Operation* reduce = append(block, Op::kReduce, {arg(block, 0), arg(block, 1)}, kScalar, {{Attr::kDimensions, ints({0})}});
            ir::Block& region = reduce->add_region();
            ir::Value* value = region.add_argument(kScalar);
            region.append(std::make_unique<ir::Operation>(Op::kReturn, std::vector{value}, std::vector<Type>{}));
            return reduce->result();
          }),
      "region 0 takes 1 values, expected 2");
}

}  // namespace
}  // namespace tt
