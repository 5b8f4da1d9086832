"""The checkpoint of a training on disk: safetensors tensors, all else as JSON in their header; no pickle anywhere."""

from __future__ import annotations

import glob
import hashlib
import json
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load

from napari_temseg.engine.training.checkpoint import Checkpoint
from napari_temseg.engine.types.errors import TemsegError
from napari_temseg.files.atomic import replacing
from napari_temseg.files.models import write_tensors

CHECKPOINT_FORMAT = 1
_KEY, _SUM = "temseg-checkpoint", "sha256"


class CheckpointFile:
    """A file that holds the newest checkpoint of one training; written whole or not at all, checked by its SHA-256 when read."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.name = str(path)

    def load(self) -> Checkpoint | None:
        """What the file holds, None when there is no such file; `TemsegError` when it cannot be used."""
        if not self.path.exists():
            return None
        header, tensors = self._open()
        if _KEY not in header:
            raise TemsegError(f"{self.path}: this file is no checkpoint of a training; name another one.")
        if header.get(_SUM) != _digest(header[_KEY], tensors):
            raise TemsegError(f"{self.path}: this checkpoint is damaged; delete it, or name another file, to start anew.")
        told = json.loads(header[_KEY])
        if told["format"] > CHECKPOINT_FORMAT:
            raise TemsegError(f"{self.path}: written by a newer version of napari-temseg; update it, or name another file to start anew.")
        return Checkpoint(told["identity"], told["facts"], tensors)

    def save(self, checkpoint: Checkpoint) -> None:
        """Write a checkpoint over the one before."""
        # Scores may be infinite, figures NaN: Python writes and reads both, and nobody else reads this file.
        told = json.dumps({"format": CHECKPOINT_FORMAT, "identity": checkpoint.identity, "facts": checkpoint.facts})
        try:
            with replacing(self.path) as temporary:
                write_tensors(temporary, checkpoint.tensors, {_KEY: told, _SUM: _digest(told, checkpoint.tensors)})
        except SafetensorError as error:
            raise TemsegError(
                f"{self.path}: cannot be written ({_line(error)}); choose a folder you may write to, with space left."
            ) from error

    def remove(self) -> None:
        """Delete the file, and what a process that was killed while it wrote left beside it."""
        unfinished = f".{glob.escape(self.path.stem)}-[0-9]*{glob.escape(self.path.suffix)}"
        for path in (self.path, *self.path.parent.glob(unfinished)):
            path.unlink(missing_ok=True)

    def _open(self) -> tuple[dict[str, str], dict[str, torch.Tensor]]:
        try:
            # Read in one piece: the file may be replaced by its successor meanwhile, and header and tensors must be of one.
            whole = self.path.read_bytes()
            header = json.loads(whole[8 : 8 + int.from_bytes(whole[:8], "little")])
            return dict(header.get("__metadata__", {})), load(whole)
        except (SafetensorError, OSError, ValueError, AttributeError, TypeError, RuntimeError) as error:
            raise TemsegError(
                f"{self.path}: no checkpoint of a training, or cut short ({_line(error)}); delete it, or name another file, to start anew."
            ) from error


def _digest(told: str, tensors: dict[str, torch.Tensor]) -> str:
    digest = hashlib.sha256(told.encode())
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name}{tuple(tensor.shape)}{tensor.dtype}".encode())
        digest.update(tensor.contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
