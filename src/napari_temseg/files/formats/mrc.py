"""MRC / CCP4 images and stacks (.mrc, .st, .rec …), memory-mapped, with the pixel size of the cell or of FEI's extended header.

The layout is MRC2014 (https://www.ccpem.ac.uk/mrc_format/mrc2014.php); mrcfile knows its fields, and those of FEI's header. It reads a
header as long as the file claims before it looks at the file's size, so the sizes are checked here first.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from mrcfile.dtypes import HEADER_DTYPE, get_ext_header_dtype
from mrcfile.utils import byte_order_from_machine_stamp

from napari_temseg.engine.types.micrograph import Calibration
from napari_temseg.files.formats.acquisitions import acquisition
from napari_temseg.files.formats.raw import (
    DIFFRACTION,
    TYPE_IT,
    calibrated,
    damaged,
    file_size,
    is_reciprocal,
    mapped,
    planes,
    truncated,
    unusable,
)
from napari_temseg.files.formats.series import Series

_PIXELS = {0: "i1", 1: "i2", 2: "f4", 4: "c8", 6: "u2", 12: "f2"}
_COMPLEX = "its pixels are complex numbers (a Fourier transform); save the image itself as MRC."
_REFUSED = {
    3: _COMPLEX,
    16: "it is in colour; convert it to grey first.",
    101: "its pixels are packed two in a byte (mode 101); save it as 8 or 16 bit.",
}
_BYTES = {3: 4, 16: 3, 101: 0.5}
_OBSTACLES = {4: _COMPLEX, **_REFUSED}
_AGREE = 0.01  # header and extended header that differ less are one number, rounded
_LONGEST = 1 << 24  # of one side
# IMOD writes a mark and, beside it, whether bytes have a sign (https://bio3d.colorado.edu/imod/doc/mrc_format.txt).
_IMOD_MARK, _IMOD_SIGNED = 1146047817, 1


def read_mrc(path: Path) -> list[Series]:
    """The one image (Y, X) or stack (planes, Y, X) of an MRC file, mapped.

    The pixel size in nm is that of an FEI extended header (metres), else cell length / sampling (Å); none where they disagree. Complex,
    colour and packed pixels are an obstacle. `TemsegError` for a damaged or truncated file.
    """
    size = file_size(path)
    header = _header(path, size)
    order, mode = header.dtype["nx"].byteorder, int(header["mode"])
    columns, rows, sections, extended = (int(header[name]) for name in ("nx", "ny", "nz", "nsymbt"))
    shape = (rows, columns) if sections == 1 else (sections, rows, columns)
    offset = HEADER_DTYPE.itemsize + extended
    if offset > size:
        raise truncated(path, size, offset)
    axes = "YX" if len(shape) == 2 else ""
    if mode in _REFUSED:
        needed = offset + math.ceil(math.prod(shape) * _BYTES[mode])
        if needed > size:
            raise truncated(path, size, needed)
        return [Series(path.stem, unusable(*shape), axes=axes, obstacle=_REFUSED[mode])]
    data = planes(mapped(path, np.dtype(order + _PIXELS[mode]), shape, offset))
    calibration, notes, reciprocal = _calibration(path, header, extended)
    if mode == 0:
        unsigned, doubt = _is_unsigned(header, data if sections == 1 else data[0])
        data, notes = data.view(np.uint8) if unsigned else data, (*notes, *doubt)
    obstacle = _OBSTACLES.get(mode, "") or (DIFFRACTION.format(unit="1/m") if reciprocal else "")
    taken = acquisition(_fei_fields(path, header, extended))
    return [Series(path.stem, data, calibration, axes, obstacle, notes, acquisition=taken)]


def _header(path: Path, size: int) -> np.void:
    """The header in the byte order that its stamp names or, where that makes no sense, in the other."""
    if size < HEADER_DTYPE.itemsize:
        raise truncated(path, size, HEADER_DTYPE.itemsize)
    with path.open("rb") as stream:
        content = stream.read(HEADER_DTYPE.itemsize)
    try:
        first = byte_order_from_machine_stamp(content[212:216])
    except ValueError:
        first = "<"
    for order in (first, "<" if first == ">" else ">"):
        header: np.void = np.frombuffer(content, HEADER_DTYPE.newbyteorder(order))[0]
        sides = [int(header[name]) for name in ("nx", "ny", "nz")]
        if int(header["mode"]) in (_PIXELS | _REFUSED) and all(0 < side < _LONGEST for side in sides) and int(header["nsymbt"]) >= 0:
            return header
    raise damaged(path, "MRC")


def _is_unsigned(header: np.void, plane: npt.NDArray[np.int8]) -> tuple[bool, tuple[str, ...]]:
    """Whether bytes have no sign, and a note where the file does not say it.

    IMOD says so where it wrote the file, elsewhere a maximum that signed bytes cannot reach. Where minimum and maximum were never worked
    out, grey that runs over into negative numbers has leaps between neighbours, and the reading with fewer of them is right.
    """
    flags = _imod_flags(header)
    if flags is not None:
        return flags != _IMOD_SIGNED, ()
    least, most = float(header["dmin"]), float(header["dmax"])
    if least < most:
        return 0 <= least <= most <= 255 and most > 127, ()
    if not (plane < 0).any():
        return False, ()
    leaps = [int(np.count_nonzero(np.abs(np.diff(plane.view(kind).astype(np.int16))) > 127)) for kind in (np.int8, np.uint8)]
    told = "without" if leaps[1] < leaps[0] else "with"
    return leaps[1] < leaps[0], (f"The file does not say whether its bytes have a sign: they were read {told}; look at the picture.",)


def _imod_flags(header: np.void) -> int | None:
    """The lowest of IMOD's flags (1: bytes have a sign), or None where IMOD did not write the header."""
    mark, flags = np.frombuffer(bytes(header["extra2"]).ljust(48, b"\0")[40:48], header.dtype["nx"]).tolist()
    return int(flags) & _IMOD_SIGNED if mark == _IMOD_MARK else None


