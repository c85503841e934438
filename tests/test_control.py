"""Loops on the card: which become one kernel, and that they compute what the general loop does."""

import re

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
    vector = jax.jit(function, compiler_options={"jax_tt_no": "fuse_turns"}).lower(scalar.reshape(1)).compile()
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


def _scan(**options):
    def function(xs, c):
        def step(c, x):
            new = jnp.cos(c + x)
            return new, (new * 2, new[0])

        return lax.scan(step, c, xs, **options)

    return function


def _filled(turns, write):
    """A loop over an array that starts full of sevens: what no turn writes shows."""

    def function(xs, c):
        return lax.fori_loop(0, turns, lambda i, s: (write(s[0], i, jnp.cos(s[1])), jnp.cos(s[1])), (jnp.full((8, 70), 7.0), c))

    return function


def _row(a, i, x):
    return lax.dynamic_update_index_in_dim(a, x, i, 0)


def _two_rows(a, i, x):
    return _row(_row(a, 2 * i, x), 2 * i + 1, x + 1)


def _read_first(a, i, x):
    return _row(a, i, x + a[3])


def _read_after(a, i, x):
    new = _row(a, i, x)
    return lax.dynamic_update_slice(new, new[7:8] + 1, (i, 0))


def _nested(xs, c):
    return lax.scan(lambda c, x: lax.scan(lambda c, y: (jnp.cos(c + y), c + y), c, xs * x[0]), c, xs)


def _gradient(xs, c):
    return jax.grad(lambda xs, c: sum((a**2).sum() for a in jax.tree.leaves(_scan()(xs, c))), (0, 1))(xs, c)


def _mapped(xs, c):
    return jax.vmap(_scan(), in_axes=(1, None), out_axes=1)(xs.reshape(8, 2, 35), c[:35])


def _of_integers(xs, c):
    return lax.scan(lambda c, x: (c * 3 + x, (c ^ x, c > x)), (c * 100).astype(jnp.int8), (xs * 100).astype(jnp.int8))


# name, function, how many turns, arrays that are filled before the loop
STACKS = [
    ("scan", _scan(), 8, 0),
    ("reversed", _scan(reverse=True), 8, 0),
    ("unrolled", _scan(unroll=2), 8, 0),
    ("unrolled_with_a_rest", _scan(unroll=3, reverse=True), 8, 0),
    ("of_one_turn", _scan(), 1, 0),
    ("of_no_turn", _scan(), 0, 0),
    ("nested", _nested, 8, 0),
    ("gradient", _gradient, 8, 0),
    ("mapped", _mapped, 8, 0),
    ("of_integers", _of_integers, 8, 0),
    ("rows", _filled(8, _row), 8, 0),
    ("more_turns_than_rows", _filled(11, _row), 8, 0),  # clamped to the last
    ("two_rows_a_turn", _filled(4, _two_rows), 8, 0),
    ("from_the_end", _filled(8, lambda a, i, x: _row(a, 7 - i, x)), 8, 0),
    ("after_a_choice", _filled(8, lambda a, i, x: _row(a, jnp.where(i < 4, 7 - i, i - 4), x)), 8, 0),
    ("in_columns", _filled(7, lambda a, i, x: lax.dynamic_update_slice(a, jnp.tile(x[:10], (8, 1)), (0, i * 10))), 8, 0),
    ("wholly", _filled(3, lambda a, i, x: lax.dynamic_update_slice(a, jnp.tile(x, (8, 1)), (i, 0))), 8, 0),
    ("no_turn", _filled(0, _row), 8, 1),
    ("rows_left_out", _filled(7, _row), 8, 1),
    ("every_second_row", _filled(4, lambda a, i, x: _row(a, i * 2, x)), 8, 1),
    ("starts_that_are_clamped", _filled(8, lambda a, i, x: _row(a, i + 1, x)), 8, 1),
    ("rows_that_data_picks", _filled(8, lambda a, i, x: _row(a, x[0].astype(int) + i, x)), 8, 1),
    ("columns_left_out", _filled(8, lambda a, i, x: lax.dynamic_update_slice(a, x[None, :69], (i, 0))), 8, 1),
    ("conditionally", _filled(8, lambda a, i, x: lax.cond(x[0] > 0.8, lambda: _row(a, i, x), lambda: a)), 8, 1),
    ("that_the_body_reads", _filled(8, _read_first), 8, 1),
    ("that_the_body_reads_after_its_write", _filled(8, _read_after), 8, 1),
    ("in_another_order", _filled(8, lambda a, i, x: _row(a, i, x)[::-1]), 8, 1),
]


