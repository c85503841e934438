"""Ops in PyTorch's spelling on tensors. Each runs as a compiled JAX program on the card; nothing is computed on the host.

Weights and biases may be given as [1, 1, 1, C].
"""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from tt_lib._C import Tensor
from tt_lib.fallback_ops.conversion_wrapper import convert_tt_tensors_wrapper

Pair = int | tuple[int, int]


def _op(*static: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """A function of arrays, compiled, as an op on tensors; arguments named in `static` are Python values."""

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        compiled = jax.jit(function, static_argnames=static)
        return functools.wraps(function)(convert_tt_tensors_wrapper(functools.wraps(function)(lambda *a, **k: compiled(*a, **k))))

    return decorate


def _pair(value: Pair) -> tuple[int, int]:
    if isinstance(value, int):
        return value, value
    first, second = value
    return first, second


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise ValueError(message)


def full(size: Sequence[int], fill_value: float) -> Tensor:
    """A tensor of one value, on the host."""
    return _full(size=tuple(size), fill_value=float(fill_value))


@_op("size")
def _full(size: tuple[int, ...], fill_value: float) -> jax.Array:
    return jnp.full(size, fill_value, jnp.float32)


@_op("N", "C", "H", "W")
def reshape(input: Any, N: int, C: int, H: int, W: int) -> Any:
    """Another shape of the same volume."""
    return input.reshape(N, C, H, W)


@_op("chunks", "dim")
def chunk(input: Any, chunks: int, dim: int = 0) -> Any:
    """At most `chunks` parts along `dim`, all but the last of equal size."""
    _require(chunks > 0, f"[chunk] {chunks} chunks, expected at least 1")
    size = -(-input.shape[dim] // chunks)
    return jnp.split(input, list(range(size, input.shape[dim], size)), axis=dim)


@_op("stride", "padding", "dilation", "groups")
def conv2d(input: Any, weight: Any, bias: Any = None, stride: Pair = 1, padding: Pair = 0, dilation: Pair = 1, groups: int = 1) -> Any:
    """[N, C, H, W] by [O, C / groups, kh, kw], plus a bias of O elements."""
    padded = [(p, p) for p in _pair(padding)]
    out = lax.conv_general_dilated(
        input,
        weight,
        _pair(stride),
        padded,
        rhs_dilation=_pair(dilation),
        feature_group_count=groups,
        dimension_numbers=("NCHW", "OIHW", "NCHW"),
    )
    return out if bias is None else out + bias.reshape(1, -1, 1, 1)


@_op("num_groups", "eps")
def group_norm(input: Any, num_groups: int, weight: Any = None, bias: Any = None, eps: float = 1e-05) -> Any:
    """Normalises each group of channels of each sample."""
    n, c = input.shape[:2]
    _require(c % num_groups == 0, f"[group_norm] {c} channels cannot be divided into {num_groups} groups")
    grouped = _normalise(input.reshape(n, num_groups, -1), (2,), eps).reshape(input.shape)
    return _affine(grouped, weight, bias, (1, c, 1, 1))


@_op("normalized_shape", "eps")
def _layer_norm(input: Any, normalized_shape: tuple[int, ...], weight: Any, bias: Any, eps: float) -> Any:
    rank = len(normalized_shape)
    _require(input.shape[-rank:] == normalized_shape, f"[layer_norm] the input is {input.shape}, normalized_shape is {normalized_shape}")
    axes = tuple(range(input.ndim - rank, input.ndim))
    return _affine(_normalise(input, axes, eps), weight, bias, normalized_shape)


def layer_norm(input: Tensor, normalized_shape: int | Sequence[int], weight: Any = None, bias: Any = None, eps: float = 1e-05) -> Tensor:
    """Normalises over the last dimensions, which are `normalized_shape`."""
    shape = (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)
    return _layer_norm(input, normalized_shape=shape, weight=weight, bias=bias, eps=eps)


def _normalise(x: jax.Array, axes: tuple[int, ...], eps: float) -> jax.Array:
    centred = x - x.mean(axes, keepdims=True)
    return centred * lax.rsqrt(jnp.square(centred).mean(axes, keepdims=True) + eps)


def _affine(x: jax.Array, weight: Any, bias: Any, shape: tuple[int, ...]) -> jax.Array:
    if weight is not None:
        x = x * weight.reshape(shape)
    return x if bias is None else x + bias.reshape(shape)


@_op("pad", "mode", "value")
def _pad(input: Any, pad: tuple[int, ...], mode: str, value: float) -> Any:
    widths = [(0, 0)] * (input.ndim - len(pad) // 2)
    widths += [(pad[i], pad[i + 1]) for i in range(len(pad) - 2, -1, -2)]
    if mode != "constant":
        return jnp.pad(input, widths, {"reflect": "reflect", "replicate": "edge", "circular": "wrap"}[mode])
    return lax.pad(input, jnp.asarray(value, input.dtype), [(low, high, 0) for low, high in widths])


def pad(input: Tensor, pad: Sequence[int], mode: str = "constant", value: float | None = None) -> Tensor:
    """Pads from the last dimension backwards: (left, right, top, bottom, ...). Negative widths crop in constant mode."""
    _require(
        mode in ("constant", "reflect", "replicate", "circular"),
        f"[pad] mode is {mode!r}, expected constant, reflect, replicate or circular",
    )
    _require(len(pad) % 2 == 0, f"[pad] {len(pad)} widths, expected pairs")
    return _pad(input, pad=tuple(pad), mode=mode, value=0.0 if value is None else float(value))


def repeat_interleave(input: Tensor, repeats: int, dim: int | None = None, *, output_size: int | None = None) -> Tensor:
    """Repeats each element along `dim` (of the flat tensor if None)."""
    _require(isinstance(repeats, int) and repeats >= 0, f"[repeat_interleave] repeats is {repeats!r}, expected an int of 0 or more")
    return _repeat(input, repeats=repeats, dim=dim)


@_op("repeats", "dim")
def _repeat(input: Any, repeats: int, dim: int | None) -> Any:
    return jnp.repeat(input, repeats, axis=dim)


@_op("dim")
def concat(tensors: Any, dim: int = 0) -> Any:
    """Tensors one behind the other along `dim`."""
    return jnp.concatenate(tensors, axis=dim)


@_op()
def sigmoid(input: Any) -> Any:
    """1 / (1 + exp(-x))."""
    return jax.nn.sigmoid(input)


@_op()
def silu(input: Any) -> Any:
    """x * sigmoid(x)."""
    return jax.nn.silu(input)


@_op("dim")
def softmax(input: Any, dim: int | None = None) -> Any:
    """exp(x - max) / sum along `dim`; None: the second dimension, as PyTorch picks for four."""
    return jax.nn.softmax(input, axis=1 if dim is None else dim)


class Conv2d:
    """conv2d with its weights: call it with one tensor."""

    def __init__(
        self,
        weights: Any,
        biases: Any,
        in_channels: int,
        out_channels: int,
        kernel_size: Pair,
        stride: Pair = 1,
        padding: Pair = 0,
        dilation: Pair = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
    ):
        _require(padding_mode == "zeros", f"[Conv2d] padding_mode is {padding_mode!r}, expected 'zeros'; see pad")
        expected = [out_channels, in_channels // groups, *_pair(kernel_size)]
        _require(list(weights.shape()) == expected, f"[Conv2d] weights are {weights.shape()}, expected {expected}")
        self._weights, self._biases = weights, biases if bias else None
        self._options = {"stride": _pair(stride), "padding": _pair(padding), "dilation": _pair(dilation), "groups": groups}

    def __call__(self, input: Tensor) -> Tensor:
        return conv2d(input, self._weights, self._biases, **self._options)


class GroupNorm:
    """group_norm with its weights: call it with one tensor."""

    def __init__(self, weights: Any, biases: Any, num_groups: int, num_channels: int, eps: float = 1e-05, affine: bool = True):
        _require(num_channels % num_groups == 0, f"[GroupNorm] {num_channels} channels cannot be divided into {num_groups} groups")
        self._weights, self._biases = (weights if affine else None), (biases if affine else None)
        self._num_groups, self._eps = num_groups, eps

    def __call__(self, input: Tensor) -> Tensor:
        return group_norm(input, num_groups=self._num_groups, weight=self._weights, bias=self._biases, eps=self._eps)


class LayerNorm:
    """layer_norm with its weights: call it with one tensor."""

    def __init__(
        self, weights: Any, biases: Any, normalized_shape: int | Sequence[int], eps: float = 1e-05, elementwise_affine: bool = True
    ):
        self._weights, self._biases = (weights if elementwise_affine else None), (biases if elementwise_affine else None)
        self._shape, self._eps = normalized_shape, eps

    def __call__(self, input: Tensor) -> Tensor:
        return layer_norm(input, self._shape, self._weights, self._biases, self._eps)
