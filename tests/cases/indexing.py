"""Cases that read and write by computed indices: gather, scatter, and numpy's indexing on top of them."""

import jax
import jax.numpy as jnp
from jax import lax

from tests.cases.case import BF16, BOOL, COMPOSED, EQUAL, F32, I8, I32, I64, SUMMED, U8, U32, Case, arg, given, gradient

ROWS = given([0, 3, 3, -1, 10, 4], I32)  # row 10 is the last of 11
FAR = given([0, 100, -100, 5, 11], I32)  # out of range on both sides
PAIRS = given([[0, 1], [4, 6], [10, 0], [4, 6]], I32)
X = (11, 33)


def _gathers() -> list[Case]:
    cases = []
    for dtype in (F32, BF16, I8, I32, I64, U8, BOOL):
        cases.append(Case(f"rows-{dtype}", "gather", lambda x, i: x[i], (arg(X, dtype), ROWS)))
    for mode in ("clip", "fill", "wrap"):
        function = lambda x, i, mode=mode: jnp.take(x, i, axis=0, mode=mode)
        cases.append(Case(f"take-{mode}", "gather", function, (arg(X), FAR)))
        cases.append(Case(f"take-{mode}-int32", "gather", function, (arg(X, I32), FAR)))
    table = (
        ("columns", lambda x, i: x[:, i], (arg(X), ROWS)),
        ("points", lambda x, ij: x[ij[:, 0], ij[:, 1]], (arg(X), PAIRS)),
        ("row-and-slice", lambda x, i: x[i, 3:20:2], (arg(X), ROWS)),
        ("three-d-middle", lambda x, i: x[:, i, :], (arg((3, 11, 5)), ROWS)),
        ("index-matrix", lambda x, ij: x[ij], (arg(X), PAIRS)),
        ("scalar-index", lambda x, i: x[i], (arg(X), arg((), I32, values=4))),
        ("no-indices", lambda x, i: x[i], (arg(X), arg((0,), I32))),
        ("uint8-index", lambda x, i: x[i], (arg(X), given([0, 2, 10], U8))),
        ("int64-index", lambda x, i: x[i], (arg(X), given([0, 2, -10], I64))),
        ("along-axis", lambda x, i: jnp.take_along_axis(x, i, axis=1), (arg((4, 9)), arg((4, 3), I32, "few"))),
        ("batched", jax.vmap(lambda x, i: x[i]), (arg((4, 9, 5)), arg((4, 3), I32, "few"))),
        ("embedding", lambda x, i: jnp.take(x, i, axis=0), (arg((100, 40)), arg((2, 16), I32, "positive"))),
    )
    for name, function, case_args in table:
        cases.append(Case(name, "gather", function, case_args))
        if case_args[1].dtype == I32:
            index = case_args[1].make(0) % 4
            fixed = lambda x, function=function, index=index: function(x, index)
            cases.append(Case(f"{name}-grad", "gather_grad", gradient(fixed), case_args[:1], SUMMED, generic=False))
    windows = lax.GatherDimensionNumbers(offset_dims=(1, 2), collapsed_slice_dims=(), start_index_map=(0, 1))
    function = lambda x, ij: lax.gather(x, ij, windows, (2, 5), mode="clip")
    cases.append(Case("windows", "gather", function, (arg(X), PAIRS)))
    return cases


def _scatters() -> list[Case]:
    cases = []
    distinct = given([0, 3, 10, -2], I32)
    updates = arg((4, 33))
    kinds = {
        "set": (lambda x, i, u: x.at[i].set(u), EQUAL),
        "add": (lambda x, i, u: x.at[i].add(u), SUMMED),
        "mul": (lambda x, i, u: x.at[i].multiply(u), COMPOSED),
        "max": (lambda x, i, u: x.at[i].max(u), EQUAL),
        "min": (lambda x, i, u: x.at[i].min(u), EQUAL),
    }
    repeated = given([3, 3, 0, 3], I32)
    for name, (function, check) in kinds.items():
        for dtype in (F32, BF16, I32):
            judged = check if dtype == F32 else EQUAL
            cases.append(Case(f"{name}-{dtype}", "scatter", function, (arg(X, dtype), distinct, arg((4, 33), dtype)), judged))
        if name != "set":
            cases.append(Case(f"{name}-repeated", "scatter", function, (arg(X), repeated, updates), check))
            cases.append(Case(f"{name}-repeated-int32", "scatter", function, (arg(X, I32), repeated, arg((4, 33), I32))))
        if name in ("set", "add"):
            fixed = lambda x, u, function=function: function(x, jnp.array([0, 3, 10, 9]), u)
            cases.append(Case(f"{name}-grad", "scatter_grad", gradient(fixed), (arg(X), updates), COMPOSED))
    for mode in ("drop", "clip"):
        function = lambda x, i, u, mode=mode: x.at[i].add(u, mode=mode)
        cases.append(Case(f"add-{mode}", "scatter", function, (arg(X), FAR, arg((5, 33))), SUMMED))
    fixed = lambda x, u: x.at[jnp.array([0, 3, 10, 9])].multiply(u, unique_indices=True)
    cases.append(Case("mul-grad", "scatter_grad", gradient(fixed), (arg(X), updates), COMPOSED))
    table = (
        ("points-add", lambda x, ij, u: x.at[ij[:, 0], ij[:, 1]].add(u), (arg(X), PAIRS, arg((4,))), SUMMED),
        ("columns-set", lambda x, i, u: x.at[:, i].set(u), (arg(X), distinct, arg((11, 4))), EQUAL),
        ("slice-set", lambda x, u: x.at[2:9:3, 1:30].set(u), (arg(X), arg((3, 29))), EQUAL),
        ("scalar-set", lambda x, i: x.at[i].set(7.0), (arg(X), distinct), EQUAL),
        ("and-uint32", _scatter_bits, (arg((11,), U32, "full"), given([3, 3, 0], I32), arg((3,), U32, "full")), EQUAL),
        ("histogram", lambda i: jnp.zeros(8, I32).at[i].add(1), (arg((500,), I32, "few"),), EQUAL),
        ("segment_sum", lambda x, i: jax.ops.segment_sum(x, i, 6), (arg((40, 5)), arg((40,), I32, "few")), SUMMED),
        ("no-updates", lambda x, i, u: x.at[i].set(u), (arg(X), arg((0,), I32), arg((0, 33))), EQUAL),
        ("batched", jax.vmap(lambda x, i, u: x.at[i].add(u)), (arg((4, 9)), arg((4, 3), I32, "few"), arg((4, 3))), SUMMED),
    )
    cases += [Case(name, "scatter", function, case_args, check) for name, function, case_args, check in table]
    return cases


def _scatter_bits(x, i, u):
    """A scatter whose region is none of JAX's own."""
    numbers = lax.ScatterDimensionNumbers(update_window_dims=(), inserted_window_dims=(0,), scatter_dims_to_operand_dims=(0,))
    return lax.scatter_apply(x, i[:, None], lambda v: v & 0xFF, numbers, update_shape=u.shape) ^ lax.scatter_add(x, i[:, None], u, numbers)


CASES = [*_gathers(), *_scatters()]
