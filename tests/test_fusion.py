"""Fusions: fused against unfused (tight), against `cpu` (loose), and by the programs they leave."""

import re

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from tests.fused import ALL, bf16, close, compiled, f16, f32, programs


def layer_norm(x, scale, bias):
    mean = x.mean(-1, keepdims=True)
    return (x - mean) * lax.rsqrt(x.var(-1, keepdims=True) + 1e-6) * scale + bias


def rms_norm(x, scale):
    return x * lax.rsqrt((x * x).mean(-1, keepdims=True) + 1e-6) * scale


def conv(x, w):
    return lax.conv_general_dilated(x, w, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))


def gradient(f, *wrt):
    return jax.grad(lambda *args: (f(*args).astype(jnp.float32) ** 2).sum(), wrt)


def adam(params, mean, square, gradients):
    mean = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, mean, gradients)
    square = jax.tree.map(lambda s, g: 0.999 * s + 0.001 * g * g, square, gradients)
    return jax.tree.map(lambda p, m, s: p - 1e-3 * m / (jnp.sqrt(s) + 1e-8), params, mean, square), mean, square


def adam_of_a_dense_layer(w, mean, square, x, back):
    return adam(w, mean, square, jax.vjp(lambda w: x @ w, w)[1](back)[0])


def swapped_free_dimensions(x, y):
    return lax.transpose(lax.dot_general(x, y, (((2,), (1,)), ((), ()))), (2, 3, 0, 1))


def masked_scores(q, k, mask):
    return jax.nn.softmax(jnp.where(mask, jnp.einsum("bqhd,bkhd->bhqk", q, k), -1e9))


def batch_norm(x, scale, bias):
    # As flax computes it: both moments in one pass, in float32.
    wide, axes = x.astype(jnp.float32), tuple(range(x.ndim - 1))
    mean = wide.mean(axes)
    var = jnp.maximum((wide * wide).mean(axes) - mean * mean, 0)
    return ((wide - mean) * (lax.rsqrt(var + 1e-5) * scale) + bias).astype(x.dtype), mean, var


def batch_norm_centered(x, scale, bias):
    axes = tuple(range(x.ndim - 1))
    return (x - x.mean(axes)) * lax.rsqrt(x.var(axes) + 1e-5) * scale + bias


def batch_norm_gradient(norm):
    def loss(x, scale, bias, target):
        out = norm(x, scale, bias)
        return ((out[0] if isinstance(out, tuple) else out).astype(jnp.float32) * target).sum()

    return jax.grad(loss, (0, 1, 2))


def batch_norm_over(x, axes):
    return (x - x.mean(axes, keepdims=True)) / jnp.sqrt(x.var(axes, keepdims=True) + 1e-5)


def batch_norm_and_relu(x, scale, bias):
    return jax.nn.relu(batch_norm(x, scale, bias)[0])


def batch_norm_and_residual(x, scale, bias, residual):
    y = batch_norm(x, scale, bias)[0]
    return y + residual, jnp.tanh(y)


def batch_norm_twice(x):
    return batch_norm_centered(jnp.tanh(batch_norm_centered(x, 2, 1)), 1, 0)


def batch_norm_centered_gradient(x, target):
    return jax.grad(lambda x: (batch_norm_centered(x, 1, 0) * target).astype(jnp.float32).sum())(x)


def kept_exponentials(x):
    exponentials = jnp.exp(x - x.max(0))
    return exponentials, exponentials / exponentials.sum(0)


def flax_batch_norm(x, scale, bias):
    statistics = {"mean": jnp.zeros_like(scale), "var": jnp.ones_like(scale)}
    layer = nn.BatchNorm(use_running_average=False)
    return layer.apply({"params": {"scale": scale, "bias": bias}, "batch_stats": statistics}, x, mutable=["batch_stats"])


def statistics(x):
    return x.min((0, 1)), x.max((0, 1)), x.sum((0, 1)), (x * x).sum((0, 1))


def norms(*weights):
    return [jnp.sqrt((w * w).sum()) for w in weights]


PARAMS = tuple((f32(40, 50), f32(50), f32(50, 30), f32(30), f32(30, 7)) for _ in range(4))

