"""tt_lib against numpy: every op over layouts, and what is refused."""

import math
import pathlib
import subprocess
import sys

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest

import tt_lib as ttl
from tt_lib.fallback_ops import fallback_ops
from tt_lib.fused_ops.add_and_norm import AddAndNorm
from tt_lib.fused_ops.layernorm import Layernorm
from tt_lib.fused_ops.linear import Linear

T = ttl.tensor
BF16, F32, BFP8, U32 = T.DataType.BFLOAT16, T.DataType.FLOAT32, T.DataType.BFLOAT8_B, T.DataType.UINT32
RM, TILE, CL = T.Layout.ROW_MAJOR, T.Layout.TILE, T.Layout.CHANNELS_LAST
EXAMPLES = sorted((pathlib.Path(__file__).parent / "tt_lib_examples").glob("*.py"))


@pytest.fixture(scope="module")
def device():
    card = ttl.device.CreateDevice(ttl.device.Arch.GRAYSKULL, 0)
    assert ttl.device.InitializeDevice(card)
    ttl.device.SetDefaultDevice(card)
    yield card
    ttl.device.SetDefaultDevice(None)
    ttl.device.CloseDevice(card)


def draw(shape, low=-2.0, high=2.0, seed=0):
    """Values that bfloat16 holds exactly."""
    return np.random.default_rng(seed).uniform(low, high, shape).astype(ml_dtypes.bfloat16).astype(np.float64)


def put(values, device, layout=TILE, data_type=BF16):
    return T.from_numpy(np.asarray(values, np.float32), data_type, layout).to(device)


def get(tensor):
    return tensor.to_numpy().astype(np.float64)


def close(got, expected, ulps=1.0, atol=1e-30):
    np.testing.assert_allclose(got, expected, rtol=ulps * 2.0**-8, atol=atol)


@pytest.mark.parametrize("script", EXAMPLES, ids=lambda p: p.stem)
def test_published_sequence_in_its_own_process(script):
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    assert "passed" in done.stdout
    assert not done.stderr, done.stderr


# ---- elementwise

UNARY = {
    "abs": np.abs, "acos": np.arccos, "add1": lambda x: x + 1, "asin": np.arcsin, "atan": np.arctan, "atanh": np.arctanh, "cbrt": np.cbrt,
    "cos": np.cos, "cosh": np.cosh, "eqz": lambda x: x == 0, "erf": np.vectorize(math.erf), "erfc": np.vectorize(math.erfc), "exp": np.exp,
    "exp2": np.exp2, "expm1": np.expm1, "gelu": lambda x: x * (1 + np.vectorize(math.erf)(x / np.sqrt(2))) / 2, "gez": lambda x: x >= 0,
    "gtz": lambda x: x > 0, "hardswish": lambda x: x * np.clip(x + 3, 0, 6) / 6, "isinf": np.isinf, "isnan": np.isnan, "lez": lambda x: x <= 0, "log": np.log, "log10": np.log10,
    "log1p": np.log1p, "log2": np.log2, "logical_not_unary": lambda x: x == 0, "ltz": lambda x: x < 0, "neg": np.negative,
    "nez": lambda x: x != 0, "recip": np.reciprocal, "relu": lambda x: np.maximum(x, 0), "relu6": lambda x: np.clip(x, 0, 6),
    "rsqrt": lambda x: 1 / np.sqrt(x), "sigmoid": lambda x: 1 / (1 + np.exp(-x)), "sign": np.sign, "silu": lambda x: x / (1 + np.exp(-x)),
    "sin": np.sin, "sinh": np.sinh, "softplus": lambda x: np.log1p(np.exp(x)), "sqrt": np.sqrt, "square": np.square,
    "swish": lambda x: x / (1 + np.exp(-x)), "tan": np.tan, "tanh": np.tanh,
}  # fmt: skip
RANGES = {"acos": (-1, 1), "asin": (-1, 1), "atanh": (-0.9, 0.9), "log": (0.1, 9), "log10": (0.1, 9), "log2": (0.1, 9), "log1p": (-0.5, 9),
          "rsqrt": (0.1, 9), "sqrt": (0, 9), "tan": (-1.4, 1.4)}  # fmt: skip
BINARY = {
    "add": np.add, "sub": np.subtract, "mul": np.multiply, "eq": np.equal, "ne": np.not_equal, "lt": np.less, "lte": np.less_equal,
    "gt": np.greater, "gte": np.greater_equal, "logical_and": np.logical_and, "logical_or": np.logical_or, "logical_xor": np.logical_xor,
    "max": np.maximum, "min": np.minimum, "squared_difference": lambda x, y: (x - y) ** 2,
}  # fmt: skip


