// Random bits against the checksums of what jax.lax.rng_bit_generator draws on JAX's CPU backend (0.10.2).
#include "dnn/random.hpp"

#include "data_program.hpp"

namespace tt::test {
namespace {

struct Row {
  dnn::RngAlgorithm algorithm;
  DataType type;
  Dims dims;
  uint32_t checksum;  // CRC-32 of the new state's bytes, then the bits
};

// Of the state {0x123456789ABCDEF0, 0xFFFFFFFFFFFFFFF0}: counters wrap.
const std::vector<Row> kRows = {
    {dnn::RngAlgorithm::kThreeFry, DataType::kU8, {}, 0x0A61642B},
    {dnn::RngAlgorithm::kThreeFry, DataType::kU16, {}, 0xF1D1E956},
    {dnn::RngAlgorithm::kThreeFry, DataType::kU32, {}, 0x3D5CBFA4},
    {dnn::RngAlgorithm::kThreeFry, DataType::kU64, {}, 0xA1FEC137},
    {dnn::RngAlgorithm::kThreeFry, DataType::kU8, {1}, 0x0A61642B},
    {dnn::RngAlgorithm::kThreeFry, DataType::kU16, {1}, 0xF1D1E956},
    {dnn::RngAlgorithm::kThreeFry, DataType::kU32, {1}, 0x3D5CBFA4},
    {dnn::RngAlgorithm::kThreeFry, DataType::kU64, {1}, 0xA1FEC137},
    {dnn::RngAlgorithm::kThreeFry, DataType::kU8, {8}, 0x512BB601},
    {dnn::RngAlgorithm::kThreeFry, DataType::kU16, {8}, 0xBFE4E54B},
    {dnn::RngAlgorithm::kThreeFry, DataType::kU32, {8}, 0x3667F1FF},
    {dnn::RngAlgorithm::kThreeFry, DataType::kU64, {8}, 0x4BA3AB50},
    {dnn::RngAlgorithm::kThreeFry, DataType::kU8, {7}, 0xFADC4B96},
    {dnn::RngAlgorithm::kThreeFry, DataType::kU16, {7}, 0x8F675287},
    {dnn::RngAlgorithm::kThreeFry, DataType::kU32, {7}, 0x5C28BB22},
    {dnn::RngAlgorithm::kThreeFry, DataType::kU64, {7}, 0x8685D231},
    {dnn::RngAlgorithm::kThreeFry, DataType::kU8, {3, 4}, 0x32CDBC88},
    {dnn::RngAlgorithm::kThreeFry, DataType::kU16, {3, 4}, 0x32A7D2A5},
    {dnn::RngAlgorithm::kThreeFry, DataType::kU32, {3, 4}, 0xE3CCD239},
    {dnn::RngAlgorithm::kThreeFry, DataType::kU64, {3, 4}, 0x751B739C},
    {dnn::RngAlgorithm::kThreeFry, DataType::kU8, {3, 5, 7}, 0xE7C2D9DC},
    {dnn::RngAlgorithm::kThreeFry, DataType::kU16, {3, 5, 7}, 0xDDCB4922},
    {dnn::RngAlgorithm::kThreeFry, DataType::kU32, {3, 5, 7}, 0x918E7500},
    {dnn::RngAlgorithm::kThreeFry, DataType::kU64, {3, 5, 7}, 0xD7AED022},
    {dnn::RngAlgorithm::kThreeFry, DataType::kU8, {5, 6, 3}, 0xF41FEB96},
    {dnn::RngAlgorithm::kThreeFry, DataType::kU16, {5, 6, 3}, 0xCA77FAEA},
    {dnn::RngAlgorithm::kThreeFry, DataType::kU32, {5, 6, 3}, 0x38124CED},
    {dnn::RngAlgorithm::kThreeFry, DataType::kU64, {5, 6, 3}, 0x31DA66C7},
    {dnn::RngAlgorithm::kThreeFry, DataType::kU8, {9, 2000}, 0x7670C6A7},
    {dnn::RngAlgorithm::kThreeFry, DataType::kU16, {9, 2000}, 0xC6646367},
    {dnn::RngAlgorithm::kThreeFry, DataType::kU32, {9, 2000}, 0xC268F157},
    {dnn::RngAlgorithm::kThreeFry, DataType::kU64, {9, 2000}, 0x62171B91},
    {dnn::RngAlgorithm::kThreeFry, DataType::kU8, {0, 3}, 0xA20A7CD5},
    {dnn::RngAlgorithm::kThreeFry, DataType::kU16, {0, 3}, 0xA20A7CD5},
    {dnn::RngAlgorithm::kThreeFry, DataType::kU32, {0, 3}, 0xA20A7CD5},
    {dnn::RngAlgorithm::kThreeFry, DataType::kU64, {0, 3}, 0xA20A7CD5},
    {dnn::RngAlgorithm::kPhilox, DataType::kU8, {}, 0x42D35260},
    {dnn::RngAlgorithm::kPhilox, DataType::kU16, {}, 0x7A27E38A},
    {dnn::RngAlgorithm::kPhilox, DataType::kU32, {}, 0x5E9C5452},
    {dnn::RngAlgorithm::kPhilox, DataType::kU64, {}, 0x6979EE7A},
    {dnn::RngAlgorithm::kPhilox, DataType::kU8, {1}, 0x42D35260},
    {dnn::RngAlgorithm::kPhilox, DataType::kU16, {1}, 0x7A27E38A},
    {dnn::RngAlgorithm::kPhilox, DataType::kU32, {1}, 0x5E9C5452},
    {dnn::RngAlgorithm::kPhilox, DataType::kU64, {1}, 0x6979EE7A},
    {dnn::RngAlgorithm::kPhilox, DataType::kU8, {8}, 0x5AACDB6F},
    {dnn::RngAlgorithm::kPhilox, DataType::kU16, {8}, 0x3BBBF936},
    {dnn::RngAlgorithm::kPhilox, DataType::kU32, {8}, 0xF99E9C2F},
    {dnn::RngAlgorithm::kPhilox, DataType::kU64, {8}, 0x5C050C6F},
    {dnn::RngAlgorithm::kPhilox, DataType::kU8, {7}, 0xA66E04EF},
    {dnn::RngAlgorithm::kPhilox, DataType::kU16, {7}, 0xDC5CD17A},
    {dnn::RngAlgorithm::kPhilox, DataType::kU32, {7}, 0xF253C56D},
    {dnn::RngAlgorithm::kPhilox, DataType::kU64, {7}, 0xCE7EFD26},
    {dnn::RngAlgorithm::kPhilox, DataType::kU8, {3, 4}, 0x5C52ED2E},
    {dnn::RngAlgorithm::kPhilox, DataType::kU16, {3, 4}, 0x8143DBF6},
    {dnn::RngAlgorithm::kPhilox, DataType::kU32, {3, 4}, 0x8238A530},
    {dnn::RngAlgorithm::kPhilox, DataType::kU64, {3, 4}, 0x1F2E470B},
    {dnn::RngAlgorithm::kPhilox, DataType::kU8, {3, 5, 7}, 0x489C6F67},
    {dnn::RngAlgorithm::kPhilox, DataType::kU16, {3, 5, 7}, 0x4D78B6EC},
    {dnn::RngAlgorithm::kPhilox, DataType::kU32, {3, 5, 7}, 0xC1987428},
    {dnn::RngAlgorithm::kPhilox, DataType::kU64, {3, 5, 7}, 0x4A3DA007},
    {dnn::RngAlgorithm::kPhilox, DataType::kU8, {5, 6, 3}, 0xB9290507},
    {dnn::RngAlgorithm::kPhilox, DataType::kU16, {5, 6, 3}, 0xF443C54D},
    {dnn::RngAlgorithm::kPhilox, DataType::kU32, {5, 6, 3}, 0x3A2BCBE9},
    {dnn::RngAlgorithm::kPhilox, DataType::kU64, {5, 6, 3}, 0x7243796B},
    {dnn::RngAlgorithm::kPhilox, DataType::kU8, {9, 2000}, 0xDC00F6CC},
    {dnn::RngAlgorithm::kPhilox, DataType::kU16, {9, 2000}, 0x88910577},
    {dnn::RngAlgorithm::kPhilox, DataType::kU32, {9, 2000}, 0x2247F65B},
    {dnn::RngAlgorithm::kPhilox, DataType::kU64, {9, 2000}, 0x00C2DBDB},
    {dnn::RngAlgorithm::kPhilox, DataType::kU8, {0, 3}, 0xA20A7CD5},
    {dnn::RngAlgorithm::kPhilox, DataType::kU16, {0, 3}, 0xA20A7CD5},
    {dnn::RngAlgorithm::kPhilox, DataType::kU32, {0, 3}, 0xA20A7CD5},
    {dnn::RngAlgorithm::kPhilox, DataType::kU64, {0, 3}, 0xA20A7CD5},
    {dnn::RngAlgorithm::kDefault, DataType::kU8, {7}, 0xA66E04EF},
    {dnn::RngAlgorithm::kDefault, DataType::kU16, {7}, 0xDC5CD17A},
    {dnn::RngAlgorithm::kDefault, DataType::kU32, {7}, 0xF253C56D},
    {dnn::RngAlgorithm::kDefault, DataType::kU64, {7}, 0xCE7EFD26},
};

uint32_t crc32(const Bytes& bytes, uint32_t crc = 0) {
  crc = ~crc;
  for (std::byte byte : bytes) {
    crc ^= static_cast<uint32_t>(byte);
    for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ (crc & 1 ? 0xEDB88320u : 0u);
  }
  return ~crc;
}

}  // namespace

TEST(random_bits_equal_those_of_xla) {
  const Bytes state = bytes_of(std::vector<uint64_t>{0x123456789ABCDEF0, 0xFFFFFFFFFFFFFFF0});
  for (const Row& row : kRows) {
    for (const auto& [state_type, words] : {std::pair(DataType::kU64, int64_t{2}), std::pair(DataType::kU32, int64_t{4})}) {
      const dnn::RngSpec spec{
          .algorithm = row.algorithm, .state_type = state_type, .state_dims = {words}, .type = row.type, .dims = row.dims};
      const metal::Program program = dnn::rng_bit_generator(spec, e150());
      for (int threads : {1, 2}) {
        const auto out = run_program(program, {state}, threads);
        EXPECT_EQ(crc32(out[1], crc32(out[0])), row.checksum);
      }
    }
  }
}

// Random123's published vectors for philox4x32-10.
TEST(philox_of_zeros_and_ones) {
  const auto draw = [](uint64_t word) {
    const dnn::RngSpec spec{
        .algorithm = dnn::RngAlgorithm::kPhilox, .state_type = DataType::kU64, .state_dims = {3}, .type = DataType::kU32, .dims = {4}};
    const auto out = run_program(dnn::rng_bit_generator(spec, e150()), {bytes_of(std::vector<uint64_t>{word, word, word})});
    EXPECT(values_of<uint64_t>(out[0]) == (std::vector<uint64_t>{word, word + 1, word + (word != 0)}));
    return values_of<uint32_t>(out[1]);
  };
  EXPECT(draw(0) == (std::vector<uint32_t>{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  EXPECT(draw(~uint64_t{0}) == (std::vector<uint32_t>{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
}

TEST(random_bits_refuse_a_state_that_does_not_fit) {
  dnn::RngSpec spec{
      .algorithm = dnn::RngAlgorithm::kThreeFry, .state_type = DataType::kU64, .state_dims = {3}, .type = DataType::kU32, .dims = {4}};
  EXPECT_ERROR(dnn::rng_bit_generator(spec, e150()), "state of 24 bytes, expected 16, or 24 for Philox");
  spec.state_type = DataType::kS64;
  EXPECT_ERROR(dnn::rng_bit_generator(spec, e150()), "expected a vector of ui64 or ui32");
}

}  // namespace tt::test
