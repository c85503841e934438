// Random bits from a counter: ThreeFry 2x32 and Philox 4x32, bit for bit as XLA draws them.
#pragma once

#include <string>

#include "dnn/operand.hpp"

namespace tt::dnn {

enum class RngAlgorithm : uint8_t { kDefault, kThreeFry, kPhilox };  // kDefault: Philox, as on XLA's CPU

// StableHLO's rng_bit_generator. The state is two 64-bit words (key, counter) or, for Philox, three (key, counter low, counter high), as
// ui64[2], ui64[3], ui32[4] or ui32[6] in little-endian order.
struct RngSpec {
  std::string name = "rng_bit_generator";
  RngAlgorithm algorithm;
  DataType state_type;
  Dims state_dims;
  DataType type;  // 8, 16, 32 or 64 bits wide
  Dims dims;
};

// Slots: state, new state, bits.
Program rng_bit_generator(const RngSpec& spec, const ChipSpec& chip);

}  // namespace tt::dnn
