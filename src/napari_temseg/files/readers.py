"""Open a file as a `Micrograph`, whichever format it is in."""

from __future__ import annotations

import hashlib
from pathlib import Path

from napari_temseg.engine.errors import TemsegError
from napari_temseg.engine.micrograph import AXES, Micrograph, Source

TIFF = (".tif", ".tiff", ".btf")
PICTURES = (".png", ".jpg", ".jpeg")
EXTENSIONS = (*TIFF, *PICTURES)
AXES_BY_NAME = {"fields": "NYX", "time": "TYX", "depth": "ZYX"}


def is_micrograph(path: Path) -> bool:
    """Whether the name says that `read` can open it; hidden files are left alone."""
    return path.suffix.lower() in EXTENSIONS and not path.name.startswith(".")


def checked_path(path: str | Path) -> Path:
    """The path of a non-empty file in a format that is read; `TemsegError` otherwise."""
    path = Path(path)
    if not path.exists():
        raise TemsegError(f"{path}: there is no such file; check the name and the folder.")
    if path.is_dir():
        raise TemsegError(f"{path}: is a folder, not a micrograph; name the files in it, or give the folder to “temseg run”.")
    if path.suffix.lower() not in EXTENSIONS:
        raise TemsegError(
            f"{path}: files of type “{path.suffix or 'without an extension'}” are not read; save it as TIFF, PNG or JPEG first."
        )
    try:
        size = path.stat().st_size
        with path.open("rb"):
            pass
    except OSError as error:
        raise TemsegError(f"{path}: cannot be opened ({error.strerror}); check that you may read it.") from error
    if size == 0:
        raise TemsegError(f"{path}: the file is empty (0 bytes); copy or export it again.")
    return path


def read(path: str | Path, *, axes: str = "") -> Micrograph:
    """Read a TIFF, PNG or JPEG.

    `axes` says what the pages of a stack are: "NYX" or "fields", "TYX" or "time", "ZYX" or "depth"; a single page needs
    none. Stacks are read lazily, plane by plane. The pixel size is taken from ImageJ and OME tags (origin "tag"), never from dpi.
    `TemsegError` names the file, the trouble and the remedy for whatever cannot be read.
    """
    from napari_temseg.files.pictures import read_picture
    from napari_temseg.files.tiff import read_tiff

    path = checked_path(path)
    try:
        data, calibration, series = read_tiff(path) if path.suffix.lower() in TIFF else read_picture(path)
        with path.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
    except MemoryError as error:
        raise TemsegError(f"{path}: the image is too large for this computer's memory; cut it into parts first.") from error
    except OSError as error:
        raise TemsegError(f"{path}: cannot be read ({error.strerror or error}); copy or export it again.") from error
    return Micrograph(data, checked_axes(path, data.shape, axes), calibration, source=Source(str(path), series, digest))


def checked_axes(path: Path, shape: tuple[int, ...], axes: str) -> str:
    """The axes of pixels of this shape when "NYX", "fields" … was said of them; `TemsegError` when a stack's meaning was not."""
    axes = AXES_BY_NAME.get(axes, axes)
    if axes and axes not in AXES:
        raise TemsegError(f"{path}: “{axes}” is no meaning of a stack's first axis; use fields, time or depth.")
    if len(shape) == 2:
        return "YX"
    if len(shape) != 3:
        raise TemsegError(f"{path}: the image has {len(shape)} axes {tuple(shape)}; save one channel as a stack of single planes.")
    if len(axes) != 3:
        raise TemsegError(
            f"{path}: the file holds {shape[0]} pages and does not say what they are; say it with --axes fields, time or depth "
            '(in Python axes="NYX", "TYX" or "ZYX").'
        )
    return axes
