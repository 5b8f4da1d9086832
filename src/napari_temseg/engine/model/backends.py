"""What runs a network: torch, or a runtime of an extra that is given the network as ONNX; told, or found by measuring."""

from __future__ import annotations

import importlib
import json
import platform
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from threading import Lock
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import torch
from torch import nn

from napari_temseg.engine.model.band import INPUTS
from napari_temseg.engine.model.device import Device, choose_device
from napari_temseg.engine.model.exported import cache_folder, cached_name, exported, missing_exporters, write_cached
from napari_temseg.engine.model.network import for_inference
from napari_temseg.engine.model.segmenter import Segmenter
from napari_temseg.engine.types.config import PredictConfig
from napari_temseg.engine.types.errors import TemsegError

TORCH, AUTO = "torch", "auto"
_SIDE, _ROUNDS = 512, 3  # px of the tile that is measured, and how often each runs it
_importing, _making_exact = Lock(), Lock()
_exact: WeakKeyDictionary[nn.Module, nn.Module] = WeakKeyDictionary()  # in float32, by the network that is faster


class Runtime(nn.Module):
    """A network that something else than torch runs on the processor: (B, C, Y, X) float32 → raw output float32."""

    name = ""
    failures: tuple[type[Exception], ...] = ()  # what it raises that torch would raise as a RuntimeError

    def __init__(self, path: Path, precision: torch.dtype) -> None:
        super().__init__()
        # Handed float32, whatever it computes in.
        self.device = Device("cpu", torch.float32, f"by {self.name}")
        self.precision = precision
        self._infer = self._opened(path)

    @classmethod
    def precision_for(cls, wanted: torch.dtype) -> torch.dtype:
        """In what it computes where `wanted` is what torch would."""
        return torch.float32

    def _opened(self, path: Path) -> Callable[[Any], Any]:
        raise NotImplementedError

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Raw output; RuntimeError where memory does not suffice."""
        try:
            return torch.from_numpy(self._infer(np.ascontiguousarray(x.numpy())))
        except MemoryError as error:
            raise RuntimeError("out of memory") from error
        except self.failures as error:
            raise RuntimeError(str(error)) from error


class OpenVino(Runtime):
    """Intel's, under Apache-2.0."""

    name = "openvino"

    @classmethod
    def precision_for(cls, wanted: torch.dtype) -> torch.dtype:
        """That of torch, where it has it too."""
        return (
            wanted
            if wanted == torch.float32 or "BF16" in _openvino().Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
            else torch.float32
        )

    def _opened(self, path: Path) -> Callable[[Any], Any]:
        core = _openvino().Core()
        hints = {
            "INFERENCE_PRECISION_HINT": "bf16" if self.precision == torch.bfloat16 else "f32",
            "INFERENCE_NUM_THREADS": torch.get_num_threads(),
            "PERFORMANCE_HINT": "LATENCY",
        }
        request = core.compile_model(core.read_model(path), "CPU", hints).create_infer_request()
        return lambda image: request.infer({0: image})[0]


class OnnxRuntime(Runtime):
    """Microsoft's, under MIT."""

    name = "onnxruntime"

    def _opened(self, path: Path) -> Callable[[Any], Any]:
        import onnxruntime
        from onnxruntime.capi import onnxruntime_pybind11_state as raised

        self.failures = (raised.Fail, raised.RuntimeException)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        return lambda image: session.run(None, {"image": image})[0]


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
            raise TemsegError(f"Backend openvino cannot be loaded ({_line(error)}); install it again, or take backend torch.") from error
        finally:
            if hidden:
                del sys.modules[telemetry]


def why_not(backend: str) -> str:
    """Why a backend cannot be used here, with the remedy; "" where it can."""
    missing = [name for name in (backend, *missing_exporters()) if find_spec(name) is None] if backend in RUNTIMES else []
    return f'needs {" and ".join(missing)}: pip install "napari-temseg[{backend}]"' if missing else ""


def chosen(model: Segmenter, config: PredictConfig) -> PredictConfig:
    """`config` with what runs it as its backend, "auto" no more, and the network exported for it.

    "auto" takes the fastest of those that are installed, measured when a model is first run so on a machine, and remembered: sizes are
    the same by all, in bfloat16 too (`benchmarks/backends.py`).
    `TemsegError` for one that is asked for and not installed, or not for the device.
    """
    if config.backend == TORCH:
        return config
    if config.backend == AUTO:
        return replace(config, backend=_fastest(model, config))
    reason = why_not(config.backend)
    if reason:
        raise TemsegError(f"Backend {config.backend} {reason}; or take backend torch.")
    if config.device not in ("auto", "cpu"):
        raise TemsegError(f"Backend {config.backend} runs on the processor alone: take device cpu, or backend torch.")
    exported(model)
    return config


