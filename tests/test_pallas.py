"""`jax.experimental.pallas` on the card: values beside numpy, and which kernels are computed at once."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from jax.experimental import pallas as pl
from jax.experimental.pallas import tpu as pltpu
from jax.experimental.pallas.ops.gpu import attention as gpu_attention
from jax.experimental.pallas.ops.tpu import flash_attention
from jax.experimental.pallas.ops.tpu.megablox import gmm
from jax.sharding import Mesh, PartitionSpec

from jax_tt import _pallas

CARDS = jax.devices("tt")


def on_card(*arrays):
    return jax.device_put(arrays, CARDS[0])


def random(*dims, seed=0):
    return np.random.default_rng(seed).standard_normal(dims).astype(np.float32)


def like(*dims, dtype=np.float32):
    return jax.ShapeDtypeStruct(dims, dtype)


def run(function, *arrays):
    """The result, and the listing of the kernel programs."""
    compiled = jax.jit(function).lower(*on_card(*arrays)).compile()
    return compiled(*on_card(*arrays)), compiled.as_text()


def test_a_softmax_is_one_program():
    def kernel(x_ref, o_ref):
        x = jnp.exp(x_ref[...] - x_ref[...].max(-1, keepdims=True))
        o_ref[...] = x / x.sum(-1, keepdims=True)

    spec = pl.BlockSpec((32, 128), lambda i: (i, 0))
    x = random(256, 128)
    got, text = run(pl.pallas_call(kernel, out_shape=like(256, 128), grid=(8,), in_specs=[spec], out_specs=spec), x)
    np.testing.assert_allclose(got, jax.nn.softmax(x, axis=-1), rtol=1e-5)
    assert text.split("\n")[1] == "  1 program, of which 0 only move data"


def product(scratch):
    def kernel(x_ref, y_ref, o_ref, *scratch_refs):
        sums = scratch_refs[0] if scratch else o_ref

        @pl.when(pl.program_id(2) == 0)
        def _():
            sums[...] = jnp.zeros_like(sums)

        sums[...] += x_ref[...] @ y_ref[...]
        if scratch:
            o_ref[...] = sums[...]

    return pl.pallas_call(
        kernel,
        out_shape=like(96, 160),
        grid=(3, 5, 2),
        in_specs=[pl.BlockSpec((32, 64), lambda i, j, k: (i, k)), pl.BlockSpec((64, 32), lambda i, j, k: (k, j))],
        out_specs=pl.BlockSpec((32, 32), lambda i, j, k: (i, j)),
        scratch_shapes=[pltpu.VMEM((32, 32), jnp.float32)] if scratch else [],
        compiler_params=pltpu.CompilerParams(dimension_semantics=scratch) if scratch else None,
    )


@pytest.mark.parametrize("scratch", [None, ("parallel", "parallel", "arbitrary"), ("arbitrary",) * 3])
def test_a_product_is_a_loop_over_its_sums_alone(scratch):
    x, y = random(96, 128), random(128, 160, seed=1)
    got, text = run(product(scratch), x, y)
    np.testing.assert_allclose(got, x @ y, rtol=1e-4, atol=1e-4)
    assert f"do ({30 if scratch == ('arbitrary',) * 3 else 2} times)" in text


@pytest.mark.parametrize("causal", [False, True])
def test_attention(causal):
    def kernel(q_ref, k_ref, v_ref, o_ref):
        q, size = q_ref[...] / np.float32(np.sqrt(q_ref.shape[-1])), q_ref.shape[0]
        row = pl.program_id(1)

        def turn(j, c):
            sums, most, total = c
            at = pl.ds(j * size, size)
            s = q @ k_ref[at, :].T
            if causal:
                i = lax.broadcasted_iota(jnp.int32, s.shape, 0) + row * size
                s = jnp.where(i >= lax.broadcasted_iota(jnp.int32, s.shape, 1) + j * size, s, -1e30)
            now = jnp.maximum(most, s.max(-1))
            p, before = jnp.exp(s - now[:, None]), jnp.exp(most - now)
            return sums * before[:, None] + p @ v_ref[at, :], now, total * before + p.sum(-1)

        turns = row + 1 if causal else k_ref.shape[0] // size
        start = jnp.zeros_like(q), jnp.full(size, -jnp.inf), jnp.zeros(size)
        sums, _, total = lax.fori_loop(0, turns, turn, start)
        o_ref[...] = sums / total[:, None]

    heads, length, size, features = 6, 128, 32, 16
    q, k, v = (random(heads, length, features, seed=i) for i in range(3))
    some = pl.BlockSpec((None, size, features), lambda h, i: (h, i, 0))
    shared = pl.BlockSpec((None, length, features), lambda h, i: (h // 2, 0, 0))  # two heads of q read one of k and v
    call = pl.pallas_call(kernel, out_shape=like(*q.shape), grid=(heads, 4), in_specs=[some, shared, shared], out_specs=some)
    got, _ = run(call, q, k[::2], v[::2])
    scores = np.einsum("hqd,hkd->hqk", q, k[::2].repeat(2, 0)) / np.sqrt(features)
    if causal:
        scores = np.where(np.tril(np.ones((length, length), bool)), scores, -np.inf)
    np.testing.assert_allclose(got, jax.nn.softmax(scores) @ v[::2].repeat(2, 0), rtol=1e-4, atol=1e-5)


def test_index_maps_that_turn_and_blocks_that_overhang():
    def kernel(x_ref, o_ref):
        o_ref[...] = x_ref[...].T + pl.program_id(0).astype(jnp.float32)

    x = random(70, 50)
    call = pl.pallas_call(
        kernel,
        out_shape=like(50, 70),
        grid=(3, 2),
        in_specs=[pl.BlockSpec((32, 32), lambda i, j: (2 - i, j))],
        out_specs=pl.BlockSpec((32, 32), lambda i, j: (j, 2 - i)),
    )
    got, _ = run(call, x)
    np.testing.assert_array_equal(got, x.T + (2 - np.arange(70) // 32).astype(np.float32))


def test_several_results_some_of_which_are_visited_again():
    def kernel(x_ref, y_ref, total_ref):
        y_ref[...] = x_ref[...] * 2

        @pl.when(pl.program_id(1) == 0)
        def _():
            total_ref[...] = jnp.zeros_like(total_ref)

        total_ref[...] += x_ref[...].sum(1)

    x = np.round(random(64, 96) * 8)
    call = pl.pallas_call(
        kernel,
        out_shape=(like(64, 96), like(64)),
        grid=(2, 3),
        in_specs=[pl.BlockSpec((32, 32), lambda i, j: (i, j))],
        out_specs=(pl.BlockSpec((32, 32), lambda i, j: (i, j)), pl.BlockSpec((32,), lambda i, j: (i,))),
    )
    (y, total), _ = run(call, x)
    np.testing.assert_array_equal(y, x * 2)
    np.testing.assert_array_equal(total, x.sum(1))


def test_a_result_in_the_place_of_an_operand():
    def kernel(x_ref, o_ref):
        o_ref[1:, :] = x_ref[1:, :] * 2  # the first row stays as it was

    spec = pl.BlockSpec((4, 8), lambda i: (i, 0))
    x = random(12, 8)
    call = pl.pallas_call(kernel, out_shape=like(12, 8), grid=(3,), in_specs=[spec], out_specs=spec, input_output_aliases={0: 0})
    got, _ = run(call, x)
    np.testing.assert_array_equal(got, np.where(np.arange(12)[:, None] % 4 == 0, x, x * 2))


def running_sums(x_ref, o_ref, sums):
    @pl.when(pl.program_id(0) == 0)
    def _():
        sums[...] = jnp.zeros_like(sums)

    sums[...] += x_ref[...]
    o_ref[...] = sums[...]


def test_steps_that_depend_on_each_other_keep_their_order():
    spec = pl.BlockSpec((1, 16), lambda i: (i, 0))
    x = np.round(random(10, 16) * 8)
    call = pl.pallas_call(
        running_sums, out_shape=like(10, 16), grid=(10,), in_specs=[spec], out_specs=spec, scratch_shapes=[pltpu.VMEM((1, 16), jnp.float32)]
    )
    got, _ = run(call, x)
    np.testing.assert_array_equal(got, np.cumsum(x, 0))


def test_index_maps_that_read_scalars():
    def kernel(order_ref, x_ref, o_ref):
        del order_ref
        o_ref[...] = x_ref[...] + 1

    grid = pltpu.PrefetchScalarGridSpec(
        num_scalar_prefetch=1,
        grid=(4,),
        in_specs=[pl.BlockSpec((8, 16), lambda i, order: (order[i], 0))],
        out_specs=pl.BlockSpec((8, 16), lambda i, order: (i, 0)),
    )
    order, x = np.array([2, 0, 3, 2], np.int32), random(32, 16)
    got, _ = run(pl.pallas_call(kernel, out_shape=like(32, 16), grid_spec=grid), order, x)
    np.testing.assert_array_equal(got, x.reshape(4, 8, 16)[order].reshape(32, 16) + 1)


def doubled_and_squared(x):
    def kernel(x_ref, o_ref):
        o_ref[...] = x_ref[...] ** 2 * 2

    spec = pl.BlockSpec((8, 16), lambda i: (i, 0))
    return pl.pallas_call(
        kernel, out_shape=jax.ShapeDtypeStruct(x.shape, x.dtype), grid=(x.shape[0] // 8,), in_specs=[spec], out_specs=spec
    )(x)


def test_vmap_jvp_scan_and_several_cards():
    x = random(32, 16)
    np.testing.assert_allclose(run(jax.vmap(doubled_and_squared), x[None].repeat(3, 0))[0], 2 * x[None].repeat(3, 0) ** 2, rtol=1e-6)
    np.testing.assert_allclose(run(lambda x: jax.jvp(doubled_and_squared, (x,), (x + 1,))[1], x)[0], 4 * x * (x + 1), rtol=1e-5)
    scanned, _ = run(lambda x: lax.scan(lambda c, _: (doubled_and_squared(c) / 4, None), x, None, length=3)[0], x)
    np.testing.assert_allclose(scanned, ((x**2 / 2) ** 2 / 2) ** 2 / 2, rtol=1e-5)
    if len(CARDS) >= 4:
        mesh, spec = Mesh(np.array(CARDS[:4]), "x"), PartitionSpec("x")
        got = jax.jit(jax.shard_map(doubled_and_squared, mesh=mesh, in_specs=spec, out_specs=spec, check_vma=False))(x)
        np.testing.assert_allclose(got, 2 * x**2, rtol=1e-6)


def test_kernels_of_jax_for_gpu_and_tpu():
    q, k, v = (random(2, 64, 4, 32, seed=i) for i in range(3))
    got, _ = run(lambda *qkv: gpu_attention.mha(*qkv, None, 0.2, True), q, k, v)
    np.testing.assert_allclose(got, reference(gpu_attention.mha_reference, q, k, v, None, 0.2, True), rtol=1e-4, atol=1e-5)
    q, k, v = (random(1, 2, 256, 128, seed=i) for i in range(3))
    got, _ = run(lambda *qkv: flash_attention.flash_attention(*qkv, causal=True), q, k, v)
    np.testing.assert_allclose(got, reference(flash_attention.mha_reference, q, k, v, None, causal=True), rtol=1e-4, atol=1e-5)
    a, b, sizes = random(256, 64), random(3, 64, 128, seed=1), np.array([64, 128, 64], np.int32)
    got, _ = run(lambda a, b: gmm(a, b, jnp.array(sizes), jnp.float32, (64, 64, 64)), a, b)
    expected = [part @ b[i] for i, part in enumerate(np.split(a, np.cumsum(sizes)[:-1]))]
    np.testing.assert_allclose(got, np.concatenate(expected), rtol=1e-4, atol=1e-4)


def reference(function, *arguments, **options):
    with jax.default_device(jax.devices("cpu")[0]):
        return np.asarray(function(*arguments, **options))


def test_the_interpreter_can_be_asked_for():
    def kernel(x_ref, o_ref):
        o_ref[...] = x_ref[...] + pl.program_id(0)

    spec = pl.BlockSpec((1, 8), lambda i: (i, 0))
    x = random(6, 8)
    call = functools.partial(pl.pallas_call, kernel, out_shape=like(6, 8), grid=(6,), in_specs=[spec], out_specs=spec)
    texts = [jax.jit(call(interpret=interpret)).lower(*on_card(x)).as_text() for interpret in (False, True)]
    assert ["stablehlo.while" in text for text in texts] == [False, True]
    np.testing.assert_array_equal(run(call(interpret=True), x)[0], x + np.arange(6, dtype=np.float32)[:, None])


def test_what_is_said_of_dimensions_holds_under_vmap():
    spec = pl.BlockSpec((1, 8), lambda i, j: (i, j))
    call = pl.pallas_call(
        running_sums,
        out_shape=like(4, 16),
        grid=(4, 2),
        in_specs=[spec],
        out_specs=spec,
        scratch_shapes=[pltpu.VMEM((1, 8), jnp.float32)],
        compiler_params=pltpu.CompilerParams(dimension_semantics=("arbitrary", "parallel")),
    )
    x = np.round(random(3, 4, 16) * 8)
    np.testing.assert_array_equal(run(jax.vmap(call), x)[0], np.cumsum(x, 1))


def test_a_loop_in_a_branch_turns_only_where_the_branch_is_taken():
    def kernel(x_ref, o_ref):
        o_ref[0] = 0

        @pl.when(x_ref[0] > 0)
        def _():
            steps = lax.while_loop(
                lambda c: c[0] != 1, lambda c: (jnp.where(c[0] % 2 == 0, c[0] // 2, 3 * c[0] + 1), c[1] + 1), (x_ref[0], jnp.int32(0))
            )
            o_ref[0] = steps[1]

    spec = pl.BlockSpec((1,), lambda i: (i,))
    call = pl.pallas_call(kernel, out_shape=like(8, dtype=np.int32), grid=(8,), in_specs=[spec], out_specs=spec)
    np.testing.assert_array_equal(run(call, np.arange(-1, 7, dtype=np.int32))[0], [0, 0, 0, 1, 7, 2, 5, 8])


def test_a_loop_in_a_loop_whose_turns_are_values():
    def kernel(x_ref, o_ref):
        def halves(c):  # ends from positive numbers alone
            return lax.while_loop(lambda n: n % 2 == 0, lambda n: n // 2, c[0]) - 1, c[1] + 1

        o_ref[0] = lax.while_loop(lambda c: c[0] > 0, halves, (x_ref[0], jnp.int32(0)))[1]

    spec = pl.BlockSpec((1,), lambda i: (i,))
    call = pl.pallas_call(kernel, out_shape=like(6, dtype=np.int32), grid=(6,), in_specs=[spec], out_specs=spec)
    np.testing.assert_array_equal(run(call, np.array([0, 1, 2, 3, 7, 12], np.int32))[0], [0, 1, 1, 2, 3, 2])


def test_kernels_with_primitives_that_cannot_be_mapped():
    def kernel(x_ref, o_ref):
        at = pl.multiple_of(pl.program_id(0) * 0 + 4, 4)

        def scoped(sums):
            sums[...] = x_ref[pl.ds(at, 4), :]
            o_ref[...] = pltpu.roll(sums[...], 1, 0)

        pl.run_scoped(scoped, pltpu.VMEM((4, 8), jnp.float32))

    x = random(24, 8)
    call = pl.pallas_call(
        kernel,
        out_shape=like(12, 8),
        grid=(3,),
        in_specs=[pl.BlockSpec((8, 8), lambda i: (i, 0))],
        out_specs=pl.BlockSpec((4, 8), lambda i: (i, 0)),
    )
    np.testing.assert_array_equal(run(call, x)[0], np.roll(x.reshape(3, 8, 8)[:, 4:], 1, 1).reshape(12, 8))


def test_steps_whose_values_are_large_are_not_all_computed_at_once(monkeypatch):
    def kernel(x_ref, o_ref):
        o_ref[...] = (x_ref[...][:, None] * x_ref[...][None, :]).sum(1)

    spec = pl.BlockSpec((64,), lambda i: (i,))
    x = random(8 * 64)
    call = pl.pallas_call(kernel, out_shape=like(8 * 64), grid=(8,), in_specs=[spec], out_specs=spec)
    expected = (x.reshape(8, 64) * x.reshape(8, 64).sum(1, keepdims=True)).ravel()
    whole, text = run(call, x)
    assert "times)" not in text
    monkeypatch.setattr(_pallas, "_MOST_BYTES", 4 * 64 * 64)
    jax.clear_caches()
    apart, text = run(call, x)
    for got in (whole, apart):
        np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-4)
