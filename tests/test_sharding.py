"""Programs over several cards: shard_map and its collectives, arrays in pieces under jit, and what goes over the links."""

import functools

import flax.linen as nn
import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest
from jax import lax
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

from tests.against_cpu import PLATFORM

RNG = np.random.default_rng(0)
NUM_CARDS = 8


def mesh_of(platform, **axes):
    devices = jax.devices(platform)[:NUM_CARDS]
    return Mesh(np.array(devices).reshape(tuple(axes.values())), tuple(axes))


def numbers(*shape, dtype=np.float32):
    return RNG.integers(-50, 50, shape).astype(dtype)  # sums of these are exact in any order


def on_both(function, in_specs, out_specs, *args, **axes):
    """The function in shard_map on the cards and on as many cpu devices: the same results in the same pieces."""
    results = []
    for platform in (PLATFORM, "cpu"):
        mesh = mesh_of(platform, **axes)
        mapped = jax.shard_map(function, mesh=mesh, in_specs=in_specs, out_specs=out_specs, check_vma=False)
        specs = in_specs if isinstance(in_specs, tuple) and not isinstance(in_specs, P) else (in_specs,) * len(args)
        placed = [jax.device_put(x, NamedSharding(mesh, spec)) for x, spec in zip(args, specs, strict=True)]
        results.append(jax.tree.leaves(jax.jit(mapped)(*placed)))
    for got, want in zip(*results, strict=True):
        assert got.sharding.spec == want.sharding.spec
        for mine, theirs in zip(got.addressable_shards, want.addressable_shards, strict=True):
            np.testing.assert_array_equal(np.asarray(mine.data), np.asarray(theirs.data))


SHIFT = [(i, (i + 1) % 4) for i in range(4)]
COLLECTIVES = {
    "psum": lambda x: lax.psum(x, "y"),
    "psum of all": lambda x: lax.psum(x, ("x", "y")),
    "pmax": lambda x: lax.pmax(x, "x"),
    "pmin": lambda x: lax.pmin(x, "y"),
    "pmean": lambda x: lax.pmean(x, "y"),
    "psum of a tree": lambda x: lax.psum({"a": x, "b": (x + 1, x[0])}, "y"),
    "all_gather": lambda x: lax.all_gather(x, "y"),
    "all_gather along 1": lambda x: lax.all_gather(x, "y", axis=1),
    "all_gather tiled": lambda x: lax.all_gather(x, ("y", "x"), axis=1, tiled=True),
    "psum_scatter": lambda x: lax.psum_scatter(x, "y", scatter_dimension=0),
    "psum_scatter tiled": lambda x: lax.psum_scatter(x, "y", scatter_dimension=1, tiled=True),
    "all_to_all": lambda x: lax.all_to_all(x, "y", split_axis=0, concat_axis=1),
    "all_to_all tiled": lambda x: lax.all_to_all(x, "y", split_axis=1, concat_axis=0, tiled=True),
    "ppermute": lambda x: lax.ppermute(x, "y", SHIFT),
    "ppermute of some": lambda x: lax.ppermute(x, "y", [(0, 2), (2, 1)]),
    "pshuffle": lambda x: lax.pshuffle(x, "x", [1, 0]),
    "axis_index": lambda x: x + lax.axis_index("x") * 100 + lax.axis_index(("x", "y")),
    "groups of different sizes": lambda x: (lax.psum(x, "y", axis_index_groups=[[0, 1, 3], [2]]), x),
    "groups": lambda x: lax.psum(x, "y", axis_index_groups=[[0, 3], [1, 2]]),
}


@pytest.mark.parametrize("name", COLLECTIVES)
def test_collectives(name):
    on_both(COLLECTIVES[name], P(("x", "y")), P(("x", "y")), numbers(32, 8), x=2, y=4)


