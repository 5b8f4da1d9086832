"""Who works at the pictures of a run: this process, or several beside it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from napari_temseg.pipeline.workers.in_turn import Crew, InTurn
from napari_temseg.pipeline.workers.picture_task import ReadyModel
from napari_temseg.pipeline.workers.pool import WorkerPool


@contextmanager
def crew_of(workers: int, model: ReadyModel, pictures: int) -> Iterator[Crew]:
    """As many workers as are wanted and have something to do, until the block ends."""
    count = min(workers, pictures)
    crew: Crew = WorkerPool(count, model) if count > 1 else InTurn(model)
    try:
        yield crew
    finally:
        crew.close()
