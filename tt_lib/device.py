"""Devices: `tt_lib.device`.

A device is created for a slot, initialised, used and closed. It may be initialised again after it was closed; tensors of the earlier
session then say that their data is gone. Devices, tensors and results of ops may be dropped in any order.
"""

import enum
import os

from tt_lib import _C
from tt_lib._C import Device, Host

__all__ = [
    "Arch",
    "CloseDevice",
    "CreateDevice",
    "Device",
    "DisableCompileCache",
    "EnableCompileCache",
    "GetCompileCacheEnabled",
    "GetDefaultDevice",
    "GetHost",
    "Host",
    "InitializeDevice",
    "MemoryAllocator",
    "SetDefaultDevice",
    "Synchronize",
]

CHIPS = ("e150", "e75")


class Arch(enum.Enum):
    """Accelerator types."""

    GRAYSKULL = 1


class MemoryAllocator(enum.Enum):
    """How L1 banks are laid out. The emulated card places tensors the same way under both."""

    BASIC = 0
    L1_BANKING = 1


def CreateDevice(arch: Arch, pci_express_slot: int) -> Device:
    """A device for the card in a slot. The card is an e150, or what JAX_TT_ARCH says; JAX's `tt` device of that number is the same card.

    Raises:
      TypeError: `arch` is not an `Arch`, or the slot is not an int.
      ValueError: the slot is negative, or JAX_TT_ARCH names no card.
    """
    if not isinstance(arch, Arch):
        raise TypeError(f"[CreateDevice] arch is {arch!r}, expected Arch.GRAYSKULL")
    if isinstance(pci_express_slot, bool) or not isinstance(pci_express_slot, int):
        raise TypeError(f"[CreateDevice] pci_express_slot is {pci_express_slot!r}, expected an int")
    if pci_express_slot < 0:
        raise ValueError(f"[CreateDevice] pci_express_slot is {pci_express_slot}, expected 0 or more")
    chip = os.environ.get("JAX_TT_ARCH", CHIPS[0])
    if chip not in CHIPS:
        raise ValueError(f"[CreateDevice] JAX_TT_ARCH is {chip!r}, expected one of {', '.join(CHIPS)}")
    return Device(chip, pci_express_slot)


def InitializeDevice(device: Device, memory_allocator: MemoryAllocator = MemoryAllocator.BASIC) -> bool:
    """Opens the card; must come before any use. True when it is ready."""
    if not isinstance(memory_allocator, MemoryAllocator):
        raise TypeError(f"[InitializeDevice] memory_allocator is {memory_allocator!r}, expected a MemoryAllocator")
    _C.initialize_device(device)
    return True


def CloseDevice(device: Device) -> bool:
    """Waits for running work and frees the memory of the device's tensors. False when the device was not open."""
    return _C.close_device(device)


def Synchronize(device: Device | None = None) -> None:
    """Waits until all work enqueued on the device (the default device) is done."""
    chosen = device if device is not None else GetDefaultDevice()
    if chosen is None:
        raise ValueError("[Synchronize] no device given and no default device set; call SetDefaultDevice")
    _C.synchronize(chosen)


def GetHost() -> Host:
    """The host: what `Tensor.to` takes to bring a tensor back."""
    return Host()


def SetDefaultDevice(device: Device) -> None:
    """The device for ops whose inputs are all on the host, process-wide."""
    _C.set_default_device(device)


def GetDefaultDevice() -> Device | None:
    """The device set by `SetDefaultDevice`, or None."""
    return _C.default_device()


def EnableCompileCache() -> None:
    """Devices keep the kernel programs they build for the next call with the same shapes. On unless disabled."""
    _C.set_program_cache_enabled(True)


def DisableCompileCache() -> None:
    """Every op builds its program anew."""
    _C.set_program_cache_enabled(False)


def GetCompileCacheEnabled() -> bool:
    """What EnableCompileCache and DisableCompileCache have set."""
    return _C.program_cache_enabled()
