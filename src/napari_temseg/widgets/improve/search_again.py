"""After a training: its picture is searched again, it is told what strokes still contradict, and a size that they tell of is offered."""

from __future__ import annotations

import math
from collections.abc import Generator, Iterable
from dataclasses import dataclass, replace
from functools import partial
from math import prod
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import numpy as np
from qtpy.QtCore import QObject, Signal

from napari_temseg.engine.types.config import LEAST_APART, size_fields
from napari_temseg.engine.types.errors import TemsegError
from napari_temseg.engine.types.populations import are_told_apart
from napari_temseg.engine.types.progress import Control, Job, Progress
from napari_temseg.engine.types.results import BAND, Particles, Prediction
from napari_temseg.engine.types.units import size_words
from napari_temseg.engine.types.wording import FEWEST, several
from napari_temseg.pipeline.find_stroked import iter_find_at, iter_size_left_out
from napari_temseg.widgets.canvas import layers
from napari_temseg.widgets.find.finder import Finder
from napari_temseg.widgets.session.change import Change
from napari_temseg.widgets.session.questions import Answer, Questions

if TYPE_CHECKING:
    from napari_temseg.engine.interactive.stroked import Contradicted
    from napari_temseg.widgets.session.item import Item
    from napari_temseg.widgets.session.session import Session


STROKED_SIZE = "size of what was stroked"  # what the question is about
NOT_SEARCHED = "search with what it taught"  # … and another
TOLD_WIDER = 0.02  # change of the median diameter, by ratio, from which on it is told
KNOWN_FROM = 0.2  # of a search, from which on its pace tells how long the rest takes: looking for the scale is not what follows


@dataclass(frozen=True, eq=False)
class SearchedAgain:
    """What a training came to for an image: particles before (None: it was not searched) and after, and which strokes are still
    contradicted; also where no new search was needed (not `anew`)."""

    item: Item
    said: Prediction
    before: int | None
    after: int
    still: Contradicted | None = None
    anew: bool = True
    wider: float = 1.0  # × by which the median diameter is another than before