@pytest.mark.parametrize("name,function,turns,fills", STACKS, ids=[case[0] for case in STACKS])
def test_what_a_loop_writes_wholly_is_not_filled_before_it(name, function, turns, fills):
    rng = np.random.default_rng(1)
    args = rng.standard_normal((turns, 70)).astype(np.float32), rng.standard_normal(70).astype(np.float32)
    on_card = jax.device_put(args, jax.devices("tt")[0])
    left_out = "fuse_turns", "fuse_turns,skip_fills"
    made, filled = (jax.jit(function, compiler_options={"jax_tt_no": o}).lower(*on_card).compile() for o in left_out)
    got, expected, cpu = made(*on_card), filled(*on_card), jax.jit(function)(*jax.device_put(args, jax.devices("cpu")[0]))
    for one, other, reference in zip(*map(jax.tree.leaves, (got, expected, cpu)), strict=True):
        assert np.asarray(one).tobytes() == np.asarray(other).tobytes()
        np.testing.assert_allclose(np.asarray(one, np.float64), np.asarray(reference, np.float64), rtol=1e-4, atol=1e-5)
    assert _fills(made) == fills, made.as_text()


def _fills(made):
    """Arrays of which programs make constants; counters are no arrays."""
    total = 0
    for program in re.split(r"^ *run\(", made.as_text(), flags=re.MULTILINE):
        if "program copy" in program and "fill_tile" in program:
            total += len(re.findall(r"-> slot \d+ \w+ \+0 \[.+\]", program))
    return total


def _transposed(function, *permutations):
    def turned(xs, c):
        c, stacks = function(xs, c)
        return c, [s if p is None else jnp.transpose(s, p) for s, p in zip(jax.tree.leaves(stacks), permutations, strict=True)]

    return turned


def _stacked(write=lambda c: (c, c * 2), **options):
    def function(xs, c):
        def step(c, x):
            c = jnp.cos(c + x)
            return c, write(c)

        return lax.scan(step, c, xs, **options)

    return function


def _reads_its_stack(xs, c):
    def turn(i, s):
        new = jnp.cos(s[1] + xs[i]) + s[0][0]
        return lax.dynamic_update_index_in_dim(s[0], new, i, 0), new

    stack, c = lax.fori_loop(0, len(xs), turn, (jnp.full(xs.shape, 7.0), c))
    return c, stack


