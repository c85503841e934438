// Matrix products, and convolutions as products with gathered patches.
#pragma once

#include <array>
#include <optional>

#include "dnn/operand.hpp"

namespace tt::dnn {

// A matrix per batch entry, by strides in elements.
struct MatrixOperand {
  size_t buffer;
  DataType type;
  int64_t offset = 0;
  std::array<int64_t, 3> strides{};  // batch, row, column
};

// How the first operand of a convolution gathers its patches: row m is (image, output position...), column k is (window position...,
// channel). Strides and offset are those of the input array.
struct Patches {
  struct Spatial {
    int64_t input;    // size of the input
    int64_t output;   // size of the output
    int64_t window;   // size of the window
    int64_t stride;   // of the window
    int64_t pad_low;  // may be negative
    int64_t input_dilation;
    int64_t window_dilation;
    int64_t input_stride;  // elements
  };
  std::vector<Spatial> spatial;
  int64_t channels;
  int64_t image_stride;
  int64_t channel_stride;
  int64_t group_stride;  // per batch entry of the product
};

struct MatmulSpec {
  std::string name;
  int64_t batch, m, k, n;
  std::vector<int64_t> input_bytes;  // input buffers: slots 0 ..
  int64_t output_bytes;              // the slot after them
  MatrixOperand a;                   // [batch, m, k]; with `patches` only buffer, type and offset count
  MatrixOperand b;                   // [batch, k, n]
  std::optional<Patches> patches;
  DataType type;          // of the result; the products are accumulated in emulator::matmul_accumulator_type(compute_type)
  DataType compute_type;  // in which operands are multiplied: the wider of the two
  AccessMap result;       // over [batch, m, n] in any grouping of m
};

Program matmul(const MatmulSpec& spec, const ChipSpec& chip);

}  // namespace tt::dnn