# name, function, arguments, programs that remain
CASES = [
    ("softmax", jax.nn.softmax, (f32(64, 128),), 1),
    ("softmax_of_rows_that_fill_no_vectors", jax.nn.softmax, (f32(37, 101),), 1),
    ("softmax_of_rows_over_several_pages", jax.nn.softmax, (f32(20, 3000),), 1),
    ("softmax_of_rows_beyond_the_limit", jax.nn.softmax, (f32(4, 20000),), 4),
    ("softmax_bf16", jax.nn.softmax, (bf16(64, 128),), 1),
    ("softmax_of_a_transposed_array", lambda x: jax.nn.softmax(x.transpose(2, 0, 1)), (f32(4, 40, 33),), 2),
    ("softmax_gradient", gradient(jax.nn.softmax, 0), (f32(64, 128),), 1),
    ("log_softmax", jax.nn.log_softmax, (f32(64, 10),), 1),
    ("log_softmax_gradient", gradient(jax.nn.log_softmax, 0), (f32(64, 10),), 1),
    ("logsumexp", lambda x: jax.nn.logsumexp(x, axis=-1), (f32(64, 1280),), 1),
    ("layer_norm", layer_norm, (f32(8, 16, 96), f32(96), f32(96)), 1),
    ("layer_norm_of_wide_rows", layer_norm, (f32(16, 2000), f32(2000), f32(2000)), 1),
    ("layer_norm_gradient", gradient(layer_norm, 0, 1, 2), (f32(8, 16, 96), f32(96), f32(96)), 2),
    ("rms_norm", rms_norm, (f32(50, 768), f32(768)), 1),
    ("rms_norm_gradient", gradient(rms_norm, 0, 1), (f32(50, 768), f32(768)), 2),
    ("rows_scaled_by_a_parameter_per_row", lambda x, s: jnp.tanh(x * s[:, None]).sum(1), (f32(30, 70), f32(30)), 1),
    ("maximum_and_sum", lambda x: (x.max(1), x.sum(1), x - x.min(1)[:, None]), (f32(100, 37),), 1),
    ("shared_statistics", lambda x: (x - x.mean(1, keepdims=True), x.mean(1) * 2), (f32(100, 37),), 1),
    ("two_row_lengths", lambda x, y: (x / x.sum(1)[:, None]).T @ (y / y.max(1)[:, None]), (f32(64, 32), f32(64, 48)), 3),
    ("dense_layer", lambda x, w, b: jax.nn.relu(x @ w + b), (f32(64, 128), f32(128, 256), f32(256)), 1),
    ("dense_layer_bf16", lambda x, w, b: jax.nn.relu(x @ w + b), (bf16(64, 128), bf16(128, 256), bf16(256)), 1),
    ("product_with_two_results", lambda x, w: (x @ w, jnp.tanh(x @ w)), (f32(40, 50), f32(50, 60)), 1),
    ("gated_products", lambda x, w, v: jax.nn.silu(x @ w) * (x @ v), (f32(64, 128), f32(128, 256), f32(128, 256)), 2),
    ("product_of_batches_with_a_mask", lambda x, y, m: jnp.where(m > 0, x @ y, -1e9), (f32(3, 20, 30), f32(3, 30, 40), f32(20, 40)), 2),
    ("product_with_a_mask_of_some_batches", masked_scores, (f32(2, 20, 3, 32), f32(2, 20, 3, 32), f32(2, 1, 20, 20) > 0), 2),
    ("product_read_transposed", lambda x, w, r: (x @ w).T + r, (f32(40, 50), f32(50, 60), f32(60, 40)), 1),
    ("product_read_both_ways", lambda x, w: ((x @ w).T + 1, x @ w), (f32(40, 50), f32(50, 60)), 2),
    ("products_of_batches_read_transposed", lambda x, y: (x @ y).transpose(0, 2, 1), (f32(3, 20, 30), f32(3, 30, 40)), 1),
    ("product_of_four_free_dimensions", swapped_free_dimensions, (f32(5, 6, 7), f32(8, 7, 9)), 1),
    ("product_whose_batch_is_moved", lambda x, y: (x @ y).transpose(1, 0, 2), (f32(3, 20, 30), f32(3, 30, 40)), 1),
    ("dense_gradient", gradient(lambda w, x: x @ w, 0), (f32(128, 256), f32(64, 128)), 2),
    ("dense_layer_and_adam", adam_of_a_dense_layer, (f32(50, 60), f32(50, 60), abs(f32(50, 60)), f32(40, 50), f32(40, 60)), 1),
    ("product_with_an_iota", lambda x, w: x @ w + jnp.arange(60.0), (f32(40, 50), f32(50, 60)), 2),
    ("residual_and_layer_norm", lambda x, w, s, b: layer_norm(x + x @ w, s, b), (f32(64, 128), f32(128, 128), f32(128), f32(128)), 2),
    ("convolution_layer", lambda x, w, b: jax.nn.relu(conv(x, w) + b), (f32(2, 9, 8, 16), f32(3, 3, 16, 32), f32(32)), 1),
    ("convolution_with_residual", lambda x, w: x + jnp.tanh(conv(x, w)), (f32(2, 9, 8, 16), f32(3, 3, 16, 16)), 1),
    ("adam_of_five_parameters", adam, (*PARAMS[:2], jax.tree.map(abs, PARAMS[2]), PARAMS[3]), 1),
    ("adam_of_one_parameter_twice", lambda p, q: (p - 0.1 * q, q - 0.1 * p), (f32(40, 50), f32(40, 50)), 1),
    ("batch_norm", batch_norm, (f32(8, 28, 28, 64), f32(64), f32(64)), 1),
    ("batch_norm_of_few_rows", batch_norm, (f32(32, 128), f32(128), f32(128)), 1),
    ("batch_norm_of_many_features", batch_norm, (f32(4, 7, 7, 512), f32(512), f32(512)), 1),
    ("batch_norm_of_ten_features", batch_norm, (f32(256, 10), f32(10), f32(10)), 1),
    ("batch_norm_bf16", batch_norm, (bf16(8, 28, 28, 64), f32(64), f32(64)), 1),
    ("batch_norm_centered", batch_norm_centered, (f32(8, 28, 28, 64), f32(64), f32(64)), 1),
    ("batch_norm_centered_bf16", batch_norm_centered, (bf16(4, 7, 7, 512), bf16(512), bf16(512)), 1),
    ("batch_norm_gradient", batch_norm_gradient(batch_norm), (f32(8, 28, 28, 64), f32(64), f32(64), f32(8, 28, 28, 64)), 1),
    ("batch_norm_gradient_of_few_rows", batch_norm_gradient(batch_norm), (f32(32, 128), f32(128), f32(128), f32(32, 128)), 1),
    ("batch_norm_gradient_bf16", batch_norm_gradient(batch_norm), (bf16(4, 7, 7, 512), f32(512), f32(512), f32(4, 7, 7, 512)), 1),
    ("batch_norm_centered_gradient", batch_norm_gradient(batch_norm_centered), (f32(256, 10), f32(10), f32(10), f32(256, 10)), 1),
    ("batch_norm_and_relu", lambda *a: jax.nn.relu(batch_norm(*a)[0]), (f32(8, 28, 28, 64), f32(64), f32(64)), 1),
    ("batch_norm_with_a_residual", batch_norm_and_residual, (f32(8, 28, 28, 64), f32(64), f32(64), f32(8, 28, 28, 64)), 1),
    ("batch_norm_of_two_arrays", lambda x, y: [batch_norm_centered(a, 2, 1) for a in (x, y)], (f32(4, 28, 28, 64), f32(4, 28, 28, 64)), 1),
    ("batch_norm_of_a_batch_norm", batch_norm_twice, (f32(8, 28, 28, 64),), 1),
    ("batch_norm_of_odd_sizes", batch_norm_centered, (f32(70, 29, 37), f32(37), f32(37)), 1),
    ("batch_norm_of_rows_longer_than_half_a_page", batch_norm_centered, (f32(90, 29, 600), f32(600), f32(600)), 1),
    ("batch_norm_of_rows_longer_than_a_page", batch_norm_centered, (f32(90, 11, 1500), f32(1500), f32(1500)), 1),
    ("batch_norm_of_rows_that_no_parts_share", batch_norm_centered, (f32(10, 20000), f32(20000), f32(20000)), 1),
    ("batch_norm_f16", batch_norm_centered, (f16(70, 32, 64), f16(64), f16(64)), 1),
    (
        "batch_norm_gradient_with_relu",
        batch_norm_gradient(batch_norm_and_relu),
        (f32(8, 28, 28, 64), f32(64), f32(64), f32(8, 28, 28, 64)),
        1,
    ),
    ("batch_norm_centered_gradient_bf16", batch_norm_centered_gradient, (bf16(8, 14, 14, 256), bf16(8, 14, 14, 256)), 1),
    ("batch_norm_of_flax", flax_batch_norm, (f32(8, 28, 28, 64), f32(64), f32(64)), 1),
    ("batch_norm_gradient_of_flax", batch_norm_gradient(flax_batch_norm), (f32(8, 28, 28, 64), f32(64), f32(64), f32(8, 28, 28, 64)), 1),
    ("instance_norm", lambda x: batch_norm_over(x, (1, 2)), (f32(4, 64, 64, 32),), 1),
    ("instance_norm_of_many", lambda x: batch_norm_over(x, (1, 2)), (f32(32, 32, 32, 32),), 1),
    ("sums_that_scale", lambda x: x / jnp.abs(x).sum(), (f32(300, 500),), 1),
    ("sums_that_scale_columns", lambda x: x / jnp.abs(x).sum(0), (f32(3000, 50),), 1),
    ("sums_that_clip", lambda x: x * jnp.minimum(1, 1 / jnp.sqrt((x * x).sum())), (f32(3000, 50),), 1),
    ("sums_after_exponentials", lambda x: jax.nn.softmax(x, 0), (f32(3000, 50),), 1),
    ("sums_after_exponentials_gradient", gradient(lambda x: jax.nn.softmax(x, 0), 0), (f32(3000, 50),), 1),
    ("sums_after_exponentials_that_are_kept", kept_exponentials, (f32(3000, 50),), 1),
    ("sums_of_integers_that_are_taken_away", lambda x: x - x.sum(0), (np.arange(150000, dtype=np.int32).reshape(300, 500),), 2),
    ("sums_read_in_another_order", lambda x: x * x.sum(0)[:, None], (f32(500, 500),), 2),
    ("layer_statistics", statistics, (f32(64, 100, 48),), 1),
    ("norms_of_many_short_rows", lambda x: jnp.sqrt((x * x).sum(-1)), (f32(200000, 3),), 1),
    ("weight_norms", norms, (f32(300, 400), f32(300, 400), f32(300, 400)), 1),
    (
        "integer_and_float_sums",
        lambda x, y: (x.sum(0), y.sum(0) * 2),
        (f32(3000, 40), np.arange(120000, dtype=np.int32).reshape(3000, 40)),
        1,
    ),
    ("sum_that_starts_from_a_value", lambda x, s: lax.reduce(x, s, lax.add, (0,)) * 2, (f32(3000, 40), np.float32(3)), 1),
    ("largest_and_where", lambda x: (x.argmax(0), x.max(0)), (f32(3000, 40),), 2),
    ("sums_of_two_shapes", lambda x: x.sum(0)[:, None] + x.sum((0, 1)), (f32(200, 30, 40),), 2),
    ("sum_over_the_middle", lambda x: x.sum(1) / 50, (f32(10, 5000, 3),), 1),
    ("softmax_of_a_vector", jax.nn.softmax, (f32(300),), 1),
    ("softmax_of_a_long_vector", lambda x: jax.nn.softmax(jnp.sin(x)), (f32(5000),), 1),
    ("softmax_of_a_product", lambda m, x: jax.nn.softmax(m @ x), (f32(70, 40), f32(40)), 2),
    ("unit_vector", lambda x: x / jnp.linalg.norm(x), (f32(1025),), 1),
    ("vector_with_zero_mean", lambda x, g: (x - x.mean()) / jnp.sqrt(x.var() + 1e-5) * g, (f32(257), f32(257)), 1),
    ("gradient_of_a_softmax_of_a_vector", gradient(jax.nn.softmax, 0), (f32(300),), 1),
    ("vector_beside_its_scaled_sum", lambda x, y: (y * jnp.exp(-x.sum()), x.sum()), (f32(60) / 9, f32(60)), 1),
    ("sum_of_another_length_that_scales", lambda x, y: y * jnp.exp(-x.sum()), (f32(60) / 9, f32(70)), 2),
    ("sum_that_scales_a_matrix", lambda x, y: y * jnp.exp(-x.sum()), (f32(60) / 9, f32(60, 4)), 2),
    ("mean_of_a_small_loss", lambda x, y: ((x - y) ** 2).mean(), (f32(300), f32(300)), 1),
]


