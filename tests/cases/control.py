"""Cases of control flow: while, fori, scan, cond, switch, calls and composites."""

import jax
import jax.numpy as jnp
from jax import lax

from tests.cases.case import BOOL, COMPOSED, F32, I32, SUMMED, Case, arg, gradient


def _collatz(n):
    step = lambda c: (jnp.where(c[0] % 2 == 0, c[0] // 2, 3 * c[0] + 1), c[1] + 1)
    return lax.while_loop(lambda c: c[0] != 1, step, (n, jnp.int32(0)))[1]


def _newton(x):
    return lax.while_loop(lambda c: jnp.abs(c * c - x) > 1e-4, lambda c: 0.5 * (c + x / c), x + 1.0)


def _nested(x):
    inner = lambda i, c: lax.fori_loop(0, i, lambda j, d: d + j, c)
    return lax.fori_loop(0, 6, inner, x)


# Weights much beyond 1 would make the recurrence chaotic: one rounding then decides the last steps, on cpu too.
def _recurrence(w, xs):
    return lax.scan(lambda h, x: (jnp.tanh(h @ w + x), h.sum()), jnp.zeros(xs.shape[1]), xs)


def _rotate(xs):
    return lax.fori_loop(0, 5, lambda i, c: (c[1], c[2], c[0]), (xs, xs * 2, xs * 3))


def _branches(i, x):
    return lax.switch(i, (jnp.sin, lambda v: v * 2, lambda v: v - v.mean()), x)


def _scan_of_cond(xs):
    step = lambda c, x: (lax.cond(x > 0, lambda v: v + x, lambda v: v * 0.5, c), c)
    return lax.scan(step, jnp.float32(0), xs)


@jax.jit
def _helper(x):
    return x * 2 + 1


@jax.custom_jvp
def _clipped(x):
    return jnp.clip(x, -1, 1)


_clipped.defjvp(lambda primals, tangents: (_clipped(*primals), tangents[0]))

CASES = [
    Case("while-collatz", "control", _collatz, (arg((), I32, values=27),)),
    Case("while-newton", "control", _newton, (arg((), F32, values=10.0),), COMPOSED, generic=False),
    Case("while-zero-trips", "control", lambda x: lax.while_loop(lambda c: c < 0, lambda c: c + 1, x), (arg((), F32, values=1.0),)),
    Case("while-vmap", "control", jax.vmap(_collatz), (arg((6,), I32, values=[1, 2, 3, 7, 9, 27]),)),
    Case("while-many-steps", "control", lambda n: lax.fori_loop(0, n, lambda i, c: c * 3 + i, jnp.int32(1)), (arg((), I32, values=3000),)),
    Case("fori-array", "control", lambda x: lax.fori_loop(0, 10, lambda i, c: c * 0.5 + i, x), (arg((5, 33)),), COMPOSED),
    Case("fori-nested", "control", _nested, (arg((), I32),)),
    Case("fori-rotating-carry", "control", _rotate, (arg((5, 7)),)),
    Case("fori-update-in-place", "control", lambda x: lax.fori_loop(0, 9, lambda i, c: c.at[i].set(c[i - 1] + 1), x), (arg((10,), I32),)),
    Case("scan", "control", _recurrence, (arg((16, 16), F32, "unit"), arg((12, 16))), "close"),
    Case("scan-grad", "control_grad", gradient(_recurrence), (arg((16, 16), F32, "unit"), arg((12, 16))), "close"),
    Case("scan-reverse", "control", lambda xs: lax.scan(lambda c, x: (c + x, c), jnp.int32(0), xs, reverse=True), (arg((20,), I32),)),
    Case("scan-unrolled", "control", lambda xs: lax.scan(lambda c, x: (c + x, c), jnp.int32(0), xs, unroll=4), (arg((20,), I32),)),
    Case("scan-of-nothing", "control", lambda xs: lax.scan(lambda c, x: (c + x, c), jnp.float32(1), xs), (arg((0,)),)),
    Case("scan-of-cond", "control", _scan_of_cond, (arg((20,)),), COMPOSED, generic=False),
    Case("scan-of-cond-grad", "control_grad", gradient(_scan_of_cond), (arg((20,)),), "close"),
    Case("associative_scan", "control", lambda x: lax.associative_scan(jnp.add, x), (arg((37, 5)),), SUMMED),
    Case("map", "control", lambda x: lax.map(lambda row: jnp.sum(row * row), x), (arg((6, 33)),), SUMMED),
    Case(
        "cond-of-argument",
        "control",
        lambda p, x: lax.cond(p, lambda v: v + 1, lambda v: v * 2, x),
        (arg((), BOOL, values=True), arg((5, 33))),
    ),
    Case(
        "cond-false", "control", lambda p, x: lax.cond(p, lambda v: v + 1, lambda v: v * 2, x), (arg((), BOOL, values=False), arg((5, 33)))
    ),
    Case("cond-grad", "control_grad", gradient(lambda x: lax.cond(x[0] > 0, jnp.sin, lambda v: v * 2, x)), (arg((33,)),), COMPOSED),
    Case(
        "cond-captures",
        "control",
        lambda p, x, y: lax.cond(p, lambda: x + y, lambda: x - y),
        (arg((), BOOL, values=True), arg((9,)), arg((9,))),
    ),
    *(Case(f"switch-{i}", "control", _branches, (arg((), I32, values=i), arg((33,))), COMPOSED) for i in (-1, 0, 1, 2, 7)),
    Case("nested-jit", "control", lambda x: _helper(_helper(x)) + _helper(x), (arg((5, 33)),)),
    Case("custom_jvp", "control_grad", gradient(_clipped), (arg((33,)),)),
    Case("checkpoint", "control_grad", gradient(jax.checkpoint(lambda x: jnp.sin(jnp.sin(x)))), (arg((33,)),), COMPOSED),
    Case("optimization_barrier", "control", lambda x: lax.optimization_barrier(x + 1) * 2, (arg((5, 33)),)),
    Case("dce_sink", "control", lambda x: (lax.dce_sink(jnp.sin(x), prevent_mlir_dce=True), x + 1)[1], (arg((5, 33)),)),
    Case("no-arguments-used", "control", lambda x: jnp.arange(7) * 2, (arg(()),)),
    Case("argument-returned", "control", lambda x, y: (x, y, x), (arg((5, 33)), arg((), I32))),
    Case("constants", "control", lambda x: x + jnp.array([[1.0, -2.5, 3.0]] * 4), (arg((4, 3)),)),
]
