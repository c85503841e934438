"""Fusions across loops, branches, writes and layouts: fused against unfused, against `cpu`, and by the programs they leave."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

import jax_tt
from tests.fused import bf16, body, close, compiled, f32, programs


def spread(x):
    return jnp.broadcast_to(jnp.tanh(x).sum(1)[:, None], x.shape)


# What is spread along rows outside is read, carried and returned by regions.
REGIONS = [
    ("captured_by_a_scan", lambda x: lax.scan(lambda c, _: (c * 0.5 + spread(x), jnp.abs(c).sum()), x, None, length=3)),
    (
        "computed_before_a_scan",
        lambda x, s=spread: (lambda r: lax.scan(lambda c, _: (c * 0.5 + r, jnp.abs(c).sum()), x, None, length=3))(s(x)),
    ),
    ("carried_by_a_loop", lambda x: lax.while_loop(lambda c: c[0].sum() < 1e4, lambda c: (c[0] * 2 + 1, c[1]), (jnp.abs(spread(x)), x))),
    ("unchanged_in_a_loop", lambda x: lax.while_loop(lambda c: c[0].sum() < 1e4, lambda c: (c[0] * 2 + 1, c[1]), (jnp.abs(x), spread(x)))),
    ("argument_of_a_branch", lambda x: lax.cond(x[0, 0] > 9, lambda a: a + 1, lambda a: a * 2, spread(x))),
    ("result_of_a_branch", lambda x: lax.cond(x[0, 0] < 9, lambda: spread(x) + 1, lambda: x)),
    ("returned", spread),
]


@pytest.mark.parametrize("function", [case[1] for case in REGIONS], ids=[case[0] for case in REGIONS])
def test_rows_cross_the_borders_of_regions(function):
    x = f32(20, 30)
    _, got = compiled(function, (x,))
    close(got, jax.jit(function)(jax.device_put(x, jax.devices("cpu")[0])), 2e-5)


def recurrence(reverse, turned):
    def step(carry, x, w, u):
        new = jnp.tanh((w @ x if turned else x @ w) + carry @ u / 8)
        return new, new * 2

    def function(xs, carry, w, u):
        return lax.scan(lambda c, x: step(c, x, w, u), carry, xs, reverse=reverse)

    return function


# Slices of a sequence times weights that stay: one product before the loop, and a smaller body.
@pytest.mark.parametrize("make", [f32, bf16])
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("turned", [False, True])
def test_products_of_slices_leave_the_loop(make, reverse, turned):
    xs = make(9, 40, 40) if turned else make(9, 5, 40)
    args = xs, make(40, 24), make(40, 24) if not turned else make(40, 40), make(24, 24)
    if not turned:
        args = xs, make(5, 24), args[2], args[3]
    else:
        args = xs[:, :, :24], make(40, 24), args[2], args[3]
    function = recurrence(reverse, turned)
    made, got = compiled(function, args)
    apart, inside = compiled(function, args, jax_tt_no="hoist_products")
    for a, b in zip(jax.tree.leaves(got), jax.tree.leaves(inside), strict=True):
        assert a.tobytes() == b.tobytes()
    expected = jax.jit(function)(*jax.device_put(args, jax.devices("cpu")[0]))
    close(got, expected, 2e-5 if make is f32 else 5e-2)
    assert body(made).count("program matmul") == 1
    assert body(apart).count("program matmul") == 2


# The gates of a recurrent layer: their products with the sequence are one product, of which each gate reads its slice.
@pytest.mark.parametrize("make", [f32, bf16])
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("widths", [(24, 24, 24), (32, 7, 20)])
@pytest.mark.parametrize("turned", [False, True])
def test_products_that_leave_a_loop_and_share_an_operand_are_joined(make, reverse, widths, turned):
    def function(xs, carry, *weights):
        def step(c, x):
            gates = [lax.dot_general(w, x, (((0,), (1,)), ((), ()))).T if turned else x @ w for w in weights]
            return [jnp.tanh(a / 8 + b) for a, b in zip(gates, c, strict=True)], gates[0] * 2

        return lax.scan(step, carry, xs, reverse=reverse)

    args = make(9, 30, 40), [make(30, n) for n in widths], *(make(40, n) for n in widths)
    made, got = compiled(function, args, jax_tt_no="fuse_turns")
    apart, expected = compiled(function, args, jax_tt_no="fuse_turns,join_products")
    for a, b in zip(jax.tree.leaves(got), jax.tree.leaves(expected), strict=True):
        assert a.tobytes() == b.tobytes()
    close(got, jax.jit(function)(*jax.device_put(args, jax.devices("cpu")[0])), 2e-5 if make is f32 else 5e-2)
    matmuls = [text.as_text().count("program matmul") for text in (made, apart)]
    assert matmuls == [1, 3], made.as_text()
    assert "program matmul" not in body(made)
    assert made.cost_analysis()["cycles"] < apart.cost_analysis()["cycles"]


@pytest.mark.parametrize(
    "function,products",
    [
        (lambda xs, w, v: (xs @ w + 1, xs @ v), 2),  # their epilogues stay
        (
            lambda xs, w, v: lax.scan(lambda c, x: (c + x[0] * x[1], None), xs[0] @ w, (xs @ w, xs @ v))[0],
            2,
        ),  # the first is read outside too
        (lambda xs, w, v: lax.scan(lambda c, x: (c + x[0] * x[1], None), xs[0, :, :24], (xs @ w, xs @ v))[0], 1),
        (lambda xs, w, v: lax.scan(lambda c, x: (c + x[0] * x[1], None), xs[0, :, :24], (xs @ w, (xs * 2) @ v))[0], 2),
    ],
)
def test_products_that_something_else_reads_stay_apart(function, products):
    args = f32(9, 30, 40), f32(40, 24), f32(40, 24)
    made, got = compiled(function, args)
    _, expected = compiled(function, args, jax_tt_no="join_products")
    close(got, expected, 0)
    close(got, jax.jit(function)(*jax.device_put(args, jax.devices("cpu")[0])), 2e-5)
    assert made.as_text().count("program matmul") == products, made.as_text()


@pytest.mark.parametrize("make", [f32, bf16])
@pytest.mark.parametrize(
    "slices", [((0, 32), (32, 64), (64, 96)), ((0, 20), (20, 40), (80, 100)), ((0, 50), (40, 100)), ((10, 20), (10, 20))]
)
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_product_that_only_slices_read_is_stored_in_slices(make, slices, axis):
    shape = [3, 5, 7]
    shape[axis] = 100

    def function(x, y):
        product = jnp.einsum("bik,bkj->bij", x, y)
        return [lax.slice_in_dim(product, *s, axis=axis).sum(1) for s in slices]

    args = make(shape[0], shape[1], 40), make(shape[0], 40, shape[2])
    made, got = compiled(function, args)
    _, expected = compiled(function, args, jax_tt_no="fuse_writes")
    for a, b in zip(got, expected, strict=True):
        assert a.tobytes() == b.tobytes()
    close(got, jax.jit(function)(*jax.device_put(args, jax.devices("cpu")[0])), 2e-5 if make is f32 else 5e-2)


@pytest.mark.parametrize("axis", [0, 1])
def test_arguments_are_concatenated_by_one_program(axis):
    args = f32(3, 40), f32(40, 3), f32(1, 1), f32(3, 40)
    function = lambda a, b, c, d: jnp.concatenate([a, b.T, jnp.broadcast_to(c, (3, 40)), jnp.tanh(d), a * 0 + 2], axis)  # noqa: E731
    made, got = compiled(function, args)
    apart, expected = compiled(function, args, jax_tt_no="batch_chains")
    assert got.tobytes() == expected.tobytes()
    close(got, jax.jit(function)(*jax.device_put(args, jax.devices("cpu")[0])), 1e-6)
    assert programs(made) == programs(apart) - 1


def cast(x, w, s):
    return jnp.tanh(x @ w.astype(jnp.bfloat16).astype(jnp.float32))


def scaled(x, w, s):
    return jnp.tanh(x @ (w * jnp.exp(s)))


def sliced(x, w, s):
    return jnp.tanh(x @ w[:40] + x @ w[40:].T)


# What a turn computes of what stays is computed before the loop, also in a loop within a loop.
@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize("step", [cast, scaled, sliced])
def test_what_does_not_change_is_computed_before_the_loop(step, nested):
    def function(x, w, s):
        def inner(x):
            return lax.fori_loop(0, 9, lambda i, x: step(x, w, s), x)

        return lax.fori_loop(0, 3, lambda i, x: inner(x), x) if nested else inner(x)

    args = f32(40, 40), (f32(80, 40) if step is sliced else f32(40, 40)) / 8, f32()
    apart, inside = compiled(function, args, jax_tt_no="hoist_invariants,hoist_steps")
    made, got = compiled(function, args)
    assert got.tobytes() == inside.tobytes()
    close(got, jax.jit(function)(*jax.device_put(args, jax.devices("cpu")[0])), 1e-4)
    assert body(made).count("program ") < body(apart).count("program ")
    assert made.cost_analysis()["cycles"] < apart.cost_analysis()["cycles"]


# Programs that do the same in every turn run before the loop, also where what they make is small or made from indices.
@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize(
    "step",
    [
        lambda x, w: (jnp.eye(24) - x @ w) @ x,
        lambda x, w: jnp.sort(x + jnp.sort(w * 2, axis=1)[:1] @ jnp.tril(jnp.ones((24, 24))), axis=0),
        lambda x, w: jnp.where(w[0, 0] > 9, x, x[::-1]) @ (jnp.tanh(w[:, :4]) @ jnp.tanh(w[:4])),
    ],
    ids=["identity", "triangle", "product"],
)
def test_programs_that_do_the_same_in_every_turn_run_before_the_loop(step, nested):
    def function(x, w):
        def inner(x):
            return lax.fori_loop(0, 9, lambda i, x: jnp.tanh(step(x, w)), x)

        return lax.fori_loop(0, 3, lambda i, x: inner(x) * 0.9, x) if nested else inner(x)

    args = f32(24, 24), f32(24, 24) / 8
    apart, inside = compiled(function, args, jax_tt_no="hoist_steps")
    made, got = compiled(function, args)
    assert got.tobytes() == inside.tobytes()
    close(got, jax.jit(function)(*jax.device_put(args, jax.devices("cpu")[0])), 1e-4)
    assert body(made).count("program ") < body(apart).count("program ")
    assert programs(made) == programs(apart)


def test_what_a_branch_may_not_compute_stays_in_the_loop():
    def function(x, n):
        def turn(i, c):
            return lax.cond(i < n, lambda: jnp.linalg.inv(c + jnp.eye(24)), lambda: c)

        return lax.fori_loop(0, 9, turn, x)

    args = f32(24, 24), np.int32(3)
    made, got = compiled(function, args)
    apart, inside = compiled(function, args, jax_tt_no="hoist_steps")
    assert got.tobytes() == inside.tobytes() and body(made).count("program ") == body(apart).count("program ")


# What is small, or larger than what it is made of, is computed where it is read.
@pytest.mark.parametrize("step", [lambda x, s: x + jnp.exp(s), lambda x, s: x + jnp.exp(jnp.broadcast_to(s, x.shape))])
def test_what_is_made_of_little_stays_in_the_loop(step):
    def function(x, s):
        return lax.while_loop(lambda c: c[0, 0] < 9, lambda x: step(x, s), x)

    args = jnp.zeros((40, 40)), f32()
    made, got = compiled(function, args)
    apart, inside = compiled(function, args, jax_tt_no="hoist_invariants")
    assert got.tobytes() == inside.tobytes() and made.as_text() == apart.as_text()


def test_a_loop_that_does_not_turn_computes_what_its_turns_would():
    def function(x, w):
        return lax.while_loop(lambda c: c[0, 0] < 0, lambda x: x @ (w / w), x)

    args = np.ones((40, 40), np.float32), np.zeros((40, 40), np.float32)
    np.testing.assert_array_equal(compiled(function, args)[1], args[0])


def test_products_of_what_the_loop_changes_stay():
    def function(xs, c):  # the second operand changes, and the first is read before it is written
        return lax.fori_loop(0, 9, lambda i, s: (s[0].at[i].set(s[1] @ s[0][i]), jnp.tanh(s[1] + s[0][i])), (xs, c))

    args = f32(9, 24, 24), f32(24, 24)
    made, got = compiled(function, args)
    close(got, jax.jit(function)(*jax.device_put(args, jax.devices("cpu")[0])), 1e-4)
    assert body(made).count("program matmul") == 1


def test_a_loop_whose_turns_are_known_asks_for_no_condition():
    def loop(turns):
        return lambda x: lax.fori_loop(3, 3 + turns, lambda i, c: c * x + i, x)

    made, _ = compiled(loop(9), (f32(50),), jax_tt_no="fuse_turns")
    assert "until" not in made.as_text() and "do (9 times)" in made.as_text()
    once, _ = compiled(loop(1), (f32(50),), jax_tt_no="fuse_turns")
    assert made.cost_analysis()["cycles"] > 5 * once.cost_analysis()["cycles"]
    _, none = compiled(loop(-1), (np.ones(50, np.float32),))
    np.testing.assert_array_equal(none, 1)


@pytest.mark.parametrize("start", [0, 1, 7, 100])
def test_a_write_into_a_slice_is_a_result_of_what_makes_it(start):
    def function(a, x, i):
        y = jnp.tanh(x) * 2
        return lax.dynamic_update_slice(a, y, (i, 0)), y

    args = f32(9, 40), f32(2, 40), np.int32(start)
    made, got = compiled(function, args)
    _, apart = compiled(function, args, jax_tt_no="fuse_writes")
    for a, b in zip(got, apart, strict=True):
        assert a.tobytes() == b.tobytes()
    close(got, jax.jit(function)(*jax.device_put(args, jax.devices("cpu")[0])), 1e-6)
    assert "write_view" not in made.as_text()


@pytest.mark.parametrize(
    "function,args",
    [
        (lambda x, y: (x @ y).transpose(1, 0, 2), (f32(3, 40, 50), f32(3, 50, 60))),
        (lambda x, y: (x @ y).transpose(2, 0, 1), (f32(3, 40, 50), f32(3, 50, 60))),
        (lambda x, y: (x @ y).reshape(40, 4, 15).transpose(1, 0, 2), (f32(40, 50), f32(50, 60))),
        (lambda x, y: jnp.tanh(x + y).T, (f32(40, 50), f32(40, 50))),
        (lambda x, y: jnp.tanh(x + y).transpose(1, 2, 0), (bf16(4, 6, 50), bf16(4, 6, 50))),
    ],
)
def test_results_are_transposed_by_what_makes_them(function, args):
    made, got = compiled(function, args)
    apart, copied = compiled(function, args, jax_tt_no="fuse_writes")
    assert got.tobytes() == copied.tobytes()
    close(got, jax.jit(function)(*jax.device_put(args, jax.devices("cpu")[0])), 2e-5 if args[0].dtype == np.float32 else 2e-2)
    assert programs(made) == 1 and programs(apart) == 2
    assert made.cost_analysis()["cycles"] <= apart.cost_analysis()["cycles"]


def test_stacked_results_of_a_scan_are_written_by_what_makes_them():
    def function(xs, c):
        def step(c, x):
            new = jnp.cos(c + x)
            return new, (new, c)

        return lax.scan(step, c, xs)

    args = f32(9, 70), f32(70)
    made, got = compiled(function, args, jax_tt_no="fuse_turns")
    close(got, jax.jit(function)(*jax.device_put(args, jax.devices("cpu")[0])), 1e-5)
    _, apart = compiled(function, args, jax_tt_no="fuse_turns,fuse_writes")
    close(got, apart, 0)
    assert body(made).count("program write_view") == 1  # of the carry as it was: nobody makes it here


# Such as the residuals of a recurrent layer: values that its turn needs, and others that it makes of them for the stacks alone.
def test_what_is_computed_for_stacks_alone_is_computed_beside_the_rest():
    def function(xs, c, w):
        def step(c, x):
            sums = c @ w + x
            new = jnp.tanh(sums)
            return new, (new, sums, 1 - new, jnp.cos(sums) * x, new.T)

        return lax.scan(step, c, xs)

    args = f32(9, 20, 40), f32(20, 40), f32(40, 40) / 8
    made, got = compiled(function, args)
    close(got, jax.jit(function)(*jax.device_put(args, jax.devices("cpu")[0])), 2e-5)
    _, apart = compiled(function, args, jax_tt_no="fuse_writes")
    close(got, apart, 0)
    assert body(made).count("program ") == 1


def two_products(x, w, v):
    return jnp.tanh(x @ w) @ v


def product_of_products(x, w, v):
    return (x @ w) @ (w.T @ v)


# What only products make and read stays in tiles: no rows are made of it and read again.
@pytest.mark.parametrize(
    "function,args,in_tiles",
    [
        (two_products, (f32(64, 96), f32(96, 160), f32(160, 70)), 1),
        (two_products, (bf16(64, 96), bf16(96, 160), bf16(160, 70)), 1),
        (two_products, (f32(3, 64, 96), f32(96, 160), f32(160, 70)), 1),
        (product_of_products, (f32(64, 96), f32(96, 160), f32(96, 64)), 2),
        (product_of_products, (bf16(64, 96), bf16(96, 160), bf16(96, 64)), 1),  # second operands of bf16 have tiles of pairs
        (two_products, (f32(60, 96), f32(96, 160), f32(160, 70)), 0),  # no whole tiles
        (lambda x, w, v: (x @ w, x @ w @ v), (f32(64, 96), f32(96, 160), f32(160, 70)), 0),  # also a result
        (lambda x, w, v: ((x @ w).T @ v, x @ w @ w.T), (f32(64, 96), f32(96, 160), f32(64, 70)), 0),  # read along rows and along columns
    ],
)
def test_values_between_products_stay_in_tiles(function, args, in_tiles):
    made, got = compiled(function, args)
    apart, rows = compiled(function, args, jax_tt_no="assign_layouts")
    for a, b in zip(jax.tree.leaves(got), jax.tree.leaves(rows), strict=True):
        assert a.tobytes() == b.tobytes()
    expected = jax.jit(function)(*jax.device_put(args, jax.devices("cpu")[0]))
    close(got, expected, 2e-5 if args[0].dtype == np.float32 else 3e-2)
    assert made.as_text().count(" TILE\n") == in_tiles, made.as_text()
    assert in_tiles == 0 or made.cost_analysis()["cycles"] <= apart.cost_analysis()["cycles"]


@pytest.mark.parametrize("make", [f32, bf16])
@pytest.mark.parametrize("equation,shape", [("ij,jk->ik", (50, 40)), ("ij,kj->ik", (40, 50)), ("bij,bjk->bik", (3, 50, 40))])
def test_constants_are_brought_to_tiles_when_compiled(make, equation, shape):
    weights = make(*shape)
    x = make(3, 33, 50) if "b" in equation else make(33, 50)
    function = lambda x: jnp.einsum(equation, x, weights)  # noqa: E731
    made, got = compiled(function, (x,))
    apart, rows = compiled(function, (x,), jax_tt_no="assign_layouts")
    assert got.tobytes() == rows.tobytes()
    close(got, jax.jit(function)(jax.device_put(x, jax.devices("cpu")[0])), 2e-5 if make is f32 else 3e-2)
    assert made.as_text().count("constant of") == made.as_text().count(" TILE\n") == 1
    assert "TILE" not in apart.as_text()


def test_constants_that_others_read_too_stay_in_rows_for_them():
    weights, x = f32(50, 40), f32(33, 50)
    function = lambda x: (x @ weights, weights + x[0, 0])  # noqa: E731
    made, got = compiled(function, (x,))
    close(got, jax.jit(function)(jax.device_put(x, jax.devices("cpu")[0])), 2e-5)
    assert made.as_text().count("constant of 8000 bytes\n") == 1 and made.as_text().count("constant of 16384 bytes TILE\n") == 1


def test_programs_that_only_move_data_are_counted():
    made, _ = compiled(lambda x, y: (jnp.sort(x.T, 1), x + y, y[::2]), (f32(70, 40), f32(70, 40)))
    assert "  3 programs, of which 1 only moves data\n" in made.as_text(), made.as_text()
    made, _ = compiled(lambda x: x + 1, (f32(70, 40),))
    assert "  1 program, of which 0 only move data\n" in made.as_text()


def test_an_index_that_is_made_beside_what_it_places_is_there_before():
    def function(c, xs):
        def step(turn, carry):
            c, stacked = carry
            at = 2 - turn  # one program makes it and the scalar that goes there
            c = -0.9 * c
            return c, lax.dynamic_update_slice(stacked, c[None], (at,))

        return lax.fori_loop(0, 3, step, (c, xs))

    args = np.float32(1.5), f32(3)
    _, got = compiled(function, args)
    close(got, jax.jit(function)(*jax.device_put(args, jax.devices("cpu")[0])), 1e-6)


def test_an_array_that_a_loop_reads_and_writes_is_not_copied_in_every_turn():
    def function(x, c):
        def turn(i, s):
            new = jnp.cos(lax.dynamic_index_in_dim(s[0], i, 0, False) + s[1])
            return lax.dynamic_update_index_in_dim(s[0], new, i, 0), new

        return lax.fori_loop(0, 9, turn, (x, c))

    args = f32(9, 100), f32(100)
    made, got = compiled(function, args)
    apart, expected = compiled(function, args, jax_tt_no="fuse_writes")
    assert all(a.tobytes() == b.tobytes() for a, b in zip(got, expected, strict=True))
    assert body(made).count("program copy") == body(apart).count("program copy")


def test_a_constant_that_several_products_read_is_brought_to_tiles_once():
    weights = f32(64, 64)
    made, _ = compiled(lambda x: jnp.tanh(jnp.tanh(x @ weights) @ weights) @ weights.T, (f32(40, 64),))
    assert made.as_text().count("constant of 16384 bytes TILE\n") == 2  # as it is, and transposed


def test_equal_layers_share_their_programs():
    card = jax.devices("tt")[0]

    def layers(x, weights):
        for w in weights:
            x = x + jax.nn.gelu(x @ w)
        return x

    x, weights = f32(72, 136), [f32(136, 136) / 12 for _ in range(6)]
    before = jax_tt.report().programs_compiled
    compiled = jax.jit(layers).lower(*jax.device_put((x, weights), card)).compile()
    assert "  6 programs, " in compiled.as_text()
    assert jax_tt.report().programs_compiled - before <= 3  # in and out of L1
    again = jax.jit(lambda x, weights: layers(x, weights)).lower(*jax.device_put((x, weights), card)).compile()
    assert jax_tt.report().programs_compiled - before <= 3
    np.testing.assert_array_equal(compiled(*jax.device_put((x, weights), card)), again(*jax.device_put((x, weights), card)))
    np.testing.assert_allclose(again(*jax.device_put((x, weights), card)), layers(x, weights), rtol=2e-4, atol=2e-4)
