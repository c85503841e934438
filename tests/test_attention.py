"""Attention as one program: the bits of its parts, `cpu` (loose), the programs that remain, and modelled time."""

from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from tests.fused import bf16, close, compiled, f32, programs
from tests.test_fusion import gradient

dot_product_attention = jax.nn.dot_product_attention


def attend(q, k, v, mask=None):
    scores = jnp.einsum("bqhd,bkhd->bhqk", q, k)
    if mask is not None:
        scores = jnp.where(mask, scores, -1e9)
    return jnp.einsum("bhqk,bkhd->bqhd", jax.nn.softmax(scores), v)


def attend_causally(q, k, v):
    return attend(q, k, v, jnp.tril(jnp.ones((q.shape[1], k.shape[1]), bool)))


def attend_with_weights_first(q, k, v):
    return jax.nn.softmax(q @ k.swapaxes(1, 2)) @ v


def attend_and_return_weights(q, k, v):
    weights = jax.nn.softmax(q @ k.swapaxes(1, 2))
    return weights @ v, weights


def attend_and_add(q, k, v, scale, residual):
    return attend_with_weights_first(q, k, v) * scale + residual


def weights_used_twice(combine):
    """Rows of a product that the product with them reads elementwise too: they are no attention."""

    def function(x, a, w):
        weights = jax.nn.softmax(x @ a)
        return combine(weights, weights @ w)

    return function


def product_beside_the_rows_sums(x, a, w):
    exps = jnp.exp(x @ a)
    return exps @ w / exps.sum(-1, keepdims=True)


def qkv(make, batch, m, n, heads, depth):
    return make(batch, m, heads, depth), make(batch, n, heads, depth), make(batch, n, heads, depth)


THREE = (f32(6, 64, 32), f32(6, 32, 32), f32(6, 32, 70))

# name, function, arguments, programs that remain: one, or the three parts where these take less time with the scores in L1
CASES = [
    ("even_lengths", attend, qkv(f32, 2, 64, 128, 3, 16), 1),
    ("bf16", attend, qkv(bf16, 2, 64, 128, 3, 16), 1),
    ("a_mask", attend, (*qkv(f32, 2, 32, 64, 4, 40), f32(2, 1, 1, 64) > 0), 1),
    ("many_keys", attend, qkv(f32, 1, 32, 512, 2, 64), 1),
    ("few_queries_that_are_faster_apart", attend, qkv(f32, 4, 40, 2048, 2, 64), 3),
    ("keys_that_are_streamed", attend, qkv(f32, 1, 2048, 2048, 8, 64), 1),
    ("rows_that_fit_in_halves_of_tiles", attend, qkv(bf16, 1, 2048, 2048, 8, 64), 1),
    ("streamed_keys_and_a_mask", attend, (*qkv(f32, 1, 2048, 2040, 8, 64), f32(1, 1, 2048, 2040) > 0), 1),
    ("length_197", attend, qkv(f32, 2, 197, 197, 3, 64), 1),
    ("length_197_bf16", attend, qkv(bf16, 2, 197, 197, 3, 64), 1),
    ("length_384", attend, qkv(f32, 1, 384, 384, 3, 64), 1),
    ("length_100_and_a_mask", attend, (*qkv(f32, 2, 100, 100, 2, 16), f32(2, 1, 1, 100) > 0), 1),
    ("length_300_and_causal", attend_causally, qkv(f32, 1, 300, 300, 2, 32), 2),
    ("77_keys", attend, qkv(f32, 2, 130, 77, 2, 40), 1),
    ("one_query", attend, qkv(f32, 2, 1, 133, 3, 32), 1),
    ("few_queries_of_many_batches", attend, qkv(f32, 40, 5, 7, 4, 8), 1),
    ("rows_of_several_pages_and_batches", attend, qkv(f32, 3, 700, 1500, 8, 32), 1),
    ("wide_heads_that_are_faster_apart", attend, qkv(f32, 1, 256, 1024, 1, 512), 3),
    ("three_dimensions", attend_with_weights_first, THREE, 1),
    ("weights_that_are_returned", attend_and_return_weights, THREE, 1),
    ("weights_that_are_added", weights_used_twice(lambda y, z: y + z), (f32(16, 64), f32(64, 64) / 8, f32(64, 64)), 3),
    ("weights_that_gate", weights_used_twice(lambda y, z: jnp.tanh(z) * y), (f32(70, 40), f32(40, 96) / 8, f32(96, 96)), 3),
    ("weights_that_are_their_own_values", lambda x, a: (lambda y: y @ y)(jax.nn.softmax(x @ a)), (f32(64, 32), f32(32, 64)), 3),
    ("sums_that_divide_the_result", product_beside_the_rows_sums, (f32(64, 32), f32(32, 96) / 8, f32(96, 48)), 3),
    ("an_epilogue", attend_and_add, (*THREE, f32(70), f32(6, 64, 70)), 1),
    ("jax_nn", dot_product_attention, qkv(f32, 2, 197, 197, 3, 32), 1),
    ("jax_nn_bf16_with_f32_weights", dot_product_attention, qkv(bf16, 2, 100, 70, 3, 32), 1),
    ("jax_nn_causal", partial(dot_product_attention, is_causal=True), qkv(f32, 2, 130, 130, 3, 32), 3),
    ("gradient_of_three_dimensions", gradient(attend_with_weights_first, 0, 1, 2), THREE, 5),
    ("gradient_of_length_197", gradient(attend, 0, 1, 2), qkv(f32, 2, 197, 197, 3, 32), 7),
    ("gradient_of_length_100_causal", gradient(attend_causally, 0, 1, 2), qkv(f32, 2, 100, 100, 3, 32), 8),
    ("gradient_of_jax_nn_bf16", gradient(dot_product_attention, 0, 1, 2), qkv(bf16, 2, 77, 130, 3, 32), 7),
]


