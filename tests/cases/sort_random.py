"""Cases of sorting and of random bits, with the distributions JAX builds on them."""

import jax
import jax.numpy as jnp
from jax import lax

from tests.cases.case import BF16, COMPOSED, F16, F32, I8, I32, I64, U8, U32, Case, arg, given, shape_name

NAN, INF = float("nan"), float("inf")


def _sort_three(keys, values):
    """Several operands, not stable: equal keys may come in any order, but each with its own values."""
    order, first, second = lax.sort((keys, values, keys * 2 + values), num_keys=1, is_stable=False)
    return order, second - first - 2 * order, lax.sort(first)


def _sorts() -> list[Case]:
    cases = []
    for shape, axis in (((1,), 0), ((0,), 0), ((100,), 0), ((33, 65), 0), ((33, 65), 1), ((3, 17, 40), 1), ((5000,), 0)):
        function = lambda x, axis=axis: lax.sort(x, dimension=axis)
        cases.append(Case(f"sort-{shape_name(shape)}-axis{axis}", "sort", function, (arg(shape),)))
    for dtype in (BF16, F16, I8, I32, I64, U8, U32):
        draw = "normal" if dtype in (BF16, F16) else "full"
        cases.append(Case(f"sort-{dtype}", "sort", lambda x: lax.sort(x), (arg((5, 70), dtype, draw),)))
        cases.append(Case(f"argsort-{dtype}", "sort", lambda x: jnp.argsort(x, -1), (arg((5, 70), dtype, "few"),)))
    edges = given([3.0, NAN, -INF, 0.0, -0.0, INF, NAN, 1.0], F32)
    keys, values = arg((5, 70), I32, "few"), arg((5, 70))
    table = (
        ("sort-edges", lambda x: lax.sort(x), (edges,)),
        ("argsort-edges", lambda x: jnp.argsort(x), (edges,)),
        ("sort-descending", lambda x: jnp.sort(x, descending=True), (values,)),
        ("argsort-descending", lambda x: jnp.argsort(x, descending=True), (keys,)),
        ("sort-with-values", lambda k, v: lax.sort((k, v), num_keys=1), (keys, values)),
        ("sort-two-keys", lambda k, v: lax.sort((k, v, v * 2), num_keys=2), (keys, values)),
        ("stable", lambda k: lax.sort((k, lax.broadcasted_iota(I32, k.shape, 1)), num_keys=1, is_stable=True), (keys,)),
        ("unstable", _sort_three, (keys, arg((5, 70), I32))),
        ("unstable-with-ties", lambda k: lax.sort((k, k * 3), num_keys=1, is_stable=False), (keys,)),
        ("top_k", lambda x: lax.top_k(x, 5), (values,)),
        ("top_k-ties", lambda x: lax.top_k(x, 9), (keys,)),
        ("top_k-all", lambda x: lax.top_k(x, 70), (values,)),
        ("median", lambda x: jnp.median(x, axis=1), (values,)),
        ("searchsorted", lambda x, v: jnp.searchsorted(jnp.sort(x), v), (arg((50,)), arg((20,)))),
        ("unique", lambda x: jnp.unique(x, size=10), (arg((60,), I32, "few"),)),
        ("sort-grad", jax.grad(lambda x: jnp.sum(jnp.sort(x, 1) * jnp.arange(70.0))), (values,)),
    )
    return cases + [Case(name, "sort", function, case_args) for name, function, case_args in table]


# name, function of a key, judged by
DRAWS = (
    ("bits-uint8", lambda k: jax.random.bits(k, (33, 65), "uint8"), "exact"),
    ("bits-uint32", lambda k: jax.random.bits(k, (33, 65)), "exact"),
    ("bits-odd", lambda k: jax.random.bits(k, (7,)), "exact"),
    ("uniform", lambda k: jax.random.uniform(k, (33, 65)), "exact"),
    ("uniform-bfloat16", lambda k: jax.random.uniform(k, (33, 65), "bfloat16"), "exact"),
    ("uniform-range", lambda k: jax.random.uniform(k, (100,), minval=-2.0, maxval=3.0), COMPOSED),
    ("normal", lambda k: jax.random.normal(k, (33, 65)), COMPOSED),
    ("normal-bfloat16", lambda k: jax.random.normal(k, (33, 65), "bfloat16"), COMPOSED),
    ("truncated_normal", lambda k: jax.random.truncated_normal(k, -2.0, 2.0, (33, 65)), COMPOSED),
    ("randint", lambda k: jax.random.randint(k, (33, 65), -5, 1000), "exact"),
    ("bernoulli", lambda k: jax.random.bernoulli(k, 0.3, (33, 65)), "exact"),
    ("permutation", lambda k: jax.random.permutation(k, 100), "exact"),
    ("permutation-rows", lambda k: jax.random.permutation(k, jnp.arange(60).reshape(20, 3)), "exact"),
    ("choice", lambda k: jax.random.choice(k, 50, (20,), replace=False), "exact"),
    ("categorical", lambda k: jax.random.categorical(k, jnp.log(jnp.arange(1.0, 9.0)), shape=(200,)), "exact"),
    ("gumbel", lambda k: jax.random.gumbel(k, (100,)), COMPOSED),
    ("exponential", lambda k: jax.random.exponential(k, (100,)), COMPOSED),
    ("gamma", lambda k: jax.random.gamma(k, 2.5, (20,)), "close"),
    ("poisson", lambda k: jax.random.poisson(k, 3.0, (20,)), "exact"),
    ("split", lambda k: jax.random.key_data(jax.random.split(k, 5)), "exact"),
    ("fold_in", lambda k: jax.random.key_data(jax.random.fold_in(k, 17)), "exact"),
)


def _draws() -> list[Case]:
    cases = []
    seed = arg((), U32, values=42)
    for kind in ("threefry2x32", "rbg"):
        for name, draw, check in DRAWS:
            if (name, kind) == ("poisson", "rbg"):
                continue  # JAX itself has no such sampler
            function = lambda s, draw=draw, kind=kind: draw(jax.random.key(s, impl=kind))
            cases.append(Case(f"{name}-{kind}", "random", function, (seed,), check, generic=False))
    large = lambda s: jax.random.normal(jax.random.key(s), (300, 1000))
    cases.append(Case("normal-large", "random", large, (seed,), COMPOSED, generic=False))
    return cases


CASES = [
    *_sorts(),
    *_draws(),
    Case("approx_max_k", "sort", lambda x: lax.approx_max_k(x, 7), (arg((5, 300)),), "exact"),
    Case("approx_min_k", "sort", lambda x: lax.approx_min_k(x, 3, reduction_dimension=0), (arg((20, 33)),), "exact"),
]
