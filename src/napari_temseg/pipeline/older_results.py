"""Results that are not of this run: moved to older/TIME in one go, also when a kill comes between two files."""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from napari_temseg.engine.types.errors import TemsegError
from napari_temseg.files.atomic import reason, write_text
from napari_temseg.files.formats.tiff import content_of
from napari_temseg.pipeline.record import SUFFIX

OLDER = "older"


class OlderResults:
    """What is put aside in the folder `output`, whose state lies in its folder `state`.

    Which files go where is written down before the first of them moves, so that whoever comes next can move the rest.
    """

    def __init__(self, output: Path, state: str) -> None:
        self._output = output
        self._plan = output / state / "moving.json"

    def put_aside(self, files: Sequence[Path], kept: int) -> str:
        """Move files of the folder, keeping their places in it, and say so; `kept` is how many pictures stay."""
        target = self._free()
        moves = [(path.relative_to(self._output).as_posix(), (target / path.relative_to(self._output)).as_posix()) for path in files]
        write_text(self._plan, json.dumps(moves))
        self.resume()
        pictures = len({path.stem for path in files if path.suffix == SUFFIX})
        what = f"results of {pictures} picture{'s' if pictures != 1 else ''}" if pictures else "results"
        which = "that do not belong to this run" if kept else "of an earlier run"
        return f"{self._output}: {what} {which} are now in {self._output / target}."

    def resume(self) -> None:
        """Move what is still to be moved."""
        try:
            moves = json.loads(self._plan.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return
        for source, target in moves:
            old, new = self._output / source, self._output / target
            try:
                new.parent.mkdir(parents=True, exist_ok=True)
                if old.exists():
                    os.replace(old, new)
            except OSError as error:
                raise TemsegError(f"{old}: cannot be moved to {new.parent} ({reason(error, new)}); choose another folder.") from error
        self._plan.unlink()

    def _free(self) -> Path:
        """A folder that is not there yet, relative to the output."""
        name = base = f"{datetime.now():%Y-%m-%d_%H-%M-%S}"
        number = 1
        while (self._output / OLDER / name).exists():
            number += 1
            name = f"{base}_{number}"
        return Path(OLDER, name)

    def of_summary(self, names: Collection[str]) -> list[Path]:
        """The label images of the pictures that a summary.json without records names: those of versions that wrote none."""
        try:
            images: list[Any] = json.loads((self._output / "summary.json").read_text(encoding="utf-8"))["images"]
            stems = [str(image["image"]) for image in images]
        except (OSError, ValueError, KeyError, TypeError):
            return []
        found = [self._output / Path(f"{stem}{end}").name for stem in stems for end in names]
        return [path for path in found if path.is_file() and content_of(path)]
