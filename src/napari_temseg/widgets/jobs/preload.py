"""Load torch's compiler library so that it can live beside the window's OpenGL driver."""

from __future__ import annotations

import importlib.util
import os
import sys


def load_compiler() -> None:
    """Load triton, which torch imports on Linux, with its own symbols first; does nothing elsewhere, or when it is loaded already.

    Mesa's drivers bring an LLVM into the process, triton links another one statically and exports its symbols. Whichever is loaded
    second binds to the first, and the process dies while torch is imported. RTLD_DEEPBIND lets triton prefer its own.
    """
    if not hasattr(os, "RTLD_DEEPBIND") or "triton" in sys.modules or importlib.util.find_spec("triton") is None:
        return
    flags = sys.getdlopenflags()
    sys.setdlopenflags(os.RTLD_NOW | os.RTLD_DEEPBIND)
    try:
        importlib.import_module("triton._C.libtriton")
    except ImportError:  # an installation without it is torch's own affair
        pass
    finally:
        sys.setdlopenflags(flags)
