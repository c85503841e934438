"""Lowering rules for the primitives that JAX lowers on its own platforms only: most become calls of kernels of the card."""

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
from jax import lax

from jax_tt._jax_internals import ann, ir, linalg, mlir


def register(platform: str) -> None:
    """Adds the rules; JAX must know the platform already."""
    rules: dict[Any, Callable[..., Any]] = {
        linalg.lu_p: _lu,
        linalg.eigh_p: _eigh,
        ann.approx_top_k_p: _approx_top_k,
    }
    for primitive, rule in rules.items():
        mlir.register_lowering(primitive, rule, platform=platform)


def _call(ctx: mlir.LoweringRuleContext, target: str, operand: ir.Value, avals_out: Any, config: str = "") -> list[ir.Value]:
    types = [mlir.aval_to_ir_type(ctx.module_context, aval) for aval in avals_out]
    return list(mlir.custom_call(target, result_types=types, operands=[operand], backend_config=config).results)


def _lu(ctx: mlir.LoweringRuleContext, a: ir.Value) -> list[ir.Value]:
    return _call(ctx, "LuDecomposition", a, ctx.avals_out)


def _eigh(ctx: mlir.LoweringRuleContext, a: ir.Value, *, lower, sort_eigenvalues, subset_by_index, algorithm) -> list[ir.Value]:
    del sort_eigenvalues, algorithm  # always sorted, always by Jacobi rotations
    aval: Any = ctx.avals_in[0]
    n = aval.shape[-1]
    v_aval, w_aval = ctx.avals_out
    v, w = _call(ctx, "Eigh", a, [aval, w_aval.update(shape=aval.shape[:-1])], str(int(lower)))
    if subset_by_index is None or subset_by_index == (0, n):
        return [v, w]
    return [_last(ctx, v, v_aval, *subset_by_index), _last(ctx, w, w_aval, *subset_by_index)]


def _last(ctx: mlir.LoweringRuleContext, x: ir.Value, aval_out: Any, start: int, limit: int) -> ir.Value:
    """x[..., start:limit]."""
    rank = len(aval_out.shape)
    starts, limits = [0] * (rank - 1) + [start], [*aval_out.shape[:-1], limit]
    return mlir.slice_op(ctx, x, aval_out, start_indices=starts, limit_indices=limits, strides=[1] * rank)


def _approx_top_k(ctx: mlir.LoweringRuleContext, operand: ir.Value, *, reduction_dimension, is_max_k, **_) -> Any:
    """As many of the best as the result has room for, exactly: a recall of one."""
    room = ctx.avals_out[0].shape[reduction_dimension]

    def top(x):
        count = min(room, x.shape[reduction_dimension])
        rows = jnp.moveaxis(x, reduction_dimension, -1)
        values, indices = lax.top_k(rows if is_max_k else -rows, count)
        padding = [(0, 0, 0)] * (rows.ndim - 1) + [(0, room - count, 0)]
        values = lax.pad(values, jnp.asarray(-jnp.inf, x.dtype), padding)
        indices = lax.pad(indices, jnp.int32(-1), padding)
        return [jnp.moveaxis(y, -1, reduction_dimension) for y in (values if is_max_k else -values, indices)]

    return mlir.lower_fun(top, multiple_results=True)(ctx, operand)
