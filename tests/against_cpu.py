"""Runs a function on the device under test and on cpu, and judges how closely the results agree."""

import os
from collections.abc import Callable
from typing import Any

import jax
import ml_dtypes
import numpy as np

from tests.cases.case import CLOSE, COMPOSED, EQUAL, EXACT, ROUNDED, SUMMED, Case

PLATFORM = os.environ.get("JAX_TT_TEST_PLATFORM", "tt")
ULPS = {ROUNDED: 4, COMPOSED: 32}


def device() -> jax.Device:
    return jax.devices(PLATFORM)[0]


def oracle() -> jax.Device:
    return jax.devices("cpu")[0]


def run_on(where: jax.Device, function: Callable[..., Any], *args: Any) -> Any:
    """`jit(function)(*args)` with the arguments placed on `where`; the results as numpy arrays."""
    with jax.default_device(where):
        placed = jax.device_put(args, where)
        out = jax.jit(function)(*placed)
        for leaf in jax.tree.leaves(out):
            assert leaf.devices() == {where}, f"the result is on {leaf.devices()}, not on {where}"
        return jax.tree.map(_to_numpy, out)


def _to_numpy(leaf: Any) -> np.ndarray:
    if jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.prng_key):
        leaf = jax.random.key_data(leaf)
    return np.asarray(leaf)


def is_inexact(dtype: Any) -> bool:
    return np.dtype(dtype).kind in "fcV" or np.dtype(dtype) in (ml_dtypes.bfloat16,)


def widen(x: np.ndarray) -> np.ndarray:
    """Floats as float64, complex numbers as complex128; the rest untouched."""
    if not is_inexact(x.dtype):
        return x
    return x.astype(np.complex128 if np.dtype(x.dtype).kind == "c" else np.float64)


def epsilon(dtype: Any) -> float:
    return float(ml_dtypes.finfo(dtype).eps)


def check_case(case: Case) -> None:
    """Runs the case on both devices and raises AssertionError where they disagree."""
    args = case.make_args()
    with jax.enable_x64(case.wide):
        got = run_on(device(), case.function, *args)
        expected = run_on(oracle(), case.function, *args)
    truth = magnitude = expected
    if case.generic and case.check in (ROUNDED, SUMMED, COMPOSED):
        wide_args = [widen(a) for a in args]
        with jax.enable_x64(True):
            truth = case.truth(*wide_args) if case.truth else run_on(oracle(), case.function, *wide_args)
            if case.check == SUMMED:
                magnitude = run_on(oracle(), case.function, *[np.abs(a) if is_inexact(a.dtype) else a for a in wide_args])
    compare_trees(got, expected, truth, magnitude, case.check)


def compare_trees(got: Any, expected: Any, truth: Any, magnitude: Any, check: str) -> None:
    assert jax.tree.structure(got) == jax.tree.structure(expected)
    leaves = zip(*(jax.tree.leaves(t) for t in (got, expected, truth, magnitude)), strict=True)
    for got_leaf, expected_leaf, truth_leaf, magnitude_leaf in leaves:
        assert got_leaf.shape == expected_leaf.shape, f"shape {got_leaf.shape}, expected {expected_leaf.shape}"
        assert got_leaf.dtype == expected_leaf.dtype, f"dtype {got_leaf.dtype}, expected {expected_leaf.dtype}"
        if check in (EXACT, EQUAL) or not is_inexact(got_leaf.dtype):
            _assert_equal(got_leaf, expected_leaf, signed_zero=check == EXACT)
        else:
            _assert_within(got_leaf, expected_leaf, truth_leaf, magnitude_leaf, check)


def _assert_equal(got: np.ndarray, expected: np.ndarray, signed_zero: bool) -> None:
    a, b = widen(got), widen(expected)
    same = (a == b) | ((a != a) & (b != b))
    if signed_zero and np.dtype(a.dtype).kind == "f":
        same &= (np.signbit(a) == np.signbit(b)) | (a != a)
    _report(~same, got, expected, "must be equal")


def _assert_within(got: np.ndarray, expected: np.ndarray, truth: np.ndarray, magnitude: np.ndarray, check: str) -> None:
    a, b, t, eps = widen(got), widen(expected), widen(truth), epsilon(got.dtype)
    with np.errstate(all="ignore"):
        cpu_error, error = np.abs(b - t), np.abs(a - t)
        if check == SUMMED:
            # accumulation is at least float32: its error scales with the terms, the last rounding with the result
            bound = eps * np.abs(t) + 4 * max(min(eps, 2.0**-23), 2.0**-52) * np.abs(widen(magnitude))
        elif check == CLOSE:
            scale = np.max(np.abs(t[np.isfinite(t)]), initial=0.0)
            bound = np.full(t.shape, 32 * eps * max(scale, 1e-30))
        else:
            tiny = float(ml_dtypes.finfo(got.dtype).tiny)
            bound = ULPS[check] * eps * np.abs(t) + tiny
            if check == COMPOSED:
                bound = bound + 8 * eps * np.sqrt(np.mean(np.abs(t[np.isfinite(t)]) ** 2)) if np.isfinite(t).any() else bound
        # where cpu itself is further from the truth, being as near as cpu is enough
        fine = error <= np.maximum(bound, 2 * cpu_error)
    finite = np.isfinite(b)
    fine = np.where(finite, fine & np.isfinite(a), (a == b) | ((a != a) & (b != b)))
    _report(~fine, got, expected, f"{check}: off by more than the bound")


def _report(wrong: np.ndarray, got: np.ndarray, expected: np.ndarray, what: str) -> None:
    if not np.any(wrong):
        return
    first = [tuple(int(i) for i in at) for at in np.argwhere(wrong)[:4]]
    rows = [f"  at {at}: got {got[at]!r}, expected {expected[at]!r}" for at in first]
    count = f"{int(np.sum(wrong))} of {wrong.size} elements of {got.dtype}{list(got.shape)} {what}"
    raise AssertionError("\n".join([count, *rows]))
