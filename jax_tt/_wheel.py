"""Where the parts of the wheel that are not Python lie."""

import importlib.metadata
import pathlib


def library(name: str) -> str:
    """A shared library."""
    return str(_find(f"lib/{name}"))


def include_dir() -> str:
    """The headers that kernels include."""
    return str(_find("include"))


def _find(name: str) -> pathlib.Path:
    """Found also where a source checkout in the working directory hides the installed package."""
    beside = pathlib.Path(__file__).parent / name
    if beside.exists():
        return beside
    try:
        installed = pathlib.Path(str(importlib.metadata.distribution("jax_tt").locate_file(f"jax_tt/{name}")))
    except importlib.metadata.PackageNotFoundError:
        installed = beside
    if not installed.exists():
        raise ImportError(f"[jax_tt] {name} is neither in {beside.parent} nor installed; `pip install .` in the checkout brings it")
    return installed
