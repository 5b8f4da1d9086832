"""Which backend runs a network: told, or the one that was found to be the fastest on this machine."""

from __future__ import annotations

import json
import logging
import math
import os
import platform
import time
from contextlib import suppress
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from napari_temseg.engine.model.backends.backend import Backend, version_of
from napari_temseg.engine.model.backends.runtimes import RUNTIMES
from napari_temseg.engine.model.band import INPUTS
from napari_temseg.engine.model.device import choose_device, gpu_driver, processor, threads
from napari_temseg.engine.model.exported import cache_folder, cached_name, exported, missing_exporters, path_of, write_cached
from napari_temseg.engine.model.segmenter import Segmenter
from napari_temseg.engine.types.config import PredictConfig
from napari_temseg.engine.types.errors import TemsegError

_log = logging.getLogger(__name__)
TORCH, AUTO = "torch", "auto"
_SIDE, _ROUNDS = 512, 3  # px of the tile that is measured, and how often each runs it


def why_not(backend: str, model: Segmenter | None = None) -> str:
    """Why a backend cannot be used here, with the remedy; "" where it can. Of a `model` that is prepared the runtime alone is needed."""
    if backend not in RUNTIMES:
        return ""
    exporters = [] if model is not None and path_of(model).is_file() else missing_exporters()
    missing = [name for name in (backend, *exporters) if find_spec(name) is None]
    return f'needs {" and ".join(missing)}: pip install "napari-temseg[{backend}]"' if missing else ""


def chosen(model: Segmenter, config: PredictConfig) -> PredictConfig:
    """`config` with what runs it as its backend, "auto" no more, and the network exported for it.

    "auto" takes the fastest of what is installed where that was measured (see `measure`), else torch: sizes are the same by all, in
    bfloat16 too (`benchmarks/backends.py`). `TemsegError` for one that is asked for and not installed, or not for the device.
    """
    if config.backend == AUTO:
        seconds = measured(model, config) if config.device in (AUTO, "cpu") else {}
        return replace(config, backend=min(seconds, key=seconds.__getitem__, default=TORCH))
    if config.backend == TORCH:
        return config
    reason = why_not(config.backend, model)
    if reason:
        raise TemsegError(f"Backend {config.backend} {reason}; or take backend torch.")
    if config.device not in (AUTO, "cpu"):
        raise TemsegError(f"Backend {config.backend} runs on the processor alone: take device cpu, or backend torch.")
    exported(model)
    return config


def ready(model: Segmenter, config: PredictConfig) -> Backend:
    """The network of a model, to predict with by `config`; `TemsegError` as `chosen`."""
    backend = chosen(model, config).backend
    if backend == TORCH:
        from napari_temseg.engine.model.backends.by_torch import ByTorch

        return ByTorch(model, choose_device(config.device, config.precision, half=True))
    path = exported(model)
    try:
        return RUNTIMES[backend](path, config.precision)
    except TemsegError:
        raise
    except Exception as error:  # each raises classes of its own, for a damaged file too
        path.unlink(missing_ok=True)
        line = (str(error).strip().splitlines() or [type(error).__name__])[0][:120]
        raise TemsegError(f"{path}: {backend} cannot run it ({line}); try again, or take backend torch.") from error


def usable(model: Segmenter) -> list[str]:
    """What else than torch can run a model here."""
    return [name for name in RUNTIMES if not why_not(name, model)]


def measured(model: Segmenter, config: PredictConfig) -> dict[str, float]:
    """Seconds a tile by backend, as they were measured for this model on this machine; {} where they were not yet."""
    try:
        known = json.loads(_measurements(model).read_text(encoding="utf-8"))
        seconds = {str(name): float(each) for name, each in known[_circumstances(model, config)].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}
    return seconds if set(seconds) == {TORCH, *usable(model)} else {}


def measure(model: Segmenter, config: PredictConfig) -> dict[str, float]:
    """Measure and remember: seconds a tile, the least of some rounds in which all take turns, as what else the machine does only adds.

    {} where there is nothing to choose from. Each is exported and made ready for it, which takes some ten seconds; one that cannot be, as
    its file cannot be written or the network not exported, takes for ever.
    """
    others = usable(model)
    if not others or choose_device(config.device, config.precision).kind != "cpu":
        return {}
    backends = {TORCH: ready(model, replace(config, backend=TORCH))}
    for name in others:
        try:
            backends[name] = ready(model, replace(config, backend=name))
        except TemsegError as error:
            _log.warning("%s", error)
    if len(backends) == 1:
        return {}
    channels = INPUTS if model.spec.working_size else 1
    tile = np.random.default_rng(0).normal(size=(1, channels, _SIDE, _SIDE)).astype(np.float32)
    seconds = dict.fromkeys((TORCH, *others), math.inf)
    for turn in range(_ROUNDS + 1):
        for name, backend in backends.items():
            begun = time.perf_counter()
            for _ in backend.outputs([tile]):
                pass
            if turn:  # the first is a warm-up
                seconds[name] = min(seconds[name], time.perf_counter() - begun)
    with suppress(TemsegError):  # where it cannot be kept, it is measured again
        _remember(model, config, seconds)
    return seconds


def _remember(model: Segmenter, config: PredictConfig, seconds: dict[str, float]) -> None:
    path = _measurements(model)
    try:
        known = dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        known = {}
    write_cached(path, json.dumps({**known, _circumstances(model, config): seconds}, indent=1).encode())


def _measurements(model: Segmenter) -> Path:
    return cache_folder() / f"{cached_name(model)}.json"


def _circumstances(model: Segmenter, config: PredictConfig) -> str:
    """What a measurement hangs on: the machine (a home folder may be that of many), its threads, the precision, the versions."""
    versions = [f"{name} {version_of(name)}" for name in (TORCH, *usable(model))]
    gpu = [f"GPU {os.environ.get('CUDA_VISIBLE_DEVICES', '')}"] if gpu_driver() else []
    machine = [platform.node(), processor(), f"{threads()} threads", *gpu]
    return ", ".join([*machine, config.precision, *versions])
