// Regions as virtual operations.
#include "lowering/region.hpp"

#include <algorithm>
#include <cmath>
#include <complex>
#include <cstring>
#include <limits>

#include "base/error.hpp"
#include "emulator/tile_chain.hpp"

namespace tt::lowering {

using emulator::TileOpcode;
using ir::Op;

std::vector<Ref> apply_region(BlockLowering& block, const ir::Block& region, std::span<const Ref> arguments, int64_t elements) {
  std::unordered_map<const ir::Value*, Ref> values;
  for (size_t i = 0; i < arguments.size(); ++i) values[region.arguments()[i].get()] = arguments[i];
  const auto find = [&](const ir::Value* value) -> Ref {
    if (const auto found = values.find(value); found != values.end()) return found->second;
    const Ref& outer = block.ref(value);
    if (std::holds_alternative<Splat>(outer)) return outer;
    const int64_t dims[1] = {elements};
    return *broadcast_in_dim(block.source(value), {}, dims);
  };
  for (const auto& operation : region.operations()) {
    std::vector<Ref> operands;
    for (const ir::Value* value : operation->operands()) operands.push_back(find(value));
    switch (operation->op()) {
      case Op::kReturn: return operands;
      case Op::kConstant: values[operation->result()] = splat_of(operation->elements()); break;
      case Op::kReshape:
      case Op::kBroadcastInDim:
      case Op::kOptimizationBarrier: values[operation->result()] = operands[0]; break;
      default: {
        const auto op = ir::is_elementwise(operation->op()) ? tile_op(*operation) : std::nullopt;
        if (!op) fail(ErrorCategory::kUnimplemented, "stablehlo.", ir::name(operation->op()), " inside a region");
        const NodeId node = block.elementwise(*op, elements, std::move(operands));
        block.graph.add_uses(node, 1000);  // its readers are not counted: never absorbed
        values[operation->result()] = node;
      }
    }
  }
  fail(ErrorCategory::kInternal, "[region] without a return");
}

namespace {

template <class T>
T value_of(const Splat& splat) {
  T value;
  std::memcpy(&value, splat.bits.data(), sizeof(T));
  return value;
}

// The value that leaves all others as they are under a maximum (or minimum).
template <class T>
bool is_lowest(const Splat& splat, bool maximum) {
  using Limits = std::numeric_limits<T>;
  const T low = Limits::has_infinity ? -Limits::infinity() : Limits::lowest(),
          high = Limits::has_infinity ? Limits::infinity() : Limits::max();
  return value_of<T>(splat) == (maximum ? low : high);
}

bool is_extreme(const Splat& splat, bool maximum) {
  switch (splat.type) {
    case DataType::kF32: return is_lowest<float>(splat, maximum);
    case DataType::kF64: return is_lowest<double>(splat, maximum);
    case DataType::kBF16: return value_of<uint16_t>(splat) == (maximum ? 0xFF80 : 0x7F80);
    case DataType::kF16: return value_of<uint16_t>(splat) == (maximum ? 0xFC00 : 0x7C00);
    case DataType::kS8: return is_lowest<int8_t>(splat, maximum);
    case DataType::kS16: return is_lowest<int16_t>(splat, maximum);
    case DataType::kS32: return is_lowest<int32_t>(splat, maximum);
    case DataType::kS64: return is_lowest<int64_t>(splat, maximum);
    case DataType::kU8: return is_lowest<uint8_t>(splat, maximum);
    case DataType::kU16: return is_lowest<uint16_t>(splat, maximum);
    case DataType::kU32: return is_lowest<uint32_t>(splat, maximum);
    case DataType::kU64: return is_lowest<uint64_t>(splat, maximum);
    default: return false;
  }
}

}  // namespace

bool is_identity(const emulator::TileProgram& combine, const Splat& init) {
  if (combine.ops.size() != 1 || combine.inputs.size() != 2 || combine.outputs.size() != 1) return false;
  const emulator::TileOp& op = combine.ops[0];
  const bool both = (op.a == 0 && op.b == 1) || (op.a == 1 && op.b == 0);
  if (!both || combine.outputs[0].reg != op.dst || combine.inputs[0] != init.type || combine.outputs[0].type != init.type) return false;
  double wide[2] = {};  // real and imaginary part
  emulator::convert_elements(init.type, init.bits.data(), DataType::kC128, reinterpret_cast<std::byte*>(wide), 1);
  switch (op.code) {
    case TileOpcode::kAdd: return wide[0] == 0 && wide[1] == 0;
    case TileOpcode::kMul: return wide[0] == 1 && wide[1] == 0;
    case TileOpcode::kMax: return is_extreme(init, true);
    case TileOpcode::kMin: return is_extreme(init, false);
    default: return false;
  }
}

namespace {

using Wide = std::vector<std::complex<double>>;  // one per element

std::vector<std::byte> narrow(const Wide& values, DataType type) {
  std::vector<std::byte> result(values.size() * static_cast<size_t>(size_of(type)));
  emulator::convert_elements(DataType::kC128, reinterpret_cast<const std::byte*>(values.data()), type, result.data(), values.size());
  return result;
}

std::vector<Wide> results_of(const emulator::TileProgram& program, const std::vector<std::vector<std::byte>>& inputs, size_t elements) {
  std::vector<const std::byte*> from;
  for (const auto& input : inputs) from.push_back(input.data());
  std::vector<std::vector<std::byte>> results;
  std::vector<std::byte*> to;
  for (const auto& output : program.outputs) results.emplace_back(elements * static_cast<size_t>(size_of(output.type)));
  for (auto& result : results) to.push_back(result.data());
  emulator::TileScratch scratch;
  emulator::TileChain(program).run(from.data(), to.data(), elements, scratch);
  std::vector<Wide> wide;
  for (size_t o = 0; o < results.size(); ++o) {
    wide.emplace_back(elements);
    emulator::convert_elements(program.outputs[o].type, results[o].data(), DataType::kC128, reinterpret_cast<std::byte*>(wide[o].data()),
                               elements);
  }
  return wide;
}

bool is_close(double a, double b) {
  constexpr double kRounding = 0.02;  // of the narrowest floats
  return a == b || (std::isnan(a) && std::isnan(b)) || std::abs(a - b) < kRounding * std::max(std::abs(a), std::abs(b));
}

}  // namespace

bool commutes(const emulator::TileProgram& combine) {
  constexpr size_t kElements = 1024;
  constexpr double kNumbers[] = {0, 1, -1, 2, 3, -2.5, 0.5, 7, 11, 100, -90, 0.125, 1e-3, 5, NAN, INFINITY};
  const size_t k = combine.outputs.size();
  uint32_t state = 1;
  std::vector<std::vector<std::byte>> inputs;
  for (const DataType type : combine.inputs) {
    const auto number = [&] { return kNumbers[(state = state * 1664525 + 1013904223) >> 28]; };
    Wide values(kElements);
    for (auto& value : values) value = {number(), is_complex(type) ? number() : 0};
    inputs.push_back(narrow(values, type));
  }
  const std::vector<Wide> there = results_of(combine, inputs, kElements);
  std::rotate(inputs.begin(), inputs.begin() + static_cast<ptrdiff_t>(k), inputs.end());
  const std::vector<Wide> back = results_of(combine, inputs, kElements);
  for (size_t v = 0; v < k; ++v) {
    for (size_t i = 0; i < kElements; ++i) {
      if (!is_close(there[v][i].real(), back[v][i].real()) || !is_close(there[v][i].imag(), back[v][i].imag())) return false;
    }
  }
  return true;
}

}  // namespace tt::lowering