@pytest.mark.parametrize("dtype", [np.int8, np.int32, np.bool_, np.uint32, ml_dtypes.bfloat16, np.float16, np.complex64])
def test_collectives_of_other_types(dtype):
    def function(x):
        total = x if dtype == np.bool_ else lax.psum(x, "d")
        return total, lax.all_gather(x, "d"), lax.ppermute(x, "d", [(0, 1), (1, 0)])

    on_both(function, P("d"), P("d"), numbers(16, 3, dtype=dtype), d=8)


def ring_sum(x):
    def step(_, carry):
        total, block = carry
        block = lax.ppermute(block, "d", [(i, (i + 1) % 8) for i in range(8)])
        return total + block, block

    return lax.fori_loop(0, 7, step, (x, x))[0]


def until_all_are_large(x):
    return lax.while_loop(lambda x: lax.pmin(jnp.min(x), "d") < 1000, lambda x: x * 2 + 1, jnp.abs(x) + 1)


def scan_of_sums(x):
    return lax.scan(lambda c, row: (c + lax.psum(row, "d"), c), jnp.zeros_like(x[0]), x)


def branch_of_a_group(x):
    return lax.cond(lax.axis_index("e") == 0, lambda x: lax.psum(x, "d"), lambda x: x - 1, x)


def test_collectives_in_control_flow():
    x = numbers(16, 5)
    on_both(ring_sum, P("d"), P("d"), x, d=8)
    on_both(until_all_are_large, P("d"), P("d"), x, d=8)
    on_both(scan_of_sums, P("d"), (P(), P("d")), x, d=8)
    on_both(branch_of_a_group, P(("d", "e")), P(("d", "e")), x, d=4, e=2)


def test_a_shard_map_inside_another():
    def inner(x):
        return x * lax.psum(jnp.sum(x), "y")

    def function(mesh, x):
        def outer(x):
            nested = jax.shard_map(inner, in_specs=P(None, "y"), out_specs=P(None, "y"), axis_names={"y"}, check_vma=False)
            return nested(x + lax.axis_index("x").astype(x.dtype))

        mapped = jax.shard_map(outer, mesh=mesh, in_specs=P("x"), out_specs=P("x"), axis_names={"x"}, check_vma=False)
        return jax.jit(mapped)(x)

    x = numbers(4, 8)
    got, want = (np.asarray(function(mesh_of(platform, x=2, y=4), x)) for platform in (PLATFORM, "cpu"))
    np.testing.assert_array_equal(got, want)


def jitted(function, specs, *args, **axes):
    mesh = mesh_of(PLATFORM, **axes)
    placed = [jax.device_put(x, NamedSharding(mesh, spec)) for x, spec in zip(args, specs, strict=True)]
    compiled = jax.jit(function).lower(*placed).compile()
    return compiled(*placed), compiled


