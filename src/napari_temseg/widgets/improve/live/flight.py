"""An answer on its way, and what Live says of what is on the screen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from napari_temseg.engine.types.wording import percent
from napari_temseg.widgets.improve.live.answers import LiveAnswer, LiveTarget, Strokes, iter_answer, known_of, like
from napari_temseg.widgets.improve.live.first_answers import OnScreen, iter_ground_and_screen
from napari_temseg.widgets.improve.live.kept_answers import KeptAnswers
from napari_temseg.widgets.improve.live.sure_so_far import SureSoFar

if TYPE_CHECKING:
    from napari_temseg.engine.types.config import SplitConfig
    from napari_temseg.engine.types.progress import Job

FOLLOWS = "Live follows strokes; dashed is unsure and left out. Use this result splits and measures."
UNSTROKED = "Live: outlines of the model, until you stroke; dashed ones are unsure and left out."
RESTS = "The newest result is shown; Live answers from your next stroke on."
WORKS = "Live works on your newest strokes …"
LIVE_LOOKS = "Live looks at the image …"
FIRST_SHOWN = "Live answers what is on the screen, dashed what it has not weighed yet; the rest comes …"


@dataclass(eq=False)
class Flight:
    """An answer that is being computed. `since` is when the oldest stroke was painted that it answers."""

    aim: LiveTarget
    since: float | None
    stop: Callable[[], None] = field(default=lambda: None)
    stopped: bool = False
    screen: OnScreen | None = None  # what it is asked to answer first
    shown: bool = False  # whether something of it was shown


def looks(share: float, *, shown: bool) -> str:
    """What is said while so much is done of an answer, of which something may be `shown` already."""
    return f"{LIVE_LOOKS} {percent(share)}{', dashed: not weighed yet' if shown else ''}"


def job_for(flight: Flight, kept: KeptAnswers, strokes: Strokes, unsure: bool, split: SplitConfig) -> Callable[[], Job[LiveAnswer]]:
    """What makes the job that answers `strokes` on the plane of a flight, by what is `kept` of it; `TemsegError` where it is no plane."""
    aim, item = flight.aim, flight.aim.item
    ground = kept.ground(aim)
    if ground is not None:
        last = kept.answer(aim)
        return partial(iter_answer, ground, strokes, unsure=unsure, split=split, before=None if last is None else last.sure_so_far)
    plane = item.micrograph().at(aim.plane)
    scales = item.prediction.working_scale if item.prediction is not None else ()
    others = (ground.prediction for ground in kept.planes(aim).values())
    predict = like(aim.predict, next(others, item.prediction))
    searched = known_of(item.prediction, aim.plane, plane, predict)
    before = SureSoFar.of_result(item, aim.plane, searched)

    def looking() -> Job[LiveAnswer]:
        """In the thread of the job."""
        look = iter_ground_and_screen(aim._replace(predict=predict), plane, scales, lambda: flight.screen, split, searched, before)
        return iter_answer(look, strokes, unsure=unsure, split=split, before=before)

    return looking