def test_every_elementwise_op_has_a_case():
    assert set(UNARY) | {"erfinv"} == set(T._C.UNARY_OPS)
    assert set(BINARY) == set(T._C.BINARY_OPS)


@pytest.mark.parametrize("name", sorted(UNARY))
def test_unary(device, name):
    x = draw((2, 1, 64, 32), *RANGES.get(name, (-2, 2)))
    out = getattr(T, name)(put(x, device))
    assert out.layout() == TILE and out.dtype() == BF16 and not out.on_host()
    close(get(out), UNARY[name](x), atol=2e-5)


def test_erfinv_inverts_erf(device):
    x = draw((1, 1, 32, 32), -0.9, 0.9)
    close(np.vectorize(math.erf)(get(T.erfinv(put(x, device, data_type=F32)))), x, 0.01, 1e-5)


@pytest.mark.parametrize("name", sorted(BINARY))
def test_binary(device, name):
    x, y = np.round(draw((1, 3, 32, 64))), np.round(draw((1, 3, 32, 64), seed=1))
    close(get(getattr(T, name)(put(x, device), put(y, device))), BINARY[name](x, y))


@pytest.mark.parametrize("layouts", [(RM, RM), (TILE, RM), (RM, TILE), (CL, TILE)], ids=str)
def test_operands_of_different_layouts(device, layouts):
    x, y = draw((2, 4, 32, 64)), draw((2, 4, 32, 64), seed=1)
    out = T.sub(put(x, device, layouts[0]), put(y, device, layouts[1]))
    assert out.layout() == layouts[0]
    close(get(out), x - y)


@pytest.mark.parametrize("data_type", [F32, U32, BFP8, T.DataType.FLOAT16, T.DataType.INT32], ids=str)
def test_add_in_other_types(device, data_type):
    x = np.arange(1024).reshape(1, 1, 32, 32) % 100
    out = T.add(put(x, device, TILE, data_type), put(x, device, TILE, data_type))
    assert out.dtype() == data_type
    np.testing.assert_allclose(get(out), 2 * x, rtol=0.02 if data_type == BFP8 else 0, atol=1.0 if data_type == BFP8 else 0)


@pytest.mark.parametrize("math_op", ["ADD", "SUB", "MUL"])
@pytest.mark.parametrize("dim", ["H", "W", "HW"])
@pytest.mark.parametrize("layout", [TILE, RM], ids=str)
def test_bcast(device, math_op, dim, layout):
    a = draw((2, 3, 64, 96))
    b = draw({"H": (1, 1, 32, 96), "W": (2, 3, 64, 32), "HW": (1, 1, 32, 32)}[dim], seed=1)
    row = {"H": b[:, :, :1], "W": b[..., :1], "HW": b[:, :, :1, :1]}[dim]
    out = T.bcast(put(a, device, layout), put(b, device, layout), getattr(T.BcastOpMath, math_op), getattr(T.BcastOpDim, dim))
    close(get(out), {"ADD": np.add, "SUB": np.subtract, "MUL": np.multiply}[math_op](a, row))


# ---- reductions and rows


@pytest.mark.parametrize("dim", ["H", "W", "HW"])
@pytest.mark.parametrize("math_op", ["SUM", "MAX"])
@pytest.mark.parametrize("layout,shape", [(TILE, (2, 3, 64, 96)), (RM, (1, 2, 5, 6))], ids=str)
def test_reduce(device, dim, math_op, layout, shape):
    x = draw(shape)
    out = get(T.reduce(put(x, device, layout), getattr(T.ReduceOpMath, math_op), getattr(T.ReduceOpDim, dim), 0.5))
    axes = {"H": (2,), "W": (3,), "HW": (2, 3)}[dim]
    reduced = 0.5 * {"SUM": np.sum, "MAX": np.max}[math_op](x, axes, keepdims=True)
    expected = np.zeros([32 if d in axes else n for d, n in enumerate(shape)])
    expected = np.broadcast_to(expected, [*shape[:2], *expected.shape[2:]]).copy()
    expected[:, :, : reduced.shape[2], : reduced.shape[3]] = reduced
    close(out, expected, 1, 1e-4)


