"""An answer on its way, and what Live says of what is on the screen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from napari_temseg.widgets.improve.live.answers import LiveTarget, iter_answer
from napari_temseg.widgets.improve.live.first_answers import OnScreen, iter_ground_and_screen

if TYPE_CHECKING:
    from napari_temseg.engine.types.config import PredictConfig, SplitConfig

FOLLOWS = "Live: outlines follow strokes; dashed ones are unsure and left out."
UNSTROKED = "Live: outlines of the model, until you stroke; dashed ones are unsure and left out."
RESTS = "The newest result is shown; Live answers from your next stroke on."
WORKS = "Live works on your newest strokes …"
LIVE_LOOKS = "Live looks at the image …"


@dataclass(eq=False)
class Flight:
    """An answer that is being computed. `since` is when the oldest stroke was painted that it answers."""

    aim: LiveTarget
    since: float | None
    stop: Callable[[], None] = field(default=lambda: None)
    stopped: bool = False
    screen: OnScreen | None = None  # what it is asked to answer first
    shown: bool = False  # whether something of it was shown …
    timed: bool = False  # … and that was the answer to its strokes


def looking(
    flight: Flight, predict: PredictConfig, plane: Any, scales: Any, strokes: Any, unsure: bool, split: SplitConfig, searched: Any
) -> Any:
    """Look at a plane and answer, in the thread of the job."""
    aim = flight.aim._replace(predict=predict)
    ground = iter_ground_and_screen(aim, plane, scales, lambda: flight.screen, split, searched)
    return iter_answer(ground, strokes, unsure=unsure, split=split)