@pytest.mark.parametrize("name,function,args,remaining", CASES, ids=[case[0] for case in CASES])
def test_fused_agrees_with_unfused_and_with_cpu(name, function, args, remaining):
    fused, got = compiled(function, args)
    unfused, apart = compiled(function, args, jax_tt_no=ALL)
    narrow = any(a.dtype in (jnp.bfloat16, jnp.float16) for a in jax.tree.leaves(args))
    close(got, apart, 2e-2 if narrow else 2e-6)
    close(got, jax.jit(function)(*jax.device_put(args, jax.devices("cpu")[0])), 3e-2 if narrow else 2e-5)
    assert programs(fused) == remaining, fused.as_text()
    assert programs(fused) <= programs(unfused)


SINGLE_ROWS = [  # name, function, arguments, tolerance
    ("vectors", lambda x, y: x @ y, (f32(5000), f32(5000)), 1e-5),
    ("vectors_of_bfloat16", lambda x, y: x @ y, (bf16(5000), bf16(5000)), 1e-2),
    (
        "vectors_of_bytes",
        lambda x, y: jnp.dot(x, y, preferred_element_type=jnp.int32),
        (np.arange(-99, 99, dtype=np.int8), np.arange(99, -99, -1, dtype=np.int8)),
        0,
    ),
    ("vectors_of_complex_numbers", lambda x, y: jnp.abs(jnp.vdot(x + 1j * y, y - 2j * x)), (f32(70), f32(70)), 1e-5),
    ("rows_and_a_vector", lambda x, y: x @ y, (f32(33, 700), f32(700)), 1e-5),
    ("a_vector_and_rows", lambda x, y: jnp.einsum("k,mk->m", x, y), (f32(700), f32(33, 700)), 1e-5),
    ("batches_of_vectors", lambda x, y: jnp.einsum("bhd,bhd->hb", x, y), (f32(4, 6, 50), f32(4, 6, 50)), 1e-5),
    ("batches_of_rows", lambda x, y: jnp.einsum("bmk,bk->bm", x, y), (f32(3, 40, 50), f32(3, 50)), 1e-5),
    ("matrices", lambda x, y: jnp.einsum("ab,ba->", x, y), (f32(40, 50), f32(50, 40)), 1e-5),
    ("rows_of_length_one", lambda x, y: jnp.einsum("mk,nk->mn", x, y), (f32(40, 1), f32(1, 1)), 1e-5),
    ("gradients", jax.grad(lambda x, y: jnp.tanh(x @ y).sum(), (0, 1)), (f32(33, 70), f32(70)), 1e-5),
]


