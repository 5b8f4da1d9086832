"""`.temseg`: one file a model, safetensors tensors with the metadata as JSON in their header; no pickle anywhere."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as to_bytes
from safetensors.torch import save_file

from napari_temseg.engine.model import segmenter as _segmenter
from napari_temseg.engine.model.segmenter import Segmenter
from napari_temseg.engine.types.errors import TemsegError
from napari_temseg.files.atomic import json_text, printable, replacing

MODEL_FORMAT = 1
_LARGEST = 1 << 30


def shipped() -> dict[str, Path]:
    """The models that come with the package: name → file."""
    folder = Path(str(files("napari_temseg") / "models"))
    return {path.stem: path for path in sorted(folder.glob("*.temseg"))}


def load(model: str | Path) -> Segmenter:
    """Load a shipped model by name, or a `.temseg` file; `TemsegError` says what is wrong with one that cannot be used."""
    path = shipped().get(str(model), Path(model))
    if not os.path.isfile(path):  # pathlib's own raises for a name that is too long
        kind = "a folder" if os.path.isdir(path) else "no such file or shipped model"
        raise TemsegError(f"{model}: {kind}; give a .temseg file or one of {', '.join(shipped()) or 'the shipped models (none here)'}.")
    if path.stat().st_size > _LARGEST:
        raise TemsegError(f"{path}: larger than 1 GiB, so it is no model of ours; choose a .temseg file.")
    metadata, tensors = _open(path)
    if metadata["format"] > MODEL_FORMAT:
        raise TemsegError(
            f"{path}: written by a newer version (format {metadata['format']}, this one reads {MODEL_FORMAT}); update napari-temseg."
        )
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            raise TemsegError(f"{path}: tensor {name} holds numbers that are not finite; train the model again or use another copy.")
    try:
        return Segmenter.from_parts(metadata, tensors)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        what = f"{error.args[0]!r} is missing" if isinstance(error, KeyError) else _line(error)
        raise TemsegError(f"{path}: not a usable model ({what}); use another copy of the file.") from error


def _open(path: Path) -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
    try:
        with _named(path) as name, safe_open(name, framework="pt") as file:
            header = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  not a dict
    except (SafetensorError, OSError, ValueError, RuntimeError) as error:
        raise TemsegError(f"{path}: not a .temseg file, or cut short ({_line(error)}); use another copy of the file.") from error
    try:
        metadata = json.loads(header["temseg"])
        metadata["format"] = int(metadata["format"])
    except (KeyError, TypeError, ValueError, OverflowError, RecursionError) as error:
        raise TemsegError(f"{path}: a safetensors file without a model description; choose a .temseg file.") from error
    return metadata, tensors


@contextmanager
def _named(path: Path) -> Iterator[str]:
    """A name of the file that safetensors takes, also where the path is no UTF-8 (which only systems with /dev/fd have)."""
    if printable(str(path)) == str(path):
        yield str(path)
        return
    with path.open("rb") as stream:
        yield f"/dev/fd/{stream.fileno()}"


def write_tensors(path: Path, tensors: dict[str, torch.Tensor], metadata: dict[str, str]) -> None:
    """Write a safetensors file, whatever bytes its path holds."""
    if printable(str(path)) == str(path):
        save_file(tensors, path, metadata=metadata)
    else:
        path.write_bytes(to_bytes(tensors, metadata=metadata))


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__


def save(model: Segmenter, path: Path, *, half: bool = False) -> None:
    """Write a model, whole or not at all; `half` stores float16, half the size, where the numbers fit."""
    tensors = {name: _halved(tensor) if half else tensor for name, tensor in model.tensors().items()}
    header = {"temseg": json_text({**model.metadata(), "format": MODEL_FORMAT})}
    try:
        with replacing(path) as temporary:
            write_tensors(temporary, tensors, header)
    except SafetensorError as error:
        raise TemsegError(f"{path}: cannot be written ({_line(error)}); choose a folder you may write to, with space left.") from error


def _halved(tensor: torch.Tensor) -> torch.Tensor:
    halved = tensor.half() if tensor.is_floating_point() else tensor
    # Running variances can exceed what float16 holds.
    return halved if bool(torch.isfinite(halved).all()) else tensor


_segmenter.writer = save
