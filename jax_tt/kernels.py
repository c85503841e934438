"""Kernel programs of your own inside `jax.jit`, through JAX's foreign function interface.

A C++ source has kernels and a function that makes a program of them for each call (docs/kernels.md):

    jax.ffi.register_ffi_target("exp_of_minus", jax_tt.kernels.load("exp_of_minus.cpp"), platform="tt")
    y = jax.ffi.ffi_call("exp_of_minus", jax.ShapeDtypeStruct(x.shape, x.dtype))(x)

Arrays are in row-major order, elements as numpy has them (those of less than a byte one to a byte). Keyword arguments of the call are
attributes of the C++ side's `CustomCall`.
"""

import ctypes
import functools
import hashlib
import os
import pathlib
import shlex
import subprocess
import tempfile
from collections.abc import Sequence
from typing import Any

from jax_tt import _jax_internals, _wheel

_CAPSULE = b"jax_tt.CreateProgram"
_FLAGS = ("-std=c++20", "-O2", "-fPIC", "-shared", "-ffp-contract=off")
_MESSAGE_BYTES = 4096


def include_dir() -> str:
    """The folder of the headers that kernels include: `metal/custom_call.hpp` and what it needs."""
    return _wheel.include_dir()


def load(source: str | os.PathLike[str], *, function: str = "create_program", flags: Sequence[str] = ()) -> Any:
    """Compiles a C++ source and gives what `jax.ffi.register_ffi_target(name, ..., platform="tt")` takes.

    Args:
      source: the path of a source with `extern "C" tt::metal::Program create_program(const tt::metal::CustomCall& call)`.
      function: the name of that function; a source may have several.
      flags: for the compiler, after those of this package.

    Returns:
      A capsule with the address of the function, which stays loaded as long as the process.

    Raises:
      FileNotFoundError: there is no such source, or no compiler (`$CXX`, else `g++`).
      RuntimeError: the compiler refuses the source (its messages follow), or there is no such function in it.

    What was compiled before, from the same text with the same headers and compiler, is taken from `$XDG_CACHE_HOME/jax_tt`, by default
    `~/.cache/jax_tt`.
    """
    path = pathlib.Path(source)
    if not path.is_file():
        raise FileNotFoundError(f"[kernels] there is no source {str(path)!r}")
    library = ctypes.CDLL(str(_compile(path.resolve(), tuple(flags))))
    try:
        address = ctypes.cast(getattr(library, function), ctypes.c_void_p).value
    except AttributeError:
        raise RuntimeError(f'[kernels] {path} has no function {function!r}, expected one that is declared extern "C"') from None
    return _new_capsule(address, _CAPSULE, None)


def _compile(source: pathlib.Path, flags: tuple[str, ...]) -> pathlib.Path:
    """The shared library of a source, from the cache if it is there."""
    compiler = shlex.split(os.environ.get("CXX", "g++"))
    libtt = pathlib.Path(_wheel.library("libtt.so"))
    command = [*compiler, *_FLAGS, f"-I{include_dir()}", *flags]
    preprocessed = _run([*command, "-E", "-P", str(source)], source)
    key = hashlib.sha256()
    for part in (*command, _run([*compiler, "--version"], source), preprocessed, _digest(libtt)):
        key.update(part.encode() + b"\0")
    library = _cache_dir() / f"{source.stem}-{key.hexdigest()[:32]}.so"
    if not library.exists():
        library.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=library.parent) as folder:
            made = pathlib.Path(folder) / library.name
            _run([*command, "-o", str(made), str(source), str(libtt), f"-Wl,-rpath,{libtt.parent}"], source)
            made.replace(library)
    return library


def _run(command: list[str], source: pathlib.Path) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, errors="replace")
    except FileNotFoundError:
        raise FileNotFoundError(
            f"[kernels] there is no compiler {command[0]!r} for {source}; install g++ 12 or newer, or name one in CXX"
        ) from None
    if done.returncode != 0:
        raise RuntimeError(f"[kernels] {source} does not compile: {shlex.join(command)}\n{done.stderr}")
    return done.stdout


def _cache_dir() -> pathlib.Path:
    return pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "jax_tt"


@functools.cache
def _digest(path: pathlib.Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


_python = ctypes.PyDLL(None)  # functions of our own: JAX gives those of ctypes.pythonapi other types
_new_capsule = _python.PyCapsule_New
_new_capsule.restype, _new_capsule.argtypes = ctypes.py_object, [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]
_is_capsule = _python.PyCapsule_IsValid
_is_capsule.restype, _is_capsule.argtypes = ctypes.c_int, [ctypes.py_object, ctypes.c_char_p]
_address_in = _python.PyCapsule_GetPointer
_address_in.restype, _address_in.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]


def _accept_targets(platform: str) -> None:
    """Takes the targets that are registered for the platform from now on, and those that were before it was there."""
    runtime = ctypes.CDLL(_wheel.library("libtt.so"))

    def take(name: str, function: Any) -> None:
        if not _is_capsule(function, _CAPSULE):
            raise ValueError(
                f"[register_ffi_target] {name!r} for {platform} is {function!r}, expected a kernel program: jax_tt.kernels.load(source)"
            )
        message = ctypes.create_string_buffer(_MESSAGE_BYTES)
        address = ctypes.c_void_p(_address_in(function, _CAPSULE))
        if runtime.tt_register_custom_call(name.encode(), address, message, ctypes.c_size_t(_MESSAGE_BYTES)) != 0:
            raise ValueError(message.value.decode(errors="replace"))

    _jax_internals.take_ffi_targets(platform, take)