@pytest.mark.parametrize(("name", "function", "args", "tolerance"), SINGLE_ROWS, ids=[c[0] for c in SINGLE_ROWS])
def test_products_of_single_rows_are_sums(name, function, args, tolerance):
    made, got = compiled(function, args)
    _, apart = compiled(function, args, jax_tt_no="reduce_dots")
    expected = jax.jit(function)(*jax.device_put(args, jax.devices("cpu")[0]))
    close(got, expected, tolerance)
    close(got, apart, tolerance)
    if name != "gradients":
        assert "matmul" not in made.as_text()
        assert programs(made) == (2 if "complex" in name else 1)


@pytest.mark.parametrize("make", [f32, bf16])
def test_a_product_has_the_same_bits_with_its_operands_exchanged(make):
    args = make(70, 130), make(130, 50)
    _, got = compiled(lambda x, w: (x @ w).T, args)
    _, apart = compiled(lambda x, w: (x @ w).T, args, jax_tt_no="fold_transposes")
    assert got.tobytes() == apart.tobytes()


def neutral_of_integers(x):
    shifted = lax.shift_left(lax.shift_right_logical(x, jnp.full_like(x, 0)), jnp.full_like(x, 0))
    return (shifted * 1 + 0 - 0) ^ 0 | 0


def neutral_of_floats(x):
    return lax.select(x > 0, x, x) * 1 / 1