# The function, the operands' shapes and pieces, the result's pieces, and whether anything is gathered for it.
ON_PIECES = {
    "elementwise": (lambda x, y: jnp.abs(x) * 2 + y, [((16, 8), P("x", "y")), ((16, 8), P("x", "y"))], P("x", "y"), False),
    "a constant": (lambda x: x + 3, [((16, 8), P(("x", "y")))], P(("x", "y")), False),
    "a row for all": (lambda x, y: x + y, [((16, 8), P("x")), ((8,), P())], P("x"), False),
    "transpose": (lambda x: x.T, [((16, 8), P("x", "y"))], P("y", "x"), False),
    "broadcast": (lambda x: jnp.broadcast_to(x[:, None, :], (16, 3, 8)), [((16, 8), P("x", "y"))], P("x", None, "y"), False),
    "sum along whole rows": (lambda x: x.sum(1), [((16, 8), P("x"))], P("x"), False),
    "split": (lambda x: x.reshape(4, 4, 8), [((16, 8), P("y"))], P("y"), False),
    "join": (lambda x: x.reshape(128), [((16, 8), P("x"))], P("x"), False),
    "rows of a product": (lambda x, y: x @ y, [((16, 8), P("x")), ((8, 24), P())], P("x"), False),
    "columns of a product": (lambda x, y: x @ y, [((16, 8), P()), ((8, 24), P(None, "y"))], P(None, "y"), False),
    "rows and columns": (lambda x, y: x @ y, [((16, 8), P("x")), ((8, 24), P(None, "y"))], P("x", "y"), False),
    "rows and columns of one axis": (lambda x, y: x @ y, [((16, 8), P("y")), ((8, 24), P(None, "y"))], P("y"), True),
    "batches": (lambda x, y: jnp.einsum("bij,bjk->bik", x, y), [((4, 3, 5), P("y")), ((4, 5, 2), P("y"))], P("y"), False),
    "a contracted dimension": (lambda x, y: x @ y, [((16, 8), P(None, "y")), ((8, 24), P("y"))], P(), True),
    "different pieces": (lambda x, y: x + y, [((16, 8), P("x")), ((16, 8), P(None, "y"))], None, True),
    "what needs whole arrays": (lambda x: jnp.sort(x, 0), [((16, 8), P("x"))], P(), True),
    "concatenate": (lambda x: jnp.concatenate([x, x + 1], 1), [((16, 8), P("x"))], P("x"), False),
    "slices along whole rows": (lambda x: x[:, 2:5], [((16, 8), P("x"))], P("x"), False),
    "slices across pieces": (lambda x: x[3:11], [((16, 8), P("x"))], P(), True),
    "reverse": (lambda x: x[:, ::-1], [((16, 8), P("y"))], P("y"), False),
    "a sum across pieces": (lambda x: x.sum(0), [((16, 8), P("x", "y"))], P("y"), True),
    "a maximum across pieces": (lambda x: x.max(0), [((16, 8), P("x"))], P(), True),
    "a maximum across some pieces": (lambda x: x.max(0), [((16, 8), P("x", "y"))], P("y"), True),
    "any across pieces": (lambda x: (x > 49).any(0), [((16, 8), P("x", "y"))], P("y"), True),
    "a product across pieces": (lambda x: (x % 3).prod(0), [((16, 8), P("x"))], P(), True),
    "a loop": (lambda x: lax.fori_loop(0, 3, lambda i, x: x * 2 + i, x), [((16, 8), P("x"))], P("x"), False),
    "a loop that waits": (
        lambda x: lax.while_loop(lambda c: c[0] < 40, lambda c: (c[0] + 7, jnp.abs(c[1])), (3, x))[1],
        [((16, 8), P("x"))],
        P("x"),
        False,
    ),
    "a scan along whole rows": (
        lambda x: lax.scan(lambda c, row: (c * 2 + row, c - row), jnp.zeros(16), x.T)[1],
        [((16, 8), P("x"))],
        P(None, "x"),
        False,
    ),
    "loops in a loop": (
        lambda x: lax.fori_loop(0, 2, lambda i, x: lax.fori_loop(0, 3, lambda j, x: x + j, x) * 2, x),
        [((16, 8), P("y"))],
        P("y"),
        False,
    ),
    "a branch": (lambda x: lax.cond(x[0, 0] > 0, lambda x: x + 1, lambda x: x - 1, x), [((16, 8), P("x"))], None, True),
}


@pytest.mark.parametrize("name", ON_PIECES)
def test_arrays_in_pieces(name):
    function, operands, spec, gathers = ON_PIECES[name]
    args = [numbers(*shape) for shape, _ in operands]
    result, compiled = jitted(function, [spec for _, spec in operands], *args, x=2, y=4)
    with jax.default_device(jax.devices("cpu")[0]):
        want = np.asarray(function(*args))
    np.testing.assert_array_equal(np.asarray(result), want)
    for shard in result.addressable_shards:
        np.testing.assert_array_equal(np.asarray(shard.data), want[shard.index])
    if spec is not None:
        assert result.sharding.is_equivalent_to(NamedSharding(mesh_of(PLATFORM, x=2, y=4), spec), result.ndim)
    assert ("program all_gather" in compiled.as_text()) == gathers


