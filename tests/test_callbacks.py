"""Callbacks into Python from programs on the card: values, order, errors, and what the compiler leaves alone."""

import gc
import weakref

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest
from jax import lax
from jax.experimental import checkify, io_callback

TT = jax.devices("tt")[0]


def on_card(*arrays):
    return jax.device_put(arrays, TT)


def like(x):
    return jax.ShapeDtypeStruct(x.shape, x.dtype)


@pytest.mark.parametrize("dtype", [np.bool_, np.int8, np.uint16, np.int32, np.float16, ml_dtypes.bfloat16, np.float32, np.complex64])
def test_arrays_go_out_and_come_back_as_they_are(dtype):
    x = np.arange(-6, 6).reshape(3, 4).astype(dtype)
    seen = []

    def swap(a, b):
        seen.append((np.asarray(a), np.asarray(b)))
        return b, a

    a, b = on_card(x, x.T)
    got = jax.jit(lambda a, b: jax.pure_callback(swap, (like(b), like(a)), a, b))(a, b)
    for result, expected in zip((*got, *seen[0]), (x.T, x, x, x.T), strict=True):
        assert result.dtype == x.dtype
        np.testing.assert_array_equal(np.asarray(result), expected)


def test_what_goes_out_is_computed_and_what_comes_back_is_used():
    def f(x):
        y = -(x @ x.T)
        return jax.pure_callback(lambda a: np.sort(a), like(y), y) * 2

    (x,) = on_card(np.arange(2000, dtype=np.float32).reshape(40, 50))
    expected = np.sort(-(np.asarray(x) @ np.asarray(x).T)) * 2
    np.testing.assert_allclose(np.asarray(jax.jit(f)(x)), expected, rtol=1e-6)


def test_scalars_and_arrays_of_no_elements():
    x, none = on_card(np.float32(3), np.zeros((0, 4), np.int32))
    got, empty = jax.jit(lambda x, n: jax.pure_callback(lambda x, n: (x + n.size, n), (like(x), like(n)), x, n))(x, none)
    assert float(got) == 3 and empty.shape == (0, 4)


def test_ordered_calls_keep_their_order_in_loops_and_branches():
    log = []

    def body(i, c):
        io_callback(lambda i, s: log.append((int(i), float(s))), None, i, c.sum(), ordered=True)
        return lax.cond(
            i % 2 == 0,
            lambda c: (io_callback(lambda: log.append("even"), None, ordered=True), c + 1)[1],
            lambda c: c * 2,
            c,
        )

    (x,) = on_card(np.ones(3, np.float32))
    jax.jit(lambda x: lax.fori_loop(0, 4, body, x))(x).block_until_ready()
    jax.effects_barrier()
    assert log == [(0, 3.0), "even", (1, 6.0), (2, 12.0), "even", (3, 15.0)]


def test_calls_of_a_block_are_in_the_order_of_the_program():
    log = []

    def f(x):
        for i in range(5):
            y = x if i % 2 else jnp.tanh(x).sum(0)
            jax.debug.callback(lambda a, i=i: log.append((i, np.shape(a))), y)
        return x

    (x,) = on_card(np.ones((3, 4), np.float32))
    jax.jit(f)(x)
    jax.effects_barrier()
    assert [i for i, _ in log] == [0, 1, 2, 3, 4]


def test_prints_that_nobody_waits_for_are_kept(capsys):
    def f(x):
        jax.debug.print("x = {}", x)
        lax.fori_loop(0, 2, lambda i, c: (jax.debug.print("turn {}", i), c)[1], 0)
        lax.cond(x > 2, lambda: jax.debug.print("more"), lambda: jax.debug.print("less"))

    (x,) = on_card(np.float32(3))
    jax.jit(f)(x)
    jax.effects_barrier()
    assert capsys.readouterr().out.splitlines() == ["x = 3.0", "turn 0", "turn 1", "more"]


def test_conditions_of_counted_loops_are_asked_when_they_print(capsys):
    def goes_on(c):
        jax.debug.print("asked {}", c[0])
        return c[0] < 2

    (x,) = on_card(np.ones(3, np.float32))
    got = jax.jit(lambda x: lax.while_loop(goes_on, lambda c: (c[0] + 1, c[1] * 2), (0, x)))(x)
    jax.effects_barrier()
    np.testing.assert_array_equal(np.asarray(got[1]), [4, 4, 4])
    assert capsys.readouterr().out.splitlines() == ["asked 0", "asked 1", "asked 2"]


