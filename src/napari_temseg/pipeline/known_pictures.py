"""What was learnt of a picture when it was last read, so that the next start of a run need not decode it again."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from napari_temseg.engine.types.errors import TemsegError
from napari_temseg.engine.types.micrograph import Calibration, Micrograph
from napari_temseg.files.atomic import json_text, write_text
from napari_temseg.files.readers import EXTENSIONS
from napari_temseg.pipeline.burnt_in import MarkedArea, marked_area
from napari_temseg.pipeline.inputs import LABELS
from napari_temseg.pipeline.record import facts_of, file_digest, unchanged


@dataclass(frozen=True)
class KnownPicture:
    """The `facts` of a picture as it was read (see `record.facts_of`), its calibration, sample and grid, and what is burnt into it."""

    facts: tuple[Any, ...]
    calibration: Calibration
    sample: str
    grid: str
    area: MarkedArea | None = None

    @classmethod
    def of(cls, image: Micrograph, *, marked: bool) -> KnownPicture:
        """Learn it from the picture; what is burnt in only where `marked` is wanted."""
        return cls(facts_of(image), image.calibration, image.sample, image.grid, marked_area(image) if marked else None)


class KnownPictures:
    """Known pictures kept in `folder`, a small file each; they hold as long as their files, and what is beside these, are unchanged."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def find(self, stem: str, path: Path, read_with: str) -> KnownPicture | None:
        """What is known of a picture that is read with the same settings (a hash); None when it has to be read."""
        try:
            said = json.loads((self._folder / f"{stem}.json").read_text(encoding="utf-8"))
            files = {name: tuple(known) for name, known in said["files"].items()}
            if said["read_with"] != read_with or said["path"] != str(path.resolve()) or set(files) != set(_beside(path)):
                return None
            if not all(unchanged(path.parent / name, known) for name, known in files.items()):
                return None
            area = said["area"]
            calibration = Calibration(**said["calibration"])
            return KnownPicture(tuple(said["facts"]), calibration, said["sample"], said["grid"], None if area is None else _area(area))
        except (OSError, ValueError, KeyError, TypeError, TemsegError):
            return None

    def keep(self, stem: str, path: Path, read_with: str, known: KnownPicture) -> None:
        """Remember a picture; whatever prevents that only costs time at the next start."""
        if path.suffix.lower() not in EXTENSIONS:  # what others read may lie in any file
            return
        with suppress(OSError, TemsegError):
            said = {
                "read_with": read_with,
                "path": str(path.resolve()),
                "files": {name: file_digest(path.parent / name) for name in _beside(path)},
                **{field.name: getattr(known, field.name) for field in fields(known)},
                "calibration": asdict(known.calibration),
                "area": None if known.area is None else asdict(known.area),
            }
            write_text(self._folder / f"{stem}.json", json_text(said) + "\n")


def _beside(path: Path) -> list[str]:
    """The file, or the files of a folder, and those named after it, or it after them (side-cars, parts of one acquisition), but for what a
    run writes; their paths from the folder it lies in.
    """
    stem, is_set = path.name.partition(".")[0], ".ome." in path.name.lower()
    named = (
        name
        for name in os.listdir(path.parent)
        if name.startswith(stem) or stem.startswith(name.partition(".")[0] or name) or (is_set and ".ome." in name.lower())
    )
    beside = [name for name in named if not name.endswith(LABELS) and (path.parent / name).is_file()]
    within = [each.relative_to(path.parent).as_posix() for each in path.rglob("*") if each.is_file()] if path.is_dir() else []
    return sorted([*beside, *within])


def _area(said: Mapping[str, Any]) -> MarkedArea:
    camera = tuple(tuple(each) if isinstance(each, list) else each for each in said["camera"])
    top, bottom = said["bands"]
    boxes, letters = (tuple((a, b, c, d) for a, b, c, d in said[name]) for name in ("boxes", "letters"))
    return MarkedArea(camera, boxes, (top, bottom), bool(said["certain"]), letters)