def test_a_recurrent_layer_over_a_batch_in_pieces():
    def layer(xs, w, u):
        def step(h, x):
            h = jnp.tanh(x @ w + h @ u)
            return h, h

        return lax.scan(step, jnp.zeros((16, 8), jnp.float32), xs)[1]

    args = [RNG.standard_normal(shape, dtype=np.float32) for shape in ((5, 16, 4), (4, 8), (8, 8))]
    result, compiled = jitted(layer, [P(None, "d"), P(), P()], *args, d=8)
    assert "program all_gather" not in compiled.as_text()
    assert result.sharding.is_equivalent_to(NamedSharding(mesh_of(PLATFORM, d=8), P(None, "d")), 3)
    with jax.default_device(jax.devices("cpu")[0]):
        np.testing.assert_allclose(np.asarray(result), layer(*args), rtol=1e-5, atol=1e-6)


def test_callbacks_are_called_once_where_nobody_has_mapped_the_program():
    seen = []

    def double(x):
        seen.append(x.shape)
        return x * 2

    x = numbers(16, 8)
    mesh = mesh_of(PLATFORM, d=8)
    placed = jax.device_put(x, NamedSharding(mesh, P("d")))
    like = jax.ShapeDtypeStruct(x.shape, x.dtype)
    got = jax.jit(lambda x: jax.pure_callback(double, like, x) + 1)(placed)
    np.testing.assert_array_equal(np.asarray(got), x * 2 + 1)
    assert seen == [(16, 8)]

    piece = jax.ShapeDtypeStruct((2, 8), x.dtype)
    mapped = jax.shard_map(lambda x: jax.pure_callback(double, piece, x), mesh=mesh, in_specs=P("d"), out_specs=P("d"))
    np.testing.assert_array_equal(np.asarray(jax.jit(mapped)(placed)), x * 2)
    assert seen[1:] == [(2, 8)] * 8


def test_a_callback_must_not_wait_for_a_program_of_its_own_device():
    mesh = mesh_of(PLATFORM, d=8)
    x = jax.device_put(numbers(8), NamedSharding(mesh, P("d")))
    total = jax.jit(lambda x: x - x.sum())
    total(x)

    def inside(y):
        return np.asarray(total(x)).sum() + y

    like = jax.ShapeDtypeStruct((), np.float32)
    outside = jax.jit(lambda y: jax.pure_callback(inside, like, y))
    with pytest.raises(jax.errors.JaxRuntimeError, match="one of which waits for the function that calls it: return first"):
        np.asarray(outside(jax.device_put(np.float32(1), jax.devices(PLATFORM)[3])))
    np.testing.assert_array_equal(np.asarray(total(x)), np.asarray(x) - np.asarray(x).sum())


def test_results_in_the_pieces_that_are_asked_for():
    x = numbers(16, 8)
    mesh = mesh_of(PLATFORM, x=2, y=4)
    for spec in (P(), P("x"), P("y", "x"), P(None, ("x", "y"))):
        ask = NamedSharding(mesh, spec)
        for function in (
            jax.jit(lambda x: x + 1, out_shardings=ask),
            jax.jit(lambda x, ask=ask: lax.with_sharding_constraint(x + 1, ask)),
        ):
            result = function(jax.device_put(x, NamedSharding(mesh, P("x", "y"))))
            assert result.sharding.is_equivalent_to(ask, 2)
            np.testing.assert_array_equal(np.asarray(result), x + 1)


def test_sums_that_are_not_made_yet():
    mesh = jax.sharding.Mesh(np.array(jax.devices(PLATFORM)[:4]).reshape(2, 2), ("x", "y"), (jax.sharding.AxisType.Explicit,) * 2)
    with jax.sharding.set_mesh(mesh):
        x = jax.device_put(numbers(4, 8), NamedSharding(mesh, P("x", "y")))
        y = jax.device_put(numbers(8, 6), NamedSharding(mesh, P("y", None)))
        open_sum = jax.jit(lambda x, y: jnp.einsum("ab,bc->ac", x, y, out_sharding=P("x", None, unreduced={"y"})))(x, y)
        assert open_sum.sharding.spec.unreduced == {"y"}
        closed = jax.jit(lambda s: jax.sharding.reshard(s, P("x", None)))(open_sum)
        np.testing.assert_array_equal(np.asarray(closed), np.asarray(x) @ np.asarray(y))