@pytest.mark.parametrize("function,args,remaining", [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_attention_has_the_bits_of_its_parts_and_takes_no_longer(function, args, remaining):
    fused, got = compiled(function, args)
    apart, expected = compiled(function, args, jax_tt_no="fuse_attention")
    for a, b in zip(jax.tree.leaves(got), jax.tree.leaves(expected), strict=True):
        assert a.tobytes() == b.tobytes()
    assert programs(fused) == remaining, fused.as_text()
    assert fused.cost_analysis()["cycles"] <= apart.cost_analysis()["cycles"]
    narrow = any(a.dtype == jnp.bfloat16 for a in jax.tree.leaves(args))
    close(got, jax.jit(function)(*jax.device_put(args, jax.devices("cpu")[0])), 5e-2 if narrow else 5e-5)


@pytest.mark.parametrize("make", [f32, bf16])
def test_rows_that_are_nan_leave_their_neighbours_alone(make):
    q, k, v = qkv(make, 1, 70, 100, 2, 32)
    q[0, 33] = np.nan
    made, got = compiled(attend, (q, k, v))
    assert programs(made) == 1
    assert np.isnan(got[0, 33].astype(np.float32)).all()
    assert np.isfinite(np.delete(got.astype(np.float32), 33, axis=1)).all()


class Layer(nn.Module):
    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(self, x, mask):
        x = x + nn.MultiHeadDotProductAttention(4, dtype=self.dtype)(x, mask=mask)
        return nn.Dense(5)(nn.LayerNorm()(x).mean(1))


@pytest.mark.parametrize("dtype,kernels", [(jnp.float32, 2), (jnp.bfloat16, 1)])  # bf16 adds its rows outside
def test_a_flax_layer_trains_as_on_cpu(dtype, kernels):
    x, mask = f32(3, 50, 64), nn.make_causal_mask(jnp.ones((3, 50)))
    labels = np.array([0, 3, 4])
    model, optimizer = Layer(dtype), optax.sgd(0.1)
    with jax.default_device(jax.devices("cpu")[0]):
        params = jax.tree.map(np.asarray, model.init(jax.random.key(0), x, mask))

    def step(params, x, mask, labels):
        def loss(params):
            return optax.softmax_cross_entropy_with_integer_labels(model.apply(params, x, mask), labels).mean()

        value, gradients = jax.value_and_grad(loss)(params)
        return optax.apply_updates(params, optimizer.update(gradients, optimizer.init(params))[0]), value

    args = params, x, np.asarray(mask), labels
    made, got = compiled(step, args)
    _, apart = compiled(step, args, jax_tt_no="fuse_attention")
    assert made.as_text().count("program attention:") == kernels, made.as_text()
    for a, b in zip(jax.tree.leaves(got), jax.tree.leaves(apart), strict=True):
        assert a.tobytes() == b.tobytes()
    close(got, jax.jit(step)(*jax.device_put(args, jax.devices("cpu")[0])), 3e-2 if dtype == jnp.bfloat16 else 2e-5)
