"""From tensors to arrays on the card and back, around a function of arrays."""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from tt_lib import _C
from tt_lib import tensor as _tensor
from tt_lib._C import DataType, Layout, Tensor


def _tensors(values: Any) -> list[Tensor]:
    return [leaf for leaf in jax.tree.leaves(values) if isinstance(leaf, Tensor)]


def _card(tensors: list[Tensor], name: str) -> _C.Device:
    for tensor in tensors:
        if not tensor.on_host():
            return tensor.device()
    default = _C.default_device()
    if default is None:
        raise RuntimeError(f"[{name}] Requires setting default device if no inputs to op are on device; call SetDefaultDevice")
    return default


def to_array(tensor: Tensor, card: _C.Device) -> jax.Array:
    """The tensor as a float32 (or integer) array on the card."""
    if tensor.on_host():
        rows = jax.device_put(tensor.to_numpy(), jax.devices("tt")[card.id()])
    else:
        rows = _tensor.to_jax(tensor)
    return rows.astype(jnp.float32) if jnp.issubdtype(rows.dtype, jnp.floating) else rows


def to_tensor(array: jax.Array, first: Tensor | None, card: _C.Device) -> Tensor:
    """The array as a tensor with the type, layout and place of `first`; without one BFLOAT16, ROW_MAJOR, on the host."""
    data_type = first.dtype() if first is not None else DataType.BFLOAT16
    layout = first.layout() if first is not None else Layout.ROW_MAJOR
    shape = [1] * (4 - array.ndim) + list(array.shape)
    fits_tile = shape[2] % 32 == 0 and shape[3] % 32 == 0
    if layout == Layout.TILE and not fits_tile:
        layout = Layout.ROW_MAJOR
    stored = DataType.BFLOAT16 if data_type == DataType.BFLOAT8_B else data_type
    rows = _tensor.from_jax(array.reshape(shape).astype(_tensor.numpy_dtype(stored)), card)
    if first is None or first.on_host():
        host = rows.to(_C.Host()).to(layout)
        return _tensor.from_numpy(host.to_numpy(), data_type, layout) if data_type == DataType.BFLOAT8_B and layout == Layout.TILE else host
    if layout == Layout.ROW_MAJOR:
        return rows if _C.fits_on_card(rows) else rows.to(_C.Host())
    return _C.to_layout("to_tensor", rows, layout)


def convert_tt_tensors_wrapper(function: Callable[..., Any]) -> Callable[..., Any]:
    """`function` of arrays as a function of tensors. Results follow the first tensor among the arguments."""

    @functools.wraps(function)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        tensors = _tensors((args, kwargs))
        card = _card(tensors, function.__name__)
        with jax.default_device(jax.devices("tt")[card.id()]):
            arrays, keywords = jax.tree.map(lambda v: to_array(v, card) if isinstance(v, Tensor) else v, (args, kwargs))
            out = function(*arrays, **keywords)
            first = tensors[0] if tensors else None
            return jax.tree.map(lambda array: to_tensor(array, first, card), out)

    return wrapped
