"""Gatan DigitalMicrograph 3 and 4: a tree of tags, in which each image says what its pixels are.

The layout is the one described by G. Jefferis and C. Boothroyd ("Digital Micrograph file format"), as the files at hand bear out: the
tree itself is big-endian, values have the order that the header names, counts are 32 bit in version 3 and 64 bit in version 4.
"""

from __future__ import annotations

import math
import mmap
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_temseg.engine.types.errors import TemsegError
from napari_temseg.engine.types.micrograph import Calibration, grey
from napari_temseg.engine.types.units import is_reciprocal, to_nanometres
from napari_temseg.files.formats.acquisitions import acquisition, flattened
from napari_temseg.files.formats.raw import DIFFRACTION, TYPE_IT, calibrated, damaged, file_size, mapped, planes, truncated, unusable
from napari_temseg.files.formats.series import Series

_NAME = "DigitalMicrograph"
# Types of a tag's value, as struct characters.
_NUMBERS = {2: "h", 3: "i", 4: "H", 5: "I", 6: "f", 7: "d", 8: "B", 9: "b", 10: "B", 11: "q", 12: "Q"}
_STRUCT, _STRING, _ARRAY = 15, 18, 20
_GROUP, _VALUE, _END = 20, 21, 0
# ImageData.DataType → numpy.
_PIXELS = {1: "i2", 2: "f4", 3: "c8", 6: "u1", 7: "i4", 9: "i1", 10: "u2", 11: "u4", 12: "f8", 13: "c16", 14: "u1", 39: "i8", 40: "u8"}
_PACKED = (5, 27, 28)
_COLOUR = (8, 23)
_ENERGIES = ("eV", "keV", "meV")
_SIGNALS = {"CL": "cathodoluminescence"}
_TIMES = ("s", "ms", "µs", "us", "ns", "min", "h")
MAX_TAGS, MAX_DEPTH, MAX_FIELDS, MAX_IMAGES = 200_000, 64, 4096, 1000
_PIECE = 1 << 20  # pixels looked at together for colour


@dataclass(frozen=True, slots=True)
class _Block:
    """An array or text in the file: where it starts and its length in bytes."""

    start: int
    nbytes: int


class _Tree:
    """Walks the tags; every count is held against the end of the file before it is believed."""

    def __init__(self, path: Path, content: mmap.mmap) -> None:
        self.path, self.content, self.position, self.n_tags = path, content, 0, 0
        (version,) = self._take(">I")
        if version not in (3, 4):
            raise damaged(path, _NAME)
        self.wide = "Q" if version == 4 else "I"
        _, order = self._take(f">{self.wide}I")
        self.order = "<" if order == 1 else ">"
        self.root = self._group(0)

    def _take(self, layout: str) -> tuple[Any, ...]:
        start = self.position
        self._skip(struct.calcsize(layout))
        return struct.unpack_from(layout, self.content, start)

    def _skip(self, nbytes: int) -> int:
        start = self.position
        self.position += nbytes
        if self.position > len(self.content):
            raise truncated(self.path, len(self.content), self.position)
        return start

    def _group(self, depth: int) -> dict[str, Any]:
        """The tags of a group by name; those without one by their place in it."""
        _, _, count = self._take(f">BB{self.wide}")
        tags: dict[str, Any] = {}
        for index in range(count):
            self.n_tags += 1
            kind, length = self._take(">BH")
            if self.n_tags > MAX_TAGS or depth > MAX_DEPTH or kind not in (_GROUP, _VALUE, _END):
                raise damaged(self.path, _NAME)
            if kind == _END:
                break
            start = self._skip(length)
            name = self.content[start : start + length].decode("latin-1") or str(index)
            if self.wide == "Q":
                self._skip(8)  # the size of what follows, which it says itself
            tags[name] = self._group(depth + 1) if kind == _GROUP else self._value()
        return tags

    def _value(self) -> Any:
        """A number, or where an array or text lies; None for a record, which nobody asks for."""
        mark, count = self._take(f">4s{self.wide}")
        if mark != b"%%%%" or not 1 <= count <= MAX_FIELDS:
            raise damaged(self.path, _NAME)
        kind, *layout = self._take(f">{count}{self.wide}")
        if kind in _NUMBERS:
            return self._take(self.order + _NUMBERS[kind])[0]
        if kind == _STRUCT:
            self._skip(self._size([kind, *layout]))
            return None
        if kind == _STRING and len(layout) == 1:
            return _Block(self._skip(layout[0]), layout[0])
        if kind == _ARRAY and len(layout) >= 2:
            nbytes = self._size(layout[:-1]) * layout[-1]
            return _Block(self._skip(nbytes), nbytes)
        raise damaged(self.path, _NAME)

    def _size(self, layout: list[int]) -> int:
        """Bytes of one element: a number, or a record (15, length of its name, fields, then length of name and type for each)."""
        if len(layout) == 1 and layout[0] in _NUMBERS:
            return struct.calcsize("=" + _NUMBERS[layout[0]])
        if layout[0] == _STRUCT and len(layout) >= 3 and all(kind in _NUMBERS for kind in layout[4::2]):
            return sum(struct.calcsize("=" + _NUMBERS[kind]) for kind in layout[4::2])
        raise damaged(self.path, _NAME)

    def text(self, tag: Any) -> str:
        """UTF-16 text, cut at 200 characters; "" for anything else."""
        if not isinstance(tag, _Block):
            return ""
        content = self.content[tag.start : tag.start + min(tag.nbytes, 400)]
        return content.decode("utf-16-le" if self.order == "<" else "utf-16-be", "replace").partition("\0")[0].strip()


