"""A residual connection and the layer normalisation after it."""

from collections.abc import Callable, Sequence

from tt_lib import tensor as ttl
from tt_lib._C import Device, Tensor
from tt_lib.fused_ops.layernorm import Layernorm


def AddAndNorm(
    gamma: Sequence[float], beta: Sequence[float], epsilon: float, H: int, W: int, device: Device
) -> Callable[[Tensor, Tensor], Tensor]:
    """Layernorm of a + b, as a function of both; arguments as of `Layernorm`."""
    norm = Layernorm(gamma, beta, epsilon, H, W, device, num_dims=1)

    def add_and_norm(a: Tensor, b: Tensor) -> Tensor:
        return norm(ttl.add(a, b))

    return add_and_norm
