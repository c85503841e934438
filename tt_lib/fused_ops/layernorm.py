"""Layer normalisation with kept weights."""

from collections.abc import Callable, Sequence

from tt_lib import tensor as ttl
from tt_lib._C import Device, Tensor


def Layernorm(
    gamma: Sequence[float], beta: Sequence[float] | None, epsilon: float, H: int, W: int, device: Device, num_dims: int = 1
) -> Callable[..., Tensor]:
    """(x - mean) / sqrt(variance + epsilon) * gamma + beta over X, as a function of x.

    Args:
      gamma: 32 * W numbers, [1, 1, 32, W] tilized, whose first row counts.
      beta: as gamma, or None.
      epsilon: added to the variance.
      H: rows of the input; for callers that keep it, any number of rows is taken.
      W: X of the input.
      device: where gamma and beta are kept.
      num_dims: 1: normalisation over X is what there is.
    """
    if num_dims != 1:
        raise ValueError(f"[Layernorm] num_dims is {num_dims}, expected 1")
    for name, values in (("gamma", gamma), ("beta", beta)):
        if values is not None and len(values) != 32 * W:
            raise ValueError(f"[Layernorm] {name} has {len(values)} numbers, expected 32 * W = {32 * W}")

    def row(values: Sequence[float]) -> Tensor:
        return ttl.Tensor(values, [1, 1, 32, W], ttl.DataType.BFLOAT16, ttl.Layout.TILE, device)

    scale, shift = row(gamma), None if beta is None else row(beta)

    def layernorm(x: Tensor, overrideH: int | None = None) -> Tensor:
        if shift is None:
            return ttl.layernorm_gamma(x, epsilon, scale)
        return ttl.layernorm_gamma_beta(x, epsilon, scale, shift)

    return layernorm
