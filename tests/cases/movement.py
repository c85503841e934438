"""Cases that move values without computing: shape changes, slices, pads, concatenations, iota."""

import jax
import jax.numpy as jnp
from jax import lax

from tests.cases.case import BF16, BOOL, C64, EQUAL, F16, F32, F64, I8, I32, I64, SUMMED, U8, U16, U32, Case, arg, gradient, shape_name

DTYPES = (F32, BF16, F16, F64, I8, I32, I64, U8, U16, U32, BOOL, C64)

# name, function, shape
MOVES = (
    ("transpose-2d", lambda x: lax.transpose(x, (1, 0)), (33, 65)),
    ("transpose-inner", lambda x: lax.transpose(x, (0, 2, 1)), (3, 17, 40)),
    ("transpose-rotate", lambda x: lax.transpose(x, (2, 0, 1)), (3, 17, 40)),
    ("transpose-5d", lambda x: lax.transpose(x, (4, 1, 3, 0, 2)), (2, 3, 4, 5, 6)),
    ("transpose-large", lambda x: lax.transpose(x, (1, 0)), (512, 1000)),
    ("reshape-split", lambda x: lax.reshape(x, (3, 11, 65)), (33, 65)),
    ("reshape-flat", lambda x: lax.reshape(x, (33 * 65,)), (33, 65)),
    ("reshape-scalar", lambda x: lax.reshape(x, ()), (1, 1)),
    ("reshape-empty", lambda x: lax.reshape(x, (5, 0)), (0, 3)),
    ("broadcast-scalar", lambda x: lax.broadcast_in_dim(x, (33, 65), ()), ()),
    ("broadcast-row", lambda x: lax.broadcast_in_dim(x, (33, 65), (1,)), (65,)),
    ("broadcast-column", lambda x: lax.broadcast_in_dim(x, (33, 65), (0,)), (33,)),
    ("broadcast-ones", lambda x: lax.broadcast_in_dim(x, (3, 17, 40), (0, 1, 2)), (3, 1, 40)),
    ("broadcast-empty", lambda x: lax.broadcast_in_dim(x, (0, 65), (1,)), (65,)),
    ("slice", lambda x: lax.slice(x, (3, 10), (30, 60)), (33, 65)),
    ("slice-strided", lambda x: lax.slice(x, (1, 2), (33, 64), (3, 5)), (33, 65)),
    ("slice-empty", lambda x: lax.slice(x, (3, 10), (3, 60)), (33, 65)),
    ("slice-1d", lambda x: x[5:-7:2], (1000,)),
    ("reverse", lambda x: lax.rev(x, (0, 1)), (33, 65)),
    ("reverse-inner", lambda x: lax.rev(x, (1,)), (3, 17, 40)),
    ("pad", lambda x: lax.pad(x, jnp.ones((), x.dtype), ((1, 2, 0), (3, 4, 0))), (33, 65)),
    ("pad-interior", lambda x: lax.pad(x, jnp.ones((), x.dtype), ((1, 2, 2), (0, 4, 1))), (7, 9)),
    ("pad-negative", lambda x: lax.pad(x, jnp.ones((), x.dtype), ((-2, -3, 0), (-1, 4, 0))), (33, 65)),
    ("pad-negative-interior", lambda x: lax.pad(x, jnp.ones((), x.dtype), ((-1, 2, 3), (2, -3, 1))), (7, 9)),
    ("pad-cut", lambda x: lax.pad(x, jnp.ones((), x.dtype), ((-1, -2, 0), (0, 0, 0))), (33, 65)),
    ("pad-cut-reverse", lambda x: lax.rev(lax.pad(x, jnp.ones((), x.dtype), ((0, -2, 0), (0, 0, 0))), (0, 1)), (33, 65)),
    ("pad-cut-reshape", lambda x: lax.pad(x, jnp.ones((), x.dtype), ((0, -1, 0), (0, 0, 0))).reshape(8, 260), (33, 65)),
    ("pad-from-empty", lambda x: lax.pad(x, jnp.ones((), x.dtype), ((0, 1, 0), (-1, 1, 0))), (0, 1)),
    ("pad-to-empty", lambda x: lax.pad(x, jnp.ones((), x.dtype), ((-4, -3, 0),)), (7,)),
    ("tile", lambda x: jnp.tile(x, (2, 3)), (5, 7)),
    ("repeat", lambda x: jnp.repeat(x, 3, axis=0), (5, 7)),
    ("roll", lambda x: jnp.roll(x, (2, -3), (0, 1)), (33, 65)),
    ("squeeze", lambda x: jnp.squeeze(x, (0, 2)), (1, 33, 1)),
    ("triu", lambda x: jnp.triu(x), (33, 65)),
    ("diagonal", lambda x: jnp.diagonal(x), (33, 65)),
    ("split", lambda x: tuple(jnp.split(x, 3, axis=1)), (5, 66)),
)
ALL_DTYPES = {"transpose-2d", "transpose-rotate", "reshape-split", "broadcast-row", "slice-strided", "reverse", "pad-interior"}


