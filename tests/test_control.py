"""Loops on the card: which become one kernel, and that they compute what the general loop does."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax


def _newton(x):
    return lax.while_loop(lambda c: (jnp.abs(c * c - x) > 1e-5).reshape(()), lambda c: 0.5 * (c + x / c), x + 1)


def _fibonacci(x):
    return lax.fori_loop(0, 30, lambda i, c: (c[1], c[0] + c[1]), (x * 0, x * 0 + 1))[0]


def _mixed(x):
    def step(i, c):
        a, b, flag = c
        return jnp.where(flag, b, a * 1.25 - i), a.astype(jnp.bfloat16) + b, ~flag

    a, b, flag = lax.fori_loop(0, 17, step, (x, x.astype(jnp.bfloat16), x > 0))
    return a, b, flag


@pytest.mark.parametrize("function,dtype", [(_newton, "float32"), (_fibonacci, "int32"), (_fibonacci, "uint8"), (_mixed, "float32")])
def test_a_scalar_loop_is_one_kernel_and_equals_the_general_loop(function, dtype):
    card = jax.devices("tt")[0]
    scalar = jax.device_put(np.asarray(2, dtype), card)
    compiled = jax.jit(function).lower(scalar).compile()
    assert "program scalar_loop" in compiled.as_text() and "do (" not in compiled.as_text()
    vector = jax.jit(function).lower(scalar.reshape(1)).compile()
    assert "do (" in vector.as_text()
    cpu = jax.jit(function)(jax.device_put(np.asarray(2, dtype), jax.devices("cpu")[0]))
    for one, many, expected in zip(*map(jax.tree.leaves, (compiled(scalar), vector(scalar.reshape(1)), cpu)), strict=True):
        np.testing.assert_array_equal(one, many[0])
        np.testing.assert_allclose(np.asarray(one, np.float64), np.asarray(expected, np.float64), rtol=1e-6)


def test_a_counted_scalar_loop_is_charged_for_every_turn():
    card = jax.devices("tt")[0]
    x = jax.device_put(np.float32(1), card)

    def cycles(turns):
        return jax.jit(lambda x: lax.fori_loop(0, turns, lambda i, c: c * 1.5, x)).lower(x).compile().cost_analysis()["cycles"]

    assert 9.9 < (cycles(101_000) - cycles(1000)) / (cycles(11_000) - cycles(1000)) < 10.1
