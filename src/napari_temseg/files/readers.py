"""Open a file as a `Micrograph`, whichever format it is in."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

from napari_temseg.engine.types.errors import TemsegError
from napari_temseg.engine.types.micrograph import AXES, Micrograph, Source
from napari_temseg.engine.types.wording import some_of
from napari_temseg.files.formats.series import Series
from napari_temseg.files.laboratory import Calibrations, corrected, rows_from

logger = logging.getLogger("napari_temseg")

TIFF = (".tif", ".tiff", ".btf")
PICTURES = (".png", ".jpg", ".jpeg", ".bmp")
# Which function reads which kind of file; each comes with libraries that the others do not wait for.
_READERS = {
    **dict.fromkeys(TIFF, "tiff:read_tiff"),
    **dict.fromkeys(PICTURES, "pictures:read_picture"),
    **dict.fromkeys((".dm3", ".dm4"), "dm:read_dm"),
    ".emd": "velox:read_emd",
    **dict.fromkeys((".ser", ".emi"), "ser:read_ser"),
    **dict.fromkeys((".mrc", ".map", ".st", ".rec"), "mrc:read_mrc"),
    **dict.fromkeys((".h5", ".hdf5", ".hspy", ".nxs"), "hdf5:read_hdf5"),
    **dict.fromkeys((".ndata", ".ndata1"), "nion:read_ndata"),
    ".zarr": "extras.zarr_store:read_zarr",
}
EXTENSIONS = tuple(_READERS)
_MARKS = {
    **dict.fromkeys((b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"), ".tif"),
    b"\x89PNG\r\n\x1a\n": ".png",
    b"\xff\xd8\xff": ".jpg",
}
FOLDERS = (".zarr",)  # a picture that is a folder
# What rosettasciio reads and we do not, and what people call it. It is GPL-3, an extra, and never imported unless such a file is opened.
ROSETTA = {
    ".bcf": "Bruker",
    ".blo": "NanoMegas (Blockfile)",
    ".zspy": "HyperSpy",
    ".mib": "Quantum Detectors",
    ".tvips": "TVIPS",
    ".app5": "TopSpin",
    ".prz": "PantaRhei",
    ".de5": "Direct Electron",
    ".mrcz": "MRCZ",
    ".ali": "SerialEM",
    ".rpl": "Ripple",
    ".unf": "Semper",
    ".sur": "Digital Surf",
    ".elid": "Phenom (ELID)",
    ".asw": "JEOL (Analysis Station)",
    ".spd": "EDAX",
    ".dens": "DENSsolutions",
}
EMPAD = (".xml", ".raw")  # the description and the frames of one scan; other files are called so too
MICROSCOPE = tuple(extension for extension in EXTENSIONS if extension not in (*TIFF, *PICTURES))
AXES_BY_NAME = {"fields": "NYX", "time": "TYX", "depth": "ZYX"}
SERIES_NAMED = 8  # series that an error or a note names one by one


@dataclass(frozen=True, eq=False)
class Reading:
    """A micrograph, what people should know of the file (sentences), and whether anybody said what the planes of a stack are.

    `others` names the other pictures in the file that can be measured, `channels` all channels of the field where it is one of several
    and nobody said which.
    """

    image: Micrograph
    notes: tuple[str, ...] = ()
    said: bool = True
    others: tuple[str, ...] = ()
    channels: tuple[str, ...] = ()


def is_micrograph(path: Path) -> bool:
    """Whether the name says that `read` can open it; hidden files are left alone."""
    suffix = path.suffix.lower()
    return (suffix in EXTENSIONS or (suffix in ROSETTA and find_spec("rsciio") is not None)) and not path.name.startswith(".")


def checked_path(path: str | Path) -> Path:
    """The path of a non-empty file in a format that is read; `TemsegError` otherwise."""
    path = Path(path)
    if not path.exists():
        raise TemsegError(f"{path}: there is no such file; check the name and the folder.")
    if path.is_dir() and path.suffix.lower() in FOLDERS:
        return path
    if path.is_dir():
        raise TemsegError(f"{path}: is a folder, not a micrograph; name the files in it, or give the folder to “temseg run”.")
    if path.suffix.lower() in ROSETTA and find_spec("rsciio") is None:
        raise TemsegError(
            f"{path}: files of {ROSETTA[path.suffix.lower()]} ({path.suffix}) are read by rosettasciio (GPL-3), which is not installed: "
            'pip install "napari-temseg[formats]", or save the image as TIFF.'
        )
    if path.suffix.lower() in EMPAD:
        _check_empad(path)
    if path.suffix.lower() not in (*EXTENSIONS, *ROSETTA):
        kind = f"of type “{path.suffix}”" if path.suffix else "without an extension"
        raise TemsegError(f"{path}: files {kind} are not read; save it as TIFF, PNG or JPEG first.")
    try:
        size = path.stat().st_size
        with path.open("rb"):
            pass
    except OSError as error:
        raise TemsegError(f"{path}: cannot be opened ({error.strerror}); check that you may read it.") from error
    if size == 0:
        raise TemsegError(f"{path}: the file is empty (0 bytes); copy or export it again.")
    return path


def _check_empad(path: Path) -> None:
    """Say what a file is that belongs to a scan of an EMPAD detector, which holds no micrograph."""
    from napari_temseg.files.formats.xml_sizes import empad_scan

    for described in (path, path.with_suffix(".xml"), path.with_suffix(".XML")):
        scan = empad_scan(described)
        if scan:
            raise TemsegError(
                f"{path}: is {scan} of an EMPAD detector, not a micrograph; save an image made from it, or one taken with it."
            )


def series_of(path: str | Path) -> list[Series]:
    """What a file holds, the first sensible picture first; `TemsegError` names the file, the trouble and the remedy."""
    path = checked_path(path)
    kind = kind_of(path)
    module, name = _READERS.get(kind, "extras.rosetta:read_rosetta").split(":")
    reader: Callable[[Path], list[Series]] = getattr(import_module(f"napari_temseg.files.formats.{module}"), name)
    try:
        found = reader(path)
    except MemoryError as error:
        raise TemsegError(f"{path}: the image is too large for this computer's memory; cut it into parts first.") from error
    except OSError as error:
        raise TemsegError(f"{path}: cannot be read ({error.strerror or error}); copy or export it again.") from error
    if not found:
        raise TemsegError(f"{path}: the file holds no picture; copy or export it again.")
    if _READERS.get(kind) != _READERS.get(path.suffix.lower()):
        note = f"The name says {path.suffix}, but the file is one of {kind}, and was read as that."
        found = [replace(one, notes=(*one.notes, note)) for one in found]
    from napari_temseg.files.sidecars import described  # as the readers, with libraries that nobody waits for

    return described(path, found)


def kind_of(path: Path) -> str:
    """The extension of what a file holds: that of its name, but of TIFF and pictures what their first bytes say."""
    named = path.suffix.lower()
    if named in (*TIFF, *PICTURES):
        try:
            with path.open("rb") as stream:
                start = stream.read(8)
        except OSError:
            return named
        found = next((kind for mark, kind in _MARKS.items() if start.startswith(mark)), named)
        return named if _READERS[found] == _READERS[named] else found
    return named


def read(path: str | Path, *, axes: str = "", series: str | int = "", calibrations: Calibrations = None) -> Micrograph:
    """Read a micrograph from TIFF, PNG, JPEG, BMP, DM3, DM4, EMD, SER, EMI, MRC, HDF5, Nion Swift, Zarr, and what rosettasciio reads.

    `axes` says what the pages of a stack are: "NYX" or "fields", "TYX" or "time", "ZYX" or "depth"; a single page needs none, nor
    does a file that says it. `series` is the name, or the place from 0, of one of several pictures in the file (`series_of` lists
    them); without it the first that can be measured is read, but of several channels of a field one has to be named. Stacks are read
    lazily, plane by plane. The pixel size comes from what microscopes and their programs wrote, never from dpi; where a row of the
    laboratory's table of `calibrations` (rows, or a CSV file; without, the user's own) fits what the file says of instrument and
    magnification, it is corrected by that. What people should know of the file is in the `notes` of the micrograph, and goes to the log.
    `TemsegError` names the file, the trouble and the remedy for whatever cannot be read.
    """
    reading = read_noted(path, axes=axes, series=series, calibrations=calibrations)
    if len(reading.channels) > 1:
        raise TemsegError(
            f"{path}: holds {len(reading.channels)} channels of one field, {_listed(reading.channels)}; say which is meant with --series "
            f'(in Python series="{reading.channels[0]}").'
        )
    notes = (*reading.notes, *filter(None, ["" if series != "" else other_pictures(reading)]))
    for note in notes:
        logger.warning("%s: %s", path, note)
    return replace(reading.image, notes=notes)


def read_noted(path: str | Path, *, axes: str = "", series: str | int = "", unsaid: str = "", calibrations: Calibrations = None) -> Reading:
    """As `read`, with what people should know of the file; `unsaid` is the meaning of a stack for which nobody gave one."""
    path = Path(path)
    found = series_of(path)
    picked = _chosen(path, found, series)
    digest = _digest(path)
    chosen = checked_end(path, picked)
    if chosen.obstacle:
        raise _refusal(path, chosen)
    known = axes or (chosen.axes if len(chosen.data.shape) == 3 else "")
    meaning = checked_axes(path, chosen.data.shape, known or unsaid)
    source = Source(str(path), chosen.name, digest, chosen.lossy)
    image = Micrograph(chosen.data, meaning, chosen.calibration, source=source, notes=chosen.notes, acquisition=chosen.acquisition)
    image = corrected(image, rows_from(calibrations))
    others = tuple(one.name for one in found if one is not picked and not one.obstacle)
    beside = (one.name for one in found if series == "" and picked.channel and one.channel and not one.obstacle)
    return Reading(image, image.notes, bool(known) or meaning == "YX", others, tuple(beside))


def checked_end(path: Path, one: Series) -> Series:
    """A picture of a file with an obstacle where the file does not seem to be written to its end."""
    from napari_temseg.files.formats.raw import finished

    return one if kind_of(path) in PICTURES else finished(one, path)


def _digest(path: Path) -> str:
    """SHA-256 of a file; of a folder that of its files, names and contents."""
    try:
        if path.is_dir():
            whole = hashlib.sha256()
            for file in sorted(entry for entry in path.rglob("*") if entry.is_file()):
                whole.update(f"{file.relative_to(path).as_posix()}\0{_digest(file)}\0".encode())
            return whole.hexdigest()
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise TemsegError(f"{path}: cannot be read ({error.strerror or error}); copy or export it again.") from error


def other_pictures(reading: Reading) -> str:
    """A sentence on which of the pictures in a file was read, "" when it holds one."""
    if not reading.others:
        return ""
    return f"“{reading.image.source.series}” was read; the file also holds {_listed(reading.others)}."


def _chosen(path: Path, found: Sequence[Series], series: str | int) -> Series:
    """The series asked for, or the first that can be measured."""
    if series == "":
        good = next((one for one in found if not one.obstacle), None)
        if good is None:
            raise _refusal(path, found[0])
        return good
    by_name = {one.name: one for one in found}
    place = int(series) if str(series).isdecimal() and len(str(series)) < 6 else -1
    chosen = by_name.get(str(series)) or (found[place] if 0 <= place < len(found) else None)
    if chosen is None:
        raise TemsegError(f"{path}: there is no series “{series}”; the file holds {_listed([one.name for one in found])}.")
    if chosen.obstacle:
        raise _refusal(path, chosen)
    return chosen


def _refusal(path: Path, series: Series) -> TemsegError:
    sentence = series.obstacle.rstrip(".").removeprefix(f"{path}: ")
    return TemsegError(f"{path}: {sentence}.")


def _listed(found: Sequence[str]) -> str:
    return some_of([f"“{name}”" for name in found], SERIES_NAMED)


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
