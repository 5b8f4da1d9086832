"""Runtimes of extras: they read the network as ONNX and run it on the processor, without torch."""

from __future__ import annotations

import importlib
import os
import sys
from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np

from napari_temseg.engine.model.backends.backend import Backend, Floats
from napari_temseg.engine.model.device import BFLOAT16, FLOAT32, Device, threads
from napari_temseg.engine.types.errors import TemsegError

_importing = Lock()


class Runtime(Backend):
    """A network in a file, made ready in the `precision` of the settings ("auto": the fastest that the processor has)."""

    failures: tuple[type[Exception], ...] = ()  # what it raises that torch would raise as a RuntimeError

    def __init__(self, path: Path, precision: str) -> None:
        super().__init__(Device("cpu", FLOAT32 if precision == FLOAT32 else self.fastest(), f"by {self.name}"))
        self._path = path
        self._infer = self._opened(path)

    @classmethod
    def fastest(cls) -> str:
        """The fastest precision that it has on this processor."""
        return FLOAT32

    @abstractmethod
    def _opened(self, path: Path) -> Callable[[Floats], Floats]:
        """What runs the network of a file."""

    def outputs(self, tiles: Iterable[Floats]) -> Iterator[Floats]:
        """One after another (see `Backend`)."""
        for tile in tiles:
            try:
                yield self._infer(np.ascontiguousarray(tile))
            except MemoryError as error:
                raise RuntimeError("out of memory") from error
            except self.failures as error:
                raise RuntimeError(str(error)) from error

    def in_float32(self) -> Backend:
        """See `Backend`."""
        return type(self)(self._path, FLOAT32)


class OpenVino(Runtime):
    """Intel's, under Apache-2.0."""

    name = "openvino"

    @classmethod
    def fastest(cls) -> str:
        """Bfloat16, where it finds that in hardware."""
        return BFLOAT16 if "BF16" in _openvino().Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES") else FLOAT32

    def _opened(self, path: Path) -> Callable[[Floats], Floats]:
        core = _openvino().Core()
        kept = path.with_name(f"{path.stem}-{self.device.precision}")
        if os.access(path.parent, os.W_OK):  # what it makes of the network is kept: to make it takes as long as a small picture
            core.set_property({"CACHE_DIR": str(kept)})
        hints = {
            "INFERENCE_PRECISION_HINT": "bf16" if self.device.precision == BFLOAT16 else "f32",
            "INFERENCE_NUM_THREADS": threads(),
            "PERFORMANCE_HINT": "LATENCY",
        }
        # By its name: where it was made ready before, the network itself need not be read.
        request = core.compile_model(str(path), "CPU", hints).create_infer_request()
        # Its answer lies in memory that the next one overwrites.
        return lambda image: np.array(request.infer({0: image})[0])


class OnnxRuntime(Runtime):
    """Microsoft's, under MIT."""

    name = "onnxruntime"

    def _opened(self, path: Path) -> Callable[[Floats], Floats]:
        import onnxruntime
        from onnxruntime.capi import onnxruntime_pybind11_state as raised

        self.failures = (raised.Fail, raised.RuntimeException)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads()
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        return lambda image: np.asarray(session.run(None, {"image": image})[0])


RUNTIMES: dict[str, type[Runtime]] = {each.name: each for each in (OpenVino, OnnxRuntime)}


def _openvino() -> Any:
    """The library, without the one that it tells its makers by that it was imported; it has a stand-in for where that is missing."""
    with _importing:
        telemetry = "openvino_telemetry"
        hidden = telemetry not in sys.modules and "openvino" not in sys.modules
        if hidden:
            sys.modules[telemetry] = None  # type: ignore[assignment]
        try:
            return importlib.import_module("openvino")
        except ImportError as error:
            reason = (str(error).strip().splitlines() or ["ImportError"])[0][:120]
            raise TemsegError(f"Backend openvino cannot be loaded ({reason}); install it again, or take backend torch.") from error
        finally:
            if hidden:
                del sys.modules[telemetry]
