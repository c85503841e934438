"""Everything that touches private names of JAX, in one place: the pin in pyproject.toml follows this file."""

import dataclasses
import functools
import warnings
from collections.abc import Callable
from typing import Any

from jax._src import callback, checkify, core, debugging, stages, xla_bridge
from jax._src.interpreters import mlir
from jax._src.lax import ann, linalg
from jax._src.lib import xla_client
from jax._src.lib.mlir import ir

__all__ = ["ann", "callback", "checkify", "core", "debugging", "ir", "linalg", "mlir", "register", "take_ffi_targets"]


def register(platform: str, library_path: str) -> None:
    """Registers the plugin with a priority below JAX's accelerators, so that it is the default where nothing else is."""
    xla_bridge._nonexperimental_plugins.add(platform)  # before registering: JAX looks then whether to warn
    xla_bridge.register_plugin(platform, priority=400, library_path=library_path)
    _leave_other_backends_alone(platform)
    # JAX drops donation for platforms it does not know; ours reuses donated memory and marks the arrays deleted.
    if platform not in mlir._platforms_with_donation:
        mlir._platforms_with_donation.append(platform)
    _show_kernel_programs(platform)


def take_ffi_targets(platform: str, take: Callable[[str, Any], None]) -> None:
    """Calls `take` with the name and function of each `jax.ffi.register_ffi_target` of the platform, those of before included."""
    xla_client.register_custom_call_handler(platform, lambda name, function, *_: take(name, function))


def _leave_other_backends_alone(platform: str) -> None:
    """A card that cannot be created is a warning, and an error for whoever asks for it; JAX's other backends go on."""
    registration = xla_bridge._backend_factories[platform]

    @functools.wraps(registration.factory)
    def factory():
        try:
            return registration.factory()
        except Exception as error:
            warnings.warn(f"the {platform} card cannot be created, JAX goes on without it: {error}", RuntimeWarning, stacklevel=2)
            raise

    xla_bridge._backend_factories[platform] = dataclasses.replace(registration, factory=factory, fail_quietly=True)


def _show_kernel_programs(platform: str) -> None:
    """Makes `jax.jit(f).lower(...).compile().as_text()` show the kernel programs; they travel with the cost analysis."""
    original = stages.Compiled.as_text
    if getattr(original, "shows_kernel_programs", False):
        return

    @functools.wraps(original)
    def as_text(self):
        executable = self._executable.xla_extension_executable()
        if executable.local_devices()[0].platform != platform:
            return original(self)
        return executable.cost_analysis()["kernel programs"]

    as_text.shows_kernel_programs = True  # type: ignore[attr-defined]
    stages.Compiled.as_text = as_text  # type: ignore[method-assign]