@pytest.mark.parametrize(
    "function,x", [(neutral_of_integers, np.arange(-70, 70)), (neutral_of_floats, f32(130)), (neutral_of_floats, bf16(130))]
)
def test_operations_that_return_their_operand_leave_a_copy(function, x):
    made, got = compiled(function, (x,))
    _, apart = compiled(function, (x,), jax_tt_no="canonicalize")
    assert got.tobytes() == apart.tobytes()
    assert re.findall(r"program (\w+) ", made.as_text()) == ["copy"]


AWKWARD = np.array([np.nan, -np.nan, np.inf, -np.inf, 0.0, -0.0, 1.5, -1.5, 1e-42], np.float32)


@pytest.mark.parametrize("dtype", [np.float32, jnp.bfloat16, np.float16])
@pytest.mark.parametrize("operator", [lax.le_to_p, lax.lt_to_p])
def test_comparisons_in_the_order_with_one_zero_and_one_nan(operator, dtype):
    x, y = (v.ravel().astype(dtype) for v in np.meshgrid(AWKWARD, AWKWARD))

    def number(x):  # as lax.sort and jnp.searchsorted do it
        return lax.select(x != x, jnp.full_like(x, jnp.nan), lax.select(x == 0, jnp.zeros_like(x), x))

    def function(x, y):
        return operator.bind(number(x), number(y)), ~operator.bind(number(y), number(x))

    made, got = compiled(function, (x, y))
    _, apart = compiled(function, (x, y), jax_tt_no="simplify_comparisons")
    assert "total" not in made.as_text()
    np.testing.assert_array_equal(got, apart)
    np.testing.assert_array_equal(got, jax.jit(function)(x, y))


