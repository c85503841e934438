"""Cases that reduce or accumulate along axes: sums, extremes, logic, arg-reductions, cumulative ops, norms."""

import jax
import jax.numpy as jnp
from jax import lax

from tests.cases.case import (
    BF16,
    BOOL,
    COMPOSED,
    EQUAL,
    F16,
    F32,
    F64,
    I8,
    I32,
    I64,
    SUMMED,
    U8,
    U32,
    Case,
    arg,
    given,
    gradient,
    shape_name,
)

NAN, INF = float("nan"), float("inf")

# name, function of (x, axes), judged by
FLOAT_REDUCTIONS = (
    ("sum", lambda x, axes: jnp.sum(x, axes), SUMMED),
    ("mean", lambda x, axes: jnp.mean(x, axes), SUMMED),
    ("max", lambda x, axes: jnp.max(x, axes), EQUAL),
    ("min", lambda x, axes: jnp.min(x, axes), EQUAL),
    ("prod", lambda x, axes: jnp.prod(x, axes), COMPOSED),
)
SHAPES_AND_AXES = (
    ((7,), (0,)),
    ((33, 65), (0,)),
    ((33, 65), (1,)),
    ((33, 65), (0, 1)),
    ((3, 17, 40), (1,)),
    ((3, 17, 40), (0, 2)),
    ((2, 3, 4, 5, 6), (1, 3)),
    ((1, 1), (0,)),
)


def _reductions() -> list[Case]:
    cases = []
    for name, function, check in FLOAT_REDUCTIONS:
        draw = "unit" if name == "prod" else "normal"
        for shape, axes in SHAPES_AND_AXES:
            bound = lambda x, function=function, axes=axes: function(x, axes)
            title = f"{name}-{shape_name(shape)}-over{''.join(map(str, axes))}"
            cases.append(Case(f"{title}-float32", "reduce", bound, (arg(shape, F32, draw),), check))
        bound = lambda x, function=function: function(x, (1,))
        for dtype in (BF16, F16, F64):
            cases.append(Case(f"{name}-{dtype}", "reduce", bound, (arg((33, 65), dtype, draw),), check))
        if name != "prod":
            cases.append(Case(f"{name}-large", "reduce", bound, (arg((300, 2000), F32),), check))
        case_args = (arg((5, 33), F32, "normal"),)
        cases.append(Case(f"{name}-grad", "reduce_grad", gradient(bound), case_args, COMPOSED))
        edges = given([[1.0, NAN, 3.0, 2.0], [INF, 1.0, 2.0, 0.5], [-INF, -1.0, -2.0, 3.0], [-0.0, 0.0, -0.0, 0.0]], F32)
        cases.append(Case(f"{name}-edges", "reduce", bound, (edges,), EQUAL))
    empty = arg((0, 5))
    cases.append(Case("sum-of-nothing", "reduce", lambda x: jnp.sum(x, 0), (empty,)))
    cases.append(Case("sum-to-nothing", "reduce", lambda x: jnp.sum(x, 1), (empty,)))
    for dtype in (I8, I32, I64, U8, U32):
        for name, function in (("sum", jnp.sum), ("max", jnp.max), ("min", jnp.min), ("prod", jnp.prod)):
            bound = lambda x, function=function, dtype=dtype: function(x, 1).astype(dtype)
            cases.append(Case(f"{name}-{dtype}", "reduce", bound, (arg((33, 65), dtype, "full"),)))
    for name, function in (("any", jnp.any), ("all", jnp.all), ("count", jnp.count_nonzero)):
        bound = lambda x, function=function: function(x, axis=1)
        cases.append(Case(f"{name}-bool", "reduce", bound, (arg((33, 3), BOOL),)))
    xor = lambda x: lax.reduce(x, jnp.uint32(0), lax.bitwise_xor, (0,))
    cases.append(Case("xor-uint32", "reduce", xor, (arg((33, 65), U32, "full"),)))
    return cases


def _several_operands(x: jax.Array, y: jax.Array) -> tuple[jax.Array, jax.Array]:
    """The greatest x of each row and the y beside it: a reduction with a region of our own."""

    def region(left, right):
        keep = left[0] >= right[0]
        return lax.select(keep, left[0], right[0]), lax.select(keep, left[1], right[1])

    return lax.reduce((x, y), (jnp.float32(-INF), jnp.int32(-1)), region, (1,))


