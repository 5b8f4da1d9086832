"""PNG and JPEG. Their dpi says nothing of the specimen, so they are never calibrated."""

from __future__ import annotations

import struct
import warnings
import zlib
from pathlib import Path
from typing import Any

import imageio.v3 as iio
import numpy as np
import numpy.typing as npt
from PIL import Image
from PIL.Image import DecompressionBombError, DecompressionBombWarning

from napari_temseg.engine.types.errors import TemsegError
from napari_temseg.engine.types.micrograph import grey
from napari_temseg.engine.types.units import to_nanometres
from napari_temseg.files.formats.raw import resolution_note
from napari_temseg.files.formats.series import LOSSY, Series

# What Pillow raises for files that are damaged in one way or another.
_DAMAGED = (OSError, SyntaxError, ValueError, EOFError, IndexError, struct.error, zlib.error)


def read_array(path: Path) -> npt.NDArray[Any]:
    """The pixels as stored, (Y, X) or (Y, X, channels); `TemsegError` for a damaged or far too large file."""
    try:
        with warnings.catch_warnings():
            # Pillow warns of any picture above 89 megapixels; cameras of microscopes make larger ones.
            warnings.simplefilter("ignore", DecompressionBombWarning)
            with Image.open(path) as opened:
                printed = opened.mode == "CMYK"  # of which the first three channels are no picture
            array: npt.NDArray[Any] = np.asarray(iio.imread(path, index=0, plugin="pillow", mode="RGB" if printed else None))
    except (*_DAMAGED, DecompressionBombError) as error:
        if isinstance(error, DecompressionBombError) or isinstance(error.__cause__, DecompressionBombError):
            raise TemsegError(
                f"{path}: the picture has too many pixels to be opened safely; save it as TIFF, or cut it into parts."
            ) from error
        raise TemsegError(f"{path}: is damaged or not a {path.suffix[1:].upper()} picture; copy or export it again.") from error
    if 0 in array.shape:
        raise TemsegError(f"{path}: the picture is empty (shape {array.shape}).")
    return array


def read_picture(path: Path) -> list[Series]:
    """The one picture (Y, X), not calibrated; `TemsegError` for colour."""
    array = read_array(path)
    if array.ndim == 3:
        array = grey(array, str(path)) if array.shape[-1] >= 3 else array[..., 0]
    with Image.open(path) as opened:
        lossy, dpi = opened.format == "JPEG", opened.info.get("dpi", (0, 0))
    notes = resolution_note(float(to_nanometres(1, "inch") / dpi[0])) if dpi[0] else ()
    return [Series("", array, axes="YX", notes=(LOSSY, *notes) if lossy else notes, lossy=lossy)]
