"""Small graphs of ttDNN ops: `tt_lib.fused_ops`."""

from tt_lib.fused_ops import add_and_norm, layernorm, linear, softmax

__all__ = ["add_and_norm", "layernorm", "linear", "softmax"]
