"""Figures that this program drew, told from micrographs by what stands in their header."""

from __future__ import annotations

import struct
from pathlib import Path

from napari_temseg.version import __version__

PNG_METADATA = {"Software": f"napari-temseg {__version__}"}  # a text chunk, which matplotlib writes before the pixels
_BEGINS, _MARK = b"\x89PNG\r\n\x1a\n", b"Software\0napari-temseg"


def is_own_figure(path: Path) -> bool:
    """Whether this is a PNG that this program drew; only its header is read."""
    if path.suffix.lower() != ".png":
        return False
    try:
        with path.open("rb") as file:
            if file.read(len(_BEGINS)) != _BEGINS:
                return False
            while len(head := file.read(8)) == 8:
                length, kind = struct.unpack(">I4s", head)
                if kind in (b"IDAT", b"IEND"):
                    return False
                begins = file.read(min(length, len(_MARK)))
                if kind == b"tEXt" and begins == _MARK:
                    return True
                file.seek(length - len(begins) + 4, 1)  # the rest, and its checksum
    except OSError:
        return False
    return False
