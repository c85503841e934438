"""Concatenations that elementwise operations read: read part by part, against the same put together in memory, and against `cpu`."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from tests.fused import bf16, close, compiled, f16, f32, programs


def i32(*shape):
    return np.asarray(100 * f32(*shape)).astype(np.int32)


def boolean(*shape):
    return f32(*shape) > 0


def c64(*shape):
    return f32(*shape) + 1j * f32(*shape)


def check(function, args, kernels, tolerance=1e-5):
    apart, together = compiled(function, args, jax_tt_no="fold_concatenates")
    made, got = compiled(function, args)
    jax.tree.map(np.testing.assert_array_equal, got, together)
    if args[0].dtype not in (np.complex64, bool):
        close(got, jax.jit(function)(*jax.device_put(args, jax.devices("cpu")[0])), tolerance)
    assert programs(made) == kernels < programs(apart)
    assert made.cost_analysis()["cycles"] < apart.cost_analysis()["cycles"]


def twice(x):
    return ~x if x.dtype == bool else x + x


@pytest.mark.parametrize("make", [f32, bf16, f16, i32, boolean, c64])
@pytest.mark.parametrize("shapes,axis", [([(3, 50), (40, 50)], 0), ([(40, 3), (40, 61)], 1), ([(2, 9, 40), (2, 30, 40), (2, 1, 40)], 1)])
def test_parts_are_read_where_they_lie(make, shapes, axis):
    args = tuple(make(*shape) for shape in shapes)
    check(lambda *parts: twice(jnp.concatenate(parts, axis)), args, 1)


# Views of the parts: slices, transposes, reversals, broadcasts, padding, and one part twice.
@pytest.mark.parametrize(
    "parts",
    [
        lambda x, y: (x[5:20], y[::2]),
        lambda x, y: (x.T[:30], y[:, ::-1].T),
        lambda x, y: (x, x[:7]),
        lambda x, y: (jnp.broadcast_to(x[3], (9, 60)), y),
        lambda x, y: (x, jnp.full((4, 60), 2.5)),
        lambda x, y: (jnp.zeros((4, 60)), x, y),
    ],
)
def test_views_are_parts(parts):
    def function(x, y):
        return jnp.tanh(jnp.concatenate(parts(x, y)))

    args = f32(60, 60), f32(60, 60)
    check(function, args, 1)


def rotary(x, cosine, sine):
    low, high = jnp.split(x, 2, -1)
    return x * cosine + jnp.concatenate([-high, low], -1) * sine


def laplacian(x):
    return sum(jnp.roll(x, shift, axis) for shift in (1, -1) for axis in (0, 1)) - 4 * x


def differences(x):
    return jnp.concatenate([x[1:] - x[:-1], 2 * x[:1]]) * 3


@pytest.mark.parametrize("make", [f32, bf16])
@pytest.mark.parametrize(
    "function,shapes",
    [
        (rotary, [(2, 40, 4, 64), (40, 1, 64), (40, 1, 64)]),
        (laplacian, [(70, 90)]),
        (differences, [(3000,)]),
        (lambda x: x + jnp.roll(x, 5), [(40, 40)]),
    ],
)
def test_shifts_and_halves_are_one_program(make, function, shapes):
    check(function, tuple(make(*shape) for shape in shapes), 1, 1e-5 if make is f32 else 2e-2)


# Signs of zeros, infinities and NaN come through, and do not leak into other parts.
def test_special_values_stay_in_their_part():
    special = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, 1e-42] * 100, np.float32)
    args = special, special[::-1].copy()
    made, got = compiled(lambda x, y: -jnp.concatenate([-x, y]), args)
    assert programs(made) == 1
    np.testing.assert_array_equal(got.view(np.int32) & 0x7FFFFFFF, np.concatenate([-special, special[::-1]]).view(np.int32) & 0x7FFFFFFF)
    np.testing.assert_array_equal(np.signbit(got), np.signbit(-np.concatenate([-special, special[::-1]])))


# What other programs compute, more readers, epilogues, rows and loops.
@pytest.mark.parametrize(
    "function",
    [
        lambda x, y: jnp.concatenate([x @ y, y]) * 2,
        lambda x, y: jnp.concatenate([jnp.pad(x, ((2, 1), (0, 0))), y[:5]]) * 2,
        lambda x, y: (jnp.concatenate([x, y]) * 2, jnp.cos(jnp.concatenate([x, y])).sum(1)),
        lambda x, y: x @ y + jnp.concatenate([x[:10], y[10:]]),
        lambda x, y: jax.nn.softmax(jnp.concatenate([x, y], 1) * 2),
        lambda x, y: lax.fori_loop(0, 5, lambda i, z: 0.5 * z + jnp.roll(z, 1, 0) * y, x),
        lambda x, y: lax.cond(x[0, 0] > 0, lambda: jnp.concatenate([x, y]) + 1, lambda: jnp.concatenate([y, x]) - 1),
        lambda x, y: jax.grad(lambda x: (jnp.concatenate([x, y, x * y]) ** 2).sum())(x),
        lambda x, y: jnp.concatenate([x, y])[5:50] + jnp.concatenate([y, x])[5:50],
        lambda x, y: jnp.concatenate([jnp.concatenate([x, y], 0) * 2, jnp.concatenate([y, x], 0) + 1], 1) / 3,
        lambda x, y: jnp.stack([x.sum(), y.max(), x[0, 0], y.mean()]) * 2,
    ],
)
def test_whatever_reads_and_makes_the_parts(function):
    args = f32(40, 40), f32(40, 40)
    _, together = compiled(function, args, jax_tt_no="fold_concatenates")
    _, got = compiled(function, args)
    close(got, together, 2e-6)
    close(got, jax.jit(function)(*jax.device_put(args, jax.devices("cpu")[0])), 2e-5)


# Rows too short to be read part by part, and many parts, are put together in memory.
@pytest.mark.parametrize(
    "function", [lambda x: jnp.stack([x, -x], -1) * 2, lambda x: jnp.concatenate([x[i : i + 9] for i in range(5)]) * 2]
)
def test_other_concatenations_stay(function):
    x = f32(60, 70)
    apart, together = compiled(function, (x,), jax_tt_no="fold_concatenates")
    made, got = compiled(function, (x,))
    assert made.as_text() == apart.as_text() and got.tobytes() == together.tobytes()
