"""TIFF in and out: micrographs with the pixel size of their tags, results that ImageJ opens calibrated."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import tifffile

from napari_temseg.engine.types.errors import TemsegError
from napari_temseg.engine.types.micrograph import Calibration
from napari_temseg.files.atomic import replacing
from napari_temseg.files.formats.raw import unusable
from napari_temseg.files.formats.series import LOSSY, Series
from napari_temseg.files.formats.sizes import Tagged
from napari_temseg.files.formats.tags import tiff_acquisition, tiff_tags
from napari_temseg.files.formats.tiff_pixels import DAMAGED_TIFF, explained, ome_set, opened, parts, row_bytes
from napari_temseg.files.label_pages import strips_of

MAX_PIXELS = 2**31  # of one plane: beyond any camera, so a damaged header rather than a picture
JPEG = (6, 7, 99, 33004, 33007, 34892)  # compressions that are JPEG or its lossy kin
_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}  # of a tag's types
MAX_SERIES = 100  # pictures of different shape in one file
MAX_PAGES = 64  # of a stack, each of which is asked for a pixel size of its own


def read_tiff(path: Path, *, expansion: int = 4, raw: bool = False) -> list[Series]:
    """Every picture of a TIFF, the largest first; of equals the one that is not colour, then the one of more bits, then the first.

    One page is (Y, X) in native byte order; several are a lazy dask array (pages, Y, X) or longer; a channel is a series of its own, and
    so are pages whose pixel sizes differ. Of an OME set only what is in this file is read. `expansion` is how many times the size of the
    file, and 64 MB more, a plane may have once it is decompressed: micrographs are noise, label images pack better. `raw` gives the
    numbers as stored, whatever colours they stand for, with channels as an axis.
    `TemsegError` when the largest picture is damaged, in colour, of unknown compression or absurd size; on others that is an obstacle.
    """
    notes = _check_chain(path)
    try:
        alone, note = ome_set(path)
        with opened(path, alone) as tif:
            declared = int((tif.imagej_metadata or {}).get("images", 1))
            how = _How(path, tif, alone, raw, expansion * path.stat().st_size + 2**26)
            ranked = _ranked(tif, path)
            found = _series(how, *ranked[0], declared)
            for item in ranked[1:MAX_SERIES]:
                found += _other(how, *item)
            notes = (*notes, *filter(None, [note]))
            return [replace(one, notes=(*notes, *one.notes)) for one in found] if notes else found
    except TemsegError:
        raise
    except DAMAGED_TIFF as error:
        raise explained(path, error) from error


class _How(NamedTuple):
    """A file that is being read, and how."""

    path: Path
    tif: tifffile.TiffFile
    alone: bool
    raw: bool
    limit: int


def _check_chain(path: Path) -> tuple[str, ...]:
    """Notes on pages and tags that lie beyond the end of the file, which tifffile leaves out.

    A chain of pages that leads back into itself is refused: past its hundredth page tifffile would follow it for ever.
    """
    size = path.stat().st_size
    with path.open("rb") as stream:
        header = stream.read(16)
        order = {b"II": "<", b"MM": ">"}.get(header[:2], "")
        version = struct.unpack_from(f"{order}H", header, 2)[0] if order and len(header) == 16 else 0
        if version not in (42, 43):
            return ()
        # Classic TIFF counts its tags of 12 bytes in 2 and points with 4; BigTIFF its tags of 20 bytes in 8 and points with 8.
        count, entry, link, first = ("H", "HHII", "I", 4) if version == 42 else ("Q", "HHQQ", "Q", 8)
        each, pointer = struct.calcsize("<" + entry), struct.calcsize(link)
        offset, seen, lost = struct.unpack_from(order + link, header, first)[0], set[int](), set[int]()
        while 0 < offset < size:
            if offset in seen:
                raise TemsegError(f"{path}: the file is damaged (page {len(seen)} leads back to an earlier one); copy or export it again.")
            seen.add(offset)
            stream.seek(offset)
            raw = stream.read(struct.calcsize(count))
            tags = struct.unpack(order + count, raw)[0] if len(raw) == struct.calcsize(count) else size
            if offset + len(raw) + tags * each + pointer > size:
                break
            content = stream.read(tags * each)
            lost |= {code for code, kind, n, where in struct.iter_unpack(order + entry, content) if _beyond(kind, n, where, pointer, size)}
            offset = struct.unpack(order + link, stream.read(pointer))[0]
    notes = [f"The file ends before its page {len(seen) + (offset >= size)}: it is truncated or damaged, and was read as far as it goes."]
    told = ", ".join(map(str, sorted(lost)))
    return (
        *(notes if offset else ()),
        *((f"The file ends before what its tags say ({told}): it is truncated or damaged, and a pixel size may be lost.",) if lost else ()),
    )


def _beyond(kind: int, count: int, where: int, pointer: int, size: int) -> bool:
    """Whether the value of a tag, which lies elsewhere when it is longer than a `pointer`, ends after the file of `size` bytes."""
    length = count * _BYTES.get(kind, 0)
    return length > pointer and where + length > size


def _series(how: _How, index: int, series: Any, declared: int) -> list[Series]:
    _check_whole(series, how.path, declared, how.limit)
    name = f"series {index}" if len(how.tif.series) > 1 else ""
    lossy = series.keyframe.compression in JPEG
    pages = [] if how.raw else _differing_pages(how.tif, series)
    found = []
    pictures = parts(how.path, index, series, how.alone, raw=how.raw, split=bool(pages))
    for number, part in enumerate(pictures):
        said = pages[number] if pages else tiff_tags(how.tif, series.keyframe)
        notes = (*said.notes, LOSSY) if lossy else said.notes
        called = " ".join(filter(None, (name, part.name)))
        taken = tiff_acquisition(series.keyframe, how.tif.pages.first)
        channel = len(pictures) > 1 and not pages
        found.append(Series(called, part.data, said.calibration, part.axes, said.obstacle, notes, lossy, taken, channel))
    return found


def _differing_pages(tif: tifffile.TiffFile, series: Any) -> list[Tagged]:
    """What each page of a stack says of its own pixels, when they do not all say the same; else nothing."""
    if series.kind in ("imagej", "ome") or series.ndim != 3 or "S" in series.axes or not 1 < len(series.pages) <= MAX_PAGES:
        return []
    said = [tiff_tags(tif, tif.pages[page.index]) for page in series.pages if page is not None]
    return said if len({one.calibration.pixel_size for one in said}) > 1 and len(said) == len(series.pages) else []


def _other(how: _How, index: int, series: Any) -> list[Series]:
    """A picture beside the largest, which may be a thumbnail in colour or damaged without harm to the largest."""
    try:
        return _series(how, index, series, 1)
    except (TemsegError, *DAMAGED_TIFF) as error:
        sentence = error if isinstance(error, TemsegError) else explained(how.path, error)
        obstacle = str(sentence).removeprefix(f"{how.path}: ")
        return [Series(f"series {index}", unusable(1, 1), obstacle=obstacle)]


def _ranked(tif: tifffile.TiffFile, path: Path) -> list[tuple[int, Any]]:
    """The series with their numbers, the largest first."""
    if not tif.series:
        raise TemsegError(f"{path}: the TIFF holds no picture; copy or export it again.")

    def rank(item: tuple[int, Any]) -> tuple[int, bool, int, int]:
        index, series = item
        pixels = math.prod(n for n, axis in zip(series.shape, series.axes, strict=True) if axis != "S")
        return pixels, "S" not in series.axes, series.dtype.itemsize, -index

    return sorted(enumerate(tif.series), key=rank, reverse=True)


def _check_whole(series: Any, path: Path, declared: int, limit: int) -> None:
    """Refuse, before any pixel is read, what ends too early, is empty, or would unpack into more than `limit` bytes a plane."""
    page = series.keyframe
    if 0 in series.shape:
        raise TemsegError(f"{path}: the image is empty (shape {tuple(series.shape)}).")
    if page.dtype is None or page.dtype != series.dtype:
        raise ValueError(f"pixels of type {page.dtype} in a series of {series.dtype}")
    if page.imagelength * page.imagewidth > MAX_PIXELS:
        raise TemsegError(f"{path}: a plane of {page.imagelength} × {page.imagewidth} pixels is too large; cut it into parts first.")
    planes = math.prod(series.shape) // (page.imagelength * page.imagewidth * page.samplesperpixel)
    if declared > planes:  # tifffile goes on with the first page of an ImageJ stack whose rest is missing
        raise TemsegError(f"{path}: the file is truncated ({planes} of {declared} planes); copy or export it again.")
    size = path.stat().st_size
    lacking = 0 if series.dataoffset is not None else sum(map(_not_written, series.pages))
    if lacking:  # tifffile takes them for zeros
        raise TemsegError(
            f"{path}: the file is still being written or was not copied to its end ({lacking} strips or tiles of the picture are not in "
            "it); wait or copy it again."
        )
    end = series.dataoffset + series.nbytes if series.dataoffset is not None else max(map(_end, series.pages))
    # A damaged width or height asks for more than the strips hold; tifffile would fill the rest with zeros.
    stored = row_bytes(page) * page.imagelength if page.compression == 1 and page.bitspersample >= 8 else 0
    piece = math.prod(page.chunks) * page.dtype.itemsize  # a damaged tile is unpacked as large as it claims to be
    missing = max(end, stored)
    if missing > size or max(page.nbytes, piece) > limit:
        known = f" ({size} of at least {missing} bytes)" if missing > size else ""
        raise TemsegError(f"{path}: the file is truncated or damaged{known}; copy or export it again.")


def _not_written(page: Any) -> int:
    """Strips or tiles of a page that are said to have no bytes."""
    return 0 if page is None else sum(count == 0 for count in page.databytecounts)


def _end(page: Any) -> int:
    return (
        0
        if page is None
        else max((offset + count for offset, count in zip(page.dataoffsets, page.databytecounts, strict=False)), default=0)
    )


def write_tiff(
    path: str | Path, data: npt.NDArray[Any], calibration: Calibration, axes: str = "YX", *, content: str = "", **metadata: Any
) -> None:
    """Write (Y, X), a stack (N, Y, X) or channels (N, C, Y, X) as an ImageJ hyperstack with its pixel size, whole or not at all.

    `data` is uint8, uint16 or float32, what ImageJ knows; `axes` a `Micrograph`'s with "C" before "YX" for channels.
    `content` marks the file as a result of this program ("classes", "particles"). Values run from 0 to their largest on screen.
    """
    planes = data.reshape((-1, *data.shape[-2:]))
    write_planes(path, planes, data.shape, data.dtype, calibration, axes, content=content, **{"max": data.max(), **metadata})


def write_planes(
    path: str | Path,
    planes: Iterable[npt.NDArray[Any]],
    shape: tuple[int, ...],
    dtype: np.dtype[Any],
    calibration: Calibration,
    axes: str,
    *,
    content: str = "",
    **metadata: Any,
) -> None:
    """As `write_tiff`, of planes (Y, X) as they come, which make an array of `shape`; their largest value is said as `max`."""
    y, x = calibration.scale
    known = {"axes": axes.replace("N", "Z"), "min": 0.0, **metadata}
    known["max"] = float(max(1, known["max"]))
    if calibration.pixel_size is not None:
        known["unit"] = "nm"
    if content:
        known["temseg"] = content
    with replacing(path) as temporary:
        how: dict[str, Any] = {"imagej": True, "resolution": (1 / x, 1 / y), "metadata": known}
        start = tifffile.imwrite(temporary, shape=shape, dtype=dtype, returnoffset=True, **how)
        with temporary.open("r+b") as stream:
            stream.seek(start[0])
            for plane in planes:
                for rows in strips_of(plane):  # a large plane is never there twice
                    stream.write(np.ascontiguousarray(rows, dtype.newbyteorder("=")).data)


def content_of(path: Path) -> str:
    """What this program wrote there as a result ("classes", "particles" …), or "" for files from elsewhere."""
    return str(_metadata(path).get("temseg", ""))


def slice_labels(path: Path) -> list[str]:
    """The label of each slice that ImageJ shows above it; none for files without."""
    labels = _metadata(path).get("Labels", [])
    return [labels] if isinstance(labels, str) else list(labels)


def _metadata(path: Path) -> dict[str, Any]:
    if path.suffix.lower() not in (".tif", ".tiff"):
        return {}
    try:
        with tifffile.TiffFile(path) as tif:
            return dict(tif.imagej_metadata or {})
    except (*DAMAGED_TIFF, OSError):
        return {}
