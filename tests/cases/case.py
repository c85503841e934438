"""What an op case is: a function, the arguments it takes, and how closely its results must agree."""

import dataclasses
import zlib
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np

F32, BF16, F16, F64 = "float32", "bfloat16", "float16", "float64"
I8, I16, I32, I64 = "int8", "int16", "int32", "int64"
U8, U16, U32, U64 = "uint8", "uint16", "uint32", "uint64"
BOOL, C64 = "bool", "complex64"

FLOATS = (F32, BF16, F16, F64)
SIGNED = (I8, I16, I32, I64)
UNSIGNED = (U8, U16, U32, U64)
INTEGERS = SIGNED + UNSIGNED
WIDE = {F64, I64, U64, "complex128"}

# How a result is judged. The bounds themselves are in `against_cpu.py`.
EXACT = "exact"  # the same bits as cpu, any NaN equal to any NaN
EQUAL = "equal"  # the same values as cpu; zeros may differ in sign
ROUNDED = "rounded"  # one elementary function: a few units in the last place of the true value
SUMMED = "summed"  # a sum of products: within rounding of the sum of the terms' magnitudes
COMPOSED = "composed"  # several roundings in a row, such as a gradient or a softmax
CLOSE = "close"  # a decomposition or a transform: judged in norm


@dataclasses.dataclass(frozen=True)
class Arg:
    """One argument: drawn from `draw`, or given as `values`."""

    shape: tuple[int, ...]
    dtype: str
    draw: str = "normal"
    values: Any = None

    def make(self, seed: int) -> np.ndarray:
        dtype = np.dtype(getattr(ml_dtypes, self.dtype, None) or self.dtype)
        if self.values is not None:
            return np.asarray(self.values).astype(dtype).reshape(self.shape)
        rng = np.random.default_rng(seed)
        if self.dtype == BOOL:
            return rng.integers(0, 2, self.shape).astype(bool)
        if self.dtype in INTEGERS:
            return _draw_integers(rng, self.shape, dtype, self.draw)
        if dtype.kind == "c":
            return (rng.standard_normal(self.shape) + 1j * rng.standard_normal(self.shape)).astype(dtype)
        return np.asarray(_DRAWS[self.draw](rng, self.shape)).astype(dtype)


_DRAWS: dict[str, Callable[[np.random.Generator, tuple[int, ...]], Any]] = {
    "normal": lambda rng, shape: rng.standard_normal(shape),
    "wide": lambda rng, shape: rng.standard_normal(shape) * np.exp(rng.uniform(-6, 6, shape)),
    "positive": lambda rng, shape: np.exp(rng.standard_normal(shape)),
    "unit": lambda rng, shape: rng.uniform(-0.99, 0.99, shape),
    "over_one": lambda rng, shape: 1.01 + np.exp(rng.standard_normal(shape)),
    "few": lambda rng, shape: rng.integers(-3, 4, shape),
    "angles": lambda rng, shape: rng.uniform(-20, 20, shape),
}


def _draw_integers(rng: np.random.Generator, shape: tuple[int, ...], dtype: np.dtype, draw: str) -> np.ndarray:
    info = np.iinfo(dtype)
    if draw == "full":
        return rng.integers(info.min, info.max, shape, dtype=dtype, endpoint=True)
    if draw == "positive":
        return rng.integers(1, 12, shape).astype(dtype)
    if draw == "few":
        return rng.integers(0, 4, shape).astype(dtype)
    return rng.integers(-20 if info.min < 0 else 0, 21, shape).astype(dtype)


@dataclasses.dataclass(frozen=True)
class Case:
    """One row: `function(*args)` on the card must agree with cpu as `check` says."""

    name: str
    group: str
    function: Callable[..., Any]
    args: tuple[Arg, ...]
    check: str = EXACT
    generic: bool = True  # the function may be given wider floats, which yields the true value
    truth: Callable[..., Any] | None = None  # numpy's function for the true value, where cpu's float64 is too far from it

    @property
    def id(self) -> str:
        return f"{self.group}-{self.name}"

    @property
    def wide(self) -> bool:
        return any(a.dtype in WIDE for a in self.args) or "x64" in self.name

    def make_args(self) -> list[np.ndarray]:
        return [a.make(zlib.crc32(f"{self.id}/{i}".encode())) for i, a in enumerate(self.args)]


def arg(shape: Sequence[int] | int, dtype: str = F32, draw: str = "normal", values: Any = None) -> Arg:
    return Arg((shape,) if isinstance(shape, int) else tuple(shape), dtype, draw, values)


def given(values: Any, dtype: str) -> Arg:
    """An argument with these values."""
    return Arg(np.shape(values), dtype, "given", tuple(map(tuple, values)) if np.ndim(values) == 2 else values)


def shape_name(shape: Sequence[int]) -> str:
    return "x".join(map(str, shape)) if shape else "scalar"


def float_edges(dtype: str) -> np.ndarray:
    """Zeros, ones, infinities, NaN, the largest and the smallest normal numbers."""
    info = ml_dtypes.finfo(getattr(ml_dtypes, dtype, None) or dtype)
    top, tiny = float(info.max), float(info.tiny)
    return np.array([0.0, -0.0, 1.0, -1.0, 0.5, -2.5, 1e-3, np.inf, -np.inf, np.nan, top, -top, tiny, -tiny])


def integer_edges(dtype: str) -> np.ndarray:
    info = np.iinfo(dtype)
    return np.array([0, 1, 2, 7, info.max, info.max - 1, info.min, info.min + 1], dtype=dtype)


def gradient(function: Callable[..., Any]) -> Callable[..., Any]:
    """The vector-Jacobian product of `function`, with a cotangent of several magnitudes and signs."""

    def pulled_back(*args: Any) -> Any:
        out, pull = jax.vjp(function, *args)

        def cotangent(leaf: Any) -> Any:
            steps = jax.lax.iota(jnp.int32, max(leaf.size, 1))[: leaf.size] % 7
            return ((steps.astype(leaf.dtype) - 2.5) * 0.25).astype(leaf.dtype).reshape(leaf.shape)

        return pull(jax.tree.map(cotangent, out))

    return pulled_back
