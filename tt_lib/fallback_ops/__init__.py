"""Ops beyond ttDNN's own list, computed in float32 by JAX programs on the tensor's card: `tt_lib.fallback_ops.fallback_ops`."""

from tt_lib.fallback_ops import conversion_wrapper, fallback_ops
from tt_lib.fallback_ops.fallback_ops import (
    Conv2d,
    GroupNorm,
    LayerNorm,
    chunk,
    concat,
    conv2d,
    full,
    group_norm,
    layer_norm,
    pad,
    repeat_interleave,
    reshape,
    sigmoid,
    silu,
    softmax,
)

__all__ = [
    "Conv2d",
    "GroupNorm",
    "LayerNorm",
    "chunk",
    "concat",
    "conv2d",
    "conversion_wrapper",
    "fallback_ops",
    "full",
    "group_norm",
    "layer_norm",
    "pad",
    "repeat_interleave",
    "reshape",
    "sigmoid",
    "silu",
    "softmax",
]
