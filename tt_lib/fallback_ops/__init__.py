"""Ops beyond ttDNN's own list, computed in float32 by JAX programs on the tensor's card: `tt_lib.fallback_ops.fallback_ops`."""

from tt_lib.fallback_ops import conversion_wrapper, fallback_ops

__all__ = ["conversion_wrapper", "fallback_ops"]