def _softmax(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def _layernorm(x, eps=1e-5):
    return (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + eps)


@pytest.mark.parametrize("layout,shape", [(TILE, (2, 2, 32, 64)), (RM, (1, 1, 7, 130))], ids=str)
def test_softmax(device, layout, shape):
    x = draw(shape, -8, 8)
    close(get(T.softmax(put(x, device, layout))), _softmax(x), 1.1)


def test_softmax_in_place_overwrites_its_input(device):
    x, mask = draw((1, 2, 32, 64)), draw((1, 1, 32, 64), seed=1)
    tensor = put(x, device)
    T.softmax_in_place(tensor)
    close(get(tensor), _softmax(x), 1.1)
    tensor = put(x, device)
    out = T.scale_mask_softmax_in_place(0.25, put(mask, device), tensor)
    close(get(out), _softmax(0.25 * x + mask[:, :, :1]), 1.1)
    np.testing.assert_array_equal(get(out), get(tensor))


def test_layernorm_family(device):
    a, b, gamma, beta = (draw(s, seed=i) for i, s in enumerate([(1, 2, 32, 96), (1, 2, 32, 96), (1, 1, 32, 96), (1, 1, 32, 96)]))
    on = lambda v: put(v, device)  # noqa: E731
    close(get(T.layernorm(on(a), 1e-5)), _layernorm(a), 1.1, 1e-5)
    close(get(T.layernorm_gamma(on(a), 1e-5, on(gamma))), _layernorm(a) * gamma[:, :, :1], 1.1, 1e-5)
    close(get(T.layernorm_gamma_beta(on(a), 1e-5, on(gamma), on(beta))), _layernorm(a) * gamma[:, :, :1] + beta[:, :, :1], 1.1, 1e-3)
    close(
        get(T.add_layernorm_gamma_beta(on(a), on(b), 1e-5, on(gamma), on(beta))),
        _layernorm(a + b) * gamma[:, :, :1] + beta[:, :, :1],
        1.1,
        1e-3,
    )


# ---- matrices


@pytest.mark.parametrize("layout", [TILE, RM], ids=str)
@pytest.mark.parametrize("data_type", [BF16, F32, BFP8], ids=str)
def test_matmul_and_bmm(device, layout, data_type):
    if (layout, data_type) == (RM, BFP8):
        layout = TILE
    a, b, c = draw((2, 3, 64, 96)), draw((1, 1, 96, 32), seed=1), draw((2, 3, 96, 64), seed=2)
    place = lambda v: put(v, device, layout, data_type)  # noqa: E731
    rounded = (lambda v: get(place(v))) if data_type == BFP8 else (lambda v: v)
    slack = 96 * 4 * 2.0 ** (-20 if data_type == F32 else -6 if data_type == BFP8 else -13)
    close(get(T.matmul(place(a), place(b))), rounded(a) @ rounded(b)[0, 0], 1, slack)
    close(get(T.bmm(place(a), place(c))), rounded(a) @ rounded(c), 1, slack)


def test_large_bmm_takes_and_gives_either_layout(device):
    a, b = draw((1, 2, 64, 64)), draw((1, 2, 64, 32), seed=1)
    for tilize_a in (True, False):
        for untilize_out in (True, False):
            out = T.large_bmm(put(a, device, RM if tilize_a else TILE), put(b, device), tilize_a, untilize_out)
            assert out.layout() == (RM if untilize_out else TILE)
            close(get(out), a @ b, 1, 0.01)


@pytest.mark.parametrize("stride,padding", [(1, 0), (2, 1)])
def test_conv(device, stride, padding):
    x, w = draw((1, 8, 10, 12)), draw((20, 8, 3, 3), seed=1)
    matrix = T.convert_conv_weight_tensor_to_tiled_layout(T.from_numpy(w, BF16))
    out = get(T.conv(put(x, device, CL), matrix, [3, 3, stride, stride, padding, padding], True))
    padded = np.pad(x, [(0, 0), (0, 0), (padding, padding), (padding, padding)])
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), (2, 3))[:, :, ::stride, ::stride]
    expected = np.einsum("nchwij,ocij->hwo", windows, w).reshape(-1, 20)
    assert out.shape == (1, 1, -(-expected.shape[0] // 32) * 32, 32)
    close(out[0, 0, : expected.shape[0], :20], expected, 1, 0.02)
    assert not out[0, 0, expected.shape[0] :].any() and not out[..., 20:].any()


# ---- movement


@pytest.mark.parametrize("layout,shape", [(TILE, (2, 32, 32, 64)), (RM, (2, 4, 6, 8)), (TILE, (1, 1, 64, 32))], ids=str)
def test_transposes_and_permutes(device, layout, shape):
    x = draw(shape)
    tensor = put(x, device, layout)
    np.testing.assert_array_equal(get(T.transpose(tensor)), x.swapaxes(2, 3))
    np.testing.assert_array_equal(get(T.transpose_hc(tensor)), x.swapaxes(1, 2))
    np.testing.assert_array_equal(get(T.transpose_cn(tensor)), x.swapaxes(0, 1))
    np.testing.assert_array_equal(get(T.permute(tensor, 3, 0, 2, 1)), x.transpose(3, 0, 2, 1))


@pytest.mark.parametrize("layout", [TILE, RM], ids=str)
def test_reshape(device, layout):
    x = draw((2, 1, 64, 96))
    for shape in ([1, 2, 64, 96], [4, 1, 32, 96], [1, 1, 96, 128], [1, 1, -1, 32], [1, 3, 2, 2048]):
        np.testing.assert_array_equal(get(T.reshape(put(x, device, layout), *shape)), x.reshape(shape))


def test_tilize_and_padding_family(device):
    x = draw((1, 2, 32, 64))
    tiled = T.tilize(put(x, device, RM))
    assert tiled.layout() == TILE and tiled.to(ttl.device.GetHost()).data() == ttl.utils.tilize_to_list(x)
    rows = T.untilize(tiled)
    assert rows.layout() == RM and rows.to(ttl.device.GetHost()).data() == x.reshape(-1).tolist()
    y = draw((1, 2, 30, 50))
    padded = np.pad(y, [(0, 0), (0, 1), (0, 2), (0, 14)], constant_values=1.5)
    out = T.tilize_with_val_padding(put(y, device, RM), [1, 3, 32, 64], [0] * 4, 1.5)
    assert out.layout() == TILE
    np.testing.assert_array_equal(get(out), padded)
    np.testing.assert_array_equal(get(T.tilize_with_zero_padding(put(y, device, RM))), np.pad(y, [(0, 0), (0, 0), (0, 2), (0, 14)]))
    np.testing.assert_array_equal(get(T.pad(put(y, device, RM), [1, 3, 32, 64], [0] * 4, 1.5)), padded)
    np.testing.assert_array_equal(get(T.unpad(put(padded, device), [0, 0, 0, 0], [0, 1, 29, 49])), y)
    back = T.untilize_with_unpadding(out, [0] * 4, [0, 1, 29, 49])
    assert back.layout() == RM
    np.testing.assert_array_equal(get(back), y)
    np.testing.assert_array_equal(get(T.pad_h_rm(put(y, device, RM), 40)), np.pad(y, [(0, 0), (0, 0), (0, 10), (0, 0)]))
    np.testing.assert_array_equal(get(T.transpose_hc_rm(put(y, device, RM))), y.swapaxes(1, 2))


def test_fill_rm(device):
    any_tensor = put(draw((1, 1, 32, 32)), device)
    expected = np.zeros((2, 1, 6, 8))
    expected[:, :, :3, :5] = 1
    np.testing.assert_array_equal(get(T.fill_ones_rm(2, 1, 6, 8, 3, 5, any_tensor)), expected)
    np.testing.assert_array_equal(get(T.fill_rm(2, 1, 6, 8, 3, 5, any_tensor, 0x4000, 0xBF80)), 3 * expected - 1)


def test_bert_large_heads(device):
    x = draw((9, 1, 384, 3072))
    parts = T.bert_large_split_fused_qkv(put(x, device))
    heads = lambda v: v.reshape(9, 384, 16, 64).transpose(0, 2, 1, 3)  # noqa: E731
    for i, part in enumerate(parts):
        np.testing.assert_array_equal(get(part), x[..., 1024 * i : 1024 * (i + 1)])
    q, k, v = T.bert_large_create_q_head(parts[0]), T.bert_large_create_k_head(parts[1]), T.bert_large_create_v_head(parts[2])
    np.testing.assert_array_equal(get(q), heads(x[..., :1024]))
    np.testing.assert_array_equal(get(k), heads(x[..., 1024:2048]).swapaxes(2, 3))
    np.testing.assert_array_equal(get(T.bert_large_concat_heads(v)), x[..., 2048:])
    scores = T.bert_large_pre_softmax_bmm(q, k)
    expected = heads(x[..., :1024])[0, 0] @ heads(x[..., 1024:2048])[0, 0].T
    assert scores.shape() == [9, 1, 6144, 384]
    close(get(scores)[0, 0, :384], expected, 1, 0.05)
    assert T.bert_large_post_softmax_bmm(T.softmax(scores), v).shape() == [9, 16, 384, 64]


# ---- tensors


def test_tile_order_is_faces(device):
    x = np.arange(32 * 64, dtype=np.float32).reshape(1, 1, 32, 64) % 256
    tiled = T.from_numpy(x, BF16).to(TILE)
    assert tiled.data()[:17] == [*range(16), 64.0]
    assert tiled.data()[256:258] == [16.0, 17.0] and tiled.data()[1024] == 32.0
    np.testing.assert_array_equal(tiled.to_numpy().astype(np.float32), x)
    np.testing.assert_array_equal(T.from_numpy(x[:, :, :4, :6].copy(), BF16).to(CL).to(RM).to_numpy(), x[:, :, :4, :6])


def test_lists_are_truncated_to_bfloat16():
    tensor = T.Tensor([1.0 + 2.0**-7 - 2.0**-12, -1.99609375 - 2.0**-9, 3.0, 0.1], [1, 1, 1, 4], BF16, RM)
    assert tensor.data() == [1.0, -1.9921875, 3.0, 0.099609375]
    assert T.Tensor([1, 2, 3, 4000000000], [1, 1, 1, 4], U32, RM).data() == [1, 2, 3, 4000000000]


def test_bfloat8_b_keeps_seven_bits_under_a_shared_exponent(device):
    values = np.zeros((1, 1, 32, 32))
    values[0, 0, 0, :4] = [64.0, 1.0, 0.75, -100.0]
    host = T.Tensor(ttl.utils.tilize_to_list(values), [1, 1, 32, 32], BFP8, TILE)
    assert host.data()[:4] == [64.0, 1.0, 0.0, -100.0]
    assert len(host.raw_bytes()) == 1088 and host.raw_bytes()[0] == 127 + 6
    assert host.to(device).to(ttl.device.GetHost()).data() == host.data()
    x = draw((1, 1, 32, 32), 1, 2)
    np.testing.assert_allclose(get(T.mul(put(x, device, TILE, BFP8), put(np.ones_like(x), device, TILE, BFP8))), x, atol=2.0**-5)


def test_host_padding():
    x = draw((1, 2, 3, 4))
    tensor = T.from_numpy(x, BF16)
    np.testing.assert_array_equal(
        get(tensor.pad([1, 4, 5, 6], [0, 1, 2, 1], 7.0)), np.pad(x, [(0, 0), (1, 1), (2, 0), (1, 1)], constant_values=7)
    )
    np.testing.assert_array_equal(get(tensor.unpad([0, 1, 0, 1], [0, 1, 2, 2])), x[:, 1:, :, 1:3])
    padded = tensor.pad_to_tile(0.0)
    assert padded.shape() == [1, 2, 32, 32]
    np.testing.assert_array_equal(get(padded.unpad_from_tile([1, 2, 3, 4])), x)


def test_printing(capsys):
    tensor = T.Tensor([1.0, 2.5, -3.0, 0.1], [1, 1, 2, 2], BF16, RM)
    tensor.print()
    tensor.pretty_print()
    out = capsys.readouterr().out
    assert out == "[ 1, 2.5, -3, 0.0996094 dtype=bfloat16 ]\n[ [[[[1, 2.5],\n[-3, 0.0996094]]]] dtype=bfloat16 ]\n"


def test_results_of_host_inputs(device):
    x = draw((1, 1, 32, 32))
    even = T.relu(T.from_numpy(x, BF16))
    assert not even.on_host() and even.device() is device and even.layout() == RM
    assert T.relu(T.from_numpy(x[..., :31], BF16)).on_host()


def test_program_cache_counts_programs(device):
    ttl.program_cache.clear()
    x = put(draw((1, 1, 32, 32)), device)
    T.exp(x), T.exp(x), T.relu(x)
    assert ttl.program_cache.num_entries() == 2
    ttl.device.DisableCompileCache()
    assert not ttl.device.GetCompileCacheEnabled()
    close(get(T.exp(x)), np.exp(get(x)))
    T.sqrt(x)
    assert ttl.program_cache.num_entries() == 2
    ttl.device.EnableCompileCache()


# ---- JAX


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "int32", "uint8"])
def test_a_jax_array_and_a_tensor_share_one_buffer(device, dtype):
    array = jax.device_put((jnp.arange(64 * 64) % 200).reshape(64, 64).astype(dtype), jax.devices("tt")[0]) + 1
    before = T._C.memory_stats(device)["bytes_in_use"]
    tensor = T.from_jax(array)
    assert T._C.memory_stats(device)["bytes_in_use"] == before
    assert tensor.shape() == [1, 1, 64, 64] and tensor.device() is device
    back = tensor.to_jax()
    assert T._C.memory_stats(device)["bytes_in_use"] == before
    assert back.unsafe_buffer_pointer() == array.unsafe_buffer_pointer()
    np.testing.assert_array_equal(np.asarray(back)[0, 0], np.asarray(array))
    array.delete()
    del back
    np.testing.assert_array_equal(tensor.to_numpy()[0, 0], (np.arange(64 * 64) % 200 + 1).astype(dtype).reshape(64, 64))