def _calibration(path: Path, header: np.void, extended: int) -> tuple[Calibration, tuple[str, ...], bool]:
    """Pixel size, notes, and whether it is in reciprocal space."""
    own_y, own_x = _fei_sizes(path, header, extended)
    if is_reciprocal(own_x) or is_reciprocal(own_y):
        return Calibration(), (), True
    y, x = _cell_sizes(header)
    calibration, notes = calibrated(y / 10, x / 10)
    if calibration.pixel_size is not None and x == y == 1:
        notes = (f"The pixel size is exactly 1 Å, as programs also write when they do not know it: check it, or {TYPE_IT}.",)
    if not (own_x > 0 and own_y > 0):
        return calibration, notes, False
    extended_size, remarks = calibrated(own_y * 1e9, own_x * 1e9)
    # The cell is what other programs leave empty, and what they change when they put pixels together.
    if calibration.pixel_size is None or x == y == 1 or math.isclose(own_x * 1e10, x, rel_tol=_AGREE):
        return extended_size, remarks, False
    given = f"The extended header gives a pixel of {own_x * 1e9:.4g} nm, the cell one of {x / 10:.4g} nm"
    if any(math.isclose(own_x * 1e10 * k, x, rel_tol=_AGREE) for k in (2, 4, 8)):
        return calibration, (*notes, f"{given}: the picture was binned since, and the cell counts; check it."), False
    return Calibration(), (f"{given}: they disagree, and neither was taken: {TYPE_IT}.",), False


def _cell_sizes(header: np.void) -> tuple[float, float]:
    """Å per pixel (y, x); 0 where the cell or its sampling says nothing."""
    cell = [float(length) for length in header["cella"].tolist()]
    samples = [int(header[name]) for name in ("mx", "my", "mz")]
    axes = [int(header[name]) - 1 for name in ("mapr", "mapc")]
    if sorted(axes) not in ([0, 1], [0, 2], [1, 2]):
        axes = [1, 0]  # older programs leave the order of the axes empty
    y, x = (cell[axis] / samples[axis] if samples[axis] > 0 else 0.0 for axis in axes)
    return y, x


def _fei_sizes(path: Path, header: np.void, extended: int) -> tuple[float, float]:
    """Metres per pixel (y, x) of the first image in the extended header of FEI's programs; 0 where there is none."""
    fields = _fei_fields(path, header, extended)
    if fields:
        return _positive(fields["pixel size y"]), _positive(fields["pixel size x"])
    if bytes(header["label"][0]).lower().startswith(b"fei") and extended >= 128:
        # Before 2014: 32 numbers an image, the twelfth the pixel size.
        with path.open("rb") as stream:
            stream.seek(HEADER_DTYPE.itemsize)
            size = _positive(np.frombuffer(stream.read(128), header.dtype["dmin"])[11])
        return size, size
    return 0.0, 0.0


def _fei_fields(path: Path, header: np.void, extended: int) -> dict[str, Any]:
    """What the extended header of FEI's programs tells of the first image, under lower-case names; nothing where there is none."""
    layout = get_ext_header_dtype(bytes(header["exttyp"]), header.dtype["nx"].byteorder)
    if layout is None or extended < layout.itemsize:
        return {}
    with path.open("rb") as stream:
        stream.seek(HEADER_DTYPE.itemsize)
        fields = np.frombuffer(stream.read(layout.itemsize), layout)[0]
    return {name.lower(): fields[name] for name in layout.names or ()}


def _positive(number: Any) -> float:
    return float(number) if math.isfinite(number) and number > 0 else 0.0
