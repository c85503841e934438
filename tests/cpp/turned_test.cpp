// Operands and results that are contiguous along another dimension than the innermost are moved by transposed blocks; elements that repeat,
// by rows.
#include "data_program.hpp"
#include "dnn/chain_builder.hpp"
#include "dnn/eltwise.hpp"
#include "dnn/scan.hpp"
#include "dnn/turned_space.hpp"
#include "tile_harness.hpp"

namespace tt::test {
namespace {

using emulator::AccessMap;

Bytes some_bytes(size_t n, uint32_t seed) {
  std::mt19937 random(seed);
  Bytes bytes(n);
  for (std::byte& byte : bytes) byte = static_cast<std::byte>(random());
  return bytes;
}

// Element i of the map's space by its definition.
size_t place(const AccessMap& map, int64_t i) { return static_cast<size_t>(emulator::source_element(map, i)); }

TEST(blocks_are_transposed_on_every_engine) {
  const size_t sizes[][2] = {{16, 16}, {32, 32}, {64, 16}, {16, 48}, {8, 8}, {5, 17}, {1, 40}, {40, 1}};
  for (const Simd simd : host_simds()) {
    for (const size_t element : {1, 2, 4, 8, 16}) {
      for (const auto& [rows, cols] : sizes) {
        const size_t from_stride = rows + 3, to_stride = cols + 5;
        const Bytes source = some_bytes(from_stride * cols * element, 3);
        Bytes got(to_stride * rows * element), expected = got;
        engine(simd).transpose(element, source.data(), static_cast<int64_t>(from_stride), got.data(), static_cast<int64_t>(to_stride), rows,
                               cols, 32);
        for (size_t r = 0; r < rows; ++r) {
          for (size_t c = 0; c < cols; ++c) {
            std::copy_n(source.begin() + static_cast<std::ptrdiff_t>((c * from_stride + r) * element), element,
                        expected.begin() + static_cast<std::ptrdiff_t>((r * to_stride + c) * element));
          }
        }
        EXPECT(got == expected);
      }
    }
  }
}

TEST(elements_are_repeated_on_every_engine) {
  for (const Simd simd : host_simds()) {
    for (const size_t element : {1, 2, 4, 8, 16}) {
      for (const size_t times : {1, 2, 3, 4, 7, 100}) {
        constexpr size_t kCount = 53;
        const Bytes elements = some_bytes(kCount * element, 4);
        Bytes got(kCount * times * element), expected;
        engine(simd).repeat(element, elements.data(), kCount, times, got.data());
        for (size_t i = 0; i < kCount * times; ++i) {
          const auto from = elements.begin() + static_cast<std::ptrdiff_t>(i / times * element);
          expected.insert(expected.end(), from, from + static_cast<std::ptrdiff_t>(element));
        }
        EXPECT(got == expected);
      }
    }
  }
}

TEST(maps_that_repeat_elements_gather_them_row_by_row) {
  const AccessMap maps[] = {{{{300, 1}, {7, 0}}, 2}, {{{5, 90}, {40, 1}, {2, 0}}, 0}, {{{9, 0}, {30, 1}, {4, 0}}, 1}};
  for (const AccessMap& map : maps) {
    const int64_t times = map.dims.back().size;
    for (const size_t element : {1, 2, 4, 8, 16}) {
      const Bytes source = some_bytes(1000 * element, 5);
      for (const auto& [start, count] : {std::pair{int64_t{0}, map.size()}, {3 * times, 50 * times}, {1, 60}}) {
        Bytes got(static_cast<size_t>(count) * element), expected;
        emulator::gather_mapped(map, element, source.data(), start, count, got.data(), nullptr);
        for (int64_t i = start; i < start + count; ++i) {
          const auto from = source.begin() + static_cast<std::ptrdiff_t>(place(map, i) * element);
          expected.insert(expected.end(), from, from + static_cast<std::ptrdiff_t>(element));
        }
        EXPECT(got == expected);
      }
    }
  }
}

TEST(turned_maps_gather_and_scatter_what_they_name) {
  const AccessMap maps[] = {
      {{{32, 1}, {32, 100}}, 7},            // one block
      {{{3, 5000}, {16, 1}, {64, 40}}, 0},  // a block per outer index
      {{{2, 64}, {3, 9000}, {64, 1}, {16, 70}}, 1},
      {{{4, 32}, {32, 1}, {32, 150}}, 0},
      {{{32, 1}, {32, -50}}, 50 * 31},  // backwards
  };
  for (const AccessMap& map : maps) {
    const auto turned = map.turned();
    EXPECT(turned.has_value());
    const int64_t block = turned->rows * turned->columns;
    for (const size_t element : {1, 2, 4, 8, 16}) {
      const Bytes source = some_bytes(40000 * element, 1);
      // Whole blocks, and ranges that begin or end within one.
      const std::pair<int64_t, int64_t> ranges[] = {{0, block}, {map.size() - block, block}, {0, map.size()}, {5, map.size() - 9}, {0, 40}};
      for (const auto& [start, count] : ranges) {
        const auto bytes = static_cast<size_t>(count) * element;
        Bytes gathered(bytes), expected(bytes), scattered(source.size()), placed(source.size());
        emulator::gather_mapped(map, element, source.data(), start, count, gathered.data(), nullptr);
        emulator::scatter_mapped(map, element, gathered.data(), start, count, scattered.data());
        for (int64_t i = 0; i < count; ++i) {
          const auto from = static_cast<std::ptrdiff_t>(place(map, start + i) * element), to = i * static_cast<std::ptrdiff_t>(element);
          std::copy_n(source.begin() + from, element, expected.begin() + to);
          std::copy_n(source.begin() + from, element, placed.begin() + from);
        }
        EXPECT(gathered == expected);
        EXPECT(scattered == placed);
      }
    }
  }
  EXPECT_EQ(emulator::content_of(maps[0], 0, 1024).runs, 32);  // columns
  EXPECT_EQ(emulator::content_of(maps[0], 0, 40).runs, 40);    // elements, of a block in part
}

TEST(spaces_are_walked_in_tiles_where_a_map_runs_across) {
  // A transposed operand, a plain one, one that is broadcast along the columns, and a padded one: [96, 2, 64].
  const AccessMap across{{{96, 1}, {2, 7000}, {64, 100}}, 0}, plain = AccessMap::contiguous(Dims{96, 2, 64}).coalesced();
  const AccessMap bias{{{96, 1}, {128, 0}}, 0}, padded{{{96, 40}, {2, 20, 1, 2}, {64, 0}}, 0};
  AccessMap maps[] = {across, plain, bias};
  std::vector<AccessMap*> all{&maps[0], &maps[1], &maps[2]};
  dnn::walk_in_tiles(all);
  EXPECT(maps[0].turned().has_value());
  // One permutation of the space for all of them: the plain map names it.
  const AccessMap before[] = {across, plain, bias};
  for (int64_t i = 0; i < plain.size(); ++i) {
    const auto original = static_cast<int64_t>(place(maps[1], i));
    for (size_t m = 0; m < 3; ++m) EXPECT_EQ(place(maps[m], i), place(before[m], original));
  }
  // Nothing runs across, a side has no power of two, or a padded dimension would be cut.
  const auto stays = [](std::vector<AccessMap> given) {
    std::vector<AccessMap> walked = given;
    std::vector<AccessMap*> pointers;
    for (AccessMap& map : walked) pointers.push_back(&map);
    dnn::walk_in_tiles(pointers);
    return walked == given;
  };
  EXPECT(stays({plain, bias}));
  EXPECT(stays({{{{100, 1}, {100, 100}}, 0}, {{{10000, 1}}, 0}}));
  EXPECT(stays({{{{64, 1}, {64, 64}}, 0}, {{{4096, 1, 1, 4000}}, 0}}));
  EXPECT(!stays({{{{64, 1}, {64, 64}}, 0}, {{{4096, 1}}, 0}}));
  EXPECT(!stays({across, padded, plain}));  // the padded dimension lies between those that are cut
}

}  // namespace
}  // namespace tt::test
