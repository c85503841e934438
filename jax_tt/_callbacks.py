"""Callbacks into Python: `jax.pure_callback`, `jax.experimental.io_callback`, `jax.debug.print` and what is built on them.

A callback becomes a custom call with the number of a function; the card's runtime calls back with that number and the addresses of the
operands and results. A function is kept as long as JAX keeps what it was lowered to, and while a program on the card may call it.
"""

import atexit
import ctypes
import itertools
import traceback
import weakref
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from jax_tt._jax_internals import callback, checkify, core, debugging, ir, mlir

TARGET = "tt_python_callback"
_HANDLER = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_uint64, ctypes.POINTER(ctypes.c_void_p), ctypes.POINTER(ctypes.c_char), ctypes.c_size_t)


class _Function:
    """A function on numpy arrays, with the shapes and dtypes that it takes and returns."""

    def __init__(self, function: Callable[..., Any], operands: Sequence[Any], results: Sequence[Any]):
        self.function, self.operands, self.results = function, operands, results

    def call(self, addresses: Any) -> None:
        """Reads the operands and writes the results; both lie in row-major order."""
        count = len(self.operands)
        arguments = [_view(aval, addresses[i]).copy() for i, aval in enumerate(self.operands)]
        for i, (aval, value) in enumerate(zip(self.results, self.function(*arguments), strict=True)):
            _check(i, aval, value)
            _view(aval, addresses[count + i])[...] = value


def _view(aval: Any, address: int | None) -> np.ndarray:
    dtype, size = np.dtype(aval.dtype), int(np.prod(aval.shape, dtype=np.int64))
    if size == 0:
        return np.empty(aval.shape, dtype)
    memory = (ctypes.c_char * (size * dtype.itemsize)).from_address(address)
    return np.frombuffer(memory, dtype=dtype).reshape(aval.shape)


def _check(number: int, aval: Any, value: np.ndarray) -> None:
    for what, got, expected in (("shape", value.shape, aval.shape), ("dtype", value.dtype, aval.dtype)):
        if got != expected:
            raise RuntimeError(f"Incorrect output {what} for return value #{number}: Expected: {expected}, Actual: {got}")


class _Keepalive:
    """What JAX keeps beside a lowered program."""


_functions: dict[int, _Function] = {}
_numbers = itertools.count()
_forgotten: set[int] = set()  # by JAX; a program may still run
_runtime: Any = None


def _keep(function: _Function) -> tuple[int, _Keepalive]:
    """The function's number, and what keeps it."""
    _drop_forgotten()
    number, keepalive = next(_numbers), _Keepalive()
    _functions[number] = function
    weakref.finalize(keepalive, _forgotten.add, number).atexit = False
    return number, keepalive


def _drop_forgotten() -> None:
    for number in list(_forgotten):
        if not _runtime.tt_holds_host_function(ctypes.c_uint64(number)):
            _forgotten.discard(number)
            _functions.pop(number, None)


@_HANDLER
def _handler(number, addresses, message, size) -> int:
    try:
        _functions[number].call(addresses)
    except BaseException:
        text = _shortened("error in a callback: " + traceback.format_exc(), size - 1)
        ctypes.memmove(message, text, len(text))
        return 1
    return 0


def _shortened(text: str, size: int) -> bytes:
    """At most `size` bytes of UTF-8, with what stands in the middle left out."""
    whole = text.encode(errors="replace")
    if len(whole) <= size:
        return whole
    half = size // 2 - 4
    return b"\n...\n".join(part.decode(errors="ignore").encode() for part in (whole[:half], whole[-half:]))


def register(platform: str, library: str) -> None:
    """Takes the calls of the card's runtime and teaches JAX to lower callbacks for the platform."""
    global _runtime
    _runtime = ctypes.CDLL(library)
    _runtime.tt_set_host_function(_handler)
    atexit.register(_finish)
    original = callback.emit_python_callback

    def emit(ctx: Any, function: Any, token: Any, operands: Any, operand_avals: Any, result_avals: Any, **options: Any) -> Any:
        if tuple(ctx.module_context.platforms) != (platform,):
            return original(ctx, function, token, operands, operand_avals, result_avals, **options)
        return _emit(ctx, function, token, operands, operand_avals, result_avals, options["has_side_effect"], options.get("sharding"))

    setattr(callback, "emit_python_callback", emit)  # noqa: B010
    for primitive, rule in (
        (checkify.check_p, checkify.check_lowering_rule),
        (debugging.debug_callback_p, debugging.debug_callback_lowering),
        (debugging.debug_print_p, debugging.debug_print_lowering_rule),
    ):
        mlir.register_lowering(primitive, rule, platform=platform, cacheable=False)


def _finish() -> None:
    """Runs the callbacks that are queued; those of later programs fail. JAX waits for the queues after this, but lets no callback run."""
    _runtime.tt_finish_devices()
    _runtime.tt_set_host_function(None)
    _runtime.tt_finish_devices()  # those that have begun


def _emit(
    ctx: mlir.LoweringRuleContext,
    function: Callable[..., Any],
    token: ir.Value | None,
    operands: Sequence[ir.Value],
    operand_avals: Sequence[Any],
    result_avals: Sequence[Any],
    has_side_effect: bool,
    sharding: Any,
) -> tuple[list[ir.Value], ir.Value | None, Callable[..., Any]]:
    """As JAX's `emit_python_callback`: results, the next token and what must be kept."""

    def checked(*arguments: np.ndarray) -> list[np.ndarray]:
        results = function(*arguments)
        if len(results) != len(result_avals):
            raise RuntimeError(f"Mismatched number of outputs from callback. Expected: {len(result_avals)}, Actual: {len(results)}")
        return [callback.dtypes.canonicalize_value(np.asarray(result)) for result in results]

    number, keepalive = _keep(_Function(checked, operand_avals, result_avals))
    ctx.module_context.add_keepalive(keepalive)
    tokens: list[ir.Value] = [] if token is None else [token]
    avals_out = [core.abstract_token] * len(tokens) + list(result_avals)
    call = mlir.custom_call(
        TARGET,
        result_types=[mlir.aval_to_ir_type(ctx.module_context, aval) for aval in avals_out],
        operands=[*tokens, *operands],
        backend_config=str(number),
        has_side_effect=has_side_effect,
    )
    if sharding is not None:
        mlir.set_sharding(ctx.module_context, call, _with_token(sharding) if tokens and result_avals else sharding)
    results: list[ir.Value] = list(call.results)
    return results[len(tokens) :], results[0] if tokens else None, checked


def _with_token(sharding: Any) -> Any:
    """The sharding of the results after one of the token, which is the first of them."""
    if not isinstance(sharding, callback.SdyArrayList):
        return sharding
    devices = sharding.shardings[0].logical_device_ids
    return callback.SdyArrayList((callback.SdyArray(mesh_shape=(), dim_shardings=(), logical_device_ids=devices), *sharding.shardings))