def ready(model: Segmenter, config: PredictConfig) -> nn.Module:
    """The network of a model, to predict with by `config`; `TemsegError` as `chosen`."""
    backend = chosen(model, config).backend
    device = choose_device("cpu" if backend in RUNTIMES else config.device, config.precision)
    if backend == TORCH:
        return for_inference(model.network, device.torch, device.dtype)
    kind, path = RUNTIMES[backend], exported(model)
    try:
        return kind(path, kind.precision_for(device.dtype))
    except TemsegError:
        raise
    except Exception as error:  # each raises classes of its own, for a damaged file too
        path.unlink(missing_ok=True)
        raise TemsegError(f"{path}: {backend} cannot run it ({_line(error)}); try again, or take backend torch.") from error


def device_of(network: nn.Module, config: PredictConfig) -> Device:
    """Where a network that is `ready` runs."""
    return network.device if isinstance(network, Runtime) else choose_device(config.device, config.precision)


def exact(model: Segmenter, network: nn.Module, device: Device) -> tuple[nn.Module, Device]:
    """The same in float32, and where that runs; itself where it computes so.

    What is read off it decides at which scale a picture is seen, so that rounding which hardly changes an outline would change them all.
    """
    computes_in = network.precision if isinstance(network, Runtime) else device.dtype
    if computes_in == torch.float32:
        return network, device
    with _making_exact:
        if network not in _exact:
            _exact[network] = for_inference(model.network, device.torch, torch.float32)
    return _exact[network], replace(device, dtype=torch.float32)


def described(network: nn.Module, device: Device) -> str:
    """For a methods section: "openvino 2026.4.1, cpu, float32"."""
    name, precision = (network.name, network.precision) if isinstance(network, Runtime) else (TORCH, device.dtype)
    return f"{name} {_version(name)}, {device.kind}, {str(precision).removeprefix('torch.')}"


def measured(model: Segmenter, config: PredictConfig) -> dict[str, float]:
    """Seconds a tile by backend, as "auto" measured them for this model on this machine; {} where it did not yet."""
    try:
        known = json.loads(_measurements(model).read_text(encoding="utf-8"))
        return {str(name): float(seconds) for name, seconds in known[_circumstances(config)].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def _fastest(model: Segmenter, config: PredictConfig) -> str:
    device = choose_device(config.device, config.precision)
    usable = [name for name in RUNTIMES if not why_not(name)]
    if device.kind != "cpu" or not usable:
        return TORCH
    seconds = measured(model, config)
    if set(seconds) != {TORCH, *usable}:
        seconds = _measure(model, config, usable)
        _remember(model, config, seconds)
    return min(seconds, key=seconds.__getitem__)


def _measure(model: Segmenter, config: PredictConfig, usable: list[str]) -> dict[str, float]:
    """Seconds a tile, the least of some rounds in which all take turns: what else the machine does only adds to it."""
    networks = {name: ready(model, replace(config, backend=name)) for name in (TORCH, *usable)}
    image = torch.randn(1, INPUTS if model.spec.working_size else 1, _SIDE, _SIDE, generator=torch.Generator().manual_seed(0))
    seconds = dict.fromkeys(networks, float("inf"))
    for turn in range(_ROUNDS + 1):
        for name, network in networks.items():
            begun = time.perf_counter()
            run_on(network, device_of(network, config), image)
            if turn:  # the first is a warm-up
                seconds[name] = min(seconds[name], time.perf_counter() - begun)
    return seconds


@torch.no_grad()
def run_on(network: nn.Module, device: Device, tile: torch.Tensor) -> torch.Tensor:
    """Raw output (1, C, Y, X) float32 on the CPU of one tile (1, ·, Y, X) by a network that is `ready`."""
    raw: torch.Tensor = network(tile.to(device.torch, device.dtype, memory_format=torch.channels_last)).float().cpu()
    return raw


def _remember(model: Segmenter, config: PredictConfig, seconds: dict[str, float]) -> None:
    path = _measurements(model)
    try:
        known = dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        known = {}
    write_cached(path, json.dumps({**known, _circumstances(config): seconds}, indent=1).encode())


def _measurements(model: Segmenter) -> Path:
    return cache_folder() / f"{cached_name(model)}.json"


def _circumstances(config: PredictConfig) -> str:
    """What the measurement hangs on: the machine (a home folder may be that of many), its threads, the precision, the versions."""
    versions = [f"{name} {_version(name)}" for name in (TORCH, *RUNTIMES) if not why_not(name)]
    machine = [platform.node(), torch.backends.cpu.get_cpu_capability(), f"{torch.get_num_threads()} threads"]
    precision = str(choose_device(config.device, config.precision).dtype)
    return ", ".join([*machine, precision, *versions])


_version = cache(version)  # to look it up takes milliseconds


def _line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:120]
