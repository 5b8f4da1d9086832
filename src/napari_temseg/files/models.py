"""`.temseg`: one file a model, safetensors tensors with the metadata as JSON in their header; no pickle anywhere.

The header also holds the SHA-256 of the whole file, taken with 64 zeros in its own place. Files of earlier versions have none.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError, safe_open

from napari_temseg.engine.model import segmenter as _segmenter
from napari_temseg.engine.model.exported import path_of
from napari_temseg.engine.model.segmenter import Segmenter
from napari_temseg.engine.types.errors import TemsegError
from napari_temseg.files.atomic import json_text, printable, replacing

if TYPE_CHECKING:
    import torch

MODEL_FORMAT = 2  # the highest that this version reads …
_PLAIN_FORMAT = 1  # … and what it writes of models that older versions predict with rightly: those without a size of their own
_LARGEST = 1 << 30
_DESCRIPTION, _SUM, _UNSEALED = "temseg", "sha256", "0" * 64


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
        if tensor.dtype.kind == "f" and not np.isfinite(tensor).all():
            raise TemsegError(f"{path}: tensor {name} holds numbers that are not finite; train the model again or use another copy.")
    try:
        found = Segmenter.from_parts(metadata, tensors, built=False)
        if not path_of(found).is_file():  # what was exported fitted
            found.network  # noqa: B018  built here, where it is told whose tensors do not fit
        return found
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        what = f"{error.args[0]!r} is missing" if isinstance(error, KeyError) else _line(error)
        raise TemsegError(f"{path}: not a usable model ({what}); use another copy of the file.") from error


def _open(path: Path) -> tuple[dict[str, Any], dict[str, npt.NDArray[Any]]]:
    try:
        with _named(path) as name, safe_open(name, framework="np") as file:
            header = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  not a dict
    except (SafetensorError, OSError, ValueError, RuntimeError) as error:
        raise TemsegError(f"{path}: not a .temseg file, or cut short ({_line(error)}); use another copy of the file.") from error
    # Files of earlier versions hold the description alone: whatever else there is was the checksum once.
    if _DESCRIPTION in header and set(header) != {_DESCRIPTION} and header.get(_SUM) != _checksum(path, header.get(_SUM, "")):
        raise TemsegError(f"{path}: is damaged, its content does not agree with its checksum; use another copy of the file.")
    try:
        metadata = json.loads(header[_DESCRIPTION])
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
    from safetensors.torch import save as to_bytes
    from safetensors.torch import save_file

    if printable(str(path)) == str(path):
        save_file(tensors, path, metadata=metadata)
    else:
        path.write_bytes(to_bytes(tensors, metadata=metadata))


def _place(start: bytes, value: str) -> int:
    """Where in the beginning of a file the checksum stands; −1 where it does not."""
    entry = f'"{_SUM}":"'.encode()
    found = start.find(entry + value.encode())
    return found if found < 0 else found + len(entry)


def _checksum(path: Path, value: str) -> str:
    """The SHA-256 of a file as it was before `value` took the place of zeros in its header; "" where it is not there."""
    with path.open("rb") as stream:
        start = stream.read(8)
        start += stream.read(int.from_bytes(start, "little"))
        place = _place(start, value) if len(value) == len(_UNSEALED) else -1
        if place < 0:
            return ""
        digest = hashlib.sha256(start[:place] + _UNSEALED.encode() + start[place + len(_UNSEALED) :])
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _seal(path: Path) -> None:
    """Put the checksum of a file in the place of the zeros in its header."""
    value = _checksum(path, _UNSEALED)
    with path.open("r+b") as stream:
        start = stream.read(8)
        stream.seek(_place(start + stream.read(int.from_bytes(start, "little")), _UNSEALED))
        stream.write(value.encode())


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__


def save(model: Segmenter, path: Path, *, half: bool = False) -> None:
    """Write a model, whole or not at all; `half` stores float16, half the size, where the numbers fit."""
    tensors = {name: _halved(tensor) if half else tensor for name, tensor in model.tensors().items()}
    number = MODEL_FORMAT if model.spec.working_size else _PLAIN_FORMAT
    header = {_DESCRIPTION: json_text({**model.metadata(), "format": number}), _SUM: _UNSEALED}
    try:
        with replacing(path) as temporary:
            write_tensors(temporary, tensors, header)
            _seal(temporary)
    except SafetensorError as error:
        raise TemsegError(f"{path}: cannot be written ({_line(error)}); choose a folder you may write to, with space left.") from error


def _halved(tensor: torch.Tensor) -> torch.Tensor:
    import torch

    halved = tensor.half() if tensor.is_floating_point() else tensor
    # Running variances can exceed what float16 holds.
    return halved if bool(torch.isfinite(halved).all()) else tensor


_segmenter.writer = save
