"""Tensors and ttDNN: `tt_lib.tensor`.

Shapes are [W, Z, Y, X]. Ops take tensors on a card, or on the host: these are moved to the default device. Results have the layout of the
first input where their shape allows it (TILE needs multiples of 32 in Y and X), else ROW_MAJOR. Sums are accumulated in float32.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import ml_dtypes
import numpy as np

from tt_lib import _C
from tt_lib._C import (
    BcastOpDim,
    BcastOpMath,
    BufferType,
    DataType,
    Device,
    Layout,
    MemoryConfig,
    ReduceOpDim,
    ReduceOpMath,
    Tensor,
)

# The functions of this module follow at its end.
__all__ = [
    "BcastOpDim",
    "BcastOpMath",
    "BufferType",
    "DataType",
    "Layout",
    "MemoryConfig",
    "ReduceOpDim",
    "ReduceOpMath",
    "Tensor",
]

if TYPE_CHECKING:
    import jax

    def __getattr__(name: str) -> Any: ...  # the elementwise ops, which come from the core's table


_NUMPY = {
    DataType.BFLOAT16: np.dtype(ml_dtypes.bfloat16),
    DataType.BOOL: np.dtype(bool),
    **{
        getattr(DataType, name.upper()): np.dtype(name)
        for name in ("float16", "float32", "float64", "int8", "int16", "int32", "uint8", "uint16", "uint32")
    },
}
_TYPES = {dtype: data_type for data_type, dtype in _NUMPY.items()}


INTERLEAVED_DRAM = MemoryConfig()


# ---- conversions


def _data_type(dtype: Any, what: str) -> DataType:
    found = _TYPES.get(np.dtype(dtype))
    if found is None:
        known = ", ".join(d.name for d in _TYPES)
        raise TypeError(f"[{what}] elements of type {np.dtype(dtype).name} are not supported; convert to one of {known}")
    return found


def numpy_dtype(data_type: DataType) -> np.dtype:
    """numpy's type of a tensor's elements. BFLOAT8_B has none."""
    if data_type not in _NUMPY:
        raise TypeError(f"[numpy_dtype] {data_type.name} has no element type of its own; to_numpy gives float32")
    return _NUMPY[data_type]


def _four(shape: tuple[int, ...], what: str) -> list[int]:
    if len(shape) > 4:
        raise ValueError(f"[{what}] an array of {len(shape)} dimensions, expected at most 4")
    return [1] * (4 - len(shape)) + list(shape)


def from_numpy(array: np.ndarray, data_type: DataType | None = None, layout: Layout = Layout.ROW_MAJOR) -> Tensor:
    """A tensor on the host with the values of an array of up to 4 dimensions (missing ones are 1).

    Args:
      array: any array numpy understands.
      data_type: the type of the elements; the array's own if None. Conversion rounds to nearest even.
      layout: TILE and CHANNELS_LAST rearrange the values.
    """
    array = np.asarray(array)
    shape = _four(array.shape, "from_numpy")
    if data_type == DataType.BFLOAT8_B:
        tiles = from_numpy(array, DataType.FLOAT32, Layout.TILE)
        return Tensor(tiles.data(), shape, DataType.BFLOAT8_B, Layout.TILE)
    chosen = data_type if data_type is not None else _data_type(array.dtype, "from_numpy")
    dense = np.ascontiguousarray(array.astype(_NUMPY[chosen]))
    rows = Tensor.from_bytes(dense.reshape(-1).view(np.uint8), shape, chosen, Layout.ROW_MAJOR)
    return rows.to(layout)


def to_numpy(tensor: Tensor) -> np.ndarray:
    """The values as an array of shape [W, Z, Y, X]; BFLOAT8_B as float32. Waits for the device."""
    host = tensor.to(_C.Host())
    if host.dtype() == DataType.BFLOAT8_B:
        host = Tensor(host.data(), host.shape(), DataType.FLOAT32, Layout.TILE)
    rows = host.to(Layout.ROW_MAJOR)
    return np.frombuffer(rows.raw_bytes(), _NUMPY[rows.dtype()]).reshape(rows.shape()).copy()


def from_jax(array: jax.Array, device: Device | None = None) -> Tensor:
    """A tensor that shares the device memory of an array on `tt`: no copy. ROW_MAJOR; missing dimensions are 1.

    The tensor stays valid when the array is deleted, and an array that is donated later is copied first.

    Raises:
      ValueError: the array is not on one `tt` device, or not on the card of `device`.
    """
    devices = list(array.devices())
    if len(devices) != 1 or devices[0].platform != "tt":
        raise ValueError(f"[from_jax] the array is on {', '.join(map(str, devices))}, expected one tt device")
    card = device if device is not None else _C.default_device()
    if card is None or (device is None and card.id() != devices[0].id):
        card = Device(devices[0].device_kind.split()[-1], devices[0].id)
        _C.initialize_device(card)
    if card.id() != devices[0].id:
        raise ValueError(f"[from_jax] the array is on {devices[0]}, the tensor's device has slot {card.id()}")
    shape = _four(array.shape, "from_jax")
    data_type = _data_type(array.dtype, "from_jax")
    if array.size == 0:
        return from_numpy(np.zeros(shape, array.dtype))
    return Tensor.adopt(array.unsafe_buffer_pointer(), shape, data_type, card)


def to_jax(tensor: Tensor) -> jax.Array:
    """An array on `tt` that shares the device memory of a ROW_MAJOR tensor: no copy. Other layouts are untilized first.

    Raises:
      ValueError: the tensor is on the host.
    """
    if tensor.on_host():
        raise ValueError("[to_jax] the tensor is on the host; move it with to(device), or use to_numpy")
    rows = tensor if tensor.layout() == Layout.ROW_MAJOR else _C.to_layout("to_jax", tensor, Layout.ROW_MAJOR)
    import jax

    dtype = _NUMPY[rows.dtype()]
    memory = np.frombuffer(rows.shared_memory(), dtype).reshape(rows.shape())
    return jax.device_put(memory, jax.devices("tt")[tensor.device().id()])


Tensor.from_numpy = staticmethod(from_numpy)
Tensor.to_numpy = to_numpy
Tensor.from_jax = staticmethod(from_jax)
Tensor.to_jax = to_jax
Tensor.__array__ = lambda self, dtype=None, copy=None: to_numpy(self) if dtype is None else to_numpy(self).astype(dtype)


# ---- elementwise


def _unary(name: str, formula: str) -> Any:
    def op(x: Tensor) -> Tensor:
        return _C.unary(name, x)

    op.__name__ = op.__qualname__ = name
    op.__doc__ = f"{formula}, for every element."
    return op


def _binary(name: str, formula: str) -> Any:
    def op(x: Tensor, y: Tensor) -> Tensor:
        return _C.binary(name, x, y)

    op.__name__ = op.__qualname__ = name
    op.__doc__ = f"{formula}, element by element; both have the same shape."
    return op


_ELEMENTWISE = {
    **{name: _unary(name, formula) for name, formula in _C.UNARY_OPS.items()},
    **{name: _binary(name, formula) for name, formula in _C.BINARY_OPS.items()},
}
globals().update(_ELEMENTWISE)


# ---- broadcast and reduce


def bcast(a: Tensor, b: Tensor, math: BcastOpMath, dim: BcastOpDim) -> Tensor:
    """a op b, where the first row (H), first column (W) or first element (HW) of b serves all of a."""
    return _C.bcast(a, b, math, dim)


def reduce(x: Tensor, math: ReduceOpMath, dim: ReduceOpDim, scaler: float) -> Tensor:
    """scaler * (the sum or maximum over Y (H), X (W) or both). A reduced dimension becomes 32: element 0 is the result, the rest is 0."""
    return _C.reduce(x, math, dim, scaler)


# ---- matrices


def matmul(a: Tensor, b: Tensor) -> Tensor:
    """[W, Z, Y, S] x [1, 1, S, X]."""
    return _C.matmul(a, b)


def bmm(a: Tensor, b: Tensor) -> Tensor:
    """[W, Z, Y, S] x [W, Z, S, X], batch by batch."""
    return _C.bmm(a, b)


def _large_bmm(name: str, a: Tensor, b: Tensor, tilize_a: bool, untilize_out: bool) -> Tensor:
    wanted = Layout.ROW_MAJOR if tilize_a else Layout.TILE
    if a.layout() != wanted:
        raise ValueError(f"[{name}] a is {a.layout().name}, expected {wanted.name} with tilize_a={tilize_a}")
    return _C.matmul_into(name, a, b, Layout.ROW_MAJOR if untilize_out else Layout.TILE)


def large_bmm(a: Tensor, b: Tensor, tilize_a: bool, untilize_out: bool) -> Tensor:
    """bmm of a ROW_MAJOR a (tilize_a) or a TILE a; the result is ROW_MAJOR (untilize_out) or TILE."""
    return _large_bmm("large_bmm", a, b, tilize_a, untilize_out)


def large_bmm_single_block(a: Tensor, b: Tensor, tilize_a: bool, untilize_out: bool) -> Tensor:
    """As large_bmm: the program chooses its blocks itself."""
    return _large_bmm("large_bmm_single_block", a, b, tilize_a, untilize_out)


def conv(a: Tensor, b: Tensor, conv_params: list[int], untilize_out: bool) -> Tensor:
    """Convolution of a CHANNELS_LAST [1, C, H, W] by a weight matrix of `convert_conv_weight_tensor_to_tiled_layout`.

    Args:
      a: the activation.
      b: [1, 1, kh*kw*C, O], rows and columns padded to 32, TILE.
      conv_params: kernel height and width, stride height and width, padding height and width.
      untilize_out: ROW_MAJOR instead of TILE.

    Returns:
      [1, 1, OH*OW, O], both padded to multiples of 32.
    """
    return _C.conv(a, b, conv_params, untilize_out)


def convert_conv_weight_tensor_to_tiled_layout(weight: Tensor) -> Tensor:
    """[O, I, KH, KW] -> [1, 1, KH*KW*I, O], rows and columns padded to 32 with 0, TILE."""
    return _C.conv_weight_to_matrix(weight)


# ---- movement


def reshape(x: Tensor, W: int, Z: int, Y: int, X: int) -> Tensor:
    """Another shape of the same volume; one entry may be -1. Shares the storage of x where its layout allows."""
    return _C.reshape(x, [W, Z, Y, X])


def permute(x: Tensor, w: int, z: int, y: int, x_dim: int) -> Tensor:
    """Dimension i of the result is dimension (w, z, y, x_dim)[i] of x."""
    return _C.permute("permute", x, [w, z, y, x_dim])


def transpose(x: Tensor) -> Tensor:
    """Swaps Y and X."""
    return _C.permute("transpose", x, [0, 1, 3, 2])


def transpose_hc(x: Tensor) -> Tensor:
    """Swaps Z and Y."""
    return _C.permute("transpose_hc", x, [0, 2, 1, 3])


def transpose_cn(x: Tensor) -> Tensor:
    """Swaps W and Z."""
    return _C.permute("transpose_cn", x, [1, 0, 2, 3])


def transpose_hc_rm(x: Tensor) -> Tensor:
    """Swaps Z and Y of a ROW_MAJOR tensor."""
    if x.layout() != Layout.ROW_MAJOR:
        raise ValueError(f"[transpose_hc_rm] x is {x.layout().name}, expected ROW_MAJOR; see transpose_hc")
    return _C.permute("transpose_hc_rm", x, [0, 2, 1, 3])


def tilize(x: Tensor) -> Tensor:
    """ROW_MAJOR -> TILE; Y and X are multiples of 32."""
    return _C.to_layout("tilize", x, Layout.TILE)


def untilize(x: Tensor) -> Tensor:
    """TILE -> ROW_MAJOR."""
    return _C.to_layout("untilize", x, Layout.ROW_MAJOR)


def pad(x: Tensor, output_shape: list[int], start: list[int], pad_value: float) -> Tensor:
    """Grows x to output_shape at the end of each dimension; start is all 0."""
    return _C.pad("pad", x, output_shape, start, pad_value, None)


def unpad(x: Tensor, start: list[int], end: list[int]) -> Tensor:
    """The elements from start to end, the latter inclusive."""
    return _C.unpad("unpad", x, start, end, None)


def tilize_with_val_padding(x: Tensor, output_shape: list[int], start: list[int], pad_value: float) -> Tensor:
    """pad, then tilize, in one program."""
    return _C.pad("tilize_with_val_padding", x, output_shape, start, pad_value, Layout.TILE)


def tilize_with_zero_padding(x: Tensor) -> Tensor:
    """Pads Y and X with 0 to multiples of 32, then tilizes."""
    w, z, height, width = x.shape()
    shape = [w, z, height + -height % 32, width + -width % 32]
    return _C.pad("tilize_with_zero_padding", x, shape, [0] * 4, 0.0, Layout.TILE)


def untilize_with_unpadding(x: Tensor, start: list[int], end: list[int]) -> Tensor:
    """untilize, then unpad."""
    return _C.unpad("untilize_with_unpadding", x, start, end, Layout.ROW_MAJOR)


def pad_h_rm(x: Tensor, padded_h: int) -> Tensor:
    """Grows Y of a ROW_MAJOR tensor with rows of 0."""
    w, z, _, width = x.shape()
    return _C.pad("pad_h_rm", x, [w, z, padded_h, width], [0] * 4, 0.0, Layout.ROW_MAJOR)


def fill_rm(N: int, C: int, H: int, W: int, hOnes: int, wOnes: int, any: Tensor, val_hi: int, val_lo: int) -> Tensor:
    """ROW_MAJOR [N, C, H, W]: val_hi in the first hOnes rows and wOnes columns, val_lo elsewhere (bfloat16 bit patterns)."""
    return _C.fill_rm(N, C, H, W, hOnes, wOnes, any, val_hi, val_lo)


def fill_ones_rm(N: int, C: int, H: int, W: int, hOnes: int, wOnes: int, any: Tensor) -> Tensor:
    """fill_rm with 1 and 0."""
    return _C.fill_rm(N, C, H, W, hOnes, wOnes, any, 0x3F80, 0)


# ---- rows


def softmax(x: Tensor) -> Tensor:
    """exp(x - max) / sum over X."""
    return _C.softmax(x)


def softmax_in_place(x: Tensor) -> Tensor:
    """softmax that overwrites x and returns it."""
    return _C.softmax_in_place(x)


def scale_mask_softmax_in_place(scale: float, mask: Tensor, x: Tensor) -> Tensor:
    """softmax of x * scale + mask that overwrites x; the first row of the mask serves all rows."""
    return _C.softmax_in_place(x, scale, mask)


def layernorm(a: Tensor, eps: float, out_dram: bool = True) -> Tensor:
    """(a - mean) / sqrt(variance + eps) over X. out_dram is accepted for scripts; results are in DRAM."""
    return _C.layernorm("layernorm", a, None, eps, None, None)


def layernorm_gamma(a: Tensor, eps: float, gamma: Tensor, out_dram: bool = True) -> Tensor:
    """layernorm times the first row of gamma."""
    return _C.layernorm("layernorm_gamma", a, None, eps, gamma, None)


def layernorm_gamma_beta(a: Tensor, eps: float, gamma: Tensor, beta: Tensor, out_dram: bool = True) -> Tensor:
    """layernorm times the first row of gamma plus the first row of beta."""
    return _C.layernorm("layernorm_gamma_beta", a, None, eps, gamma, beta)


def add_layernorm_gamma_beta(a: Tensor, b: Tensor, eps: float, gamma: Tensor, beta: Tensor, out_dram: bool = True) -> Tensor:
    """layernorm_gamma_beta of a + b."""
    return _C.layernorm("add_layernorm_gamma_beta", a, b, eps, gamma, beta)


# ---- BERT-large: products and heads of fixed shapes


def _expect(name: str, tensor: Tensor, which: str, shape: list[int]) -> None:
    if tensor.shape() != shape:
        raise ValueError(f"[{name}] {which} is {tensor.shape()}, expected {shape}")


def _bert_matmul(name: str, a_shape: list[int], b_shape: list[int]) -> Any:
    def op(a: Tensor, b: Tensor, mem_config: MemoryConfig = INTERLEAVED_DRAM) -> Tensor:
        _expect(name, a, "a", a_shape)
        _expect(name, b, "b", b_shape)
        return _C.matmul_into(name, a, b, Layout.TILE)

    op.__name__ = op.__qualname__ = name
    op.__doc__ = f"{a_shape} x {b_shape}. Results are in interleaved DRAM."
    return op


bert_large_fused_qkv_matmul = _bert_matmul("bert_large_fused_qkv_matmul", [9, 1, 384, 1024], [1, 1, 1024, 3072])
bert_large_ff1_matmul = _bert_matmul("bert_large_ff1_matmul", [9, 1, 384, 1024], [1, 1, 1024, 4096])
bert_large_ff2_matmul = _bert_matmul("bert_large_ff2_matmul", [9, 1, 384, 4096], [1, 1, 4096, 1024])
bert_large_selfout_matmul = _bert_matmul("bert_large_selfout_matmul", [9, 1, 384, 1024], [1, 1, 1024, 1024])


def bert_large_pre_softmax_bmm(a: Tensor, b: Tensor, mem_config: MemoryConfig = INTERLEAVED_DRAM) -> Tensor:
    """[9, 16, 384, 64] x [9, 16, 64, 384] -> [9, 1, 6144, 384]."""
    _expect("bert_large_pre_softmax_bmm", a, "a", [9, 16, 384, 64])
    _expect("bert_large_pre_softmax_bmm", b, "b", [9, 16, 64, 384])
    return _C.reshape(_C.matmul_into("bert_large_pre_softmax_bmm", a, b, Layout.TILE), [9, 1, 16 * 384, 384])


def bert_large_post_softmax_bmm(a: Tensor, b: Tensor, mem_config: MemoryConfig = INTERLEAVED_DRAM) -> Tensor:
    """[9, 1, 6144, 384], seen as [9, 16, 384, 384], x [9, 16, 384, 64]."""
    _expect("bert_large_post_softmax_bmm", a, "a", [9, 1, 6144, 384])
    _expect("bert_large_post_softmax_bmm", b, "b", [9, 16, 384, 64])
    return _C.matmul_into("bert_large_post_softmax_bmm", _C.reshape(a, [9, 16, 384, 384]), b, Layout.TILE)


def bert_large_split_fused_qkv(x: Tensor, mem_config: MemoryConfig = INTERLEAVED_DRAM) -> list[Tensor]:
    """[9, 1, 384, 3072] -> three of [9, 1, 384, 1024]."""
    _expect("bert_large_split_fused_qkv", x, "x", [9, 1, 384, 3072])
    return [_C.columns("bert_large_split_fused_qkv", x, 1024 * i, 1024) for i in range(3)]


def _bert_head(name: str, transposed: bool) -> Any:
    def op(x: Tensor, mem_config: MemoryConfig = INTERLEAVED_DRAM) -> Tensor:
        _expect(name, x, "x", [9, 1, 384, 1024])
        return _C.split_heads(name, x, 16, transposed)

    op.__name__ = op.__qualname__ = name
    op.__doc__ = f"[9, 1, 384, 1024] -> {'[9, 16, 64, 384]' if transposed else '[9, 16, 384, 64]'}."
    return op


bert_large_create_q_head = _bert_head("bert_large_create_q_head", False)
bert_large_create_k_head = _bert_head("bert_large_create_k_head", True)
bert_large_create_v_head = _bert_head("bert_large_create_v_head", False)


def bert_large_concat_heads(x: Tensor, mem_config: MemoryConfig = INTERLEAVED_DRAM) -> Tensor:
    """[9, 16, 384, 64] -> [9, 1, 384, 1024]."""
    _expect("bert_large_concat_heads", x, "x", [9, 16, 384, 64])
    return _C.concat_heads(x)


__all__ += sorted(
    name
    for name, value in list(globals().items())
    if callable(value) and not name.startswith("_") and name not in __all__ and getattr(value, "__module__", None) == __name__
)
