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
        linalg.svd_p: _svd,
        linalg.eig_p: _eig,
        linalg.schur_p: _schur,
        linalg.hessenberg_p: _hessenberg,
        linalg.tridiagonal_p: _tridiagonal,
        linalg.tridiagonal_solve_p: _tridiagonal_solve,
        linalg.geqp3_p: _geqp3,
        ann.approx_top_k_p: _approx_top_k,
    }
    for primitive, rule in rules.items():
        mlir.register_lowering(primitive, rule, platform=platform)


def _call(ctx: mlir.LoweringRuleContext, target: str, *operands: ir.Value, avals_out: Any = None, config: str = "") -> list[ir.Value]:
    """A custom call with the results of the primitive, or those of `avals_out`."""
    types = [mlir.aval_to_ir_type(ctx.module_context, aval) for aval in (ctx.avals_out if avals_out is None else avals_out)]
    return list(mlir.custom_call(target, result_types=types, operands=operands, backend_config=config).results)


def _lu(ctx: mlir.LoweringRuleContext, a: ir.Value) -> list[ir.Value]:
    return _call(ctx, "LuDecomposition", a)


def _eigh(ctx: mlir.LoweringRuleContext, a: ir.Value, *, lower, sort_eigenvalues, subset_by_index, algorithm) -> list[ir.Value]:
    del sort_eigenvalues, algorithm  # always sorted, always by QL iterations
    aval: Any = ctx.avals_in[0]
    n = aval.shape[-1]
    v_aval, w_aval = ctx.avals_out
    v, w = _call(ctx, "Eigh", a, avals_out=[aval, w_aval.update(shape=aval.shape[:-1])], config=str(int(lower)))
    if subset_by_index is None or subset_by_index == (0, n):
        return [v, w]
    return [_slice(ctx, x, wanted, -1, *subset_by_index) for x, wanted in ((v, v_aval), (w, w_aval))]


def _svd(ctx: mlir.LoweringRuleContext, a: ir.Value, *, full_matrices, compute_uv, subset_by_index, algorithm) -> Any:
    if algorithm == linalg.SvdAlgorithm.JACOBI:
        raise NotImplementedError("svd on tt has no Jacobi algorithm; leave out algorithm")
    aval: Any = ctx.avals_in[0]
    *batch, m, n = aval.shape
    rank = min(m, n)
    if rank == 0:
        return mlir.lower_fun(linalg._empty_svd, multiple_results=True)(ctx, a, full_matrices=full_matrices, compute_uv=compute_uv)
    avals = [ctx.avals_out[0].update(shape=(*batch, rank))]
    if compute_uv:
        columns, rows = (m, n) if full_matrices else (rank, rank)
        avals += [aval.update(shape=(*batch, m, columns)), aval.update(shape=(*batch, rows, n))]
    results = _call(ctx, "Svd", a, avals_out=avals)
    if subset_by_index is None or subset_by_index == (0, rank):
        return results
    return [_slice(ctx, x, wanted, axis, *subset_by_index) for x, wanted, axis in zip(results, ctx.avals_out, (-1, -1, -2), strict=False)]


def _eig(ctx: mlir.LoweringRuleContext, a: ir.Value, *, compute_left_eigenvectors, compute_right_eigenvectors, **_) -> list[ir.Value]:
    return _call(ctx, "Eig", a, config="L" * compute_left_eigenvectors + "R" * compute_right_eigenvectors)


def _schur(ctx: mlir.LoweringRuleContext, a: ir.Value, *, sort_eig_vals, **_) -> list[ir.Value]:
    if sort_eig_vals:
        raise NotImplementedError("schur on tt does not sort eigenvalues; leave out sort_eig_vals")
    return _call(ctx, "Schur", a)


def _hessenberg(ctx: mlir.LoweringRuleContext, a: ir.Value) -> list[ir.Value]:
    return _call(ctx, "Hessenberg", a)


def _tridiagonal(ctx: mlir.LoweringRuleContext, a: ir.Value, *, lower) -> list[ir.Value]:
    return _call(ctx, "Tridiagonal", a, config=str(int(lower)))


def _tridiagonal_solve(ctx: mlir.LoweringRuleContext, *operands: ir.Value, perturb_singular) -> list[ir.Value]:
    return _call(ctx, "TridiagonalSolve", *operands, config=str(int(perturb_singular)))


def _geqp3(ctx: mlir.LoweringRuleContext, a: ir.Value, jpvt: ir.Value, *, use_magma) -> list[ir.Value]:
    del use_magma
    return _call(ctx, "PivotedQr", a, jpvt)


def _slice(ctx: mlir.LoweringRuleContext, x: ir.Value, aval_out: Any, axis: int, start: int, limit: int) -> ir.Value:
    """x[start:limit] along one axis."""
    rank = len(aval_out.shape)
    starts, limits = [0] * rank, list(aval_out.shape)
    starts[axis], limits[axis] = start, limit
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
