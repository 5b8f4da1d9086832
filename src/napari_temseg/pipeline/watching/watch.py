"""A run that goes on as pictures arrive."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Generator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeVar

from napari_temseg.engine.types.progress import Control, Progress
from napari_temseg.engine.types.wording import several
from napari_temseg.pipeline.watching.arrivals import Arrivals
from napari_temseg.pipeline.watching.stopping import StoppingRule

if TYPE_CHECKING:
    from napari_temseg.engine.measure.distribution import SizeDistribution
    from napari_temseg.pipeline.workers.in_turn import Crew

EVERY = 0.5  # seconds between two looks at the folders


class Growing(Protocol):
    """Pictures to which more are added."""

    @property
    def done(self) -> Collection[str]:
        """What is committed."""
        ...

    def sizes(self) -> dict[str, SizeDistribution]:
        """The sizes of all that is committed."""
        ...

    def add(self, paths: Sequence[Path], crew: Crew, control: Control) -> Generator[Progress, None, None]:
        """Add pictures, or those that changed once more."""
        ...


G = TypeVar("G", bound=Growing)


def watched(
    batch: G,
    crew: Crew,
    control: Control,
    arrivals: Arrivals,
    rule: StoppingRule,
    search: Callable[[G, Crew, Control], Generator[Progress, None, None]],
) -> Generator[Progress, None, None]:
    """Search what there is and what arrives, until all of it meets the rule or somebody ends it; each picture tells D50 as it stands."""
    done = -1
    while True:
        for progress in search(batch, crew, control):
            if len(batch.done) != done and rule.due():
                done = len(batch.done)
                rule.look(batch.sizes())
            yield replace(progress, fraction=0.0, message=_with(progress.message, rule.said))
        if control.finishing:
            return
        if len(batch.done) != done:
            done = len(batch.done)
            rule.look(batch.sizes())
        if rule.met:
            return
        arrived = arrivals.whole()
        if arrived:
            yield from batch.add(arrived, crew, control)
            continue
        yield Progress("run", 0.0, _with(f"{several(done, 'picture')} done, waiting for more (Ctrl-C ends it)", rule.said), control.elapsed)
        time.sleep(EVERY)


def _with(message: str, said: str) -> str:
    return " · ".join(filter(None, (message, said)))
