"""After a training: its picture is searched again, also for what strokes tell of sizes, and it is told what they still contradict."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QObject, Signal

from napari_temseg.engine.types.config import PredictConfig, size_fields
from napari_temseg.engine.types.errors import TemsegError
from napari_temseg.engine.types.progress import Control, Job, Progress
from napari_temseg.engine.types.results import Prediction
from napari_temseg.engine.types.wording import several
from napari_temseg.pipeline.find_stroked import Stroked, iter_find_stroked
from napari_temseg.widgets.canvas import layers
from napari_temseg.widgets.find.finder import Finder

if TYPE_CHECKING:
    from napari_temseg.engine.interactive.stroked import Contradicted
    from napari_temseg.widgets.session.item import Item
    from napari_temseg.widgets.session.session import Session


KNOWN_FROM = 0.2  # of a search, from which on its pace tells how long the rest takes: looking for the scale is not what follows


@dataclass(frozen=True, eq=False)
class SearchedAgain:
    """What a new search of an image came to: particles before (None: it was not searched) and after, the size (px) that strokes told of
    beside the one looked for, or 0, and which strokes are still contradicted; of one that needed no search too (not `anew`)."""

    item: Item
    said: Prediction
    before: int | None
    after: int
    size: float = 0.0
    still: Contradicted | None = None
    anew: bool = True


class SearchAgain(QObject):
    """Searches the picture of a training again. `ended` tells that `result` is there, or that there will be none."""

    ended = Signal()

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self.session, self.finder = session, session.part(Finder)
        self.item: Item | None = None  # that is searched now
        self.result: SearchedAgain | None = None
        self._needed, self._title = True, ""
        self._before: tuple[Prediction | None, int | None, PredictConfig | None] = (None, None, None)
        session.jobs.changed.connect(self._changed)

    def forget(self) -> None:
        """Another training begins."""
        self.result = None

    def begin(self, item: Item, *, needed: bool, so_far: Progress | None = None) -> None:
        """Search an image again; unless it is `needed`, only where strokes tell of a size that was not looked for. `so_far` is where the
        training stands whose last part this is, with the time that it has left for it."""
        strokes = _strokes_of(item)
        if strokes is None and not needed:
            return
        particles = item.particles
        self._before = item.prediction, None if particles is None else len(particles), item.search
        self.item, self._needed = item, needed
        drawn = np.zeros(layers.shape(item.layer), np.uint8) if strokes is None else strokes
        stroked, before = Stroked(drawn, item.prediction, particles, needed), so_far or Progress("", 0.0)

        def by(*asked: Any) -> Job[Any]:
            return iter_after(before, iter_find_stroked(*asked, stroked=stroked))

        self._title = f"After training: searching {item.name} again"
        try:
            self.finder.find([item], title=self._title, by=by, so_far=so_far)
        except TemsegError:
            self.item = None
            raise

    def back(self, item: Item) -> None:
        """What was said of the sizes of an image before is said again."""
        if self.result is not None and self.result.item is item and self.result.size:
            self.finder.say_of(item, self._before[2])

    def _changed(self) -> None:
        item, jobs = self.item, self.session.jobs
        if item is None or (jobs.running and jobs.title == self._title):  # another may have begun at once
            return
        self.item = None
        said, before = item.prediction, self._before
        stopped = self._needed and said is before[0]
        if stopped or item not in self.session.items or said is None or item.particles is None:
            self.ended.emit()
            return
        size = _other_size(said, before[0])
        if size:
            config = self.finder.config_of(item)
            sizes = [(each, None) for each in (said.size, said.other.size if said.other is not None else said.size)]
            self.finder.say_of(item, _with_sizes(config, sizes))
        result = SearchedAgain(item, said, before[1], len(item.particles), size, anew=said is not before[0])
        self.result = result
        strokes = _strokes_of(item)
        if strokes is None:
            self.ended.emit()
            return
        self.session.jobs.later(partial(_still, strokes, item.particles.labels, said), partial(self._counted, result))

    def _counted(self, result: SearchedAgain, still: Contradicted) -> None:
        if self.result is result:
            self.result = replace(result, still=still)
            self.ended.emit()


def iter_after(before: Progress, job: Job[Any]) -> Job[Any]:
    """A job as the last part of one that stood at `before`: its time goes on, its rest is as that told it until it has a pace."""

    def steps(control: Control) -> Generator[Progress, None, Any]:
        for step in job:
            own, left = control.elapsed, before.rest or 0.0
            known = step.fraction >= KNOWN_FROM and own > 1
            rest = own * (1 - step.fraction) / step.fraction if known else max(left - own, left * (1 - step.fraction) / 2)
            yield replace(step, elapsed=before.elapsed + own, rest=rest if known or left else None)
        return job.result

    return Job(steps)


def outcome(found: SearchedAgain | None) -> str:
    """For people: what a new search found, and what strokes still contradict; "" where there is nothing to tell."""
    if found is None:
        return ""
    before = "" if found.before is None else " as before" if found.before == found.after else f", {found.before} before"
    sizes = " of both sizes" if found.size else ""
    parts = [f"{several(found.after, 'particle')}{sizes}{before}"] if found.anew else []
    still = found.still
    if still is not None and still.missed:
        some = "" if still.unsure == still.missed else f"{still.unsure} of them "
        why = f" ({some}unsure, left out)" if still.unsure else ""
        parts.append(f"{still.missed} of {several(still.particles, 'stroked particle')} still missed{why}")
    if still is not None and still.covered:
        parts.append(f"{still.covered} of {several(still.background, 'stroke')} on background still on particles")
    if still is not None and not still.any and found.anew:
        parts.append("agrees with all strokes")
    return f"{'; '.join(parts)}." if parts else ""


def of_sizes(found: SearchedAgain | None) -> str:
    """For people: that strokes told of another size; "" where they did not."""
    if found is None or not found.size:
        return ""
    scale = found.said.micrograph.calibration.nanometres
    length = f"{found.size * (scale or 1):.2g} {'nm' if scale else 'px'}"
    return f"Your strokes lie on particles of about {length} too, so both sizes were looked for (step 2 says how they are measured)."


def _strokes_of(item: Item) -> Any:
    if item.annotation is None:
        return None
    strokes = np.array(layers.snapshot(item.annotation), np.uint8)
    return strokes if strokes.any() else None


def _other_size(said: Prediction, before: Prediction | None) -> float:
    if said.other is None or (before is not None and before.other is not None):
        return 0.0
    known = said.size if before is None else before.size
    return max((said.size, said.other.size), key=lambda size: max(size / known, known / size))


def _with_sizes(config: PredictConfig, sizes: list[tuple[float, None]]) -> PredictConfig:
    return replace(config, **size_fields(sizes))


def _still(strokes: Any, labels: Any, said: Prediction) -> Contradicted:
    """In the thread of chores; torch is loaded, as there was a training."""
    from napari_temseg.engine.interactive.stroked import contradicted

    return contradicted(strokes, labels, said)