def test_a_pure_call_that_nobody_reads_is_not_made():
    calls = []
    (x,) = on_card(np.float32(3))
    jax.jit(lambda x: (jax.pure_callback(lambda a: calls.append(a) or a, like(x), x), x + 1)[1])(x).block_until_ready()
    assert calls == []


@pytest.mark.parametrize(
    "function,message",
    [
        (lambda a: [][0], "IndexError: list index out of range"),
        (lambda a: np.zeros(3, np.float32), "(?s)Traceback.*shape"),
        (lambda a: np.zeros((2, 2), np.int32), "(?s)Traceback.*dtype"),
        (lambda a: (a, a), "(?s)Traceback.*(structure|Mismatched)"),
    ],
)
def test_errors_name_the_line_of_the_callback_and_the_next_program_runs(function, message):
    (x,) = on_card(np.ones((2, 2), np.float32))
    with pytest.raises((jax.errors.JaxRuntimeError, RuntimeError), match=message):
        jax.jit(lambda x: jax.pure_callback(function, like(x), x) + 1)(x).block_until_ready()
    assert float(jax.jit(lambda x: x.sum() * 3)(x)) == 12


def test_long_errors_keep_their_end():
    def fails(a):
        raise ValueError("äß" * 50_001 + " the end")

    (x,) = on_card(np.float32(1))
    with pytest.raises(jax.errors.JaxRuntimeError, match="the end"):
        jax.jit(lambda x: jax.pure_callback(fails, like(x), x))(x).block_until_ready()


def test_a_callback_may_use_the_card_itself():
    (x,) = on_card(np.arange(3, dtype=np.float32))
    double = jax.jit(lambda a: a * 2)

    def function(a):
        return np.asarray(double(jax.device_put(np.asarray(a), TT)))

    got = jax.jit(lambda x: jax.pure_callback(function, like(x), x) + 1)(x)
    np.testing.assert_array_equal(np.asarray(got), [1, 3, 5])


def test_checks_fail_with_their_message():
    def f(x):
        checkify.check(x > 0, "x must be positive, is {x}", x=x)
        return jnp.log(x)

    good, bad = on_card(np.float32(2), np.float32(-2))
    error, _ = jax.jit(checkify.checkify(f))(good)
    error.throw()
    error, _ = jax.jit(checkify.checkify(f))(bad)
    with pytest.raises(checkify.JaxRuntimeError, match="x must be positive, is -2.0"):
        error.throw()


def test_derivatives_and_batches():
    @jax.custom_jvp
    def sine(x):
        return jax.pure_callback(np.sin, like(x), x, vmap_method="expand_dims")

    sine.defjvp(lambda primals, tangents: (sine(*primals), jnp.cos(primals[0]) * tangents[0]))
    (x,) = on_card(np.linspace(0, 1, 5, dtype=np.float32))
    np.testing.assert_allclose(np.asarray(jax.jit(jax.vmap(jax.grad(sine)))(x)), np.cos(np.asarray(x)), rtol=1e-6)


def test_listings_and_costs_show_the_call():
    (x,) = on_card(np.ones((1000, 1000), np.float32))
    made = jax.jit(lambda x: jax.pure_callback(np.negative, like(x), x)).lower(x).compile()
    assert "program python_callback on the host" in made.as_text()
    assert made.cost_analysis()["bytes accessed"] == 8e6
    assert made.cost_analysis()["cycles"] == pytest.approx(8e6 / 32e9 * 1.2e9)  # over PCIe


def test_functions_live_as_long_as_a_program_may_call_them():
    from jax_tt import _callbacks

    class Function:
        def __call__(self, a):
            return a + 1

    function = Function()
    gone = weakref.ref(function)
    (x,) = on_card(np.zeros(3_000_000, np.float32))  # so that the program is queued
    got = jax.jit(lambda x, function=function: jax.pure_callback(function, like(x), jnp.sin(x)))(x)
    del function
    jax.clear_caches()
    gc.collect()
    assert float(got[0]) == 1
    del got
    for _ in range(2):
        jax.clear_caches()
        gc.collect()
        _callbacks._drop_forgotten()
    assert gone() is None
