"""A network as ONNX: the file that other programs read, and that lies in the user's cache for what else than torch runs it here."""

from __future__ import annotations

import logging
import os
import shutil
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from platformdirs import user_cache_path

from napari_temseg.engine.model.band import INPUTS
from napari_temseg.engine.model.segmenter import Segmenter
from napari_temseg.engine.types.errors import TemsegError

if TYPE_CHECKING:
    from torch import nn

EXPORTERS = ("onnx", "onnxscript")
_KEPT = 8  # networks in the cache: those of models trained since push out the oldest
_LAYOUT = 1  # of the files in the cache: raised when what is exported of a model changes


def missing_exporters() -> list[str]:
    """What is not installed of that which writes ONNX."""
    return [name for name in EXPORTERS if find_spec(name) is None]


def onnx_of(network: nn.Module, channels: int, outputs: Sequence[str]) -> Any:
    """The `ModelProto` of a network: input `image` (B, C, Y, X) float32, C = `channels`, batch and sides left open.

    `TemsegError` where this version of torch cannot export it.
    """
    import torch

    batch, height, width = (torch.export.Dim.DYNAMIC,) * 3
    with warnings.catch_warnings(), _quiet(logging.getLogger("torch.onnx")):
        warnings.simplefilter("ignore")
        try:
            program = torch.onnx.export(
                network,
                (torch.zeros(2, channels, 256, 320),),
                dynamo=True,
                verbose=False,
                input_names=["image"],
                output_names=list(outputs),
                dynamic_shapes=({0: batch, 2: height, 3: width},),
            )
        except torch.onnx.errors.OnnxExporterError:  # an encoder with something in it that ONNX has no word for
            program = None
    if program is None:
        raise TemsegError("This version of torch cannot export the network as ONNX; update torch, or do without ONNX.")
    return program.model_proto


def cache_folder() -> Path:
    """Where exported networks lie, and what was measured of them."""
    return user_cache_path("napari-temseg", appauthor=False) / "networks"


def cached_name(model: Segmenter) -> str:
    """How the files of a model in the cache are called, without their suffix."""
    return f"{model.content_hash()[:32]}-{_LAYOUT}"


def path_of(model: Segmenter) -> Path:
    """Where the exported network of a model lies, if it is exported."""
    return cache_folder() / f"{cached_name(model)}.onnx"


def exported(model: Segmenter) -> Path:
    """The file of a model's network as it predicts, `raw` output and batch norm folded in; written where it is not there yet.

    `TemsegError` when it cannot be exported, or the cache not written.
    """
    path = path_of(model)
    if not path.is_file():
        import torch

        from napari_temseg.engine.model.network import for_inference

        network = for_inference(model.network, torch.device("cpu"), torch.float32)
        proto = onnx_of(network, INPUTS if model.spec.working_size else 1, ["raw"])
        write_cached(path, proto.SerializeToString())
        with suppress(OSError):
            for old in sorted(path.parent.glob("*.onnx"), key=os.path.getmtime)[:-_KEPT]:
                old.unlink()
                for kept in path.parent.glob(f"{old.stem}-*"):  # what a runtime made of it
                    shutil.rmtree(kept)
    return path


def write_cached(path: Path, content: bytes) -> None:
    """Write a file of the cache, whole or not at all; `TemsegError` when that is not possible."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=path.stem)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
            os.replace(temporary, path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise TemsegError(f"{path}: cannot be written ({reason}); make room there, or take backend torch.") from error


@contextmanager
def _quiet(logger: logging.Logger) -> Iterator[None]:
    """It tells errors only, until the end of the block."""
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)
