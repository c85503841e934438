"""JAX on a Tenstorrent Grayskull. `import jax` finds this package by its entry point and calls `initialize`."""

import pathlib

from jax_tt import _jax_internals

PLATFORM = "tt"


def library_path() -> str:
    """The PJRT plugin: a shared library that any PJRT host can load."""
    return str(pathlib.Path(__file__).parent / "lib" / "pjrt_plugin_tt.so")


def initialize() -> None:
    """Registers the platform "tt" with JAX. JAX calls this; other platforms are not touched."""
    _jax_internals.register(PLATFORM, library_path())
