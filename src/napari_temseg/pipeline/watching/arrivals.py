"""Files that arrive in folders, each once it is whole."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from napari_temseg.pipeline.inputs import Inputs, gather

Stamp = tuple[int, int]  # size in bytes, time of change in ns


class Arrivals:
    """What is new in files and folders. A file is taken when its size and time stay the same for `settled` seconds, again when they change.

    Whether it opens whole is known when it is read: one that does not is taken again when it has grown.
    """

    def __init__(self, inputs: Sequence[str | Path], *, recursive: bool, settled: float) -> None:
        self._inputs, self._recursive, self._settled = inputs, recursive, settled
        self._seen: dict[Path, tuple[Stamp, float]] = {}
        self._taken: dict[Path, Stamp] = {}

    def first(self) -> Inputs:
        """What is there and has not changed for a while; of the rest and of what is not there yet nothing is said."""
        found = gather(self._inputs, recursive=self._recursive)
        old = [path for path in found.paths if (stamp := _stamp(path)) and time.time() - stamp[1] / 1e9 >= self._settled]
        self._taken = {path: stamp for path in old if (stamp := _stamp(path)) is not None}
        return Inputs(old, {}, found.skipped)

    def whole(self) -> list[Path]:
        """The files that became whole since it was asked last."""
        now, ready = time.monotonic(), []
        for path in gather(self._inputs, recursive=self._recursive).paths:
            stamp = _stamp(path)
            if stamp is None or stamp == self._taken.get(path):
                continue
            before, since = self._seen.get(path, (None, now))
            if stamp != before:
                self._seen[path] = stamp, now
            elif now - since >= self._settled:
                self._taken[path] = stamp
                ready.append(path)
        return ready


def _stamp(path: Path) -> Stamp | None:
    """None of what is empty or gone; of a folder that is a picture, what is in it counts."""
    try:
        states = [each.stat() for each in ([path] if path.is_file() else sorted(path.rglob("*")))]
    except OSError:
        return None
    size = sum(state.st_size for state in states)
    return (size, max(state.st_mtime_ns for state in states)) if size else None