def test_pieces_become_addends_without_a_word_to_other_cards():
    mesh = jax.sharding.Mesh(np.array(jax.devices(PLATFORM)[:2]), "x", (jax.sharding.AxisType.Explicit,))
    with jax.sharding.set_mesh(mesh):
        x = jax.device_put(np.arange(4.0, dtype=np.float32), NamedSharding(mesh, P("x")))
        compiled = jax.jit(lambda x: x, out_shardings=P(unreduced={"x"})).lower(x).compile()
        assert "program all_gather" not in compiled.as_text()
        shards = [np.asarray(shard.data) for shard in compiled(x).addressable_shards]
        np.testing.assert_array_equal(shards, [[0, 1, 0, 0], [0, 0, 2, 3]])


def test_donated_pieces_are_taken_over():
    mesh = mesh_of(PLATFORM, d=8)
    x = jax.device_put(numbers(16, 8), NamedSharding(mesh, P("d")))
    want = np.asarray(x) * 2
    where = [shard.data.unsafe_buffer_pointer() for shard in x.addressable_shards]
    result = jax.jit(lambda x: x * 2, donate_argnums=0)(x)
    assert x.is_deleted()
    assert [shard.data.unsafe_buffer_pointer() for shard in result.addressable_shards] == where
    np.testing.assert_array_equal(np.asarray(result), want)


def test_pmap():
    x = numbers(8, 5)
    devices = jax.devices(PLATFORM)[:NUM_CARDS]
    got = jax.pmap(lambda x: x - lax.pmean(x, "i"), axis_name="i", devices=devices)(x)
    np.testing.assert_array_equal(np.asarray(got), x - x.mean(0))


def test_a_training_step_over_a_batch_in_pieces():
    def loss(weights, x, y):
        return jnp.mean((jnp.tanh(x @ weights[0]) @ weights[1] - y) ** 2)

    def step(weights, x, y):
        value, slopes = jax.value_and_grad(loss)(weights, x, y)
        return value, [w - 0.1 * s for w, s in zip(weights, slopes, strict=True)]

    normal = functools.partial(RNG.standard_normal, dtype=np.float32)
    weights, x, y = [normal((12, 16)), normal((16, 4))], normal((64, 12)), normal((64, 4))
    (value, after), _ = jitted(lambda a, b, x, y: step([a, b], x, y), [P(), P(), P("d"), P("d")], *weights, x, y, d=8)
    with jax.default_device(jax.devices("cpu")[0]):
        want, want_after = step(weights, x, y)
    np.testing.assert_allclose(value, want, rtol=1e-5)
    for got, expected in zip(after, want_after, strict=True):
        np.testing.assert_allclose(np.asarray(got), expected, rtol=1e-4, atol=1e-5)


class Layer(nn.Module):
    @nn.compact
    def __call__(self, x):
        x = x + nn.MultiHeadDotProductAttention(4)(nn.LayerNorm()(x))
        return x + nn.Dense(x.shape[-1])(nn.gelu(nn.Dense(4 * x.shape[-1])(nn.LayerNorm()(x))))


class Decoder(nn.Module):
    @nn.compact
    def __call__(self, tokens):
        x = nn.Embed(64, 32)(tokens)
        for _ in range(2):
            x = Layer()(x)
        return nn.Dense(64)(nn.LayerNorm()(x))


def last_dimension_in_pieces(x):
    return P(*(None,) * (x.ndim - 1), "m") if x.ndim > 1 else P()


