"""Everything that touches private names of JAX, in one place: the pin in pyproject.toml follows this file."""

from jax._src import xla_bridge
from jax._src.interpreters import mlir


def register(platform: str, library_path: str) -> None:
    """Registers the plugin with a priority below JAX's accelerators, so that it is the default where nothing else is."""
    xla_bridge._nonexperimental_plugins.add(platform)  # before registering: JAX looks then whether to warn
    xla_bridge.register_plugin(platform, priority=400, library_path=library_path)
    # JAX drops donation for platforms it does not know; ours reuses donated memory and marks the arrays deleted.
    if platform not in mlir._platforms_with_donation:
        mlir._platforms_with_donation.append(platform)
