// Scatter against the loops of its definition.
#include "dnn/scatter.hpp"

#include <algorithm>

#include "data_program.hpp"

namespace tt::test {
namespace {

using emulator::Lane;
using emulator::TileOp;
using emulator::TileOpcode;
using emulator::TileProgram;

bool contains(const Dims& dims, int64_t d) { return std::find(dims.begin(), dims.end(), d) != dims.end(); }

TileProgram assign_region(std::vector<DataType> types) {
  TileProgram region;
  region.inputs = types;
  region.inputs.insert(region.inputs.end(), types.begin(), types.end());
  for (size_t i = 0; i < types.size(); ++i) region.outputs.push_back({static_cast<uint16_t>(types.size() + i), types[i]});
  region.num_registers = static_cast<uint16_t>(region.inputs.size());
  return region;
}

TileProgram binary_region(TileOpcode code, DataType type) {
  return {{type, type}, {TileOp{.code = code, .lane = emulator::lane_of(type), .type = type, .dst = 2, .a = 0, .b = 1}}, {{2, type}}, 3};
}

// current - 2 * update: order matters, and no loop of its own.
TileProgram odd_region(DataType type) {
  TileProgram region = binary_region(TileOpcode::kAdd, type);
  region.ops = {TileOp{.code = TileOpcode::kAdd, .lane = emulator::lane_of(type), .type = type, .dst = 2, .a = 1, .b = 1},
                TileOp{.code = TileOpcode::kSub, .lane = emulator::lane_of(type), .type = type, .dst = 3, .a = 2, .b = 0}};
  region.outputs = {{3, type}};
  region.num_registers = 4;
  return region;
}

template <class T, class F>
std::vector<T> oracle(const dnn::ScatterSpec& spec, std::vector<T> result, const std::vector<int32_t>& indices,
                      const std::vector<T>& updates, F combine) {
  const size_t rank = spec.operand_dims.size();
  Dims window(rank, 1);
  for (size_t d = 0, w = 0; d < rank; ++d) {
    const auto dim = static_cast<int64_t>(d);
    if (contains(spec.inserted_window_dims, dim) || contains(spec.input_batching_dims, dim)) continue;
    window[d] = spec.update_dims[static_cast<size_t>(spec.update_window_dims[w++])];
  }
  for (size_t u = 0; u < updates.size(); ++u) {
    const Dims at = coordinates(spec.update_dims, static_cast<int64_t>(u));
    Dims batch, offset;
    for (size_t d = 0; d < at.size(); ++d) (contains(spec.update_window_dims, static_cast<int64_t>(d)) ? offset : batch).push_back(at[d]);
    Dims position(rank, 0);
    bool inside = true;
    for (size_t c = 0; c < spec.scatter_dims_to_operand_dims.size(); ++c) {
      Dims index = batch;
      if (spec.index_vector_dim < static_cast<int64_t>(spec.indices_dims.size())) {
        index.insert(index.begin() + spec.index_vector_dim, static_cast<int64_t>(c));
      }
      const auto d = static_cast<size_t>(spec.scatter_dims_to_operand_dims[c]);
      position[d] = indices[static_cast<size_t>(linear_of(spec.indices_dims, index))];
      inside &= position[d] >= 0 && position[d] + window[d] <= spec.operand_dims[d];
    }
    for (size_t i = 0; i < spec.input_batching_dims.size(); ++i) {
      int64_t d = spec.scatter_indices_batching_dims[i];
      if (d > spec.index_vector_dim) --d;
      position[static_cast<size_t>(spec.input_batching_dims[i])] = batch[static_cast<size_t>(d)];
    }
    for (size_t d = 0, o = 0; d < rank; ++d) {
      const auto dim = static_cast<int64_t>(d);
      if (!contains(spec.inserted_window_dims, dim) && !contains(spec.input_batching_dims, dim)) position[d] += offset[o++];
    }
    if (!inside) continue;
    T& element = result[static_cast<size_t>(linear_of(spec.operand_dims, position))];
    element = combine(element, updates[u]);
  }
  return result;
}

template <class T, class F>
void expect_scatter(dnn::ScatterSpec spec, F combine, int64_t high = 8) {
  const auto operand = random_values<T>(static_cast<size_t>(volume(spec.operand_dims)), 0, 9, 1);
  const auto indices = random_values<int32_t>(static_cast<size_t>(volume(spec.indices_dims)), -1, high, 2);
  const auto updates = random_values<T>(static_cast<size_t>(volume(spec.update_dims)), 0, 9, 3);
  const Bytes expected = bytes_of(oracle<T>(spec, operand, indices, updates, combine));
  const metal::Program program = dnn::scatter(spec, e150());
  const std::vector<Bytes> inputs = {bytes_of(operand), bytes_of(indices), bytes_of(updates)};
  EXPECT(run_program(program, inputs, 2)[0] == expected);
  EXPECT(run_program(program, inputs, 1)[0] == expected);
  EXPECT(run_program(program, inputs, 2, {0})[0] == expected);
}

template <class T>
void expect_all_regions(dnn::ScatterSpec spec, DataType type) {
  spec.types = {type};
  spec.region = assign_region({type});
  expect_scatter<T>(spec, [](T, T update) { return update; });
  spec.region = binary_region(TileOpcode::kAdd, type);
  expect_scatter<T>(spec, [](T current, T update) { return static_cast<T>(current + update); });
  spec.region = binary_region(TileOpcode::kMax, type);
  expect_scatter<T>(spec, [](T current, T update) { return std::max(current, update); });
  spec.region = odd_region(type);
  if (volume(spec.operand_dims) > 100) expect_scatter<T>(spec, [](T current, T update) { return static_cast<T>(2 * update - current); });
}

}  // namespace

TEST(scatter_of_rows) {
  dnn::ScatterSpec spec{
      .types = {}, .operand_dims = {8, 300}, .index_type = DataType::kS32, .indices_dims = {50, 1}, .update_dims = {50, 300}, .region = {}};
  spec.update_window_dims = {1};
  spec.inserted_window_dims = {0};
  spec.scatter_dims_to_operand_dims = {0};
  spec.index_vector_dim = 1;
  expect_all_regions<float>(spec, DataType::kF32);
  expect_all_regions<int32_t>(spec, DataType::kS32);
  spec.operand_dims = {300, 20};
  spec.update_dims = {50, 20};
  expect_all_regions<float>(spec, DataType::kF32);
  spec.update_dims = {50, 0};
  spec.operand_dims = {300, 0};
  expect_all_regions<float>(spec, DataType::kF32);
}

TEST(scatter_of_scalars_keeps_the_order_of_equal_indices) {
  dnn::ScatterSpec spec{
      .types = {}, .operand_dims = {7}, .index_type = DataType::kS32, .indices_dims = {5000}, .update_dims = {5000}, .region = {}};
  spec.inserted_window_dims = {0};
  spec.scatter_dims_to_operand_dims = {0};
  spec.index_vector_dim = 1;
  expect_all_regions<float>(spec, DataType::kF32);
  expect_all_regions<int32_t>(spec, DataType::kS32);
  spec.operand_dims = {90000};
  expect_all_regions<float>(spec, DataType::kF32);
  spec.indices_dims = {0};
  spec.update_dims = {0};
  expect_all_regions<float>(spec, DataType::kF32);
}

TEST(scatter_of_windows_transposed_and_batched) {
  dnn::ScatterSpec spec{.types = {},
                        .operand_dims = {12, 5, 40},
                        .index_type = DataType::kS32,
                        .indices_dims = {6, 2, 4},
                        .update_dims = {6, 33, 4, 3},
                        .region = {}};
  spec.index_vector_dim = 1;
  spec.update_window_dims = {1, 3};
  spec.inserted_window_dims = {1};
  spec.scatter_dims_to_operand_dims = {2, 1};
  spec.operand_dims = {34, 5, 12};
  expect_all_regions<float>(spec, DataType::kF32);

  dnn::ScatterSpec batched{.types = {},
                           .operand_dims = {40, 9, 60},
                           .index_type = DataType::kS32,
                           .indices_dims = {7, 40, 1},
                           .update_dims = {7, 40, 60},
                           .region = {}};
  batched.update_window_dims = {2};
  batched.inserted_window_dims = {1};
  batched.input_batching_dims = {0};
  batched.scatter_indices_batching_dims = {1};
  batched.scatter_dims_to_operand_dims = {1};
  batched.index_vector_dim = 2;
  expect_all_regions<float>(batched, DataType::kF32);
}

TEST(scatter_updates_a_slice_whose_window_spans_cores) {
  dnn::ScatterSpec spec{.types = {},
                        .operand_dims = {4000, 64},
                        .index_type = DataType::kS32,
                        .indices_dims = {3, 2},
                        .update_dims = {3, 1000, 56},
                        .region = {}};
  spec.update_window_dims = {1, 2};
  spec.scatter_dims_to_operand_dims = {0, 1};
  spec.index_vector_dim = 1;
  expect_all_regions<float>(spec, DataType::kF32);
}

TEST(scatter_of_two_operands_at_once) {
  TileProgram region;  // (max(a, u), b + v)
  region.inputs = {DataType::kF32, DataType::kS32, DataType::kF32, DataType::kS32};
  region.ops = {TileOp{.code = TileOpcode::kMax, .lane = Lane::kF32, .type = DataType::kF32, .dst = 4, .a = 0, .b = 2},
                TileOp{.code = TileOpcode::kAdd, .lane = Lane::kS32, .type = DataType::kS32, .dst = 5, .a = 1, .b = 3}};
  region.outputs = {{4, DataType::kF32}, {5, DataType::kS32}};
  region.num_registers = 6;
  dnn::ScatterSpec spec{.types = {DataType::kF32, DataType::kS32},
                        .operand_dims = {50},
                        .index_type = DataType::kS32,
                        .indices_dims = {900, 1},
                        .update_dims = {900},
                        .region = region};
  spec.inserted_window_dims = {0};
  spec.scatter_dims_to_operand_dims = {0};
  spec.index_vector_dim = 1;
  const auto a = random_values<float>(50, 0, 99, 1), u = random_values<float>(900, 0, 99, 2);
  const auto b = random_values<int32_t>(50, 0, 99, 3), v = random_values<int32_t>(900, 0, 99, 4);
  const auto indices = random_values<int32_t>(900, -3, 60, 5);
  const auto out = run_program(dnn::scatter(spec, e150()), {bytes_of(a), bytes_of(b), bytes_of(indices), bytes_of(u), bytes_of(v)});
  EXPECT(out[0] == bytes_of(oracle<float>(spec, a, indices, u, [](float x, float y) { return std::max(x, y); })));
  EXPECT(out[1] == bytes_of(oracle<int32_t>(spec, b, indices, v, [](int32_t x, int32_t y) { return x + y; })));
}

TEST(scatter_of_many_rows_from_a_matrix_of_indices) {
  dnn::ScatterSpec spec{.types = {},
                        .operand_dims = {200, 24},
                        .index_type = DataType::kS32,
                        .indices_dims = {70, 40},
                        .update_dims = {70, 40, 24},
                        .region = {}};
  spec.update_window_dims = {2};
  spec.inserted_window_dims = {0};
  spec.scatter_dims_to_operand_dims = {0};
  spec.index_vector_dim = 2;
  expect_all_regions<float>(spec, DataType::kF32);
  spec.update_window_dims = {0};  // turned: updates of one window lie apart
  spec.update_dims = {24, 70, 40};
  expect_all_regions<float>(spec, DataType::kF32);
}

TEST(scatter_into_a_scalar) {
  dnn::ScatterSpec spec{.types = {DataType::kF32},
                        .operand_dims = {},
                        .index_type = DataType::kS32,
                        .indices_dims = {0},
                        .update_dims = {},
                        .region = binary_region(TileOpcode::kAdd, DataType::kF32)};
  expect_scatter<float>(spec, [](float a, float b) { return a + b; });
}

TEST(scatter_refuses_what_does_not_fit) {
  dnn::ScatterSpec spec{.types = {DataType::kF32},
                        .operand_dims = {8},
                        .index_type = DataType::kS32,
                        .indices_dims = {5, 1},
                        .update_dims = {5},
                        .region = binary_region(TileOpcode::kAdd, DataType::kF32)};
  spec.index_vector_dim = 1;
  spec.scatter_dims_to_operand_dims = {0};
  EXPECT_ERROR(dnn::scatter(spec, e150()), "do not add up to the operand's rank 1");
  spec.types = {DataType::kF32, DataType::kF32};
  EXPECT_ERROR(dnn::scatter(spec, e150()), "expected 4 to 2");
}

}  // namespace tt::test