# How weights and the batch lie on a mesh of 2 x 4.
PARALLEL = {
    "data": (lambda x: P(), P(("d", "m"))),
    "tensor": (last_dimension_in_pieces, P("d")),
    "fully sharded": (lambda x: P(("d", "m")) if x.shape[0] % 8 == 0 else P(), P(("d", "m"))),
}


@pytest.mark.parametrize("name", PARALLEL)
def test_a_flax_transformer_trains_as_on_one_cpu(name):
    lies, batch = PARALLEL[name]
    tokens = RNG.integers(0, 64, (16, 12)).astype(np.int32)
    model = Decoder()

    def step(weights, tokens):
        def loss(weights):
            logits = jax.nn.log_softmax(model.apply(weights, tokens[:, :-1]))
            return -jnp.mean(jnp.take_along_axis(logits, tokens[:, 1:, None], -1))

        value, slopes = jax.value_and_grad(loss)(weights)
        return value, jax.tree.map(lambda w, s: w - 0.1 * s, weights, slopes)

    def train(weights, tokens):
        run, losses = jax.jit(step), []
        for _ in range(3):
            value, weights = run(weights, tokens)
            losses.append(float(value))
        return losses, weights

    with jax.default_device(jax.devices("cpu")[0]):
        weights = jax.tree.map(np.asarray, model.init(jax.random.key(0), tokens))
        want, want_weights = train(weights, tokens)
    mesh = mesh_of(PLATFORM, d=2, m=4)
    weights = jax.tree.map(lambda x: jax.device_put(x, NamedSharding(mesh, lies(x))), weights)
    got, got_weights = train(weights, jax.device_put(tokens, NamedSharding(mesh, batch)))
    np.testing.assert_allclose(got, want, rtol=1e-5)
    for mine, theirs in zip(jax.tree.leaves(got_weights), jax.tree.leaves(want_weights), strict=True):
        np.testing.assert_allclose(np.asarray(mine), np.asarray(theirs), rtol=1e-4, atol=1e-5)


def test_devices_that_do_not_come_to_a_collective_are_named():
    mesh = mesh_of(PLATFORM, d=8)

    def function(x):
        return lax.cond(lax.axis_index("d") == 3, lambda x: x, lambda x: lax.psum(x, "d"), x)

    mapped = jax.jit(jax.shard_map(function, mesh=mesh, in_specs=P("d"), out_specs=P("d"), check_vma=False))
    x = numbers(8, 4)
    with pytest.raises(jax.errors.JaxRuntimeError, match=r"\[all_gather\] card \d waits for card 3, which has ended its run without it"):
        np.asarray(mapped(x))
    np.testing.assert_array_equal(np.asarray(jax.jit(lambda x: x + 1)(jax.device_put(x, NamedSharding(mesh, P("d"))))), x + 1)


def test_a_failure_before_the_run_fails_all_devices():
    mesh = mesh_of(PLATFORM, d=8)
    x = jax.device_put(numbers(8, 4), NamedSharding(mesh, P("d")))
    total = jax.jit(jax.shard_map(lambda x: lax.psum(x, "d"), mesh=mesh, in_specs=P("d"), out_specs=P()))
    x.delete()
    with pytest.raises(RuntimeError, match="deleted"):
        total(x)
    again = jax.device_put(numbers(8, 4), NamedSharding(mesh, P("d")))
    np.testing.assert_array_equal(np.asarray(total(again))[0], np.asarray(again).sum(0))


def test_gspmd_is_refused():
    mesh = mesh_of(PLATFORM, d=8)
    x = jax.device_put(numbers(8, 4), NamedSharding(mesh, P("d")))
    before = jax.config.jax_use_shardy_partitioner
    jax.config.update("jax_use_shardy_partitioner", False)
    try:
        with pytest.raises(jax.errors.JaxRuntimeError, match="tt reads Shardy's: leave jax_use_shardy_partitioner on"):
            jax.jit(lambda x: x + 1)(x)
    finally:
        jax.config.update("jax_use_shardy_partitioner", before)