def _writes_some(xs, c):
    def turn(i, s):
        new = jnp.cos(s[1] + xs[i])
        return lax.dynamic_update_index_in_dim(s[0], new, i * 2, 0), new

    stack, c = lax.fori_loop(0, len(xs) // 2, turn, (jnp.full(xs.shape, 7.0), c))
    return c, stack


def _layers(xs, c):
    inner = lambda c, x: (jnp.cos(c + x), c + x)  # noqa: E731

    def outer(c, x):
        c, stack = lax.scan(inner, c, xs * x[0, 0])
        return c, stack.transpose(1, 0, 2)

    return lax.scan(outer, c, xs)


def _gradient_of_a_stack(xs, c):
    def loss(xs, c):
        _, ys = _stacked(lambda c: c)(xs.transpose(1, 0, 2), c)
        return (ys.transpose(1, 0, 2) ** 2).sum()

    return c, jax.grad(loss)(xs.transpose(1, 0, 2), c)


_SWAP = (1, 0, 2)

# name, function, length and type of the sequence, programs that go
TRANSPOSED = [
    ("one", _transposed(_stacked(lambda c: c), _SWAP), 9, "float32", 1),
    ("two", _transposed(_stacked(), _SWAP, _SWAP), 9, "float32", 1),
    ("one_of_two", _transposed(_stacked(), None, _SWAP), 9, "float32", 1),
    ("with_their_sequence_reversed", _transposed(_stacked(reverse=True), _SWAP, _SWAP), 9, "float32", 1),
    ("of_pairs", _transposed(_stacked(lambda c: (c, jnp.stack([c, c * 2]))), _SWAP, (1, 2, 0, 3)), 9, "float32", 1),
    ("unrolled", _transposed(_stacked(unroll=3), _SWAP, _SWAP), 9, "float32", 0),  # a reshape comes first
    ("of_one_turn", _transposed(_stacked(), _SWAP, _SWAP), 1, "float32", 0),  # JAX has no loop for them
    ("of_no_turn", _transposed(_stacked(), _SWAP, _SWAP), 0, "float32", 0),
    ("narrow", _transposed(_stacked(), _SWAP, _SWAP), 9, "bfloat16", 0),  # rows too short
    ("in_columns", _transposed(_stacked(), (1, 2, 0), (2, 1, 0)), 9, "float32", 0),
    ("that_the_body_reads", _transposed(_reads_its_stack, _SWAP), 9, "float32", 0),
    ("in_part", _transposed(_writes_some, _SWAP), 8, "float32", 1),
    ("in_a_loop", _transposed(_layers, (1, 0, 2, 3)), 9, "float32", 1),
    ("of_a_gradient", _gradient_of_a_stack, 9, "float32", 1),
]


@pytest.mark.parametrize("name,function,length,dtype,fewer", TRANSPOSED, ids=[case[0] for case in TRANSPOSED])
def test_a_stack_that_only_a_transpose_reads_is_written_in_that_order(name, function, length, dtype, fewer):
    rng = np.random.default_rng(2)
    args = rng.standard_normal((length, 5, 70)).astype(dtype), rng.standard_normal((5, 70)).astype(dtype)
    on_card = jax.device_put(args, jax.devices("tt")[0])
    left_out = "fuse_turns", "fuse_turns,transpose_stacks"
    made, apart = (jax.jit(function, compiler_options={"jax_tt_no": o}).lower(*on_card).compile() for o in left_out)
    got, expected, cpu = made(*on_card), apart(*on_card), jax.jit(function)(*jax.device_put(args, jax.devices("cpu")[0]))
    bound = 1e-4 if dtype == "float32" else 0.1
    for one, other, reference in zip(*map(jax.tree.leaves, (got, expected, cpu)), strict=True):
        assert np.asarray(one).tobytes() == np.asarray(other).tobytes()
        np.testing.assert_allclose(np.asarray(one, np.float64), np.asarray(reference, np.float64), rtol=bound, atol=bound)
    programs = [len(re.findall(r"^ *program ", text.as_text(), re.MULTILINE)) for text in (made, apart)]
    assert programs[1] - programs[0] == fewer, made.as_text()


def test_results_of_a_loop_are_not_copied_onto_themselves():
    args = jax.device_put((np.ones((9, 5, 70), np.float32), np.ones((5, 70), np.float32)), jax.devices("tt")[0])
    text = jax.jit(_stacked(), compiler_options={"jax_tt_no": "fuse_turns"}).lower(*args).compile().as_text()
    assert "run(" not in text[text.index("\n  }\n") :], text


def _counts(turns, dtype, start=0, step=1):
    """All ways to read a counter: elementwise, as an index, as a selector, from an inner loop, and after the last turn."""

    def function(x):
        limit = np.asarray(start + turns * step, dtype)

        def inner(i):
            return lax.fori_loop(0, 3, lambda j, c: jnp.cos(c[::-1] + i + j), x)

        def body(state):
            i, previous, total = state
            chosen = lax.switch(i % 3, [lambda c: c + 1, lambda c: c * 2, lambda c: c[::-1]], total)
            row = lax.dynamic_index_in_dim(inner(i), i, keepdims=False)
            return i + np.asarray(step, dtype), i, chosen + row * i.astype(x.dtype)

        return lax.while_loop(lambda s: s[0] < limit, body, (np.asarray(start, dtype), np.asarray(7, dtype), x))

    return function


@pytest.mark.parametrize(
    "function",
    [_counts(5, "int32"), _counts(4, "int32", -5, 2), _counts(6, "uint8", 230, 4), _counts(3, "int16", 1), _counts(0, "int32", 3)],
    ids=["int32", "steps", "uint8", "int16", "never"],
)
def test_the_dispatch_core_counts(function):
    x = np.linspace(-1, 1, 50, dtype=np.float32)
    made = jax.jit(function).lower(jax.device_put(x, jax.devices("tt")[0])).compile()
    assert re.search(r"do \(\d times\), %\d+ from ", made.as_text()) and "until" not in made.as_text()
    cpu = jax.jit(function)(jax.device_put(x, jax.devices("cpu")[0]))
    for got, expected in zip(made(x), cpu, strict=True):
        assert got.dtype == expected.dtype
        np.testing.assert_allclose(got, expected, rtol=2e-5, atol=1e-5)


def test_a_counter_takes_no_program():
    def body(function):
        text = jax.jit(function).lower(jax.device_put(np.ones((9, 32, 32), np.float32), jax.devices("tt")[0])).compile().as_text()
        return re.search(r"do \(9 times\)(.*?) \{\n(.*?)\n  \}\n", text, re.DOTALL).groups()

    counters, steps = body(lambda x: lax.scan(lambda c, y: (jnp.tanh(c @ c), y + c), x[0], x))
    assert counters.count(" from 0 by 1") == 1 and steps.count("program ") == 2
    counters, steps = body(lambda x: lax.fori_loop(0, 9, lambda i, c: jnp.tanh(c @ c), x[0]))  # nobody asks
    assert counters == "" and steps.count("program ") == 1


def _branch(x, i, flag):
    chosen = lax.cond(flag, lambda x: x.at[i].set(7), lambda x: x * 2, x)
    return i + 7, chosen.at[i + 1].set(7)


def _loop(x, i, limit):
    changed = lax.while_loop(lambda c: c[0] < limit, lambda c: (c[0] + 1, c[1].at[c[0]].set(7)), (0, x))[1]
    return i + 7, changed.at[i + 1].set(7)


def _condition(x, i, limit):
    def goes_on(c):
        return (c[1].at[c[0]].set(7).sum() < limit) & (c[0] < 3)

    return i + 7, lax.while_loop(goes_on, lambda c: (c[0] + 1, c[1].at[c[0] + i].set(7)), (0, x))[1].at[i + 1].set(7)


def _captured(x, i, flag):
    turned = x.reshape(2, 2).T
    chosen = lax.cond(flag, lambda: jnp.sort(turned.reshape(4)[::-1]), lambda: x)
    return chosen, turned.reshape(4)[::-1].at[i].set(7)


@pytest.mark.parametrize("function", [_branch, _loop, _condition, _captured])
@pytest.mark.parametrize("last", [0, 1, 2, 40])
def test_what_a_region_stores_of_outer_values_is_its_own(function, last):
    arguments = np.arange(4, dtype=np.int32), np.int32(1), np.bool_(last) if function in (_branch, _captured) else np.int32(last)
    cpu, card = (jax.jit(function)(*jax.device_put(arguments, jax.devices(platform)[0])) for platform in ("cpu", "tt"))
    for got, expected in zip(card, cpu, strict=True):
        np.testing.assert_array_equal(got, expected)


def advance(turn, carry):
    done, previous, total = carry
    new = previous * 2
    return done + 1, new, jnp.cumsum(new, 0) + previous  # by two programs: the second reads what the first replaces


def with_many_results(turn, carry):
    done, previous, total = carry
    many = [jnp.sin(previous + i) for i in range(16)]
    return done + 1, previous * 2, sum(many) + jnp.sort(previous) + total


def made_before(turn, carry):
    done, previous, total = carry
    made = jnp.cumsum(previous, 0)
    return lax.cond(done >= 100, lambda: (done, made, total), lambda: (done + 1, made * 2, jnp.cumsum(made * 2, 0) + made))


def keep(turn, carry):
    return carry


def keep_one(turn, carry):
    return carry[0] + 2, carry[1], carry[2] - 1


def choose(*choices):
    return lambda turn, carry: lax.switch(carry[0].astype(jnp.int32) % len(choices), choices, turn, carry)


# Branches that leave what a turn carries as it is, beside others that replace it before they have read it for the last time.
@pytest.mark.parametrize(
    "turn",
    [
        advance,
        choose(advance, keep),
        choose(keep, advance),
        choose(advance, keep_one),
        choose(keep_one, advance, keep),
        choose(with_many_results, keep),
        made_before,
        lambda turn, carry: lax.cond(carry[0] >= 100, keep, advance, turn, carry),
        lambda turn, carry: lax.cond(carry[0] >= 100, keep, lambda t, c: lax.fori_loop(0, 2, advance, c), turn, carry),
        lambda turn, carry: lax.cond(carry[0] >= 100, keep, choose(keep, advance, keep_one), turn, carry),
    ],
)
@pytest.mark.parametrize("shape", [(50,), (40, 40)])
def test_a_branch_that_keeps_a_carried_value_leaves_it_to_the_others(turn, shape):
    def function(done, previous, total):
        return lax.fori_loop(0, 5, turn, (done, previous, total))

    args = np.float32(0), np.ones(shape, np.float32), np.zeros(shape, np.float32)
    got = jax.jit(function)(*jax.device_put(args, jax.devices("tt")[0]))
    expected = jax.jit(function)(*jax.device_put(args, jax.devices("cpu")[0]))
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=2e-6), got, expected)


def test_a_branch_that_keeps_a_carried_value_copies_nothing():
    def function(x):
        return lax.fori_loop(0, 9, lambda i, x: lax.cond(x[0, 0] > 0, lambda x: x * 2, lambda x: x, x), x)

    made = jax.jit(function).lower(jax.device_put(np.ones((40, 40), np.float32), jax.devices("tt")[0])).compile()
    loop = made.as_text()[made.as_text().index("do (9 times)") :].split("\n  }\n")[0]
    assert "mul_binary_tile" in loop and "program copy" not in loop
