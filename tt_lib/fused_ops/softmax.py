"""Softmax over rows."""

from tt_lib import tensor as ttl
from tt_lib._C import Tensor


def softmax(x: Tensor, stable: bool = False) -> Tensor:
    """exp(x) / sum over X. The maximum of each row is always subtracted first: `stable` is what it asks for in either case."""
    return ttl.softmax(x)