def test_zeros_of_floats_are_added():  # -0 + 0 is 0
    _, got = compiled(lambda x: x + 0, (-np.zeros(3, np.float32),))
    assert not np.signbit(got).any()


REDUCTIONS = [
    case
    for case in CASES
    if case[0].startswith(("batch_norm", "instance_norm", "layer_statistics", "weight_norms", "sum_", "sums_", "integer_and"))
]


@pytest.mark.parametrize("name,function,args,remaining", REDUCTIONS, ids=[case[0] for case in REDUCTIONS])
def test_reductions_have_the_same_bits_however_they_are_joined(name, function, args, remaining):
    _, got = compiled(function, args)
    for apart in (
        "batch_reductions",
        "fuse_norms",
        "fuse_parts",
        "fuse_reductions",
        "recompute",
        "batch_reductions,fuse_norms,fuse_parts,fuse_reductions,recompute",
    ):
        _, expected = compiled(function, args, jax_tt_no=apart)
        for a, b in zip(jax.tree.leaves(got), jax.tree.leaves(expected), strict=True):
            assert a.tobytes() == b.tobytes(), apart


def two_results(x):
    y = batch_norm_centered(x, 2, 1)
    return y, jnp.tanh(y) * x


NORMS = [
    ("norm", lambda x: batch_norm_centered(x, 2, 1)),
    ("two_results", two_results),
    ("norm_twice", batch_norm_twice),
    ("softmax", lambda x: jax.nn.softmax(x, 0)),
    ("gradient", gradient(lambda x: jnp.tanh(batch_norm_centered(x, 2, 1)), 0)),
]


def test_what_is_stored_for_one_reader_is_not_computed_for_another():
    def function(y, m, s):  # as in the derivative of a batch norm of squeezed and excited channels
        dy = m + y * s
        return dy + y * (dy * y + y * dy).sum(0)

    args = f32(8, 40), f32(8, 40), f32(8, 1)
    _, got = compiled(function, args)
    np.testing.assert_array_equal(got, compiled(function, args, jax_tt_no="recompute")[1])
    close(got, jax.jit(function)(*jax.device_put(args, jax.devices("cpu")[0])), 2e-5)


# Results may lie where the array did that was read round by round: in parts, and on one core.
@pytest.mark.parametrize("shape", [(600, 33, 64), (50, 40)])
@pytest.mark.parametrize("function", [case[1] for case in NORMS], ids=[case[0] for case in NORMS])
def test_norms_of_donated_arrays(function, shape):
    x = f32(*shape)
    _, expected = compiled(function, (x,), jax_tt_no="fuse_norms")
    for donated in (jax.device_put(x, jax.devices("tt")[0]), jnp.array(jax.device_put(x, jax.devices("tt")[0]))):
        got = jax.jit(function, donate_argnums=0)(donated)
        for a, b in zip(jax.tree.leaves(got), jax.tree.leaves(expected), strict=True):
            assert np.asarray(a).tobytes() == b.tobytes()


