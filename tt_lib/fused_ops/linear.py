"""A linear layer."""

from collections.abc import Callable, Sequence

from tt_lib import tensor as ttl
from tt_lib._C import Device, Tensor


def Linear(
    in_features: int, out_features: int, weight: Sequence[float], bias: Sequence[float] | None, device: Device
) -> Callable[[Tensor], Tensor]:
    """activation @ weight.T + bias as a function of the activation.

    Args:
      in_features: X of the activation.
      out_features: X of the result.
      weight: [1, 1, out_features, in_features] as a flat tilized list (see `tt_lib.utils.tilize_to_list`).
      bias: [1, 1, 32, out_features] as a flat tilized list whose first row counts, or None.
      device: where the weights are kept.
    """
    matrix = ttl.transpose(ttl.Tensor(weight, [1, 1, out_features, in_features], ttl.DataType.BFLOAT16, ttl.Layout.TILE, device))
    row = None if bias is None else ttl.Tensor(bias, [1, 1, 32, out_features], ttl.DataType.BFLOAT16, ttl.Layout.TILE, device)

    def linear(activation: Tensor) -> Tensor:
        product = ttl.matmul(activation, matrix)
        return product if row is None else ttl.bcast(product, row, ttl.BcastOpMath.ADD, ttl.BcastOpDim.H)

    return linear
