// Convolutions as products with gathered patches: no patch buffer exists, the reader takes each tile of patches straight from the input.
#pragma once

#include "dnn/operand.hpp"

namespace tt::dnn {

inline constexpr size_t kMaxConvSpatial = 8;

// StableHLO's convolution. Dimension numbers are the order of the maps' dimensions: the caller permutes them. Fast layouts of the input
// have stride 1 along features (NHWC), along the batch (gradients of filters) or along the last spatial dimension (NCHW).
struct ConvSpec {
  struct Spatial {
    int64_t input, window, output;  // sizes
    int64_t stride = 1;             // of the window
    int64_t pad_low = 0;            // before the dilated input; may be negative
    int64_t input_dilation = 1, window_dilation = 1;
    bool reversed = false;  // the window
    bool operator==(const Spatial&) const = default;
  };
  std::string name;
  int64_t batch, in_features, out_features;  // of input and output as a whole
  std::vector<Spatial> spatial;
  int64_t feature_groups = 1, batch_groups = 1;    // at most one of them exceeds 1
  std::vector<int64_t> input_bytes, output_bytes;  // input buffers: slots 0 .., then the outputs
  DataType compute_type;
  Operand input;                     // over [batch, spatial..., in_features]
  Operand kernel;                    // over [spatial..., in_features / feature_groups, out_features]; neither map is padded
  TileProgram epilogue = {};         // as in MatmulSpec
  std::vector<Operand> extras = {};  // over [batch / batch_groups, spatial..., out_features]
  std::vector<Result> results;       // over the same
  bool operator==(const ConvSpec&) const = default;
};

bool takes_extra(const ConvSpec& spec, const AccessMap& map);  // whether an extra operand may have this map
Program conv(const ConvSpec& spec, const ChipSpec& chip);

}  // namespace tt::dnn