def test_norms_of_nan_and_infinity_keep_them_to_their_features():
    x = f32(3000, 50)
    x[7, 3], x[9, 5], x[11, 6] = np.nan, np.inf, -np.inf
    made, got = compiled(lambda x: batch_norm_centered(x, 2, 1), (x,))
    assert programs(made) == 1
    assert np.array_equal(np.isnan(got).any(0), np.isin(np.arange(50), (3, 5, 6)))


def test_norms_of_no_elements():
    _, got = compiled(lambda x: batch_norm_centered(x, 2, 1), (f32(0, 30),))
    assert got.shape == (0, 30)


def test_norms_in_a_loop():
    def function(x):
        return lax.fori_loop(0, 3, lambda _, c: batch_norm_centered(jnp.tanh(c), 2, 1), x)

    made, got = compiled(function, (f32(8, 28, 28, 64),))
    assert made.as_text().count("program reduce") == 1


def test_rows_of_nan_and_infinity_keep_them():
    x = f32(20, 64) + 1  # no sums near zero
    x[3, 7], x[5, 9], x[6, 1] = np.nan, np.inf, -np.inf
    _, got = compiled(lambda x: (x.max(1), x.min(1), x.sum(1), jax.nn.softmax(x)), (x,))
    expected = jax.jit(lambda x: (x.max(1), x.min(1), x.sum(1), jax.nn.softmax(x)))(jax.device_put(x, jax.devices("cpu")[0]))
    for a, b in zip(got, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


def test_rows_with_more_results_than_circular_buffers():
    def function(x):
        scaled = [x * (i + 1) for i in range(40)]
        return scaled, [y / y.sum(1)[:, None] for y in scaled]

    x = f32(4, 8)
    made, got = compiled(function, (x,))
    close(got, jax.jit(function)(jax.device_put(x, jax.devices("cpu")[0])), 1e-5)
    assert programs(made) < 40


@pytest.mark.parametrize("shape", [(3, 8, 4), (3, 64, 96), (3000, 2, 8)])
def test_reductions_that_read_an_operand_twice(shape):
    def function(x):
        row, column = jnp.exp(x[0])[None], jnp.sin(x[:, 0])[:, None]  # differ from x[:1] and x[:, :1] in the stride of a single element
        return (x[:1] * row).sum(1), (x[:, :1] * column).sum(0), (x[:, :1] ** 2).sum(0), (x[:1] - x[0][None]).max((0, 2))

    x = f32(*shape)
    _, got = compiled(function, (x,))
    close(got, jax.jit(function)(jax.device_put(x, jax.devices("cpu")[0])), 1e-5)


def test_an_unknown_compiler_option_is_refused():
    with pytest.raises(jax.errors.JaxRuntimeError, match="No such compile option: 'fast'; tt knows jax_tt_no"):
        jax.jit(lambda x: x + 1, compiler_options={"fast": "yes"})(jax.device_put(np.float32(1), jax.devices("tt")[0]))


def test_an_element_of_an_iota_is_a_constant():
    function, x = lambda x: x * jnp.arange(8.0)[3] + jnp.arange(8.0)[0], f32(300)
    made, got = compiled(function, (x,))
    close(got, x * np.float32(3), 1e-6)
    assert "index" not in made.as_text()


@pytest.mark.parametrize("shape,groups", [((4, 8, 8, 16), 4), ((2, 6, 6, 12), 3), ((3, 50, 16), 16), ((5, 24), 2)])
def test_statistics_of_groups_of_channels(shape, groups):
    model = nn.GroupNorm(groups)
    args = {"params": {"scale": f32(shape[-1]), "bias": f32(shape[-1])}}, f32(*shape)
    for function in (model.apply, jax.grad(lambda p, x: (model.apply(p, x) ** 2).mean(), (0, 1))):
        _, got = compiled(function, args)
        close(got, jax.jit(function)(*jax.device_put(args, jax.devices("cpu")[0])), 2e-5)


def test_a_transpose_costs_little_more_than_a_copy():
    x = f32(1024, 1024)
    functions = (lambda x: x + 0.5), (lambda x: x.T + 0.5), (lambda x: x[:1023, :1021].T + 0.5)
    copied, turned, odd = (compiled(f, (x,))[0].cost_analysis()["cycles"] for f in functions)
    assert turned < 1.5 * copied
    assert odd > 2 * turned  # sides without a power of two are brought element by element