class SearchAgain(QObject):
    """Searches the picture of a training again, at the size that it has. `ended` tells that `result` is there, or that there will be none.

    That strokes lie on particles of a size that is not looked for is a question; neither the size nor a result is ever changed by itself.
    """

    ended = Signal()

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self.session, self.finder, self.questions = session, session.part(Finder), session.part(Questions)
        self.item: Item | None = None  # that is searched now
        self.result: SearchedAgain | None = None
        self._title = ""
        self._left: WeakKeyDictionary[Item, float] = WeakKeyDictionary()  # sizes (px) that somebody left where they are
        self._before: tuple[Prediction | None, Particles | None] = (None, None)
        session.jobs.changed.connect(self._changed)
        session.item_changed.connect(self._item_changed)

    def forget(self) -> None:
        """Another training begins."""
        self.result = None

    def begin(self, item: Item, *, needed: bool, so_far: Progress | None = None) -> None:
        """Search an image again where that is `needed`; else only see what its strokes say of its result. `so_far` is where the training
        stands whose last part this is, with the time that it has left for it."""
        particles, said, before = item.particles, item.prediction, so_far or Progress("", 0.0)
        self._before = said, particles
        if not needed:
            self._compare(item, anew=False)
            return

        def by(*asked: Any) -> Job[Any]:
            return iter_after(before, iter_find_at(said, *asked))

        self.item, self._title = item, f"After training: searching {item.name} again"
        try:
            self.finder.find([item], title=self._title, by=by, so_far=so_far)
        except TemsegError:
            self.item = None
            raise

    def ask(self, items: Iterable[Item], said: str, other: Answer | None = None) -> None:
        """Whether images shall be searched that show what another model found than the one in use, which `said` tells; `other` is what can
        be done instead."""
        for item in items:
            if item.particles is not None and not item.asks_axes:
                search = Answer("Search it again", "Find particles anew; Undo brings back what was found.", partial(self._answer, item))
                leave = other or Answer("Leave it", "What was found before stays.", lambda: None)
                self.questions.ask(item, NOT_SEARCHED, said, (search, leave))

    def drop(self, item: Item) -> None:
        """That need not be asked any more."""
        self.questions.drop(item, NOT_SEARCHED)

    def waits(self, item: Item | None) -> bool:
        """Whether an image is asked about that shows what another model found than the one in use."""
        return item is not None and self.questions.on(item, NOT_SEARCHED) is not None

    def _answer(self, item: Item) -> None:
        self.session.jobs.check_free()
        self.begin(item, needed=True)

    def _changed(self) -> None:
        item, jobs = self.item, self.session.jobs
        if item is None or (jobs.running and jobs.title == self._title):  # another may have begun at once
            return
        self.item = None
        if item not in self.session.items or item.prediction is self._before[0]:
            self.ended.emit()
        else:
            self._compare(item, anew=True)

    def _compare(self, item: Item, *, anew: bool) -> None:
        """What the strokes of an image say of its result."""
        said, particles, strokes = item.prediction, item.particles, _strokes_of(item)
        if said is None or particles is None:
            self.ended.emit()
            return
        before = self._before[1]
        self.result = result = SearchedAgain(item, said, None if before is None else len(before), len(particles), anew=anew)
        counted = partial(self._counted, result, strokes, particles)
        self.session.jobs.later(partial(_compared, strokes, before if anew else None, particles, said), counted)

    def _counted(self, result: SearchedAgain, strokes: Any, particles: Particles, found: tuple[Contradicted | None, float]) -> None:
        if self.result is not result:
            return
        still, wider = found
        self.result = replace(result, still=still, wider=wider)
        self.ended.emit()
        if still is not None and still.missed:
            self._look_under(result.item, result.said, strokes, particles)

    # -- a size that is not looked for

    def asks_size(self, item: Item | None) -> bool:
        """Whether an image is asked about which size is meant, as particles were stroked that are not looked for."""
        return item is not None and self.questions.on(item, STROKED_SIZE) is not None

    def ask_size(self, item: Item | None) -> None:
        """Whether strokes of an image lie on particles of a size that is not looked for: asked when a training begins that they teach
        nothing."""
        strokes = None if item is None else _strokes_of(item)
        if item is not None and strokes is not None and item.prediction is not None and item.particles is not None:
            self._look_under(item, item.prediction, strokes, item.particles)

    def _look_under(self, item: Item, said: Prediction, strokes: Any, particles: Particles) -> None:
        session = self.session
        if said.other is None and said.size and item in session.items:
            make = partial(iter_size_left_out, session.segmenter(session.model_of(item)), said, strokes, particles)
            told = partial(self._offer, item, said)
            session.jobs.beside(f"Sizes under the strokes of {item.name}", make, told, seen=lambda _: None, failed=lambda: None)

    def _offer(self, item: Item, said: Prediction, size: float) -> None:
        if not size or item not in self.session.items or item.prediction is not said:
            return
        if max(size / said.size, said.size / size) <= BAND:  # that is looked for: there it is missed for other reasons
            return
        left = self._left.get(item, 0.0)
        if left and max(size / left, left / size) < LEAST_APART:  # that was asked
            return
        scale = item.calibration.nanometres  # it may be known since the search
        one, other = (size_words(each, scale, 2) for each in (said.size, size))
        both = partial(self._both, item, said, size)
        alone = partial(self._alone, item, size)
        answers = (
            Answer("Both sizes", "Find again, for both sizes; one Undo brings back particles and size.", both),
            Answer(f"Only {other}", "Find again, for this size alone; one Undo brings back particles and size.", alone),
            Answer("Leave it", "The size and what was found stay as they are.", partial(self._leave, item, size)),
        )
        self.questions.ask(item, STROKED_SIZE, f"You stroked particles of about {other}, which are not looked for (now: {one}).", answers)

    def _leave(self, item: Item, size: float) -> None:
        self._left[item] = size

    def _alone(self, item: Item, size: float) -> None:
        self.finder.find_meant(item, replace(self.finder.config_of(item), **size_fields([(size, None)])))

    def _both(self, item: Item, said: Prediction, size: float) -> None:
        sizes = sorted((said.size, size))
        # Nothing between them is left out: it is one powder, unless what was found falls into two heaps.
        as_one = sizes[1] <= BAND**2 * sizes[0] and not item.two_heaps
        told = size_fields([(each, None) for each in sizes])
        self.finder.find_meant(item, replace(self.finder.config_of(item), **told), as_one=as_one)

    def _item_changed(self, item: Item, what: Change) -> None:
        if what in (Change.PREDICTION, Change.SEARCH, Change.PIXELS):
            self.questions.drop(item, STROKED_SIZE)
            self.questions.drop(item, NOT_SEARCHED)


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
    parts = [f"{several(found.after, 'particle')}{before}{_wider(found.wider)}"] if found.anew else []
    still = found.still
    if still is not None and still.any:
        parts += _of_regions(still) if still.regions else _of_strokes(still)
    elif still is not None and found.anew:
        parts.append(f"agrees with all {'labels' if still.regions else 'strokes'}")
    return f"{'; '.join(parts)}." if parts else ""


