"""JAX on a Tenstorrent Grayskull. `import jax` finds this package by its entry point and calls `initialize`."""

import ctypes
import dataclasses

from jax_tt import _jax_internals, _wheel

PLATFORM = "tt"


def library_path() -> str:
    """The PJRT plugin: a shared library that any PJRT host can load."""
    return _wheel.library("pjrt_plugin_tt.so")


def initialize() -> None:
    """Registers the platform "tt" with JAX. JAX calls this; other platforms are not touched."""
    from jax_tt import _callbacks, _lowerings, _pallas, kernels  # need all of JAX, which imports this package to find the platform

    _jax_internals.register(PLATFORM, library_path())
    _lowerings.register(PLATFORM)
    _callbacks.register(PLATFORM, _wheel.library("libtt.so"))
    kernels._accept_targets(PLATFORM)
    _pallas.register(PLATFORM)


@dataclasses.dataclass(frozen=True)
class Report:
    """What this process has done on its cards so far.

    Attributes:
      programs_compiled: kernel programs built by the compiler; equal ones are shared and count once.
      programs_run: kernel programs run, each execution counted.
      modelled_seconds: time of all these runs on the card, by its performance model.
    """

    programs_compiled: int
    programs_run: int
    modelled_seconds: float


def report() -> Report:
    """Counts kernel programs and sums their modelled time."""
    library = ctypes.CDLL(_wheel.library("libtt.so"))
    totals = (ctypes.c_double * 3)()
    if library.tt_program_totals(totals) != 0:
        raise RuntimeError("[report] the card's performance model failed on a program that has run")
    return Report(int(totals[0]), int(totals[1]), totals[2])
