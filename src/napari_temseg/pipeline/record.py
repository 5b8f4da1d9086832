"""The record of one finished picture: what the files of a set are made of, in one file that is there whole or not at all."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, fields, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from napari_temseg.engine.measure.descriptors import versions
from napari_temseg.engine.measure.measurement import Measurement
from napari_temseg.engine.measure.other_splits import packed, unpacked
from napari_temseg.engine.measure.recovery.limit import RecoveredSize
from napari_temseg.engine.types.acquisition import Acquisition
from napari_temseg.engine.types.large_arrays import PackedMask
from napari_temseg.engine.types.micrograph import Calibration, Micrograph, Source
from napari_temseg.engine.types.results import BandEnds, SizeCandidate
from napari_temseg.files.atomic import write_arrays
from napari_temseg.pipeline.recipe import Recipe
from napari_temseg.pipeline.run_result import Crop, RunItem
from napari_temseg.version import __version__

RECORD_FORMAT = 2
SUFFIX = ".npz"
_MACHINE = ("device", "tile", "overlap")  # settings that suit a computer, and mean the same result
_DEFAULTS = {"backend": "torch"}  # settings that came later: as they are by default they change no hash
_APART = ("table", "mask", "calibration", "other_splits", "recovered", "unlike")  # of a measurement; the last is that of its item
# Of an item.
_NAMED = ("name", "path", "measurement", "files", "picture", "acquisition", "sketch", "shown_by", "counted", "crops")
_SEEN = ("candidates", "larger", "ends")


@dataclass(frozen=True)
class Record:
    """What can be said of a finished picture without reading its table.

    `stem` begins the names of its files; `key` tells picture and settings, `settings` the latter alone; `files` gives for each of its
    label images size, time of change (ns) and SHA-256.
    """

    stem: str
    key: str
    settings: str
    files: dict[str, tuple[int, int, str]]


def settings_digest(recipe: Recipe, **further: Any) -> str:
    """A hash of everything but the picture that a result hangs on: the model and every setting, the program and its definitions."""
    content = [
        RECORD_FORMAT,
        __version__,
        versions(),
        recipe.model_hash,
        None if recipe.calibration is None else asdict(recipe.calibration),
        recipe.axes,
        recipe.series,
        recipe.mask_overlays,
        recipe.recovery,
        {name: value for name, value in recipe.predict.to_dict().items() if name not in _MACHINE and _DEFAULTS.get(name) != value},
        recipe.split.to_dict(),
        further,
    ]
    return digest_of(content)


def facts_of(image: Micrograph) -> tuple[Any, ...]:
    """What tells a picture as it was read: hashes, shape, meaning and notes, as plain values."""
    # The pixels too: those of some formats lie in another file than the one that is named.
    pixels = replace(image, source=Source()).content_hash()
    shape, notes = list(image.data.shape), list(image.notes)
    return (image.content_hash(), pixels, image.source.series, image.axes, shape, str(image.data.dtype), notes)


def key_of(facts: Sequence[Any], calibration: Calibration, stem: str, settings: str, **further: Any) -> str:
    """A hash of a picture as it was read, the name of its result and the settings: the same key, the same result."""
    return digest_of([stem, settings, *facts, asdict(calibration), further])


def digest_of(content: Any) -> str:
    """SHA-256 of plain values."""
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()


def file_digest(path: Path) -> tuple[int, int, str]:
    """Size, time of change (ns) and SHA-256 of a file."""
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    state = path.stat()
    return state.st_size, state.st_mtime_ns, digest


def unchanged(path: Path, known: tuple[int, int, str]) -> bool:
    """Whether a file is still as recorded: by size and time, or by its content where only the time differs (a copied folder)."""
    try:
        state = path.stat()
        return state.st_size == known[0] and (state.st_mtime_ns == known[1] or file_digest(path)[2] == known[2])
    except OSError:
        return False


def write_record(path: Path, record: Record, item: RunItem) -> None:
    """Write the record of `item`, whose label images are those that `record` names."""
    m = item.measurement
    splits, sizes = packed(m.other_splits)
    facts = {
        "format": RECORD_FORMAT,
        "record": asdict(record),
        "name": item.name,
        "path": str(item.path),
        "item": {field.name: getattr(item, field.name) for field in fields(item) if field.name not in (*_NAMED, *_SEEN)},
        "acquisition": asdict(item.acquisition),
        "candidates": [asdict(each) for each in item.candidates],
        "larger": None if item.larger is None else asdict(item.larger),
        "ends": None if item.ends is None else asdict(item.ends),
        "measurement": {field.name: getattr(m, field.name) for field in fields(m) if field.name not in _APART},
        "calibration": asdict(m.calibration),
        "columns": list(m.table.columns),
        "valid": None if m.mask is None else m.mask.shape,
        "recovered": m.recovered,
        "crops": [(crop.typical, crop.doubt, crop.width, crop.bar_place) for crop in item.crops],
        "splits": splits,
    }
    arrays = {f"column{index}": _values(m.table[name]) for index, name in enumerate(m.table.columns)}
    arrays |= sizes
    arrays |= {f"crop{index}": np.frombuffer(crop.jpeg(), np.uint8) for index, crop in enumerate(item.crops)}
    if m.mask is not None:
        arrays["valid"] = np.packbits(m.mask.array())
    if item.sketch is not None:
        arrays["sketch"] = item.sketch()
    arrays["picture"] = np.frombuffer(item.picture(), np.uint8)
    arrays["facts"] = np.frombuffer(json.dumps(facts, default=_plain).encode(), np.uint8)
    write_arrays(path, arrays)


def read_record(path: Path) -> Record | None:
    """What a record says; None for one that is damaged, of another format, or gone."""
    try:
        with path.open("rb") as stream, zipfile.ZipFile(stream) as content:
            if content.testzip() is not None:
                return None
            facts = json.loads(np.lib.format.read_array(io.BytesIO(content.read("facts.npy"))).tobytes())
        said = facts["record"]
        files = {str(name): (int(size), int(time), str(digest)) for name, (size, time, digest) in said["files"].items()}
        return Record(said["stem"], said["key"], said["settings"], files) if facts["format"] == RECORD_FORMAT else None
    except Exception:  # noqa: BLE001  whatever is wrong with it, there is no record
        return None


def read_item(path: Path, output: Path, source: Path | None = None) -> RunItem:
    """The item of a record whose label images lie in `output`; `source` is where its picture lies now, when that is known."""
    with np.load(path, allow_pickle=False) as content:
        facts: dict[str, Any] = json.loads(content["facts"].tobytes())
        columns = {name: _column(content[f"column{index}"]) for index, name in enumerate(facts["columns"])}
        mask = None if facts["valid"] is None else PackedMask.of(_unpacked(content["valid"], facts["valid"]))
        sketch = partial(_array, path, "sketch") if "sketch" in content else None
        crops = tuple(_crop(each, partial(_bytes, path, f"crop{index}")) for index, each in enumerate(facts.get("crops", ())))
        splits = unpacked(facts.get("splits", ()), content)
    said: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in facts["measurement"].items()}
    calibration = Calibration(**facts["calibration"])
    recovered = tuple(RecoveredSize(*each) for each in facts.get("recovered", ()))
    of_item: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in facts["item"].items()}
    of_item["unlike"] = {int(plane): reason for plane, reason in of_item["unlike"].items()}
    said |= {"other_splits": splits, "recovered": recovered, "unlike": of_item["unlike"]}
    measurement = Measurement(table=pd.DataFrame(columns), calibration=calibration, mask=mask, **said)
    taken: dict[str, Any] = facts.get("acquisition", {})
    of_item["acquisition"] = Acquisition(**{**taken, "stage": taken.get("stage") and tuple(taken["stage"])})
    of_item["candidates"] = tuple(SizeCandidate(**each) for each in facts.get("candidates", ()))
    of_item["larger"] = SizeCandidate(**facts["larger"]) if facts.get("larger") else None
    of_item["ends"] = BandEnds(**facts["ends"]) if facts.get("ends") else None
    files = tuple(output / name for name in facts["record"]["files"])
    of_item |= {"files": files, "picture": partial(_bytes, path, "picture"), "sketch": sketch, "crops": crops}
    return RunItem(facts["name"], source or Path(facts["path"]), measurement, **of_item)


def _array(path: Path, name: str) -> Any:
    with np.load(path, allow_pickle=False) as content:
        return content[name]


def _bytes(path: Path, name: str) -> bytes:
    return bytes(_array(path, name).tobytes())


def _crop(said: Sequence[Any], jpeg: Callable[[], bytes]) -> Crop:
    typical, doubt, width, *place = said
    return Crop(typical, doubt, width, jpeg, *(each for each in place if isinstance(each, str)))  # earlier records do not tell the corner


def _values(column: pd.Series[Any]) -> npt.NDArray[Any]:
    array = column.to_numpy()
    return array.astype(str) if array.dtype.kind not in "biuf" else array


def _column(array: npt.NDArray[Any]) -> Any:
    """What a table makes a column of; a series would leave it an index for each."""
    if array.dtype.kind != "U":
        return array
    # The same words in every row are one object each, or a name would weigh as much as all numbers of its particle.
    words, which = np.unique(array, return_inverse=True)
    return pd.Series(words.astype(object)[which], dtype="str").array


def _unpacked(packed: npt.NDArray[np.uint8], shape: Sequence[int]) -> npt.NDArray[np.bool_]:
    return np.unpackbits(packed, count=int(np.prod(shape))).reshape(shape).astype(bool)


def _plain(value: Any) -> Any:
    """JSON for the numbers of numpy."""
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"{type(value).__name__} cannot stand in a record")
