// The matrix engine against scalar sums in the promised order, bit for bit, on every engine; tile layouts against their definition.
#include "emulator/fpu.hpp"

#include <xmmintrin.h>

#include <complex>

#include "tile_harness.hpp"

namespace tt::test {
namespace {

constexpr size_t kTileSide = 32;

size_t place(size_t row, size_t column) { return (row / 16 * 2 + column / 16) * 256 + row % 16 * 16 + column % 16; }

template <class T>
struct Block {
  size_t rows, columns;  // in tiles
  std::vector<std::vector<T>> tiles;
  Block(size_t r, size_t c) : rows(r), columns(c), tiles(r * c, std::vector<T>(1024)) {}
  T& at(size_t row, size_t column) { return tiles[row / 32 * columns + column / 32][place(row % 32, column % 32)]; }
  std::vector<std::byte*> pointers() {
    std::vector<std::byte*> all;
    for (auto& tile : tiles) all.push_back(reinterpret_cast<std::byte*>(tile.data()));
    return all;
  }
};

// Engines, and whether the first operand is given by rows.
std::vector<std::pair<Simd, bool>> every_form(const std::vector<Simd>& simds) {
  std::vector<std::pair<Simd, bool>> forms;
  for (const Simd simd : simds) {
    for (const bool in_rows : {false, true}) forms.emplace_back(simd, in_rows);
  }
  return forms;
}

template <class T, class S, class Make, class Add>
void expect_product(DataType type, Make make, Add add, const std::vector<Simd>& simds = host_simds()) {
  const bool interleaved = type == DataType::kBF16;
  const size_t shapes[][3] = {{1, 1, 1}, {2, 3, 2}, {1, 2, 5}, {1, 1, 11}};
  for (const auto& [mt, nt, kt] : shapes) {
    Block<T> a(mt, kt), b(kt, nt);
    Block<S> start(mt, nt);
    for (auto* block : {&a, &b}) {
      for (auto& tile : block->tiles) {
        for (T& x : tile) x = make();
      }
    }
    for (auto& tile : start.tiles) {
      for (S& x : tile) x = S(static_cast<float>(&x - tile.data()));
    }
    Block<S> expected = start;
    for (size_t i = 0; i < mt * kTileSide; ++i) {
      for (size_t j = 0; j < nt * kTileSide; ++j) {
        add(
            expected.at(i, j), kt * kTileSide, [&](size_t k) { return a.at(i, k); }, [&](size_t k) { return b.at(k, j); });
      }
    }
    Block<T> right = b;
    if constexpr (sizeof(T) == 2) {
      if (interleaved) {
        for (size_t i = 0; i < b.tiles.size(); ++i) interleave_bf16_pairs(b.tiles[i].data(), right.tiles[i].data());
      }
    }
    // The same operand row-major, tiles given by the addresses of their rows.
    std::vector<T> plain(mt * kTileSide * kt * kTileSide);
    std::vector<TileRows> addresses(mt * kt);
    std::vector<const std::byte*> by_rows;
    for (size_t i = 0; i < mt * kTileSide; ++i) {
      for (size_t k = 0; k < kt * kTileSide; ++k) plain[i * kt * kTileSide + k] = a.at(i, k);
      for (size_t t = 0; t < kt; ++t) {
        addresses[i / kTileSide * kt + t].row[i % kTileSide] = reinterpret_cast<const std::byte*>(plain.data() + (i * kt + t) * kTileSide);
      }
    }
    for (const TileRows& tile : addresses) by_rows.push_back(reinterpret_cast<const std::byte*>(&tile));
    for (const auto& [simd, in_rows] : every_form(simds)) {
      Block<S> sums = start;
      const auto as = a.pointers(), bs = right.pointers(), accs = sums.pointers();
      const std::vector<const std::byte*> left(as.begin(), as.end()), middle(bs.begin(), bs.end());
      const MatmulFunction matmul = engine(simd).matmul[static_cast<size_t>(type)];
      matmul({.a = in_rows ? by_rows.data() : left.data(),
              .b = middle.data(),
              .acc = accs.data(),
              .mt = mt,
              .nt = nt,
              .kt = kt,
              .a_in_rows = in_rows});
      for (size_t i = 0; i < sums.tiles.size(); ++i) {
        if (std::memcmp(sums.tiles[i].data(), expected.tiles[i].data(), 1024 * sizeof(S)) != 0) {
          throw Failure(cat("matmul of ", name(type), " on ", name(simd), " differs in tile ", i, " of ", mt, "x", nt, "x", kt));
        }
      }
    }
  }
}

std::mt19937_64& random_bits() {
  static std::mt19937_64 engine(9);
  return engine;
}
double random_real() { return static_cast<double>(static_cast<int64_t>(random_bits()())) * 0x1p-63; }

const auto fused = [](auto& sum, size_t count, auto a, auto b) {
  for (size_t k = 0; k < count; ++k) sum = std::fma(a(k), b(k), sum);
};
const auto wrapping = [](auto& sum, size_t count, auto a, auto b) {
  for (size_t k = 0; k < count; ++k) sum += a(k) * b(k);
};

TEST(float_products_are_chains_of_fused_multiply_adds) {
  expect_product<float, float>(
      DataType::kF32, [] { return static_cast<float>(random_real()); }, fused);
  expect_product<float, float>(
      DataType::kF32, [] { return std::ldexp(static_cast<float>(random_real()), static_cast<int>(random_bits()() % 140) - 130); }, fused);
  expect_product<double, double>(
      DataType::kF64, [] { return random_real(); }, fused);
}

TEST(fresh_sums_start_at_zero) {
  std::vector<float> tile(1024, 2.0f), noise(1024, NAN);
  const std::byte *a = bytes_of(tile), *b = bytes_of(tile);
  for (const Simd simd : host_simds()) {
    std::vector<float> sums = noise;
    std::byte* acc = reinterpret_cast<std::byte*>(sums.data());
    engine(simd).matmul[static_cast<size_t>(DataType::kF32)]({.a = &a, .b = &b, .acc = &acc, .mt = 1, .nt = 1, .kt = 1, .fresh = true});
    EXPECT(sums == std::vector<float>(1024, 128.0f));
  }
}

TEST(integer_products_wrap) {
  expect_product<uint32_t, uint32_t>(
      DataType::kS32, [] { return static_cast<uint32_t>(random_bits()()); }, wrapping);
  expect_product<uint64_t, uint64_t>(
      DataType::kS64, [] { return random_bits()(); }, wrapping);
}

TEST(complex_products_sum_part_by_part) {
  const auto parts = [](auto& sum, size_t count, auto a, auto b) {
    using P = typename std::remove_reference_t<decltype(sum)>::value_type;
    P re = sum.real(), im = sum.imag();
    for (size_t k = 0; k < count; ++k) {
      const auto x = a(k), y = b(k);
      re += x.real() * y.real() - x.imag() * y.imag();
      im += x.real() * y.imag() + x.imag() * y.real();
    }
    sum = {re, im};
  };
  const auto make64 = [] { return std::complex<float>(static_cast<float>(random_real()), static_cast<float>(random_real())); };
  expect_product<std::complex<float>, std::complex<float>>(DataType::kC64, make64, parts);
  const auto make128 = [] { return std::complex<double>(random_real(), random_real()); };
  expect_product<std::complex<double>, std::complex<double>>(DataType::kC128, make128, parts);
}

float widened(uint16_t code) {
  const uint32_t bits = static_cast<uint32_t>(code) << 16;
  float value;
  std::memcpy(&value, &bits, 4);
  return value;
}

using Dot = void (*)(float& sum, const std::vector<float>& a, const std::vector<float>& b);

// Per pair the odd element first: Intel's description of VDPBF16PS.
void dot_pairs(float& sum, const std::vector<float>& a, const std::vector<float>& b) {
  volatile float total = sum;
  for (size_t k = 0; k < a.size(); k += 2) {
    total = std::fma(a[k + 1], b[k + 1], static_cast<float>(total));
    total = std::fma(a[k], b[k], static_cast<float>(total));
  }
  sum = total;
}

// Even and odd elements of 16 apart, then their sum to the total: Intel's description of TDPBF16PS, on registers of 16 elements along k.
void dot_halves(float& sum, const std::vector<float>& a, const std::vector<float>& b) {
  for (size_t k0 = 0; k0 < a.size(); k0 += 16) {
    volatile float even = 0, odd = 0;
    for (size_t k = k0; k < k0 + 16; k += 2) {
      even = std::fma(a[k], b[k], static_cast<float>(even));
      odd = std::fma(a[k + 1], b[k + 1], static_cast<float>(odd));
    }
    volatile float both = even + odd;
    sum += both;
  }
}

// Both instructions take denormals for zeros on the way in and out.
template <Dot dot>
[[gnu::noinline]] void expect_bf16_product(const std::vector<Simd>& simds) {
  const auto add = [](float& sum, size_t count, auto a, auto b) {
    std::vector<float> x(count), y(count);
    for (size_t k = 0; k < count; ++k) {
      x[k] = widened(a(k));
      y[k] = widened(b(k));
    }
    const unsigned control = _mm_getcsr();
    _mm_setcsr(control | 0x8040);
    dot(sum, x, y);
    _mm_setcsr(control);
  };
  // All exponents from tiny to moderate, so that denormals occur; then moderate ones only.
  for (const uint64_t spread : {90, 8}) {
    const auto make = [spread] {
      const uint64_t r = random_bits()();
      return static_cast<uint16_t>((r & 0x807f) | (127 - spread + (r >> 32) % (spread + 3)) << 7);
    };
    expect_product<uint16_t, float>(DataType::kBF16, make, add, simds);
  }
}

TEST(bf16_products_follow_the_dot_product_instruction) {
  std::vector<Simd> simds = host_simds();
  std::erase(simds, Simd::kAmx);
  expect_bf16_product<dot_pairs>(simds);
}

TEST(bf16_products_of_amx_follow_its_instruction) {
  if (host_supports(Simd::kAmx)) expect_bf16_product<dot_halves>({Simd::kAmx});
}

TEST(operand_and_accumulator_types_are_as_documented) {
  EXPECT(matmul_operand_type(DataType::kBF16) == DataType::kBF16 && matmul_accumulator_type(DataType::kBF16) == DataType::kF32);
  EXPECT(matmul_operand_type(DataType::kF16) == DataType::kF32 && matmul_operand_type(DataType::kF8E4M3FN) == DataType::kF32);
  EXPECT(matmul_operand_type(DataType::kU8) == DataType::kS32 && matmul_operand_type(DataType::kU64) == DataType::kS64);
  EXPECT(matmul_accumulator_type(DataType::kC64) == DataType::kC64 && matmul_accumulator_type(DataType::kF64) == DataType::kF64);
}

struct Wide {
  uint64_t low, high;
  bool operator==(const Wide&) const = default;
};

template <class T>
void expect_layout() {
  std::vector<T> source(64 * 64);
  for (size_t i = 0; i < source.size(); ++i) {
    if constexpr (sizeof(T) == 16) {
      source[i] = {i + 1, ~i};
    } else {
      source[i] = static_cast<T>(i * 7 + 1);
    }
  }
  const int64_t strides[][2] = {{32, 1}, {1, 32}, {64, 1}, {1, 64}, {37, 1}, {64, 2}, {2, 64}, {0, 1}, {1, 0}};
  const size_t sizes[][2] = {{32, 32}, {16, 32}, {32, 16}, {1, 32}, {32, 1}, {17, 19}, {5, 3}, {31, 32}};
  for (const Simd simd : host_simds()) {
    for (const auto& [row_stride, col_stride] : strides) {
      for (const auto& [rows, cols] : sizes) {
        std::vector<T> tile(1024, T{}), back(source.size(), T{});
        std::fill(tile.begin(), tile.end(), source[5]);
        engine(simd).tilize(sizeof(T), bytes_of(source), row_stride, col_stride, rows, cols, reinterpret_cast<std::byte*>(tile.data()), 32,
                            true);
        const auto index = [&](size_t r, size_t c) {
          return static_cast<size_t>(static_cast<int64_t>(r) * row_stride + static_cast<int64_t>(c) * col_stride);
        };
        for (size_t r = 0; r < 32; ++r) {
          for (size_t c = 0; c < 32; ++c) EXPECT(tile[place(r, c)] == (r < rows && c < cols ? source[index(r, c)] : T{}));
        }
        if (row_stride == 0 || col_stride == 0) continue;
        engine(simd).untilize(sizeof(T), bytes_of(tile), reinterpret_cast<std::byte*>(back.data()), row_stride, col_stride, rows, cols, 32);
        std::vector<T> expected(source.size(), T{});
        for (size_t r = 0; r < rows; ++r) {
          for (size_t c = 0; c < cols; ++c) expected[index(r, c)] = source[index(r, c)];
        }
        EXPECT(back == expected);
      }
    }
  }
}

TEST(tiles_are_filled_and_emptied_in_face_order) {
  expect_layout<uint8_t>();
  expect_layout<uint16_t>();
  expect_layout<uint32_t>();
  expect_layout<uint64_t>();
  expect_layout<Wide>();
}

TEST(pairs_interleave_within_face_rows) {
  std::vector<uint16_t> tile(1024), out(1024);
  for (size_t i = 0; i < 1024; ++i) tile[i] = static_cast<uint16_t>(i);
  for (const Simd simd : host_simds()) {
    engine(simd).interleave(tile.data(), out.data());
    for (size_t face = 0; face < 4; ++face) {
      for (size_t p = 0; p < 8; ++p) {
        for (size_t n = 0; n < 16; ++n) {
          for (size_t i = 0; i < 2; ++i) EXPECT_EQ(out[face * 256 + p * 32 + 2 * n + i], face * 256 + (2 * p + i) * 16 + n);
        }
      }
    }
  }
}

TEST(pairs_are_tilized_as_tiles_are_interleaved) {
  std::vector<uint16_t> source(64 * 64), tile(1024), expected(1024), out(1024);
  for (size_t i = 0; i < source.size(); ++i) source[i] = static_cast<uint16_t>(i * 7 + 1);
  const int64_t strides[][2] = {{32, 1}, {1, 32}, {64, 1}, {1, 64}, {37, 1}, {64, 2}, {2, 64}, {0, 1}, {1, 0}};
  const size_t sizes[][2] = {{32, 32}, {16, 32}, {1, 32}, {32, 1}, {17, 19}, {31, 32}};
  for (const Simd simd : host_simds()) {
    for (const auto& [row_stride, col_stride] : strides) {
      for (const auto& [rows, cols] : sizes) {
        engine(simd).tilize(2, bytes_of(source), row_stride, col_stride, rows, cols, reinterpret_cast<std::byte*>(tile.data()), 32, true);
        engine(simd).interleave(tile.data(), expected.data());
        engine(simd).tilize_pairs(source.data(), row_stride, col_stride, rows, cols, out.data(), 32);
        EXPECT(out == expected);
      }
    }
  }
}

TEST(rows_of_several_pages_fold_as_rows_of_their_own) {
  std::mt19937 random(3);
  std::normal_distribution<float> normal;
  for (const size_t length : {size_t{1}, size_t{7}, size_t{64}, size_t{100}, size_t{768}}) {
    for (const size_t side_by_side : {size_t{1}, size_t{3}, size_t{5}}) {
      constexpr size_t kCount = 23;  // the last page is not full
      const size_t pages = (kCount + side_by_side - 1) / side_by_side;
      std::vector<std::vector<float>> memory(pages, std::vector<float>(side_by_side * length));
      std::vector<const std::byte*> at;
      for (std::vector<float>& page : memory) {
        for (float& value : page) value = normal(random);
        at.push_back(bytes_of(page));
      }
      for (const TileOpcode code : {TileOpcode::kAdd, TileOpcode::kMul, TileOpcode::kMax, TileOpcode::kMin}) {
        for (const Simd simd : host_simds()) {
          const FoldFunction fold = engine(simd).fold_rows[static_cast<size_t>(code)];
          std::vector<float> together(kCount), alone(kCount);
          fold(at.data(), side_by_side, kCount, length, together.data());
          for (size_t r = 0; r < kCount; ++r) {
            const std::byte* row = at[r / side_by_side] + r % side_by_side * length * sizeof(float);
            fold(&row, 1, 1, length, &alone[r]);
          }
          EXPECT(together == alone);
        }
      }
    }
  }
}

}  // namespace
}  // namespace tt::test