def _at(tree: Any, *names: str) -> Any:
    for name in names:
        tree = tree.get(name) if isinstance(tree, dict) else None
    return tree


def _members(tree: Any, *names: str) -> list[Any]:
    group = _at(tree, *names)
    return list(group.values()) if isinstance(group, dict) else []


def read_dm(path: Path) -> list[Series]:
    """Every image of a .dm3 or .dm4 that is no thumbnail, usable ones first, then by size; single planes and stacks stay mapped.

    Pixel sizes in nm come from `ImageData.Calibrations.Dimension`. Spectra, diffraction patterns, complex numbers, colour and more
    than three axes are series with an obstacle. `TemsegError` for a damaged or truncated file, and for one without an image.
    """
    file_size(path)
    with path.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as content:
        tree = _Tree(path, content)
        images = _members(tree.root, "ImageList")
        if len(images) > MAX_IMAGES:
            raise damaged(path, _NAME)
        marked = [_at(entry, "ImageIndex") for entry in _members(tree.root, "Thumbnails")]
        thumbnails = {index for index in marked if isinstance(index, int)}
        if len(images) <= len(thumbnails):  # a picture saved from an image window can be all that there is
            thumbnails = set()
        chosen = [(index, image) for index, image in enumerate(images) if index not in thumbnails and _at(image, "ImageData", "Data")]
        if not chosen:
            raise TemsegError(f"{path}: the {_NAME} file holds no image; export the image you see in {_NAME} again.")
        names = [tree.text(_at(image, "Name")) or f"image {index}" for index, image in chosen]
        places = (f" ({number})" if names.count(name) > 1 else "" for number, name in enumerate(names, 1))
        series = [_series(tree, image, name + place) for (_, image), name, place in zip(chosen, names, places, strict=True)]
    return sorted(series, key=lambda one: (bool(one.obstacle), -math.prod(one.data.shape)))


def _series(tree: _Tree, image: dict[str, Any], name: str) -> Series:
    described = image["ImageData"]
    lengths = _members(described, "Dimensions")  # columns first
    if not lengths or not all(isinstance(n, int) and 0 < n < 1 << 31 for n in lengths):
        raise damaged(tree.path, _NAME)
    units = [tree.text(_at(axis, "Units")) for axis in _members(described, "Calibrations", "Dimension")]
    while len(lengths) > 2 and lengths[-1] == 1:
        lengths.pop()
    shape = (math.prod(lengths[2:]),) * (len(lengths) > 2) + (math.prod(lengths[1:2]), lengths[0])
    block, kind = described["Data"], described.get("DataType")
    if not isinstance(block, _Block) or not isinstance(kind, int) or block.nbytes < math.prod(shape):
        raise damaged(tree.path, _NAME)
    obstacle = _obstacle(lengths, units[: len(lengths)], kind) or _declared(tree, image)
    if kind in _PIXELS:
        data = _pixels(tree.path, block, np.dtype(tree.order + _PIXELS[kind]), shape)
    elif kind in _COLOUR and not obstacle:
        data, obstacle = _colour(tree.path, block, shape)
    else:
        data = unusable(*shape)
    calibration, notes = (Calibration(), ()) if obstacle else _calibration(described, units)
    third = units[2] if len(lengths) == 3 and len(units) > 2 else ""
    axes = "YX" if len(shape) == 2 else "TYX" if third.replace("μ", "µ") in _TIMES else ""
    taken = acquisition(flattened(_plain(tree, _at(image, "ImageTags"))), "")
    return Series(name, data, calibration, axes, obstacle, notes, acquisition=taken)


