"""Arrays in tile order, on the host: `tt_lib.utils`. Arrays are numpy's; PyTorch's are taken through `__array__`."""

from typing import Any

import numpy as np

TILE = 32
FACE = 16


def divup(a: int, b: int) -> int:
    """a / b, rounded up."""
    return -(-a // b)


def roundup(a: int, b: int) -> int:
    """The next multiple of b."""
    return divup(a, b) * b


def roundup32(a: int) -> int:
    """The next multiple of 32."""
    return roundup(a, TILE)


def pad_weight(x: Any) -> np.ndarray:
    """An array of up to 4 dimensions as [W, Z, Y, X], Y and X padded with 0 to multiples of 32."""
    x = np.asarray(x)
    if x.ndim > 4:
        raise ValueError(f"[pad_weight] an array of {x.ndim} dimensions, expected at most 4")
    x = x.reshape([1] * (4 - x.ndim) + list(x.shape))
    return np.pad(x, [(0, 0), (0, 0), (0, -x.shape[2] % TILE), (0, -x.shape[3] % TILE)])


pad_activation = pad_weight


def channels_last(x: Any) -> np.ndarray:
    """[N, C, H, W] -> [N, H, W, C]."""
    return np.asarray(x).transpose(0, 2, 3, 1)


def _check_tiles(x: np.ndarray, name: str) -> None:
    if x.ndim != 4 or x.shape[2] % TILE or x.shape[3] % TILE:
        raise ValueError(f"[{name}] an array of shape {list(x.shape)}, expected 4 dimensions, the last two multiples of 32")


def tilize(x: Any) -> np.ndarray:
    """[W, Z, Y, X] in the order of TILE storage: tiles row by row, four faces each. The shape is kept."""
    x = np.asarray(x)
    _check_tiles(x, "tilize")
    w, z, y, width = x.shape
    split = x.reshape(w, z, y // TILE, 2, FACE, width // TILE, 2, FACE)
    return split.transpose(0, 1, 2, 5, 3, 6, 4, 7).reshape(x.shape)


def tilize_to_list(x: Any) -> list[float]:
    """tilize as a flat list: the data of a TILE tensor."""
    return tilize(x).reshape(-1).tolist()


def untilize(x: Any) -> np.ndarray:
    """The inverse of tilize."""
    x = np.asarray(x)
    _check_tiles(x, "untilize")
    w, z, y, width = x.shape
    split = x.reshape(w, z, y // TILE, width // TILE, 2, 2, FACE, FACE)
    return split.transpose(0, 1, 2, 4, 6, 3, 5, 7).reshape(x.shape)


def is_close(a: Any, b: Any, rtol: float = 8e-2, atol: float = 8e-2, max_mag: float = 4.0, max_mag_fraction: float = 0.02) -> bool:
    """Is each difference within max(atol, rtol * |b|), and within max_mag_fraction of max_mag where that is more?"""
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    return bool(np.all(np.abs(a - b) <= np.maximum(np.maximum(atol, rtol * np.abs(b)), max_mag * max_mag_fraction)))
