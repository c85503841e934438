"""Products of one operand in a loop, such as the gates of recurrent layers: one program, whose epilogue has a sum of each."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from tests.fused import bf16, body, close, compiled, f32


def gates(count, update):
    """A recurrent layer of `count` gates, products of the carry, that `update` brings together."""

    def function(xs, carry, weights):
        def step(carry, x):
            sums = [carry @ weights[i] + x[i] for i in range(count)]
            new = update(carry, *sums)
            return new, (new, jnp.tanh(sums[0]))

        return lax.scan(step, carry, xs)

    return function


def minimal_gated(carry, update, new):
    kept = jax.nn.sigmoid(update)
    return kept * carry + (1 - kept) * jnp.tanh(new)


def lstm_like(carry, *sums):
    i, f, g, o = sums
    return jax.nn.sigmoid(o) * jnp.tanh(jax.nn.sigmoid(f) * carry + jax.nn.sigmoid(i) * jnp.tanh(g))


def folded(carry, *sums):
    return jnp.tanh(sum((i + 1) * s for i, s in enumerate(sums)) / len(sums))


# Products of one carry by weights that stay: each gives a sum to the epilogue of one program, which a turn consists of.
@pytest.mark.parametrize("make", [f32, bf16])
@pytest.mark.parametrize("count,update", [(2, minimal_gated), (3, folded), (4, lstm_like), (8, folded)])
@pytest.mark.parametrize("batch,width", [(16, 128), (3, 33), (40, 70)])
def test_gates_are_one_product_with_one_epilogue(make, count, update, batch, width):
    function = gates(count, update)
    args = make(9, count, batch, width), make(batch, width), [make(width, width) / 8 for _ in range(count)]
    apart, inside = compiled(function, args, jax_tt_no="hoist_tiles")
    made, got = compiled(function, args)
    assert body(made).count("program ") == 1 < body(apart).count("program ")
    assert f"x {count} of [1, {width}, {width}]" in body(made)
    close(got, inside, 1e-6 if make is f32 else 2e-2)
    close(got, jax.jit(function)(*jax.device_put(args, jax.devices("cpu")[0])), 2e-5 if make is f32 else 5e-2)


# Also where a turn takes them from an array of all.
def test_gates_are_one_product_where_their_weights_are_sliced_in_the_loop():
    args = f32(9, 4, 16, 64), f32(16, 64), f32(4, 64, 64) / 8
    made, got = compiled(gates(4, lstm_like), args)
    assert body(made).count("program ") == 1
    close(got, jax.jit(gates(4, lstm_like))(*jax.device_put(args, jax.devices("cpu")[0])), 2e-5)


# More gates than one program takes, and widths that differ: side by side in one product.
@pytest.mark.parametrize("widths", [[24] * 9, [24, 24, 40]])
def test_products_that_are_not_alike_lie_side_by_side(widths):
    def function(xs, carry, weights, back):
        def step(carry, x):
            sums = [jnp.tanh(carry @ w + x).sum(1, keepdims=True) for w in weights]
            return jnp.tanh(carry + sum(sums) @ back), None

        return lax.scan(step, carry, xs)

    args = f32(9, 1), f32(5, 24), [f32(24, w) for w in widths], f32(1, 24)
    made, got = compiled(function, args)
    assert f"[1, 24, {sum(-(-w // 32) * 32 for w in widths)}]" in body(made)
    close(got, jax.jit(function)(*jax.device_put(args, jax.devices("cpu")[0])), 2e-5)


# Sums that are needed as they are, by a part of the turn that no epilogue takes, or by nobody.
def test_the_sums_of_gates_are_stored_where_they_are_read():
    def function(xs, carry, weights):
        def step(carry, x):
            a, b, c = (carry @ w for w in weights)
            order = jnp.sort(a, axis=1)
            return jnp.tanh(order + b + x), (a, jnp.cumsum(b, 0), c.shape[0])

        return lax.scan(step, carry, xs)

    args = f32(9, 5, 40), f32(5, 40), [f32(40, 40) / 8 for _ in range(3)]
    _, got = compiled(function, args)
    close(got, jax.jit(function)(*jax.device_put(args, jax.devices("cpu")[0])), 2e-5)


@pytest.mark.parametrize("dtype", ["int32", "complex64", "float16"])
def test_gates_of_other_types(dtype):
    function = gates(3, lambda carry, a, b, c: (a + b * c + carry) * np.array(0.01).astype(dtype))
    args = jax.tree.map(lambda x: (8 * x).astype(dtype), (f32(9, 3, 5, 40), f32(5, 40), [f32(40, 40) for _ in range(3)]))
    _, inside = compiled(function, args, jax_tt_no="hoist_tiles")
    _, got = compiled(function, args)
    jax.tree.map(np.testing.assert_array_equal, got, inside)


def test_the_gradient_of_gates():
    function = gates(4, lstm_like)
    args = f32(9, 4, 16, 64), f32(16, 64), [f32(64, 64) / 8 for _ in range(4)]

    def loss(*args):
        return sum((leaf**2).sum() for leaf in jax.tree.leaves(function(*args)))

    gradient = jax.grad(loss, argnums=(0, 1, 2))
    _, got = compiled(gradient, args)
    close(got, jax.jit(gradient)(*jax.device_put(args, jax.devices("cpu")[0])), 5e-5)
