"""Small programs are written down in their second run and repeated without their kernels: other values, other indices, the same bits."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from tests.against_cpu import device, oracle

RNG = np.random.default_rng(3)


def f32(*shape):
    return RNG.standard_normal(shape, dtype=np.float32)


def index(most):
    return np.int32(RNG.integers(-3, most + 3))


CASES = {
    "chain": (lambda x, y: jnp.tanh(x) * y + jnp.roll(x, 3), lambda: (f32(70), f32(70))),
    "padded": (lambda x: jnp.pad(x, ((1, 2), (0, 3)), constant_values=2.5) * 2, lambda: (f32(5, 7),)),
    "iota": (lambda x: x + jnp.arange(60.0).reshape(6, 10).T, lambda: (f32(10, 6),)),
    "slice at an index": (lambda x, i: lax.dynamic_slice(x, (i, 0), (4, 8)) * 2, lambda: (f32(30, 8), index(26))),
    "update at an index": (lambda x, y, i: lax.dynamic_update_slice(x, jnp.exp(y), (0, i)), lambda: (f32(6, 40), f32(6, 5), index(35))),
    "index of 64 bits": (
        lambda x, i: lax.dynamic_index_in_dim(x, i.astype(jnp.uint32), keepdims=False) + 1,
        lambda: (f32(9, 11), np.int32(RNG.integers(9))),
    ),
    "slice of a product's operand": (
        lambda x, w, i: lax.dynamic_slice(x, (i, 0), (3, 16)) @ w,
        lambda: (f32(12, 16), f32(16, 5), index(9)),
    ),
    "softmax": (lambda x: jax.nn.softmax(x), lambda: (f32(6, 50),)),
    "norm of many rows": (lambda x: (x - x.mean(1, keepdims=True)) / jnp.sqrt(x.var(1, keepdims=True) + 1e-5), lambda: (f32(300, 48),)),
    "sum of columns": (lambda x: jnp.sum(x * 2, axis=0), lambda: (f32(33, 20),)),
    "sums and maxima": (lambda x: (x.sum((0, 2)), x.max((0, 2)), x.argmin(1)), lambda: (f32(3, 17, 5),)),
    "product": (lambda a, b: a @ b, lambda: (f32(7, 40), f32(40, 9))),
    "product of transposes": (lambda a, b: jax.nn.relu(a.T @ b.T + 1), lambda: (f32(40, 33), f32(9, 40))),
    "product of bf16": (
        lambda a, b: (a.astype(jnp.bfloat16) @ b.astype(jnp.bfloat16)).astype(jnp.float32),
        lambda: (f32(5, 64), f32(64, 33)),
    ),
    "batched product": (lambda a, b: jnp.einsum("bij,bkj->bik", a, b), lambda: (f32(3, 4, 8), f32(3, 5, 8))),
    "convolution": (
        lambda x, w: lax.conv_general_dilated(x, w, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")),
        lambda: (f32(1, 6, 6, 3), f32(3, 3, 3, 4)),
    ),
    "gather": (lambda x, i: x[i], lambda: (f32(20, 3), RNG.integers(-20, 20, 8).astype(np.int32))),
    "scatter of one": (lambda x, i: x.at[i].add(3.0), lambda: (f32(20), index(20))),
    "scatter of a row": (lambda x, y, i, j: x.at[i, :, j].multiply(y), lambda: (f32(9, 5, 7), f32(5), index(9), index(7))),
    "scatter": (lambda x, y, i: x.at[i].max(y), lambda: (f32(20, 3), f32(6, 3), RNG.integers(-20, 20, 6).astype(np.int32))),
    "sort": (lambda x: (jnp.sort(x), jnp.argsort(-x)), lambda: (f32(5, 30),)),
    "top k": (lambda x: lax.top_k(x, 3), lambda: (f32(4, 90),)),
    "cumulative": (lambda x: (jnp.cumsum(x, 1), lax.cummax(x, 0)), lambda: (f32(30, 40),)),
    "recurrence": (lambda x: lax.scan(lambda c, x: (c * 0.9 + x, c), jnp.zeros(5), x), lambda: (f32(20, 5),)),
    "loop": (
        lambda x, w: lax.fori_loop(0, 9, lambda i, x: jnp.tanh(x @ w).at[i].add(x.sum()), x),
        lambda: (f32(12), f32(12, 12)),
    ),
    "branches": (lambda x: lax.cond(x[0] > 0, jnp.sin, lambda x: x - x.max(), x), lambda: (f32(15),)),
    "in place": (lambda x: x.at[2:4].set(x[0:2] * 2), lambda: (f32(10, 10),)),
    "complex": (lambda x: jnp.abs(jnp.fft.fft(x * 1j)), lambda: (f32(24),)),
}


@pytest.mark.parametrize("name", CASES)
def test_repeated_programs_have_the_values_of_cpu(name):
    function, make = CASES[name]
    function = jax.jit(function)
    for _ in range(5):
        arguments = make()
        expected, got, again = (jax.tree.leaves(function(*jax.device_put(arguments, d))) for d in (oracle(), device(), device()))
        for e, g, a in zip(expected, got, again, strict=True):
            tolerance = 2e-2 if "bf16" in name else 2e-5
            np.testing.assert_allclose(np.asarray(g), np.asarray(e), rtol=tolerance, atol=tolerance)
            np.testing.assert_array_equal(np.asarray(g), np.asarray(a))


def test_repeated_programs_take_turns_on_the_same_arrays():
    """A result that is donated lies where the argument lay, one that is not lies elsewhere."""
    step = jax.jit(lambda x: x.at[1].set(x[0] + 1), donate_argnums=0)
    other = jax.jit(lambda x: x.at[1].set(x[0] + 1))
    x = jax.device_put(jnp.zeros((3, 2)), device())
    for turn in range(6):
        kept = other(x)
        x = step(x.at[0].add(1.0))
        np.testing.assert_array_equal(np.asarray(x), [[turn + 1.0] * 2, [turn + 2.0] * 2, [0.0] * 2])
        np.testing.assert_array_equal(np.asarray(kept)[1], [turn + 1.0] * 2)
