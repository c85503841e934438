"""Everything that touches private names of JAX, in one place: the pin in pyproject.toml follows this file."""

import dataclasses
import functools
import types
import warnings
from collections.abc import Callable
from typing import Any

from jax._src import callback, checkify, core, debugging, dispatch, stages, xla_bridge
from jax._src.interpreters import batching, mlir
from jax._src.lax import ann, linalg
from jax._src.lib import xla_client
from jax._src.lib.mlir import ir

__all__ = [
    "add_platform_rule",
    "ann",
    "callback",
    "checkify",
    "core",
    "debugging",
    "ir",
    "linalg",
    "mlir",
    "pallas",
    "register",
    "take_ffi_targets",
]


def register(platform: str, library_path: str) -> None:
    """Registers the plugin with a priority below JAX's accelerators, so that it is the default where nothing else is."""
    xla_bridge._nonexperimental_plugins.add(platform)  # before registering: JAX looks then whether to warn
    xla_bridge.register_plugin(platform, priority=400, library_path=library_path)
    _leave_other_backends_alone(platform)
    # JAX drops donation for platforms it does not know; ours reuses donated memory and marks the arrays deleted.
    if platform not in mlir._platforms_with_donation:
        mlir._platforms_with_donation.append(platform)
    _show_kernel_programs(platform)
    # JAX leaves `device_put` to a memory out of programs for platforms it does not know.
    mlir.register_lowering(dispatch.device_put_p, dispatch._tpu_gpu_device_put_lowering, platform=platform)


def take_ffi_targets(platform: str, take: Callable[[str, Any], None]) -> None:
    """Calls `take` with the name and function of each `jax.ffi.register_ffi_target` of the platform, those of before included."""
    xla_client.register_custom_call_handler(platform, lambda name, function, *_: take(name, function))


def add_platform_rule(primitive: str, platform: str, rule: Callable[..., Any]) -> None:
    """Lowers a primitive by `rule` where its own rule chooses among others by platform, and knows none for this one."""
    original = mlir.lower_per_platform

    @functools.wraps(original)
    def lower_per_platform(ctx, description, platform_rules, *args, **kwargs):
        if description == primitive and platform_rules:
            platform_rules = {**platform_rules, platform: rule}
        return original(ctx, description, platform_rules, *args, **kwargs)

    mlir.lower_per_platform = lower_per_platform


@functools.cache
def pallas() -> Any:
    """What the lowering of `pallas_call` needs; imported by whoever uses it, not with this package."""
    from jax._src import state
    from jax._src.pallas import core as pallas_core
    from jax._src.pallas import hlo_interpreter, primitives

    batching.defvectorized(primitives.multiple_of_p)  # has no rule of its own

    def has_inner_loops(jaxpr: Any, inside: bool = False) -> bool:
        """Whether a loop whose number of turns is a value lies in a branch or in another: mapped, it would turn for steps that are not
        there, and might not end."""
        for eqn in jaxpr.eqns:
            name = eqn.primitive.name
            if inside and name == "while":
                return True
            if any(has_inner_loops(sub, inside or name in ("cond", "while")) for sub in core.jaxprs_in_params(eqn.params)):
                return True
        return False

    def largest_value(jaxpr: Any) -> int:
        """The bytes of the largest array that a step makes."""
        sizes = [v.aval.size * v.aval.dtype.itemsize for eqn in jaxpr.eqns for v in eqn.outvars if hasattr(v.aval, "size")]
        inner = [largest_value(sub) for eqn in jaxpr.eqns for sub in core.jaxprs_in_params(eqn.params)]
        return max([0, *sizes, *inner])

    def block_size(dim: Any) -> tuple[int, bool] | None:
        """The size of a block along a dimension, and whether the kernel does not see that; None: it is no plain block."""
        match dim:
            case pallas_core.Blocked(size):
                return size, False
            case pallas_core.Squeezed():
                return 1, True
        return None

    def writes_only_outputs(jaxpr: Any, inputs: int) -> bool:
        effects = [effect for effect in jaxpr.effects if not isinstance(effect, core.NamedAxisEffect)]
        if not all(isinstance(effect, state.RefEffect) for effect in effects):
            return False
        written = [effect.input for effect in effects if not isinstance(effect, state.ReadEffect)]
        return not any(variable is other for variable in jaxpr.invars[:inputs] for other in written)

    return types.SimpleNamespace(
        block_size=block_size,
        discharge=hlo_interpreter.kernel_to_hlo_jaxpr,
        evaluate=core.eval_jaxpr,
        grid_env=lambda axes: pallas_core.grid_env(tuple(pallas_core.GridAxis(index, size) for index, size in axes)),
        has_inner_loops=has_inner_loops,
        interpret=hlo_interpreter.pallas_call_hlo_interpret,
        largest_value=largest_value,
        uninitialized=primitives.uninitialized_value,
        writes_only_outputs=writes_only_outputs,
    )


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
