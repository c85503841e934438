// BFLOAT8_B tiles on the card: what the unpacker and the packer do on the way into and out of DST.
#pragma once

#include "tensor/tensor.hpp"

namespace tt::dnn {

tensor::Tensor unpack_bfp8(const tensor::Tensor& packed);  // -> BFLOAT16 TILE; exact: 7 bits of magnitude fit
tensor::Tensor pack_bfp8(const tensor::Tensor& unpacked);  // BFLOAT16 TILE -> BFLOAT8_B, rounded half up in magnitude

}  // namespace tt::dnn
