"""Live while a whole plane is still being looked at: strokes on the part that is on the screen are answered meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from napari_temseg.engine.types.config import SplitConfig
from napari_temseg.engine.types.micrograph import Micrograph
from napari_temseg.engine.types.progress import Control, Job, Progress
from napari_temseg.engine.types.wording import LOADING
from napari_temseg.widgets.canvas import layers
from napari_temseg.widgets.improve.live.answers import LiveTarget, Strokes, drawn, loaded, whole
from napari_temseg.widgets.improve.live.sure_so_far import SureSoFar, not_weighed

if TYPE_CHECKING:
    from napari_temseg.engine.interactive.first_look import FirstLook
    from napari_temseg.engine.interactive.linear_head import Ground
    from napari_temseg.engine.model.segmenter import Segmenter
    from napari_temseg.engine.types.results import Prediction

Window = tuple[slice, slice]


@dataclass(frozen=True, eq=False)
class OnScreen:
    """What somebody looks at: rows and columns of a plane, the `strokes` on them, and since when (s) the newest waits; None: none does."""

    window: Window
    strokes: Strokes
    since: float | None = None

    def same(self, other: OnScreen | None) -> bool:
        """Whether there is nothing else to be seen, and nothing else was painted."""
        return other is not None and self.window == other.window and np.array_equal(self.strokes, other.strokes)


@dataclass(frozen=True, eq=False)
class FirstAnswer:
    """What the screen looks like after `asked.strokes`; `drawing` is of the whole plane (Y, X), nothing outside the window."""

    asked: OnScreen
    drawing: npt.NDArray[np.uint8]
    unsure: None = None


def on_screen(viewer: object, aim: LiveTarget, since: float | None) -> OnScreen | None:
    """What is on the screen of a plane, with a copy of the strokes on it; None where it is out of view."""
    window, layer = layers.window_in_view(viewer, aim.item.layer), aim.item.annotation
    if window is None or layer is None:
        return None
    strokes = layers.values(layer).reshape((-1, *aim.item.frame))[aim.plane]
    return OnScreen(window, np.array(strokes[window], np.uint8), since)


def iter_ground_and_screen(
    aim: LiveTarget,
    plane: Micrograph,
    scales: Sequence[float],
    asked: Callable[[], OnScreen | None],
    split: SplitConfig | None = None,
    searched: Prediction | None = None,
    before: SureSoFar | None = None,
) -> Job[Ground]:
    """Look at a plane; a `Progress` with a `FirstAnswer` comes first, and whenever `asked` tells of another screen or other strokes.

    `scales` are those of a search before, () where there was none. `asked` is called in the thread of the job; `split` is how the answer
    will be split, `searched` what a search with the settings of `aim` said of the plane: where the same model said it, that is corrected.
    What was not sure `before` and is not stroked is dashed in a first answer.
    """

    def steps(control: Control) -> Generator[Progress, None, Ground]:
        from napari_temseg.engine.interactive.first_look import worth_it
        from napari_temseg.engine.interactive.linear_head import iter_ground

        yield Progress("look", 0.0, LOADING, control.elapsed)
        model: Segmenter = loaded(aim.model)
        known = searched if searched is not None and searched.model_hash == model.content_hash() else None
        whole = iter_ground(model, plane, aim.predict, known)
        if not worth_it(model, plane, aim.predict, scales):
            yield from whole
            return whole.result
        screen = _Screen(model, plane, aim, scales, split, known, before)
        yield from screen.answers(asked(), control)
        for step in whole:
            yield step
            yield from screen.answers(asked(), control)
        return whole.result

    return Job(steps)


class _Screen:
    """What was looked at of a plane so far, and what was answered."""

    def __init__(
        self,
        model: Segmenter,
        plane: Micrograph,
        aim: LiveTarget,
        scales: Sequence[float],
        split: SplitConfig | None = None,
        known: Prediction | None = None,
        before: SureSoFar | None = None,
    ) -> None:
        self.known, self.before = known, before
        self.model, self.plane, self.aim, self.scales, self.split = model, plane, aim, scales, split
        self.image = model.normalisation.apply(plane.plane(), plane.valid, plane.name)
        self.look: FirstLook | None = None
        self.answered: OnScreen | None = None

    def answers(self, asked: OnScreen | None, control: Control) -> Generator[Progress, None, None]:
        """A `FirstAnswer`, where something else is asked than was answered."""
        from napari_temseg.engine.interactive.first_look import iter_first_look

        before = self.answered
        if asked is None or asked.same(before):
            return
        if self.look is None or before is None or before.window != asked.window:
            job = iter_first_look(self.model, self.plane, self.image, self.aim.predict, asked.window, self.scales, self.known)
            yield from (step for step in job if step.stage != "look")
            self.look = job.result
        self.answered = asked
        drawing = np.zeros(self.plane.frame, np.uint8)
        valid = None if self.plane.valid is None else self.plane.valid[asked.window]
        classes = self.look.classes(asked.strokes, partial(whole, split=self.split))
        sure = None if self.before is None else self.before.within(asked.window)
        drawing[asked.window] = drawn(classes, valid, not_weighed(classes, asked.strokes, sure))
        yield Progress("look", 0.0, "answering what is on the screen", control.elapsed, preview=FirstAnswer(asked, drawing))
