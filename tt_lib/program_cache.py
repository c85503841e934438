"""The kernel programs that a device has built: `tt_lib.program_cache`."""

from tt_lib import _C
from tt_lib import device as _device


def num_entries(device: "_device.Device | None" = None) -> int:
    """Programs in the cache of the device (the default device)."""
    return _C.num_programs(_chosen(device, "num_entries"))


def clear(device: "_device.Device | None" = None) -> None:
    """Drops them all; the next ops build theirs again."""
    _C.clear_programs(_chosen(device, "clear"))


def _chosen(device: "_device.Device | None", name: str) -> "_device.Device":
    chosen = device if device is not None else _device.GetDefaultDevice()
    if chosen is None:
        raise ValueError(f"[program_cache.{name}] no device given and no default device set; call SetDefaultDevice")
    return chosen
