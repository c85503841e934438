"""Jitted functions on the card against JAX's `cpu` backend: one row per behaviour."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax import lax

RNG = np.random.default_rng(0)


def f32(*shape):
    return RNG.standard_normal(shape).astype(np.float32)


def with_nans(*shape):
    return np.where(RNG.random(shape) < 0.3, np.float32(np.nan), f32(*shape))


def i32(low, high, *shape):
    return RNG.integers(low, high, shape).astype(np.int32)


def key():
    return np.array([1, 2], np.uint32)


def conv(x, w, strides=(1, 1), padding="SAME", numbers=("NHWC", "HWIO", "NHWC"), **options):
    return lax.conv_general_dilated(x, w, strides, padding, dimension_numbers=numbers, **options)


def conv_gradients(x, w, **options):
    return jax.grad(lambda x, w: (conv(x, w, **options) ** 2).sum(), (0, 1))(x, w)


def mlp_loss(params, x, y):
    w1, b1, w2 = params
    return ((jnp.tanh(x @ w1 + b1) @ w2 - y) ** 2).mean()


def random(function):
    return lambda k: function(jax.random.wrap_key_data(k))


# Multiples of the divisors and their neighbours, and the ends of the range.
DIVISORS = (1, -1, 2, 3, -7, 10, 255, 65536, 1000003, 2**31 - 1, -(2**31))
DIVIDENDS = np.unique([np.clip(m * d + e, -(2**31), 2**31 - 1) for d in DIVISORS for m in range(-3, 4) for e in (-1, 0, 1)]).astype(
    np.int32
)


def quotients(x):
    signed = [f(x, jnp.full_like(x, d)) for d in DIVISORS for f in (lax.div, lax.rem, jnp.floor_divide, jnp.mod)]
    unsigned = [f(x.astype(jnp.uint32), jnp.uint32(d % 2**32) + 0 * x.astype(jnp.uint32)) for d in DIVISORS for f in (lax.div, lax.rem)]
    return signed, unsigned, [lax.div(x, jnp.roll(x, n) | 1) for n in range(5)], [lax.rem(x, jnp.roll(x, n) | 1) for n in range(5)]


def first_number(x, dimensions):
    return lax.reduce(x, np.float32(np.nan), lambda a, b: jnp.where(jnp.isnan(a), b, a), dimensions)


def product_of_matrices(a, b, c, d):
    def times(p, q):
        return tuple(
            v % 251 for v in (p[0] * q[0] + p[1] * q[2], p[0] * q[1] + p[1] * q[3], p[2] * q[0] + p[3] * q[2], p[2] * q[1] + p[3] * q[3])
        )

    return [lax.reduce((a, b, c, d), (np.int32(1), np.int32(0), np.int32(0), np.int32(1)), times, dims) for dims in ((0,), (1,), (0, 1))]


EXACT, CLOSE, SUMS = 1e-6, 1e-5, 1e-3

# name, function, arguments, tolerance (relative and absolute)
CASES = [
    ("add_one", lambda x: x + 1, (f32(5000),), EXACT),
    ("scalar", lambda x: x * 2 + 1, (np.float32(3),), EXACT),
    ("transpose_chain", lambda x: jnp.tanh(x.T * 2 + x[:1, :1])[::-1], (f32(50, 100),), EXACT),
    ("transposed_operand", lambda x, y, b: (x.T + y) * b, (f32(96, 160), f32(160, 96), f32(160, 1)), EXACT),
    ("transposed_result", lambda x: (x.T.copy(), x.transpose(1, 0)[::-1].astype(jnp.float16)), (f32(64, 80),), EXACT),
    ("channels_first", lambda x: (x.transpose(0, 3, 1, 2) * 2, x.transpose(3, 0, 2, 1) > 0), (f32(2, 16, 18, 48),), EXACT),
    ("transposed_bytes", lambda x: (x.astype(jnp.int8).T + 1, (x + 0j).T * 2), (f32(64, 32),), EXACT),
    ("transposed_and_padded", lambda x, y: jnp.pad(x, ((0, 0), (1, 31))).T - y, (f32(64, 64), f32(96, 64)), EXACT),
    ("transposed_many_sizes", lambda x: [x[:n, :m].T * 2 for n in (15, 16, 100, 112) for m in (8, 48, 1000)], (f32(112, 1000),), EXACT),
    ("integers", lambda x: (x // 3, x % 3, x << 2, -x, x * x), (i32(-100, 100, 77),), EXACT),
    ("integer_quotients", quotients, (DIVIDENDS,), 0),
    ("repeated", lambda x: [jnp.repeat(x, n, axis=a) for n in (2, 3, 4, 17) for a in (0, 1)], (f32(20, 33),), EXACT),
    ("repeated_types", lambda x: [jnp.repeat(x.astype(d), 2, 1) for d in (jnp.int8, jnp.float16, jnp.complex64)], (f32(20, 33),), EXACT),
    (
        "iotas",
        lambda x: [lax.broadcasted_iota(d, (40, 300), a) for d in (jnp.int32, jnp.float32, jnp.uint8) for a in (0, 1)],
        (f32(1),),
        EXACT,
    ),
    (
        "iotas_in_views",
        lambda x: (jnp.pad(jnp.arange(-9, 900.0)[::-2], 7, constant_values=-3) + x, jnp.tril(x * jnp.ones((40, 50)))),
        (f32(1),),
        EXACT,
    ),
    ("complex", lambda x: jnp.abs((x + 1j * x) * (2 - 1j)), (f32(33),), EXACT),
    ("empty", lambda x: x.sum(0), (f32(0, 5),), EXACT),
    ("sum_all", lambda x: x.sum(), (f32(100, 37),), CLOSE),
    ("sum_rows", lambda x: x.sum(1), (f32(100, 37),), CLOSE),
    ("sum_columns", lambda x: x.sum(0), (f32(100, 37),), CLOSE),
    ("sum_middle", lambda x: (x * 2).sum(1), (f32(10, 37, 13),), CLOSE),
    ("sum_two", lambda x: (x + 1).sum((0, 2)), (f32(10, 37, 13),), CLOSE),
    ("sum_long", lambda x: x.sum(0), (f32(25088, 64),), SUMS),
    ("max", lambda x: x.max(1), (f32(10, 3000),), EXACT),
    ("argmax", lambda x: (x.argmax(1), x.argmin(0)), (f32(50, 70),), EXACT),
    ("argmax_nans", lambda x: (x.argmax(1), x.argmin(0), x.argmax(), x.astype(jnp.bfloat16).argmin(1)), (with_nans(30, 700),), EXACT),
    ("first_number", lambda x: [first_number(x, dims) for dims in ((0,), (1,), (2,), (0, 2), (0, 1, 2))], (with_nans(7, 11, 130),), EXACT),
    ("product_of_matrices", product_of_matrices, tuple(i32(0, 9, 37, 70) for _ in range(4)), EXACT),
    ("any_all", lambda x: ((x > 0).any(1), (x > -1).all(0)), (f32(50, 70),), EXACT),
    ("softmax", jax.nn.softmax, (f32(50, 128),), CLOSE),
    ("concatenate", lambda x, y: jnp.concatenate([x, y * 2, x], 1), (f32(50, 12), f32(50, 3)), EXACT),
    ("pad", lambda x: jnp.pad(x, ((1, 2), (0, 3)), constant_values=3.0), (f32(50, 12),), EXACT),
    ("pad_interior", lambda x: lax.pad(x, np.float32(7), ((1, -1, 2), (-1, 2, 1))), (f32(9, 8),), EXACT),
    ("dynamic_slice", lambda x, i: lax.dynamic_slice(x, (i, 2), (3, 4)), (f32(50, 12), np.int32(49)), EXACT),
    ("dynamic_update", lambda x, i: lax.dynamic_update_slice(x, x[:2] * 5, (i, 0)), (f32(50, 12), np.int32(7)), EXACT),
    ("iota", lambda x: x + jnp.arange(12), (f32(50, 12),), EXACT),
    ("cond", lambda x, i: lax.cond(i > 3, lambda x: x * 2, lambda x: x + 1, x), (f32(50, 12), np.int32(7)), EXACT),
    ("switch", lambda i, x: lax.switch(i, [lambda x: x, lambda x: x * 2, lambda x: -x], x), (np.int32(2), f32(5)), EXACT),
    ("while", lambda x: lax.while_loop(lambda c: c[0] < 100, lambda c: (c[0] + 1, c[1] * 1.01), (0, x)), (f32(5),), CLOSE),
    ("scan", lambda x: lax.scan(lambda c, y: (c + y, c * y), x[0], x), (f32(50, 12),), CLOSE),
    ("swap_in_loop", lambda x, y: lax.fori_loop(0, 5, lambda _, c: (c[1], c[0] + c[1]), (x, y)), (f32(4), f32(4)), CLOSE),
    ("normal", random(lambda k: jax.random.normal(k, (100,))), (key(),), CLOSE),
    ("uniform", random(lambda k: jax.random.uniform(k, (100,))), (key(),), EXACT),
    ("dot", lambda x, y: x @ y, (f32(50, 70), f32(70, 33)), SUMS),
    ("dot_transposed", lambda x, y: x.T @ y, (f32(70, 50), f32(70, 33)), SUMS),
    ("dot_blocks", lambda x, y: x @ y, (f32(300, 700), f32(700, 333)), SUMS),
    ("matvec", lambda x, y: x @ y, (f32(300, 700), f32(700)), SUMS),
    ("batched", lambda x, y: jnp.einsum("bhqd,bkhd->bhqk", x, y), (f32(2, 3, 17, 8), f32(2, 19, 3, 8)), SUMS),
    ("dot_int", lambda x, y: x @ y, (i32(-9, 9, 20, 30), i32(-9, 9, 30, 10)), EXACT),
    ("dot_complex", lambda x, y: jnp.abs((x + 1j * x) @ (y - 2j * y)), (f32(50, 70), f32(70, 33)), SUMS),
    ("conv", conv, (f32(2, 9, 8, 5), f32(3, 3, 5, 7)), SUMS),
    ("conv_strided", lambda x, w: conv(x, w, (2, 1), "VALID"), (f32(2, 9, 8, 5), f32(3, 2, 5, 7)), SUMS),
    (
        "conv_dilated",
        lambda x, w: conv(x, w, padding=((2, 1), (-1, 3)), rhs_dilation=(2, 1), lhs_dilation=(1, 2)),
        (f32(2, 9, 8, 5), f32(3, 2, 5, 7)),
        SUMS,
    ),
    ("conv_nchw", lambda x, w: conv(x, w, numbers=("NCHW", "OIHW", "NCHW")), (f32(2, 5, 9, 8), f32(7, 5, 3, 3)), SUMS),
    ("conv_groups", lambda x, w: conv(x, w, feature_group_count=2), (f32(2, 9, 8, 6), f32(3, 3, 3, 8)), SUMS),
    ("conv_batch_groups", lambda x, w: conv(x, w, batch_group_count=2), (f32(4, 9, 8, 6), f32(3, 3, 6, 8)), SUMS),
    ("conv_gradients", lambda x, w: conv_gradients(x, w, strides=(2, 2)), (f32(2, 9, 8, 5), f32(3, 3, 5, 7)), SUMS),
    ("conv_group_gradients", lambda x, w: conv_gradients(x, w, feature_group_count=2), (f32(2, 9, 8, 6), f32(3, 3, 3, 8)), SUMS),
    ("max_pool", lambda x: nn.max_pool(x, (3, 3), (2, 2), "SAME"), (f32(2, 8, 8, 3),), EXACT),
    ("avg_pool", lambda x: nn.avg_pool(x, (3, 3), (2, 2), "SAME"), (f32(2, 8, 8, 3),), CLOSE),
    ("max_pool_gradient", lambda x: jax.grad(lambda x: (nn.max_pool(x, (3, 3), (2, 2), "SAME") ** 2).sum())(x), (f32(2, 9, 8, 3),), CLOSE),
    ("avg_pool_gradient", lambda x: jax.grad(lambda x: (nn.avg_pool(x, (3, 3), (2, 2), "SAME") ** 2).sum())(x), (f32(2, 9, 8, 3),), CLOSE),
    ("cumsum_long", lambda x: (jnp.cumsum(x, 1), lax.cumsum(x.ravel(), reverse=True), lax.cummax(x.T, 0)), (f32(48, 1000),), SUMS),
    ("cumsum", lambda x: (jnp.cumsum(x, 0), jnp.cumsum(x, 1), lax.cummax(x, 0, reverse=True)), (f32(100, 37),), SUMS),
    ("take", lambda x, i: x[i], (f32(50, 7), np.array([3, 4, 49, 0, -1], np.int32)), EXACT),
    ("take_along", lambda x, i: jnp.take_along_axis(x, i[:, None] % 7, 1), (f32(50, 7), np.arange(50, dtype=np.int32)), EXACT),
    ("scatter_add", lambda x, i: x.at[i].add(2.0), (f32(50, 7), np.array([3, 4, 3], np.int32)), EXACT),
    ("scatter_set", lambda x, i: (x.at[i].set(2.0), x.at[i, 1].mul(3.0)), (f32(50, 7), np.array([3, 4, 9], np.int32)), EXACT),
    ("sort", lambda x: (jnp.sort(x, 0), jnp.argsort(x, 1), jnp.sort(x.ravel())), (f32(50, 7),), EXACT),
    ("top_k", lambda x: lax.top_k(x, 3), (f32(50, 7),), EXACT),
    ("top_k_of_many", lambda x: lax.top_k(x.round(1), 50), (f32(3, 5000),), EXACT),
    ("top_k_values", lambda x: lax.top_k(x.astype(jnp.int8), 7)[0] * 2, (f32(3, 500) * 50,), EXACT),
    ("top_k_indices", lambda x: lax.top_k(x.round(), 7)[1].sum(1), (f32(2, 3, 500),), EXACT),
    ("argsort_start", lambda x: (jnp.argsort(x.round(), 0)[:3], jnp.argsort(-x, 0)[0], jnp.sort(x, 0)[1:9:2]), (f32(500, 7),), EXACT),
    ("sort_and_more", lambda x: (s := jnp.sort(x, 1), s[:, :3], s[:, :5].sum(1))[1:], (f32(9, 400),), CLOSE),
    (
        "top_k_in_loop",
        lambda x: lax.scan(lambda c, y: (c + lax.top_k(y, 4)[0], lax.top_k(y + c[0], 2)), x[0, :4], x),
        (f32(6, 300),),
        EXACT,
    ),
    (
        "divisions",
        lambda x, y: (x // 8, x % 8, x // 7, x % y, x.astype(jnp.int32) // 8),
        (i32(-(2**31), 2**31, 300).view(np.uint32), i32(0, 90, 300).view(np.uint32)),
        EXACT,
    ),
    ("divisions_of_bytes", lambda x: (x // 8, x % 16, x // 1, x % 1, x // 128), (i32(0, 256, 300).astype(np.uint8),), EXACT),
    ("permutation", random(lambda k: jax.random.permutation(k, 100)), (key(),), EXACT),
    ("random_bits", lambda k: lax.rng_bit_generator(k, (10, 7)), (np.array([1, 2, 3, 4], np.uint32),), EXACT),
    ("fft", lambda x: (jnp.abs(jnp.fft.fft(x)), jnp.abs(jnp.fft.rfft2(x)), jnp.fft.irfft(x)), (f32(4, 15),), SUMS),
    (
        "mlp_gradients",
        lambda a, b, c, x, y: jax.value_and_grad(mlp_loss)((a, b, c), x, y),
        (f32(10, 32), f32(32), f32(32, 3), f32(64, 10), f32(64, 3)),
        SUMS,
    ),
    ("attention", jax.nn.dot_product_attention, (f32(2, 8, 4, 16), f32(2, 8, 4, 16), f32(2, 8, 4, 16)), SUMS),
    (
        "cross_entropy_gradient",
        lambda x, i: jax.grad(lambda x: optax.softmax_cross_entropy_with_integer_labels(x, i).mean())(x),
        (f32(50, 10), i32(0, 10, 50)),
        CLOSE,
    ),
]


@pytest.mark.parametrize("function, arguments, tolerance", [pytest.param(*case[1:], id=case[0]) for case in CASES])
def test_against_cpu(function, arguments, tolerance):
    def run(platform):
        device = jax.devices(platform)[0]
        return jax.tree.map(np.asarray, jax.jit(function)(*[jax.device_put(a, device) for a in arguments]))

    found, expected = run("tt"), run("cpu")
    assert jax.tree.structure(found) == jax.tree.structure(expected)
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)


def test_part_of_a_decomposition_is_a_slice_of_the_whole():
    x = jax.device_put(f32(9, 6), jax.devices("tt")[0])
    part = {"full_matrices": False, "subset_by_index": (1, 4)}
    u, s, vt = jax.jit(lambda x: lax.linalg.svd(x, full_matrices=False))(x)
    for found, expected in zip(lax.linalg.svd(x, **part), (u[:, 1:4], s[1:4], vt[1:4]), strict=True):
        np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(lax.linalg.svd(x, compute_uv=False, **part), s[1:4])
    v, w = lax.linalg.eigh(x[:6])
    for found, expected in zip(lax.linalg.eigh(x[:6], subset_by_index=(1, 4)), (v[:, 1:4], w[1:4]), strict=True):
        np.testing.assert_array_equal(found, expected)


def test_svd_by_jacobi_rotations_is_refused():
    with pytest.raises(NotImplementedError, match="svd on tt has no Jacobi algorithm"):
        jax.jit(lambda x: lax.linalg.svd(x, algorithm=lax.linalg.SvdAlgorithm.JACOBI))(jax.device_put(f32(3, 3), jax.devices("tt")[0]))


def test_magnitudes_neither_overflow_nor_lose_an_infinity_beside_a_nan():
    axis = np.array([0, -0.0, 3, -4e30, 1e-44, 1e38, -np.inf, np.nan], np.float32)
    z = np.stack(np.broadcast_arrays(axis[:, None], axis), -1).view(np.complex64)[..., 0]
    np.testing.assert_allclose(jnp.abs(jax.device_put(z, jax.devices("tt")[0])), np.abs(z), rtol=1e-6)


@pytest.mark.parametrize("n", [6, 500])
@pytest.mark.parametrize(("dtype", "low", "high"), [("int4", -8, 8), ("uint4", 0, 16), ("int2", -2, 2), ("uint2", 0, 4)])
def test_the_unused_bits_of_a_byte_have_no_place_in_an_order(dtype, low, high, n):
    values = np.random.default_rng(n).integers(low, high, n)
    noise = np.random.default_rng(1).integers(0, 256, n).astype(np.uint8) & ~np.uint8(high - low - 1)
    x = (values.astype(np.uint8) & np.uint8(high - low - 1) | noise).view(jnp.dtype(dtype))
    np.testing.assert_array_equal(x.astype(np.int64), values)
    y = jax.device_put(x, jax.devices("tt")[0])
    order = np.argsort(values, stable=True)
    for got in (jnp.sort(y), jax.jit(jnp.sort)(y), y[jnp.argsort(y)], lax.sort((y, jnp.arange(n)), num_keys=2)[0]):
        np.testing.assert_array_equal(np.asarray(got).astype(np.int64), values[order])
    np.testing.assert_array_equal(jnp.argsort(y), order)
    np.testing.assert_array_equal(np.asarray(lax.top_k(y, 3)[0]).astype(np.int64), np.sort(values)[::-1][:3])
    np.testing.assert_array_equal(lax.top_k(y, 3)[1], np.argsort(-values, stable=True)[:3])
