"""JAX on a Tenstorrent Grayskull. `import jax` finds this package by its entry point and calls `initialize`."""

import ctypes
import dataclasses
import importlib.metadata
import pathlib

from jax_tt import _jax_internals

PLATFORM = "tt"


def _library(name: str) -> str:
    """A library of the wheel; found also where a source checkout in the working directory hides the installed package."""
    beside = pathlib.Path(__file__).parent / "lib" / name
    if beside.exists():
        return str(beside)
    try:
        installed = pathlib.Path(str(importlib.metadata.distribution("jax_tt").locate_file(f"jax_tt/lib/{name}")))
    except importlib.metadata.PackageNotFoundError:
        installed = beside
    if not installed.exists():
        raise ImportError(f"[jax_tt] {name} is neither in {beside.parent} nor installed; `pip install .` in the checkout brings it")
    return str(installed)


def library_path() -> str:
    """The PJRT plugin: a shared library that any PJRT host can load."""
    return _library("pjrt_plugin_tt.so")


def initialize() -> None:
    """Registers the platform "tt" with JAX. JAX calls this; other platforms are not touched."""
    from jax_tt import _callbacks, _lowerings  # need all of JAX, which imports this package to find the platform

    _jax_internals.register(PLATFORM, library_path())
    _lowerings.register(PLATFORM)
    _callbacks.register(PLATFORM, _library("libtt.so"))


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
    library = ctypes.CDLL(_library("libtt.so"))
    totals = (ctypes.c_double * 3)()
    if library.tt_program_totals(totals) != 0:
        raise RuntimeError("[report] the card's performance model failed on a program that has run")
    return Report(int(totals[0]), int(totals[1]), totals[2])