def _moves() -> list[Case]:
    cases = []
    for name, function, shape in MOVES:
        for dtype in DTYPES if name in ALL_DTYPES else (F32, I32):
            cases.append(Case(f"{name}-{dtype}", "movement", function, (arg(shape, dtype),)))
        if shape and 0 not in shape and "empty" not in name:
            check = SUMMED if name.startswith(("broadcast", "tile", "repeat")) else EQUAL
            cases.append(Case(f"{name}-grad", "movement_grad", gradient(function), (arg(shape),), check))
    return cases


def _concatenations() -> list[Case]:
    cases = []
    plans = (
        (((5, 33), (7, 33)), 0),
        (((5, 33), (5, 1), (5, 64)), 1),
        (((3, 0), (3, 5)), 1),
        (((2, 3, 4), (2, 3, 4), (2, 5, 4)), 1),
        (((1000,), (24,)), 0),
    )
    for shapes, axis in plans:
        function = lambda *xs, axis=axis: lax.concatenate(xs, axis)
        name = "_".join(map(shape_name, shapes)) + f"-axis{axis}"
        for dtype in (F32, BF16, I32, BOOL):
            cases.append(Case(f"concat-{name}-{dtype}", "movement", function, tuple(arg(s, dtype) for s in shapes)))
    pair = (arg((5, 33)), arg((5, 2)))
    cases.append(Case("concat-grad", "movement_grad", gradient(lambda *xs: lax.concatenate(xs, 1)), pair, EQUAL))
    cases.append(Case("stack", "movement", lambda *xs: jnp.stack(xs, 1), tuple(arg((5, 7)) for _ in range(4))))
    return cases


def _iotas() -> list[Case]:
    cases = []
    for dtype in (F32, BF16, I8, I32, I64, U32):
        function = lambda x, dtype=dtype: lax.broadcasted_iota(dtype, (5, 40), 1) + x
        cases.append(Case(f"iota-{dtype}", "movement", function, (arg((), dtype, "few"),), EQUAL))
    cases.append(Case("iota-dim0", "movement", lambda x: lax.broadcasted_iota(I32, (33, 65), 0) * x, (arg((), I32),)))
    cases.append(Case("eye", "movement", lambda x: jnp.eye(33, 40) + x, (arg(()),)))
    cases.append(Case("linspace", "movement", lambda x: jnp.linspace(0.0, x, 33), (arg((), F32, "positive"),), "composed"))
    return cases


def _dynamic() -> list[Case]:
    """Starts given at run time; out of range they are clamped."""
    cases = []
    take = lambda x, i, j: lax.dynamic_slice(x, (i, j), (4, 30))
    put = lambda x, u, i, j: lax.dynamic_update_slice(x, u, (i, j))
    for start in ((0, 0), (5, 7), (-3, 100), (100, -2)):
        for dtype in (F32, BF16, I32, BOOL):
            starts = tuple(arg((), I32, values=s) for s in start)
            name = f"{start[0]}_{start[1]}-{dtype}"
            cases.append(Case(f"dynamic_slice-{name}", "dynamic", take, (arg((33, 65), dtype), *starts)))
            cases.append(Case(f"dynamic_update_slice-{name}", "dynamic", put, (arg((33, 65), dtype), arg((4, 30), dtype), *starts)))
    for index_dtype in (U8, U32, I64):
        starts = (arg((), index_dtype, values=3), arg((), index_dtype, values=9))
        cases.append(Case(f"dynamic_slice-index-{index_dtype}", "dynamic", take, (arg((33, 65)), *starts)))
    index = arg((), I32, values=2)
    row = lambda x, i: lax.dynamic_index_in_dim(x, i, 0, keepdims=False)
    cases.append(Case("dynamic_index-grad", "dynamic", gradient(lambda x: row(x, 2)), (arg((5, 33)),), EQUAL))
    cases.append(Case("dynamic_index", "dynamic", row, (arg((5, 33)), index)))
    both = gradient(lambda x, u: put(x, u, 2, 3))
    cases.append(Case("dynamic_update_slice-grad", "dynamic", both, (arg((33, 65)), arg((4, 30))), EQUAL))
    rows = lambda x, starts: jax.vmap(lambda s: lax.dynamic_slice(x, (s,), (5,)))(starts)
    cases.append(Case("dynamic_slice-vmap", "dynamic", rows, (arg((100,)), arg((6,), I32))))
    return cases


def _strange_views() -> list[Case]:
    """Views of no or one element with padding between, and what reads them."""

    def of_nothing(x):
        none = lax.pad(x[:, 3:3, :1], jnp.float32(0), ((0, -3, 2), (1, 2, 1), (3, 2, 0)))
        return lax.concatenate([none, lax.rev(none, (1,))], 1)

    def of_one(x):
        one = lax.pad(x[:1, :2], jnp.float32(7), ((0, 0, 3), (-1, 2, 1)))
        return lax.concatenate([one, lax.rev(one, (0, 1))], 0), one.sum(1), jnp.tanh(one) + one

    cut = lambda x: lax.rev(lax.pad(x, jnp.float32(7), ((-2, 1, 2), (3, -4, 1))), (0, 1))[:, 2:5]
    shapes = {"nothing": (of_nothing, (2, 4, 6)), "one": (of_one, (4, 6)), "cut": (cut, (4, 6))}
    return [Case(f"view-of-{name}", "movement", function, (arg(shape),), EQUAL) for name, (function, shape) in shapes.items()]


CASES = [*_moves(), *_concatenations(), *_iotas(), *_dynamic(), *_strange_views()]
