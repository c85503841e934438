// Access maps by their definition, element by element.
#include "emulator/access_map.hpp"

#include <random>

#include "tile_harness.hpp"

namespace tt::test {
namespace {

using emulator::AccessMap;
using emulator::Piece;

constexpr int32_t kPad = -1;

// The source element of each element of the space, or kPad: by the comment in access_map.hpp.
std::vector<int32_t> elements_of(const AccessMap& map) {
  std::vector<int32_t> elements;
  for (int64_t i = 0; i < map.size(); ++i) {
    int64_t rest = i, at = map.offset;
    bool backed = true;
    for (size_t d = map.dims.size(); d-- > 0; rest /= map.dims[d].size) {
      const AccessMap::Dim& dim = map.dims[d];
      const int64_t from_low = rest % dim.size - dim.low;
      backed = backed && from_low >= 0 && rest % dim.size < dim.limit() && from_low % dim.step == 0;
      at += from_low / dim.step * dim.stride;
    }
    elements.push_back(backed ? static_cast<int32_t>(at) : kPad);
  }
  return elements;
}

// Of up to four dimensions: padded, dilated, broadcast, reversed, or as they are.
AccessMap some_map(std::mt19937& random) {
  const auto below = [&](int64_t n) { return static_cast<int64_t>(random() % static_cast<uint64_t>(n)); };
  AccessMap map;
  int64_t stride = 1;
  for (size_t rank = static_cast<size_t>(below(5)); rank > 0; --rank) {
    AccessMap::Dim dim{1 + below(6), stride};
    int64_t coordinates = dim.size;
    if (below(3) == 0) {
      dim.low = below(dim.size);
      dim.high = dim.low + 1 + below(dim.size - dim.low);
      dim.step = 1 + below(2);
      coordinates = div_up(dim.high - dim.low, dim.step);
    }
    if (below(5) == 0) dim.stride = 0;
    if (below(5) == 0) {
      map.offset += (coordinates - 1) * dim.stride;
      dim.stride = -dim.stride;
    }
    stride *= coordinates + (below(4) == 0 ? 2 : 0);
    map.dims.insert(map.dims.begin(), dim);
  }
  map.offset += below(3);
  return map;
}

template <class Check>
void for_some_ranges(const Check& check) {
  std::mt19937 random(7);
  for (int trial = 0; trial < 3000; ++trial) {
    const AccessMap map = some_map(random);
    const std::vector<int32_t> all = elements_of(map);
    const auto start = static_cast<int64_t>(random() % all.size());
    const auto count = 1 + static_cast<int64_t>(random() % (all.size() - static_cast<size_t>(start)));
    check(map, start, std::vector<int32_t>(all.begin() + start, all.begin() + start + count));
  }
}

TEST(a_piece_is_what_its_elements_are) {
  int runs = 0, paddings = 0;
  for_some_ranges([&](const AccessMap& map, int64_t start, const std::vector<int32_t>& expected) {
    const auto count = static_cast<int64_t>(expected.size());
    const Piece piece = piece_of(map, start, count);
    const bool padding = std::all_of(expected.begin(), expected.end(), [](int32_t e) { return e == kPad; });
    bool run = expected[0] != kPad;
    for (int64_t i = 1; i < count; ++i) run = run && expected[static_cast<size_t>(i)] == expected[0] + i;
    if (piece.kind == Piece::Kind::kRun) EXPECT(run && piece.at == expected[0]);
    if (piece.kind == Piece::Kind::kPadding) EXPECT(padding);
    if (count == 1) EXPECT(piece.kind != Piece::Kind::kMixed);  // more may be called mixed: it is copied, as it could be anyway
    runs += piece.kind == Piece::Kind::kRun && count > 2;
    paddings += piece.kind == Piece::Kind::kPadding && count > 2;
  });
  EXPECT(runs > 100);
  EXPECT(paddings > 20);
}

TEST(content_counts_elements_runs_and_padding) {
  for_some_ranges([](const AccessMap& map, int64_t start, const std::vector<int32_t>& expected) {
    const auto count = static_cast<int64_t>(expected.size());
    const emulator::Content content = content_of(map, start, count);
    const int64_t backed = count - std::count(expected.begin(), expected.end(), kPad);
    EXPECT_EQ(content.elements, backed);
    EXPECT((content.gaps > 0) == (backed < count));
    EXPECT(content.runs <= backed && (content.runs > 0) == (backed > 0));
  });
}

TEST(gathering_onto_a_page_leaves_what_is_not_backed) {
  std::vector<int32_t> source(20000);
  std::iota(source.begin(), source.end(), 0);
  for_some_ranges([&](const AccessMap& map, int64_t start, std::vector<int32_t> expected) {
    const auto count = static_cast<int64_t>(expected.size());
    std::vector<int32_t> page(expected.size()), padded = page;
    std::iota(page.begin(), page.end(), 100000);
    for (size_t i = 0; i < page.size(); ++i) expected[i] = expected[i] == kPad ? page[i] : expected[i];
    const auto* from = reinterpret_cast<const std::byte*>(source.data());
    gather_onto(map, sizeof(int32_t), from, start, count, reinterpret_cast<std::byte*>(page.data()));
    EXPECT(page == expected);
    const int32_t pad = 7;
    gather_mapped(map, sizeof(int32_t), from, start, count, reinterpret_cast<std::byte*>(padded.data()),
                  reinterpret_cast<const std::byte*>(&pad));
    for (size_t i = 0; i < page.size(); ++i) EXPECT_EQ(padded[i], expected[i] >= 100000 ? pad : expected[i]);
  });
}

}  // namespace
}  // namespace tt::test
