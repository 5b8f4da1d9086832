"""Load torch's libraries so that they can live beside the window's OpenGL driver, and so that the window goes on meanwhile."""

from __future__ import annotations

import ctypes
import importlib.util
import os
import sys
from collections.abc import Iterator
from pathlib import Path

_TORCH = ("libtorch_cpu.so", "libtorch.so", "libtorch_python.so")  # in this order they need each other


def load_libraries() -> None:
    """Load what torch imports on Linux first; does nothing elsewhere, or when it is loaded already.

    An import holds Python's lock while a library of hundreds of megabytes is linked, half a second in which the window stands still.
    Opened beforehand by the system's own call, which holds no lock, it is only found by the import.
    """
    if sys.platform != "linux" or "torch" in sys.modules:
        return
    _load_compiler()
    if not os.environ.get("LD_LIBRARY_PATH"):  # else torch looks first which CUDA there suits it
        for name in _TORCH:
            for folder in _folders("torch"):
                _open(folder / "lib" / name, os.RTLD_NOW)


def _load_compiler() -> None:
    """Load triton with its own symbols first.

    Mesa's drivers bring an LLVM into the process, triton links another one statically and exports its symbols. Whichever is loaded
    second binds to the first, and the process dies while torch is imported. RTLD_DEEPBIND lets triton prefer its own.
    """
    if not hasattr(os, "RTLD_DEEPBIND") or "triton" in sys.modules or importlib.util.find_spec("triton") is None:
        return
    way = os.RTLD_NOW | os.RTLD_DEEPBIND
    for folder in _folders("triton"):
        _open(folder / "_C" / "libtriton.so", way)
    flags = sys.getdlopenflags()
    sys.setdlopenflags(way)
    try:
        importlib.import_module("triton._C.libtriton")
    except ImportError:  # an installation without it is torch's own affair
        pass
    finally:
        sys.setdlopenflags(flags)


def _folders(package: str) -> Iterator[Path]:
    spec = importlib.util.find_spec(package)
    yield from map(Path, (spec.submodule_search_locations or ()) if spec is not None else ())


def _open(library: Path, way: int) -> None:
    """Link a library for good, without Python's lock; one that cannot be linked is found out by the import that needs it."""
    if library.is_file():
        system = ctypes.CDLL(None)
        system.dlopen.restype, system.dlopen.argtypes = ctypes.c_void_p, (ctypes.c_char_p, ctypes.c_int)
        system.dlopen(os.fsencode(library), way)
