// Gather against the loops of its definition.
#include "dnn/gather.hpp"

#include <algorithm>
#include <complex>

#include "data_program.hpp"

namespace tt::test {
namespace {

bool contains(const Dims& dims, int64_t d) { return std::find(dims.begin(), dims.end(), d) != dims.end(); }

template <class T, class I>
std::vector<T> oracle(const dnn::GatherSpec& spec, const std::vector<T>& operand, const std::vector<I>& indices) {
  const Dims result_dims = dnn::gather_result_dims(spec);
  std::vector<T> result(static_cast<size_t>(volume(result_dims)));
  for (size_t r = 0; r < result.size(); ++r) {
    const Dims at = coordinates(result_dims, static_cast<int64_t>(r));
    Dims batch, offset;
    for (size_t d = 0; d < at.size(); ++d) (contains(spec.offset_dims, static_cast<int64_t>(d)) ? offset : batch).push_back(at[d]);
    Dims position(spec.operand_dims.size(), 0);
    for (size_t c = 0; c < spec.start_index_map.size(); ++c) {
      Dims index = batch;
      if (spec.index_vector_dim < static_cast<int64_t>(spec.indices_dims.size())) {
        index.insert(index.begin() + spec.index_vector_dim, static_cast<int64_t>(c));
      }
      const auto d = static_cast<size_t>(spec.start_index_map[c]);
      const I value = indices[static_cast<size_t>(linear_of(spec.indices_dims, index))];
      const int64_t limit = spec.operand_dims[d] - spec.slice_sizes[d];
      position[d] = value < I{0} ? 0 : static_cast<int64_t>(std::min<uint64_t>(static_cast<uint64_t>(value), static_cast<uint64_t>(limit)));
    }
    for (size_t i = 0; i < spec.operand_batching_dims.size(); ++i) {
      int64_t d = spec.start_indices_batching_dims[i];
      if (d > spec.index_vector_dim) --d;
      position[static_cast<size_t>(spec.operand_batching_dims[i])] = batch[static_cast<size_t>(d)];
    }
    for (size_t d = 0, o = 0; d < position.size(); ++d) {
      const auto dim = static_cast<int64_t>(d);
      if (!contains(spec.collapsed_slice_dims, dim) && !contains(spec.operand_batching_dims, dim)) position[d] += offset[o++];
    }
    result[r] = operand[static_cast<size_t>(linear_of(spec.operand_dims, position))];
  }
  return result;
}

template <class T, class I>
void expect_gather(const dnn::GatherSpec& spec, uint64_t seed = 1) {
  const auto operand = random_values<T>(static_cast<size_t>(volume(spec.operand_dims)), 0, 200, seed);
  const auto indices = random_values<I>(static_cast<size_t>(volume(spec.indices_dims)), -2, 9, seed + 1);
  const metal::Program program = dnn::gather(spec, e150());
  const Bytes expected = bytes_of(oracle<T, I>(spec, operand, indices));
  EXPECT(run_program(program, {bytes_of(operand), bytes_of(indices)}, 2)[0] == expected);
  EXPECT(run_program(program, {bytes_of(operand), bytes_of(indices)}, 1)[0] == expected);
}

dnn::GatherSpec rows(DataType type, DataType index_type, Dims operand, Dims indices) {
  dnn::GatherSpec spec{.type = type, .operand_dims = operand, .index_type = index_type, .indices_dims = indices, .index_vector_dim = 0};
  spec.index_vector_dim = static_cast<int64_t>(indices.size());
  spec.offset_dims = {static_cast<int64_t>(indices.size())};
  spec.collapsed_slice_dims = {0};
  spec.start_index_map = {0};
  spec.slice_sizes = {1, operand[1]};
  return spec;
}

}  // namespace

TEST(gather_of_rows_for_all_index_types) {
  expect_gather<float, int32_t>(rows(DataType::kF32, DataType::kS32, {7, 33}, {4, 5}));
  expect_gather<uint16_t, int64_t>(rows(DataType::kBF16, DataType::kS64, {7, 33}, {400}));
  expect_gather<uint8_t, int8_t>(rows(DataType::kU8, DataType::kS8, {7, 1}, {4000}));
  expect_gather<double, uint8_t>(rows(DataType::kF64, DataType::kU8, {7, 5}, {1300, 2}));
  expect_gather<float, uint64_t>(rows(DataType::kF32, DataType::kU64, {7, 9}, {12}));
  expect_gather<std::complex<double>, uint32_t>(rows(DataType::kC128, DataType::kU32, {7, 3}, {50}));
  expect_gather<float, int16_t>(rows(DataType::kF32, DataType::kS16, {3000, 700}, {3}));
}

TEST(gather_of_columns_and_windows) {
  dnn::GatherSpec columns{
      .type = DataType::kF32, .operand_dims = {40, 11}, .index_type = DataType::kS32, .indices_dims = {3000}, .index_vector_dim = 1};
  columns.offset_dims = {0};
  columns.collapsed_slice_dims = {1};
  columns.start_index_map = {1};
  columns.slice_sizes = {40, 1};
  expect_gather<float, int32_t>(columns);
  columns.operand_dims = {300, 11};  // more rows than cores
  columns.slice_sizes = {300, 1};
  expect_gather<float, int32_t>(columns);
  columns.indices_dims = {30, 60};
  columns.index_vector_dim = 2;
  expect_gather<float, int32_t>(columns);

  dnn::GatherSpec windows{
      .type = DataType::kS16, .operand_dims = {9, 8, 7}, .index_type = DataType::kS32, .indices_dims = {2, 5, 3}, .index_vector_dim = 1};
  windows.indices_dims = {5, 2, 3};
  windows.offset_dims = {1, 3};
  windows.collapsed_slice_dims = {1};
  windows.start_index_map = {2, 0};
  windows.slice_sizes = {4, 1, 3};
  expect_gather<int16_t, int32_t>(windows);
}

TEST(gather_with_batching_dimensions) {
  dnn::GatherSpec spec{.type = DataType::kF32,
                       .operand_dims = {4, 6, 3, 5},
                       .index_type = DataType::kS32,
                       .indices_dims = {3, 8, 4, 1},
                       .index_vector_dim = 3};
  spec.offset_dims = {1};
  spec.collapsed_slice_dims = {1};
  spec.operand_batching_dims = {0, 2};
  spec.start_indices_batching_dims = {2, 0};
  spec.start_index_map = {1};
  spec.slice_sizes = {1, 1, 1, 4};
  expect_gather<float, int32_t>(spec);
  spec.indices_dims = {1, 3, 8, 4};
  spec.index_vector_dim = 0;
  spec.start_indices_batching_dims = {3, 1};
  expect_gather<float, int32_t>(spec);
}

TEST(gather_of_scalars_and_of_nothing) {
  dnn::GatherSpec scalars{
      .type = DataType::kS32, .operand_dims = {6, 9}, .index_type = DataType::kS32, .indices_dims = {5000, 2}, .index_vector_dim = 1};
  scalars.collapsed_slice_dims = {0, 1};
  scalars.start_index_map = {1, 0};
  scalars.slice_sizes = {1, 1};
  expect_gather<int32_t, int32_t>(scalars);
  scalars.indices_dims = {0, 2};
  expect_gather<int32_t, int32_t>(scalars);
  expect_gather<float, int32_t>(rows(DataType::kF32, DataType::kS32, {7, 0}, {5}));
  dnn::GatherSpec slice{
      .type = DataType::kF32, .operand_dims = {200, 70}, .index_type = DataType::kS32, .indices_dims = {2}, .index_vector_dim = 0};
  slice.offset_dims = {0, 1};
  slice.start_index_map = {0, 1};
  slice.slice_sizes = {190, 65};
  expect_gather<float, int32_t>(slice);
  dnn::GatherSpec whole{
      .type = DataType::kF32, .operand_dims = {5}, .index_type = DataType::kS32, .indices_dims = {0}, .index_vector_dim = 0};
  whole.offset_dims = {0};
  whole.slice_sizes = {5};
  expect_gather<float, int32_t>(whole);
}

TEST(gather_refuses_what_does_not_fit) {
  auto spec = rows(DataType::kF32, DataType::kS32, {7, 33}, {4});
  spec.slice_sizes = {1, 34};
  EXPECT_ERROR(dnn::gather(spec, e150()), "slice sizes [1,34] exceed the operand [7,33]");
  spec.slice_sizes = {1};
  EXPECT_ERROR(dnn::gather(spec, e150()), "expected one per operand dimension: 2");
}

}  // namespace tt::test
