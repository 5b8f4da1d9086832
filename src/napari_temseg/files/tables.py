"""Results on disk: particle tables as CSV or for Excel, class and particle images as TIFF, and both kinds of label images back."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import tifffile

from napari_temseg.engine.types.errors import TemsegError
from napari_temseg.engine.types.label_images import one_a_particle
from napari_temseg.engine.types.micrograph import Calibration, Micrograph, Source
from napari_temseg.engine.types.results import BACKGROUND, FIRST_CLASS, Prediction
from napari_temseg.files.atomic import printable, replacing
from napari_temseg.files.formats.pictures import read_array
from napari_temseg.files.formats.tiff import content_of, read_tiff, slice_labels, write_planes, write_tiff
from napari_temseg.files.label_pages import LabelPages, largest_of, planes_of
from napari_temseg.files.readers import TIFF, checked_axes, checked_path, kind_of

_WITHOUT_ANY = ("image", "plane", "particle", "class")  # columns of a table of no picture
EXCEL_ROWS = 2**20
_AS_TEXT = {"strings_to_formulas": False, "strings_to_urls": False}  # names of pictures may begin with an equals sign
LARGEST_LABEL = 2**24  # every whole number up to it is exact in float32
PACKED = 1032  # the most that DEFLATE can pack; large flat areas of labels come near it


def write_particles_csv(path: str | Path, tables: Sequence[pd.DataFrame], *, semicolons: bool = False) -> None:
    """Write one row a particle, UTF-8, table by table.

    Units are in the column names; tables in px and in nm keep columns of their own, so nothing is pooled by accident. `semicolons` writes
    what Excel opens where numbers have a decimal comma: with a byte order mark, semicolons between columns, and decimal commas.
    """
    columns = list(dict.fromkeys(name for table in _filled(tables) for name in table.columns)) or list(_WITHOUT_ANY)
    how: dict[str, Any] = {"index": False, "lineterminator": "\n", "float_format": "%.7g"}
    how |= {"sep": ";", "decimal": ","} if semicolons else {}
    with (
        replacing(path) as temporary,
        temporary.open("w", encoding="utf-8-sig" if semicolons else "utf-8", errors="backslashreplace", newline="") as stream,
    ):
        pd.DataFrame(columns=columns).to_csv(stream, **how)
        for table in tables:
            table.reindex(columns=columns).to_csv(stream, header=False, **how)


def write_particles_xlsx(path: str | Path, tables: Sequence[pd.DataFrame]) -> None:
    """Write the same as an Excel workbook of one sheet; `TemsegError` where it does not fit, or XlsxWriter is missing."""
    joined = _joined(tables)
    if len(joined) >= EXCEL_ROWS:
        raise TemsegError(f"{path}: {len(joined)} particles are more than a sheet of Excel holds; write a .csv file.")
    try:
        with replacing(path) as temporary, pd.ExcelWriter(temporary, engine="xlsxwriter", engine_kwargs={"options": _AS_TEXT}) as book:
            printed = joined.map(lambda value: printable(value) if isinstance(value, str) else value)
            printed.to_excel(book, sheet_name="particles", index=False, freeze_panes=(1, 0))
    except ImportError as error:
        raise TemsegError(f"{path}: Excel files need the package XlsxWriter; install it, or write a .csv file.") from error


def write_particles(path: str | Path, tables: Sequence[pd.DataFrame], *, semicolons: bool = False) -> None:
    """Write one row a particle, as an Excel workbook where the name ends in .xlsx, else as CSV; `TemsegError` for other tables."""
    ending = Path(path).suffix.lower()
    if ending == ".xlsx":
        write_particles_xlsx(path, tables)
        return
    if ending in (".xls", ".ods", ".numbers"):
        raise TemsegError(f"{path}: tables are written as .xlsx or .csv; name it {Path(path).with_suffix('.xlsx').name}.")
    write_particles_csv(path, tables, semicolons=semicolons)


def _filled(tables: Sequence[pd.DataFrame]) -> list[pd.DataFrame]:
    """The tables with rows; where none has any, the first."""
    return [table for table in tables if len(table)] or list(tables[:1])


def _joined(tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    filled = _filled(tables)
    return pd.concat(filled, ignore_index=True) if filled else pd.DataFrame(columns=_WITHOUT_ANY)


def write_labels_tiff(
    path: str | Path,
    labels: npt.NDArray[np.integer[Any]] | LabelPages,
    calibration: Calibration,
    axes: str = "YX",
    content: str = "particles",
) -> None:
    """Write labels or classes (…, Y, X) for ImageJ, calibrated.

    ImageJ has no 32-bit integers: the type is uint8 up to 255, uint16 up to 65,535, and above that float32, exact up to
    2²⁴ labels; more are a `TemsegError`.
    """
    top = largest_of(labels)
    if top > LARGEST_LABEL:
        raise TemsegError(f"{path}: {top} labels are more than a TIFF for ImageJ can number; cut the image into parts first.")
    kind = np.uint8 if top < 2**8 else np.uint16 if top < 2**16 else np.float32
    write_planes(
        path,
        planes_of(labels),
        labels.shape,
        np.dtype(kind),
        calibration,
        axes,
        content=content,
        max=max(1, top),
    )


def read_labels(path: str | Path) -> npt.NDArray[np.integer[Any]]:
    """Whole numbers (…, Y, X) from a TIFF or PNG: classes, masks or particles, drawn anywhere.

    Float images pass when every value is a whole number, as `write_labels_tiff` makes them. `TemsegError` for colour, fractions
    and negative numbers.
    """
    path = checked_path(path)
    kind = kind_of(path)
    if kind in (".jpg", ".jpeg"):
        raise TemsegError(f"{path}: JPEG changes the numbers of a label image; save it as TIFF or PNG.")
    try:
        known = kind in TIFF
        array = np.asarray(read_tiff(path, expansion=PACKED, raw=True)[0].data) if known else _grey_exactly(read_array(path), path)
    except MemoryError as error:
        raise TemsegError(f"{path}: the label image is too large for this computer's memory; cut it into parts first.") from error
    if array.dtype.kind == "b":
        return array.astype(np.uint8)
    if array.dtype.kind == "f":
        with np.errstate(invalid="ignore"):
            whole = bool(np.isfinite(array).all() and (array == np.rint(array)).all() and (np.abs(array) <= LARGEST_LABEL).all())
        if not whole:
            raise TemsegError(
                f"{path}: holds fractions, not labels; save classes or particles as whole numbers (in ImageJ: Image ▸ Type ▸ 16-bit)."
            )
        array = array.astype(np.int32)
    if array.dtype.kind not in "iu":
        raise TemsegError(f"{path}: pixels of type {array.dtype} are not labels; save classes or particles as whole numbers.")
    if array.dtype.kind == "i" and int(array.min()) < 0:
        raise TemsegError(f"{path}: holds negative numbers, which are no labels; number classes or particles from 1, with 0 for nothing.")
    return array


def mapped_labels(path: str | Path) -> npt.NDArray[Any]:
    """As `read_labels` of a file that `write_labels_tiff` wrote, in the type it has there, read from the disk as it is looked at."""
    path = checked_path(path)
    if content_of(path):
        with suppress(ValueError):  # a file that somebody packed meanwhile
            mapped: npt.NDArray[Any] = tifffile.memmap(path, mode="r")
            return mapped
    return read_labels(path)


def read_calibration(path: str | Path) -> Calibration:
    """The pixel size that a label image carries, if any."""
    path = checked_path(path)
    return read_tiff(path, expansion=PACKED, raw=True)[0].calibration if kind_of(path) in TIFF else Calibration()


def write_probability_tiff(path: str | Path, prediction: Prediction) -> None:
    """Write probability and auxiliary maps as the labelled channels of a float32 hyperstack, 0 to 1; `read_prediction` reads it back."""
    image = prediction.micrograph
    frame = (image.n_planes, -1, *image.frame)
    maps = [prediction.probability.reshape(frame), *(m.reshape(frame) for m in prediction.auxiliary.values())]
    channels = np.concatenate(maps, axis=1).astype(np.float32)
    names = [f"class {i}: {prediction.class_names[i]}" for i in prediction.class_ids] + [f"map: {name}" for name in prediction.auxiliary]
    data = channels if image.n_planes > 1 else channels[0]
    axes = f"{image.axes[:-2] if image.n_planes > 1 else ''}CYX"
    write_tiff(path, data, image.calibration, axes, content="probability", Labels=names * image.n_planes)


def read_prediction(path: str | Path, *, axes: str = "", meaning: str = "") -> Prediction:
    """A `Prediction` from `write_probability_tiff`, or from a class image, whose probabilities are then 0 and 1.

    `meaning` “mask” says that 0 is background and anything else particle, “classes” that 0 and 1 are background and 2… the classes, as is
    taken without one unless every number is in one piece: that is a `TemsegError`, as are numbers that are no classes.
    """
    path = checked_path(path)
    if content_of(path) == "probability":
        return _read_probability(path, axes)
    classes = read_labels(path)
    numbers = 0 if meaning or content_of(path) == "classes" else one_a_particle([classes])
    if numbers:
        raise TemsegError(
            f"{path}: holds {numbers} numbers, each in one piece, as where particles are told apart already: measure them as they are, "
            "or say what they are with --labels-mean classes or --labels-mean mask."
        )
    if meaning == "mask":
        classes = np.where(classes > 0, FIRST_CLASS, BACKGROUND)
    present = np.unique(classes)
    if present[-1] > 254 or list(present) == [0, 1]:
        raise TemsegError(
            f"{path}: looks like a mask (values {present[0]} to {present[-1]}), not like classes; say so with --labels-mean mask."
        )
    classes = np.maximum(classes, BACKGROUND).astype(np.uint8)
    return Prediction.of_classes(classes, _picture(path, classes, axes))


def _read_probability(path: Path, axes: str) -> Prediction:
    array, names = np.asarray(read_tiff(path, expansion=PACKED, raw=True)[0].data).astype(np.float16), slice_labels(path)
    names = names[: array.shape[-3]]
    classes = {int(name[6:].partition(":")[0]): name.partition(": ")[2] for name in names if name.startswith("class ")}
    if array.ndim not in (3, 4) or len(names) != array.shape[-3] or len(classes) < 2:
        raise TemsegError(f"{path}: was changed after “temseg predict --probability” wrote it; predict again.")
    ids = tuple(classes)
    probability = array[..., : len(ids), :, :]
    hard = (np.take(ids, probability.argmax(axis=-3))).astype(np.uint8)
    auxiliary = {name.partition(": ")[2]: array[..., len(ids) + k, :, :] for k, name in enumerate(names[len(ids) :])}
    return Prediction(probability, ids, classes, hard, _picture(path, hard, axes), auxiliary)


def _picture(path: Path, pixels: npt.NDArray[Any], axes: str) -> Micrograph:
    """Stands in for a micrograph that is not at hand: its frame, axes and calibration are what splitting needs."""
    return Micrograph(pixels, checked_axes(path, pixels.shape, axes), read_calibration(path), source=Source(str(path)))


def _grey_exactly(array: npt.NDArray[Any], path: Path) -> npt.NDArray[Any]:
    """Labels in a picture saved as RGB: only when the channels are equal to the bit."""
    if array.ndim == 2:
        return array
    if array.shape[-1] >= 3 and not ((array[..., 0] == array[..., 1]) & (array[..., 0] == array[..., 2])).all():
        raise TemsegError(
            f"{path}: is a colour picture, not a label image; save classes or particles as grey whole numbers (8- or 16-bit)."
        )
    grey: npt.NDArray[Any] = array[..., 0]
    return grey