def test_a_shared_array_that_is_donated_leaves_the_tensor_alone(device):
    array = jax.device_put(jnp.ones((64, 64)), jax.devices("tt")[0]) * 2
    tensor = T.from_jax(array)
    out = jax.jit(lambda x: x + 1, donate_argnums=0)(array)
    assert array.is_deleted() and float(out[0, 0]) == 3
    assert tensor.to_numpy()[0, 0, 0, 0] == 2


def test_ops_on_both_sides_of_one_buffer(device):
    array = jax.device_put(jnp.linspace(-1, 1, 1024).reshape(1, 1, 32, 32), jax.devices("tt")[0])
    out = jax.jit(lambda x: x * 2)(T.relu(T.from_jax(array)).to_jax())
    np.testing.assert_array_equal(np.asarray(out), 2 * np.maximum(np.asarray(array), 0))


# ---- fallback and fused ops


def test_fallback_ops(device):
    x, w, b = draw((2, 4, 6, 8)), draw((6, 2, 3, 3), seed=1), draw((1, 1, 1, 6), seed=2)
    place = lambda v: put(v, device, RM, F32)  # noqa: E731
    out = fallback_ops.conv2d(place(x), place(w), place(b), stride=(1, 2), padding=1, groups=2)
    expected = jax.lax.conv_general_dilated(
        jax.device_put(x.astype(np.float32), jax.devices("cpu")[0]), w.astype(np.float32), (1, 2), [(1, 1), (1, 1)], feature_group_count=2
    )
    np.testing.assert_allclose(get(out), expected + b.reshape(1, 6, 1, 1), rtol=1e-4, atol=1e-4)
    layer = fallback_ops.Conv2d(place(w), place(b), 4, 6, 3, stride=(1, 2), padding=1, groups=2)
    np.testing.assert_array_equal(get(layer(place(x))), get(out))
    np.testing.assert_allclose(get(fallback_ops.softmax(place(x), -1)), _softmax(x), rtol=1e-5)
    np.testing.assert_allclose(get(fallback_ops.silu(place(x))), x / (1 + np.exp(-x)), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(get(fallback_ops.sigmoid(place(x))), 1 / (1 + np.exp(-x)), rtol=1e-5)
    np.testing.assert_allclose(get(fallback_ops.layer_norm(place(x), 8)), _layernorm(x), rtol=1e-4, atol=1e-5)
    grouped = _layernorm(x.reshape(2, 2, -1)).reshape(x.shape)
    np.testing.assert_allclose(get(fallback_ops.group_norm(place(x), 2)), grouped, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(get(fallback_ops.GroupNorm(None, None, 2, 4)(place(x))), grouped, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(
        get(fallback_ops.LayerNorm(None, None, [6, 8])(place(x))), _layernorm(x.reshape(2, 4, -1)).reshape(x.shape), rtol=1e-4, atol=1e-5
    )
    np.testing.assert_array_equal(get(fallback_ops.concat([place(x), place(x)], 1)), np.concatenate([x, x], 1))
    for part, want in zip(fallback_ops.chunk(place(x), 3, 1), (x[:, :2], x[:, 2:]), strict=True):
        np.testing.assert_array_equal(get(part), want)
    np.testing.assert_array_equal(
        get(fallback_ops.pad(place(x), (1, 2, -1, 0), value=3.0)), np.pad(x[:, :, 1:], [(0, 0), (0, 0), (0, 0), (1, 2)], constant_values=3)
    )
    np.testing.assert_array_equal(get(fallback_ops.repeat_interleave(place(x), 2, 1)), np.repeat(x, 2, 1))
    np.testing.assert_array_equal(get(fallback_ops.reshape(place(x), 1, 2, 8, 24)), x.reshape(1, 2, 8, 24))
    full = fallback_ops.full([1, 1, 2, 2], 3.5)
    assert full.on_host() and full.dtype() == BF16 and full.data() == [3.5] * 4


def test_fused_ops(device):
    x, y, w, b = draw((1, 1, 32, 64)), draw((1, 1, 32, 64), seed=3), draw((1, 1, 96, 64), seed=1), draw((1, 1, 32, 96), seed=2)
    tiles = ttl.utils.tilize_to_list
    linear = Linear(64, 96, tiles(w), tiles(b), device)
    close(get(linear(put(x, device))), x @ w[0, 0].T + b[:, :, :1], 2, 0.15)
    gamma, beta = draw((1, 1, 32, 64), seed=4), draw((1, 1, 32, 64), seed=5)
    norm = Layernorm(tiles(gamma), tiles(beta), 1e-5, 32, 64, device)
    close(get(norm(put(x, device))), _layernorm(x) * gamma[:, :, :1] + beta[:, :, :1], 1.1, 1e-3)
    both = AddAndNorm(tiles(gamma), tiles(beta), 1e-5, 32, 64, device)
    close(get(both(put(x, device), put(y, device))), _layernorm(x + y) * gamma[:, :, :1] + beta[:, :, :1], 2, 0.03)


# ---- what is refused


def _refused(message, function, *args, error=RuntimeError):
    with pytest.raises(error, match=message):
        function(*args)


def test_uninitialised_device_is_refused():
    card = ttl.device.CreateDevice(ttl.device.Arch.GRAYSKULL, 0)
    _refused("Device has not been initialized, did you forget to call InitializeDevice?", T.Tensor, [0.0] * 4, [1, 1, 1, 4], BF16, RM, card)
    assert not ttl.device.CloseDevice(card)


def test_ops_on_the_host_need_a_default_device():
    old = ttl.device.GetDefaultDevice()
    ttl.device.SetDefaultDevice(None)
    try:
        _refused("Requires setting default device if no inputs to op are on device", T.relu, T.Tensor([0.0] * 4, [1, 1, 1, 4], BF16, RM))
    finally:
        ttl.device.SetDefaultDevice(old)


def test_wrong_shapes_types_and_layouts_are_refused(device):
    x = put(draw((1, 1, 32, 64)), device)
    rows = put(draw((1, 1, 30, 6)), device, RM)
    host = T.from_numpy(draw((1, 1, 30, 6)), BF16)
    cases = [
      (r"Tensor shape and number of data elements does not match: \[1,1,1,4\] holds 4, the list has 3", T.Tensor, [0.0] * 3, [1, 1, 1, 4], BF16, RM),
      (r"shape has 3 dimensions, expected 4", T.Tensor, [0.0] * 4, [1, 1, 4], BF16, RM),
      (r"negative dimension", T.Tensor, [0.0], [1, 1, 1, -1], BF16, RM),
      (r"Tensor shape incompatible for specified layout", T.Tensor, [0.0] * 4, [1, 1, 2, 2], BF16, TILE),
      (r"Only TILE layout is supported for BFLOAT8_B dtype!", T.Tensor, [0.0] * 1024, [1, 1, 32, 32], BFP8, RM),
      (r"Input tensor width must be a multiple of 2 to pack interleaved row major data", T.Tensor, [0.0] * 3, [1, 1, 1, 3], BF16, RM, device),
      (r"channel must be a multiple of 2", T.Tensor, [0.0] * 3, [1, 3, 1, 1], BF16, CL, device),
      (r"bank_id is -1, expected 0\.\.7", T.Tensor, [0.0] * 4, [1, 1, 1, 4], BF16, RM, device, T.MemoryConfig(False)),
      (r"Bring tensor to host before converting to target layout", x.to, RM),
      (r"Unsupported shape for tensor conversion", host.to, TILE),
      (r"Tensor must be on host for padding/unpadding", x.pad_to_tile, 0.0),
      (r"Tensor layout must be ROW_MAJOR for padding/unpadding", x.to(ttl.device.GetHost()).pad_to_tile, 0.0),
      (r"does not fit into \[1,1,30,5\]", host.pad, [1, 1, 30, 5], [0] * 4, 0.0),
      (r"end inclusive", host.unpad, [0] * 4, [0, 0, 30, 5]),
      (r"Last 2 dims of input shape must be multiples of 32", host.unpad_from_tile, [1, 1, 30, 6]),
      (r"use to\(host\) first", x.data),
      (r"\[add\] shapes differ: a is \[1,1,32,64\], b is \[1,1,30,6\]", T.add, x, rows),
      (r"Dimension K \(A.shape\[3\] and B.shape\[2\]\) must match", T.matmul, x, x),
      (r"b must be one matrix", T.matmul, x, put(draw((2, 1, 64, 32)), device)),
      (r"batches differ", T.bmm, x, put(draw((2, 1, 64, 32)), device)),
      (r"Broadcast is currently only supported when bN\*bC=1 or N & C match", T.bcast, x, put(draw((2, 1, 32, 64)), device), T.BcastOpMath.ADD, T.BcastOpDim.H),
      (r"along H both need the same X", T.bcast, x, put(draw((1, 1, 32, 32)), device), T.BcastOpMath.ADD, T.BcastOpDim.H),
      (r"Only one -1 is allowed in reshape", T.reshape, x, -1, -1, 1, 1),
      (r"can only have -1 or positive values", T.reshape, x, 0, 1, 1, 1),
      (r"has 2048 elements", T.reshape, x, 1, 1, 1, 5),
      (r"Illegal permute args", T.permute, x, 0, 0, 1, 2),
      (r"\[tilize\] Last 2 dims of input shape must be multiples of 32", T.tilize, rows),
      (r"only supports start indices of 0", T.pad, rows, [1, 1, 32, 8], [0, 0, 1, 0], 0.0),
      (r"expected CHANNELS_LAST", T.conv, x, x, [1, 1, 1, 1, 0, 0], True),
      (r"need to be on device", T.softmax_in_place, host),
      (r"a row of 64 elements, expected 6", T.layernorm_gamma, rows, 1e-5, x),
      (r"Not enough space for 134217728 bytes in L1", T.fill_ones_rm(1, 1, 8192, 8192, 1, 1, put(np.zeros((1, 1, 2, 2)), device, RM)).to, device,
       T.MemoryConfig(True, -1, T.BufferType.L1)),
  ]  # fmt: skip
    for message, function, *args in cases:
        _refused(message, function, *args)
    _refused(r"expected 4 dimensions, the last two multiples of 32", ttl.utils.tilize, np.zeros((1, 1, 3, 3)), error=ValueError)
    _refused(r"an array of 5 dimensions, expected at most 4", T.from_numpy, np.zeros((1,) * 5), error=ValueError)
    _refused(r"elements of type int64 are not supported", T.from_numpy, np.zeros((2, 2), np.int64), error=TypeError)
    _refused(r"expected one tt device", T.from_jax, jax.device_put(1.0, jax.devices("cpu")[0]), error=ValueError)
    _refused(r"arch is 'GRAYSKULL', expected Arch.GRAYSKULL", ttl.device.CreateDevice, "GRAYSKULL", 0, error=TypeError)
    _refused(r"pci_express_slot is -1", ttl.device.CreateDevice, ttl.device.Arch.GRAYSKULL, -1, error=ValueError)
    _refused(r"a is \[1, 1, 32, 64\], expected \[9, 1, 384, 1024\]", T.bert_large_ff1_matmul, x, x, error=ValueError)
    with pytest.raises(TypeError, match="incompatible"):
        T.relu("x")
    close(get(T.relu(x)), np.maximum(get(x), 0))  # the card goes on working


def test_moving_between_devices_is_refused(device):
    other = ttl.device.CreateDevice(ttl.device.Arch.GRAYSKULL, 1)
    ttl.device.InitializeDevice(other)
    x = put(draw((1, 1, 32, 32)), device)
    _refused("Currently do not support moving between devices", x.to, other)
    _refused(r"\[add\] Operands to add need to be on the same device!", T.add, x, put(draw((1, 1, 32, 32)), other))
    ttl.device.CloseDevice(other)


def test_out_of_memory_names_what_was_asked_and_what_is_free(device):
    x = put(draw((1, 1, 1024, 1024)), device)
    with pytest.raises(ttl.Error, match=r"(?s)8589934592 bytes.*free") as caught:
        T.fill_ones_rm(1, 1, 65536, 65536, 1, 1, x)
    assert caught.value.category == "OutOfMemory"
    close(get(T.relu(x)), np.maximum(get(x), 0))