def _plain(tree: _Tree, tags: Any) -> Any:
    """Tags with their texts as such."""
    return {name: _plain(tree, tag) for name, tag in tags.items()} if isinstance(tags, dict) else tree.text(tags) or tags


def _pixels(path: Path, block: _Block, dtype: np.dtype[Any], shape: tuple[int, ...]) -> Any:
    if block.nbytes < math.prod(shape) * dtype.itemsize:
        raise damaged(path, _NAME)
    return planes(mapped(path, dtype, shape, block.start))


def _colour(path: Path, block: _Block, shape: tuple[int, ...]) -> tuple[npt.NDArray[Any], str]:
    """The grey of a picture stored as (Y, X, 4) bytes; where it has colour, or is a stack, an obstacle."""
    if block.nbytes < 4 * math.prod(shape):
        raise damaged(path, _NAME)
    if len(shape) == 2:
        pixels = mapped(path, np.dtype("u1"), (*shape, 4), block.start)
        rows = max(1, _PIECE // shape[1])
        try:
            return np.concatenate([grey(pixels[row : row + rows]) for row in range(0, shape[0], rows)]), ""
        except TemsegError:
            pass
    return unusable(*shape), f"it is in colour; convert it to grey in {_NAME} first."


def _declared(tree: _Tree, image: dict[str, Any]) -> str:
    """Why this is no micrograph by what the file declares of it (Meta Data: Format, Signal), or ""."""
    declared = _at(image, "ImageTags", "Meta Data")
    form, signal = tree.text(_at(declared, "Format")), tree.text(_at(declared, "Signal"))
    if "spectrum" in form.lower():
        of = f" of {_SIGNALS.get(signal.upper(), signal)}" if signal else ""
        return f"it is a {form.lower()}{of} (the file declares it so), not a micrograph; open the image recorded with it."
    if "diffraction" in form.lower():
        return f"it is a {form.lower()} (the file declares it so), which holds no particles; open an image instead."
    return ""


def _obstacle(lengths: list[int], units: list[str], kind: int) -> str:
    """Why these numbers are no micrograph, or ""."""
    energy = next((unit for unit in units if unit in _ENERGIES), "")
    if energy or len(lengths) == 1 or 1 in lengths[:2]:
        content = f"a spectrum or spectrum image (an axis in {energy})" if energy else "a line of numbers (a profile or a spectrum)"
        return f"it is {content}, not a micrograph; open the image recorded with it."
    reciprocal = next((unit for unit in units[:2] if is_reciprocal(unit)), "")
    if reciprocal:
        return DIFFRACTION.format(unit=reciprocal)
    if kind in _PACKED or _PIXELS.get(kind, "").startswith("c"):
        return f"its pixels are complex numbers (a Fourier transform or a hologram); save modulus or phase as an image in {_NAME}."
    if len(lengths) > 3:
        return f"it has {len(lengths)} axes (as a 4D-STEM scan); save an image made from it in {_NAME}."
    if kind not in _PIXELS and kind not in _COLOUR:
        return f"its pixels are of an unknown type ({kind}); save it as 4-byte real numbers in {_NAME}."
    return ""


def _calibration(described: dict[str, Any], units: list[str]) -> tuple[Calibration, tuple[str, ...]]:
    scales = [_at(axis, "Scale") for axis in _members(described, "Calibrations", "Dimension")[:2]]
    if len(scales) < 2 or not all(isinstance(scale, (int, float)) for scale in scales) or not any(units[:2]):
        return calibrated(0, 0)
    try:
        x, y = (to_nanometres(float(scale), unit) for scale, unit in zip(scales, units[:2], strict=True))
    except TemsegError:
        given = " and ".join(f"“{unit}”" for unit in dict.fromkeys(units[:2]))
        return Calibration(), (f"The file gives the pixel size in {given}, not in a unit of length: {TYPE_IT}.",)
    return calibrated(y, x)