def _of_strokes(still: Contradicted) -> list[str]:
    parts = []
    if still.missed:
        some = "" if still.unsure == still.missed else f"{still.unsure} of them "
        why = f" ({some}unsure)" if still.unsure else ""
        parts.append(f"{still.missed} of {several(still.particles, 'stroked particle')} missed{why}")
    if still.covered:
        parts.append(f"{still.covered} of {several(still.background, 'stroke')} on background lie on particles")
    return parts


def _of_regions(still: Contradicted) -> list[str]:
    why = f" ({still.unsure} more unsure)" if still.unsure else ""
    parts = [f"{still.particles - still.missed} of {still.particles} labelled found{why}"]
    return [*parts, f"{still.covered} false"] if still.covered else parts


def _strokes_of(item: Item) -> Any:
    if item.annotation is None:
        return None
    strokes = np.array(layers.snapshot(item.annotation), np.uint8)
    return strokes if strokes.any() else None


def _wider(by: float) -> str:
    """That particles are larger or smaller than before, "" where they are not."""
    return "" if abs(math.log(by)) < TOLD_WIDER else f", D50 {100 * abs(by - 1):.0f} % {'larger' if by > 1 else 'smaller'}"


def _compared(strokes: Any, before: Particles | None, particles: Particles, said: Prediction) -> tuple[Contradicted | None, float]:
    """What strokes say of particles, and by how much these are wider than those before. In the thread of chores; torch is loaded, as there
    was a training."""
    from napari_temseg.engine.interactive.stroked import contradicted

    still = None if strokes is None else contradicted(strokes, particles.labels, said)
    few = before is None or min(len(before), len(particles)) < FEWEST
    few = few or are_told_apart(particles)  # of two populations no D50 is that of both
    return still, 1.0 if before is None or few else _median_width(particles) / _median_width(before)


def _median_width(particles: Particles) -> float:
    """The median equivalent diameter (px) of particles."""
    areas = np.bincount(np.ravel(particles.labels))[1:]
    return float(np.sqrt(np.median(areas[areas > 0])))


def known_scales(item: Item) -> tuple[float, ...]:
    """At which a picture was searched at an earlier start, () where nobody knows."""
    origin = item.particles.origin if item.particles is not None else None
    return origin.scales if origin is not None and origin.model_hash else ()


def pixels_of_search(item: Item | None) -> float:
    """About how many px the model is shown when a picture is searched for a size that is known."""
    if item is None or item.asks_axes:
        return 0.0
    scales = item.prediction.working_scale if item.prediction is not None else known_scales(item) or (1.0,)
    return item.n_planes * prod(item.frame) * sum(scale**2 for scale in scales)
