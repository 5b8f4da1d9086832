"""Tables of the planes of a stack and what was split otherwise, all but the last few of them on disk until the stack is whole."""

from __future__ import annotations

import pickle
import tempfile
import weakref
from collections.abc import Iterator

import pandas as pd

from napari_temseg.engine.measure.other_splits import OtherSplit
from napari_temseg.engine.types.errors import TemsegError
from napari_temseg.pipeline.picture.measured_picture import one_of_each, one_table

TOGETHER = 64  # planes whose tables are put together, and aside
Found = tuple[pd.DataFrame, tuple[OtherSplit, ...]]


class PutAside:
    """Takes what was found on the planes of a stack, in their order, and gives it back as one; memory does not grow with them."""

    def __init__(self) -> None:
        self._recent, self._blocks = list[Found](), 0
        self._file = tempfile.TemporaryFile()  # noqa: SIM115  closed with the object
        weakref.finalize(self, self._file.close)

    def add(self, table: pd.DataFrame, splits: tuple[OtherSplit, ...]) -> None:
        """The next plane; `TemsegError` where the temporary folder is full."""
        self._recent.append((table, splits))
        if len(self._recent) < TOGETHER:
            return
        try:
            pickle.dump(_joined(self._recent), self._file, pickle.HIGHEST_PROTOCOL)
            self._file.flush()
        except OSError as error:
            raise TemsegError(f"{tempfile.gettempdir()}: cannot be written ({error.strerror or error}); make space there.") from error
        self._recent, self._blocks = [], self._blocks + 1

    def together(self) -> Found:
        """All planes as one."""
        return _joined(list(self._all()))

    def _all(self) -> Iterator[Found]:
        self._file.seek(0)
        for _ in range(self._blocks):
            yield pickle.load(self._file)
        yield from self._recent


def _joined(found: list[Found]) -> Found:
    return one_table([table for table, _ in found]), one_of_each([splits for _, splits in found])
