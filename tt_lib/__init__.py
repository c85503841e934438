"""tt_lib: the imperative device, tensor and op API of Grayskull, on the same card as `jax.jit`.

import tt_lib as ttl

device = ttl.device.CreateDevice(ttl.device.Arch.GRAYSKULL, 0)
ttl.device.InitializeDevice(device)
x = ttl.tensor.Tensor(data, [1, 1, 32, 32], ttl.tensor.DataType.BFLOAT16, ttl.tensor.Layout.TILE, device)
y = ttl.tensor.relu(x).to(ttl.device.GetHost())
"""

import importlib
import importlib.metadata
import pathlib
from types import ModuleType


def _find_core() -> None:
    """Where a source checkout hides the installed package, the compiled core is found there all the same."""
    here = pathlib.Path(__file__).parent
    if any(here.glob("_C.*.so")):
        return
    try:
        installed = pathlib.Path(str(importlib.metadata.distribution("jax_tt").locate_file("tt_lib")))
    except importlib.metadata.PackageNotFoundError:
        installed = here
    if not any(installed.glob("_C.*.so")):
        raise ImportError(f"[tt_lib] the compiled core is neither in {here} nor installed; `pip install .` in the checkout brings it")
    __path__.append(str(installed))


_find_core()

from tt_lib import device, program_cache, tensor, utils  # noqa: E402
from tt_lib._C import Error  # noqa: E402

__all__ = ["Error", "device", "fallback_ops", "fused_ops", "program_cache", "tensor", "utils"]


def __getattr__(name: str) -> ModuleType:
    """fallback_ops brings JAX with it: it is imported when it is used."""
    if name in ("fallback_ops", "fused_ops"):
        return importlib.import_module(f"tt_lib.{name}")
    raise AttributeError(f"module 'tt_lib' has no attribute {name!r}")