def _arg_reductions() -> list[Case]:
    cases = []
    for name, function in (("argmax", jnp.argmax), ("argmin", jnp.argmin)):
        for shape, axis in (((7,), 0), ((33, 65), 0), ((33, 65), 1), ((3, 17, 40), 1)):
            bound = lambda x, function=function, axis=axis: function(x, axis)
            for dtype in (F32, BF16, I32):
                title = f"{name}-{shape_name(shape)}-axis{axis}-{dtype}"
                cases.append(Case(title, "argreduce", bound, (arg(shape, dtype, "few"),)))
        ties = given([[1.0, 2.0, 2.0], [NAN, 5.0, NAN], [INF, INF, 0.0]], F32)
        cases.append(Case(f"{name}-ties-and-nan", "argreduce", lambda x, f=function: f(x, 1), (ties,)))
    case_args = (arg((33, 65)), arg((33, 65), I32))
    cases.append(Case("two-operands", "argreduce", _several_operands, case_args))
    moments = lambda x: lax.reduce((x, x * x), (0.0, 0.0), lambda a, b: (a[0] + b[0], a[1] + b[1]), (0,))
    cases.append(Case("sum-and-square-sum", "argreduce", moments, (arg((33, 65)),), SUMMED))
    return cases


def _cumulative() -> list[Case]:
    cases = []
    table = (
        ("cumsum", lax.cumsum, SUMMED),
        ("cumprod", lax.cumprod, COMPOSED),
        ("cummax", lax.cummax, EQUAL),
        ("cummin", lax.cummin, EQUAL),
        ("cumlogsumexp", lax.cumlogsumexp, COMPOSED),
    )
    for name, function, check in table:
        draw = "unit" if name == "cumprod" else "normal"
        for shape, axis in (((1,), 0), ((100,), 0), ((33, 65), 0), ((33, 65), 1), ((3, 17, 40), 1)):
            for reverse in (False, True):
                bound = lambda x, f=function, axis=axis, reverse=reverse: f(x, axis=axis, reverse=reverse)
                title = f"{name}-{shape_name(shape)}-axis{axis}" + ("-reverse" if reverse else "")
                cases.append(Case(title, "cumulative", bound, (arg(shape, F32, draw),), check))
        bound = lambda x, f=function: f(x, axis=1)
        if name != "cumprod":
            cases.append(Case(f"{name}-bfloat16", "cumulative", bound, (arg((5, 33), BF16),), "close" if check == SUMMED else check))
        if name != "cumlogsumexp":
            cases.append(Case(f"{name}-int32", "cumulative", bound, (arg((5, 33), I32),)))
        cases.append(Case(f"{name}-grad", "cumulative", gradient(bound), (arg((5, 33), F32, draw),), COMPOSED))
    # Cut into segments, padded where they do not come out even, one to three levels deep.
    for shape, axis in (((20_000,), 0), ((65_536,), 0), ((2, 1_000_003), 1), ((3, 5_000, 7), 1), ((5_000, 300), 0)):
        for reverse in (False, True):
            title = f"{shape_name(shape)}-axis{axis}" + ("-reverse" if reverse else "")
            bind = lambda f, axis=axis, reverse=reverse: lambda x: f(x, axis=axis, reverse=reverse)
            cases.append(Case(f"cumsum-long-{title}", "cumulative", bind(lax.cumsum), (arg(shape),), SUMMED))
            cases.append(Case(f"cummax-long-{title}", "cumulative", bind(lax.cummax), (arg(shape),), EQUAL))
            cases.append(Case(f"cumprod-int32-long-{title}", "cumulative", bind(lax.cumprod), (arg(shape, I32),)))
    return cases


def _normalisations() -> list[Case]:
    def layer_norm(x, scale, bias):
        mean = jnp.mean(x, -1, keepdims=True)
        variance = jnp.mean((x - mean) ** 2, -1, keepdims=True)
        return (x - mean) * lax.rsqrt(variance + 1e-5) * scale + bias

    cases = []
    for dtype in (F32, BF16):
        x = arg((33, 65), dtype)
        triple = (x, arg((65,), dtype), arg((65,), dtype))
        table = (
            ("softmax", lambda x: jax.nn.softmax(x, -1), (x,)),
            ("softmax-axis0", lambda x: jax.nn.softmax(x, 0), (x,)),
            ("log_softmax", lambda x: jax.nn.log_softmax(x, -1), (x,)),
            ("logsumexp", lambda x: jax.nn.logsumexp(x, -1), (x,)),
            ("variance", lambda x: jnp.var(x, 1), (x,)),
            ("layer_norm", layer_norm, triple),
        )
        for name, function, case_args in table:
            check = COMPOSED if dtype == F32 else "close"
            cases.append(Case(f"{name}-{dtype}", "normalise", function, case_args, check))
            cases.append(Case(f"{name}-{dtype}-grad", "normalise", gradient(function), case_args, "close"))
    masked = given([[-1e30, -1e30, -1e30], [-INF, 0.0, 1.0], [1e30, -1e30, 0.0]], F32)
    cases.append(Case("softmax-of-extremes", "normalise", lambda x: jax.nn.softmax(x, -1), (masked,), COMPOSED))
    return cases


CASES = [*_reductions(), *_arg_reductions(), *_cumulative(), *_normalisations()]
