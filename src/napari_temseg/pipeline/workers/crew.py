"""Who works at the pictures of a run: this process, several beside it, or a cluster."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from napari_temseg.pipeline.workers.cluster import Cluster
from napari_temseg.pipeline.workers.in_turn import Crew, InTurn
from napari_temseg.pipeline.workers.picture_task import ReadyModel
from napari_temseg.pipeline.workers.pool import WorkerPool


@contextmanager
def crew_of(workers: int, model: ReadyModel, pictures: int, scheduler: str, state: Path) -> Iterator[Crew]:
    """As many workers as are wanted and have something to do, or those of a `scheduler`, until the block ends.

    `state` is a folder that the machines of a cluster share.
    """
    count = min(workers, pictures)
    crew: Crew = Cluster(scheduler, model, state) if scheduler else WorkerPool(count, model) if count > 1 else InTurn(model)
    try:
        yield crew
    finally:
        crew.close()
